"""Pages of results."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mien.labels import emotion
from mien.modality import Kind, get_modality
from mien.model import Manifest
from mien.output import clip_page, face_draw, scene_clip_page, scene_draw
from mien.output.rows import OWN, Row

_PAGE_ROWS = 2_000


def write_page(target: Path, rows: Iterator[Row], kind: Kind, manifest: Manifest) -> None:
    """A page of results."""
    of_faces = get_modality(manifest.modality).boxes == "face"
    if kind == "picture":
        face_draw.write_page(target, rows) if of_faces else scene_draw.write_page(target, rows, manifest.scales)
    elif kind == "clip":
        clip_page.write_page(target, rows) if of_faces else scene_clip_page.write_page(target, rows, manifest.scales)
    else:
        _table(target, rows)


def _table(target: Path, documents: Iterator[Row]) -> None:
    counts = Counter[str]()
    rows, names = list[Row](), dict[str, None]()
    for document in documents:
        counts[document["label"] or "—"] += 1
        row = document.get("columns") or {"text": document["input"]}
        labels = "|".join(document["items"][0]["labels"]) if document["items"] else None
        row = {**row, **{f"predicted_{n}" if n in row else n: document.get(n, labels) for n in OWN}}
        if len(rows) < _PAGE_ROWS:
            rows.append(row)
        names.update(dict.fromkeys(row))
    total = sum(counts.values())
    bars = "".join(
        f"<tr><td>{emotion(label).emoji if label != '—' else ''}</td><td>{html.escape(label)}</td><td class=bar>"
        f'<i style="width:{count / max(counts.values()) * 100:.1f}%;background:{emotion(label).color}"></i></td>'
        f"<td>{count:,}</td><td>{count / total:.1%}</td></tr>"
        for label, count in counts.most_common()
    )
    with target.open("w", encoding="utf-8") as file:
        what = "texts" if next(iter(names), "text") == "text" else "rows"
        file.write(_PAGE_HEAD + f"<h1>{total:,} {what}</h1><table class=counts>{bars}</table><table><thead><tr>")
        file.write("".join(f"<th>{html.escape(name)}</th>" for name in names) + "</tr></thead><tbody>")
        for row in rows:
            cells = ("" if row.get(name) is None else html.escape(str(row[name])) for name in names)
            file.write("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n")
        rest = total - _PAGE_ROWS
        file.write(
            "</tbody></table>" + (f"<p>… and {rest:,} more; CSV or Parquet hold them all.</p>" if rest > 0 else "")
        )


_PAGE_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>mien</title>
<meta name="viewport" content="width=device-width"><style>
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0;width:100%}td,th{padding:.3rem .6rem;text-align:left;vertical-align:top;
border-bottom:1px solid #8884;overflow-wrap:anywhere}.counts{max-width:40rem}.counts td{border:0;padding:.1rem .5rem}
.bar{width:60%}.bar i{display:block;height:.9rem;border-radius:.3rem}</style>
"""
