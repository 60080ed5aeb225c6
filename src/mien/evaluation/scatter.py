"""Figures made of points: ratings, and labels by group; see :mod:`mien.evaluation.plots`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.evaluation.plots import BLUE, INK, LINE, MUTED, ORANGE, new_figure, styled
from mien.labels import LabelSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = (BLUE, ORANGE, "#2a9d8f", "#8d62c9", "#d7433b", "#6b7280", "#c2578b", "#8a7a1f")
_ACROSS = 3
_BINS = 10


@styled
def ratings(document: dict[str, Any], space: LabelSpace) -> Figure:
    """Each rating: what was predicted against what is true, with the mean prediction in steps of the true value.

    Args:
        document: "ratings", see ``ratings.rating_metrics``, and "points", pairs of true and predicted value.
    """
    found = {name: figures for name, figures in document["ratings"].items() if figures["n"]}
    columns = min(_ACROSS, len(found))
    rows = math.ceil(len(found) / columns)
    figure = new_figure(4.2 * columns + 0.3, 4.7 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(found) :]:
        axes.set_axis_off()
    for axes, (name, figures) in zip(grid.flat, found.items(), strict=False):
        _rating(axes, name, figures, np.array(document["points"][name]))
    return figure


def _rating(axes: Axes, name: str, figures: dict[str, Any], points: np.ndarray) -> None:
    low, high = figures["scale"]
    true, predicted = points.T
    margin = 0.04 * (high - low)
    shown = true
    if np.array_equal(true, np.round(true)):  # whole numbers lie on top of each other
        shown = true + np.random.default_rng(0).uniform(-0.28, 0.28, len(true))
    strength = float(np.clip(120 / len(true), 0.12, 0.7))
    axes.plot([low, high], [low, high], color=MUTED, lw=1.2, ls=(0, (4, 3)), label="equal")
    axes.scatter(shown, predicted, s=14, color=BLUE, alpha=strength, linewidths=0)
    steps = np.linspace(low, high, _BINS + 1)
    place = np.digitize(true, steps[1:-1])
    full = [step for step in range(_BINS) if (place == step).sum() >= 3]
    axes.plot(
        [true[place == step].mean() for step in full],
        [predicted[place == step].mean() for step in full],
        color=ORANGE, lw=2, marker="o", ms=4, label="mean prediction",
    )  # fmt: skip
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(min(low, predicted.min()) - margin, max(high, predicted.max()) + margin)
    axes.set_box_aspect(1)
    axes.grid()
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.set_title(f"{name}: r = {_told(figures['pearson'])}", pad=21)
    told = (
        f"ρ {_told(figures['spearman'])}   CCC {_told(figures['ccc'])}   MAE {figures['mae']:.2f}   n {figures['n']:,}"
    )
    axes.text(0, 1.02, told, transform=axes.transAxes, fontsize=8.5, color=MUTED, va="bottom")
    axes.legend(loc="upper left", fontsize=8.5, borderpad=0.2, frameon=True, edgecolor="none", framealpha=0.7)


@styled
def by_group(document: dict[str, Any], space: LabelSpace) -> Figure:
    """How well each label is read in each group: average precision, of one label at a time F1.

    Args:
        document: "by", whose groups have "per_label", and "multilabel".
    """
    kind, title = ("average_precision", "Average precision") if document["multilabel"] else ("f1", "F1")
    groups = document["by"]["groups"]
    figure = new_figure(8, 0.27 * len(space) + 1.5)
    axes = figure.subplots()
    names = list(space.names)[::-1]
    for place, name in enumerate(names):
        values = [group["per_label"][name][kind] for group in groups if group["per_label"][name]["support"]]
        if values:
            axes.plot([min(values), max(values)], [place, place], color=LINE, lw=4, zorder=1, solid_capstyle="round")
    for color, group in zip(COLORS, groups, strict=False):
        held = [
            (group["per_label"][name][kind], at) for at, name in enumerate(names) if group["per_label"][name]["support"]
        ]
        label = f"{_cut(group['group'])} ({group['n']:,})"
        axes.scatter([value for value, _ in held], [at for _, at in held], s=36, color=color, label=label, zorder=2)
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0, 1.02)
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title(f"{title} by {document['by']['column']}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, ncols=min(4, len(groups)), fontsize=9)
    return figure


def _told(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}"


def _cut(text: str) -> str:
    return text if len(text) <= 16 else text[:15] + "…"
