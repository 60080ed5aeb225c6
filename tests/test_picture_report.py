"""Reports on pictures: what is drawn, what stands in training too, mirror images, further label spaces."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import mien
from conftest import RunCli, one_line
from face_model import FER, PLUS, expected, face_model
from mien.datasets.dataset import Dataset
from mien.errors import DataError, InputError
from mien.evaluation import Report, evaluate, sheets
from mien.evaluation.figures import png
from mien.evaluation.samples import SAMPLES, data_uri, evenly, thumbnail
from mien.labels import SPACES
from mien.model import LabelsEntry, Manifest, read_manifest
from mien.output.reports import show_metrics, show_stats
from mien.training.card import card
from mien.training.publish import figures_key, headline, publish

SPACE = SPACES["fer7"]
NO_CHARTS = dict.fromkeys(("confusion_counts.png", "confusion_shares.png", "calibration.png"), b"")  # saves time


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_model(tmp_path_factory.mktemp("face") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return mien.load(folder, threads=1)


def shade(label: int, of: int = 7, more: int = 0) -> np.ndarray:
    """A picture of one gray, uint8 (16, 16), that the model takes for this label; *more* makes it another picture."""
    return np.full((16, 16), round(255 * (label + 0.5) / of) + more, np.uint8)


def faces(inputs: list[Any], targets: list[int], split: list[str], **fields: Any) -> Dataset:
    where = [f"faces.csv:{line}" for line in range(2, len(inputs) + 2)]
    values: dict[str, Any] = {"where": where, "space": SPACE, "modality": "face", "name": "faces"} | fields
    return Dataset(inputs=inputs, targets=np.array(targets), split=np.array(split), **values)


@pytest.fixture(scope="module")
def leaky() -> Dataset:
    """Test: shades 0 to 4 as labels 0, 1, 2, 3, 0; of these the first (right) and the last (wrong) stand in train."""
    inputs = [shade(0), shade(4), shade(6), *(shade(label) for label in range(5))]
    return faces(inputs, [0, 4, 6, 0, 1, 2, 3, 0], ["train"] * 3 + ["test"] * 5)


def pixels(uri: str) -> np.ndarray:
    kind, content = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", uri).groups()  # type: ignore[union-attr]
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert picture.format == kind.upper()
    return np.asarray(picture.convert("RGB"))


# --------------------------------------------------------------------------------------- seen in training too


def test_figures_with_and_without_what_stands_in_training(model: Any, leaky: Dataset) -> None:
    report = evaluate(model, leaky)
    assert (report.figures["n"], report.accuracy) == (5, 4 / 5)
    rest = report.without_seen
    assert rest is not None
    assert (rest["seen"], rest["n"], rest["accuracy"]) == (2, 3, 1.0)
    assert rest["macro_f1"] == pytest.approx(3 / 7)
    assert rest["macro_f1_present"] == 1
    document = report.to_dict()
    assert document["without_seen"]["seen"] == 2
    assert [entry["where"] for entry in document["samples"] if entry["seen_in_training"]] == [
        "faces.csv:5",
        "faces.csv:9",
    ]


@pytest.mark.parametrize("split", ["train", "all"])
def test_training_data_are_not_measured_without_themselves(model: Any, leaky: Dataset, split: str) -> None:
    assert evaluate(model, leaky, split=split).without_seen is None


def test_nothing_seen_and_all_seen(model: Any, leaky: Dataset) -> None:
    assert evaluate(model, leaky.take(np.array([0, 4, 5]))).without_seen is None
    report = evaluate(model, leaky.take(np.array([0, 1, 3, 7])))
    assert report.without_seen == {"seen": 2, "n": 0}
    assert "All 2 samples also stand in training." in report.to_html(NO_CHARTS)
    assert "n_seen" in headline(report.to_dict())
    assert "none is left" in terminal(report)


def test_the_mark_stays_with_its_row_when_others_are_left_out(model: Any, leaky: Dataset) -> None:
    """ferplus8's contempt has no place in a space of one's own: its row goes, and the marks must not shift."""
    plus = replace(leaky, space=SPACES["ferplus8"], targets=np.array([0, 4, 6, 7, 1, 2, 3, 0]))
    report = evaluate(model.with_labels("ferplus8"), plus, labels="ekman7")
    assert report.without_seen is not None
    assert report.without_seen["seen"] + report.without_seen["n"] == report.figures["n"] == 5
    texts = Dataset(
        "texts", "text", SPACES["goemotions28"].as_multilabel(False), ["a", "b", "c", "B "],
        np.array([SPACES["goemotions28"].index(name) for name in ("joy", "joy", "neutral", "joy")]),
        np.array(["train", "train", "test", "test"]),
    )  # fmt: skip
    reader = Said({"c": [0, 1, 0, 0, 0, 0], "B ": [0, 1, 0, 0, 0, 0]})
    found = evaluate(reader, texts, labels="carer6")  # type: ignore[arg-type]  # has no neutral: row c goes
    assert (found.figures["n"], found.without_seen) == (1, {"seen": 1, "n": 0})


class Said:
    """A text model of carer6 that says what it was made with."""

    def __init__(self, rows: dict[str, list[float]]) -> None:
        self.rows, self.name, self.space = rows, "said", SPACES["carer6"]
        self.manifest = Manifest(name="said", modality="text", labels=LabelsEntry(space="carer6", names=["x"]))

    def predict_proba(self, inputs: Any, batch_size: int = 64, progress: Any = None) -> np.ndarray:
        return np.array([self.rows[text] for text in inputs], np.float32)


def test_page_terminal_and_manifest_tell_of_it(model: Any, leaky: Dataset) -> None:
    report = evaluate(model, leaky)
    assert "Without the 2 samples that also stand in training: 3 are left. Macro F1 0.429." in report.to_html(NO_CHARTS)
    told = terminal(report)
    assert "without the 2 that also stand in training:   accuracy 1.0000   macro-F1 0.4286" in told
    kept = headline(report.to_dict())
    assert (kept["n"], kept["n_seen"], kept["accuracy"], kept["accuracy_without_seen"]) == (5, 2, 0.8, 1.0)
    assert kept["macro_f1_without_seen"] == pytest.approx(3 / 7, abs=1e-6)
    assert kept["recall"] == {**dict.fromkeys(FER, 0.0), **dict.fromkeys(FER[1:4], 1.0), FER[0]: 0.5}


def terminal(report: Report) -> str:
    console = Console(width=120, file=io.StringIO())
    show_metrics(console, report.to_dict(), report.space)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# ------------------------------------------------------------------------------------------ pictures in reports


def test_json_has_places_instead_of_pixels(model: Any, leaky: Dataset, tmp_path: Path) -> None:
    report = evaluate(model, leaky)
    report.write(tmp_path)
    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert document["mistakes"] == [
        {
            "input": "faces.csv:9",
            "true": "angry",
            "predicted": FER[4],
            "label": FER[4],
            "score": pytest.approx(expected(shade(4)[0, 0] / 255)[4], abs=1e-5),
            "where": "faces.csv:9",
            "row": 4,
            "seen_in_training": True,
        }
    ]
    assert {entry["input"] for entry in document["samples"]} == {f"faces.csv:{line}" for line in range(5, 10)}
    assert "thumbnails" not in document
    assert len((tmp_path / "report.json").read_bytes()) < 12_000  # no pixels
    nowhere = evaluate(model, replace(leaky, where=()))
    assert [entry["input"] for entry in nowhere.to_dict()["mistakes"]] == ["row 5"]


def test_the_page_shows_the_very_pictures(model: Any, leaky: Dataset) -> None:
    html = evaluate(model, leaky).to_html(NO_CHARTS)
    sheet = html.partition('<section id="samples">')[2].partition("</section>")[0]
    found = re.findall(r'class="sample (right|wrong)">\s*<img src="([^"]+)" alt="([^"]+)"', sheet)
    assert [(kind, name) for kind, _, name in found] == [
        *(("right", f"faces.csv:{line}") for line in (5, 6, 7, 8)),
        ("wrong", "faces.csv:9"),
    ]
    for (_, uri, _), label in zip(found, range(5), strict=True):
        picture = pixels(uri)
        assert picture.shape == (16, 16, 3)
        assert (picture == shade(label)[0, 0]).all()
    assert SPACE[FER[4]].emoji in sheet
    assert sheet.count("also in training") == 2
    assert html.partition('<section id="mistakes">')[2].count("data:image/png") == 1


def test_files_are_shown_small_and_what_cannot_be_read_is_left_out(model: Any, tmp_path: Path) -> None:
    red = np.zeros((200, 100, 3), np.uint8)
    red[...] = 20, 30, 220  # as OpenCV has it: blue first
    cv2.imwrite(str(tmp_path / "red.png"), red)
    cv2.imwrite(str(tmp_path / "dark.png"), shade(0))
    (tmp_path / "broken<b>.jpg").write_bytes(b"\xff\xd8\xff no picture")
    paths = [str(tmp_path / name) for name in ("red.png", "broken<b>.jpg", "dark.png")]
    data = faces(paths, [0, 0, 0], ["test"] * 3, where=["red.png", "broken<b>.jpg", "dark.png"])
    report = evaluate(model, data)
    assert (report.figures["n"], report.accuracy) == (2, 0.5)
    assert report.notes[0] == "Pictures that cannot be read were left out, 1 of 3: broken<b>.jpg."
    assert [entry["input"] for entry in report.mistakes] == paths[:1]
    shown = re.findall(r'<img src="([^"]+)" alt="[^"]*red.png"', report.to_html(NO_CHARTS))
    picture = pixels(shown[0])
    assert picture.shape == (96, 48, 3)
    assert np.abs(picture.astype(int) - (220, 30, 20)).max() <= 4
    gone = replace(report, thumbnails={})  # as after the file was taken away
    assert f'<span class="unread">{paths[0]}</span>' in gone.to_html(NO_CHARTS)
    with pytest.raises(DataError, match="none of the 1 pictures can be read"):
        evaluate(model, data.take(np.array([1])))


def test_an_error_of_every_picture_is_raised(model: Any, leaky: Dataset, monkeypatch: Any) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise InputError("not today")

    monkeypatch.setattr(type(model), "forward", refuse)
    with pytest.raises(DataError, match=f"none of the {len(leaky.part('test'))} pictures can be read: not today"):
        evaluate(model, leaky)


def test_thumbnails_keep_their_shape() -> None:
    wide = np.zeros((10, 400), np.uint8)
    small = thumbnail(wide)
    assert small is not None
    assert small.shape == (2, 96, 3)
    assert pixels(data_uri(small)).shape == (2, 96, 3)
    line = thumbnail(np.zeros((1, 5000), np.uint8))
    assert line is not None
    assert line.shape == (1, 96, 3)
    assert thumbnail(b"no picture") is None


# -------------------------------------------------------------------------------------------------- the sheet


def test_evenly_by_hand() -> None:
    label = np.array([0, 0, 0, 0, 1, 1, 2, 0])
    rows = np.array([3, 1, 5, 6, 0, 4, 2, 7])
    assert evenly(rows, label, 100) == [3, 1, 0, 2, 7, 5, 4, 6]
    assert evenly(rows, label, 3) == [3, 5, 6]  # the first of each
    assert evenly(rows, label, 5) == [3, 1, 5, 4, 6]
    assert evenly(rows[:0], label, 5) == []


@pytest.fixture(scope="module")
def many(model: Any) -> Report:
    """600 pictures, of which half are labelled one step too low; label 6 is rare among the right ones."""
    rng = np.random.default_rng(5)
    shown = rng.integers(0, 7, 600)
    shown[shown == 6] = np.where(np.arange((shown == 6).sum()) < 2, 6, 5)
    wrong = rng.random(600) < 0.5
    wrong[shown == 6] = False
    targets = np.where(wrong & (shown > 0), shown - 1, shown)
    inputs = [shade(int(label), more=int(more)) for label, more in zip(shown, rng.integers(-9, 10, 600), strict=True)]
    return evaluate(model, faces(inputs, targets.tolist(), ["test"] * 600))


def test_the_sheet_is_even_and_always_the_same(many: Report, model: Any) -> None:
    right = [entry for entry in many.samples if entry["right"]]
    wrong = [entry for entry in many.samples if not entry["right"]]
    assert len(right) == len(wrong) == SAMPLES
    assert all(entry["true"] == entry["predicted"] for entry in right)
    assert all(entry["true"] != entry["predicted"] for entry in wrong)
    counts = [sum(entry["true"] == name for entry in right) for name in FER]
    assert counts[6] == 2  # all there are
    assert {*counts[:6]} <= {3, 4}
    assert [entry["true"] for entry in right] == sorted((entry["true"] for entry in right), key=FER.index)
    assert {sum(entry["true"] == name for entry in wrong) for name in FER[:5]} <= {4, 5}
    assert len({entry["row"] for entry in many.samples}) == 2 * SAMPLES


def test_wrong_ones_are_the_surest_of_their_label(many: Report) -> None:
    wrong = [entry for entry in many.samples if not entry["right"]]
    most = max(many.mistakes, key=lambda entry: entry["score"])
    assert most["row"] in {entry["row"] for entry in wrong}
    for name in FER[:5]:
        scores = [entry["score"] for entry in wrong if entry["true"] == name]
        assert scores == sorted(scores, reverse=True)
        others = [entry["score"] for entry in many.mistakes if entry["true"] == name]
        assert not others or max(others) == pytest.approx(scores[0])


def test_a_sheet_for_pictures_only(model: Any) -> None:
    data = Dataset("texts", "text", SPACES["carer6"], ["a"], np.array([1]), np.array(["test"]))
    report = evaluate(Said({"a": [0, 1, 0, 0, 0, 0]}), data)  # type: ignore[arg-type]
    assert report.to_dict()["samples"] == []
    assert "samples.png" not in report.charts()
    assert 'id="samples"' not in report.to_html(NO_CHARTS)


def near(picture: np.ndarray, color: str) -> int:
    """How many pixels have this color, or nearly."""
    wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return int((np.abs(picture.astype(int) - wanted).max(2) <= 3).sum())


def test_the_sheet_as_a_picture(many: Report) -> None:
    blue = {entry["row"]: np.full((8, 8, 3), (10, 20, 250), np.uint8) for entry in many.samples}
    drawn = Image.open(io.BytesIO(png(sheets.samples((many.samples, blue), SPACE))))
    assert drawn.format == "PNG"
    picture = np.asarray(drawn.convert("RGB"))
    assert near(picture, sheets.RIGHT) > 20_000  # 24 edges, each of four sides
    assert near(picture, sheets.WRONG) > 20_000
    side = 1.08 * 150 - 8  # pixels of each, without the edge
    assert near(picture, "#0a14fa") > 0.9 * 48 * side**2
    upper = picture[: len(picture) // 3]
    assert near(upper, sheets.RIGHT) > 1000
    assert near(upper, sheets.WRONG) == 0
    assert near(picture[len(picture) * 2 // 3 :], sheets.RIGHT) == 0


# ------------------------------------------------------------------------------------------------- the layout


def row(name: str, kind: str, *output: int, parameters: int = 0) -> dict[str, Any]:
    return {"name": name, "type": kind, "output": [1, *output], "parameters": parameters}


def test_layers_are_grouped_by_part_then_by_output() -> None:
    rows = [
        row("blocks.0", "Conv2d", 8, 4, 4, parameters=72), row("blocks.1", "ReLU", 8, 4, 4),
        row("blocks.2", "MaxPool2d", 8, 2, 2), row("head", "Linear", 7, parameters=231),
    ]  # fmt: skip
    found = [(b.title, b.types, b.times, b.output, b.parameters) for b in sheets.blocks(rows)]
    assert found == [
        ("blocks.0 – 1", "Conv2d, ReLU", 1, "8 × 4 × 4", 72),
        ("blocks.2", "MaxPool2d", 1, "8 × 2 × 2", 0),
        ("head", "Linear", 1, "7", 231),
    ]
    text = {"name": "head", "type": "Linear", "output": "batch × 6", "parameters": 54}
    assert sheets.blocks([text])[0].output == "batch × 6"


def transformer(layers: int) -> list[dict[str, Any]]:
    rows = [row("words", "Embedding", 9, 4, parameters=400)]
    for at in range(layers):
        names = ("query", "key", "dense.wide", "dense.narrow", "norm")
        rows += [
            row(f"encoder.layer.{at}.{name}", "Linear", 9, 16 if "wide" in name else 4, parameters=10) for name in names
        ]
    return [*rows, row("head", "Linear", 7, parameters=35)]


def test_equal_parts_are_one_block() -> None:
    words, layers, head = sheets.blocks(transformer(12))
    assert (layers.title, layers.times, layers.types, layers.parameters) == (
        "encoder.layer.0 – 11",
        12,
        "5 Linear",
        600,
    )
    assert (words.parameters, head.parameters) == (400, 35)


@pytest.mark.parametrize("members", [1, 2])
def test_a_small_network_is_drawn_layer_by_layer(members: int) -> None:
    """Of the GRU: embedding, GRU, dropout, ReLU, and the softmax that makes probabilities of it."""
    parts = [
        ("embedding", "Embedding", (9, 4), 40), ("forwards", "GRU", (9, 3), 60), ("backwards", "GRU", (9, 3), 60),
        ("head.0", "Dropout", (6,), 0), ("head.1", "Linear", (5,), 30), ("head.2", "ReLU", (5,), 0),
        ("head.3", "Linear", (7,), 35),
    ]  # fmt: skip
    rows = [
        row(f"members.{member}.{name}", kind, *output, parameters=count)
        for member in range(members)
        for name, kind, output, count in parts
    ]
    found = sheets.blocks(rows)
    assert [block.title for block in found] == ["Embedding", "GRU", "Dropout", "Linear", "ReLU", "Linear"]
    assert [block.times for block in found] == [members, 2 * members, *[members] * 4]
    assert [block.types for block in found][:2] == ["embedding", "forwards – backwards"]
    assert [block.parameters for block in found] == [members * count for count in (40, 120, 0, 30, 0, 35)]
    for space, last in ((SPACE, "Softmax"), (SPACE.as_multilabel(True), "Sigmoid")):
        texts = [text.get_text() for text in sheets.layout(rows, space).axes[0].texts]
        assert [text for text in texts if text in ("GRU", "ReLU", last)] == ["GRU", "ReLU", last]


def test_however_many_layers_the_picture_stays_readable() -> None:
    rows = [row(f"part{at}.conv", "Conv2d", 3 + at % 2, parameters=at) for at in range(200)]
    found = sheets.blocks(rows)
    assert len(found) <= sheets.MOST
    assert sum(block.parameters for block in found) == sum(range(200))
    assert found[0].title == "part0.conv"
    assert found[-1].title == "part199.conv"
    same = sheets.blocks([row(f"p{at}.x", f"Kind{at}", 5) for at in range(90)])
    assert len(same) == 1  # nothing else fits: all have the same output
    for rows_ in (rows, transformer(6), transformer(6)[:1]):
        picture = np.asarray(Image.open(io.BytesIO(png(sheets.layout(rows_, SPACE)))).convert("RGB"))
        assert picture.shape[1] > 1300
        assert picture.std() > 5
    colors = np.asarray(Image.open(io.BytesIO(png(sheets.layout(transformer(6), SPACE)))).convert("RGB"))
    assert near(colors, "#c2578b") > 500  # the embedding's bar and edge
    assert near(colors, "#2f6db3") == 0  # there is no convolution


def test_layout_is_part_of_the_report(folder: Path, leaky: Dataset, tmp_path: Path) -> None:
    model = mien.load(folder, threads=1)
    assert "layout.png" not in evaluate(model, leaky).charts()
    model.manifest.training = {"layout": transformer(2)}
    report = evaluate(model, leaky)
    report.write(tmp_path)
    assert (tmp_path / "layout.png").read_bytes() == report.charts()["layout.png"]
    html = (tmp_path / "report.html").read_text("utf-8")
    assert base64.b64encode((tmp_path / "layout.png").read_bytes()).decode() in html
    assert "All 12 layers" in html


# -------------------------------------------------------------------------- mirror images and further label spaces


def half(left: int, right: int) -> np.ndarray:
    picture = np.full((16, 16), left, np.uint8)
    picture[:, 8:] = right
    return picture


def test_mirrored_figures_are_the_mean_of_two_views(model: Any) -> None:
    """The answer in ferplus8 comes of the left half alone, so that the mirror image gives another."""
    data = faces([half(0, 255), half(255, 255)], [0, 7], ["test"] * 2, space=SPACES["ferplus8"])
    single, double = evaluate(model, data), evaluate(model, data, mirror=True)
    dark, light = expected(0.0, 8), expected(1.0, 8)
    assert single.figures["log_loss"] == pytest.approx(-np.log([dark[0], light[7]]).mean(), rel=1e-4)
    assert double.figures["log_loss"] == pytest.approx(-np.log([(dark[0] + light[0]) / 2, light[7]]).mean(), rel=1e-4)
    assert (single.mirror, double.mirror) == (False, True)
    assert (single.to_dict()["mirror"], double.to_dict()["mirror"]) == (False, True)
    assert any("mirror image" in note for note in double.notes)
    assert not any("mirror" in note for note in single.notes)
    assert model.mirror is False
    assert "with mirror images" in terminal(double)
    assert "mirror" not in terminal(single)


def test_a_model_that_mirrors_of_itself_is_reported_so(folder: Path, leaky: Dataset) -> None:
    model: Any = mien.load(folder, threads=1)
    model.mirror = True
    report = evaluate(model, leaky)
    assert report.mirror
    assert "mirror image" in report.notes[0]


def test_texts_cannot_be_mirrored() -> None:
    data = Dataset("texts", "text", SPACES["carer6"], ["a"], np.array([1]), np.array(["test"]))
    with pytest.raises(DataError, match="nothing to mirror"):
        evaluate(Said({}), data, mirror=True)  # type: ignore[arg-type]


def test_a_head_answers_data_in_its_labels(model: Any) -> None:
    inputs = [half(round(255 * (label + 0.5) / 8), 0) for label in range(8)]
    plus = faces(inputs, list(range(8)), ["test"] * 8, space=SPACES["ferplus8"], name="ferplus")
    report = evaluate(model, plus)
    assert (report.space.names, report.accuracy) == (PLUS, 1.0)
    assert report.to_dict()["about_model"]["space"] == "ferplus8"
    assert any("ferplus8, one of the further" in note for note in report.notes)
    assert figures_key(report.to_dict()) == "ferplus/test"
    votes = np.eye(8, dtype=np.float32) * 0.6 + 0.05
    votes[3] = 0  # not known
    own = faces(inputs, [0] * 8, ["test"] * 8, votes={"ferplus8": votes})
    voted = evaluate(model, own, labels="ferplus8")
    assert (voted.figures["n"], voted.accuracy) == (7, 1.0)
    assert voted.notes[1:3] == [
        "1 samples carry no label of ferplus8 and were left out.",
        "The data's labels are those that most annotators gave (ferplus8).",
    ]
    assert figures_key(voted.to_dict()) == "faces/test as ferplus8"
    assert evaluate(model, own).space.name == "fer7"
    with pytest.raises(DataError, match="no map from fer7 to ferplus8"):
        evaluate(model, replace(own, votes={}), labels="ferplus8")


# ------------------------------------------------------------------------------------------- manifest and card


def test_published_figures_stand_apart(folder: Path, model: Any, leaky: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    published = mien.load(folder, threads=1)
    publish(folder, run / "model")
    again = replace(leaky, targets=np.array([0, 4, 6, 0, 1, 2, 3, 4]))  # other data of the same name
    plus = replace(leaky, space=SPACES["ferplus8"], name="ferplus")
    for place, report in enumerate(
        (evaluate(published, leaky), evaluate(published, leaky, mirror=True), evaluate(published, plus),
         evaluate(published, leaky, labels="ekman7"), evaluate(published, again))
    ):  # fmt: skip
        (run / f"report-{place}").mkdir()
        (run / f"report-{place}" / "report.json").write_text(json.dumps(report.to_dict()), "utf-8")
    metrics = read_manifest(publish(run, tmp_path / "out", name="mine")).metrics
    other = f"faces/test ({again.fingerprint[:8]})"
    names = {"faces/test", "faces/test with mirror image", "ferplus/test", "faces/test as ekman7", other}
    assert set(metrics) == names
    assert metrics["faces/test"]["accuracy"] == 0.8
    assert metrics[other]["accuracy"] == 1
    assert metrics["ferplus/test"]["space"] == "ferplus8"
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| faces/test | fer7 | 5 | 0.8000 | 0.5238 |  | " in text
    assert " | 2 | 1.0000 | 0.4286 |" in text
    assert "| faces/test with mirror image | fer7 |" in text
    assert "Recall of each label, how much of it was found (ferplus8):" in text
    assert "| faces/test | 0.50 | 1.00 | 1.00 | 1.00 | 0.00 | 0.00 | 0.00 |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    for line, after in itertools.pairwise(tables):
        assert line.count("|") == after.count("|") or set(after) != set("|-")


def test_the_card_speaks_of_what_the_model_reads() -> None:
    labels = LabelsEntry(space="fer7", names=list(FER))
    learned = {"spec": "fer2013:x.csv", "rows": {"train": 5}, "labels": "fer7", "licence": "none"}
    face = Manifest(
        name="f", modality="face", labels=labels, data=[learned],
        heads=[LabelsEntry(space="ferplus8", names=list(PLUS))],
    )  # fmt: skip
    told = card(face)
    for words in ("not what a person feels", "turned to the side", "48 × 48", "judge a person", "watch people",
                  'predict("photo.jpg")', "**It also answers in** ferplus8: 😐 neutral"):  # fmt: skip
        assert words in told
    assert "English" not in told
    assert "FER2013" not in card(face.model_copy(update={"data": [learned | {"spec": "images:mine"}]}))
    text = card(Manifest(name="t", modality="text", labels=LabelsEntry(space="mood", names=["up", "down"])))
    assert "English text" in text
    assert "faces" not in text
    assert "repeated" not in text
    assert "also answers" not in text


# ------------------------------------------------------------------------------------------------- command line


def test_evaluate_pictures_by_hand(run_cli: RunCli, folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    for split, label, shown in (("train", 0, 0), ("test", 0, 0), ("test", 0, 1), ("test", 6, 6), ("test", 6, 5)):
        place = tmp_path / "own" / split / FER[label]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{shown}.png"), shade(shown))
    done = run_cli("evaluate", folder, "--data", "images:own?space=fer7", "--mirror", "--json", "--out", "report")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["mirror"], document["n"], document["accuracy"]) == (True, 4, 0.5)
    assert (document["without_seen"]["seen"], document["without_seen"]["accuracy"]) == (1, pytest.approx(1 / 3))
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {"report.html", "samples.png"}
    texts = tmp_path / "t.csv"
    texts.write_text("text,label\ni feel sad,sadness\n", "utf-8")
    failed = run_cli("evaluate", tiny_model, "--data", f"table:{texts}", "--split", "all", "--mirror")
    assert "nothing to mirror" in one_line(failed)


def test_stats_tell_the_size_of_pictures() -> None:
    from mien.datasets.checks import stats

    def told(*shapes: tuple[int, int]) -> str:
        data = faces([np.zeros(shape, np.uint8) for shape in shapes], [0] * len(shapes), ["test"] * len(shapes))
        console = Console(width=120, file=io.StringIO())
        show_stats(console, stats(data))
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert "pixels: all 30 × 20" in told((20, 30), (20, 30))
    assert "pixels: median 30 × 20, up to 90 × 50" in told((20, 30), (10, 20), (50, 90))
