"""The verb ``demo``: what the shipped models read in a few sentences, a picture and a clip; drawn ones, or yours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.usage import console as terminal
from mien.cli.usage import log, target
from mien.errors import MienError

if TYPE_CHECKING:
    from rich.console import Console

    from mien.modality import Kind, Predictor

#: Drawn people, and a clip of one; made by tools/draw_people.py.
ASSETS = Path(__file__).parent.parent / "assets"
SENTENCES = (
    "i feel so loved today",
    "I am not happy at all with how this was handled.",
    "WE WON!!! I can't believe it 🎉🎉",
    "The meeting starts at nine in room 204.",
    "there's something moving in the attic and im home alone",
    "ugh, the milk was off and I'd already taken a big gulp 🤢",
    "wait, you two know each other?!",
    "Thank you for staying with me all night, it meant a lot.",
    "third time this week my parcel got lost. so annoying",
    "Not bad at all, I'd order it again.",
    "I'm so sorry, I should have called you back.",
    "I miss her every single day.",
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
    folder: Path, console: Console, model: str = "text", photos: Sequence[str] = (), clips: Sequence[str] = ()
) -> Path:
    """Predict, print, and write ``index.html`` into *folder*, with ``faces.html`` and ``clips.html`` beside it.

    Args:
        model: of the sentences.
        photos: pictures to read the faces of; by default drawn people, copied to ``people.png``.
        clips: clips to read the faces of; by default one of somebody drawn, copied to ``moods.mp4``.

    Raises:
        MienError: the folder cannot be written.
        InputError: a photograph or a clip cannot be read.
    """
    from mien.modality import load
    from mien.output.html import write_page
    from mien.output.show import show_prediction

    texts = load(model)
    results = list(texts.explaining().predict_many(SENTENCES))
    for result in results:
        console.print(f"[bold]{result.input}[/bold]", markup=True)
        for item in result.items:
            show_prediction(console, item, most=2, scales=texts.manifest.scales)
    page = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        console.print()
        faces = _show(folder / "faces.html", console, "picture", load("face"), photos or [_asset("people.png", folder)])
        console.print()
        films = _show(folder / "clips.html", console, "clip", load("video"), clips or [_asset("moods.mp4", folder)])
        links = {"faces.html": "Faces in pictures", "clips.html": "Faces over the time of a clip"}
        above: list[tuple[Kind, dict[str, Any]]] = [
            *(("picture", row) for row in faces),
            *(("clip", row) for row in films),
        ]
        rows = [result.to_dict() for result in results]
        write_page(page, rows, "text", texts.manifest, links, "What mien reads in faces, a clip and texts", above)
    except OSError as error:
        raise MienError(f"cannot write {page}: {error.strerror or error}") from error
    return page


def _asset(name: str, folder: Path) -> str:
    """A copy of a picture or clip that comes with mien, beside the pages that show it."""
    return str(shutil.copy(ASSETS / name, folder / name))


def _show(page: Path, console: Console, kind: Kind, model: Predictor, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Pictures or clips, in the terminal and on a page; their rows."""
    from mien.output.html import write_page
    from mien.output.rows import Tally
    from mien.output.show import show_results

    results, tally = [model.predict(path) for path in paths], Tally()
    for result in results:
        tally.add(result, kind)
    show_results(console, results, tally.labels, len(results), kind, model.manifest, tally.unsure, tally.uncounted)
    rows = [result.to_dict() for result in results]
    write_page(page, rows, kind, model.manifest)
    return rows
