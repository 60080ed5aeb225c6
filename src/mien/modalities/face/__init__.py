"""Faces in pictures: find, align, read."""

from __future__ import annotations

from mien.modality import Modality

MODALITY = Modality(
    name="face",
    summary="the faces of pictures",
    reads=("picture",),
    unit="face",
    preprocess="mien.modalities.face.preprocess:FaceSettings",
    augment="mien.modalities.face.augment:AugmentSettings",
    predictor="mien.modalities.face.predictor:FacePredictor",
    sampler="mien.modalities.face.sampler:FaceSampler",
    example='"photo.jpg"',
    options=("crops", "min_face", "max_faces", "confidence", "all_faces", "landmarks"),
    cutter="mien.modalities.face.preprocess:face_cutter",
    batch=8,
    default=True,
    explained=True,
    boxes="face",
    measures=("size", "sharpness", "pose"),
    measure="mien.modalities.face.quality:groups",
)
