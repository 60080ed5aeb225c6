"""Validation: what a network makes of samples, and the figures of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.datasets import Dataset
from mien.evaluation.metrics import tuned_metrics
from mien.modality import Sampler
from mien.runtime import probabilities_of
from mien.training.heads import Head, head_targets
from mien.training.objective import Objective
from mien.training.ratings import correlations


def logits_of(
    network: nn.Module, sampler: Sampler, inputs: Sequence[Any], device: torch.device | str = "cpu"
) -> Tensor:
    """Logits float32 (n, labels) on the CPU, in the order of the inputs, without gradients."""
    network.eval()
    order = np.argsort(sampler.lengths(inputs), kind="stable")
    size, parts = sampler.evaluation_batch, []
    with torch.inference_mode():
        for start in range(0, len(order), size):
            batch = sampler.collate([inputs[i] for i in order[start : start + size]])
            parts.append(network(torch.from_numpy(batch).to(device)).float().cpu())
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


def validation_figures(logits: Tensor, valid: Dataset, objective: Objective) -> dict[str, float]:
    """Figures of an epoch.

    ``val_loss`` (without the teacher and further heads); of labels ``val_accuracy``, ``val_macro_f1`` and ``val_map``;
    of ratings ``val_pearson``, the mean of their correlations, and each, such as ``val_valence_pearson``.
    """
    targets, rated = torch.from_numpy(valid.targets), objective.ratings.of(valid)
    figures = {"val_loss": objective(logits, targets, rated=torch.from_numpy(rated)).mean().item()}
    if objective.labels:
        own = logits[:, : objective.labels]
        probabilities = probabilities_of(own.numpy(), valid.space.multilabel)
        metrics = tuned_metrics(valid.targets, probabilities, valid.space.names)
        figures["val_accuracy"] = hits_of(own, targets).mean().item()
        figures |= {"val_macro_f1": metrics["macro_f1"], "val_map": metrics.get("map", float("nan"))}
    for head in objective.heads:
        if (said := head_targets(valid, head.space)) is not None:
            figures |= _head_figures(head, logits[:, head.columns].numpy(), said)
    if (names := objective.ratings.names) and not np.isnan(rated).all():
        outputs = logits[:, logits.shape[1] - len(names) :].numpy()
        found = correlations(rated, outputs)
        figures |= {f"val_{name}_pearson": value for name, value in zip(names, found, strict=True)}
        figures["val_pearson"] = float(np.mean(found))
    return figures


def _head_figures(head: Head, logits: np.ndarray, said: np.ndarray) -> dict[str, float]:
    if head.space.multilabel:
        known = ~np.isnan(said).any(1)
        if not known.any():
            return {}
        probabilities = probabilities_of(logits[known], True)
        return {f"val_{head.name}_macro_f1": tuned_metrics(said[known], probabilities, head.space.names)["macro_f1"]}
    known = said.any(1)
    hits = logits[known].argmax(1) == said[known].argmax(1)
    return {f"val_{head.name}_accuracy": float(hits.mean()) if known.any() else float("nan")}


def hits_of(logits: Tensor, targets: Tensor) -> Tensor:
    """1 for each sample read right: the strongest label, or for several labels all of them at 0.5."""
    if targets.ndim == 1:
        return (logits.argmax(1) == targets).float()
    return ((logits > 0) == (targets > 0)).all(1).float()
