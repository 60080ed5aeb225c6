"""Every verb and public name with the core packages alone: it works, or one line names the extra."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

import mien
from conftest import cli_env
from mien.training.recipe import shipped

#: Makes the modules named in the first argument impossible to find, as if their packages were not installed.
BARE = """
import importlib.machinery, sys
absent = set(sys.argv.pop(1).split(","))
class Core(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Core
"""
COMMAND = f"{BARE}\nfrom mien.cli.app import main\nmain()"
EXTRA = re.compile(r'mien: .*"(train|table|report|boost|serve|scale|minilm|e5|scene)" \(pip install "\.\[\1\]"')


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def absent() -> str:
    """The top-level modules of all that is installed but mien, its plain dependencies and theirs."""
    requires = {plain(found.name): found.requires or [] for found in importlib.metadata.distributions()}
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
    requires["mien"] = project["dependencies"]  # as they are now, whenever it was installed
    core, wanted = set[str](), ["mien"]
    while wanted:
        if (name := wanted.pop()) in requires and name not in core:
            core.add(name)
            plainly = (line for line in requires[name] if "extra ==" not in line)
            wanted += [plain(re.match(r"[\w.-]+", line)[0]) for line in plainly]
    homes = importlib.metadata.packages_distributions()
    found = {module for module, names in homes.items() if not {plain(name) for name in names} & core}
    assert {"numpy", "onnxruntime", "tokenizers", "pydantic", "pyyaml", "typer", "rich", "jinja2"} <= core
    assert {"torch", "onnx", "sklearn", "pandas", "pyarrow", "fastapi", "matplotlib"} <= found
    return ",".join(sorted(found))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "d.csv").write_text("text,label\n" + "i am glad,joy\nso sad,sadness\n" * 6, "utf-8")
    (folder / "t.parquet").write_bytes(b"PAR1")
    (folder / "frames").mkdir()
    for number in range(3):
        Image.new("RGB", (64, 64), "gray").save(folder / "frames" / f"{number}.png")
    return folder


def mien_alone(absent: str, place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, absent, *args],
        capture_output=True, text=True, cwd=place, env=cli_env(), check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


WORKING = [
    "predict|i am glad",
    "predict|d.csv|--column|text|--model|text-carer|--out|p.jsonl",
    "predict|i am glad|--model|text-carer|--json",
    "evaluate|text-carer|--data|table:d.csv|--split|all|--json",
    "data|stats|table:d.csv",
    "data|stats|table:d.csv|--sheet|s.html",
    "data|check|table:d.csv|--json",
    "models",
    "models|show|text-carer",
    "models|verify|text-carer",
    "export|text-carer|--to|copy",
    "export|face|--to|clips|--as|video",
    "bench|text-carer|--count|8",
    "demo|--out|demo",
    "report|d.csv|--column|text|--by|label|--out|r.html",
    "watch|frames|--fps|2|--out|w.csv",
    "train|list",
    "--version",
]
LACKING = [
    "train|text-gru|--data|table:d.csv",
    "train|text-gru|--data|table:d.csv|--folds|2",
    "evaluate|text-carer|--data|table:d.csv|--split|all|--out|report",
    "export|text-carer|text-carer|--to|both",
    "export|text-carer|--to|m.joblib|--format|joblib",
    "serve",
    "predict|i am glad|--out|p.parquet",
    "predict|t.parquet|--column|text",
    "predict|d.csv|--column|text|--out|parts|--engine|ray",
    "data|stats|table:t.parquet",
    "data|stats|table:d.csv|--sheet|s.png",
    "data|check|table:t.parquet",
]


@pytest.mark.parametrize("line", WORKING)
def test_what_the_small_install_does(line: str, absent: str, place: Path) -> None:
    done = mien_alone(absent, place, *line.split("|"))
    assert "Traceback" not in done.stderr
    expected = 1 if line.startswith("data|check") else 0  # these few rows have problems
    assert done.returncode == expected, done.stderr
    assert not EXTRA.search(done.stderr)


@pytest.mark.parametrize("line", LACKING)
def test_what_needs_more_names_the_extra_in_one_line(line: str, absent: str, place: Path) -> None:
    done = mien_alone(absent, place, *line.split("|"))
    assert done.returncode == 1
    assert done.stdout == ""
    (told,) = done.stderr.splitlines()
    assert EXTRA.match(told), told


def test_the_command_lists_hold_every_verb() -> None:
    from mien.cli.app import app

    there = {(command.name or command.callback.__name__) for command in app.registered_commands} | {"data"}
    assert {line.partition("|")[0] for line in (*WORKING, *LACKING)} - {"--version"} == there


def test_every_recipe_and_public_name(absent: str, place: Path) -> None:
    """In one process: recipes before data are looked for, and what each name of the package does when it is used."""
    program = f"""{BARE}
from mien import *
import mien
for recipe in {sorted(shipped())}:
    for folds in (None, 3):
        try:
            mien.train(recipe, "table:not-there.csv", "run", folds=folds)
        except MienError as error:
            print(error)
uses = {{
    "Embedder": lambda: Embedder(), "EmotionClassifier": lambda: EmotionClassifier(),
    "evaluate": lambda: evaluate("text-carer", data="table:d.csv", split="all").to_dict(),
    "load": lambda: load("text-carer").predict("glad"), "open_dataset": lambda: open_dataset("table:d.csv"),
    "predict": lambda: predict("i am glad"), "train": lambda: train("text-gru", data="table:d.csv"),
    "predict_many": lambda: list(mien.predict_many(["i am glad"])), "bgr": lambda: None, "open_chat": lambda: None,
    "to_frame": lambda: mien.to_frame([]), "explain": lambda: mien.explain("i am glad"),
    "report": lambda: mien.report("d.csv"), "watch": lambda: list(mien.watch("frames", fps=2)),
}}
for name in sorted(mien.__all__):
    value = getattr(mien, name)
    if name in uses or not isinstance(value, type) and callable(value):
        try:
            uses[name]()
            print(name, "works")
        except MienError as error:
            print(name, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, absent],
        capture_output=True, text=True, cwd=place, env=cli_env(), check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    recipes, names = lines[: 2 * len(shipped())], lines[2 * len(shipped()) :]
    assert all(EXTRA.match(f"mien: {line}") for line in recipes), recipes
    assert not (place / "run").exists()
    lacking = {line.partition(" ")[0] for line in names if EXTRA.search(f"mien: {line}")}
    assert lacking == {"Embedder", "EmotionClassifier", "to_frame", "train"}
    assert all(line.endswith(" works") for line in names if line.partition(" ")[0] not in lacking)
    assert set(mien.__all__) >= {line.partition(" ")[0] for line in names}
