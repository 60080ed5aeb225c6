"""What a network begins from: the weights of an earlier model, and a head that already answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from mien import model as folders
from mien.data import Dataset
from mien.emotions import LabelSpace
from mien.errors import RecipeError
from mien.training.ratings import Ratings
from mien.training.task import Task

_HEAD = "head"  # what the last layer of every network is called
_STRENGTHS = np.geomspace(1.0, 1e6, 25)  # of the ridge regression, for standardised features


def start_from(
    network: nn.Module,
    folder: str,
    space: LabelSpace,
    heads: list[str],
    ratings: Ratings,
    say: Callable[[str], None],
) -> None:
    """Give a network the weights of an earlier run of the same network.

    Where that answered in other labels or ratings, all but its head is taken, and the head is made anew.

    Raises:
        ModelError: there is no such model, or its folder is damaged.
        RecipeError: it keeps no weights, or those of another network.
    """
    model = folders.find_model(folder)
    manifest = folders.verify(model)
    if folders.WEIGHTS not in manifest.files:
        raise RecipeError(f"train.start: {model} keeps no {folders.WEIGHTS} (export.weights was false)")
    given = load_file(model / folders.WEIGHTS)
    before = (manifest.space.names, [head.space for head in manifest.heads], manifest.ratings)
    new = before != (space.names, heads, ratings.entries)
    if new:
        given = {name: value for name, value in given.items() if not name.startswith(_HEAD)}
        told = ", ".join([f"{len(space)} labels", *ratings.names] if len(space) else ratings.names)
        say(f"going on from {manifest.name}; its head is made anew, for {told}")
    try:
        missing, other = network.load_state_dict(given, strict=False)
        wanted = [name for name in missing if not (new and name.startswith(_HEAD))]
        wrong = f"it lacks {wanted[0]}" if wanted else f"it has {other[0]}" if other else ""
    except RuntimeError as error:  # another shape
        wrong = str(error).splitlines()[1].strip()
    if wrong:
        raise RecipeError(f"train.start: {model} holds another network: {wrong}")


def features_of(network: Any, task: Task, part: Dataset, batch: int) -> np.ndarray:
    """What the head sees of each sample, not augmented: float32 (n, width)."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network.features(torch.from_numpy(task.collate(part.inputs[at : at + batch]))).float().numpy()
            for at in range(0, len(part), batch)
        ]
    return np.concatenate(parts)


@torch.no_grad()
def start_head(network: Any, task: Task, part: Dataset, ratings: Ratings, batch: int) -> None:
    """Set the head's outputs for ratings to their ridge regression on the features that the network begins with.

    Each rating's strength is that of the best leave-one-out predictions (Golub et al. 1979).

    Raises:
        RecipeError: the network's head is no linear layer on features that it tells, or the data have no ratings.
    """
    from sklearn.linear_model import RidgeCV

    head = getattr(network, _HEAD, None)
    if not isinstance(head, nn.Linear) or not hasattr(network, "features"):
        raise RecipeError("train.head_start: the head of this network is no linear layer on its features")
    if not len(ratings):
        raise RecipeError(f"train.head_start: {part.name} has no ratings")
    features = features_of(network, task, part, batch).astype(np.float64)
    means, spreads = features.mean(0), features.std(0) + 1e-6
    wanted = ratings.of(part)
    first = head.out_features - len(ratings)
    for place in range(len(ratings)):
        known = ~np.isnan(wanted[:, place])
        if known.sum() < 2:
            continue
        ridge = RidgeCV(_STRENGTHS).fit((features[known] - means) / spreads, wanted[known, place])
        weights = ridge.coef_ / spreads
        head.weight[first + place] = torch.tensor(weights, dtype=torch.float32)
        head.bias[first + place] = float(ridge.intercept_ - weights @ means)
    network.train()
