"""Results of clips as rows of a table: one for each clip, or one for each moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Row = dict[str, Any]


def clip_row(row: Row, scores: bool = False) -> Row:
    """A clip's result, as JSONL has it, as one flat row; one that was read as scenes, and could not be, has no "clip".

    `people` were seen in it, in `moments` faces altogether, in `frames` that were looked at; `share_LABEL`, with
    *scores*, is that label's share of the moments and `score_LABEL` its probability for the clip.
    """
    clip: Row = row.get("clip") or dict.fromkeys(("duration", "width", "height", "frames", "skipped", "problem"))
    (best, *_) = row["items"] or [{"labels": [], "scores": {}}]
    moments = row.get("timeline", [])
    flat = {
        "file": row["input"],
        **{name: row[name] for name in ("label", "emoji", "score")},
        "labels": "|".join(best["labels"]) or None,
        "people": len(row["people"]) if row.get("clip") else None,
        "moments": len(moments) if row.get("clip") else None,
        **best.get("ratings", {}),
        **clip,
        "error": row["error"],
    }
    if scores:
        for label, score in best["scores"].items():
            flat[f"score_{label}"] = score
            flat[f"share_{label}"] = round(sum(moment["label"] == label for moment in moments) / len(moments), 6)
    return flat


def moment_rows(row: Row, scores: bool = False, timeline: Iterable[Row] = ()) -> Iterator[Row]:
    """A clip's result, as JSONL has it, as one flat row for each moment; one without a face where there is none.

    `time` is in seconds from the first frame; left, top, right and bottom are the face's or the person's box in pixels.
    Person 0 is the scene as a whole. Ratings have a column each.

    Args:
        timeline: the moments, where they are not in the row.
    """
    told = ("time", "person", "label", "emoji", "score")
    nothing: Row = {**dict.fromkeys(told), "labels": [], "scores": {}}
    for moment in row.get("timeline") or timeline or [nothing]:
        box = moment.get("box") or (None,) * 4
        flat = {
            "file": row["input"],
            **{name: moment[name] for name in told},
            "labels": "|".join(moment["labels"]) or None,
            **dict(zip(("left", "top", "right", "bottom"), box, strict=True)),
            **moment.get("ratings", {}),
            "error": row["error"],
        }
        yield flat | ({f"score_{name}": score for name, score in moment["scores"].items()} if scores else {})
