"""Pages of results that stand alone: one file with the results as JSON, drawn by the modules of the server's page.

A page takes results while they come in. It loads nothing, and nothing in the results can act: they are data, and its
Content-Security-Policy names the one script and the one style that are in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.labels import emotion
from mien.media import encode
from mien.media.folders import open_clip
from mien.media.images import read_picture
from mien.media.pixels import reduced
from mien.modality import Kind, get_modality
from mien.model import Manifest
from mien.output.rows import Row, uncounted_line
from mien.output.tracks import counts_in, length, rate_of

_PAGE = Path(__file__).parents[1] / "serve" / "page"
_ENTRY, _STYLES = "static.js", ("style.css", "views.css", "static.css")
_IMPORT = re.compile(r'^import (?:(\{.*?\}) from )?"\./(.+?)";$', re.M)
_SHOWN = {"text": 2_000, "row": 2_000, "picture": 200, "clip": 50}  # more would make a page that no browser likes
_CARDS = 20  # so few texts have a card each
_PIXELS, _FRAME_PIXELS = 1000, 480  # longest side of a picture, of a frame
_FRAMES, _FRAMES_EACH = 48, 16  # pictures in the page: of one clip alone, of each of several
_PEOPLE, _MOMENTS, _SEGMENTS = 8, 240, 200  # of a clip


def write_page(
    target: Path,
    results: Iterable[Row],
    kind: Kind,
    manifest: Manifest,
    links: Mapping[str, str] | None = None,
    title: str = "",
    above: Sequence[tuple[Kind, Row]] = (),
) -> None:
    """A page of results.

    Args:
        results: as :meth:`mien.results.Result.to_dict` gives them, perhaps with the "columns" of their table. Pictures
            and clips are read again from "input". The first 2,000 texts, 200 pictures or 50 clips are shown; all are
            counted.
        kind: of the inputs.
        manifest: of the model.
        links: to further pages: address → words.
        title: of the page; how many inputs there are if not given.
        above: results of other kinds, of models without ratings, which stand first and are not counted.
    """
    results, modality = iter(results), get_modality(manifest.modality)
    first = list(islice(results, _CARDS + 1))
    plain = kind in ("text", "row")
    layout = "table" if len(first) > _CARDS or any("columns" in row for row in first) or kind == "row" else "cards"
    frames = _FRAMES if len(first) < 2 else _FRAMES_EACH
    counts, names, total, unread = dict[str, int](), dict[str, None](), 0, 0
    found, uncounted = 0, 0
    with target.open("w", encoding="utf-8", errors="replace") as file:
        file.write(page_start(_ENTRY, _STYLES))
        for other, row in above:
            card = _card(row, other, _FRAMES) | {"layout": other, "unit": get_modality(row["modality"]).boxes}
            file.write(page_data(card, 'class="result"'))
            names.update(dict.fromkeys(name for item in row["items"] for name in item["scores"]))
        for row in chain(first, results):
            if total < _SHOWN[kind]:
                file.write(page_data(_card(row, layout if plain else kind, frames), 'class="result"'))
                for item in row["items"]:
                    names.update(dict.fromkeys(item["scores"]))
            total, unread = total + 1, unread + (row["error"] is not None)
            of = row["items"] if kind == "picture" else [row["items"][0] if row["items"] else {"label": "—"}]
            counted = [item["label"] or "—" * (kind != "picture") for item in of if counts_in(row, item)]
            found, uncounted = found + len(of), uncounted + len(of) - len(counted)
            for label in filter(None, counted):
                counts[label] = counts.get(label, 0) + 1
        title = title or _count(total, kind)
        if kind == "picture" and modality.unit == modality.boxes:
            title = f"{modality.count(found)} in {title}"
        units = "clips" if kind == "clip" else f"{modality.unit}s"
        rest = total - _SHOWN[kind]
        about = {
            "title": title + (f", {unread:,} could not be read" if unread else ""),
            "links": links or {},
            "layout": layout if plain else kind,
            "unit": modality.boxes,
            "counts": {} if above else counts,
            "uncounted": uncounted_line(uncounted, found, units) if uncounted and not above else "",
            "palette": [{"name": name, "emoji": emotion(name).emoji, "color": emotion(name).color} for name in names],
            "scales": [{"name": name, "low": low, "high": high} for name, (low, high) in manifest.scales.items()],
            "rest": f"… and {rest:,} more {kind}s; JSONL, CSV or Parquet hold them all." if rest > 0 else "",
        }
        file.write(page_data(about, 'id="about"') + page_end(_ENTRY))


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


# ------------------------------------------------------------------------------------------------- the file itself


def page_start(entry: str, styles: Iterable[str]) -> str:
    """The start of a page of that module and those styles; its policy names both by their sha256."""
    style = "".join((_PAGE / name).read_text("utf-8") for name in styles)
    allowed = {"style": style, "script": _script(entry)}
    sources = [
        f"{name}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in allowed.items()
    ]
    page = (_PAGE / "static.html").read_text("utf-8")
    return page.replace("SOURCES", "; ".join(sources)).replace("STYLE", style)


def page_end(entry: str) -> str:
    """The end of a page: the script, behind the data that it draws."""
    return f'<script type="module">{_script(entry)}</script>\n</body>\n</html>\n'


def page_data(value: Any, attributes: str) -> str:
    """A value in the page, which no text in it can end or leave."""
    safe = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" {attributes}>{safe}</script>\n'


def _script(entry: str) -> str:
    """The module and those that it imports, as one script: each a function that returns what it exports."""
    made: dict[str, str] = {}

    def add(name: str) -> str:
        variable = re.sub(r"\W", "_", name)
        if name not in made:
            made[name] = ""
            text = (_PAGE / name).read_text("utf-8")
            text = re.sub(
                r'^import (?:(\{.*?\}) from )?"\./(.+?)";$', lambda found: _import(found, add), text, flags=re.M
            )
            names = re.findall(r"^export (?:class|function|const) (\w+)", text, flags=re.M)
            body = re.sub(r"^export ", "", text, flags=re.M)
            del made[name]  # behind what it imports
            made[name] = f"const {variable} = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();\n"
        return variable

    add(entry)
    return "".join(made.values())


def _import(found: re.Match[str], add: Any) -> str:
    names, module = found.groups()
    variable = add(module)
    return f"const {names} = {variable};" if names else ""


# -------------------------------------------------------------------------------------------------------- results


def _card(row: Row, layout: str, frames: int) -> Row:
    """What the page needs of one result."""
    if layout == "table":
        labels = row["items"][0]["labels"] if row["items"] else []
        cells = row.get("columns") or {"text": row["input"]}
        shown = ("label", "emoji", "score", "error", "unsure")
        return {"cells": cells, "labels": labels, **{name: row[name] for name in shown if name in row}}
    if row["error"] or layout == "cards":
        return row
    try:
        return _with_picture(row) if layout == "picture" else _with_film(row, frames)
    except InputError as error:  # it was there a moment ago
        return {**row, "error": str(error)}


def _with_picture(row: Row) -> Row:
    picture = read_picture(str(row["input"]))
    size = [picture.shape[1], picture.shape[0]]
    return {**row, "picture": {"src": _data_uri(picture, _PIXELS, 85), "size": size}}


def _with_film(row: Row, count: int) -> Row:
    """A clip with frames of it, and as many moments, people and segments as a page can hold."""
    end = length(row)
    people = sorted(row["people"], key=lambda person: -person["moments"])[:_PEOPLE]
    kept = {person["person"] for person in people} | {0}
    moments = [_thinned([m for m in row["timeline"] if m["person"] == who], end, row) for who in sorted(kept)]
    same = [moment for moment in row["timeline"] if moment["label"] == row["label"] and counts_in(row, moment)]
    return {
        **row,
        "people": sorted(people, key=lambda person: int(person["person"])),
        "more": len(row["people"]) - len(people),
        "timeline": sorted(chain(*moments), key=lambda moment: float(moment["time"])),
        "gap": 1.6 * end / _MOMENTS,
        "segments": [segment for segment in row["segments"] if segment["person"] in kept][:_SEGMENTS],
        "segmentCount": len(row["segments"]),
        "uncounted": _uncounted(row),
        "frames": list(_frames(row["input"], end, count, rate_of(row))),
        "best": max(same, key=lambda moment: float(moment["score"] or 0), default={"time": 0})["time"],
        "end": end,
    }


def _uncounted(row: Row) -> str:
    left = sum(not counts_in(row, moment) for moment in row["timeline"])
    return uncounted_line(left, len(row["timeline"]), "moments") if left else ""


def _thinned(moments: list[Row], end: float, row: Row) -> list[Row]:
    """One person's moments, or means of those that stand together where there are more than a page shows.

    Moments that do not count are in no mean with others.
    """
    if len(moments) <= _MOMENTS:
        return moments
    parts = dict[int, list[Row]]()
    for moment in moments:
        parts.setdefault(int(moment["time"] / (end or 1.0) * _MOMENTS), []).append(moment)
    return [_mean([one for one in some if counts_in(row, one)] or some) for some in parts.values()]


def _mean(moments: list[Row]) -> Row:
    middle = moments[len(moments) // 2]
    scores = _means([moment["scores"] for moment in moments])
    label = max(scores, key=scores.__getitem__, default=None)
    mean = {"scores": scores, "label": label, "score": scores.get(label or ""), "emoji": emotion(label or "").emoji}
    rated = {"ratings": _means([moment["ratings"] for moment in moments])} if "ratings" in middle else {}
    unsure = sum(moment.get("unsure", False) for moment in moments) * 2 > len(moments)
    return {**middle, **mean, **rated, **({"unsure": unsure} if "unsure" in middle else {})}


def _means(values: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(sum(one[name] for one in values) / len(values), 4) for name in values[0]}


def _frames(path: str, end: float, count: int, rate: float | None) -> Iterator[Row]:
    """Frames spread over the time that was read; none where the clip is gone."""
    try:
        with open_clip(path, fps=count / max(end, 0.04), rate=rate) as clip:
            for frame in islice(clip, count):
                if frame.time <= end:
                    yield {"time": round(frame.time, 3), "src": _data_uri(frame.picture, _FRAME_PIXELS, 75)}
    except InputError:
        return


def _data_uri(picture: np.ndarray, longest: int, quality: int) -> str:
    """An RGB picture as a JPEG that stands in the page itself, brought down to so many pixels a side."""
    return encode.data_uri(reduced(picture, longest), quality=quality)
