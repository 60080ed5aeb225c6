"""Emotion in text: ``preprocess`` (text → token ids) and ``predictor`` (token ids → results)."""

from __future__ import annotations

from mien.modality import Modality
from mien.results import EMPTY as EMPTY

MODALITY = Modality(
    name="text",
    summary="texts",
    reads=("text",),
    unit="text",
    preprocess="mien.modalities.text.preprocess:TextSettings",
    augment="mien.modalities.text.augment:AugmentSettings",
    predictor="mien.modalities.text.predictor:TextPredictor",
    sampler="mien.modalities.text.sampler:TextSampler",
    example='"…"',
    batch=32,
    default=True,
    rated=True,
    explained=True,
)
