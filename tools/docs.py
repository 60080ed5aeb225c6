"""The outputs that the documentation shows, made by the commands themselves.

    python tools/docs.py [FILE...]            # run what README.md, docs/*.md and notebooks show, and write it down
    python tools/docs.py --check [FILE...]    # only say what differs; exit code 1 if anything does

A block of ``console`` is run, each line after ``$``; so is one of ``python run``, and the ``text`` block
behind it shows what it prints. A block with ``file=PATH`` holds that file. The commands of a page share a
folder, which docs_files.py fills. More words after the language: ``data``, the block needs the public data
sets and is left alone where MIEN_DATA is not set; ``show=2,3``, of each output only the first two and the
last three lines are shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from difflib import unified_diff
from pathlib import Path

import notebooks
from docs_files import write_files

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("*.ipynb"))]
_CONSOLE = r"console(?P<words>[^\n]*)\n(?P<console>.*?)"
_PYTHON = r"python run(?P<more>[^\n]*)\n(?P<code>.*?)^```\n+```text\n.*?"
_BLOCK = re.compile(rf"^```(?:{_CONSOLE}|{_PYTHON})^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^```(\w+) file=(\S+)\n.*?^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
_NUMBER = re.compile(r"(-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)")


def render(page: Path, run: Run = subprocess.run) -> str:
    """The text of a page or notebook with the outputs of today; *run* runs the commands of a page."""
    if page.suffix == ".ipynb":
        with tempfile.TemporaryDirectory(prefix="mien-docs-") as folder:
            write_files(Path(folder), plugin=False)
            return notebooks.render(page, Path(folder))
    text = _FILE.sub(_file_block, page.read_text("utf-8"))
    if not _BLOCK.search(text):
        return text
    with tempfile.TemporaryDirectory(prefix="mien-docs-") as folder:
        write_files(Path(folder), plugin=page.name.startswith("add-a-"))
        return _BLOCK.sub(lambda block: _render_block(block, Path(folder), run), text)


def _file_block(block: re.Match[str]) -> str:
    return f"```{block[1]} file={block[2]}\n{(ROOT / block[2]).read_text('utf-8')}```"


def _render_block(block: re.Match[str], folder: Path, run: Run) -> str:
    words = (block["words"] or block["more"] or "").split()
    if "data" in words and not os.environ.get("MIEN_DATA"):
        return block[0]
    if (code := block["code"]) is not None:
        printed = _run([sys.executable, "-c", code], folder, run)
        return f"```python run{block['more']}\n{code}```\n\n```text\n{printed}```"
    shown = next((tuple(map(int, word[5:].split(","))) for word in words if word.startswith("show=")), None)
    lines = []
    for command in _COMMAND.findall(block["console"]):
        printed = _run(["bash", "-c", command], folder, run)
        lines += [f"$ {command}\n", _shorten(printed, shown)]
    return f"```console{block['words']}\n{''.join(lines)}```"


def _run(command: list[str], folder: Path, run: Run) -> str:
    """What a command prints, on both streams, as a terminal of 96 columns without colors would show it."""
    paths = [str(ROOT / "src"), str(folder / ".plugin"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ, "COLUMNS": "96", "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PATH": f"{folder / '.bin'}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1",
        "MIEN_CACHE": str(folder / ".cache"),
    }  # fmt: skip
    done = run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = [line.rstrip() for line in done.stdout.replace(f"{folder}/", "").splitlines()]
    return "".join(f"{line}\n" for line in lines)


def _shorten(printed: str, shown: tuple[int, ...] | None) -> str:
    lines = printed.splitlines(keepends=True)
    if shown is None or len(lines) <= sum(shown):
        return printed
    first, last = shown
    return "".join([*lines[:first], "…\n", *lines[len(lines) - last :]])


def differences(page: Path, run: Run = subprocess.run) -> list[str]:
    """Where a page shows something else than what its commands print, as lines of a diff."""
    old, new = page.read_text("utf-8").splitlines(), render(page, run).splitlines()
    if len(old) == len(new):
        new = [a if same(a, b) else b for a, b in zip(old, new, strict=True)]
    return list(unified_diff(old, new, page.name, f"{page.name} as of today", lineterm="", n=1))


def same(old: str, new: str) -> bool:
    """Whether two lines say the same: times, and the last digits of other numbers, differ from machine to machine.

    Training adds up such differences, and a label's F1 rests on few samples: these may lie further apart.
    """
    within = 0.05 if old.startswith("epoch ") or "F1 " in old else 0.02
    return all(a == b or (index % 2 and _close(a, b, after, within)) for index, a, b, after in _pairs(old, new))


def _pairs(old: str, new: str) -> Iterator[tuple[int, str, str, str]]:
    ours, theirs = (_NUMBER.split(re.sub(r"[█▉▊▋▌▍▎▏]+", "█", " ".join(line.split()))) for line in (old, new))
    if len(ours) != len(theirs):
        yield 0, old, new, ""
        return
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        yield index, a, b, ours[index + 1] if index + 1 < len(ours) else ""


def _close(a: str, b: str, after: str, within: float) -> bool:
    if re.match(r" (s|ms|texts/s)\b", after):
        return True
    if not after.startswith("%") and "." not in a + b and "e" not in a + b:
        return False
    x, y = (float(number.replace(",", "")) for number in (a, b))
    return abs(x - y) <= (2 if after.startswith("%") else within * max(1.0, abs(x), abs(y)))


def main() -> int:
    """Write the pages anew, or check them."""
    check = "--check" in sys.argv
    pages = [Path(name).resolve() for name in sys.argv[1:] if not name.startswith("-")] or PAGES
    wrong = 0
    for page in pages:
        if check:
            found = differences(page)
            wrong += bool(found)
            print(*found, sep="\n", end="\n" if found else "")
        elif (text := render(page)) != page.read_text("utf-8"):
            page.write_text(text, "utf-8")
            print(f"{page.relative_to(ROOT)} is written anew")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
