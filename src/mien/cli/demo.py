"""The verb ``demo``: what the shipped models read in a few sentences, a picture and a clip; drawn ones, or yours."""

from __future__ import annotations

import html
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.usage import console as terminal
from mien.cli.usage import log, target
from mien.errors import MienError

if TYPE_CHECKING:
    from rich.console import Console

    from mien.results import Result

#: Drawn people, and a clip of one; made by tools/draw_people.py.
ASSETS = Path(__file__).parent.parent / "assets"
SENTENCES = (
    "i feel so loved today",
    "I am not happy at all with how this was handled.",
    "WE WON!!! I can't believe it 🎉🎉",
    "The meeting starts at nine in room 204.",
    "there's something moving in the attic and im home alone",
    "ugh, the milk was off and I'd already taken a big gulp 🤢",
    "I keep setting the table for two.",
    "wait, you two know each other?!",
    "Thank you for staying with me all night, it meant a lot.",
    'third time this week my parcel got "lost". unbelievable.',
    "Not bad at all, I'd order it again.",
    "i shouldnt have said that to her :(",
)


def demo(
    out: Annotated[Path, target("The folder for the page.")] = Path("demo"),
    photo: Annotated[
        list[str] | None, typer.Option("--photo", help="A photograph of yours instead of a drawing; several are fine.")
    ] = None,
    clip: Annotated[list[str] | None, typer.Option("--clip", help="A clip of yours instead; several are fine.")] = None,
) -> None:
    """Predict on a dozen sentences, drawn people and a drawn clip with the shipped models; write pages of it."""
    log(f"wrote {run(out, terminal(), photos=photo or (), clips=clip or ())}")


def run(
    folder: Path,
    console: Console,
    models: tuple[str, ...] = ("text", "text-carer"),
    photos: Sequence[str] = (),
    clips: Sequence[str] = (),
) -> Path:
    """Predict, print, and write ``index.html`` into *folder*, with ``faces.html`` and ``clips.html`` beside it.

    Args:
        photos: pictures to read the faces of; by default drawn people, copied to ``people.png``.
        clips: clips to read the faces of; by default one of somebody drawn, copied to ``moods.mp4``.

    Raises:
        MienError: the folder cannot be written.
        InputError: a photograph or a clip cannot be read.
    """
    from mien.modality import load
    from mien.output.terminal import show_prediction

    columns: dict[str, list[Result]] = {}
    for name in models:
        columns[name] = list(load(name).predict_many(SENTENCES))
    first = models[0]
    for result in columns[first]:
        console.print(f"[bold]{result.input}[/bold]", markup=True)
        for item in result.items:
            show_prediction(console, item, most=2)
    page = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(columns), "utf-8")
        console.print()
        _faces(folder / "faces.html", console, photos or [_asset("people.png", folder)])
        _clips(folder / "clips.html", console, clips or [_asset("moods.mp4", folder)])
    except OSError as error:
        raise MienError(f"cannot write {page}: {error.strerror or error}") from error
    return page


def _asset(name: str, folder: Path) -> str:
    """A copy of a picture or clip that comes with mien, beside the pages that show it."""
    return str(shutil.copy(ASSETS / name, folder / name))


def _faces(page: Path, console: Console, photos: Sequence[str]) -> None:
    from mien.modality import load
    from mien.output.face_draw import write_page
    from mien.output.terminal import show_pictures

    model = load("face")
    results = [model.predict(photo) for photo in photos]
    counts = Counter(item.label or "—" for result in results for item in result.items)
    show_pictures(console, results, counts, len(results))
    write_page(page, (result.to_dict() for result in results))


def _clips(page: Path, console: Console, clips: Sequence[str]) -> None:
    from mien.modality import load
    from mien.output.clip_page import write_page
    from mien.output.strip import show_clip

    model = load("video")
    results = [model.predict(clip) for clip in clips]
    for result in results:
        console.print()
        show_clip(console, result)
    write_page(page, (result.to_dict() for result in results))


def _bars(result: Result) -> str:
    rows = []
    for item in result.items:
        for label in sorted(item.scores, key=item.scores.__getitem__, reverse=True)[:3]:
            known, score = item.space[label], item.scores[label]
            rows.append(
                f'<div class="row"><span class="emoji">{known.emoji}</span><span>{html.escape(label)}</span>'
                f'<span class="bar"><i style="width:{score * 100:.1f}%;background:{known.color}"></i></span>'
                f"<span>{score:.0%}</span></div>"
            )
    return "".join(rows)


def _page(columns: dict[str, list[Result]]) -> str:
    cards = []
    for results in zip(*columns.values(), strict=True):
        parts = "".join(
            f"<section><h3>{html.escape(name)}</h3>{_bars(result)}</section>"
            for name, result in zip(columns, results, strict=True)
        )
        cards.append(f"<article><blockquote>{html.escape(results[0].input)}</blockquote>{parts}</article>")
    return _HEAD + "".join(cards) + "</main></html>\n"


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>mien: a look</title>
<style>
:root{color-scheme:light dark;--card:#fff;--ground:#f4f2ee;--ink:#22252a;--soft:#8884}
@media(prefers-color-scheme:dark){:root{--card:#1f2227;--ground:#15171a;--ink:#e9e7e2}}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
header,main{max-width:72rem;margin:auto;padding:1.5rem}
main{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));padding-top:0}
article{background:var(--card);border-radius:1rem;padding:1.2rem 1.4rem;box-shadow:0 1px 3px #0002}
blockquote{margin:0 0 .8rem;font-size:1.15rem;font-weight:600;overflow-wrap:anywhere}
h3{margin:.6rem 0 .2rem;font-size:.8rem;font-weight:500;opacity:.6}
.row{display:grid;grid-template-columns:1.8rem 7rem 1fr 3rem;align-items:center;gap:.3rem}
.row span:last-child{text-align:right}.emoji{font-size:1.2rem}
.bar{height:.7rem;background:var(--soft);border-radius:.4rem;overflow:hidden}.bar i{display:block;height:100%}
</style>
<header><h1>mien</h1><p>What the shipped text models read, computed on this machine without the network.
The bars are probabilities; <b>text</b> knows 28 emotions that can hold together, <b>text-carer</b> six of which one
holds.</p>
<p>Beside it: <a href="faces.html">faces in a picture</a> and <a href="clips.html">a clip over time</a>.</p>
</header><main>
"""
