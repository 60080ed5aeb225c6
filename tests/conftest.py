"""Small real models and a command line to run: what the end-to-end tests share."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import warm

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from browser import Watched
    from serving import Server

collect_ignore = [] if importlib.util.find_spec("ray") else ["cluster"]  # of `make ray-test`

#: label → words that mean it; every frame below is filled with each of them.
WORDS = {
    "sadness": "sad lonely gloomy hopeless",
    "joy": "happy cheerful delighted glad",
    "love": "loved adored cherished fond",
    "anger": "angry furious annoyed livid",
    "fear": "scared afraid terrified anxious",
    "surprise": "amazed stunned astonished shocked",
}
FRAMES = (
    "i feel {} today",
    "she was so {} about it",
    "they looked {} at the party",
    "why am i {} tonight ?",
    "it made me {} again",
    "we are all {} , he said",
)

#: The files that take longest: they start first, so that processes that share the tests end together.
SLOW_FILES = (
    "scene_training", "face_training", "training", "docs", "vgg16", "estimators", "video_training", "temporal",
    "shipped", "scene_docs", "distributed", "parts", "folds", "experts", "features_model", "resume", "fuzz", "page",
    "page_around", "page_more", "serve_abuse", "scene_networks", "export",
)  # fmt: skip

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"test_{name}": place for place, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def single_rows() -> list[tuple[str, str]]:
    """24 different texts for each label of carer6."""
    filled = itertools.product(WORDS.items(), FRAMES)
    return [(frame.format(word), label) for (label, words), frame in filled for word in words.split()]


def multi_rows() -> list[tuple[str, str]]:
    """Each label of goemotions28 by its own name, alone and beside the next one."""
    from mien.labels import SPACES

    names = SPACES["goemotions28"].names
    pairs = list(zip(names, names[1:] + names[:1], strict=True))
    frames = FRAMES[:4]
    alone = [(frame.format(name), name) for name in names for frame in frames]
    both = [(frame.format(f"{a} and {b}"), f"{a}|{b}") for a, b in pairs for frame in frames]
    return alone + both


SMALL = ["network.c=[10]", "preprocess.max_length=16", "export.calibrate=false"]


def change_manifest(folder: Path, **changes: Any) -> None:
    """Set keys of a manifest on disk, with the digest that it then must have, as who means to change it would."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text("utf-8")) | changes
    document.pop("digest")
    plain = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    document["digest"] = f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"
    path.write_text(json.dumps(document), "utf-8")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of ``text-linear`` on made-up sentences of carer6. Not to be changed."""
    import mien

    folder = tmp_path_factory.mktemp("single")
    data = write_csv(folder / "data.csv", single_rows())
    return mien.train("text-linear", f"table:{data}", folder / "run", settings=[*SMALL, "name=tiny"]).folder


@pytest.fixture(scope="session")
def tiny_model(tiny_run: Path) -> Path:
    """Its model folder. Not to be changed."""
    return tiny_run / "model"


@pytest.fixture(scope="session")
def tiny_multi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder for goemotions28, several labels at a time, made without a run. Not to be changed."""
    from mien.datasets import open_dataset
    from mien.modality import load
    from mien.model import NETWORK, LabelsEntry, Manifest, write_model
    from mien.training.recipe import load_recipe
    from mien.training.rows import train_rows
    from mien.training.thresholds import choose_thresholds

    folder = tmp_path_factory.mktemp("multi")
    data = open_dataset(f"table:{write_csv(folder / 'data.csv', multi_rows())}")
    recipe = load_recipe("text-linear", SMALL)
    trained, task = train_rows(recipe, [data], data)
    trained.write(folder / NETWORK, 1.0, task.collate(data.inputs[:2]))
    labels = LabelsEntry(space=data.space.name, names=list(data.space.names), multilabel=True)
    manifest = Manifest(name="tiny-multi", modality="text", labels=labels, preprocess=task.settings.model_dump())
    files = {NETWORK: folder / NETWORK, **task.files}
    model = write_model(folder / "model", manifest, files, "# tiny-multi")
    manifest.thresholds, manifest.rollups = choose_thresholds(
        data.space, data.targets, load(model).predict_proba(data.inputs)
    )
    return write_model(folder / "model", manifest, files, "# tiny-multi")


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """``run_cli("predict", "i am glad", "--model", folder)`` as a user would, in a process of its own (see `warm`)."""

    def run(
        *args: object, input: str | bytes | None = None, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = warm.run(
            [sys.executable, "-m", "mien.cli", *map(str, args)],
            input=input.encode() if isinstance(input, str) else input,
            stdin=subprocess.DEVNULL,
            cwd=cwd or tmp_path,
            env=cli_env() | dict(env or {}),
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """``mien serve`` with the models text-carer and face. Not to be brought down."""
    from serving import serving

    with serving("--model", "text-carer", "--model", "face", "--upload-timeout-s", 2) as running:
        yield running


@pytest.fixture(scope="session")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a clip, what the camera shows, and another site, for the tests of the page."""
    from browser import write_all

    return write_all(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def page_site(page_folder: Path) -> Iterator[str]:
    """The address of that other site."""
    from browser import other_site

    with other_site(page_folder / "site") as address:
        yield address


@pytest.fixture(scope="session")
def page_server(page_folder: Path, page_site: str) -> Iterator[Server]:
    """``mien serve`` with a model of each kind, which allows the other site. Not to be brought down."""
    from serving import serving

    models = ("text-carer", "face", "video", page_folder / "scene")
    with serving(*(part for model in models for part in ("--model", model)), "--origin", page_site) as running:
        yield running


@pytest.fixture(scope="module")
def browser(page_folder: Path) -> Iterator[Browser]:
    """Chromium; of each module its own, as Playwright's event loop would be in the way of tests that have one."""
    from browser import browsing

    with browsing(page_folder / "camera.mjpeg") as running:
        yield running


@pytest.fixture
def watched(browser: Browser, page_server: Server) -> Iterator[Watched]:
    """A tab of that browser for the server of the page."""
    from browser import watching

    with watching(browser, f"http://127.0.0.1:{page_server.port}") as tab:
        yield tab


def cli_env() -> dict[str, str]:
    """This environment, with a PYTHONPATH that holds in any folder."""
    paths = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "100"}


def one_line(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one line on standard error that a command that failed leaves behind."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("mien: ")
    return lines[0]
