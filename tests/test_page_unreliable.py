"""The page with faces that could not be seen well: hollow, in no strip of time, and counted if that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from browser import needs_chromium, watching
from judged import write_judged
from serving import serving
from test_page import painted

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from serving import Server

pytestmark = needs_chromium
expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged(tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module")
def judging(folder: Path) -> Iterator[Server]:
    with serving("--model", folder / "face", "--model", folder / "video") as server:
        yield server


@pytest.fixture
def page(browser: Browser, judging: Server) -> Iterator[Page]:
    with watching(browser, f"http://127.0.0.1:{judging.port}") as tab:
        yield tab.open()


def dashed(canvas: np.ndarray, row: int, left: int, right: int) -> float:
    """The share of a row of pixels that is bright, and so of the dashes."""
    return float((canvas[row - 1 : row + 2, left:right].max(axis=(0, 2)) > 120).mean())


def test_an_unsure_face_is_hollow(page: Page, folder: Path, tmp_path: Path) -> None:
    page.goto(f"{page.url.split('#')[0]}#faces")
    page.locator("#panel-faces input[type=file]").set_input_files(folder / "pictures" / "two.png")
    boxes, cards = page.locator("#panel-faces .box"), page.locator("#panel-faces .person")
    expect(cards).to_have_count(2)
    assert [("unsure" in (boxes.nth(n).get_attribute("class") or "")) for n in (0, 1)] == [False, True]
    styles = [boxes.nth(n).evaluate("b => getComputedStyle(b).borderTopStyle") for n in (0, 1)]
    assert styles == ["solid", "dashed"]
    assert boxes.nth(1).locator(".word").text_content() == "angry?"
    expect(cards.nth(1)).to_contain_text("reliable 1%")
    expect(page.locator("#panel-faces .summary")).to_have_text("2 faces, 1 of them unsure and not counted")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as picture").click()
    saved.value.save_as(tmp_path / "saved.png")
    drawn = cv2.imread(str(tmp_path / "saved.png"))
    assert drawn is not None
    left, top, right, _ = (round(side) for side in (232, 57, 310, 155))
    assert 0.3 < dashed(drawn, top, left + 10, right - 10) < 0.8
    page.get_by_label("Count unsure faces").check()
    expect(page.locator("#panel-faces .summary")).to_have_text("2 faces")
    assert boxes.nth(1).locator(".word").text_content() == "angry?", "marked still"


def test_a_strip_of_time_leaves_out_what_does_not_count(page: Page, folder: Path) -> None:
    page.goto(f"{page.url.split('#')[0]}#clip")
    page.locator("#panel-clip input[type=file]").set_input_files(folder / "clip.mp4")
    summary, lane = page.locator("#panel-clip .summary"), page.locator("#panel-clip .lanes canvas")
    expect(summary).to_contain_text("moments unsure, not counted")
    expect(lane).to_have_count(1)
    some = painted(lane)
    page.get_by_label("Count unsure faces").check()
    expect(summary).to_have_text(re.compile("^One person, 0:03 long, [^;]*$"))
    assert painted(lane) > some + 0.05
