"""Arrays of pixels, uint8 (height, width) gray or (height, width, 3) RGB: resized, warped, in other colors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from mien.errors import InputError


def bgr(frame: np.ndarray) -> np.ndarray:
    """The RGB array of a frame as OpenCV gives it, blue first; :func:`mien.predict` and the rest take arrays as RGB.

    ::

        there, frame = cv2.VideoCapture(0).read()
        result = mien.predict(mien.bgr(frame))

    Args:
        frame: uint8 of shape (height, width, 3), blue, green, red; (height, width, 4), those and alpha; or gray,
            (height, width) or (height, width, 1), which stays as it is.

    Raises:
        InputError: it is no such array; or None, which OpenCV gives where it could not read.
    """
    if frame is None:
        raise InputError("there is no frame: OpenCV gives None where it cannot read")
    if not isinstance(frame, np.ndarray):
        raise InputError(f"a frame of OpenCV's is an array, not {type(frame).__name__}")
    frame = checked(frame)
    if frame.ndim == 2 or frame.shape[2] == 1:
        return frame
    return np.ascontiguousarray(frame[..., [2, 1, 0, 3][: frame.shape[2]]])


def checked(array: np.ndarray) -> np.ndarray:
    """The array, if it is an image. Raises InputError: it is not; one line."""
    if array.dtype != np.uint8:
        raise InputError(f"a picture in memory must be uint8 (0 to 255), not {array.dtype}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"a picture in memory must be (height, width) or (height, width, 3), not {array.shape}")
    if not array.size:
        raise InputError(f"a picture in memory has no pixels: {array.shape}")
    return array


def to_rgb(picture: np.ndarray) -> np.ndarray:
    """Three channels of gray, RGB or RGBA pixels; what is transparent lies over white."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    color, alpha = picture[..., :3], picture[..., 3:]
    if alpha.size and alpha.min() < 255:
        color = color.copy()
        for row, opacity in zip(color, alpha, strict=True):  # a large image does not fit twice
            over = opacity.astype(np.uint16)
            over = row * over + 255 * (255 - over) + 128
            row[:] = (over + (over >> 8)) >> 8  # by 255, rounded
    return np.ascontiguousarray(color)


def eight_bits(picture: np.ndarray, most: int) -> tuple[np.ndarray, str | None]:
    """An image of 16 bits in 8, and a line that states it where its values fill only the lower ones.

    Cameras and scanners store 10, 12 or 14 bits in 16. Taken as 16, such a picture is nearly black.

    Args:
        most: the value that stands for white, where the file says which.
    """
    picture, note = picture.reshape(*picture.shape[:2], -1), None
    whites = [most or 65535] * picture.shape[2]
    if not most and (top := int(picture[..., :3].max())):
        bits = next(bits for bits in (8, 10, 12, 14, 16) if top < 2**bits)
        if bits < 16:
            whites[:3] = [2**bits - 1] * len(whites[:3])
            note = f"its 16 bits a channel hold values up to {top}: taken as {bits} bits, and brightened by that"
        if len(whites) == 4 and picture[..., 3].max() < 2**bits:
            whites[3] = whites[0]
    values = np.arange(65536)
    shades = [((np.minimum(values, white) * 255 + white // 2) // white).astype(np.uint8) for white in whites]
    found = np.empty(picture.shape, np.uint8)
    for row, target in zip(picture, found, strict=True):  # one by one: a large picture does not fit twice
        for channel, shade in enumerate(shades):
            target[:, channel] = shade[row[:, channel]]
    return found, note


def resize(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The image at another size: averaged over boxes where it shrinks, linear where it grows."""
    return resizer(picture)(width, height)


def resizer(picture: np.ndarray) -> Callable[[int, int], np.ndarray]:
    """The function that gives an image at other sizes, see `resize`; it copies the image for Pillow once, if at all."""
    from PIL import Image

    copy = cache(lambda: Image.fromarray(picture))

    def at(width: int, height: int) -> np.ndarray:
        if picture.shape[:2] == (height, width):
            return picture
        shrinks = picture.shape[0] >= height and picture.shape[1] >= width
        method = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
        return np.asarray(copy().resize((width, height), method))

    return at


def reduced(picture: np.ndarray, longest: int) -> np.ndarray:
    """The image with its longer side brought down to so many pixels; a smaller one as it is."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    return picture if scale >= 1 else resize(picture, max(1, round(width * scale)), max(1, round(height * scale)))


def to_gray(picture: np.ndarray) -> np.ndarray:
    """The luma of RGB pixels (ITU-R 601), uint8 (height, width)."""
    from PIL import Image

    return picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))


def warp(picture: np.ndarray, matrix: np.ndarray, size: int, finer: int = 1) -> np.ndarray:
    """A square cut out of an image by an affine map, sampled linearly; outside lies the image's border, repeated.

    Args:
        picture: uint8, (height, width) or (height, width, 3).
        matrix: float (2, 3), from centers of pixels of the image to those of the square, x before y.
        size: pixels a side of the square.
        finer: the matrix is for a square of so many times as many pixels a side, which are averaged.

    Returns:
        uint8, (size, size) or (size, size, 3).
    """
    from PIL import Image

    side = size * finer
    linear = np.linalg.inv(matrix[:, :2])
    back = np.column_stack((linear, -linear @ matrix[:, 2]))
    corners = back @ np.array([[-1, -1, side, side], [-1, side, -1, side], [1, 1, 1, 1]], np.float64)
    height, width = picture.shape[:2]
    low = np.floor(corners.min(1)).astype(int) - 1
    high = np.ceil(corners.max(1)).astype(int) + 2
    # The part that is sampled, with the image's border repeated as far as the square reaches.
    first = np.minimum(np.maximum(low, 0), [width - 1, height - 1])
    last = np.maximum(np.minimum(high, [width, height]), first + 1)
    part = picture[first[1] : last[1], first[0] : last[0]]
    before, after = (first - low).clip(0), (high - last).clip(0)
    if before.any() or after.any():
        edges = ((before[1], after[1]), (before[0], after[0]), *(((0, 0),) if picture.ndim == 3 else ()))
        part = np.pad(part, edges, mode="edge")
    origin = first - before
    shift = back[:, 2] - back[:, :2] @ (0.5, 0.5) + 0.5 - origin  # Pillow counts from the corners of pixels
    data = (*back[0, :2], shift[0], *back[1, :2], shift[1])
    image = Image.fromarray(np.ascontiguousarray(part))
    image = image.transform((side, side), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX) if finer > 1 else image)


@cache
def _linear_light() -> np.ndarray:
    """sRGB's 256 levels as light, float32."""
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_lab(picture: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of RGB pixels, float32 of the same shape: 0..100, and about -100..100 twice."""
    to_xyz = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9502]], np.float32)
    xyz = _linear_light()[picture] @ to_xyz.T / np.array([0.9505, 1.0, 1.0888], np.float32)
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1)
