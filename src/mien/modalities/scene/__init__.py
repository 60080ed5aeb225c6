"""Whole scenes: a picture as such, or the persons in it within what is around them."""

from __future__ import annotations

from mien.modality import Modality

MODALITY = Modality(
    name="scene",
    summary="whole pictures",
    reads=("picture", "clip"),
    unit="reading",
    preprocess="mien.modalities.scene.preprocess:SceneSettings",
    augment="mien.modalities.face.augment:AugmentSettings",
    predictor="mien.modalities.scene.predictor:ScenePredictor",
    sampler="mien.modalities.scene.sampler:SceneSampler",
    example='"photo.jpg"',
    options=("boxes", "whole", "fps", "frames"),
    batch=8,
    rated=True,
    default=False,
)
