"""Draw docs/terminal.svg: what ``mien predict`` prints, from the shipped model.

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


def main() -> None:
    console = Console(record=True, width=76, file=io.StringIO(), force_terminal=True)
    model = mien.load("text")
    console.print("[bold green]$[/bold green] mien predict " + " \\\n    ".join(f'"{text}"' for text in SENTENCES))
    show_results(console, [model.predict(text) for text in SENTENCES], {"shown": len(SENTENCES)})
    picture = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="mien"), flags=re.DOTALL)
    Path(__file__).with_name("terminal.svg").write_text(picture, "utf-8")  # without fonts fetched from elsewhere


if __name__ == "__main__":
    main()
