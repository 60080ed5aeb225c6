"""A page that shows what was read in clips: frames, a plot over time for each person, segments. It stands alone."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.labels import emotion
from mien.media.clips import ClipReader
from mien.output.pages import bars, data_uri, head, unread, write_cards
from mien.output.terminal import clock
from mien.output.tracks import Track, length, marks, tracks

_CLIPS = 50  # on one page
_FRAMES, _FRAMES_EACH = 48, 16  # pictures in the page: of one clip alone, of each of several
_SHOWN = 12  # of them in the film strip
_LONGEST = 480  # pixels of such a picture
_POINTS = 240  # of a plot
_PEOPLE, _SEGMENTS = 8, 200
_HERE = Path(__file__)

Row = Mapping[str, Any]


@dataclass
class _Pictures:
    """What the page takes from the clip itself.

    Attributes:
        frames: time, and the frame as a JPEG.
        faces: person → surest look so far, the face as a JPEG.
    """

    frames: list[tuple[float, str]] = field(default_factory=list)
    faces: dict[int, tuple[float, str]] = field(default_factory=dict)


def write_page(target: Path, rows: Iterable[Row]) -> None:
    """A page of clips with their timelines; it stands alone, the pictures are in it.

    Args:
        rows: results as :meth:`mien.results.Result.to_dict` gives them. Clips are read again from ``input``; the first
            50 are shown and all are counted.
    """
    rows = iter(rows)
    first = list(islice(rows, 2))
    style = _HERE.with_suffix(".css").read_text("utf-8")
    script = _HERE.with_suffix(".js").read_text("utf-8")
    write_cards(
        target,
        chain(first, rows),
        partial(card, frames=_FRAMES if len(first) < 2 else _FRAMES_EACH),
        head=head("mien: clips", style),
        summary=summary,
        most=_CLIPS,
        what="clips",
        script=script,
    )


def summary(total: int, _: Counter[str]) -> str:
    """How many clips a page is of, in words; "" for one."""
    return f"{total:,} clips" if total != 1 else ""


def card(row: Row, frames: int = _FRAMES_EACH) -> str:
    """One clip of a page, as HTML; *row* as :meth:`mien.results.Result.to_dict` gives it."""
    if row["error"]:
        return unread(row, row["error"])
    clip, end = row["clip"], length(row)
    parts = [title(row)]
    people = sorted(tracks(row), key=lambda track: -len(track.times))[:_PEOPLE]
    people.sort(key=lambda track: track.person)
    pictures = _pictures(row["input"], people, end, frames)
    data = _data(row, people, pictures, end)
    parts.append(f'<div class="top">{_stage(pictures, clip)}{_answer(row)}</div>')
    if people:
        parts.append(_plot(row, people, pictures, end) + _segments(row))
    safe = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts.append(f'<script type="application/json">{safe}</script>')
    return f"<article data-clip{' class=people-many' if len(people) > 2 else ''}>{''.join(parts)}</article>\n"


def title(row: Row) -> str:
    """The name, length and size of a clip, and what is wrong with it, as HTML."""
    clip = row["clip"]
    told = f"{clock(length(row))} · {clip['width']} × {clip['height']} · looked at {clip['frames']:,} frames"
    problem = f'<p class="problem">{html.escape(clip["problem"])}</p>' if clip["problem"] else ""
    return f"<h2>{html.escape(str(row['input']))}<small>{told}</small></h2>{problem}"


def _pictures(path: str, people: Sequence[Track], end: float, count: int) -> _Pictures:
    """Frames spread over the time that was read, and each person's surest face in them."""
    pictures = _Pictures()
    try:
        with ClipReader(path, fps=count / max(end, 0.04)) as clip:
            for frame in islice(clip, count):
                if frame.time > end:
                    break
                pictures.frames.append((frame.time, data_uri(frame.picture, _LONGEST, 75)))
                for track in people:
                    if (found := track.at(frame.time)) is not None:
                        # Half a step away from a moment the person may be gone: only for want of another.
                        sure = track.at(frame.time, 0.05, 0.05) is not None
                        score = float(found[0].max()) + sure
                        if score > pictures.faces.get(track.person, (0.0, ""))[0]:
                            pictures.faces[track.person] = (score, data_uri(_cut(frame.picture, found[1]), 128, 80))
    except InputError:  # it was there a moment ago: the page goes without pictures
        pass
    return pictures


