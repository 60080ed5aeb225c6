"""Figures of an evaluation. Each function returns a matplotlib ``Figure`` on white; :func:`png` makes it a picture.

No pyplot and no display: figures are made as objects and drawn by Agg, so the same report gives the same bytes.
Arguments are parts of ``Report.to_dict()`` and the label space, whose colors mark the labels.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from mien.errors import require
from mien.labels import LabelSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, BLUE, ORANGE = "#1f2430", "#6b7280", "#e3e6ec", "#2f6db3", "#e08a1e"
RAMP = ("#f6f9fd", "#d3e3f4", "#8fbbe0", "#3f83c4", "#16457f")
DIVERGING = ("#16457f", "#3f83c4", "#a9cbe8", "#fbfbfb", "#f7cf9b", "#e08a1e", "#8f4d05")
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a label may hold a $
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": LINE,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.06,
}
DPI = 150

P = ParamSpec("P")


@contextmanager
def _style() -> Iterator[None]:
    matplotlib = require("matplotlib", "report")
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a label of one's own, in a script without font
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return drawn


def png(figure: Figure) -> bytes:
    """The figure as a PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    with _style():
        figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


@styled
def confusion_counts(confusion: dict[str, Any], space: LabelSpace) -> Figure:
    """How many samples of each true label (row) were given each label (column).

    Args:
        confusion: "counts", k rows of k whole numbers.
    """
    counts = np.array(confusion["counts"])
    figure, axes = _square(len(space))
    _matrix(axes, counts, space, [f"{value}" if value else "" for value in counts.ravel()], high=max(1, counts.max()))
    axes.set_title("Confusion matrix: samples")
    return figure


@styled
def confusion_shares(confusion: dict[str, Any], space: LabelSpace) -> Figure:
    """Which share of the samples of each true label (row) was given each label (column); rows sum to 1.

    Args:
        confusion: "shares", k rows of k floats in 0..1.
    """
    shares = np.array(confusion["shares"])
    figure, axes = _square(len(space))
    _matrix(axes, shares, space, [_percent(value) for value in shares.ravel()])
    axes.set_title("Confusion matrix: % of each true label")
    return figure


@styled
def cooccurrence(together: dict[str, Any], space: LabelSpace) -> Figure:
    """Which labels are predicted, and which are true, where a label is true: two matrices side by side.

    Args:
        together: "predicted" and "true", k rows of k floats in 0..1; see ``multi_label_metrics``.
    """
    k = len(space)
    side = _side(k)
    figure = new_figure(2 * side + 1.2, side + 0.9)
    for axes, kind, title in zip(
        figure.subplots(1, 2),
        ("predicted", "true"),
        ("Predicted where a label is true", "Also true where a label is true"),
        strict=True,
    ):
        shares = np.array(together[kind])
        _matrix(axes, shares, space, [_percent(value) for value in shares.ravel()])
        axes.set_title(f"{title} (%)")
        axes.set_xlabel("predicted" if kind == "predicted" else "also true")
    return figure


@styled
def cooccurrence_difference(together: dict[str, Any], space: LabelSpace) -> Figure:
    """The first matrix of :func:`cooccurrence` less the second: what is said too often there, and what too rarely.

    Less than 5 percentage points have no number, so that the others stand out.
    """
    difference = np.array(together["predicted"]) - np.array(together["true"])
    figure, axes = _square(len(space))
    texts = [f"{100 * value:+.0f}" if abs(value) >= 0.05 else "" for value in difference.ravel()]
    _matrix(axes, difference, space, texts, low=-1.0, ramp=DIVERGING)
    axes.set_title("Predicted minus true (% points)")
    return figure


