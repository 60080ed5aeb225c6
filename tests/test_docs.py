"""What the documentation shows is what the commands print today; `make docs` writes it anew."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import warm
from conftest import cli_env
from docs import PAGES, ROOT, differences, same
from pictures import terminal

SHOWN = re.compile(r'^```(console|python run)|"cell_type": "code"', re.MULTILINE)
RUN = [pytest.param(page, id=page.name) for page in PAGES if SHOWN.search(page.read_text("utf-8"))]


def run(command: list[str], *, env: dict[str, str], check: bool, **options: Any) -> subprocess.CompletedProcess[str]:
    """As subprocess.run, with mien from `warm` where the shell has nothing to do."""
    words = shlex.split(command[2]) if command[0] == "bash" else []
    plain = words[:1] == ["mien"] and not re.search(r"[|&;<>()$`*?~#\n]", command[2].replace("\\\n", ""))
    if not plain or (Path(options["cwd"]) / ".plugin").exists():
        return subprocess.run(command, env=env, check=check, **options)
    env = {**env, "PYTHONPATH": cli_env()["PYTHONPATH"]}
    with warm.Popen([sys.executable, "-m", "mien.cli", *words[1:]], env=env, **options) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_outputs_are_those_of_today(page: Path) -> None:
    assert "\n".join(differences(page, run)) == ""


def test_the_picture_of_the_terminal_is_that_of_today() -> None:
    shown = (ROOT / "docs/terminal.svg").read_text("utf-8").splitlines()
    assert all(map(same, shown, terminal().splitlines()))


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]:
        text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(found), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on GitHub."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_architecture_names_files_that_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:/|\.py))`", text))
    assert len(named) > 25
    named -= {"src/", "weights/", "landmarks/"}
    assert [name for name in sorted(named) if not (ROOT / "src/mien" / name).exists()] == []


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("epoch 1/4  loss 0.512  3 s", "epoch 1/4  loss 0.514  11 s", True),
        ("epoch 1/4  train_accuracy 0.4167  3 s", "epoch 1/4  train_accuracy 0.4375  3 s", True),
        ("accuracy 0.4167", "accuracy 0.4375", False),
        ("epoch 1/4  loss 0.512  3 s", "epoch 1/5  loss 0.512  3 s", False),
        ("joy ████▌ 19%", "joy ████▋ 20%", True),
        ("joy ████▌ 19%", "joy ████▋ 30%", False),
        ("405 samples", "406 samples", False),
        ("within 1.2e-07", "within 4.7e-10", True),
        ("a line", "another line", False),
    ],
)
def test_only_times_and_last_digits_may_differ(old: str, new: str, alike: bool) -> None:
    assert same(old, new) is alike
