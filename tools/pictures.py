"""Pictures of the documentation: docs/terminal.svg, what ``mien predict`` prints; docs/people.jpg, drawn people and
what is read in them; docs/page.webp, what the page of ``mien serve`` shows.

python tools/pictures.py            # the first two, with the shipped models
python tools/pictures.py page       # this one needs chromium, playwright and a font with emoji in color
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import mien
from mien.output.show import show_results

DOCS = Path(__file__).parents[1] / "docs"
SENTENCES = [
    "i feel so loved today",
    "I am not happy at all with how this was handled.",
    "wait, you two know each other?! 😳",
]


TEXT = "I can't believe you drove all night just to be here. I was so scared I'd have to do this alone. Thank you!"


def main() -> None:
    if sys.argv[1:] == ["page"]:
        draw_page(DOCS / "page.webp")
    else:
        (DOCS / "terminal.svg").write_text(terminal(), "utf-8")
        draw_people(DOCS / "people.jpg")


def draw_people(target: Path) -> None:
    """Drawn people with what the shipped model reads marked on them."""
    from mien.cli.demo import ASSETS
    from mien.media.encode import encode_image
    from mien.media.images import read_picture
    from mien.output.draw import annotate

    picture = read_picture(ASSETS / "people.png")
    marked = annotate(picture, mien.load("face").predict(picture))
    target.write_bytes(encode_image(marked, "jpeg", 88))


def draw_page(target: Path) -> None:
    """A picture of the page reading a text, in light and dark."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from mien.media.images import read_picture
    from mien.media.pixels import resize

    command = [sys.executable, "-m", "mien.cli", "serve", "--port", "0", "--model", "text", "--model", "face"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        address = json.loads(next(line for line in server.stderr if '"listening"' in line))["url"]
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            parts = []
            for scheme in ("light", "dark"):
                size = {"width": 1100, "height": 640}
                still: Any = {"color_scheme": scheme, "reduced_motion": "reduce"}
                page = browser.new_page(viewport=size, device_scale_factor=2, **still)
                page.goto(address)
                page.get_by_label("Write anything").fill(TEXT)
                page.locator(".sentences li", has_text="Thank you!").wait_for()
                page.locator(".because mark").first.wait_for()
                parts.append(read_picture(page.screenshot()))
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
    light, dark = parts
    height, width = light.shape[:2]
    edge = (0.62 - 0.12 * np.arange(height) / height) * width  # of the light half, aslant
    whole = np.where((np.arange(width) < edge[:, None])[:, :, None], light, dark)
    Image.fromarray(resize(whole, width * 3 // 4, height * 3 // 4)).save(target, quality=85)


def terminal() -> str:
    """An SVG of what the command line shows of some sentences."""
    console = Console(record=True, width=76, file=io.StringIO(), force_terminal=True)
    model = mien.load("text")
    console.print("[bold green]$[/bold green] mien predict " + " \\\n    ".join(f'"{text}"' for text in SENTENCES))
    show_results(console, [model.predict(text) for text in SENTENCES], {}, len(SENTENCES), "text", model.manifest)
    drawn = console.export_svg(title="mien", unique_id="mien")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # without fonts fetched from elsewhere


if __name__ == "__main__":
    main()
