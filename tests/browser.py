"""A real browser before a real server: what the tests of the page share."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from face_model import drawn_face
from filmed import write_clip
from scene_model import scene_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is here (apt-get install chromium)")


@contextmanager
def browsing(camera: Path) -> Iterator[Browser]:
    """Chromium without a window, whose camera shows a file of Motion JPEG."""
    from playwright.sync_api import sync_playwright

    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-gpu"]
    flags.append(f"--use-file-for-fake-video-capture={camera}")
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A tab and what went wrong in it.

    Attributes:
        page: the tab.
        base: address of the server.
        wrong: errors, warnings and refusals so far; what a test expects it takes out.
    """

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)

    def open(self, tab: str = "", at: str | None = None) -> Page:
        """The page at a tab."""
        self.page.goto(f"{at or self.base}/{'#' + tab if tab else ''}")
        return self.page

    def forgive(self, words: str) -> None:
        """Errors with these words were meant to happen; at least one must have."""
        kept = [line for line in self.wrong if words not in line]
        assert len(kept) < len(self.wrong), self.wrong
        self.wrong[:] = kept


@contextmanager
def watching(browser: Browser, base: str, **options: Any) -> Iterator[Watched]:
    """A tab of its own, in which nothing may go wrong, and which may ask nobody but this machine's servers."""
    options = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce", **options}
    context: BrowserContext = browser.new_context(**options)
    context.set_default_timeout(30_000)
    try:
        watched = Watched(context.new_page(), base)
        wrong = watched.wrong
        watched.page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        watched.page.on("pageerror", lambda error: wrong.append(str(error)))
        allowed = (f"{base}/", "http://127.0.0.1:", "blob:", "data:")
        context.on("request", lambda r: None if r.url.startswith(allowed) else wrong.append(f"asked {r.url}"))
        yield watched
        assert not wrong, wrong
    finally:
        context.close()


@contextmanager
def other_site(folder: Path) -> Iterator[str]:
    """A site of its own for the files in a folder; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/favicon.ico":
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def crowd(*places: int, width: int = 640, height: int = 360, side: int = 200) -> np.ndarray:
    """Drawn faces before a wall, with their left edges at those places: uint8 (height, width, 3) RGB."""
    picture = np.full((height, width, 3), 128, np.uint8)
    for x in places:
        picture[80 : 80 + side, x : x + side] = drawn_face(side)
    return picture


def write_picture(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


def write_camera(path: Path) -> Path:
    """One drawn face that moves to the right and back, as Motion JPEG."""
    frames = [crowd(120 + 2 * min(number, 120 - number)) for number in range(120)]
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame[:, :, ::-1])[1].tobytes() for frame in frames))
    return path


def write_all(folder: Path) -> Path:
    """What the tests of the page show to it."""
    for name, places in (("wall", ()), ("two", (30, 400)), ("three", (10, 220, 430))):
        write_picture(folder / f"{name}.png", crowd(*places))
    for name, gray in (("dark", 40), ("light", 230)):
        write_picture(folder / f"{name}.png", np.full((90, 120, 3), gray, np.uint8))
    (folder / "notes.png").write_text("no picture at all")
    write_talk(folder / "talk.mp4")
    write_camera(folder / "camera.mjpeg")
    scene_model(folder / "scene", ratings=("valence", "arousal"))
    scene_model(folder / "mood", ratings=("valence", "arousal"), labels=False)
    (folder / "site").mkdir()
    for name in ("examples", "src"):
        (folder / "site" / name).symlink_to(ROOT / name)
    (folder / "site/three.png").symlink_to(folder / "three.png")
    return folder


def write_talk(path: Path, seconds: float = 3, fps: float = 10) -> Path:
    """One drawn face, and later a second one."""
    count = round(seconds * fps)
    half = count // 2
    return write_clip(path, [crowd(30, *([400] if number >= half else [])) for number in range(count)], fps=fps)
