"""A clip's timeline as people see it: in the terminal, on a page, drawn into the clip. Results are made by hand."""

from __future__ import annotations

import base64
import errno
import io
import json
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

from filmed import number_in, numbered, times_in, write_clip
from mien.errors import InputError, MienError
from mien.labels import SPACES
from mien.media.clips import ClipReader
from mien.output.clip_draw import write_marked
from mien.output.clip_page import write_page
from mien.output.strip import show_clip, show_clips
from mien.output.tracks import length, marks, tracks
from mien.results import ClipSummary, Moment, Person, Prediction, Result, segments_of

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
    show_clip(console, result)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_colors_letters_say_what_was_shown(clip: Path) -> None:
    lines = shown(of(clip)).splitlines()
    assert max(map(len, lines)) <= 80
    first, second = (next(line for line in lines if line.startswith(f"person {n}")) for n in (1, 2))
    strip = first.removeprefix("person 1  ")
    assert re.fullmatch("h+s+", strip)
    assert len(strip) == 70
    assert strip.count("h") == pytest.approx(35, abs=2)
    assert re.fullmatch("·{16,18}f{17,20}·+", second.removeprefix("person 2  "))
    axis = next(line for line in lines if "0:00" in line)
    assert axis.index("0:02") == pytest.approx(45, abs=1), "under where it is"
    assert any("h = 😄 happy" in line and "40% of the time" in line for line in lines)


def test_with_colors_blocks_and_emoji(clip: Path) -> None:
    text = shown(of(clip), force_terminal=True, color_system="truecolor")
    red, green, blue = (int(FER["happy"].color[i : i + 2], 16) for i in (1, 3, 5))
    assert f"38;2;{red};{green};{blue}m" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "▆" * 30 in plain, "as high as 70 % of a block"
    assert "😄" in plain
    assert "h = " not in plain


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
    show_clips(console, results, Counter({"happy": 1, "—": 8}), 9)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    told = ("happy", "0:04", "2 people", "no face", "unreadable", "c.mp4 is cut off", "and 6 more clips", "9 clips")
    assert [part for part in told if part not in text] == []


# ----------------------------------------------------------------------------------------------------- page


def page_of(target: Path, *results: Result) -> tuple[str, list[dict[str, Any]]]:
    write_page(target, (result.to_dict() for result in results))
    page = target.read_text("utf-8")
    return page, [json.loads(data) for data in re.findall(r'<script type="application/json">(.*?)</script>', page)]


def test_a_page_of_one_clip_stands_alone(clip: Path, tmp_path: Path) -> None:
    page, (data,) = page_of(tmp_path / "o.html", of(clip))
    assert "a &lt;b&gt;&amp;.mp4" in page
    assert "<b>&.mp4" not in page
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|https?:|@import", page), "nothing is fetched"
    assert "prefers-color-scheme:dark" in page
    assert page.count("<svg") == page.count('class="who"') == 2
    assert (data["end"], data["names"]) == (4.0, list(FER.names))
    happy, sad, fear = (FER.index(name) for name in ("happy", "sad", "fear"))
    first, second = data["people"]
    assert [first["labels"][place] for place in (0, 100, 140, 239)] == [happy, happy, sad, sad]
    assert [second["labels"][place] for place in (20, 80, 200)] == [-1, fear, -1]
    assert [face["person"] for face in data["frames"][0]["faces"]] == [1]
    assert data["frames"][0]["faces"][0]["box"] == [12.5, 25, 25, 50], "per cent of 64 x 48"
    assert len(data["frames"]) == 40, "all there are, of at most 48"
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page.partition('class="film"')[2])
    for place in (0, 17, 39):
        drawn = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[place]), np.uint8), cv2.IMREAD_COLOR)
        assert number_in(drawn) == place, "the frame of that time"


def test_areas_of_the_plot_add_up(clip: Path, tmp_path: Path) -> None:
    page, _ = page_of(tmp_path / "o.html", of(clip))
    svg = page[page.index("<svg") : page.index("</svg>")]
    paths = re.findall(r'<path d="M([^"]+)Z" fill="(#\w+)"><title>(\w+)</title>', svg)
    assert {label for *_, label in paths} == set(FER.names)
    area = {}
    for points, color, label in paths:
        assert color == FER[label].color
        xy = np.array([[float(part) for part in point.split()] for point in points.split("L")])
        x, y = xy[:, 0], xy[:, 1]
        area[label] = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 / (240 * 100)
    assert sum(area.values()) == pytest.approx(1, abs=0.01)
    assert area["happy"] == pytest.approx(0.5 * 0.7 + 0.5 * 0.05, abs=0.02)


def test_a_page_of_several_clips(clip: Path, tmp_path: Path) -> None:
    results = [
        of(clip), clip_result(tmp_path / "gone.mp4", {1: {0.0: "sad"}}, 1.0, 5, "cut off after 1.0 s"),
        clip_result(clip, {}, 4.0, 20), Result("x.mp4", "video", "v", error="x.mp4 <is> cut off"),
    ]  # fmt: skip
    page, data = page_of(tmp_path / "o.html", *results)
    assert "4 clips, 1 could not be read" in page
    assert page.count("<article") == 4
    assert [len(entry["frames"]) for entry in data] == [16, 0, 16]
    told = ("the clip cannot be read any more", "cut off after 1.0 s", "No face was seen", "x.mp4 &lt;is&gt; cut off")
    assert [part for part in told if part not in page] == []
    assert {path.name for path in tmp_path.iterdir()} == {"o.html"}


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
    assert length(Result("a", "video", "v", error="gone").to_dict()) == 0
