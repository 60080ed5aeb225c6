"""Settings chosen by a grid search: by cross-validation in folds of whole groups, or on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, ParameterGrid
from threadpoolctl import threadpool_limits

from mien.datasets.splits import folds
from mien.errors import DataError, require
from mien.evaluation.metrics import tuned_metrics
from mien.networks import open_network
from mien.networks.rows import TINY, learnable, logits_of
from mien.output.terminal import progress
from mien.runtime import probabilities_of, usable_threads
from mien.training.log import LOGGER
from mien.training.settings import SearchSettings

_TOLD = 500  # settings whose figures a manifest keeps, the best ones


@dataclass(frozen=True)
class Chosen:
    """A network of rows with the settings that did best.

    Attributes:
        module: of the network; see :mod:`mien.networks.rows`.
        model: the estimator, learned from all training rows.
        held_out: logits of the training rows, float64 (n, labels), each by a model that had not learned from its group;
            or of the validation rows, where the settings were chosen on these.
        facts: what was tried, ready for JSON: "kind", "by", "folds" (0: on validation rows), "groups", "best", and
            "tried", the best first: "settings", "mean" and "std" over the folds.
    """

    module: ModuleType
    model: Any
    held_out: np.ndarray
    facts: dict[str, Any]

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """float64 (n, labels)."""
        return logits_of(self.model, rows, self.held_out.shape[1])


def choose(
    kind: str,
    options: Mapping[str, Any],
    rows: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray | None,
    labels: int,
    settings: SearchSettings,
    seed: int,
    *,
    count: int | None = None,
    spec: Mapping[str, int] = MappingProxyType({}),
) -> Chosen:
    """Try all settings of a network of rows, and learn with the best from all rows.

    Args:
        kind, options: as in a recipe's ``network``.
        rows: float (n, d), or token ids int64 (n, length).
        targets: int (n,), or 0/1 (n, labels).
        groups: n keys; rows that share one are held out together. None: the folds are stratified by label alone.
        labels: how many there are.
        count: how many rows to learn from, the first ones; settings are chosen on the others. None: all, in folds.
        spec: what the sampler says of its inputs.

    Raises:
        DataError: too few groups, rows or labels to search with.
    """
    module, own = open_network(kind, options)
    rows = learnable(rows)
    estimator, grid = module.search(own, seed, **spec)
    if count is None:
        splits = inner_splits(targets, groups, settings, seed)
    else:
        splits = [(np.arange(count), np.arange(count, len(rows)))]
    candidates = len(ParameterGrid(grid))
    where = f"in {len(splits)} inner folds" if count is None else "on the validation data"
    LOGGER.info(f"{kind}: trying {candidates} settings {where}")
    search = GridSearchCV(estimator, grid, cv=splits, refit=False, error_score="raise")
    jobs = min(settings.jobs, usable_threads())
    with (
        progress(f"searching {kind}", candidates * len(splits)) as step,
        threadpool_limits(1),  # each fit on one thread: as many run at once as there are jobs
        require("joblib", "train").parallel_config(backend="threading", n_jobs=jobs),
    ):

        def score(model: Any, held: np.ndarray, truth: np.ndarray) -> float:
            step(1)
            return _figure(settings.by, model, held, truth, labels)

        try:
            if any(len(np.unique(targets[learn])) < 2 for learn, _ in splits):
                raise ValueError("one label only")
            search.set_params(scoring=score).fit(rows, targets)
            best = clone(estimator).set_params(**search.best_params_).fit(rows[:count], targets[:count])
            if count is None:
                held_out = _held_out(best, rows, targets, splits[: len(splits) // settings.repeats], labels)
            else:
                held_out = logits_of(best, rows[count:], labels)
        except ValueError as error:  # such as too many rows for a kernel
            raise DataError(f"{kind} cannot learn from these rows: {error}") from error
    tried = _tried(search.cv_results_)
    facts = {
        "kind": kind,
        "by": settings.by,
        "folds": len(splits) if count is None else 0,
        "groups": 0 if groups is None else len(np.unique(groups.astype(str))),
        "best": tried[0]["settings"],
        "candidates": candidates,
        "tried": tried,
    }
    chosen = ", ".join(f"{name} {value}" for name, value in tried[0]["settings"].items())
    spread = f" (± {tried[0]['std']:.4f} over the folds)" if count is None else ""
    LOGGER.info(f"{kind}: {settings.by} {tried[0]['mean']:.4f}{spread} with {chosen}")
    return Chosen(module, best, held_out, facts)


def _figure(by: str, model: Any, rows: np.ndarray, targets: np.ndarray, labels: int) -> float:
    """What a fitted estimator is judged by, on rows that it had not learned from."""
    if by == "likelihood":
        said = probabilities_of(logits_of(model, rows, labels), targets.ndim == 2)
        held = np.where(targets > 0, said, 1 - said) if targets.ndim == 2 else said[np.arange(len(targets)), targets]
        return float(np.log(held + TINY).mean())
    if targets.ndim == 2:
        said = probabilities_of(logits_of(model, rows, labels), True)
        return float(tuned_metrics(targets, said, [str(label) for label in range(labels)])[by])
    said = model.predict(rows)
    if by == "accuracy":
        return float((said == targets).mean())
    return float(f1_score(targets, said, average="macro", zero_division=0))


def _tried(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Settings and figures of a grid search, the best first."""
    order = np.argsort(-results["mean_test_score"], kind="stable")[:_TOLD]
    return [
        {
            "settings": _as_in_recipe(results["params"][at]),
            "mean": round(float(results["mean_test_score"][at]), 6),
            "std": round(float(results["std_test_score"][at]), 6),
        }
        for at in order.tolist()
    ]


def inner_splits(
    targets: np.ndarray, groups: np.ndarray | None, settings: SearchSettings, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places of the rows to learn from and of those held out, for each fold of each repeat; no group is in both.

    Raises:
        DataError: one group only, or fewer rows of every label than folds.
    """
    count = settings.folds
    if groups is not None:
        count = min(count, len(np.unique(groups.astype(str))))
    if count < 2 or len(targets) < count:
        what = "one group" if groups is not None and len(targets) > 1 else f"{len(targets)} rows"
        raise DataError(f"settings are chosen on groups that are held out, and there is only {what} to learn from")
    splits = []
    for repeat in range(settings.repeats):
        place = folds(targets, count, seed * 1009 + repeat, groups)
        splits += [(np.flatnonzero(place != fold), np.flatnonzero(place == fold)) for fold in range(count)]
    return [(learn, held) for learn, held in splits if len(held)]


def _as_in_recipe(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of an estimator under the names that a recipe has for them."""
    found = {name.rpartition("__")[2].lower(): value for name, value in settings.items()}
    if "shape" in found:
        found["shape"] = getattr(found["shape"], "method", "none")
    if isinstance(kernel := found.get("kernel"), BaseEstimator):  # a step of its own
        found |= {"kernel": found.pop("estimator").kernel, "gamma": kernel.get_params()["gamma"]}
    if "class_weight" in found:
        found["balanced"] = found.pop("class_weight") == "balanced"
    if "ngram_range" in found:
        found["ngrams"] = found.pop("ngram_range")[1]
    return dict(sorted(found.items()))


def _held_out(
    model: BaseEstimator,
    rows: np.ndarray,
    targets: np.ndarray,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    labels: int,
) -> np.ndarray:
    logits = np.zeros((len(rows), labels))
    for learn, held in splits:
        part: Any = clone(model).fit(rows[learn], targets[learn])
        logits[held] = logits_of(part, rows[held], labels)
    return logits
