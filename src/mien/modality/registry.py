"""The registry of modalities: what each brings, and the one place that looks one up by its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from mien.errors import ModelError, did_you_mean, invalid, quoted
from mien.inputs import Kind
from mien.model import Manifest
from mien.plugins import import_object, load_plugin, plugin_names

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True)
class Modality:
    """What every modality brings, as ``MODALITY`` of its folder in ``mien.modalities``, or of a plug-in.

    Classes are named as ``"module:Class"`` and imported when they are first needed.

    Attributes:
        name: as models, recipes and data sets name it, such as "face".
        summary: what its models read, such as "the faces of pictures".
        reads: the kinds of its inputs, the usual one first.
        unit: what one prediction is of, such as "face"; in output several are counted as "faces".
        boxes: what the box of a prediction is around, such as "face".
        preprocess: the pydantic settings of its preprocessing.
        augment: the pydantic settings of its augmentation.
        predictor: a :class:`~mien.modality.Predictor`.
        sampler: a :class:`~mien.modality.Sampler`, or a function that makes one of its settings.
        example: an input as the model card shows it, in Python.
        options: what its predictors can be told of inputs: "crops", "boxes", "whole", "fps", "frames", "rule",
            "min_face", "max_faces", "confidence", "all_faces", "landmarks".
        cutter: a function that returns what cuts a sample out of a photograph, None where it shows none.
        batch: inputs that the server computes at once.
        default: whether its shipped model reads inputs of the first kind of ``reads`` where no model is named.
        made_from: the modality whose models its own can be made of: the same network, and the settings of its
            preprocessing under that name.
        explained: whether its predictors say what brought a label about, see `Predictor.explaining`.
        measures: what can be measured of its inputs, to tell the figures by: names for ``mien evaluate --by``.
        measure: a function of inputs and one of these names that gives the group of each, an array of str.
        rated: whether its models can give ratings, such as valence, besides labels or instead of them.
    """

    name: str
    summary: str
    reads: tuple[Kind, ...]
    unit: str
    preprocess: str
    augment: str
    predictor: str
    sampler: str
    example: str
    options: tuple[str, ...] = ()
    cutter: str = ""
    batch: int = 8
    default: bool = False
    boxes: str = "person"
    made_from: str = ""
    measures: tuple[str, ...] = ()
    measure: str = ""
    rated: bool = False
    explained: bool = False

    @property
    def kind(self) -> Kind:
        """The usual kind of its inputs."""
        return self.reads[0]

    def count(self, n: int) -> str:
        """A number of predictions in words: "1 face", "2,000 faces"."""
        return f"{n:,} {self.unit}{'' if n == 1 else 's'}"


_BUILT_IN = ("text", "face", "video", "scene", "features")


def modality_names() -> tuple[str, ...]:
    """The modalities that there are: those built in, then those of plug-ins."""
    return tuple(dict.fromkeys((*_BUILT_IN, *plugin_names("mien.modalities"))))


@cache
def get_modality(name: str) -> Modality:
    """The modality of that name. The one place that looks a modality up.

    Raises:
        ModelError: there is none; the message names those that there are.
    """
    if name in _BUILT_IN:
        found = import_object(f"mien.modalities.{name}:MODALITY")
    else:
        found = load_plugin("mien.modalities", name)
    if not isinstance(found, Modality):
        names = modality_names()
        near = did_you_mean(name, names)
        raise ModelError(f"this mien has no modality {quoted(name)!r}; there are: {', '.join(names)}{near}")
    return found


@cache
def default_modality(kind: Kind) -> Modality:
    """The modality whose shipped model reads inputs of a kind where no model is named."""
    found = map(get_modality, modality_names())
    return next(modality for modality in found if modality.default and modality.kind == kind)


def preprocess_settings(manifest: Manifest, kind: type[Settings], folder: str | Path) -> Settings:
    """The ``preprocess`` part of a manifest, as the settings its modality has.

    Raises:
        ModelError: they are none; the message names the first that is wrong.
    """
    try:
        return kind.model_validate(manifest.preprocess)
    except ValidationError as error:
        raise ModelError(f"{folder}: preprocess settings: {invalid(error, manifest.preprocess)}") from error
