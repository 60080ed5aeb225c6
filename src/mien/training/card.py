"""The model card: README.md of a model folder, ``card.md.j2`` filled from the manifest (after Mitchell et al. 2019)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mien.modality import get_modality
from mien.model import CHOOSER, Manifest

INNER = "inner folds"  # where the figures of a run without validation data are from
_TEMPLATE = Path(__file__).with_name("card.md.j2")
_FEW = 12  # labels of which the recall of each is shown, and columns that are named


def card(manifest: Manifest) -> str:
    """The card as Markdown. It says nothing that the manifest does not hold."""
    import jinja2

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.ChainableUndefined)
    environment.filters |= {"count": _count, "fixed": _fixed}
    environment.globals["inner"] = INNER
    face = manifest.training.get("face")
    sources = [str(entry.get("spec", "")) for entry in manifest.data]
    text = environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        model=manifest,
        modality=get_modality(manifest.modality),
        training=manifest.training,
        history=manifest.training.get("history") or [],
        chooser=CHOOSER,
        figures=_figures(manifest.metrics),
        face=face and {**face, "figures": _figures(face["metrics"])},
        boxes=get_modality(manifest.modality).boxes,
        columns=manifest.preprocess.get("columns", []),
        few=_FEW,
        on_fer2013=any(re.match(r"(fer2013|ferplus)\b", source) for source in sources),
        on_oasis=any(source.startswith("oasis") for source in sources),
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """What the tables of a manifest's metrics show."""
    recall: dict[str, dict[str, Any]] = {}  # label space → data → label → recall
    for name, of in metrics.items():
        if 0 < len(of.get("recall", {})) <= _FEW:
            recall.setdefault(of.get("space", ""), {})[name] = of["recall"]
    return {
        "labeled": {name: of for name, of in metrics.items() if "accuracy" in of or "ratings" not in of},
        "several": any("top1" in of for of in metrics.values()),
        "sure": any("sure_answered" in of for of in metrics.values()),
        "repeated": any("n_seen" in of for of in metrics.values()),
        "mirrored": any("with mirror image" in name for name in metrics),
        "rated": {name: of["ratings"] for name, of in metrics.items() if of.get("ratings")},
        "folds": {name: of.get("folds") or {} for name, of in metrics.items()},
        "recall": recall,
    }


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def _fixed(value: float | None, places: int = 4, missing: str = "") -> str:
    return f"{value:.{places}f}" if isinstance(value, int | float) else missing
