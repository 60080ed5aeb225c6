"""From a photograph to what the network is given: the one function that training and prediction go through."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mien.media.images import Region, read_picture
from mien.modalities.face.preprocess import resize
from mien.results import Box

CHANNELS = 3
#: How far a body reaches beside, above and below the middle of a face, in widths and heights of the detector's box
#: around it: about three heads wide and seven and a half high. No measurement, a painter's rule.
_BESIDE, _ABOVE, _BELOW = 1.75, 0.9, 6.6


class SceneSettings(BaseModel):
    """The ``preprocess`` part of a scene model's manifest.

    Attributes:
        size: pixels a side of each picture that the network is given.
        source: pixels a side of the pictures it learned from, out of which training cuts. Every picture is brought
            down to that first; 0 for no such step.
        views: what the network is given of a sample: "picture", the whole photograph; "person", what is within the
            box; or both, in this order.
        mirror: whether each sample is read together with its mirror image, and the two answers averaged.
        fps: frames a second that are read of a clip.
    """

    model_config = ConfigDict(extra="forbid")
    size: int = Field(224, ge=32, le=1024)
    source: int = Field(0, ge=0, le=2048)
    views: tuple[Literal["picture", "person"], ...] = ("picture",)
    mirror: bool = False
    fps: float = Field(2, gt=0, le=240)

    @field_validator("views")
    @classmethod
    def _in_order(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        if views not in (("picture",), ("person",), ("picture", "person")):
            raise ValueError("views are [picture], [person] or [picture, person]")
        return views


def read(item: Any, notes: list[str] | None = None) -> tuple[np.ndarray, Box | None]:
    """The photograph, uint8 (height, width, 3), and the box of the person meant, if one is.

    Args:
        item: a path, bytes or pixels, or a :class:`mien.media.images.Region`.
        notes: see :func:`mien.media.images.read_picture`.

    Raises:
        InputError: the picture cannot be read; one line that says why.
    """
    if isinstance(item, Region):
        return read_picture(item.path, notes=notes), item.box
    return read_picture(item, notes=notes), None


def prepare(picture: np.ndarray, box: Box | None, settings: SceneSettings) -> np.ndarray:
    """A sample as the network is given it.

    Args:
        picture: uint8 (height, width, 3) red, green, blue.
        box: of the person, in pixels of the picture; None for the whole of it.

    Returns:
        uint8 (size, size, 3), or (2, size, size, 3) of both views: the picture, then the person.

    Raises:
        InputError: the box lies outside the picture.
    """
    return finish(cut_views(picture, box, settings), settings)


def cut_views(picture: np.ndarray, box: Box | None, settings: SceneSettings) -> list[np.ndarray]:
    """The first half of :func:`prepare`: each view, uint8 (height, width, 3), no larger than those learned from."""
    person = picture if box is None else Region("box", box).cut(picture)
    seen = [picture if view == "picture" else person for view in settings.views]
    most = settings.source or settings.size
    return [resize(view, most) if max(view.shape[:2]) > most else view for view in seen]


def finish(views: list[np.ndarray], settings: SceneSettings) -> np.ndarray:
    """The second half of :func:`prepare`."""
    return stack([resize(view, settings.size) for view in views])


def stack(views: list[np.ndarray]) -> np.ndarray:
    """One view as it is, two in one array."""
    return views[0] if len(views) == 1 else np.stack(views)


def body(face: Box, width: int, height: int) -> Box:
    """Where the body of a person with this face may be in a picture of that size: an estimate, for want of a detector.

    It supposes that the person is upright; what lies outside the picture is left out.
    """
    left, top, right, bottom = face
    wide, high = right - left, bottom - top
    middle, level = (left + right) / 2, (top + bottom) / 2
    return (
        max(0.0, middle - _BESIDE * wide),
        max(0.0, level - _ABOVE * high),
        min(float(width), middle + _BESIDE * wide),
        min(float(height), level + _BELOW * high),
    )
