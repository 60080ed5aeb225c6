"""Explanations: which word or region it was, against networks that can be worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

import mien
from conftest import RunCli, one_line
from face_model import Squares, video_model
from mien.client import Client
from mien.errors import InputError, ModelError
from mien.labels import SPACES
from mien.modalities.face.detect import Face
from mien.modalities.face.preprocess import FER2013_CENTRE, FER2013_LANDMARKS, FaceSettings, outline
from mien.modalities.text.words import parts
from mien.model import NETWORK, TOKENIZER, LabelsEntry, Manifest, write_model
from mien.output.explained import draw_heat
from mien.results import Explanation, Result

if TYPE_CHECKING:
    from serving import Server

CARER, FER = SPACES["carer6"].names, SPACES["fer7"].names
#: word → what it adds to the logit of "joy"; every other word adds nothing.
WEIGHTS = {"glad": 4.0, "so": 0.5, "not": -3.0}


def p_joy(*words: str) -> float:
    """What the network of :func:`text_model` says, by hand."""
    raised = np.exp(sum(WEIGHTS.get(word, 0.0) for word in words))
    return float(raised / (raised + len(CARER) - 1))


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model of texts that knows three words."""
    words = {"[PAD]": 0, "[UNK]": 1} | {word: place for place, word in enumerate(WEIGHTS, 2)}
    table = np.zeros((len(words), len(CARER)), np.float32)
    table[2:, CARER.index("joy")] = list(WEIGHTS.values())
    network = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (int64[batch, length] inputs) => (float[batch, 6] probabilities) {
            rows = Gather(table, inputs)
            sums = ReduceSum<keepdims = 0>(rows, one)
            probabilities = Softmax<axis = 1>(sums)
        }""")
    for name, values in (("table", table), ("one", np.array([1]))):
        network.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    tokenizer = Tokenizer(WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    manifest = Manifest(name="three-words", modality="text", labels=LabelsEntry(space="carer6", names=list(CARER)))
    files = {NETWORK: network.SerializeToString(), TOKENIZER: tokenizer.to_str().encode()}
    return write_model(tmp_path_factory.mktemp("text") / "model", manifest, files, "# three words")


@pytest.fixture(scope="module")
def corner_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of faces that looks at the top left quarter alone: the brighter that is, the happier."""
    network = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        g (uint8[batch, 16, 16, 1] inputs) => (float[batch, 7] probabilities) {
            numbers = Cast<to = 1>(inputs)
            quarter = Slice(numbers, start, end, axes)
            mean = ReduceMean<axes = [1, 2], keepdims = 0>(quarter)
            logits = MatMul(mean, weights)
            probabilities = Softmax<axis = 1>(logits)
        }""")
    weights = np.array([[4 / 255 * (name == "happy") for name in FER]], np.float32)
    given = {"start": np.array([0, 0]), "end": np.array([8, 8]), "axes": np.array([1, 2]), "weights": weights}
    network.graph.initializer.extend(onnx.numpy_helper.from_array(values, name) for name, values in given.items())
    labels = LabelsEntry(space="fer7", names=list(FER))
    manifest = Manifest(name="corner", modality="face", labels=labels, preprocess={"size": 16, "channels": 1})
    folder = tmp_path_factory.mktemp("face") / "model"
    return write_model(folder, manifest, {NETWORK: network.SerializeToString()}, "# corner")


def explained(result: Result) -> Explanation:
    assert result.explanation is not None
    return result.explanation


# ------------------------------------------------------------------------------------------------------------ words


def test_each_word_has_the_share_that_is_lost_without_it(text_model: Path) -> None:
    text = "  i am so glad\nnot sad "
    found = explained(mien.explain(text, str(text_model)))
    words = text.split()
    assert [(word.text, text[word.start : word.end]) for word in found.words] == list(zip(words, words, strict=True))
    for place, word in enumerate(found.words):
        rest = words[:place] + words[place + 1 :]
        assert word.share == pytest.approx(p_joy(*words) - p_joy(*rest), abs=1e-5)
    assert [word.text for word in found.strongest(2)] == ["not", "glad"]
    assert (found.label, found.space, found.note) == ("joy", "carer6", "")
    assert found.score == pytest.approx(p_joy(*words), abs=1e-5)
    (alone,) = explained(mien.explain("glad", str(text_model))).words
    assert alone.share == pytest.approx(p_joy("glad"), abs=1e-5), "nothing is left without it"


def test_what_is_rolled_up_is_explained_in_the_coarser_labels(text_model: Path) -> None:
    model = mien.load(text_model)
    predictor, roll = mien.modality.answer_in(model, "sentiment3" if "sentiment3" in SPACES else "ekman7", True)
    space = predictor.explained_in
    assert space is not None
    result = roll(predictor.predict("so glad"))
    found = explained(result)
    assert (found.label, found.space, found.score) == (result.label, space.name, pytest.approx(result.score))
    alone = roll(predictor.predict("so")).items[0].scores[found.label]
    assert found.words[1].share == pytest.approx(found.score - alone, abs=1e-5)
    assert model.predict("so glad").explanation is None
    assert model.explain("so glad").rollup(space).explanation is None, "it explains another label"


def test_an_explanation_stands_in_the_json_and_comes_back(text_model: Path) -> None:
    result = mien.load(text_model).explain("i am so glad 🎉")
    document = json.loads(json.dumps(result.to_dict()))
    assert document["items"][0]["explanation"]["words"][3] | {"share": 0} == {
        "text": "glad", "start": 8, "end": 12, "share": 0,
    }  # fmt: skip
    again = Result.from_dict(document, result.items[0].space)
    assert again.to_dict() == document
    plain = mien.predict("i am so glad 🎉", str(text_model)).to_dict()
    del document["items"][0]["explanation"]
    assert document == plain


def test_a_long_text_is_explained_in_groups_of_bounded_work() -> None:
    for text in ("wort " * 5000, "短い" * 30_000, "a" * 100_000, "one two", "日本語 with 🎉🎉great"):
        spans, note = parts(text)
        assert len(spans) <= 100
        assert len(spans) * len(text) <= max(60_000, 10 * len(text))
        edges = [0, *(edge for span in spans for edge in span), len(text)]
        assert edges == sorted(edges)
        assert not any(text[a:b].strip() for a, b in zip(edges[::2], edges[1::2], strict=True)), "no word is left out"
        assert bool(note) == (text[:2] in ("wo", "短い")), note
    text = "日本 with 🎉❤️great, yes!"
    assert [text[a:b] for a, b in parts(text)[0]] == ["日", "本", "with", "🎉❤️", "great,", "yes!"]


# ---------------------------------------------------------------------------------------------------------- regions


def test_the_map_of_a_face_shows_where_the_network_looks(corner_model: Path) -> None:
    picture = np.zeros((16, 16), np.uint8)
    picture[:8, :8] = 255
    result = mien.load(corner_model).explaining().predict(picture, crops=True)
    found = explained(result)
    sums, counts = np.zeros((8, 8)), np.zeros((8, 8))

    def happy(crop: np.ndarray) -> float:
        raised = np.exp(4 * crop[:8, :8].mean() / 255)
        return float(raised / (raised + len(FER) - 1))

    for row, column in np.ndindex(7, 7):
        hidden = picture.astype(float)
        hidden[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] = 64  # its mean
        sums[row : row + 2, column : column + 2] += happy(picture) - happy(hidden)
        counts[row : row + 2, column : column + 2] += 1
    assert np.array(found.grid) == pytest.approx(sums / counts, abs=1e-5)
    assert np.array(found.grid)[:3, :3].min() > 0.05
    assert not np.array(found.grid)[5:].any()
    assert found.corners == ((0, 0), (16, 0), (16, 16), (0, 16))
    assert Result.from_dict(result.to_dict()).to_dict() == result.to_dict()


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_the_corners_are_where_the_crop_was_cut(angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * 80

    def at(points: Any) -> np.ndarray:
        return np.array(points) @ turn.T + (120, 90)

    x, y = at(FER2013_CENTRE) - 0.5
    box = (x - 30, y - 30, x + 30, y + 30)
    face = Face(box, 1.0, (at(FER2013_LANDMARKS) - 0.5).astype(np.float32))
    corners = outline(face, FaceSettings(size=48))
    assert np.array(corners) == pytest.approx(at([(0, 0), (1, 0), (1, 1), (0, 1)]), abs=0.05)


def test_heat_lies_where_the_grid_is_hot() -> None:
    grid = tuple(tuple(0.5 * (row < 2 and column > 5) for column in range(8)) for row in range(8))
    corners = ((20.0, 10.0), (20.0, 90.0), (-60.0, 90.0), (-60.0, 10.0))  # turned by a quarter, half of it outside
    canvas = np.zeros((100, 100, 3), np.uint8)
    draw_heat(canvas, Explanation("happy", "fer7", 0.9, grid=grid, corners=corners), 1.0)
    y, x = np.argwhere(canvas.any(2)).T
    assert (x.min(), x.max()) >= (0, 0)
    assert x.max() < 20
    assert y.min() >= 60, "its right is below here"
    assert y.max() < 90
    assert canvas[88, 18].tolist() == [178, 59, 0]


# ------------------------------------------------------------------------------------------- command line and server


def test_the_command_line_explains(text_model: Path, corner_model: Path, run_cli: RunCli, tmp_path: Path) -> None:
    shown = run_cli("predict", "--explain", "so glad", "--model", text_model).stdout
    gone = 100 * (p_joy("so", "glad") - p_joy("so"))
    assert f"because of  glad {gone:+.0f}, so" in shown
    printed = json.loads(run_cli("predict", "--explain", "so glad", "--json", "--model", text_model).stdout)
    assert printed["results"] == [mien.load(text_model).explain("so glad").to_dict()]
    many = run_cli("predict", "--explain", *(f"glad {n}" for n in range(6)), "--model", text_model).stdout
    assert many.count("glad +") == 6
    done = run_cli("predict", "--explain", "so glad", "--out", tmp_path / "a.csv", "--model", text_model)
    assert done.returncode == 2
    assert "a table has no room" in " ".join(done.stderr.replace("│", "").split())
    clips = video_model(tmp_path / "clips")
    (tmp_path / "a.mp4").write_bytes(b"")
    line = one_line(run_cli("predict", "--explain", tmp_path / "a.mp4", "--model", clips))
    assert "reads video, which is not explained; there are: text and face" in line


def test_many_faces_are_explained_up_to_a_bound(corner_model: Path) -> None:
    model = mien.load(corner_model)
    model.detector = Squares()  # type: ignore[attr-defined]
    picture = np.zeros((60, 40 * 40, 3), np.uint8)
    for place in range(36):
        picture[10 : 40 - place % 3, 40 * place + 5 : 40 * place + 35] = 200
    result = model.explain(picture)
    assert [item.explanation is not None for item in result.items] == [True] * 32 + [False] * 4
    assert result.notes == ("only the first 32 of 36 are explained",)


def test_the_server_explains(server: Server) -> None:
    model, text = mien.load("text-carer"), "i feel so loved today"
    asked = {"inputs": [text], "model": "text-carer", "explain": True}
    (result,) = server.post("/v1/text", asked).json()["results"]
    expected = model.explain(text).to_dict()
    words = [word.pop("share") for word in result["items"][0]["explanation"]["words"]]
    assert words == pytest.approx([w.pop("share") for w in expected["items"][0]["explanation"]["words"]], abs=1e-4)
    assert result["items"][0]["explanation"]["words"] == expected["items"][0]["explanation"]["words"]
    form = server.upload("/v1/text", [], [("inputs", text), ("model", "text-carer"), ("explain", "true")]).json()
    assert form["results"][0]["items"][0]["explanation"]["words"][3]["text"] == "loved"
    with Client(f"http://127.0.0.1:{server.port}") as client:
        told = explained(client.predict(text, "text-carer", explain=True))
    assert [(word.text, word.start) for word in told.strongest(1)] == [("loved", 10)]
    plain = server.post("/v1/text", asked | {"explain": False}).json()["results"][0]
    assert "explanation" not in plain["items"][0]
    assert "explain must be true or false" in server.upload(
        "/v1/text", [], [("inputs", "a"), ("explain", "1")]
    ).problem(422)
    assert "#/explain must be true or false" in server.post("/v1/text", asked | {"explain": "yes"}).problem(422)


def test_what_cannot_be_read_is_not_explained(text_model: Path) -> None:
    (empty, glad) = mien.load(text_model).explaining().predict_many(["", "glad"])
    assert (empty.error, empty.explanation) == ("text is empty", None)
    assert glad.explanation is not None
    with pytest.raises(InputError, match="text is empty"):
        mien.explain(" ", str(text_model))


def test_a_result_explains_itself() -> None:
    plain = mien.predict("i feel so loved today", model="text-carer")
    found = plain.explain()
    assert plain.explanation is None
    assert found.explanation == mien.explain("i feel so loved today", model="text-carer").explanation
    assert found.explain() is found
    with pytest.raises(ModelError, match="no model 'elsewhere'"):
        replace(plain, model="elsewhere").explain()
