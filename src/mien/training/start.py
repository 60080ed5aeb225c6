"""What a network begins from: the weights of an earlier model, and a head that already answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from mien import model as folders
from mien.datasets import Dataset
from mien.errors import RecipeError
from mien.labels import LabelSpace
from mien.modality import Sampler
from mien.networks.base import Network
from mien.networks.kernel import COMPONENTS, VECTORS, KernelHead
from mien.training.log import LOGGER
from mien.training.ratings import Ratings

_HEAD = "head"  # what the last layer of every network is called
_FEWEST = 2  # samples with a rating
_STRENGTHS = np.geomspace(1.0, 1e6, 25)  # of the ridge regression, for standardized features
_KERNEL_STRENGTHS = np.geomspace(1e-3, 10, 17)  # for a kernel that is 1 of a sample and itself
_GAMMAS = np.array([0.3, 0.6, 1.0, 1.6])  # tried, in units of 1 / the mean square of a sample's length
_SMALLEST = 1e-8  # eigenvalue of a kernel that is no rounding error


def start_from(
    network: nn.Module,
    folder: str,
    space: LabelSpace,
    heads: list[str],
    ratings: Ratings,
) -> None:
    """Give a network the weights of an earlier run of the same network.

    Where that answered in other labels or ratings, or by another kind of head, all but its head is taken, and the head
    is made anew.

    Raises:
        ModelError: there is no such model, or its folder is damaged.
        RecipeError: it keeps no weights, or those of another network.
    """
    model = folders.find_model(folder)
    manifest = folders.verify(model)
    if folders.WEIGHTS not in manifest.files:
        raise RecipeError(f"train.start: {model} keeps no {folders.WEIGHTS} (export.weights was false)")
    path = folders.find_file(model, folders.WEIGHTS, manifest.files[folders.WEIGHTS])
    if path is None:
        raise RecipeError(f"train.start: the weights of {manifest.name} are not in mien's wheel: install mien-weights")
    given = load_file(path)
    before = (manifest.space.names, [head.space for head in manifest.heads], manifest.ratings)
    new = before != (space.names, heads, ratings.entries) or _head(given) != _head(network.state_dict())
    if new:
        given = {name: value for name, value in given.items() if not name.startswith(_HEAD)}
        told = ", ".join([f"{len(space)} labels", *ratings.names] if len(space) else ratings.names)
        LOGGER.info(f"going on from {manifest.name}; its head is made anew, for {told}")
    try:
        missing, other = network.load_state_dict(given, strict=False)
        wanted = [name for name in missing if not (new and name.startswith(_HEAD))]
        wrong = f"it lacks {wanted[0]}" if wanted else f"it has {other[0]}" if other else ""
    except RuntimeError as error:  # another shape
        wrong = str(error).splitlines()[1].strip()
    if wrong:
        raise RecipeError(f"train.start: {model} holds another network: {wrong}")


def _head(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    """Names and shapes of what belongs to the head."""
    return {name: value.shape for name, value in weights.items() if name.startswith(_HEAD)}


def features_of(network: Network, sampler: Sampler, part: Dataset, batch: int) -> np.ndarray:
    """What the head sees of each sample, not augmented: float32 (n, width)."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network.features(torch.from_numpy(sampler.collate(part.inputs[at : at + batch]))).float().numpy()
            for at in range(0, len(part), batch)
        ]
    return np.concatenate(parts)


@torch.no_grad()
def start_head(network: Network, sampler: Sampler, part: Dataset, ratings: Ratings, batch: int, seed: int = 0) -> None:
    """Set the head's outputs for ratings to their ridge regression on the features that the network begins with.

    Each rating's strength is that of the best leave-one-out predictions (Golub et al. 1979); so is the width of the
    kernel, where the head has one.

    Args:
        seed: of the landmarks of a kernel, where there are more samples than it has.

    Raises:
        RecipeError: the network's head is none of ours on features that it tells, or the data have no ratings.
    """
    head = network.head if network.gives_features else None
    if not isinstance(head, nn.Linear | KernelHead):
        raise RecipeError("train.head_start: the head of this network is no linear layer on its features")
    if not len(ratings):
        raise RecipeError(f"train.head_start: {part.name} has no ratings")
    features = features_of(network, sampler, part, batch)
    features = network.standardize(torch.from_numpy(features)).numpy()
    wanted = ratings.of(part)
    rows = features.astype(np.float64)
    fitted = _fit_kernel(head, rows, wanted, seed) if isinstance(head, KernelHead) else _fit_linear(rows, wanted)
    weights, biases = fitted
    first = len(head.bias) - len(ratings)
    for place in np.flatnonzero((~np.isnan(wanted)).sum(0) >= _FEWEST):
        head.weight[first + place] = torch.tensor(weights[place], dtype=torch.float32)
        head.bias[first + place] = float(biases[place])
    network.train()


def _fit_linear(features: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (ratings, width) and biases (ratings,) for features (n, width)."""
    means, spreads = features.mean(0), features.std(0) + 1e-6
    weights, biases, _ = _ridge((features - means) / spreads, wanted, _STRENGTHS)
    weights /= spreads
    return weights, biases - weights @ means


def _fit_kernel(head: KernelHead, features: np.ndarray, wanted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for a kernel: its directions, landmarks and width are set, its weights (ratings, VECTORS) given."""
    from sklearn.decomposition import PCA
    from sklearn.metrics.pairwise import rbf_kernel

    found = PCA(min(COMPONENTS, *features.shape), random_state=seed).fit(features).components_
    parts = features @ found.T
    chosen = parts[np.sort(np.random.default_rng(seed).permutation(len(parts))[:VECTORS])]
    tried = []
    for gamma in _GAMMAS / (parts**2).sum(1).mean():
        values, vectors = np.linalg.eigh(rbf_kernel(chosen, gamma=gamma))
        whiten = vectors / np.sqrt(np.maximum(values, _SMALLEST))
        weights, biases, error = _ridge(rbf_kernel(parts, chosen, gamma=gamma) @ whiten, wanted, _KERNEL_STRENGTHS)
        tried.append((error, gamma, weights @ whiten.T, biases))
    _, gamma, coefficients, biases = min(tried, key=lambda one: one[0])
    for buffer, content in ((head.directions, found), (head.vectors, chosen)):
        buffer.zero_()[: content.shape[0], : content.shape[1]] = torch.tensor(content, dtype=torch.float32)
    head.gamma.fill_(gamma)
    return np.pad(coefficients, ((0, 0), (0, VECTORS - len(chosen)))), biases


def _ridge(rows: np.ndarray, wanted: np.ndarray, strengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights (ratings, width) and biases (ratings,), and the mean squared error of leaving one out.

    A rating that is known of too few samples gets zeros.
    """
    from sklearn.linear_model import RidgeCV

    weights, biases = np.zeros((wanted.shape[1], rows.shape[1])), np.zeros(wanted.shape[1])
    errors = []
    for place, values in enumerate(wanted.T):
        known = ~np.isnan(values)
        if known.sum() >= _FEWEST:
            ridge = RidgeCV(strengths).fit(rows[known], values[known].astype(np.float64))
            weights[place], biases[place] = ridge.coef_, ridge.intercept_
            errors.append(-float(ridge.best_score_))
    return weights, biases, float(np.mean(errors)) if errors else 0.0
