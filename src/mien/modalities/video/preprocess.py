"""How a clip is gone through: the settings that training and prediction share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mien.modalities.face.detect import Face
from mien.modalities.face.preprocess import FaceSettings, align
from mien.modalities.face.quality import measure
from mien.results import Box, Quality


class VideoSettings(BaseModel):
    """The ``preprocess`` part of the manifest of a model of clips.

    Attributes:
        face: how each face is prepared for the network.
        fps: frames a second in which faces are looked for.
        frames: so many frames, spread evenly over the clip, instead of ``fps``.
        aggregate: the rule that makes one answer of a person's moments, and of all moments of a clip; see
            :data:`mien.modalities.video.aggregate.RULES`.
            "learned": a network was trained to read a person's moments together.
        window: seconds of a person that such a network reads at once.
        smooth: seconds before and after a moment over which a person's probabilities are averaged, near ones more than
            far ones, against flicker; 0 for none. See :func:`mien.segments.smooth`.
    """

    model_config = ConfigDict(extra="forbid")
    face: FaceSettings = FaceSettings()
    fps: float = Field(5, gt=0, le=240)
    frames: int | None = Field(None, ge=1)
    aggregate: Literal["sum", "vote", "mean", "learned"] = "sum"
    window: float = Field(10, gt=0, le=600)
    smooth: float = Field(0.6, ge=0, le=60)

    @property
    def sampling(self) -> tuple[float | None, int | None]:
        """Frames a second, or frames of a clip."""
        return (self.fps, None) if self.frames is None else (None, self.frames)


def cut_face(settings: FaceSettings) -> Callable[[np.ndarray, Face], tuple[Box, np.ndarray, Quality]]:
    """What cuts a face out of a frame: its box, the crop as the network is given it, and how well it can be seen."""

    def cut(picture: np.ndarray, face: Face) -> tuple[Box, np.ndarray, Quality]:
        crop = align(picture, face, settings)
        return face.box, crop, measure(picture, face, crop)

    return cut
