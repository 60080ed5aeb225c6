"""Ratings such as valence, as training and export see them. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.datasets import Dataset
from mien.errors import RecipeError
from mien.evaluation.ratings import pearson
from mien.model import RatingEntry


@dataclass(frozen=True)
class Ratings:
    """Ratings as the objective and the export see them.

    A network gives each as a number that is -1 at the lowest value of its scale and 1 at the highest.

    Attributes:
        names: in the order of the outputs.
        scales: lowest and highest value of each.
    """

    names: tuple[str, ...] = ()
    scales: tuple[tuple[float, float], ...] = ()

    @classmethod
    def rated_in(cls, part: Dataset) -> Ratings:
        """All that a data set has ratings of."""
        return cls(tuple(part.ratings), tuple(part.scales[name] for name in part.ratings))

    @classmethod
    def named(cls, names: Sequence[str], sets: Sequence[Dataset]) -> Ratings:
        """Ratings by name, each on the scale of the first data set that has it.

        Raises:
            RecipeError: none has.
        """
        homes = [next((part for part in sets if name in part.ratings), None) for name in names]
        for name, home in zip(names, homes, strict=True):
            if home is None:
                have = ", ".join(dict.fromkeys(own for part in sets for own in part.ratings)) or "no ratings"
                raise RecipeError(f"train.ratings: no data set has {name!r}; they have: {have}")
        return cls(tuple(names), tuple(home.scales[name] for name, home in zip(names, homes, strict=True) if home))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def entries(self) -> list[RatingEntry]:
        """As a manifest states them."""
        return [
            RatingEntry(name=name, low=low, high=high)
            for name, (low, high) in zip(self.names, self.scales, strict=True)
        ]

    @property
    def middles(self) -> np.ndarray:
        """Of the scales, float32 (ratings,)."""
        return np.array([(low + high) / 2 for low, high in self.scales], np.float32)

    @property
    def halves(self) -> np.ndarray:
        """Half the width of each scale, float32 (ratings,)."""
        return np.array([(high - low) / 2 for low, high in self.scales], np.float32)

    def of(self, part: Dataset) -> np.ndarray:
        """What a network is to give for the samples of a set, each rating by the set's own scale.

        Returns:
            float32 (n, ratings) in -1..1; NaN where the rating is not known.
        """
        wanted = np.full((len(part), len(self)), np.nan, np.float32)
        for place, name in enumerate(self.names):
            if name in part.ratings:
                low, high = part.scales[name]
                wanted[:, place] = (2 * part.ratings[name] - low - high) / (high - low)
        return wanted


def correlations(wanted: np.ndarray, given: np.ndarray) -> list[float]:
    """Pearson's r of each rating, (n, ratings) against (n, ratings), over the samples where it is known (not NaN).

    0 where one of the two does not vary.
    """
    known = ~np.isnan(wanted)
    pairs = ((wanted[rows, place], given[rows, place]) for place, rows in enumerate(known.T))
    return [pearson(x.astype(np.float64), y.astype(np.float64)) or 0.0 for x, y in pairs]


def mean_correlation(wanted: np.ndarray, given: np.ndarray) -> float:
    """The mean of them."""
    return float(np.mean(correlations(wanted, given)))
