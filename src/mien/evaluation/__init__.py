"""Measuring models: ``evaluate`` gives a ``Report`` to print, keep as JSON or write as a page."""

from __future__ import annotations

from mien.evaluation.evaluate import evaluate
from mien.evaluation.report import Report

__all__ = ["Report", "evaluate"]
