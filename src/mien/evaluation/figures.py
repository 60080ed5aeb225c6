"""Figures of an evaluation: each function returns a matplotlib ``Figure`` on white; :func:`png` makes it a picture.

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
COLORS = (BLUE, ORANGE, "#2a9d8f", "#8d62c9", "#d7433b", "#6b7280", "#c2578b", "#8a7a1f")
_ACROSS = 3
_BINS = 10

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
    """How many samples of each true label (row) were given each label (column)."""
    counts = np.array(confusion["counts"])
    texts = [f"{value}" if value else "" for value in counts.ravel()]
    return _one_matrix("Confusion matrix: samples", counts, space, texts, high=max(1, counts.max()))


@styled
def confusion_shares(confusion: dict[str, Any], space: LabelSpace) -> Figure:
    """Which share of the samples of each true label (row) was given each label (column); rows sum to 1."""
    shares = np.array(confusion["shares"])
    return _one_matrix("Confusion matrix: % of each true label", shares, space, _percents(shares))


@styled
def cooccurrence(together: dict[str, Any], space: LabelSpace) -> Figure:
    """Which labels are predicted, and which are true, where a label is true: two matrices side by side."""
    side = _side(len(space))
    figure = new_figure(2 * side + 1.2, side + 0.9)
    left, right = figure.subplots(1, 2)
    for axes, kind, title, across in (
        (left, "predicted", "Predicted where a label is true (%)", "predicted"),
        (right, "true", "Also true where a label is true (%)", "also true"),
    ):
        shares = np.array(together[kind])
        _matrix(axes, shares, space, _percents(shares))
        axes.set_title(title)
        axes.set_xlabel(across)
    return figure


@styled
def cooccurrence_difference(together: dict[str, Any], space: LabelSpace) -> Figure:
    """The first matrix of :func:`cooccurrence` less the second: what is said too often there, and what too rarely.

    Less than 5 percentage points have no number, so that the others stand out.
    """
    difference = np.array(together["predicted"]) - np.array(together["true"])
    texts = [f"{100 * value:+.0f}" if abs(value) >= 0.05 else "" for value in difference.ravel()]
    return _one_matrix("Predicted minus true (% points)", difference, space, texts, low=-1.0, ramp=DIVERGING)


@styled
def confusion_per_label(cells: dict[str, dict[str, int]], space: LabelSpace) -> Figure:
    """One 2×2 confusion matrix per label, of its "tp", "fp", "fn" and "tn"; color is the share within each row."""
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
    """Average precision per label, best first; a mark shows what guessing would get (the label's share)."""
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
    """Reliability diagram: share right against confidence, with the number of samples per bin below."""
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
    """Loss and accuracy per epoch, in training and validation; a line marks the lowest validation loss."""
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


@styled
def ratings(document: dict[str, Any], space: LabelSpace) -> Figure:
    """Each rating: what was predicted against what is true, with the mean prediction in steps of the true value."""
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
    axes.set_title(f"{name}: r = {_figure(figures['pearson'])}", pad=21)
    further = {"ρ": _figure(figures["spearman"]), "CCC": _figure(figures["ccc"]), "MAE": f"{figures['mae']:.2f}"}
    words = "   ".join(f"{name} {value}" for name, value in {**further, "n": f"{figures['n']:,}"}.items())
    axes.text(0, 1.02, words, transform=axes.transAxes, fontsize=8.5, color=MUTED, va="bottom")
    axes.legend(loc="upper left", fontsize=8.5, borderpad=0.2, frameon=True, edgecolor="none", framealpha=0.7)


@styled
def by_group(document: dict[str, Any], space: LabelSpace) -> Figure:
    """How well each label is read in each group: average precision, of one label at a time F1."""
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


def _figure(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.2f}"


def _cut(text: str) -> str:
    return text if len(text) <= 16 else text[:15] + "…"


def new_figure(width: float, height: float) -> Figure:
    figure: Figure = require("matplotlib.figure", "report").Figure(figsize=(width, height))
    return figure


def _side(k: int) -> float:
    """Inches of a matrix of k labels, names included."""
    return max(4.2, 1.6 + k * (0.62 if k <= 10 else 0.46 if k <= 16 else 0.36))


def _one_matrix(title: str, values: np.ndarray, space: LabelSpace, texts: Sequence[str], **scale: Any) -> Figure:
    side = _side(len(space))
    figure = new_figure(side + 0.4, side + 0.3)
    axes = figure.subplots()
    _matrix(axes, values, space, texts, **scale)
    axes.set_title(title)
    return figure


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


def _percents(shares: np.ndarray) -> list[str]:
    """Shares as whole per cent; nothing where that is 0."""
    return [f"{100 * share:.0f}".removeprefix("0") for share in shares.ravel()]


def _ramp(colors: Sequence[str] = RAMP) -> Any:
    return require("matplotlib.colors", "report").LinearSegmentedColormap.from_list("mien", colors)