@styled
def confusion_per_label(cells: dict[str, dict[str, int]], space: LabelSpace) -> Figure:
    """One 2×2 confusion matrix per label; color is the share within each row.

    Args:
        cells: label → counts "tp", "fp", "fn", "tn".
    """
    columns = min(len(space), 7 if len(space) > 20 else 5 if len(space) > 9 else 4)
    rows = math.ceil(len(space) / columns)
    figure = new_figure(1.75 * columns + 0.6, 1.75 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(space) :]:
        axes.set_axis_off()
    for place, (axes, emotion) in enumerate(zip(grid.flat, space, strict=False)):
        cell = cells[emotion.name]
        counts = np.array([[cell["tp"], cell["fn"]], [cell["fp"], cell["tn"]]])
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.imshow(shares, cmap=_ramp(), vmin=0, vmax=1, aspect="auto")
        for (i, j), count in np.ndenumerate(counts):
            ink = "white" if shares[i, j] > 0.55 else INK
            axes.text(j, i - 0.12, f"{count}", ha="center", va="center", color=ink, fontsize=9)
            axes.text(j, i + 0.24, f"{100 * shares[i, j]:.0f} %", ha="center", va="center", color=ink, fontsize=7)
        axes.set_title(emotion.name, fontsize=9.5, pad=7)
        axes.plot([0, 1], [1.03, 1.03], transform=axes.transAxes, color=emotion.color, lw=3, clip_on=False)
        first, last = place % columns == 0, place + columns >= len(space)
        axes.set_xticks([0, 1], ["said", "not said"] if last else ["", ""], fontsize=8)
        axes.set_yticks([0, 1], ["true", "not"] if first else ["", ""], fontsize=8)
        _bare(axes)
    return figure


@styled
def average_precision(document: dict[str, Any], space: LabelSpace) -> Figure:
    """Average precision per label, best first; a mark shows what guessing would get (the label's share).

    Args:
        document: "per_label" with "average_precision" and "support", "n" and "map".
    """
    per_label, n = document["per_label"], document["n"]
    order = sorted(space, key=lambda emotion: per_label[emotion.name]["average_precision"])
    values = [per_label[emotion.name]["average_precision"] for emotion in order]
    chance = [per_label[emotion.name]["support"] / n for emotion in order]
    figure = new_figure(8, 0.27 * len(space) + 1.3)
    axes = figure.subplots()
    places = range(len(order))
    axes.barh(places, values, height=0.72, color=[emotion.color for emotion in order])
    axes.scatter(chance, places, marker="|", s=70, color=INK, zorder=3, label="guessing at random")
    axes.axvline(document["map"], color=BLUE, lw=1.2, ls=(0, (4, 3)), label=f"mean (mAP) {document['map']:.3f}")
    for place, value in zip(places, values, strict=True):
        axes.text(
            value + 0.008, place, f"{value:.2f}", va="center", fontsize=8.5, bbox={"fc": "white", "lw": 0, "pad": 1}
        )
    axes.set_yticks(places, [emotion.name for emotion in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_xlim(0, 1.06)
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    axes.grid(axis="x")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_title("Average precision per label")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0, ncols=2, fontsize=9)
    return figure


@styled
def calibration(calibrated: dict[str, Any], space: LabelSpace) -> Figure:
    """Reliability diagram: share right against confidence, with the number of samples per bin below.

    Args:
        calibrated: "ece" and "bins"; see ``metrics.calibration``.
    """
    bins = calibrated["bins"]
    several = space.multilabel
    filled = [b for b in bins if b["count"]]
    figure = new_figure(6.2, 6.4)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3.2, 1]})
    width = 1 / len(bins)
    lows, highs = [b["low"] for b in filled], [b["high"] for b in filled]
    share = "share that is true" if several else "share right"
    upper.bar(lows, [b["accuracy"] for b in filled], width, align="edge", color=BLUE, edgecolor="white", label=share)
    upper.hlines([b["confidence"] for b in filled], lows, highs, color=ORANGE, lw=3, label="mean confidence")
    upper.plot([0, 1], [0, 1], color=MUTED, lw=1.2, ls=(0, (4, 3)), label="perfectly calibrated")
    upper.set_ylim(0, 1.02)
    upper.set_ylabel(share)
    upper.set_title(f"Calibration: ECE {calibrated['ece']:.3f}")
    upper.legend(loc="upper left", fontsize=9)
    upper.grid(axis="y")
    lower.bar([b["low"] for b in bins], [b["count"] for b in bins], width, align="edge", color=MUTED, edgecolor="white")
    lower.set_xlim(0, 1)
    if several:
        lower.set_yscale("log")
        lower.yaxis.set_major_formatter("{x:,.0f}")
        lower.yaxis.set_minor_formatter("")
    lower.set_ylabel("pairs (log)" if several else "samples")
    lower.set_xlabel("probability of a label" if several else "confidence in the strongest label")
    return figure


