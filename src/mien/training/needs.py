"""What a recipe needs besides data: packages, pretrained weights and other models, looked for before data are read."""

from __future__ import annotations

from importlib.util import find_spec

from mien.errors import RecipeError, require
from mien.modalities.face.experts import deepface
from mien.modality import get_modality
from mien.model import find_model
from mien.networks import AT_ONCE, OF_ROWS, open_network
from mien.training.recipe import Recipe

_ALL = ("sklearn", "onnx", "torch")
_OF_TORCH = ("lightning", "onnxscript", "safetensors")
_OF_REPORTS = ("matplotlib",)


def check_needs(recipe: Recipe, report: bool = True) -> None:
    """Check that everything a recipe names is there, and that its network has such settings and reads such data.

    Args:
        report: whether the page with the figures will be written.

    Raises:
        RecipeError: there is no such network, setting or file of weights.
        ModelError: there is no such model to start or learn from.
        MissingExtra: a package is not installed.
    """
    network = recipe.network
    for name in (*_ALL, *(() if network.kind in AT_ONCE else _OF_TORCH), *(_OF_REPORTS if report else ())):
        if find_spec(name) is None:  # not imported: that takes seconds
            require(name, "train")
    _, options = open_network(network.kind, network.options)
    if network.kind in AT_ONCE:
        from mien.training.rows import members

        members(recipe)
    elif get_modality(recipe.modality).kind == "row":
        raise RecipeError(f"network.kind: {network.kind!r} reads no rows of numbers; {', '.join(OF_ROWS)} do")
    (options.without_weights() if recipe.train.start else options).weight_paths()
    for model in (recipe.train.start, *recipe.distill.teacher.split(","), *options.models()):
        if model.strip():
            find_model(model.strip())
    if recipe.experts.by and recipe.experts.chooser == "deepface":
        deepface()