def _cut(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The face with a little of what is around it."""
    left, top, right, bottom = box
    margin = 0.25 * max(right - left, bottom - top)
    height, width = picture.shape[:2]
    x, y = int(np.clip(left - margin, 0, width - 1)), int(np.clip(top - margin, 0, height - 1))
    return picture[y : max(y + 1, int(bottom + margin)), x : max(x + 1, int(right + margin))]


def _data(row: Row, people: Sequence[Track], pictures: _Pictures, end: float) -> dict[str, Any]:
    """What the script needs: what each person shows over time, and the faces in each of the frames."""
    names = people[0].names if people else ()
    edges = np.linspace(0, end or 1.0, _POINTS + 1)
    width, height = row["clip"]["width"], row["clip"]["height"]

    def faces(time: float) -> Iterator[dict[str, Any]]:
        for track in people:
            if (found := track.at(time)) is not None:
                (scores, (left, top, right, bottom)), label = found, int(found[0].argmax())
                box = (left / width, top / height, (right - left) / width, (bottom - top) / height)
                yield {
                    "person": track.person,
                    "box": [round(float(part) * 100, 2) for part in box],
                    "label": label,
                    "percent": round(float(scores[label]) * 100),
                }

    same = (moment for moment in row["timeline"] if moment["label"] == row["label"])
    surest = max(same, key=lambda moment: moment["score"], default={"time": 0})
    return {
        "end": end,
        "best": surest["time"],
        "names": names,
        "emoji": [emotion(name).emoji for name in names],
        "colors": [emotion(name).color for name in names],
        "people": [{"person": track.person, "labels": _labels(track.over(edges))} for track in people],
        "frames": [{"time": round(time, 3), "faces": list(faces(time))} for time, _ in pictures.frames],
    }


def _labels(rows: np.ndarray) -> list[int]:
    """The strongest label of each row; -1 where there is none."""
    return [-1 if np.isnan(row[0]) else int(row.argmax()) for row in rows]


def _stage(pictures: _Pictures, clip: Row) -> str:
    if not pictures.frames:
        return '<p class="error">the clip cannot be read any more</p>'
    return (
        f'<div class="stage"><img src="{pictures.frames[0][1]}" width="{clip["width"]}" height="{clip["height"]}" '
        f'alt="a frame of the clip"><output></output></div>'
    )


def _answer(row: Row) -> str:
    if not row["items"]:
        return "<p>No face was seen.</p>"
    (item,) = row["items"]
    people = len(row["people"])
    told = f"{people} {'person' if people == 1 else 'people'}, {len(row['timeline']):,} moments"
    return (
        f'<div><div class="answer"><i>{item["emoji"]}</i><span><b>{html.escape(item["label"])} {item["score"]:.0%}</b>'
        f"<span>the clip, of {told}</span></span></div>{bars(item['scores'], 5)}</div>"
    )


def _plot(row: Row, people: Sequence[Track], pictures: _Pictures, end: float) -> str:
    lanes = "".join(_lane(row, track, pictures, end) for track in people)
    more = len(row["people"]) - len(people)
    rest = f"<p>… and {more} more people, who were seen less.</p>" if more else ""
    every = max(1, -(-len(pictures.frames) // _SHOWN))
    film = "".join(
        f'<img src="{uri}" alt=""{" hidden" if place % every else ""}>'
        for place, (_, uri) in enumerate(pictures.frames)
    )
    axis = "".join(
        f'<span{" class=last" if mark > 0.97 * end else ""} style="left:{mark / (end or 1):.3%}">{clock(mark)}</span>'
        for mark in marks(end, 13)
    )
    counts = Counter(moment["label"] for moment in row["timeline"])
    legend = "".join(
        f'<span style="--c:{emotion(label).color}"><i></i>{emotion(label).emoji} {html.escape(label)} '
        f"{count / counts.total():.0%}</span>"
        for label, count in counts.most_common()
    )
    return (
        f'<div class="plot" tabindex="0" aria-label="What was shown over time; move with the arrow keys">{lanes}'
        f'<div class="foot"><div class="film">{film}</div><div class="axis">{axis}</div></div>'
        f'<div class="needle"><b></b></div></div>{rest}<div class="legend">{legend}</div>'
    )


def _lane(row: Row, track: Track, pictures: _Pictures, end: float) -> str:
    """One person: a face, the probabilities over time on top of each other, and the segments."""
    person = next(person for person in row["people"] if person["person"] == track.person)
    face = pictures.faces.get(track.person)
    shown = f'<img src="{face[1]}" alt="">' if face else ""
    band = "".join(
        f'<i style="left:{part["start"] / (end or 1):.3%};width:{max(0, part["end"] - part["start"]) / (end or 1):.3%};'
        f'--c:{emotion(part["label"]).color}" title="{html.escape(part["label"])} {part["score"]:.0%}, '
        f'{clock(part["start"])} – {clock(part["end"])}">'
        f"{emotion(part['label']).emoji if part['end'] - part['start'] > 0.025 * end else ''}</i>"
        for part in row["segments"]
        if part["person"] == track.person
    )
    return (
        f'<div class="person"><div class="who" style="--c:{emotion(person["label"]).color}">{shown}'
        f"person {track.person}<br>{person['emoji']} {html.escape(person['label'])}<br>"
        f"<small>{clock(person['start'])} – {clock(person['end'])}</small></div>"
        f'<div class="lane">{_areas(track, end)}<div class="band">{band}</div></div></div>'
    )


def _areas(track: Track, end: float) -> str:
    """The probabilities over time as areas on top of each other, the most frequent label lowest."""
    rows = track.over(np.linspace(0, end or 1.0, _POINTS + 1))
    order = np.argsort(-np.nan_to_num(rows).sum(axis=0), kind="stable")
    heights = np.cumsum(np.hstack((np.zeros((len(rows), 1)), rows[:, order])), axis=1)
    paths = []
    for level, label in enumerate(order.tolist()):
        pieces = []
        for first, last in _runs(~np.isnan(rows[:, 0])):
            places = [first, *(place + 0.5 for place in range(first, last)), last]
            inner = [first, *range(first, last), last - 1]
            upper = [f"{x:g} {100 - 100 * heights[i, level + 1]:.1f}" for x, i in zip(places, inner, strict=True)]
            lower = [f"{x:g} {100 - 100 * heights[i, level]:.1f}" for x, i in zip(places, inner, strict=True)]
            pieces.append(f"M{'L'.join(upper + lower[::-1])}Z")
        name, color = html.escape(track.names[label]), emotion(track.names[label]).color
        paths.append(f'<path d="{"".join(pieces)}" fill="{color}"><title>{name}</title></path>')
    return f'<svg viewBox="0 0 {_POINTS} 100" preserveAspectRatio="none" aria-hidden="true">{"".join(paths)}</svg>'


def _runs(there: np.ndarray) -> list[tuple[int, int]]:
    """First and one past the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _segments(row: Row) -> str:
    several = len(row["people"]) > 1
    lines = "".join(
        f'<tr data-at="{part["start"]}"><td>{clock(part["start"])} – {clock(part["end"])}</td>'
        + (f"<td>{part['person']}</td>" if several else "")
        + f"<td>{emotion(part['label']).emoji} {html.escape(part['label'])}</td><td>{part['score']:.0%}</td></tr>"
        for part in row["segments"][:_SEGMENTS]
    )
    more = len(row["segments"]) - _SEGMENTS
    rest = f"<p>… and {more:,} more</p>" if more > 0 else ""
    heads = f"<th>time</th>{'<th>person</th>' if several else ''}<th>emotion</th><th>mean</th>"
    return (
        f"<details><summary>{len(row['segments']):,} segments</summary><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{lines}</tbody></table>{rest}</details>"
    )
