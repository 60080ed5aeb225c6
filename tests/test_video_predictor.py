"""The predictor of clips, with a network that decides by brightness and a detector of squares."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from face_model import FER, PLUS, Squares, expected, face_model, video_model
from filmed import write_clip, write_sound
from mien.errors import DataError, InputError, ModelError
from mien.media.clips import ClipReader, Frame
from mien.modalities import clip as clip_module
from mien.modalities.clip import Watch
from mien.modalities.face.detect import Face
from mien.modalities.video.aggregate import RULES
from mien.modalities.video.predictor import VideoPredictor
from mien.model import read_manifest
from mien.training.publish import convert_model

Levels = Sequence[int | None]  # of the left square and the right one, from light (255) to dark; None: not there


def loaded(folder: Path, **settings: object) -> VideoPredictor:
    model = mien.load(video_model(folder, **settings), threads=1)
    assert isinstance(model, VideoPredictor)
    vars(model)["detector"] = Squares(above=30)
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> VideoPredictor:
    """Takes five frames a second and smoothes nothing."""
    return loaded(tmp_path_factory.mktemp("video") / "model", smooth=0)


def frame(*levels: int | None) -> np.ndarray:
    picture = np.zeros((96, 160, 3), np.uint8)
    for place, level in enumerate(levels):
        if level is not None:
            picture[20:68, 16 + 80 * place : 64 + 80 * place] = level
    return picture


def film(path: Path, levels: Callable[[float], Levels], seconds: float, fps: float = 10) -> Path:
    return write_clip(path, [frame(*levels(number / fps)) for number in range(round(seconds * fps))], fps=fps)


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds light, then two seconds dark."""
    path = tmp_path_factory.mktemp("clips") / "turning.mp4"
    return film(path, lambda time: [240 if time < 2 else 60], 4)


def told(level: int) -> np.ndarray:
    return expected(level / 255)


def scores(prediction: mien.Prediction) -> np.ndarray:
    return np.array(list(prediction.scores.values()))


def test_a_clip_moment_by_moment(model: VideoPredictor, turning: Path) -> None:
    result = model.predict(turning)
    assert (result.input, result.modality, result.model, result.error) == (str(turning), "video", "video", None)
    assert [moment.time for moment in result.timeline] == pytest.approx(np.arange(20) / 5, abs=1e-3)
    for moment in result.timeline:
        assert moment.person == 1
        assert moment.prediction.box == pytest.approx((16, 20, 64, 68), abs=1.5)
        assert scores(moment.prediction) == pytest.approx(told(240 if moment.time < 1.99 else 60), abs=0.03)
    assert result.clip is not None
    assert (result.clip.width, result.clip.height, result.clip.frames) == (160, 96, 20)
    assert (result.clip.duration, result.clip.skipped, result.clip.problem) == (pytest.approx(4, abs=0.01), 0, None)
    mean = (told(240) + told(60)) / 2
    (whole,), (person,) = result.items, result.people
    assert whole.box is None
    assert scores(whole) == pytest.approx(mean, abs=0.03)
    assert scores(person.prediction) == pytest.approx(mean, abs=0.03)
    assert (person.number, person.start, person.end, person.moments) == (1, 0, pytest.approx(3.8), 20)
    assert [(part.start, part.end, part.person, part.label) for part in result.segments] == [
        (0, pytest.approx(2), 1, FER[6]), (pytest.approx(2), pytest.approx(4, abs=0.01), 1, FER[1]),
    ]  # fmt: skip
    assert result.segments[0].score == pytest.approx(told(240)[6], abs=0.03)


