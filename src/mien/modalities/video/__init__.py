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
    options=("fps", "frames"),
    batch=1,
    default=True,
    boxes="face",
)


def names_clip(item: str) -> bool:
    """Whether a string means a clip and is no text: it ends like one, and exists or has no space in it."""
    from mien.media.clips import is_clip
    from mien.media.images import names_file

    return names_file(item, is_clip)
