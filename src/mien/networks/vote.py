"""Several networks of rows asked at once: the mean of their calibrated probabilities (soft voting)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from mien.networks.rows import RowSettings


class Settings(RowSettings):
    """Who votes.

    Attributes:
        members: the ``network`` part of each: its ``kind`` (svm, logistic or xgboost), its own settings, and with
            ``calibrate`` how probabilities are made of its logits, "temperature" or "matrix": so that none is louder
            than it is right. That is fitted to what it said of rows it had not learned from. Each is searched over for
            itself; one that stands there twice, with either way to calibrate, has two voices.
    """

    members: list[dict[str, Any]] = Field(min_length=2)
