"""A clip's timeline as people see it: in the terminal, on a page, drawn into the clip. Results are made by hand."""

from __future__ import annotations

import base64
import errno
import io
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

from browser import needs_chromium
from filmed import number_in, numbered, times_in, write_clip
from mien.errors import InputError, MienError
from mien.labels import SPACES
from mien.media.clips import ClipReader
from mien.model import find_model, read_manifest
from mien.output.draw_clip import write_marked
from mien.output.html import write_page
from mien.output.show import show_clip, show_results
from mien.output.tracks import length, marks, tracks
from mien.results import ClipSummary, Moment, Person, Prediction, Result, segments_of
from result_pages import opened, read_page

FER = SPACES["fer7"]
BOX = (8.0, 12.0, 24.0, 36.0)


def shows(label: str, score: float = 0.7, box: tuple[float, float, float, float] | None = None) -> Prediction:
    rest = (1 - score) / 6
    return Prediction({name: score if name == label else rest for name in FER.names}, FER, box=box)


def clip_result(
    path: Path | str, labels: dict[int, dict[float, str]], duration: float, frames: int, problem: str | None = None
) -> Result:
    """A result whose people show labels at times."""
    moments = [
        Moment(time, person, shows(label, box=BOX)) for person, at in labels.items() for time, label in at.items()
    ]
    moments.sort(key=lambda moment: (moment.time, moment.person))
    people = tuple(
        Person(number, shows(Counter(at.values()).most_common(1)[0][0], 0.5), min(at), max(at), len(at))
        for number, at in sorted(labels.items())
    )
    items = (people[0].prediction,) if people else ()
    summary = ClipSummary(duration, 64, 48, frames, 0, problem)
    timeline = tuple(moments)
    return Result(str(path), "video", "v", items, None, {}, timeline, people, segments_of(timeline, summary), summary)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, ten frames a second."""
    return write_clip(tmp_path_factory.mktemp("clip") / "a <b>&.mp4", numbered(40), fps=10)


def of(clip: Path) -> Result:
    """Person 1 is happy, then sad; person 2 comes for the second second."""
    first = {place / 5: "happy" if place < 10 else "sad" for place in range(20)}
    return clip_result(clip, {1: first, 2: {1 + place / 5: "fear" for place in range(5)}}, 4.0, 20)


# --------------------------------------------------------------------------------------------------- tracks


def test_between_two_moments_a_face_moves_evenly() -> None:
    boxes = [(0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0)]
    moments = tuple(Moment(place / 5, 1, shows(label, 0.7, box)) for place, (label, box) in
                    enumerate(zip(("happy", "sad"), boxes, strict=True)))  # fmt: skip
    whole = Result("a", "video", "v", (shows("sad"),), None, {}, moments, (Person(1, shows("sad"), 0, 0.2, 2),), (),
                   ClipSummary(4.0, 64, 48, 20))  # fmt: skip
    (track,) = tracks(whole.to_dict())
    found = track.at(0.05)
    assert found is not None
    assert found[1] == pytest.approx((5, 0, 15, 10))
    assert found[0][FER.index("happy")] == pytest.approx(0.75 * 0.7 + 0.25 * 0.05)
    assert found[0].sum() == pytest.approx(1)
    at = {time: track.at(time) for time in (0.0, 0.2, 0.3, 0.32, 3.0)}
    assert [time for time, here in at.items() if here is None] == [0.32, 3.0], "half a step after the last"
    assert track.at(0.4, after=1) is not None


def test_a_gap_between_moments_is_one_in_the_track() -> None:
    result = clip_result("a", {1: {0.0: "happy", 0.2: "happy", 2.0: "sad"}}, 4.0, 20)
    (track,) = tracks(result.to_dict())
    here = {time: track.at(time) is not None for time in (0.1, 0.25, 0.35, 1.85, 1.95, 2.05, 2.15)}
    assert [time for time, there in here.items() if not there] == [0.35, 1.85, 2.15]
    rows = track.over(np.array([0, 0.25, 0.5, 1.5, 2.5, 4.0]))
    assert np.isnan(rows[:, 0]).tolist() == [False, False, True, False, True]
    assert rows[0] == pytest.approx(list(shows("happy").scores.values()))


def test_marks_of_an_axis_are_round_and_few() -> None:
    assert marks(4.2, 8) == [0, 1, 2, 3, 4]
    assert marks(61, 8) == [0, 10, 20, 30, 40, 50, 60]
    assert marks(1800, 8) == [0, 300, 600, 900, 1200, 1500, 1800]
    assert len(marks(36_000, 8)) <= 11
    assert marks(0, 8) == [0]


# ------------------------------------------------------------------------------------------------- terminal


def shown(result: Result, width: int = 80, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, **options)
    show_clip(console, result, {})
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_strip_of_each_person_with_emoji_below(clip: Path) -> None:
    lines = shown(of(clip)).splitlines()
    assert max(map(len, lines)) <= 80
    first, second = (next(line for line in lines if line.startswith(f"person {n}")) for n in (1, 2))
    strip = first.removeprefix("person 1  ")
    assert re.fullmatch("▆+[▅▄]{1,4}▆+", strip), "as high as 70 % of a block"
    assert len(strip) == 70
    below = lines[lines.index(first) + 1]
    assert below.split() == ["😄", "😢"]
    assert re.fullmatch("·{16,18}▆{17,20}·+", second.removeprefix("person 2  "))
    axis = next(line for line in lines if "0:00" in line)
    assert axis.index("0:02") == pytest.approx(45, abs=1), "under where it is"
    assert any("😄 happy" in line and "40% of the time" in line for line in lines)


def test_with_colors_blocks_and_emoji(clip: Path) -> None:
    text = shown(of(clip), force_terminal=True, color_system="truecolor")
    red, green, blue = (int(FER["happy"].color[i : i + 2], 16) for i in (1, 3, 5))
    assert f"38;2;{red};{green};{blue}m" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "▆" * 30 in plain, "as high as 70 % of a block"
    assert "😄" in plain


def test_few_words_where_there_is_little_to_show(clip: Path) -> None:
    assert "no face was seen" in shown(clip_result(clip, {}, 4.0, 20))
    cut = shown(clip_result(clip, {1: {0.0: "sad"}}, 1.0, 5, "stopped after 1.0 s"))
    assert "stopped after 1.0 s" in cut
    assert "there is no file" in shown(Result("a.mp4", "video", "v", error="there is no file a.mp4"))
    many = {person: {0.0: "sad", 0.2: "sad"} for person in range(1, 12)}
    assert "… and 3 more people" in shown(clip_result(clip, many, 4.0, 20))
    assert "person 1" in shown(clip_result(clip, {1: {0.0: "sad"}}, 0.04, 1), width=20)


def test_many_clips_are_rows(clip: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    results = [of(clip), clip_result("b.mp4", {}, 2.0, 10), Result("c.mp4", "video", "v", error="c.mp4 is cut off")]
    show_results(console, results, Counter({"happy": 1, "—": 8}), 9, "clip", read_manifest(find_model("video")))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    told = ("happy", "0:04", "2 people", "no face", "unreadable", "c.mp4 is cut off", "and 6 more clips", "9 clips")
    assert [part for part in told if part not in text] == []


# ----------------------------------------------------------------------------------------------------- page


def page_of(target: Path, *results: Result) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    write_page(target, (result.to_dict() for result in results), "clip", read_manifest(find_model("video")))
    return read_page(target)


def test_a_page_of_one_clip_stands_alone(clip: Path, tmp_path: Path) -> None:
    about, (data,) = page_of(tmp_path / "o.html", of(clip))
    assert (data["input"], about["title"]) == (str(clip), "1 clip")
    assert "<b>&.mp4" not in (tmp_path / "o.html").read_text("utf-8")
    assert (data["end"], [label["name"] for label in about["palette"]]) == (4.0, list(FER.names))
    assert [person["person"] for person in data["people"]] == [1, 2]
    assert [moment["label"] for moment in data["timeline"] if moment["person"] == 2] == ["fear"] * 5
    assert len(data["frames"]) == 40, "all there are, of at most 48"
    for place in (0, 17, 39):
        jpeg = base64.b64decode(data["frames"][place]["src"].removeprefix("data:image/jpeg;base64,"))
        drawn = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert number_in(drawn) == place, "the frame of that time"


def test_of_a_long_clip_a_page_holds_means(clip: Path, tmp_path: Path) -> None:
    labels = {1: {place / 500: "happy" if place < 1000 else "sad" for place in range(2000)}}
    labels |= {person: {0.0: "fear"} for person in range(2, 12)}
    about, (data,) = page_of(tmp_path / "o.html", clip_result(clip, labels, 4.0, 2000))
    first = [moment for moment in data["timeline"] if moment["person"] == 1]
    assert len(first) == 240
    assert [first[place]["label"] for place in (0, 100, 140, 239)] == ["happy", "happy", "sad", "sad"]
    assert sum(first[7]["scores"].values()) == pytest.approx(1, abs=0.001)
    assert (len(data["people"]), data["more"]) == (8, 3)
    assert about["counts"] == {"happy": 1}


def test_a_page_of_several_clips(clip: Path, tmp_path: Path) -> None:
    results = [
        of(clip), clip_result(tmp_path / "gone.mp4", {1: {0.0: "sad"}}, 1.0, 5, "cut off after 1.0 s"),
        clip_result(clip, {}, 4.0, 20), Result("x.mp4", "video", "v", error="x.mp4 <is> cut off"),
    ]  # fmt: skip
    about, data = page_of(tmp_path / "o.html", *results)
    assert about["title"] == "4 clips, 1 could not be read"
    assert [len(entry.get("frames", ())) for entry in data] == [16, 0, 16, 0]
    assert (data[1]["clip"]["problem"], data[3]["error"]) == ("cut off after 1.0 s", "x.mp4 <is> cut off")
    assert {path.name for path in tmp_path.iterdir()} == {"o.html"}


@needs_chromium
def test_a_browser_goes_through_the_time_of_a_clip(clip: Path, tmp_path: Path) -> None:
    gone = clip_result(tmp_path / "gone.mp4", {1: {0.0: "sad"}}, 1.0, 5, "cut off after 1.0 s")
    page_of(tmp_path / "o.html", of(clip), gone, clip_result(clip, {}, 4.0, 20))
    with opened(tmp_path / "o.html") as page:
        one = page.locator("article").first
        assert one.locator("canvas.areas").count() == one.locator("li.person").count() == 2
        one.locator(".scrub").fill("1.5")
        one.locator(".box").nth(1).wait_for()
        assert one.locator("li.person strong").all_inner_texts() == ["happy", "fear"]
        one.locator(".scrub").fill("3.5")
        one.locator("li.person strong", has_text="not in sight").wait_for()
        assert one.locator(".box .word").all_inner_texts() == ["sad"]
        assert one.locator("summary").inner_text() == "3 segments"
        text = page.locator("main").inner_text()
        wanted = ("cut off after 1.0 s", "cannot be read any more", "No face was seen")
        assert [part for part in wanted if part not in text] == []


# ---------------------------------------------------------------------------------------------- marked clip


def shown_in(path: Path) -> tuple[list[int], list[float]]:
    """What the frames of a marked clip of `numbered` frames show, and their times."""
    with ClipReader(path) as clip:
        found = [(number_in(frame.picture[:440]), frame.time) for frame in clip]  # without the strip of time
    return [number for number, _ in found], [time for _, time in found]


def test_a_marked_clip_has_the_speed_of_the_clip(clip: Path, tmp_path: Path) -> None:
    steps: list[float] = []
    write_marked(tmp_path / "o.mp4", of(clip), steps.append)
    numbers, times = shown_in(tmp_path / "o.mp4")
    assert numbers == list(range(40))
    assert times == pytest.approx(times_in(clip), abs=0.001)
    assert sum(steps) == pytest.approx(3.9, abs=0.01)
    assert {path.name for path in tmp_path.iterdir()} == {"o.mp4"}


def test_a_clip_of_variable_rate_keeps_its_time(tmp_path: Path) -> None:
    when = [0, 0.1, 0.2, 0.3, 1.3, 1.35, 1.4, 1.5, 1.6, 1.7]
    clip = write_clip(tmp_path / "a.mp4", numbered(10), times=when, fps=10)
    write_marked(tmp_path / "o.mp4", clip_result(clip, {1: {0.0: "sad"}}, 1.8, 9))
    numbers, times = shown_in(tmp_path / "o.mp4")
    assert len(set(np.diff(times).round(4))) == 1, "one rate"
    step = times[1]
    for number, time in zip(numbers, times, strict=True):
        due = max(place for place, start in enumerate(when) if start <= time + 0.5 * step + 1e-6)
        assert number == due, f"at {time:.2f} s"
    assert times[-1] + step == pytest.approx(1.8, abs=1.5 * step)


def test_faces_are_marked_while_they_are_seen(clip: Path, tmp_path: Path) -> None:
    result = of(clip)
    write_marked(tmp_path / "o.mp4", result)
    with ClipReader(tmp_path / "o.mp4") as marked:
        frames = {frame.number: frame.picture.astype(int) for frame in marked}
    assert frames[0].shape == (480, 640, 3), "enlarged so that words can be read"
    left, middle = round(BOX[0] * 10), round((BOX[1] + BOX[3]) / 2 * 10)

    def edge(number: int, label: str) -> float:
        color = [int(FER[label].color[i : i + 2], 16) for i in (1, 3, 5)]
        return float(np.abs(frames[number][middle, left - 3 : left + 4] - color).max(axis=1).min())

    assert edge(2, "happy") < 60
    assert edge(35, "sad") < 60
    strip = frames[35][475]
    happy, sad = ([int(FER[label].color[i : i + 2], 16) for i in (1, 3, 5)] for label in ("happy", "sad"))
    assert np.abs(strip[100] - happy).max() < 40
    assert np.abs(strip[400] - sad).max() < 40
    assert strip[600].max() < 100, "still to come: darker"


def test_a_result_of_a_part_is_drawn_as_far_as_it_goes(clip: Path, tmp_path: Path) -> None:
    part = clip_result(clip, {1: {0.0: "happy", 1.0: "happy"}}, 1.0, 5, "stopped after 1.0 s")
    write_marked(tmp_path / "o.mp4", part)
    assert shown_in(tmp_path / "o.mp4")[0] == list(range(10))


def test_a_clip_that_is_lower_than_the_strip_of_time_is_marked_too(tmp_path: Path) -> None:
    low = write_clip(tmp_path / "low.mkv", [np.zeros((4, 640, 3), np.uint8)] * 5, fps=5, codec="ffv1")
    write_marked(tmp_path / "o.mp4", clip_result(low, {1: {0.0: "sad"}}, 1.0, 5))
    with ClipReader(tmp_path / "o.mp4") as clip:
        assert (clip.info.width, clip.info.height, len(list(clip))) == (640, 4, 5)


def test_a_marked_clip_is_whole_or_not_there(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "o.mp4").write_bytes(b"before")
    with pytest.raises(InputError, match=r"gone\.mp4"):
        write_marked(tmp_path / "o.mp4", clip_result(tmp_path / "gone.mp4", {}, 1.0, 5))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(av.container.OutputContainer, "mux", full, raising=False)
    with pytest.raises(MienError, match=r"cannot write .*o\.mp4"):
        write_marked(tmp_path / "o.mp4", of(clip))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_the_length_of_a_timeline(clip: Path) -> None:
    assert length(of(clip).to_dict()) == 4
    assert length(clip_result(clip, {1: {5.0: "sad"}}, 4.0, 20).to_dict()) == 5
    assert length(Result("a", "video", "v", error="gone", of_clip=True).to_dict()) == 0
