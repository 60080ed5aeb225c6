"""The shape of a modality: what prediction, training, the command line and the server ask of it."""

from mien.inputs import Kind
from mien.modality.answers import answer_in, thresholds_of
from mien.modality.batches import Item, Outputs, check_batch_size, why_unread
from mien.modality.explain import Occlusion
from mien.modality.predictor import Predictor, Progress, load
from mien.modality.registry import Modality, default_modality, get_modality, modality_names, preprocess_settings
from mien.modality.sampler import Sampler, SamplerSettings

__all__ = [
    "Item", "Kind", "Modality", "Occlusion", "Outputs", "Predictor", "Progress", "Sampler", "SamplerSettings",
    "answer_in", "check_batch_size", "default_modality", "get_modality", "load", "modality_names",
    "preprocess_settings", "thresholds_of", "why_unread",
]  # fmt: skip
