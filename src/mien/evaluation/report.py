"""The outcome of an evaluation, as JSON and as a page with figures."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import MienError, require
from mien.evaluation import figures, sheets
from mien.evaluation.certainty import risk_coverage
from mien.evaluation.samples import data_uri
from mien.inputs import to_write
from mien.labels import LabelSpace
from mien.results.notebook import report_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_CHARACTERS = 600  # of a text in the page; report.json has all of it
SHOWN_GROUPS = 60
SHOWN_SETTINGS = 40
DRAWN_GROUPS = 4  # more than that have no matrices of their own as pictures


@dataclass(frozen=True)
class Report:
    """How right a model is on a data set. Made by :func:`mien.evaluation.evaluate`.

    Attributes:
        space: the labels that were compared.
        figures: what :mod:`mien.evaluation.metrics` measured.
        model: name, modality, labels, training and its data.
        data: name, licence, fingerprint, samples per label and split.
        split: the split measured.
        mirror: whether each picture was read together with its mirror image.
        known_groups: the column by which the data told a model with experts whose turn it is; "" where it chose itself.
        without_seen: how many samples stand in the training data too ("seen"), and the main figures without them
            ("n" of them, "accuracy", …); None where none does, or training data were measured.
        restricted: where the data lack some of the labels that were compared: those they have ("labels") and lack
            ("left_out") of the "space", and the main figures over those they have; None else.
        by: ``{"column", "groups": [{"group", "n", "accuracy", …}]}``, or None.
        folds: of a cross-validation "mean" and "std" of the main figures over the folds, and "parts": of each "fold",
            "n", the figures, and "settings" where it chose some; None else.
        points: rating → pairs of true and predicted value, for its plot; of many samples some.
        mistakes: the most confident mistakes: input, true, predicted, label, score, where; of pictures also row (place
            in what was measured, from 0) and seen_in_training. A picture without a file goes by its place.
        samples: pictures to look at, the same of each, with "right": whether its strongest label is true.
        thumbnails: row → small picture, uint8 (height, width, 3), of the mistakes and samples that are pictures.
        unread: the pictures or clips that cannot be read and were left out: of each "where" it comes from, and "what"
            is wrong with it.
        left_out: reason → how many rows are in no figure for it: by the reader of the data, in all of the set; and of
            the split, because no label of the model's fits or they cannot be read.
        rows: how many there are in all of the set, with those left out.
        notes: what must be known to read the figures rightly.
        made: when, and with which versions and machine.
    """

    space: LabelSpace
    figures: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    split: str
    mirror: bool = False
    known_groups: str = ""
    without_seen: dict[str, Any] | None = None
    restricted: dict[str, Any] | None = None
    by: dict[str, Any] | None = None
    folds: dict[str, Any] | None = None
    points: dict[str, list[list[float]]] = field(default_factory=dict)
    mistakes: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    thumbnails: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    unread: list[dict[str, str]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        found = {"n": self.figures.get("n"), "accuracy": self.accuracy, "macro_f1": self.macro_f1}
        told = [f"{name}={value:.6g}" for name, value in found.items() if value is not None and not math.isnan(value)]
        parts = [repr(str(self.model["name"])), f"data={self.data['name']!r}", f"split={self.split!r}", *told]
        return f"Report({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """What a notebook shows; :meth:`to_html` gives the whole page."""
        return report_html(self.to_dict(), self.space)

    @property
    def accuracy(self) -> float:
        """Share of samples with the right label (several at a time: all labels right), 0..1; NaN without labels."""
        return float(self.figures.get("accuracy", math.nan))

    @property
    def macro_f1(self) -> float:
        """F1 averaged over the labels, 0..1; NaN without labels."""
        return float(self.figures.get("macro_f1", math.nan))

    def to_dict(self) -> dict[str, Any]:
        """The content of report.json: plain values; numbers rounded to 6 digits, no NaN."""
        document = {
            "model": self.model["name"],
            "data": self.data["name"],
            "split": self.split,
            "space": self.space.name,
            "multilabel": self.space.multilabel,
            "labels": list(self.space.names),
            "mirror": self.mirror,
            "known_groups": self.known_groups,
            **self.figures,
            **({"points": self.points} if self.points else {}),
            "without_seen": self.without_seen,
            **({"restricted": self.restricted} if self.restricted else {}),
            "by": self.by,
            **({"folds": self.folds} if self.folds else {}),
            "mistakes": self.mistakes,
            "samples": self.samples,
            "unread": self.unread,
            "left_out": self.left_out,
            "rows": self.rows,
            "notes": self.notes,
            "made": self.made,
            "about_model": self.model,
            "about_data": self.data,
        }
        plain: dict[str, Any] = _plain(document)
        return plain

    def charts(self) -> dict[str, bytes]:
        """File name → PNG, in the order of the page.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        document = self.to_dict()
        drawn: dict[str, bytes] = {}
        sure = document.get("certainty") or {}
        several = document if "cooccurrence" in document else None
        groups = (document["by"] or {}).get("groups", [])
        epochs = document["about_model"]["training"].get("history") or []
        detailed = groups if groups and "per_label" in groups[0] else []
        drawings: list[tuple[str, Callable[[Any, LabelSpace], Figure], Any]] = [
            ("ratings.png", figures.ratings, document if any(document.get("points", {}).values()) else None),
            *_matrices(document),
            ("average_precision.png", figures.average_precision, several),
            ("cooccurrence_difference.png", figures.cooccurrence_difference, document.get("cooccurrence")),
            ("history.png", figures.history, epochs if any("train_loss" in row for row in epochs) else None),
            ("calibration.png", figures.calibration, document.get("calibration")),
            ("certainty.png", risk_coverage, sure if "surest" in sure else None),
            ("by_group.png", figures.by_group, document if detailed else None),
            ("samples.png", sheets.samples, (document["samples"], self.thumbnails) if self.samples else None),
            ("layout.png", sheets.layout, document["about_model"]["training"].get("layout")),
        ]
        for place, group in enumerate(detailed if len(detailed) <= DRAWN_GROUPS else [], 1):
            drawings += [(f"by_{place}_{name}", draw, value) for name, draw, value in _matrices(group)[1:]]
        for name, draw, value in drawings:
            if value:
                drawn[name] = figures.png(draw(value, self.space))
        return drawn

    def to_html(self, charts: dict[str, bytes] | None = None) -> str:
        """The page: one file that needs no other and no network.

        Args:
            charts: what :meth:`charts` gave; drawn anew if None.

        Raises:
            MissingExtra: jinja2 or matplotlib is not installed.
        """
        jinja2 = require("jinja2", "report")
        environment = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        environment.filters |= {"percent": _percent, "number": _number, "shown": _shown, "value": _value}
        files = resources.files("mien.evaluation")
        source, style = (files.joinpath(name).read_text("utf-8") for name in ("report.html.j2", "report.css"))
        template = environment.from_string(source)
        drawn = self.charts() if charts is None else charts
        page: str = template.render(
            style=style,
            report=self.to_dict(),
            space=self.space,
            emotions={emotion.name: emotion for emotion in self.space},
            thumbnails={row: data_uri(picture) for row, picture in self.thumbnails.items()},
            images={name.removesuffix(".png"): base64.b64encode(png).decode() for name, png in drawn.items()},
            shown_groups=SHOWN_GROUPS,
            shown_settings=SHOWN_SETTINGS,
        )
        return page

    def write(self, folder: str | Path) -> Path:
        """Write report.json, report.html and the figures as PNG into *folder*, which is made if need be.

        Returns:
            The path of report.html.

        Raises:
            MienError: the folder cannot be written; the message names the path.
            MissingExtra: jinja2 or matplotlib is not installed.
        """
        folder = to_write(folder)
        charts = self.charts()
        self._write(folder, {**charts, "report.html": self.to_html(charts).encode("utf-8", "replace")})
        self.write_json(folder)
        return folder / "report.html"

    def write_json(self, folder: str | Path) -> Path:
        """Write report.json alone.

        Raises:
            MienError: the folder cannot be written; the message names the path.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self._write(to_write(folder), {"report.json": text.encode("utf-8", "replace")})
        return Path(folder) / "report.json"

    def _write(self, folder: Path, files: dict[str, bytes]) -> None:
        path = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                path = folder / name
                path.write_bytes(content)
        except OSError as error:
            raise MienError(f"cannot write {path}: {error.strerror or error}") from error


def _matrices(measured: dict[str, Any]) -> list[tuple[str, Callable[[Any, LabelSpace], Figure], Any]]:
    """The matrices of a report or of one of its groups."""
    confusion = measured.get("confusion", {})
    return [
        ("confusion_counts.png", figures.confusion_counts, confusion if "counts" in confusion else None),
        ("confusion_shares.png", figures.confusion_shares, confusion if "shares" in confusion else None),
        ("confusion_per_label.png", figures.confusion_per_label, confusion.get("per_label")),
        ("cooccurrence.png", figures.cooccurrence, measured.get("cooccurrence")),
    ]


def _plain(value: Any) -> Any:
    """The same with Python's own types only; NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:.{digits}f}"


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"


def _value(value: Any) -> str:
    """A setting on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)
