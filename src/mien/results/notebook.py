"""What notebooks show of results and reports: one small piece of HTML that needs no script, file or network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import InputError, cut, printable
from mien.labels import Emotion, LabelSpace

if TYPE_CHECKING:
    from mien.results.result import Result

_ITEMS = 6  # predictions or people of one result
_SIDE = 480  # of the picture, pixels
_CHEAP = 16_000_000  # pixels of a file that are decoded for it
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


def result_html(result: Result) -> str:
    """A result: bars for the strongest labels of each prediction, people and segments of a clip.

    A picture whose file is there is shown small, with the boxes in it.
    """
    return str(_views().result(result, _picture(result))).encode("utf-8", "replace").decode()


def report_html(document: Mapping[str, Any], space: LabelSpace) -> str:
    """An evaluation by the content of its report.json: the main figures, and a bar for each label and rating."""
    names = {"accuracy": "accuracy", "top1": "top-1", "macro_f1": "macro-F1", "map": "mAP"}
    main = [(name, document[key]) for key, name in names.items() if document.get(key) is not None]
    rows = [
        {"name": f"{space[label].emoji} {label}", "share": row["f1"], "color": space[label].color,
         "told": f"F1 {row['f1']:.2f}, {row['support']:,}"}
        for label, row in document.get("per_label", {}).items()
        if row.get("f1") is not None
    ]  # fmt: skip
    for name, row in document.get("ratings", {}).items():
        r = row["pearson"]
        told = f"{'r –' if r is None else f'r {r:.2f}'}, {row['n']:,}"
        rows.append({"name": name, "share": min(max(r or 0.0, 0.0), 1.0), "color": Emotion("").color, "told": told})
    return str(_views().report({**document, "main": main}, rows)).encode("utf-8", "replace").decode()


@cache
def _views() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"css": _css, "shown": _shown, "strongest": _strongest, "last_second": _last_second}
    environment.globals["most"] = _ITEMS
    return environment.from_string(Path(__file__).with_suffix(".html.j2").read_text("utf-8")).module


def _css(color: str) -> str:
    """A color that is one: it goes into a style, where escaping would not keep other words out."""
    return color if _COLOR.fullmatch(color) else Emotion("").color


def _shown(text: str, most: int) -> str:
    return printable(cut(text, most), layout=True)


def _strongest(space: LabelSpace, scores: Mapping[str, float], most: int) -> list[Emotion]:
    return sorted(space, key=lambda emotion: -scores[emotion.name])[:most]


def _last_second(result: Result) -> float:
    return max((segment.end for segment in result.segments), default=0.0)


def _picture(result: Result) -> dict[str, Any] | None:
    """The picture that boxes lie in, small; None where it is not at hand, or would take long."""
    if result.clip or not any(item.box for item in result.items):
        return None
    from mien.inputs import exists
    from mien.media.encode import data_uri
    from mien.media.images import picture_size, read_picture
    from mien.media.names import is_picture
    from mien.media.pixels import reduced

    if not is_picture(result.input) or not exists(result.input):
        return None
    try:
        width, height = picture_size(result.input, shown=True)
        if width * height > _CHEAP:
            return None
        small = reduced(read_picture(result.input), _SIDE)
    except (InputError, OSError):
        return None
    shown = {"width": width, "height": height, "shown": small.shape[1]}
    return {**shown, "uri": data_uri(small, "jpeg", quality=80)}