def test_two_people_one_of_whom_leaves_and_returns(model: VideoPredictor, tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", lambda time: [230, 100 if not 1 <= time < 2 else None], 3)
    result = model.predict(clip)
    assert [person.number for person in result.people] == [1, 2]
    seen = {person.number: person for person in result.people}
    assert [seen[1].moments, seen[2].moments] == [15, 10]
    assert (seen[2].start, seen[2].end) == (0, pytest.approx(2.8))
    labels = {number: person.prediction.label for number, person in seen.items()}
    assert labels == {1: FER[told(230).argmax()], 2: FER[told(100).argmax()]}
    places = {moment.person: round(moment.prediction.box[0]) for moment in result.timeline if moment.prediction.box}
    assert places == {1: pytest.approx(16, abs=1), 2: pytest.approx(96, abs=1)}
    every = (15 * told(230) + 10 * told(100)) / 25
    assert scores(result.items[0]) == pytest.approx(every, abs=0.03), "every moment counts"
    stretches = [(part.start, part.end) for part in result.segments if part.person == 2]
    there = [(0, pytest.approx(1)), (pytest.approx(2), pytest.approx(3, abs=0.01))]
    assert stretches == there, "not while out of sight"


def test_people_who_turn_out_to_be_others_are_one(
    model: VideoPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known:
        """Takes the first person for a third and then a fourth one, who is the second; at the end it knows better."""

        def __init__(self) -> None:
            self.known_as = {3: 4, 4: 2}
            self.given = iter([[2, 7], [2, 7], [3], [3, 7], [4]])

        def update(self, time: float, faces: list[Face], picture: np.ndarray) -> list[int]:
            return next(self.given)[: len(faces)]

    monkeypatch.setattr(clip_module, "Tracker", Known)
    clip = film(tmp_path / "a.mp4", lambda time: [230, 100 if time not in (0.4, 0.8) else None], 1, fps=5)
    result = model.predict(clip)
    assert [(person.number, person.moments, person.start, person.end) for person in result.people] == [
        (1, 5, 0, pytest.approx(0.8)), (2, 3, 0, pytest.approx(0.6)),
    ]  # fmt: skip
    assert [moment.person for moment in result.timeline] == [1, 2, 1, 2, 1, 1, 2, 1]


def test_as_many_frames_as_are_asked_for(model: VideoPredictor, turning: Path) -> None:
    assert len(model.predict(turning, fps=2).timeline) == 8
    assert len(model.predict(turning, fps=1000).timeline) == 40, "no frame twice"
    four = model.predict(turning, frames=4)
    assert [moment.time for moment in four.timeline] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.11)
    assert [part.label for part in four.segments] == [FER[6], FER[1]]
    assert [part.label for part in model.predict(turning, frames=2).segments] == [FER[6], FER[1]], "each stands a while"
    with pytest.raises(InputError, match="not both"):
        model.predict(turning, fps=2, frames=4)
    with pytest.raises(InputError, match="the path of a file, not ndarray"):
        model.predict(np.zeros((4, 4, 3), np.uint8))


def test_the_models_own_frames_smoothing_and_rule(turning: Path, tmp_path: Path) -> None:
    model = loaded(tmp_path / "m", frames=8, smooth=1.0, aggregate="vote")
    result = model.predict(turning)
    rows = np.array([scores(moment.prediction) for moment in result.timeline])
    assert len(rows) == 8
    near = 3  # at 1.75 s, with 1.25 s and the first dark one, at 2.25 s, which count half as much
    assert rows[near] == pytest.approx((told(240) * 1.5 + told(60) * 0.5) / 2, abs=0.03)
    summed = RULES["vote"](rows)
    assert scores(result.items[0]) == pytest.approx(summed, abs=1e-6), "what the timeline shows is summed up"
    model.rule = lambda rows: np.asarray(rows[-1])
    assert model.predict(turning).items[0].scores == result.timeline[-1].prediction.scores, "a rule of one's own"


def test_another_rule_and_number_of_frames_to_predict_and_to_evaluate(
    model: VideoPredictor, turning: Path, tmp_path: Path
) -> None:
    found = {rule: model.predict(turning, frames=5, rule=rule) for rule in RULES}
    for rule, result in found.items():
        rows = np.array([scores(moment.prediction) for moment in result.timeline])
        assert len(rows) == 5
        assert scores(result.items[0]) == pytest.approx(RULES[rule](rows), abs=1e-6)
        assert scores(result.people[0].prediction) == pytest.approx(RULES[rule](rows), abs=1e-6)
        (asked,) = model.looking_at(5, rule).predict_proba([turning])
        assert asked == pytest.approx(scores(result.items[0]), abs=1e-6)
    assert found["vote"].items != found["sum"].items
    assert model.predict(turning, frames=5).items == found["sum"].items, "the model goes on as it was"
    (tmp_path / FER[6]).mkdir()
    (tmp_path / FER[6] / "a.mp4").symlink_to(turning)
    reports = [mien.evaluate(model, f"clips:{tmp_path}", "all", frames=5, rule=rule) for rule in ("sum", "vote")]
    for rule, report in zip(("sum", "vote"), reports, strict=True):
        assert report.figures["log_loss"] == pytest.approx(-np.log(found[rule].items[0].scores[FER[6]]), abs=1e-4)
        assert f"The moments of each clip were summed up by the rule '{rule}'." in report.notes
    with pytest.raises(InputError, match=r"no rule 'vot'; there are: sum, vote, mean; did you mean 'vote'\?"):
        next(model.predict_many([turning], rule="vot"))
    with pytest.raises(DataError, match="no rule 'vot'"):
        mien.evaluate(model, f"clips:{tmp_path}", "all", rule="vot")


def test_faces_are_read_in_batches_across_frames(
    model: VideoPredictor, turning: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    classify = VideoPredictor.classify

    def spy(self: VideoPredictor, crops: np.ndarray) -> np.ndarray:
        sizes.append(len(crops))
        return classify(self, crops)

    monkeypatch.setattr(VideoPredictor, "classify", spy)
    seven, all_at_once = (next(iter(model.predict_many([turning], size))) for size in (7, 64))
    assert sizes == [7, 7, 6, 20]
    assert seven.to_dict() == all_at_once.to_dict()


def test_frames_are_let_go_of(model: VideoPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = film(tmp_path / "a.mp4", lambda time: [200], 12)
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    following = ClipReader.__next__

    def spy(self: Any) -> Frame:
        nonlocal most
        given = following(self)
        alive.append(weakref.ref(given.picture))
        most = max(most, sum(picture() is not None for picture in alive))
        return given

    monkeypatch.setattr(ClipReader, "__next__", spy)
    assert len(model.predict(clip, fps=10).timeline) == len(alive) == 120
    assert most <= 3


def test_a_clip_without_a_face_is_an_empty_result(model: VideoPredictor, tmp_path: Path) -> None:
    clip = film(tmp_path / "a.mp4", lambda time: [None], 1)
    result = model.predict(clip)
    assert (result.items, result.people, result.timeline, result.segments, result.error) == ((), (), (), (), None)
    assert result.clip is not None
    assert result.clip.frames == 5
    assert result.rollup("ekman7").label is None
    steps: list[float] = []
    rows = model.predict_proba([clip, film(tmp_path / "b.mp4", lambda time: [255], 1)], progress=steps.append)
    assert (rows.dtype, rows.shape, steps) == (np.float32, (2, 7), [1, 1])
    assert rows[0] == pytest.approx(np.full(7, 1 / 7))
    assert rows[1] == pytest.approx(told(255), abs=0.03)


def test_clips_that_cannot_be_read_do_not_stop_the_others(model: VideoPredictor, turning: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no clip")
    sound = write_sound(tmp_path / "sound.m4a")
    results = list(model.predict_many([tmp_path / "none.mp4", turning, tmp_path / "text.mp4", str(sound)]))
    assert [result.error is None for result in results] == [False, True, False, False]
    for result, name in zip([results[0], *results[2:]], ("none.mp4", "text.mp4", "sound.m4a"), strict=True):
        assert name in str(result.error)
        assert (result.clip, result.items, result.modality) == (None, (), "video")
    with pytest.raises(InputError, match=r"none\.mp4"):
        model.predict(tmp_path / "none.mp4")
    with pytest.raises(InputError, match=r"input 2: .*text\.mp4"):
        model.predict_proba([turning, tmp_path / "text.mp4"])


def test_a_clip_that_is_cut_off_gives_what_there_is(model: VideoPredictor, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [frame(240) for _ in range(80)]
    for picture in frames:
        picture[80:] = rng.integers(0, 20, (16, 160, 3))  # so that every frame takes its room in the file
    whole = write_clip(tmp_path / "a.mkv", frames, fps=10).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    result = model.predict(tmp_path / "cut.mkv")
    assert result.clip is not None
    assert "cut off after" in str(result.clip.problem)
    assert 5 < len(result.timeline) < 35
    assert result.label == FER[6]


def test_what_was_read_by_then_can_be_had_at_any_time(model: VideoPredictor, turning: Path) -> None:
    going = model.read(turning)
    assert going.info.duration == pytest.approx(4, abs=0.01)
    for time in going:
        if time > 1.1:
            break
    part = going.result("stopped after 1.2 s")
    assert part.clip is not None
    assert (len(part.timeline), part.clip.frames, part.clip.problem) == (7, 7, "stopped after 1.2 s")
    assert part.clip.duration == going.time == pytest.approx(1.2)
    for _ in going:  # on from there
        pass
    assert going.result().to_dict() == model.predict(turning).to_dict()


@pytest.mark.parametrize("when", [1, 2, 3])
def test_an_interruption_loses_and_doubles_nothing(
    model: VideoPredictor, turning: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    calls = 0
    classify = VideoPredictor.classify

    def interrupted(self: VideoPredictor, crops: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == when:
            raise KeyboardInterrupt
        return classify(self, crops)

    whole = model.predict(turning)
    monkeypatch.setattr(VideoPredictor, "classify", interrupted)
    going = model.read(turning, batch_size=6)
    with pytest.raises(KeyboardInterrupt):
        for _ in going:
            pass
    part = going.result("stopped")
    assert len(part.timeline) == 6 * when
    assert [moment.to_dict() for moment in part.timeline] == [moment.to_dict() for moment in whole.timeline[: 6 * when]]


def test_another_head_and_mirror_images(model: VideoPredictor, turning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = model.with_labels("ferplus8")
    result = twin.predict(turning)
    assert result.timeline[0].prediction.label == PLUS[7]
    assert set(result.items[0].scores) == set(PLUS)
    assert model.predict(turning).timeline[0].prediction.label == FER[6]
    seen: list[np.ndarray] = []
    run = model._session.run
    monkeypatch.setattr(model, "mirror", True)
    monkeypatch.setattr(model._session, "run", lambda crops: (seen.append(crops), run(crops))[1])
    model.predict(turning)
    plain, mirrored = np.split(seen[0], 2)
    assert (mirrored == plain[:, :, ::-1]).all()


# ------------------------------------------------------------------------------------------------- looking


def looks(faces: Callable[[float], list[Face]], times: Sequence[float]) -> list[tuple[int | None, int | None]]:
    """How closely a watch looks at frames of 1280 x 720 pixels in which a detector finds those faces."""
    detector = Squares()
    picture, found = np.zeros((720, 1280, 3), np.uint8), iter(times)

    def find(picture: np.ndarray, size: int | None = None, closer: int | None = None) -> list[Face]:
        detector.looks.append((size, closer))
        return faces(next(found))

    detector.find = find  # type: ignore[method-assign]
    watch: Any = Watch(detector)  # type: ignore[arg-type]
    for time in times:
        watch.find(time, picture)
    return detector.looks


def face(side: float) -> Face:
    return Face((10, 10, 10 + side, 10 + 1.2 * side), 0.99)


WHOLE = (None, None)


def test_a_whole_look_once_a_second_and_single_ones_between() -> None:
    assert looks(lambda time: [], [0, 0.2, 0.4, 0.9, 1.0, 1.2, 3.0, 3.5]) == [
        WHOLE, (640, 0), (640, 0), (640, 0), WHOLE, (640, 0), WHOLE, (640, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("side", "size"),
    [
        (300, 320),  # 64 pixels would be there at 273: not below 320
        (160, 512),  # 64 pixels at 512
        (100, 640),  # 50 at 640: enough, though not 64
        (40, 1024),  # 20 at 640 are too few: 32 at 1024
        (20, 1280),  # as close as ever
    ],
)
def test_a_known_face_says_how_closely_is_looked(side: float, size: int) -> None:
    assert looks(lambda time: [face(400), face(side)], [0, 0.5]) == [WHOLE, (size, 0)]


def test_the_last_whole_look_counts() -> None:
    shrinking = looks(lambda time: [face(300 if time < 1 else 40)], [0, 0.5, 1, 1.5])
    assert shrinking == [WHOLE, (320, 0), WHOLE, (1024, 0)]


# ------------------------------------------------------------------------------------------------- the model


def test_a_model_of_clips_is_made_of_one_of_faces(tmp_path: Path) -> None:
    made = convert_model(face_model(tmp_path / "face", size=24, channels=3, source=20), tmp_path / "clips", name="mine")
    before, after = read_manifest(tmp_path / "face"), read_manifest(made)
    assert (after.name, after.modality) == ("mine", "video")
    assert after.files["model.onnx"] == before.files["model.onnx"]
    assert after.preprocess["face"]["size"] == 24
    assert after.preprocess["face"]["source"] == 20
    assert [head.space for head in after.heads] == ["ferplus8"]
    assert after.metrics == {}
    card = (made / "README.md").read_text("utf-8")
    assert "On clips nothing was measured" in card
    assert "`bright`, byte for byte" in card
    with pytest.raises(ModelError, match="mine reads video; a model of clips is made of one of faces"):
        convert_model(made, tmp_path / "again")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fps": 0}, "preprocess settings: fps: "),
        ({"aggregate": "loudest"}, "preprocess settings: aggregate: "),
        ({"tempo": 1}, "preprocess settings: tempo: "),
        ({"face": {"size": 2}}, "preprocess settings: face.size: "),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        mien.load(video_model(tmp_path / "m", **settings))
