"""``--landmarks`` from end to end, with stand-ins for the networks: pictures, clips, tables, what learns from them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien
from conftest import RunCli, one_line
from face_model import drawn_face, face_model, scene, video_model
from face_points import turned, write_networks
from filmed import write_clip
from mien.distributed import Job, plan_shards
from mien.errors import DataError, ModelError
from mien.output.actions import clip_action_cells, in_words, words
from mien.output.rows import RowFormat
from mien.output.tables import column_names
from mien.results import BLENDSHAPES, FaceAction, Result

KEYS = ["presence", "pose", "gaze", "openness", "blendshapes", "landmarks"]
MEASURED = 51 + 3 + 2 + 3  # numbers of a face in a table


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_networks(tmp_path_factory.mktemp("points"), turned(yaw=20, pitch=10))


@pytest.fixture(autouse=True)
def _stand_in(networks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_LANDMARKS", str(networks))
    monkeypatch.setenv("MIEN_THREADS", "1")


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_model(tmp_path_factory.mktemp("face") / "model")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video_model(tmp_path_factory.mktemp("video") / "model", smooth=0)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Two faces, the second half as light, and nothing else that is light."""
    shown = np.full((300, 500, 3), 40, np.uint8)
    shown[40:240, 20:220] = drawn_face(200)
    shown[80:230, 300:450] = (drawn_face(150) * 0.7).astype(np.uint8)
    return shown


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One who is there for two seconds, and is lighter in the second half; another, who is there for one."""
    frames = [scene(1, 1 if number < 10 else None) for number in range(20)]
    lighter = [
        np.clip(frame * (1 + 0.3 * (number >= 10)), 0, 255).astype(np.uint8) for number, frame in enumerate(frames)
    ]
    return write_clip(tmp_path_factory.mktemp("film") / "two.mp4", lighter, fps=10)


def saved(path: Path, picture: np.ndarray) -> Path:
    cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_face_has_an_action_where_it_is_asked_for(face: Path, picture: np.ndarray) -> None:
    model = mien.load(face)
    plain, result = model.predict(picture), model.predict(picture, landmarks=True)
    assert len(result.items) == 2
    assert plain == replace(result, items=tuple(replace(item, action=None) for item in result.items))
    assert not set(KEYS) & set(plain.items[0].to_dict())
    document = json.loads(json.dumps(result.to_dict()))
    for item, told in zip(result.items, document["items"], strict=True):
        assert item.action is not None
        assert item.action.landmarks is not None
        assert [key for key in told if key in KEYS] == KEYS
        assert list(told["blendshapes"]) == list(BLENDSHAPES)
        assert told["pose"] == pytest.approx({"yaw": 20, "pitch": 10, "roll": 0}, abs=3)  # drawn eyes are hardly level
        points = np.array(told["landmarks"])
        assert points.shape == (478, 2)
        assert np.array_equal(points, points.round(1))
        left, top, right, bottom = item.box or (0, 0, 0, 0)
        assert left < points[1:, 0].mean() < right
        assert top < points[1:, 1].mean() < bottom
    lighter, darker = (item["blendshapes"]["jawOpen"] for item in document["items"])
    assert lighter > darker + 0.05  # see the stand-in: light opens the mouth
    assert Result.from_dict(document).to_dict() == document
    assert Result.from_dict(document).items[0].action == result.items[0].action
    assert result.rollup("ekman7").items[0].action == result.items[0].action
    many = list(model.predict_many([picture, picture[:, :250]], landmarks=True))
    assert many[0] == result
    assert model.predict(picture[:, :250], landmarks=True) == many[1]


def test_ready_crops_and_their_explanations_have_it_too(face: Path) -> None:
    model, crop = mien.load(face), drawn_face(120)
    (item,) = model.predict(crop, crops=True, landmarks=True).items
    assert item.action is not None
    assert item.action.presence > 0.9
    explained = model.explain(crop, crops=True, landmarks=True).items[0]
    assert explained.explanation
    assert explained.action == item.action


def test_json_and_tables_say_the_same_as_the_api(
    face: Path, picture: np.ndarray, run_cli: RunCli, tmp_path: Path
) -> None:
    path = saved(tmp_path / "two.png", picture)
    expected = mien.load(face).predict(str(path), landmarks=True)
    done = run_cli("predict", "two.png", "--model", face, "--landmarks", "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert result["items"] == expected.to_dict()["items"]
    done = run_cli("predict", "two.png", "--model", face, "--landmarks", "--out", "two.csv")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "two.csv")
    assert len(rows) == 2
    added = list(rows[0])[list(rows[0]).index("presence") :]
    assert len(added) == 1 + MEASURED
    for row, item in zip(rows, result["items"], strict=True):
        assert float(row["action_jawOpen"]) == item["blendshapes"]["jawOpen"]
        assert float(row["pose_yaw"]) == pytest.approx(item["pose"]["yaw"], abs=0.006)
        assert float(row["gaze_x"]) == pytest.approx(item["gaze"]["x"], abs=1e-4)
        assert float(row["open_mouth"]) == pytest.approx(item["openness"]["mouth"], abs=1e-4)
    plain = run_cli("predict", "two.png", "--model", face, "--out", "plain.csv")
    assert plain.returncode == 0
    assert "presence" not in (tmp_path / "plain.csv").read_text("utf-8")
    shown = run_cli("predict", "two.png", "--model", face, "--landmarks")
    assert "face 1  " in shown.stdout
    assert "head turned left" in shown.stdout


def test_points_are_drawn_on_pictures(face: Path, picture: np.ndarray, run_cli: RunCli, tmp_path: Path) -> None:
    large = cv2.resize(picture, (1000, 600))
    path = saved(tmp_path / "two.png", large)
    for name, options in (("marked", ["--landmarks"]), ("plain", [])):
        done = run_cli("predict", "two.png", "--model", face, *options, "--out", f"{name}.png")
        assert done.returncode == 0, done.stderr
    marked, plain = (cv2.imread(str(tmp_path / f"{name}.png"))[:, :, ::-1].astype(int) for name in ("marked", "plain"))
    result = mien.load(face).predict(str(path), landmarks=True)
    action = result.items[0].action
    assert action is not None
    assert action.landmarks is not None
    at = action.landmarks[[1, 5, 200]].round().astype(int)
    assert (marked[at[:, 1], at[:, 0], 1] > marked[at[:, 1], at[:, 0], 0] + 80).all()
    assert (marked != plain).any(2).mean() < 0.2


def test_a_clip_has_them_in_its_timeline(video: Path, film: Path, run_cli: RunCli, tmp_path: Path) -> None:
    model = mien.load(video)
    expected = model.predict(str(film), landmarks=True)
    done = run_cli("predict", film, "--model", video, "--landmarks", "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    moments = result["timeline"]
    assert moments == expected.to_dict()["timeline"]
    assert all(moment["presence"] > 0.9 for moment in moments)
    longest = max({moment["person"] for moment in moments}, key=[moment["person"] for moment in moments].count)
    values = np.array([m["blendshapes"]["jawOpen"] for m in moments if m["person"] == longest])
    assert len(values) == 10 < len(moments)
    assert np.ptp(values) > 0.05
    for name in ("one", "several"):
        options = ["--no-timeline"] if name == "several" else []
        done = run_cli("predict", film, "--model", video, "--landmarks", "--out", f"{name}.csv", *options)
        assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "one.csv")
    assert [float(row["action_jawOpen"]) for row in rows] == [m["blendshapes"]["jawOpen"] for m in moments]
    (row,) = table(tmp_path / "several.csv")
    assert (row["main_person"], row["main_moments"]) == (str(longest), "10")
    assert float(row["action_jawOpen_mean"]) == pytest.approx(values.mean(), abs=2e-6)
    assert float(row["action_jawOpen_sd"]) == pytest.approx(values.std(), abs=2e-6)
    shown = run_cli("predict", film, "--model", video, "--landmarks")
    assert "head turned left 100%" in shown.stdout
    assert "landmarks" not in run_cli("predict", film, "--model", video, "--json").stdout


def test_what_is_missing_is_one_line(
    face: Path, video: Path, film: Path, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "one.png", drawn_face(200))
    for item, model in (("one.png", face), (film, video)):
        done = run_cli("predict", item, "--model", model, "--landmarks", env={"MIEN_LANDMARKS": "nowhere"})
        assert one_line(done).startswith("mien: the networks for landmarks are not installed")
        assert not done.stdout
    monkeypatch.setenv("MIEN_LANDMARKS", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="not installed"):
        mien.load(face).predict_many([drawn_face(200)], landmarks=True)
    done = run_cli("predict", "i am glad", "--landmarks")
    assert done.returncode == 2
    assert "--landmarks is for faces in pictures and clips" in done.stderr


def film_set(root: Path, people: range) -> Path:
    """Clips of two labels that differ in how light they are, each of a person."""
    for label, gain in (("open", 1.25), ("shut", 0.85)):
        for person in people:
            rng = np.random.default_rng(person)
            frames = [
                np.clip(scene(1, None) * (gain + rng.uniform(-0.05, 0.05)), 0, 255).astype(np.uint8) for _ in range(3)
            ]
            path = root / label / f"p{person}" / "clip.mp4"
            path.parent.mkdir(parents=True)
            write_clip(path, frames, fps=5)
    return root


def test_a_model_learns_from_what_faces_do(run_cli: RunCli, tmp_path: Path) -> None:
    """Clips to a table with labels, to a model, which reads the table of clips that it has not seen."""
    film_set(tmp_path / "films", range(8))
    blank = write_clip(tmp_path / "films/shut/p0/blank.mp4", [np.full((200, 360, 3), 127, np.uint8)] * 3, fps=5)
    done = run_cli("data", "actions", "clips:films", "--out", "films.csv")
    assert done.returncode == 0, done.stderr
    assert f"shut/p0/{blank.name}: no face was made out" in done.stderr
    rows = table(tmp_path / "films.csv")
    assert len(rows) == 17
    assert {row["label"] for row in rows} == {"open", "shut"}
    assert {row["person"] for row in rows} == {f"p{person}" for person in range(8)}
    assert [row["sample"] for row in rows if row["error"]] == ["shut/p0/blank.mp4"]
    data = mien.open_dataset(f"features:{tmp_path / 'films.csv'}?group=person")
    assert len(data) == 16
    assert len(data.features) == 2 * 51
    assert all(name.startswith("action_") for name in data.features)
    args = ("--out", "run", "--set", "search.folds=2", "--set", "search.repeats=1")
    done = run_cli("train", "features-svm", "--data", "features:films.csv?group=person", *args)
    assert done.returncode == 0, done.stderr
    film_set(tmp_path / "new", range(20, 23))
    names = [f"new/{label}/p{person}/clip.mp4" for label in ("open", "shut") for person in range(20, 23)]
    done = run_cli("predict", *names, "--landmarks", "--out", "new.csv")
    assert done.returncode == 0, done.stderr
    done = run_cli("predict", "new.csv", "--model", "run", "--json")
    assert done.returncode == 0, done.stderr
    said = [result["label"] for result in json.loads(done.stdout)["results"]]
    assert said == ["open"] * 3 + ["shut"] * 3


def test_mien_does_not_learn_from_its_own_answers_unasked(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("file,label,emoji,score,labels,error,action_jawOpen\na,joy,x,1,joy,,0.5\nb,fear,x,1,fear,,0.1\n")
    with pytest.raises(DataError, match="holds what mien answered: to learn from that, say so with label=label"):
        mien.open_dataset(f"features:{path}")
    assert mien.open_dataset(f"features:{path}?label=label").features == ("action_jawOpen",)


def test_ready_crops_become_a_table_too(run_cli: RunCli, tmp_path: Path) -> None:
    for label, gain in (("open", 1.0), ("shut", 0.8)):
        for number in range(3):
            (tmp_path / "faces" / label).mkdir(parents=True, exist_ok=True)
            saved(tmp_path / "faces" / label / f"{number}.png", (drawn_face(96 + number) * gain).astype(np.uint8))
    done = run_cli("data", "actions", "images:faces", "--out", "faces.csv")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "faces.csv")
    opened = {label: [float(r["action_jawOpen"]) for r in rows if r["label"] == label] for label in ("open", "shut")}
    assert min(opened["open"]) > max(opened["shut"])
    done = run_cli("data", "actions", "images:faces", "--out", "faces.csv", "--fps", "2")
    assert done.returncode == 2
    (tmp_path / "t.csv").write_text("text,label\na b,joy\nc d,fear\n")
    done = run_cli("data", "actions", "table:t.csv", "--out", "x.csv")
    assert "t holds text: faces do something in pictures and clips of faces" in one_line(done)
    assert run_cli("data", "actions", "images:faces", "--out", "x.txt").returncode == 2
    done = run_cli("data", "actions", "images:faces", "--out", "x.csv", env={"MIEN_LANDMARKS": "nowhere"})
    assert done.returncode == 1
    assert "are not installed" in done.stderr
    assert not (tmp_path / "x.csv").exists()


def test_shards_have_the_same_columns(face: Path, video: Path, film: Path, picture: np.ndarray, tmp_path: Path) -> None:
    """A column that the plan did not know would be left out of Parquet parts without a word."""
    path = saved(tmp_path / "two.png", picture)
    for folder, item, kind, timeline in (
        (face, path, "picture", False),
        (video, film, "clip", True),
        (video, film, "clip", False),
    ):
        model, rows = mien.load(folder), RowFormat(kind, scores=True, timeline=timeline)
        options = {"batch_size": 64, "landmarks": True}
        job = Job(folder, None, rows, lambda item=item: iter([(str(item), {})]), options)
        planned = set(plan_shards(job, model, lambda result: result, 1).columns)
        found = set(column_names(rows.rows(model.predict(str(item), landmarks=True), {})))
        assert found - planned == set()
        plain = replace(job, options={"batch_size": 64})
        expected = set(column_names(rows.rows(model.predict(str(item)), {})))
        assert expected - set(plan_shards(plain, model, lambda result: result, 1).columns) == set()
        assert any(name.startswith("action_jawOpen") for name in found)


def test_words_say_what_a_face_plainly_does() -> None:
    shapes = np.zeros(52, np.float32)
    for name in ("browDownLeft", "browDownRight", "mouthFrownLeft", "mouthFrownRight"):
        shapes[BLENDSHAPES.index(name)] = 0.8
    shapes[BLENDSHAPES.index("eyeBlinkLeft")] = 0.9  # a wink is no closed pair
    points = np.zeros((478, 2), np.float32)
    action = FaceAction(1.0, points, shapes, {"yaw": -30.0, "pitch": 4.0, "roll": 20.0})
    assert words(action) == ["brows down", "mouth corners down", "head turned right", "head tilted left"]
    assert in_words(action).endswith("(yaw −30°, pitch 4°, roll 20°)")
    still = FaceAction(1.0, points, np.zeros(52, np.float32), {"yaw": 0.0, "pitch": 0.0, "roll": 0.0})
    assert in_words(still) == "nothing marked  (yaw 0°, pitch 0°, roll 0°)"
    assert in_words(FaceAction(0.1)) == "no face was made out by the landmarks"
    assert clip_action_cells(Result("a.mp4", "video", "m")) == {}
