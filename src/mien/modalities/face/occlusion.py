"""A crop of a face with a gray patch over each of its regions, and the map of what that changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GRID = 8  # cells a side; a patch covers two by two of them, and moves on by one


def hide(crop: np.ndarray) -> list[np.ndarray]:
    """The crop with a patch of its mean color at each place, row by row from the top.

    Args:
        crop: uint8 (size, size, channels).
    """
    edges = np.linspace(0, crop.shape[0], GRID + 1).round().astype(int)
    color = crop.mean((0, 1)).round().astype(np.uint8)
    hidden = []
    for row in range(GRID - 1):
        for column in range(GRID - 1):
            hidden.append(changed := crop.copy())
            changed[edges[row] : edges[row + 2], edges[column] : edges[column + 2]] = color
    return hidden


def spread(shares: Sequence[float]) -> np.ndarray:
    """The share of each cell, (8, 8): the mean over the patches that cover it."""
    sums, counts = np.zeros((GRID, GRID)), np.zeros((GRID, GRID))
    for place, share in enumerate(shares):
        row, column = divmod(place, GRID - 1)
        sums[row : row + 2, column : column + 2] += share
        counts[row : row + 2, column : column + 2] += 1
    means: np.ndarray = sums / counts
    return means
