"""A recipe is data: YAML, checked, with ``--set key=value`` on top. Imports no torch."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mien.datasets.plain_yaml import read_yaml
from mien.errors import MissingExtra, ModelError, RecipeError, did_you_mean, invalid
from mien.modality import get_modality
from mien.networks import AT_ONCE, setting_names
from mien.plugins import import_object, load_plugin, plugin_names
from mien.training.settings import Recipe

_STEPS, _KEY = 8, 200  # of a setting's name
SHIPPED = Path(__file__).parent.parent / "recipes"

_RENAMED = {"text-polish": "text-finetune", "face-polish": "face-finetune"}  # for one release
_HEEDED = {"train.decay": ("exponential", "step", "plateau"), "train.decay_epochs": ("step", "plateau")}
_OF_MODALITY = ("preprocess", "augment")  # parts whose settings are those of the modality


def shipped() -> dict[str, Path]:
    """The recipes that come with mien: name → file."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def recipe_names() -> tuple[str, ...]:
    """The recipes that there are by name: those that come with mien, then those of plug-ins."""
    return tuple(dict.fromkeys((*shipped(), *plugin_names("mien.recipes"))))


def load_recipe(recipe: str | Path, settings: Sequence[str] | Mapping[str, Any] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        recipe: name of a shipped one or of a plug-in's, or a YAML file of your own.
        settings: ``["train.epochs=3", …]`` or ``{"train.epochs": 3}``. A key without a dot that only one part of
            the recipe has may stand alone: ``epochs=3``.

    Raises:
        RecipeError: no such recipe, or a key or value that is none; one line that says which.
    """
    path = _find(str(recipe))
    document = _read(path)
    if not isinstance(settings, Mapping):
        settings = dict(map(_parse, settings))
    given = [_set(document, key, value) for key, value in settings.items()]
    part = ""
    try:
        checked = Recipe.model_validate(document)
        for part in _OF_MODALITY:
            settings_of(checked, part)
    except ValidationError as error:
        values = document[part] if part else document
        problem = invalid(error, values, part, _known(document))
        wrong, _, what = problem.partition(": ")
        wrong = next((key for key in given if key.startswith(f"{wrong}.")), wrong)  # what was typed says more
        raise RecipeError(f"{path.name}: {wrong}: {what}") from error
    if not checked.train.epochs and not checked.train.head_start:
        raise RecipeError(f"{path.name}: train.epochs: 0, and nothing is learned without train.head_start")
    if checked.train.schedule == "plateau" and checked.train.decay_epochs >= checked.train.patience:
        patience = checked.train.patience
        raise RecipeError(f"{path.name}: train.decay_epochs: must be less than train.patience, which is {patience}")
    schedule = checked.train.schedule
    for key, heeding in _HEEDED.items():
        if key in given and schedule not in heeding:
            raise RecipeError(f"{path.name}: {key}: is of the schedules {', '.join(heeding)}, and this is {schedule}")
    kind = checked.network.kind
    if checked.export.hashed_ngrams and (kind in AT_ONCE or get_modality(checked.modality).kind != "text"):
        raise RecipeError(
            f"{path.name}: export.hashed_ngrams: is of networks of texts learned in epochs, and this is {kind}"
        )
    return checked


def _find(name: str) -> Path:
    """The file of a recipe, whether it is there or not."""
    if name in _RENAMED:
        warnings.warn(f"the recipe {name} is now called {_RENAMED[name]}", DeprecationWarning, stacklevel=3)
        name = _RENAMED[name]
    return shipped().get(name) or Path(load_plugin("mien.recipes", name) or name)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            document = read_yaml(file.read(1 << 20), f"{path} cannot be read")
    except FileNotFoundError:
        names = recipe_names()
        near = did_you_mean(path, names)
        raise RecipeError(f"no recipe {str(path)!r}: neither a file nor one of {', '.join(names)}{near}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} cannot be read: it is not text in UTF-8") from error
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror or error}") from error
    if not isinstance(document, dict):
        raise RecipeError(f"{path} is not a recipe: a mapping is expected")
    return document


def settings_of(recipe: Recipe, part: str) -> Any:
    """The checked ``preprocess`` or ``augment`` settings of a recipe's modality."""
    return _settings_class(recipe.modality, part).model_validate(getattr(recipe, part))


def _settings_class(modality: str, part: str) -> type[BaseModel]:
    found: type[BaseModel] = import_object(getattr(get_modality(modality), part))
    return found


def as_setting(key: str, value: Any) -> str:
    """A keyword as the line that :func:`load_recipe` reads."""
    return f"{key}={json.dumps(value, default=str)}"


def _parse(setting: str) -> tuple[str, Any]:
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise RecipeError(f"a setting is key=value, such as train.epochs=3; got {setting!r:.60}")
    if key.count(".") > _STEPS or len(key) > _KEY:
        raise RecipeError(f"there is no setting {key[:40]}…: it has {len(key):,} characters")
    parsed = read_yaml(value, f"setting {key.strip()}")
    return key.strip(), "" if parsed is None and not value.strip() else parsed


def _set(document: dict[str, Any], key: str, value: Any) -> str:
    """Set one setting; gives its full path."""
    if "." not in key and key not in Recipe.model_fields:
        key = f"{_home_of(key, document)}.{key}"
    *path, last = key.split(".")
    for place, step in enumerate(path, 1):
        document = document.setdefault(step, {})
        if not isinstance(document, dict):
            raise RecipeError(f"{key}: {'.'.join(path[:place])} holds a value, not settings")
    document[last] = value
    return key


def _home_of(key: str, document: Mapping[str, Any]) -> str:
    """The one part of a recipe that has a setting of that name."""
    parts = _parts(str(document.get("modality", "text")))  # whatever it is, it is checked later
    network = document.get("network")
    homes = [name for name, known in parts.items() if key in known]
    if isinstance(network, dict) and key in network and "network" not in homes:
        homes.append("network")
    of_network: set[str] = set()
    if not homes and isinstance(network, dict):
        with suppress(MissingExtra, RecipeError):
            of_network = setting_names(str(network.get("kind")))
            homes = ["network"] if key in of_network else []
    if len(homes) > 1:
        raise RecipeError(f"several parts have {key!r}; say which: {', '.join(f'{home}.{key}' for home in homes)}")
    if not homes:
        known = _known(document)
        near = did_you_mean(key, sorted({name.rpartition(".")[2] for name in known} | of_network))
        raise RecipeError(f"no setting {key!r}" + (near or f"; there are: {', '.join(known)} and network.*"))
    return homes[0]


def _known(document: Mapping[str, Any]) -> list[str]:
    """The full paths of the settings that a recipe can have, but for those of its network."""
    parts = _parts(str(document.get("modality", "text")))
    own = [name for name in Recipe.model_fields if name not in parts]
    return [*own, *(f"{part}.{name}" for part, names in parts.items() if part != "network" for name in names)]


def _parts(modality: str) -> dict[str, list[str]]:
    """The settings of each part of a recipe, such as "preprocess" and "preprocess.face"."""
    classes: dict[str, Any] = {name: field.annotation for name, field in Recipe.model_fields.items()}
    with suppress(ModelError):
        if get_modality(modality).kind != "text":
            del classes["tokenizer"]
        for part in _OF_MODALITY:
            classes[part] = _settings_class(modality, part)
            inner = classes[part].model_fields.items()
            classes |= {f"{part}.{name}": field.annotation for name, field in inner}
    return {name: list(kind.model_fields) for name, kind in classes.items() if _holds_settings(kind)}


def _holds_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def for_one_set(recipe: str | Path) -> list[str]:
    """Settings with which a recipe learns from one data set alone, without what further ones would teach.

    Networks that are learned all at once have none of them but ``train.also``.
    """
    checked = load_recipe(recipe)
    train = checked.train
    further = [f"train.{name}=[]" for name in ("also_multilabel", "ratings") if getattr(train, name)]
    further += ["export.hashed_ngrams=0"] if checked.export.hashed_ngrams else []
    return ["train.also=[]", *further, *(["train.mix_weight=1"] if isinstance(train.mix_weight, list) else [])]
