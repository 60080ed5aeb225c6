"""How a face or a scene looks another time: seeded changes to pictures, made in one pass with the resizing."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mien.media.pixels import warp
from mien.modalities.face.degrade import degrade


class AugmentSettings(BaseModel):
    """How far training pictures are changed, anew in each epoch.

    Attributes:
        flip: share of pictures that are mirrored.
        shift: furthest move along either axis, as a share of the side.
        turn: largest turn, in degrees.
        scale: largest change of size, as a share.
        contrast: largest change of contrast, as a share.
        brightness: largest change of brightness, in gray levels of 255.
        crop: smallest share of the picture's area that is shown; the part shown is up to a third wider or narrower than
            the whole (Szegedy et al. 2015). 1: always all of it.
        saturation: largest change of how strong colors are, as a share.
        cutout: share of pictures in which a square is blotted out (DeVries & Taylor 2017).
        cutout_size: largest side of that square, as a share of the side; the smallest is a third of it.
        degrade: share of pictures that are spoiled first, as :func:`mien.modalities.face.degrade.degrade` does.
    """

    model_config = ConfigDict(extra="forbid")
    flip: float = Field(0.0, ge=0, le=1)
    shift: float = Field(0.0, ge=0, le=0.5)
    turn: float = Field(0.0, ge=0, le=180)
    scale: float = Field(0.0, ge=0, lt=1)
    contrast: float = Field(0.0, ge=0, lt=1)
    brightness: float = Field(0.0, ge=0, le=255)
    crop: float = Field(1.0, gt=0, le=1)
    saturation: float = Field(0.0, ge=0, le=1)
    cutout: float = Field(0.0, ge=0, le=1)
    cutout_size: float = Field(0.35, gt=0, le=1)
    degrade: float = Field(0.0, ge=0, le=1)


def augment(picture: np.ndarray, size: int, settings: AugmentSettings, rng: np.random.Generator) -> np.ndarray:
    """The picture as another photographer might have taken it, the same for the same *rng* state.

    Args:
        picture: uint8, (side, side) or (side, side, 3).
        size: pixels a side of what is returned.

    Returns:
        uint8, (size, size) or (size, size, 3).
    """
    if settings.degrade and rng.random() < settings.degrade:
        picture = degrade(picture, rng)
    flip, cut = rng.random(2)
    turn, scale, x, y, contrast, brightness = rng.uniform(-1, 1, 6)
    side, angle = picture.shape[0], np.deg2rad(settings.turn * turn)
    grow = size / side * (1 + settings.scale * scale)
    cos, sin = grow * np.cos(angle), grow * np.sin(angle)
    mirror = -1 if flip < settings.flip else 1
    matrix = np.array([[mirror * cos, -sin, 0], [mirror * sin, cos, 0]])
    middle = np.full(2, 0.5)  # of what is shown, as a share of the picture
    if settings.crop < 1:
        area, stretch, *place = rng.random(4)
        sides = (4 / 3) ** (np.array([0.5, -0.5]) * (2 * stretch - 1))  # of a part with the area of the whole
        shown = np.sqrt(settings.crop + (1 - settings.crop) * area) * sides
        shown = np.minimum(shown, 1)
        middle = shown / 2 + (1 - shown) * place
        matrix[:, :2] /= shown
    centre = (size - 1) / 2 + settings.shift * size * np.array([x, y])
    matrix[:, 2] = centre - matrix[:, :2] @ (middle * side - 0.5)
    pixels = warp(picture, matrix, size).astype(np.float32)
    mean = pixels.mean()
    pixels = (pixels - mean) * (1 + settings.contrast * contrast) + mean + settings.brightness * brightness
    if settings.saturation and pixels.ndim == 3:
        gray = pixels.mean(2, keepdims=True)
        pixels = gray + (pixels - gray) * (1 + settings.saturation * rng.uniform(-1, 1))
    if cut < settings.cutout:
        length = max(1, round(size * settings.cutout_size * rng.uniform(1 / 3, 1)))
        top, left = rng.integers(0, size - length + 1, 2)
        pixels[top : top + length, left : left + length] = pixels.mean()
    changed: np.ndarray = np.clip(pixels, 0, 255).astype(np.uint8)
    return changed
