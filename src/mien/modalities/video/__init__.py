"""Faces in clips: find, follow, read over time."""

from __future__ import annotations

from mien.modality import Modality

MODALITY = Modality(
    name="video",
    summary="the faces of clips",
    reads=("clip",),
    unit="clip",
    preprocess="mien.modalities.video.preprocess:VideoSettings",
    augment="mien.modalities.face.augment:AugmentSettings",
    predictor="mien.modalities.video.predictor:VideoPredictor",
    sampler="mien.modalities.video.sampler:video_sampler",
    example='"clip.mp4"',
    options=("fps", "frames", "rule", "min_face", "max_faces", "confidence", "all_faces", "landmarks"),
    batch=1,
    default=True,
    boxes="face",
    made_from="face",
)
