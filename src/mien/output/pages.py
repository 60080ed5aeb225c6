"""Pages of cards, one for each picture or clip, made while the results come in."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.labels import emotion
from mien.media import encode
from mien.media.pixels import reduced

Row = Mapping[str, Any]


def write_cards(
    target: Path,
    rows: Iterable[Row],
    card: Callable[[Row], str],
    *,
    head: str,
    summary: Callable[[int, Counter[str]], str],
    most: int,
    what: str,
    script: str = "",
) -> None:
    """A page that stands alone: a summary over all rows, then a card for each of the first so many.

    Args:
        rows: results as :meth:`mien.results.Result.to_dict` gives them.
        card: a row as HTML.
        head: what stands before all; see :func:`head`.
        summary: of the number of rows and how often each label came, in words; "" for none.
        most: so many cards; further rows are counted only.
        what: name of many rows, such as "pictures".
        script: JavaScript that runs when all is there.
    """
    counts: Counter[str] = Counter()
    shown = total = failed = 0
    cards = target.with_name(target.name + ".cards")
    try:
        with cards.open("w", encoding="utf-8") as file:
            for row in rows:
                total += 1
                failed += row["error"] is not None
                counts.update(item["label"] for item in row["items"] if item["label"] is not None)
                if shown < most:
                    file.write(card(row))
                    shown += 1
        with target.open("w", encoding="utf-8") as file:
            unread = f", {failed:,} could not be read" if failed else ""
            told = summary(total, counts)
            top = f"<header><h1>{told}{unread}</h1><div>{chips(counts)}</div></header>" if told else ""
            file.write(f"{head}{top}<main>")
            with cards.open(encoding="utf-8") as made:
                for line in made:
                    file.write(line)
            rest = f"<p>… and {total - shown:,} more {what}; JSONL, CSV or Parquet hold them all.</p>"
            code = f"<script>{script}</script>" if script else ""
            file.write(f"</main>{rest if total > shown else ''}{code}</html>\n")
    finally:
        cards.unlink(missing_ok=True)


def chips(counts: Counter[str]) -> str:
    """How often each label came, as HTML."""
    return "".join(
        f'<span class="chip" style="--c:{emotion(label).color}">{emotion(label).emoji} {html.escape(label)} '
        f"<b>{count:,}</b></span>"
        for label, count in counts.most_common()
    )


def bars(scores: Mapping[str, float], most: int) -> str:
    """The strongest labels with emoji, bar and probability, as HTML."""
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)[:most]
    return "".join(
        f'<div class="row"><span>{emotion(label).emoji}</span><span>{html.escape(label)}</span>'
        f'<span class="bar"><i style="width:{scores[label] * 100:.1f}%;background:{emotion(label).color}"></i></span>'
        f"<span>{scores[label]:.0%}</span></div>"
        for label in ranked
    )


def unread(row: Row, why: str) -> str:
    """An input that could not be read, and why, as HTML."""
    return f'<article><h2>{html.escape(str(row["input"]))}</h2><p class="error">{html.escape(why)}</p></article>\n'


def data_uri(picture: np.ndarray, longest: int, quality: int = 85) -> str:
    """An RGB picture as a JPEG that stands in the page itself, brought down to so many pixels a side."""
    return encode.data_uri(reduced(picture, longest), quality=quality)


def head(title: str, style: str) -> str:
    """The start of a page: what all pages look like, and what this one does besides, as CSS."""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title><style>{_STYLE}{style}</style>
"""


_STYLE = """
:root{color-scheme:light dark;--card:#fff;--ground:#f4f2ee;--ink:#22252a;--soft:#8883}
@media(prefers-color-scheme:dark){:root{--card:#1f2227;--ground:#15171a;--ink:#e9e7e2}}
*{box-sizing:border-box}
@font-face{font-family:emoji;unicode-range:U+1F000-1FAFF,U+2600-27BF,U+2B50,U+FE0F;
src:local("Apple Color Emoji"),local("Segoe UI Emoji"),local("Noto Color Emoji")}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 emoji,system-ui,sans-serif}
header,main,body>p{max-width:80rem;margin:auto;padding:1.5rem}
header{padding-bottom:.5rem}h1{font-size:1.5rem;margin:0 0 .6rem;overflow-wrap:anywhere}
.chip{display:inline-block;margin:0 .4rem .4rem 0;padding:.15rem .8rem;border-radius:2rem;background:var(--card);
border:1.5px solid var(--c)}
article{background:var(--card);border-radius:1rem;padding:1rem;box-shadow:0 1px 3px #0002;min-width:0}
.box{position:absolute;border:3px solid var(--c);border-radius:.6rem;box-shadow:0 0 0 1px #0006,inset 0 0 0 1px #0004}
.box span{position:absolute;left:50%;top:calc(100% + .45rem);transform:translateX(-50%);white-space:nowrap;
padding:.15rem .55rem;border-radius:1rem;background:#16181ce6;color:#fff;font-size:.8rem;line-height:1.35;
border:1.5px solid var(--c)}
.box.low span{top:auto;bottom:.45rem}.box i{font-style:normal}.box u{text-decoration:none;opacity:.65}
.box.small{border-width:2px}.box.small b{display:none}
.box.small span{padding:0 .3rem;font-size:.72rem;top:calc(100% + .1rem)}
.box:hover{z-index:2}
.row{display:grid;grid-template-columns:1.5rem 5.5rem 1fr 2.6rem;align-items:center;gap:.3rem;font-size:.85rem}
.row span:last-child{text-align:right;font-variant-numeric:tabular-nums}
.bar{height:.6rem;background:var(--soft);border-radius:.4rem;overflow:hidden}.bar i{display:block;height:100%}
.error{color:#d7433b;margin:0}
"""

#: What pages of pictures look like besides.
PICTURES = """
main{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));align-items:start}
h2{font-size:.9rem;font-weight:600;margin:0 0 .7rem;overflow-wrap:anywhere}
.shot{position:relative;border-radius:.6rem;overflow:hidden;line-height:0;margin:auto}
.shot img{width:100%;height:auto;display:block}
h3{margin:0;font-size:.75rem;font-weight:500;opacity:.6}
.none{opacity:.6;margin:.6rem 0 0}
"""
