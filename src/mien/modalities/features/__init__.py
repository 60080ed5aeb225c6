"""Rows of numbers, such as action units of a face measured by another program: read, align, recognize."""

from __future__ import annotations

from mien.modality import Modality

MODALITY = Modality(
    name="features",
    summary="rows of numbers",
    reads=("row",),
    unit="row",
    preprocess="mien.modalities.features.preprocess:FeatureSettings",
    augment="mien.modalities.features.preprocess:AugmentSettings",
    predictor="mien.modalities.features.predictor:FeaturePredictor",
    sampler="mien.modalities.features.sampler:FeatureSampler",
    example="row",
    batch=64,
    default=False,
)
