"""What a recipe needs besides data: packages, pretrained weights and other models, looked for before data are read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from mien.errors import RecipeError, require
from mien.modalities.face.experts import deepface
from mien.modality import get_modality
from mien.model import find_model
from mien.networks import AT_ONCE, OF_ROWS, open_network
from mien.training.pretrained import PACKAGE
from mien.training.settings import Recipe, TrainSettings

_ALL = ("sklearn", "onnx")
_OF_TORCH = ("torch", "lightning", "onnxscript", "safetensors")
_NOTHING: tuple[object, ...] = (None, "", [], False)  # asks for nothing, which is what such networks do
_OF_REPORTS = ("matplotlib",)
_OF_CHOOSER = ("batch_size", "precision", "accelerator")  # settings of train that a learned chooser of experts takes


def check_needs(recipe: Recipe, report: bool = True, settings: Sequence[str] = ()) -> None:
    """Check that everything a recipe names is there, and that its network has such settings and reads such data.

    Args:
        report: whether the page with the figures will be written.
        settings: what was set on top of the recipe, as :func:`mien.training.recipe.load_recipe` takes it.

    Raises:
        RecipeError: there is no such network, setting or file of weights.
        ModelError: there is no such model to start or learn from.
        MissingExtra: a package is not installed.
    """
    network = recipe.network
    packaged = str(network.options.get("embed", "")).startswith(PACKAGE)
    of_torch = packaged or network.kind not in AT_ONCE or (recipe.experts.by and recipe.experts.chooser == "learned")
    for name in (*_ALL, *(_OF_TORCH if of_torch else ()), *(_OF_REPORTS if report else ())):
        if find_spec(name) is None:  # not imported: that takes seconds
            require(name, "train")
    _, options = open_network(network.kind, network.options)
    if packaged:
        open_network("transformer", {"weights": network.options["embed"]})[1].weight_paths()
    if network.kind in AT_ONCE:
        from mien.training.rows import members

        _refuse_settings_of_the_loop(recipe, settings)
        members(recipe)
    elif get_modality(recipe.modality).kind == "row":
        raise RecipeError(f"network.kind: {network.kind!r} reads no rows of numbers; {', '.join(OF_ROWS)} do")
    (options.without_weights() if recipe.train.start else options).weight_paths()
    for model in (recipe.train.start, *recipe.distill.teacher.split(","), *options.models()):
        if model.strip():
            find_model(model.strip())
    if recipe.experts.by and recipe.experts.chooser == "deepface":
        deepface()


def _refuse_settings_of_the_loop(recipe: Recipe, settings: Sequence[str]) -> None:
    """What the recipe's file says of them stays unread, as a run's ``config.yaml`` holds all settings."""
    allowed = ("seed", *(_OF_CHOOSER if recipe.experts.by else ()))
    for setting in settings:
        name = setting.partition("=")[0].strip().removeprefix("train.")
        if name in TrainSettings.model_fields and name not in allowed and getattr(recipe.train, name) not in _NOTHING:
            what = f"the network {recipe.network.kind} is learned all at once and has no such setting"
            raise RecipeError(f"train.{name}: {what}; of train it has: {', '.join(allowed)}")
