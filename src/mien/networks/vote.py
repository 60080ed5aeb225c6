"""Several networks of rows asked at once: the mean of their calibrated probabilities (soft voting)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mien.networks.rows import RowSettings


class Settings(RowSettings):
    """Who votes.

    Attributes:
        members: the ``network`` part of each: its ``kind`` (svm, logistic or xgboost) and its own settings. Each is
            searched over for itself, and its temperature fitted to what it said of rows it had not learned from, so
            that no member is louder than it is right.
    """

    members: list[dict[str, Any]] = Field(min_length=2)
