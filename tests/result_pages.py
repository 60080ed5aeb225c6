"""Pages of results that stand alone, as tests read them: the data in them, and what a browser makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Page

_DATA = re.compile(r'<script type="application/json" (class="result"|id="about")>(.*?)</script>', re.S)


def read_page(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the page is about, and its results; the page fetches nothing."""
    page = path.read_text("utf-8")
    found = [(kind, json.loads(data)) for kind, data in _DATA.findall(page)]
    assert not re.search(r"(src|href)=\"(?!data:)|@import", page), "nothing is fetched"
    assert page.count("<script") == len(found) + 1, "one script is code"
    (about,) = (data for kind, data in found if kind == 'id="about"')
    return about, [data for kind, data in found if kind != 'id="about"']


@contextmanager
def opened(path: Path, width: int = 1280) -> Iterator[Page]:
    """The page in a browser, from the file; nothing may go wrong and nothing may be asked of anybody."""
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or wrong.append(asked.url))
        page.goto(path.absolute().as_uri())
        yield page
        assert wrong == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
