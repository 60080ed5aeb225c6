"""Figures that say how good predictions are. numpy only; the tests hold every one against scikit-learn.

Throughout, n is the number of samples and k the number of labels. Two rules settle what is undefined:

- A fraction with nothing below the line is 0: precision of a label never predicted, recall or average precision of a
  label without samples, F1 of both. This is scikit-learn's ``zero_division=0``.
- Macro averages run over all k labels of the space, so a label without samples counts as 0. The same average over the
  labels that do have samples stands beside it as ``macro_f1_present`` and ``map_present``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BINS = 15


def single_label_metrics(targets: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """All figures for one label at a time.

    The prediction is the label of the highest probability, the first of them on a tie. Rows that do not sum to 1
    (those of a multi-label model) are divided by their sum before log-loss and calibration.

    Args:
        targets: (n,) integers in 0..k-1, n ≥ 1.
        probabilities: (n, k) floats in 0..1.
        names: the k labels.

    Returns:
        Plain values, ready for JSON. Rows of ``confusion`` are the true labels, columns the predicted ones.

    Raises:
        ValueError: the shapes do not fit, or a value is out of range.
    """
    probabilities = _checked(probabilities, names)
    targets = np.asarray(targets)
    n, k = probabilities.shape
    if targets.shape != (n,) or not np.issubdtype(targets.dtype, np.integer) or targets.min() < 0 or targets.max() >= k:
        raise ValueError(f"targets must be {n} integers in 0..{k - 1}, got {targets.dtype} of shape {targets.shape}")
    predicted = probabilities.argmax(1)
    shares = normalized(probabilities)
    counts = confusion_matrix(targets, predicted, k)
    per_label = precision_recall_f1(counts.diagonal(), counts.sum(0), counts.sum(1))
    correct = int(counts.trace())
    common = int(counts.sum(1).argmax())
    return {
        "n": n,
        "accuracy": correct / n,
        "accuracy_interval": wilson_interval(correct, n),
        "top2_accuracy": top_accuracy(targets, probabilities, 2),
        "log_loss": log_loss(targets, shares),
        **_averages(per_label),
        "baseline": {"label": names[common], "accuracy": float(counts.sum(1)[common] / n)},
        "per_label": _by_label(names, per_label),
        "confusion": {"labels": list(names), "counts": counts.tolist(), "shares": by_row(counts).tolist()},
        "calibration": calibration(shares.max(1), predicted == targets),
    }


def multi_label_metrics(
    targets: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    thresholds: np.ndarray,
    predicted: np.ndarray | None = None,
) -> dict[str, Any]:
    """All figures for several labels at a time.

    Args:
        targets: (n, k), 0 or 1, n ≥ 1.
        probabilities: (n, k) floats in 0..1, each label on its own.
        names: the k labels.
        thresholds: (k,) floats; a label holds from its threshold on (no fallback to the strongest label).
        predicted: (n, k), 0 or 1, to use in place of the thresholds.

    Returns:
        Plain values, ready for JSON. ``accuracy`` is subset accuracy: all k labels of a sample right. ``top1`` is the
        share of the samples with a label whose highest is one of theirs; None where none has a label. ``averages``
        are those of scikit-learn's classification report: macro, weighted, micro and samples. In
        ``cooccurrence`` entry i, j of "predicted" is the share of the samples that truly carry i for which j was
        predicted, and of "true" the share that truly carry j as well.

    Raises:
        ValueError: the shapes do not fit, or a value is out of range.
    """
    probabilities = _checked(probabilities, names)
    n, k = probabilities.shape
    truth = np.asarray(targets)
    if truth.shape != (n, k) or not np.isin(truth, (0, 1)).all():
        raise ValueError(f"targets must be 0 or 1 in shape {(n, k)}, got shape {truth.shape}")
    truth = truth.astype(bool)
    thresholds = np.asarray(thresholds, np.float64)
    if thresholds.shape != (k,):
        raise ValueError(f"there must be {k} thresholds, got shape {thresholds.shape}")
    holds = probabilities >= thresholds if predicted is None else np.asarray(predicted).astype(bool)
    hits, said, support = (truth & holds).sum(0), holds.sum(0), truth.sum(0)
    per_label = precision_recall_f1(hits, said, support)
    micro = precision_recall_f1(hits.sum(keepdims=True), said.sum(keepdims=True), support.sum(keepdims=True))
    precisions = np.array([average_precision(truth[:, j], probabilities[:, j]) for j in range(k)])
    correct = int((truth == holds).all(1).sum())
    labeled = np.flatnonzero(truth.any(1))
    together = truth.T.astype(np.float64)  # whole numbers, exact up to 2^53, and fast to multiply
    extra = {
        "average_precision": precisions.tolist(),
        "threshold": thresholds.tolist(),
        "roc_auc": [roc_auc(truth[:, j], probabilities[:, j]) for j in range(k)],
    }
    return {
        "n": n,
        "accuracy": correct / n,
        "accuracy_interval": wilson_interval(correct, n),
        "map": float(precisions.mean()),
        "map_present": float(precisions[support > 0].mean()) if support.any() else 0.0,
        **_averages(per_label, micro, precision_recall_f1((truth & holds).sum(1), holds.sum(1), truth.sum(1))),
        "micro_f1": float(micro["f1"][0]),
        "top1": float(truth[labeled, probabilities[labeled].argmax(1)].mean()) if len(labeled) else None,
        "baseline": {"map": float(support.mean() / n)},  # average precision of a random order is the label's share
        "per_label": _by_label(names, per_label, **extra),
        "confusion": {
            "labels": list(names),
            "per_label": {
                name: {"tp": int(h), "fp": int(s - h), "fn": int(t - h), "tn": int(n - s - t + h)}
                for name, h, s, t in zip(names, hits, said, support, strict=True)
            },
        },
        "cooccurrence": {
            "labels": list(names),
            "predicted": by_row(together @ holds, support).tolist(),
            "true": by_row(together @ truth, support).tolist(),
        },
        "calibration": calibration(probabilities.ravel(), truth.ravel()),
    }


def tuned_metrics(targets: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Either of the two, several labels at the thresholds that are best on these very data: for validation data.

    Args:
        targets: int (n,), or 0/1 (n, k).
        probabilities: floats (n, k).
    """
    if targets.ndim == 1:
        return single_label_metrics(targets, probabilities, names)
    return multi_label_metrics(targets, probabilities, names, best_thresholds(targets, probabilities))


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, k: int) -> np.ndarray:
    """How often each true label (row) was given each label (column): int64 of shape (k, k)."""
    return np.bincount(targets.astype(np.int64) * k + predicted, minlength=k * k).reshape(k, k)


