"""Make docs/terminal.svg, what ``mien predict`` prints, and docs/people.jpg, drawn people and what is read in them.

python docs/make_pictures.py
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

import mien
from mien.display import show_results

SENTENCES = [
    "i feel so loved today",
    "I am not happy at all with how this was handled.",
    "wait, you two know each other?! 😳",
]


def people(target: Path) -> None:
    """Drawn people with what the shipped model reads marked on them."""
    import cv2

    from mien.drawings import group
    from mien.face.draw import annotate

    picture = group(320)
    marked = annotate(picture, mien.load("face").predict(picture))
    target.write_bytes(cv2.imencode(".jpg", marked[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())


def main() -> None:
    people(Path(__file__).with_name("people.jpg"))
    console = Console(record=True, width=76, file=io.StringIO(), force_terminal=True)
    model = mien.load("text")
    console.print("[bold green]$[/bold green] mien predict " + " \\\n    ".join(f'"{text}"' for text in SENTENCES))
    show_results(console, [model.predict(text) for text in SENTENCES], {"shown": len(SENTENCES)})
    picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="mien"), flags=re.DOTALL)
    Path(__file__).with_name("terminal.svg").write_text(picture, "utf-8")  # without fonts fetched from elsewhere


if __name__ == "__main__":
    main()