@styled
def history(epochs: Sequence[dict[str, Any]], space: LabelSpace) -> Figure:
    """Loss and accuracy per epoch, in training and validation; a line marks the lowest validation loss.

    Args:
        epochs: each with "epoch" and any of "train_loss", "val_loss", "train_accuracy", "val_accuracy".
    """
    figure = new_figure(9.4, 3.7)
    at = [entry.get("epoch", place + 1) for place, entry in enumerate(epochs)]
    validation = [entry.get("val_loss") for entry in epochs]
    known = [value for value in validation if value is not None]
    for axes, kind in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, name, color in (("train", "training", BLUE), ("val", "validation", ORANGE)):
            values = [entry.get(f"{split}_{kind}") for entry in epochs]
            if any(value is not None for value in values):
                values = [math.nan if value is None else value for value in values]
                axes.plot(at, values, color=color, lw=2, marker="o", ms=4 if len(at) < 40 else 0, label=name)
        if known:
            axes.axvline(at[validation.index(min(known))], color=MUTED, lw=1, ls=(0, (2, 3)), label="lowest val. loss")
        axes.set_title(kind.capitalize())
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=9)
    return figure


def new_figure(width: float, height: float) -> Figure:
    figure: Figure = require("matplotlib.figure", "report").Figure(figsize=(width, height))
    return figure


def _side(k: int) -> float:
    """Inches of a matrix of k labels, names included."""
    return max(4.2, 1.6 + k * (0.62 if k <= 10 else 0.46 if k <= 16 else 0.36))


def _square(k: int) -> tuple[Figure, Axes]:
    figure = new_figure(_side(k) + 0.4, _side(k) + 0.3)
    return figure, figure.subplots()


def _matrix(
    axes: Axes,
    values: np.ndarray,
    space: LabelSpace,
    texts: Sequence[str],
    high: float = 1.0,
    low: float = 0.0,
    ramp: Sequence[str] = RAMP,
) -> None:
    """Draw a k × k matrix with the labels' names and colors at its sides, and a text in each cell."""
    k = len(space)
    axes.imshow(values, cmap=_ramp(ramp), vmin=low, vmax=high)
    size = (10 if k <= 8 else 8.5) if k <= 10 else 7.5 if k <= 16 else 6
    size *= min(1.0, 4 / max(4, *map(len, texts)))
    for text, (i, j) in zip(texts, np.ndindex(k, k), strict=True):
        if text:
            ink = "white" if abs(values[i, j]) > 0.55 * high else INK
            axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=size)
    names = 9.5 if k <= 16 else 8
    axes.set_xticks(range(k), space.names, rotation=90 if k > 8 else 45, ha="center" if k > 8 else "right")
    axes.set_yticks(range(k), space.names)
    axes.tick_params(axis="both", pad=15, labelsize=names)
    if k <= 8:
        for label in axes.get_xticklabels():
            label.set_rotation_mode("anchor")
    figure, places = axes.get_figure(root=True), range(k)
    shifted = require("matplotlib.transforms", "report").offset_copy
    dots: dict[str, Any] = {"s": 34 if k <= 16 else 22, "c": [emotion.color for emotion in space], "clip_on": False}
    left = shifted(axes.get_yaxis_transform(), figure, x=-8, units="points")
    below = shifted(axes.get_xaxis_transform(), figure, y=-8, units="points")
    axes.scatter([0] * k, places, transform=left, **dots)
    axes.scatter(places, [0] * k, transform=below, **dots)
    axes.set_xlim(-0.5, k - 0.5)
    axes.set_ylim(k - 0.5, -0.5)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    _bare(axes)
    axes.set_xticks(np.arange(0.5, k - 1), minor=True)
    axes.set_yticks(np.arange(0.5, k - 1), minor=True)
    axes.grid(which="minor", color="white", lw=1.2)
    axes.tick_params(which="minor", length=0)


def _bare(axes: Axes) -> None:
    axes.spines[["left", "right", "top", "bottom"]].set_visible(False)


def _percent(share: float) -> str:
    """A share as whole per cent; nothing where that is 0."""
    return f"{100 * share:.0f}".removeprefix("0")


def _ramp(colors: Sequence[str] = RAMP) -> Any:
    return require("matplotlib.colors", "report").LinearSegmentedColormap.from_list("mien", colors)
