"""How well a face could be seen, and how far its label can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Quality:
    """What a face's label rests on.

    Attributes:
        detector: how sure the detector is that it is a face, 0..1; None of a ready crop, in which none was looked for.
        size: the shorter side of the face's box, in pixels of the picture.
        sharpness: share of fine detail in it, 0..1.
        yaw, pitch, roll: where the head is turned to, in degrees: to the picture's right, up, leaning clockwise; None
            where that is not known.
        inside: share of the box that lies in the picture, 0..1.
        human, mouth, eyes: how probable it is that this is a human face, that its mouth and its eyes are free, 0..1;
            None where the model does not tell.
        reliability: how probable it is that the label is right, 0..1; None where the model does not tell.
    """

    detector: float | None
    size: float
    sharpness: float
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    inside: float = 1.0
    human: float | None = None
    mouth: float | None = None
    eyes: float | None = None
    reliability: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """Plain values, ready for JSON: angles and sizes with one digit, shares with four, the reliability with six."""
        digits = {"size": 1, "yaw": 1, "pitch": 1, "roll": 1, "reliability": 6}
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: None if value is None else round(value, digits.get(name, 4)) for name, value in values.items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Quality:
        """The quality that :meth:`to_dict` gave these values of."""
        values: dict[str, Any] = {one.name: document.get(one.name) for one in fields(cls)}
        return cls(**values)


def together(qualities: Iterable[Quality | None]) -> Quality | None:
    """The quality of several moments as one: that of the best seen, with their mean reliability.

    None where no reliability is known.
    """
    known = [(one.reliability, one) for one in qualities if one is not None and one.reliability is not None]
    if not known:
        return None
    _, best = max(known, key=lambda pair: pair[0])
    return replace(best, reliability=sum(told for told, _ in known) / len(known))


def is_unreliable(document: Mapping[str, Any]) -> bool:
    """Whether these values of a prediction, as ``to_dict`` gives them, are those of an unreliable face."""
    told = (document.get("quality") or {}).get("reliability")
    return bool(document.get("unsure")) and told is not None
