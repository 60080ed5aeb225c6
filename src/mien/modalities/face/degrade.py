"""What spoils pictures of faces: few pixels, blur, compression, noise, poor light, a mask, the picture's edge.

Training shows networks such faces, and what knows how far an answer can be trusted learns from them.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from mien.media.pixels import resize

#: The band that a part of the face takes up in an aligned crop, top and bottom in units of its side.
BANDS = {"eyes": (0.27, 0.5), "mouth": (0.56, 1.0)}
_LEAST = 9  # pixels a side of the smallest face; no label survives fewer


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture as if it had been *side* pixels a side, enlarged again; one that small is given back as it is.

    Args:
        picture: uint8, (n, n) or (n, n, 3), as in all functions here; so is what they return.
    """
    whole = picture.shape[0]
    return picture if side >= whole else resize(resize(picture, side, side), whole, whole)


def blur(picture: np.ndarray, radius: float) -> np.ndarray:
    """The picture out of focus.

    Args:
        radius: standard deviation of the Gaussian, as a share of the side.
    """
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius * picture.shape[0])))


def compress(picture: np.ndarray, quality: int) -> np.ndarray:
    """The picture after JPEG of a quality, 1..95."""
    coded = io.BytesIO()
    Image.fromarray(picture).save(coded, "jpeg", quality=quality)
    return np.asarray(Image.open(coded))


def cover(picture: np.ndarray, part: str, level: int, fold: float = 0.0) -> np.ndarray:
    """The picture with eyes or mouth behind something plain.

    Args:
        part: a name of `BANDS`.
        level: gray level of what covers it.
        fold: how much brighter its middle is than its sides, in gray levels.
    """
    side = picture.shape[0]
    top, bottom = (round(edge * side) for edge in BANDS[part])
    across = np.abs(np.linspace(-1, 1, side))
    inset = 0.08 if part == "mouth" else 0.02  # a mask leaves the cheeks' edges free
    inside = across < 1 - inset
    covered = picture.copy()
    shade = np.clip(level + fold * (1 - 2 * across), 0, 255).astype(np.uint8)[inside]
    covered[top:bottom, inside] = shade if picture.ndim == 2 else shade[:, None]
    return covered


def cut(picture: np.ndarray, edge: int, share: float) -> np.ndarray:
    """The picture of a face that the frame cuts off: beyond the edge the last row is repeated, as `align` does.

    Args:
        edge: 0 for the top, 1 for the bottom, 2 for the left, 3 for the right.
        share: of the side that lies outside.
    """
    lost = round(share * picture.shape[0])
    if not lost:
        return picture
    turned = picture if edge < 2 else np.moveaxis(picture, 1, 0)
    changed = turned.copy()
    if edge % 2:
        changed[-lost:] = turned[-lost - 1]
    else:
        changed[:lost] = turned[lost]
    return changed if edge < 2 else np.moveaxis(changed, 0, 1)


def noise(picture: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """The picture from a sensor with too little light; *level* is the standard deviation in gray levels."""
    noisy: np.ndarray = np.clip(picture + rng.normal(0, level, picture.shape), 0, 255).astype(np.uint8)
    return noisy


def relight(picture: np.ndarray, bend: float, slope: float, angle: float) -> np.ndarray:
    """The picture in other light.

    Args:
        bend: exponent of the gray levels; above 1 darkens.
        slope: how much brighter one side is than the other, as a share.
        angle: where the light comes from, in radians.
    """
    side = picture.shape[0]
    ramp = np.linspace(-1, 1, side)
    light = 1 + slope / 2 * (np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None])
    bent = 255 * (picture / 255) ** bend
    lit: np.ndarray = np.clip(bent * (light if picture.ndim == 2 else light[:, :, None]), 0, 255).astype(np.uint8)
    return lit


def degrade(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture spoiled in one or two ways, the same for the same *rng* state."""
    side = picture.shape[0]

    def few_pixels(shown: np.ndarray) -> np.ndarray:
        return shrink(shown, round(_LEAST * (side / _LEAST) ** rng.random()))

    ways: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda shown: relight(shown, 2.0 ** rng.uniform(-1, 1), rng.uniform(0, 1), rng.uniform(0, 2 * np.pi)),
        lambda shown: cover(shown, str(rng.choice(list(BANDS))), int(rng.integers(256)), rng.uniform(-40, 40)),
        lambda shown: cut(shown, int(rng.integers(4)), rng.uniform(0, 0.35)),
        lambda shown: blur(shown, rng.uniform(0.005, 0.045)),
        few_pixels,
        lambda shown: noise(shown, rng.uniform(2, 20), rng),
        lambda shown: compress(shown, int(rng.integers(15, 60))),
    ]
    weights = np.array([2, 1, 1, 1.5, 3, 1, 1])
    chosen = rng.choice(len(ways), size=int(rng.integers(1, 3)), replace=False, p=weights / weights.sum())
    for place in sorted(chosen):  # in the order in which light, lens, sensor and file change a face
        picture = ways[place](picture)
    return picture
