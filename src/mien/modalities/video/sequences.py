"""A person's moments as a network reads them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def windows(times: np.ndarray, centres: np.ndarray, seconds: float) -> np.ndarray:
    """The moments within so many seconds around each centre: the first, and behind the last, int64 (centres, 2).

    At either end of the times the segment is moved inwards, so that it is as long as can be: where all times lie within
    *seconds*, every segment holds all of them.

    Args:
        times: of the moments in seconds, rising, (n,), n at least 1.
        centres: in seconds.
    """
    start = np.clip(centres - seconds / 2, times[0], max(times[0], times[-1] - seconds))
    return np.stack([np.searchsorted(times, start - 1e-9), np.searchsorted(times, start + seconds + 1e-9)], 1)


def padded(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Sequences of different lengths as one batch.

    Args:
        sequences: each float32 (length, width), one long at least.

    Returns:
        float32 (batch, longest, width + 1): in the last column 1 where there is a moment, and 0 behind the last one.
    """
    longest, width = max(map(len, sequences)), sequences[0].shape[1]
    batch = np.zeros((len(sequences), longest, width + 1), np.float32)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: len(sequence), :width] = sequence
        row[: len(sequence), width] = 1
    return batch
