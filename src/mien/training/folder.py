"""A run folder: its name, its configuration, the machine and versions it notes, arrays computed once."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import ValidationError

from mien.datasets.plain_yaml import read_yaml
from mien.errors import MienError, RecipeError
from mien.files import Held, atomic_write, translate_os_errors
from mien.training.settings import Recipe

CONFIG = "config.yaml"


def next_folder(name: str) -> Path:
    """``runs/<name>-<number>``, the first that is free."""
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def prepare_run_dir(folder: Path, config: dict[str, Any], resume: bool, begun: bool) -> Held:
    """Make a run folder with its ``config.yaml``, or see that it holds the very run that is to be resumed.

    Args:
        begun: whether the folder holds work that must not be written over.

    Returns:
        What keeps other processes out of the folder, for as long as it is there.

    Raises:
        RecipeError: it holds another run, or there is none to resume, or its ``config.yaml`` is damaged.
        MienError: it cannot be written, or another process is training in it.
    """
    path = folder / CONFIG
    try:
        if resume and not folder.exists():
            raise RecipeError(f"{folder} holds no run to resume")
        folder.mkdir(parents=True, exist_ok=True)
        held = Held(folder, f"another process is training in {folder}: wait for it, or name another folder (--out)")
        if path.exists() and (begun or resume):
            if not resume:
                raise RecipeError(f"{folder} holds a run already; resume it (--resume) or name another (--out)")
            before = _completed(_read(path))
            if isinstance(before.get("recipe"), dict):
                about = before["recipe"].keys() & {"summary", "internal"}  # which change nothing
                before["recipe"] |= {name: config["recipe"][name] for name in about}
            parts = [_difference(key, before.get(key), now) for key, now in config.items() if before.get(key) != now]
            if parts:
                raise RecipeError(f"{folder} holds a run with another {' and '.join(parts)}; resume it with its own")
            return held
        with atomic_write(path) as made:
            made.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")
        return held
    except OSError as error:
        raise MienError(f"cannot write the run folder {folder}: {error.strerror or error}") from error


def _read(path: Path) -> dict[str, Any]:
    """A run's ``config.yaml``."""
    try:
        config = read_yaml(path.read_text("utf-8"), path.name)
        problem = "empty" if config is None else "no mapping"
    except ValueError as error:  # RecipeError is one, as is text that is not UTF-8
        config, problem = None, " ".join(str(error).split())[:200]
    if not isinstance(config, dict):
        raise RecipeError(f"{path} is damaged ({problem}): the run cannot be resumed; name another folder (--out)")
    return config


def _completed(config: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a run that an earlier version began, with the settings that have come in since."""
    with suppress(ValidationError, KeyError):
        config["recipe"] = Recipe.model_validate(config["recipe"]).model_dump(mode="json")
    return config


def _difference(key: str, before: Any, now: Any) -> str:
    """What differs, and of recipes in which settings."""
    if key != "recipe" or not isinstance(before, dict):
        return key
    old, new = _flat(before), _flat(now)
    names = [name for name in new if old.get(name) != new[name]]
    changes = ", ".join(f"{name}: {old.get(name)}, now {new[name]}" for name in names[:3])
    return f"recipe ({changes}{', …' if len(names) > 3 else ''})"


def _flat(settings: dict[str, Any], start: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{start}{name}.") if isinstance(value, dict) else {start + name: value}
    return found


def computed_once(path: Path, shape: tuple[int, ...], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of that shape in a ``.npy`` file; computed and kept there if there is none, or what is there is broken.

    Raises:
        MienError: the file cannot be written.
    """
    with suppress(OSError, ValueError), path.open("rb") as file:
        found: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        if found.shape == shape:
            return found
    found = compute()
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as made, made.open("wb") as file:  # so that a kill half-way leaves no file that looks done
        np.save(file, found)
    return found


def machine() -> str:
    """The machine in words: processor kind, cores, GPU if there is one."""
    from mien.runtime import usable_threads

    words = f"{platform.system()} {platform.machine()}, {usable_threads()} cores"
    try:
        import torch

        if torch.cuda.is_available():
            words += f", {torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    except ImportError:
        pass
    return words


def versions() -> dict[str, str]:
    """Versions of mien, Python and the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in (
        "mien",
        "numpy",
        "onnxruntime",
        "tokenizers",
        "torch",
        "lightning",
        "scikit-learn",
        "onnx",
        "xgboost-cpu",
    ):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
