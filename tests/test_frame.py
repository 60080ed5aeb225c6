"""Results as a table, as a view in a notebook, and back from their JSON."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mien
from conftest import RunCli
from face_model import drawn_face, face_model, video_model
from filmed import write_clip
from mien.errors import InputError, MissingExtra
from mien.labels import SPACES, make_space
from mien.results import ClipSummary, Moment, Person, Prediction, Result, Segment

GO, CARER = SPACES["goemotions28"], SPACES["carer6"]


def assert_same(frame: pd.DataFrame, table: pd.DataFrame) -> None:
    assert list(frame.columns) == list(table.columns)
    assert len(frame) == len(table)
    for name in frame.columns:
        for ours, theirs in zip(frame[name], table[name], strict=True):
            if pd.isna(ours) or ours == "":
                assert pd.isna(theirs), name
            elif isinstance(ours, str):
                assert ours == str(theirs), name
            else:
                assert float(ours) == pytest.approx(float(theirs), abs=1e-6), name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    face = drawn_face(160)
    cv2.imwrite("a.png", face[:, :, ::-1])
    cv2.imwrite("b.png", np.full((40, 60, 3), 90, np.uint8))
    for name in ("c.avi", "d.avi"):
        write_clip(Path(name), [np.roll(face, shift, axis=1) for shift in range(4)])
    return tmp_path


def test_texts_have_the_columns_of_the_file(run_cli: RunCli, tiny_model: Path, folder: Path) -> None:
    texts = ["i am glad", "so sad"]
    run = run_cli("predict", *texts, "--model", tiny_model, "--out", "t.csv", "--scores")
    assert run.returncode == 0, run.stderr
    frame = mien.to_frame(mien.load(tiny_model).predict_many(texts))
    assert_same(frame, pd.read_csv("t.csv"))
    assert list(frame.columns)[:3] == ["text", "label", "emoji"]
    assert frame.score_joy[0] == pytest.approx(frame.score[0])
    plain = mien.to_frame(mien.load(tiny_model).predict_many(texts), scores=False)
    assert list(plain.columns) == ["text", "label", "emoji", "score", "labels", "error"]


def test_pictures_have_a_row_for_each_face(run_cli: RunCli, folder: Path) -> None:
    model = face_model(folder / "model")
    run = run_cli("predict", "a.png", "b.png", "--model", model, "--out", "t.csv", "--scores")
    assert run.returncode == 0, run.stderr
    frame = mien.to_frame(mien.load(model).predict_many(["a.png", "b.png"]))
    assert_same(frame, pd.read_csv("t.csv"))
    assert list(frame.file) == ["a.png", "b.png"]
    assert frame.left.notna().tolist() == [True, False]


def test_clips_have_a_row_each_or_one_for_each_moment(run_cli: RunCli, folder: Path) -> None:
    model = video_model(folder / "model")
    loaded = mien.load(model)
    for inputs in (["c.avi"], ["c.avi", "d.avi"]):
        run = run_cli("predict", *inputs, "--model", model, "--out", "t.csv", "--scores")
        assert run.returncode == 0, run.stderr
        results = list(loaded.predict_many(inputs))
        frame = mien.to_frame(results[0] if len(results) == 1 else results)
        assert_same(frame, pd.read_csv("t.csv"))
        assert ("time" in frame) is (len(inputs) == 1)
    assert len(mien.to_frame(results, timeline=True)) == sum(len(result.timeline) for result in results)
    assert len(mien.to_frame(results[0], timeline=False)) == 1


def test_results_of_several_kinds_and_none(tiny_model: Path, folder: Path) -> None:
    mixed = [mien.predict("i am glad", model=str(tiny_model)), *mien.predict_many(["gone.png", ""])]
    frame = mien.to_frame(mixed)
    assert list(frame.error.isna()) == [True, False, False]
    assert list(frame.file.dropna()) == ["gone.png"]
    assert list(mien.to_frame([]).columns) == ["text", "label", "emoji", "score", "labels", "error"]


def test_what_is_no_result_and_a_missing_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^to_frame takes results, not str: mien\.predict_many gives them$"):
        mien.to_frame(["i am glad"])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"^to_frame takes results, not NoneType: "):
        mien.to_frame(None)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match='install mien with the extra "table"'):
        mien.to_frame([])


# ---------------------------------------------------------------------------------------------------- from JSON


def several(*scores: float, **more: object) -> Prediction:
    filled = dict(zip(GO.names, [*scores, *[0.0] * (28 - len(scores))], strict=True))
    return Prediction(filled, GO, **more)  # type: ignore[arg-type]


def test_a_result_comes_back_from_its_json_with_everything_but_digits() -> None:
    tuned = dict.fromkeys(GO.names, 0.3)
    items, coarser = (several(0.31, 0.1, 0.9, thresholds=tuned),), {"ekman7": {"joy": 0.2}}
    result = Result("a", "text", "m", items, rollup_thresholds=coarser, notes=("a note",))
    back = Result.from_dict(json.loads(json.dumps(result.to_dict())), GO, tuned, result.rollup_thresholds)
    assert back == result
    assert back.rollup("ekman7") == result.rollup("ekman7")
    assert Result.from_dict(result.to_dict()).to_dict() == result.to_dict()
    assert Result.from_dict(result.to_dict()).items[0].labels == ("anger", "admiration")


def test_a_clip_comes_back_from_its_json() -> None:
    item = Prediction(dict(zip(CARER.names, (0.5, 0.3, 0.2, 0, 0, 0), strict=True)), CARER)
    face = Prediction(item.scores, CARER, box=(1, 2, 3, 4), ratings={"valence": 2.5})
    clip = ClipSummary(2.0, 64, 48, 10, 1, "cut off")
    seen = {"timeline": (Moment(0.5, 1, face),), "people": (Person(1, item, 0, 1, 1),)}
    parts = (Segment(0, 1, 1, "joy", 0.5),)
    result = Result("a.mp4", "video", "m", (item,), **seen, segments=parts, clip=clip, of_clip=True)
    assert Result.from_dict(result.to_dict()) == result
    unread = Result("a.mp4", "video", "m", error="there is no file a.mp4", of_clip=True)
    assert Result.from_dict(unread.to_dict()).to_dict() == unread.to_dict()


@pytest.mark.parametrize(
    ("scores", "thresholds"),
    [
        ((0.2999996, 0.2), dict.fromkeys(GO.names, 0.3)),  # rounded to 0.3, where it would hold
        ((0.3000004, 0.3000003), dict.fromkeys(GO.names, 0.3)),
        ((0.50000012, 0.5000003, 0.5000002), {}),  # rounded to the same: the order stays
        ((0.0, 0.4999999, 0.4999998), {}),
    ],
)
def test_rounding_changes_no_label(scores: tuple[float, ...], thresholds: dict[str, float]) -> None:
    result = Result("a", "text", "m", (several(*scores, thresholds=thresholds),))
    for given in (None, thresholds):
        back = Result.from_dict(result.to_dict(), GO, given)
        assert back.items[0].labels == result.items[0].labels
        assert back.to_dict() == result.to_dict()


def test_the_strongest_of_equals_stays_the_strongest() -> None:
    def of(label: str, score: float) -> Prediction:
        rest = (1 - score) / 5
        return Prediction({name: score if name == label else rest for name in CARER.names}, CARER, box=(0, 0, 1, 1))

    result = Result("a.jpg", "face", "m", (of("joy", 0.9999997), of("anger", 0.9999999)))
    assert result.label == "anger"
    assert Result.from_dict(result.to_dict()).to_dict() == result.to_dict()


@pytest.mark.parametrize("held", ["anger", "neutral", "pride"])
def test_the_strongest_label_stays_that_where_another_holds_and_is_rounded_to_the_same(held: str) -> None:
    scores = dict.fromkeys(GO.names, 0.1) | {"caring": 0.3000004, "neutral": 0.3000002, "anger": 0.3, "pride": 0.2}
    tuned = dict.fromkeys(GO.names, 1.1) | {held: 0.05}
    result = Result("a", "text", "m", (Prediction(scores, GO, tuned),))
    assert (result.label, result.items[0].labels) == ("caring", (held,))
    for thresholds in (tuned, None):
        back = Result.from_dict(json.loads(json.dumps(result.to_dict())), GO, thresholds)
        assert back.to_dict() == result.to_dict()
        assert (back.label, back.items[0].labels) == ("caring", (held,))


def test_labels_of_ones_own_come_back() -> None:
    space = make_space("mine", ["bored", "joy"])
    result = Result("a", "text", "m", (Prediction({"bored": 0.7, "joy": 0.3}, space),))
    back = Result.from_dict(result.to_dict())
    assert (back.label, back.items[0].space.names, back.items[0].space.multilabel) == ("bored", ("bored", "joy"), False)
    assert back.to_dict() == result.to_dict()


GOOD = Result("a", "text", "m", (several(0.9),)).to_dict()


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "'items' is missing"),
        ([], ""),
        ({**GOOD, "items": [{"scores": {"joy": 2}, "labels": ["joy"]}]}, "score of joy must lie in"),
        ({**GOOD, "items": [{"labels": []}]}, "'scores' is missing"),
        ({**GOOD, "label": "joy"}, "its label 'joy' is not that of its strongest item"),
        ({**GOOD, "items": 3}, ""),
    ],
)
def test_what_is_no_result_is_one_line(document: object, told: str) -> None:
    with pytest.raises(InputError, match=rf"^this is not the JSON of a result: .*{told}"):
        Result.from_dict(document)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"is not in carer6|is missing"):
        Result.from_dict(GOOD, CARER)


# --------------------------------------------------------------------------------------------------- notebooks


class Checked(HTMLParser):
    """What a piece of HTML has in it; every tag must be closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        assert "url(" not in str(dict(attrs).get("style"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_bars_and_nothing_from_elsewhere() -> None:
    evil = Result("<script>x</script>\"'&\u202e\ud83d", "text", "<b>m</b>", (several(0.1, 0.2, 0.9),), notes=("<i>",))
    seen = Checked(evil._repr_html_())
    assert set(seen.tags) == {"div", "table", "tr", "td"}
    assert "<script>" in seen.text
    assert "\u202e" not in seen.text
    assert [word for word in ("😠 anger", "90 %", "😂 amusement", "20 %") if word not in seen.text] == []
    assert seen.tags.count("tr") == 5
    assert seen.addresses == []
    assert len(evil._repr_html_()) < 4000
    assert "<table" not in repr(evil)
    assert "\n" not in repr(evil)


def test_a_notebook_shows_errors_ratings_and_clips() -> None:
    assert "text is empty" in Checked(Result("", "text", "m", error="text is empty")._repr_html_()).text
    item = Prediction(dict(zip(CARER.names, (0.5, 0.3, 0.2, 0, 0, 0), strict=True)), CARER, ratings={"valence": 2.5})
    people = tuple(Person(n, item, 0, 1, 1) for n in range(1, 9))
    clip = ClipSummary(None, 64, 48, 10, 0, "cut off after 2 s")
    parts = tuple(Segment(0, 1.5, n, "joy", 0.5) for n in range(1, 9))
    seen = Checked(Result("a.mp4", "video", "m", (item,), people=people, segments=parts, clip=clip)._repr_html_())
    assert [
        word for word in ("person 6", "… and 2 more", "cut off after 2 s", "valence", "2.50") if word not in seen.text
    ] == []
    assert "person 7" not in seen.text
    assert "nothing found" in Checked(Result("a.jpg", "face", "m")._repr_html_()).text


def test_a_picture_that_is_there_is_shown_small_with_its_boxes(folder: Path) -> None:
    Image.fromarray(np.zeros((900, 1800, 3), np.uint8)).save("big.jpg")
    item = Prediction(dict(zip(CARER.names, (0.5, 0.3, 0.2, 0, 0, 0), strict=True)), CARER, box=(10, 20, 110, 220))
    html = Result("big.jpg", "face", "m", (item, item))._repr_html_()
    seen = Checked(html)
    (address,) = seen.addresses
    assert address.startswith("data:image/jpeg;base64,")
    assert seen.tags.count("rect") == 2
    assert 'viewBox="0 0 1800 900" width="480"' in html
    assert '<rect x="10" y="20" width="100" height="200"' in html
    assert len(html) < 20_000
    for name in ("gone.jpg", "none.jpg", "<array>"):
        Path("none.jpg").write_text("no picture")
        assert Checked(Result(name, "face", "m", (item,))._repr_html_()).addresses == []


def test_a_report_in_a_notebook(tiny_model: Path) -> None:
    report = mien.evaluate(tiny_model, data="sample:text")
    seen = Checked(report._repr_html_())
    assert f"accuracy {report.accuracy:.4f}" in seen.text
    assert [label for label in report.space.names if label not in seen.text] == []
    assert set(seen.tags) == {"div", "b", "table", "tr", "td"}
    assert "\n" not in repr(report)
    assert repr(report).startswith("Report('tiny'")


# ------------------------------------------------------------------------------- texts in another library's dress


def test_texts_of_numpy_and_arrow_are_texts(tiny_model: Path) -> None:
    import pyarrow

    words = ["i am glad", "so sad"]
    column = pyarrow.table({"text": words})["text"]
    columns = [np.array(words), np.array(words, dtype=np.dtypes.StringDType()), np.array(words, dtype=object), column]
    columns += [
        column.chunk(0),
        *(pd.Series(words, dtype=kind) for kind in ("string", "category", object)),
        pd.Index(words),
    ]
    expected = list(mien.predict_many(words, model=str(tiny_model)))
    for given in columns:
        found = list(mien.predict_many(given, model=str(tiny_model)))
        assert found == expected
        assert {type(result.input) for result in found} == {str}
        with pytest.raises(InputError, match=r": use mien\.predict_many$"):
            mien.predict(given)
    for one in (np.str_("i am glad"), np.array("i am glad"), column[0]):
        result = mien.predict(one, model=str(tiny_model))
        assert (result, type(result.input)) == (expected[0], str)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.array(["i am glad"], dtype="S"), r"decode it"),
        (np.array([["i am glad"], ["so sad"]]), r"array of texts of shape \(2, 1\): one dimension"),
        (np.array("i am glad"), "array of texts"),
    ],
)
def test_arrays_that_are_no_column_of_texts(given: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        mien.predict_many(given)