def by_row(counts: np.ndarray, totals: np.ndarray | None = None) -> np.ndarray:
    """Rows divided by *totals* (k,), or by their own sums; rows without samples are 0. float64 in 0..1."""
    below = (counts.sum(1) if totals is None else totals)[:, None]
    return _divide(counts, np.broadcast_to(below, counts.shape))


def precision_recall_f1(hits: np.ndarray, said: np.ndarray, support: np.ndarray) -> dict[str, np.ndarray]:
    """Per label: of what was said, how much was right; of what is there, how much was found; 2PR / (P + R).

    Args:
        hits: (k,) how often the label was predicted and true.
        said: (k,) how often it was predicted.
        support: (k,) how often it was true.
    """
    return {
        "precision": _divide(hits, said),
        "recall": _divide(hits, support),
        "f1": _divide(2 * hits, said + support),
        "support": support,
    }


def top_accuracy(targets: np.ndarray, probabilities: np.ndarray, top: int) -> float:
    """Share of samples whose true label is among the *top* highest; on a tie the earlier label goes first."""
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return float((ranked == targets[:, None]).any(1).mean())


def log_loss(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -ln(probability of the true label); probabilities of 0 become the smallest step of their dtype."""
    true = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(true.astype(np.float64), np.finfo(probabilities.dtype).eps)).mean())


def wilson_interval(hits: int, n: int) -> list[float]:
    """Where a share of hits/n lies with 95 % confidence (Wilson 1927): [low, high] in 0..1."""
    z = 1.959963984540054
    share, width = hits / n, z * z / n
    middle = (share + width / 2) / (1 + width)
    reach = z * np.sqrt(share * (1 - share) / n + width / (4 * n)) / (1 + width)
    return [float(max(0.0, middle - reach)), float(min(1.0, middle + reach))]


def calibration(confidences: np.ndarray, correct: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Expected calibration error, and the bins it comes from (Guo et al. 2017, arXiv:1706.04599).

    Bin m holds the confidences in (m/bins, (m+1)/bins]; 0 goes to the first. ECE is the distance between mean
    confidence and share correct in a bin, averaged over the bins with their counts as weights.

    Args:
        confidences: (m,) in 0..1; for one label at a time that of the top label, for several those of all labels.
        correct: (m,) whether the label was right, or true.

    Returns:
        ``{"ece": 0..1, "bins": [{"low", "high", "count", "confidence", "accuracy"}]}``; an empty bin has None for the
        last two.
    """
    edges = np.arange(bins + 1) / bins
    place = np.digitize(confidences.astype(np.float64), edges[1:-1], right=True)
    counts = np.bincount(place, minlength=bins)
    confidence = np.bincount(place, weights=confidences, minlength=bins)
    accuracy = np.bincount(place, weights=correct, minlength=bins)
    return {
        "ece": float(np.abs(confidence - accuracy).sum() / counts.sum()),
        "bins": [
            {
                "low": float(edges[m]),
                "high": float(edges[m + 1]),
                "count": int(counts[m]),
                "confidence": float(confidence[m] / counts[m]) if counts[m] else None,
                "accuracy": float(accuracy[m] / counts[m]) if counts[m] else None,
            }
            for m in range(bins)
        ],
    }


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Σ (recall_i - recall_{i-1}) · precision_i down the distinct scores; samples of equal score count at once.

    The definition of scikit-learn's ``average_precision_score``; 0 for a label without positives.

    Args:
        truth: (n,) bool.
        scores: (n,) floats.
    """
    _, hits, said = _steps(truth, scores)
    if not hits[-1]:
        return 0.0
    return float(np.sum(np.diff(hits / hits[-1], prepend=0.0) * (hits / said)))


def roc_auc(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Chance that a positive scores above a negative, ties half; None where one of the two is missing."""
    _, hits, said = _steps(truth, scores)
    positives, negatives = int(hits[-1]), int(said[-1] - hits[-1])
    if not positives or not negatives:
        return None
    heights, widths = np.append(0, hits), np.diff(said - hits, prepend=0)
    return float((heights[1:] + heights[:-1]) @ widths / (2 * positives * negatives))


def best_thresholds(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Per label the threshold of highest F1, for a label that holds where probability ≥ threshold.

    Exact: every cut between two neighboring distinct scores is tried, at their midpoint, as is the cut below them all
    (half the lowest score). Of cuts of equal F1 the highest is taken. Choose on validation data, never on test data.

    Args:
        targets: (n, k), 0 or 1.
        probabilities: (n, k) floats in 0..1.

    Returns:
        float64 of shape (k,); 0.5 for a label without positives.
    """
    truth = np.asarray(targets).astype(bool)
    thresholds = np.full(truth.shape[1], 0.5)
    for j in np.flatnonzero(truth.any(0)):
        scores, hits, said = _steps(truth[:, j], probabilities[:, j])
        best = int(np.argmax(2 * hits / (said + hits[-1])))  # the first best, that is the highest cut
        below = scores[best + 1] if best + 1 < len(scores) else 0.0
        middle = (scores[best] + below) / 2
        thresholds[j] = middle if middle > below else scores[best]  # neighbors so near that nothing lies between
    return thresholds


def normalized(probabilities: np.ndarray) -> np.ndarray:
    """Rows made to sum to 1 where they do not (by more than 1e-3); rows of zeros become even."""
    sums = probabilities.sum(1, keepdims=True)
    if (np.abs(sums - 1) <= 1e-3).all():
        return probabilities
    even = np.asarray(1 / probabilities.shape[1], probabilities.dtype)
    shares: np.ndarray = np.where(sums > 0, probabilities / np.where(sums > 0, sums, 1), even)
    return shares


def _steps(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores from high to low (float64), and how many positives and samples score at least that."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    return ranked[last], np.cumsum(truth[order])[last], last + 1


def _averages(
    per_label: dict[str, np.ndarray],
    micro: dict[str, np.ndarray] | None = None,
    samples: dict[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """The rows at the foot of a classification report."""
    support = per_label["support"]
    total = support.sum()
    kinds = ("precision", "recall", "f1")
    macro = {kind: float(per_label[kind].mean()) for kind in kinds}
    weighted = {kind: float(per_label[kind] @ support / total) if total else 0.0 for kind in kinds}
    further = {"micro": micro, "samples": samples}  # for several labels at a time
    means = {kind: {k: float(row[k].mean()) for k in kinds} for kind, row in further.items() if row is not None}
    return {
        "macro_f1": macro["f1"],
        "macro_f1_present": float(per_label["f1"][support > 0].mean()) if total else 0.0,
        "weighted_f1": weighted["f1"],
        "averages": {"macro": macro, "weighted": weighted, **means},
    }


def _by_label(
    names: Sequence[str], per_label: dict[str, np.ndarray], **extra: list[Any]
) -> dict[str, dict[str, float | int | None]]:
    columns: dict[str, list[Any]] = {kind: values.tolist() for kind, values in per_label.items()} | extra
    return {name: {kind: values[j] for kind, values in columns.items()} for j, name in enumerate(names)}


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    zeros = np.zeros(np.shape(below), np.float64)
    np.divide(above, below, out=zeros, where=np.asarray(below) > 0)
    return zeros


def _checked(probabilities: np.ndarray, names: Sequence[str]) -> np.ndarray:
    values = np.asarray(probabilities)
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    if values.ndim != 2 or not len(values) or values.shape[1] != len(names):
        raise ValueError(f"probabilities must have shape (n, {len(names)}) with n of 1 or more, got {values.shape}")
    if not (np.isfinite(values).all() and values.min() >= -1e-6 and values.max() <= 1 + 1e-5):
        raise ValueError("probabilities must lie in 0..1")
    return values.clip(0, 1)
