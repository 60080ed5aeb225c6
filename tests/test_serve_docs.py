"""What docs/serving.md and the example tell people to type does what they say."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien.serve
import warm
from conftest import cli_env
from face_model import drawn_face
from filmed import write_clip
from serving import Server, serving, until

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs/serving.md").read_text("utf-8")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_a_terminal_is_greeted_in_one_line_and_the_browser_opened(tmp_path: Path) -> None:
    """``$BROWSER`` is what Python's webbrowser asks first."""
    shown, show = tmp_path / "shown", tmp_path / "show"
    show.write_text(f'#!/bin/sh\necho "$1" > {shown}.part && mv {shown}.part {shown}\n')
    show.chmod(0o755)
    terminal, end = os.openpty()
    command = [sys.executable, "-m", "mien.cli", "serve", "--port", "0", "--model", "text-carer", "--open"]
    env = {**cli_env(), "BROWSER": f"{show} %s"}
    with open(terminal, "rb", 0) as screen, warm.Popen(command, stdin=subprocess.DEVNULL, stderr=end, env=env) as run:
        os.close(end)
        greeting = screen.readline().decode().strip()
        until(shown.exists)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 0
    found = re.fullmatch(r"mien is at (http://127\.0\.0\.1:\d+), with text-carer\. Ctrl-C stops it\.", greeting)
    assert found, greeting
    assert shown.read_text().strip() == found[1]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    face = drawn_face(240)
    cv2.imwrite(str(tmp_path / "party.jpg"), face[:, :, ::-1])
    write_clip(tmp_path / "talk.mp4", [np.roll(face, shift, axis=1) for shift in range(5)], fps=5)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_curl_commands(server: Server, folder: Path) -> None:
    commands = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines() if "curl" in line]
    assert len(commands) == 4
    found = []
    for command in commands:
        line = command.replace("curl ", "curl -sS ").replace(":8000/", f":{server.port}/")
        done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout)["results"])
    assert [result["label"] for result in found[0]] == ["love", "annoyance"]
    assert [len(results[0]["items"]) for results in found] == [1, 1, 1, 1]
    assert found[3][0]["label"] == "anger"


@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_snippets(server: Server, folder: Path, block: str) -> None:
    code = block.replace(":8000/", f":{server.port}/")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_the_example(server: Server, folder: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/ask_server.py"), "--server", f"http://127.0.0.1:{server.port}"]
    asked = [*command, "i feel so loved today", "party.jpg", "talk.mp4", "what a waste of money"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0] == "❤️ love  i feel so loved today"
    assert [line.partition("  ")[2] for line in lines[2:]] == ["party.jpg", "talk.mp4"]
    (folder / "large.mp4").write_bytes((folder / "talk.mp4").read_bytes() + bytes(9_000_000))  # more than JSON may have
    large = subprocess.run([*command, "large.mp4"], cwd=folder, capture_output=True, text=True, check=True)
    assert large.stdout.endswith("  large.mp4\n")
    (folder / "none.jpg").write_text("none")
    wrong = subprocess.run([*command, "none.jpg"], cwd=folder, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "file[0]: the file is no picture of the kinds" in wrong.stderr
    gone = subprocess.run([*command, "gone.jpg"], cwd=folder, capture_output=True, text=True, check=False)
    assert (gone.returncode, gone.stderr) == (1, "gone.jpg cannot be read: No such file or directory\n")
    nobody = subprocess.run(
        [*command[:-1], "http://127.0.0.1:9", "glad"], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert nobody.returncode == 1
    assert re.fullmatch(r"the server at http://127.0.0.1:9 cannot be reached: .*\n", nobody.stderr)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not here")
def test_the_example_in_javascript(server: Server, folder: Path) -> None:
    command = ["node", str(ROOT / "examples/ask_server.mjs"), "--server", f"http://127.0.0.1:{server.port}"]
    asked = [*command, "i feel so loved today", "party.jpg", "talk.mp4"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True)
    face = server.upload("/v1/face", [("party.jpg", (folder / "party.jpg").read_bytes())]).json()["results"][0]
    lines = done.stdout.splitlines()
    assert lines[:2] == ["❤️ love  i feel so loved today", f"{face['emoji']} {face['label']}  party.jpg"]
    assert lines[2].endswith("  talk.mp4")
    wrong = subprocess.run([*command, "--labels", "none7", "hello"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout[:9]) == (1, "✗ labels:")
    gone = subprocess.run([*command, "glad", "gone.jpg"], capture_output=True, text=True, check=False)
    assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", "gone.jpg cannot be read: there is no such file\n")
    told = subprocess.run([*command[:2], "--help"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"node ask_server.mjs .*--labels SPACE.*\n", told)
    nothing = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (1, "", told)


def test_every_file_of_the_page_is_served_under_its_name_and_type(server: Server) -> None:
    types = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    page = Path(mien.serve.__file__).parent / "page"
    files = [path for path in page.rglob("*") if path.is_file() and path.name != "static.html"]
    assert len(files) > 15
    for path in files:
        name = path.relative_to(page).as_posix()
        answer = server.get("/" if name == "index.html" else f"/{name}")
        assert (answer.status, answer.body) == (200, path.read_bytes())
        assert answer.headers["content-type"].partition(";")[0] == types[path.suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "style-src 'self';" in answer.headers["content-security-policy"]
        if path.suffix == ".html":  # what the policy would refuse
            assert not re.search(r"\s(on\w+|style)=|<style|<script>", path.read_text("utf-8"))


def test_every_setting_is_an_option_with_the_same_default_and_the_limits_stand_in_the_docs() -> None:
    from mien.cli.serve import serve
    from mien.serve.settings import ServeSettings

    renamed = {"model": "models", "origin": "origins", "allow_host": "allow_hosts"}
    options = {renamed.get(name, name): value.default for name, value in inspect.signature(serve).parameters.items()}
    defaults = ServeSettings()
    assert set(options) == set(ServeSettings.model_fields)
    for name, value in options.items():
        assert value is None or value == getattr(defaults, name), name
    limits = DOCS.partition("## Limits")[2].partition("## Many")[0]
    for name in (
        "max_inputs",
        "queue",
        "max_body_mb",
        "max_json_mb",
        "max_megapixels",
        "max_clip_s",
        "timeout_s",
        "max_live_megapixels",
    ):
        assert f" {getattr(defaults, name):,.0f}" in limits, name
