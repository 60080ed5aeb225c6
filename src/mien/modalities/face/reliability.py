"""How probable it is that a face's label is right, from all that is known of the face: one logistic regression.

The top score alone misleads where a face is small, blurred, hidden or none: networks are as confident there as
elsewhere. The weights stand in the manifest, under "photo" for faces found in pictures and "crop" for ready crops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mien.errors import ModelError
from mien.model import Manifest
from mien.results import Quality

SEEN = "seen"  # the head that tells what a crop shows
PARTS = ("human", "mouth", "eyes")  # what of it, as `Quality` calls that
NAMES = ("human face", "mouth free", "eyes free")  # and the head's labels for them
BIAS = "bias"
_SURE = 7.0  # log-odds beyond which all are equally sure


def evidence(quality: Quality, scores: Mapping[str, float], seen: Mapping[str, float]) -> dict[str, float]:
    """What speaks for and against a face's label, by name, each about -3 to 3.

    Args:
        scores: label → probability.
        seen: label of the head "seen" → probability.
    """
    ranked = sorted(scores.values(), reverse=True)
    size = math.log2(min(max(quality.size, 4.0), 256.0))
    told = {
        "top": _odds(ranked[0]),
        "margin": ranked[0] - ranked[1],
        "entropy": -sum(score * math.log(score + 1e-9) for score in ranked),
        "below 32 pixels": max(0.0, 5 - size),
        "below 16 pixels": max(0.0, 4 - size),
        "sharpness": 10 * quality.sharpness,
        "detector": _odds(1.0 if quality.detector is None else quality.detector),
        "outside": 1 - quality.inside,
        "yaw": min(abs(quality.yaw or 0.0), 90) / 45,
        "up": min(max(quality.pitch or 0.0, 0), 60) / 30,
        "down": min(max(-(quality.pitch or 0.0), 0), 60) / 30,
        "roll": min(abs(quality.roll or 0.0), 90) / 45,
    }
    told |= {part: _odds(seen[part]) for part in PARTS}
    best = max(scores, key=scores.__getitem__)
    return told | {f"said {label}": float(label == best) for label in scores}


def _odds(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return min(max(math.log(share / (1 - share)), -_SURE), _SURE)


class Judge:
    """Gives the qualities of faces their reliability, as a model's manifest says.

    Args:
        manifest: of a model of faces.

    Raises:
        ModelError: the manifest goes by what this version of mien does not measure.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._weights = manifest.reliability
        self._space = manifest.space
        self._columns = manifest.columns(SEEN)
        if not self._weights:
            return
        entry = next((entry for entry in manifest.heads if entry.space == SEEN), None)
        if entry is None or entry.names != list(NAMES):
            raise ModelError(f"{manifest.name}: its reliability needs the head {SEEN!r} with {', '.join(NAMES)}")
        even = dict.fromkeys(self._space.names, 1 / len(self._space))
        known = {*evidence(Quality(1.0, 48, 0.1), even, dict.fromkeys(PARTS, 0.5)), BIAS}
        for weights in self._weights.values():
            if unknown := sorted(set(weights) - known):
                raise ModelError(f"{manifest.name}: its reliability goes by {unknown[0]!r}, unknown to this mien")

    def judge(self, quality: Quality, row: np.ndarray, own: bool = True) -> Quality:
        """The quality with what the network saw, and the reliability of its answer.

        Args:
            row: what the network gave for this face, float (all columns,).
            own: whether the answer is one in the model's own labels; of another head's it is not known.
        """
        if self._columns is None:
            return quality
        seen = dict(zip(PARTS, row[self._columns].tolist(), strict=True))
        quality = replace(quality, **seen)
        weights = self._weights.get("crop" if quality.detector is None else "photo")
        if weights is None or not own:
            return quality
        told = evidence(quality, dict(zip(self._space.names, row[: len(self._space)].tolist(), strict=True)), seen)
        odds = weights.get(BIAS, 0.0) + sum(weights.get(name, 0.0) * value for name, value in told.items())
        return replace(quality, reliability=1 / (1 + math.exp(-min(max(odds, -30.0), 30.0))))
