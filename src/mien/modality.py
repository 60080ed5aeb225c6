"""The shape of a modality: what prediction, training, the command line and the server ask of it."""

from __future__ import annotations

import copy
import logging
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

import numpy as np

from mien.compat import OldMethods
from mien.errors import InputError, MienError, ModelError, quoted
from mien.inputs import name_of
from mien.labels import LabelSpace, get_space, groups
from mien.model import Manifest, read_model
from mien.plugins import import_object, load_plugin, plugin_names
from mien.results import Box, Prediction, Result
from mien.runtime import parallel_map, readers

if TYPE_CHECKING:
    from mien.datasets import Dataset

_MOST, _FEWEST, _PIXELS = 256, 16, 1 << 21  # samples at once, and pixels of pictures
_PICTURES_AHEAD = 64  # looked at before what they show is computed, however little that is

_NAMELESS = {"<bytes>": "the file", "<file>": "the file", "<array>": "the picture", "<image>": "the picture"}
_log = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[int], None]  # called with the number of inputs done since the last call


Kind = Literal["text", "picture", "clip", "row"]  # what an input is


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
        predictor: a :class:`Predictor`.
        sampler: a :class:`Sampler`, or a function that makes one of :class:`SamplerSettings`.
        example: an input as the model card shows it, in Python.
        options: what its predictors can be told of inputs: "crops", "boxes", "fps", "frames".
        cutter: a function that returns what cuts a sample out of a photograph, None where it shows none.
        batch: inputs that the server computes at once.
        default: whether its shipped model reads inputs of the first kind of ``reads`` where no model is named.
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
        raise ModelError(f"this mien has no modality {quoted(name)!r}; there are: {', '.join(modality_names())}")
    return found


def load(model: str | os.PathLike[str], *, threads: int | None = None, digest: str | None = None) -> Predictor:
    """Load a model, checked byte for byte, ready to predict. Loads neither torch nor anything from the network.

    Args:
        model: name of a shipped model, or the path of a model or run folder.
        threads: threads to compute with; by default as many as the process may use.
        digest: that the model must have, "sha256:…", as ``mien models verify`` prints it; any if not given.

    Raises:
        ModelError: no such model, its folder is damaged, or its network holds what none of mien's does.
    """
    folder, manifest, files = read_model(model, digest)
    made: Predictor = import_object(get_modality(manifest.modality).predictor)(folder, manifest, files, threads=threads)
    return made


class Predictor(OldMethods, ABC):
    """A loaded model. Made by :func:`mien.load`.

    An input is a text (str), or a picture: its path (str or Path), its file's bytes, or its pixels, uint8 of shape
    (height, width, 3) red, green, blue or (height, width) gray; or a person in a picture, a
    :class:`mien.media.images.Region`.

    Arrays are RGB; :func:`mien.bgr` makes one of an OpenCV frame.

    Attributes:
        folder: where it was loaded from.
        manifest: what it is and how it came about.
        space: the labels it answers in.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest, self.space = folder, manifest, manifest.space
        self._columns = slice(0, len(manifest.space))  # of the network's output: the labels of ``space``

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    def with_labels(self, space: str | LabelSpace) -> Self:
        """The same loaded model, answering in another of the label spaces its network has outputs for.

        Raises:
            ModelError: it has none for that space; the message names those it has.
        """
        name = space if isinstance(space, str) else space.name
        entries, columns = (self.manifest.labels, *self.manifest.heads), self.manifest.columns(name)
        if columns is None:
            known = ", ".join(entry.space for entry in entries)
            raise ModelError(f"the model {self.name} does not answer in {quoted(name)}; it does in: {known}")
        twin = copy.copy(self)
        twin.space = next(entry.as_space() for entry in entries if entry.space == name)
        twin._columns = columns
        return twin

    def predict(self, item: Any) -> Result:
        """Read the emotion in one input.

        Raises:
            InputError: nothing can be read in it; one line that says why.
        """
        result = next(iter(self.predict_many([item])))
        if result.error:
            raise InputError(result.error)
        return result

    @abstractmethod
    def predict_many(self, inputs: Iterable[Any], batch_size: int = 64) -> Iterator[Result]:
        """Results in the order of the inputs, computed in batches; memory stays bounded however many there are.

        An unusable input gives a result without items whose ``error`` says why; it does not stop the others.
        """

    def failed(self, item: Any, error: Exception) -> Result:
        """The result of an input that could not be read: its ``error`` says why.

        Raises:
            MienError: the error is not this input's fault, as with a model that is damaged.
        """
        name = self.name_of(item)
        return self.result(name, error=why_unread(name, self.manifest.modality, error))

    def name_of(self, item: Any) -> str:
        """What an input is called in its result."""
        return name_of(item)

    def _guarded(self, inputs: Iterable[T], read: Callable[[Iterable[T]], Iterator[Result]]) -> Iterator[Result]:
        """What *read* gives for the inputs; those at hand when it fails are read again, each on its own.

        So an error that nobody foresaw is that of the one input that brings it about.
        """
        source, waiting = _Taken(inputs), deque[T]()

        def taken() -> Iterator[T]:
            for item in source:
                waiting.append(item)
                yield item

        while True:
            try:
                for result in read(taken()):
                    waiting.popleft()
                    yield result
                return
            except Exception as error:
                if source.failed or (isinstance(error, MienError | Warning) and not isinstance(error, InputError)):
                    raise
            while waiting:
                item = waiting.popleft()
                try:
                    (result,) = read([item])
                except Exception as error:
                    result = self.failed(item, error)
                yield result

    @abstractmethod
    def predict_proba(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None
    ) -> np.ndarray:
        """The scores alone: float32 of shape (n, labels), rows in the order of the inputs.

        Raises:
            InputError: an input is unusable; the message says which.
        """

    def result(
        self,
        item: str,
        rows: Iterable[np.ndarray] = (),
        error: str | None = None,
        boxes: Iterable[Box | None] | None = None,
        ratings: Iterable[np.ndarray] | None = None,
        notes: Iterable[str] = (),
    ) -> Result:
        """Wrap one row of probabilities, shape (labels,), per prediction; with boxes and ratings, one per row."""
        rows = list(rows)
        places = boxes if boxes is not None else [None] * len(rows)
        rated = ratings if ratings is not None else [None] * len(rows)
        parts = zip(rows, places, rated, strict=True)
        items = tuple(self.prediction(row, box, values) for row, box, values in parts)
        return Result(item, self.manifest.modality, self.name, items, error, self._rollups, notes=tuple(notes))

    def prediction(self, row: np.ndarray, box: Box | None = None, ratings: np.ndarray | None = None) -> Prediction:
        """A row of probabilities, shape (labels,), in the labels of ``space``, and one of ratings, shape (ratings,)."""
        thresholds = self.manifest.thresholds if self._own else {}
        rated = (
            {}
            if ratings is None
            else {entry.name: float(value) for entry, value in zip(self.manifest.ratings, ratings, strict=True)}
        )
        scores = dict(zip(self.space.names, row.tolist(), strict=True))
        return Prediction(scores, self.space, thresholds, box, rated)

    @property
    def _own(self) -> bool:
        """Whether it answers in the labels that its thresholds were tuned for."""
        return self.space == self.manifest.space

    @property
    def _rollups(self) -> dict[str, dict[str, float]]:
        return self.manifest.rollups if self._own else {}


@dataclass(frozen=True)
class SamplerSettings:
    """What a sampler takes of a recipe.

    Attributes:
        preprocess, augment: the checked settings of the modality.
        network: the network's kind and options.
        tokenizer: how texts are cut into tokens.
        start: the run or model folder to go on from; "" for none.
        pretrained: the folder of the pretrained weights.
    """

    preprocess: Any
    augment: Any
    network: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Any = None
    start: str = ""
    pretrained: Path | None = None


class Sampler(ABC):
    """The training side of a modality: makes batches of a data set, as prediction prepares its inputs. No torch.

    Attributes:
        settings: the ``preprocess`` part of the manifest.
        input_spec: what the network is made for, as keywords of its class, such as ``size``; known after :meth:`fit`.
        free_axes: axes of a batch that differ from batch to batch.
        views: pictures of each sample.
        files: what goes into the model folder besides the network.
        built_on: manifests of the models whose networks prepare the samples.
    """

    settings: Any
    input_spec: Mapping[str, int]
    free_axes: tuple[str, ...] = ("batch",)
    views: int = 1
    files: Mapping[str, bytes] = MappingProxyType({})
    built_on: Sequence[Manifest] = ()

    @property
    def evaluation_batch(self) -> int:
        """How many samples a network is given at once where nothing is learned, by their size."""
        side = self.input_spec.get("size", 0)
        return min(_MOST, max(_FEWEST, _PIXELS // side**2)) if side else _MOST

    def expand(self, sets: Sequence[Dataset]) -> list[Dataset]:
        """The sets that batches are made of, where it is not these: the faces in the frames of clips."""
        return list(sets)

    def fit(self, sets: Sequence[Dataset]) -> Self:
        """Learn what the training sets tell of the inputs, such as a vocabulary. Returns the sampler."""
        return self

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """Rough lengths by which batches are put together, int64 (n,)."""
        return np.zeros(len(inputs), np.int64)

    @abstractmethod
    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of samples; *seeds*, one for each, say how they are augmented, None that they are not."""

    def pool(self, logits: np.ndarray, samples: Dataset) -> tuple[np.ndarray, Dataset]:
        """From samples to the things that count, where they are not the same: from frames to clips."""
        return logits, samples


def answer_in(predictor: Predictor, labels: str | None) -> tuple[Predictor, Callable[[Result], Result]]:
    """The predictor that answers in a label space where it has outputs for it, and else what rolls its results up.

    Args:
        predictor: a loaded model.
        labels: name of a label space; None for the model's own.

    Raises:
        InputError: there is no such space, or no way from the model's labels to it.
    """
    if labels is None or predictor.manifest.columns(labels) is not None:
        return (predictor if labels is None else predictor.with_labels(labels)), lambda result: result
    try:
        space = get_space(labels)
        groups(predictor.space, space)
    except (KeyError, ValueError) as error:
        raise InputError(error.args[0]) from error
    return predictor, lambda result: result.rollup(space)


def count_characters(item: Any) -> int:
    """How many characters the texts of an item have, such as a text with the cells of its row."""
    if isinstance(item, str):
        return len(item)
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
    return sum(map(count_characters, parts))


def in_chunks(items: Iterable[T], size: int, characters: int = 2**24) -> Iterator[list[T]]:
    """Lists of up to *size* items, in order, read as they are wanted; of long texts fewer, to bound the memory."""
    chunk: list[T] = []
    total = 0
    for item in items:
        chunk.append(item)
        total += count_characters(item)
        if len(chunk) == size or total > characters:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


class Seen(NamedTuple):
    """What is to be read in one picture: nothing where *error* says why it cannot be used.

    Attributes:
        name: of the input in its result.
        boxes: one for each sample; None stands for the whole picture.
        samples: as the network takes them.
        notes: what was guessed in reading it.
    """

    name: str
    boxes: Sequence[Box | None] = ()
    samples: Sequence[np.ndarray] = ()
    notes: Sequence[str] = ()
    error: str | None = None


class _Taken(Iterator[T]):
    """Goes through inputs, and knows whether it was they that failed."""

    def __init__(self, inputs: Iterable[T]) -> None:
        self._inputs, self.failed = iter(inputs), False

    def __next__(self) -> T:
        try:
            return next(self._inputs)
        except StopIteration:
            raise
        except BaseException:
            self.failed = True
            raise


def gathered(pictures: Iterable[Seen], batch_size: int) -> Iterator[list[Seen]]:
    """Pictures in their order, as many together as show so many samples, or none for long."""
    waiting, samples = list[Seen](), 0
    for seen in pictures:
        waiting.append(seen)
        samples += len(seen.samples)
        if samples >= batch_size or len(waiting) >= max(batch_size, _PICTURES_AHEAD):
            yield waiting
            waiting, samples = [], 0
    if waiting:
        yield waiting


def why_unread(name: str, modality: str, error: Exception) -> str:
    """Why an input could not be read, in one line; the traceback of an error that nobody foresaw goes to the log.

    Raises:
        MienError: the error is not this input's fault, as with a model that is damaged.
    """
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MienError | Warning):  # a warning where the caller wants them to be errors
        raise error
    _log.debug("an input cannot be read", exc_info=error)
    what = shortened({"text": "the text", "features": "the row"}.get(modality) or _NAMELESS.get(name, name))
    if isinstance(error, MemoryError):
        return f"{what} needs more memory than there is"
    return f"{what} cannot be read: internal error ({type(error).__name__})"


def shortened(name: str, most: int = 120) -> str:
    """A name for a message: of a long one its end."""
    return name if len(name) <= most else "…" + name[1 - most :]


def prepared_batches(
    inputs: Sequence[T],
    batch_size: int,
    prepare: Callable[[T], np.ndarray],
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[np.ndarray]:
    """Samples, prepared side by side in threads, stacked, up to so many at a time.

    Raises:
        InputError: an input is unusable; the message says which, from 1.
    """
    done = 0
    for chunk in in_chunks(inputs, batch_size):
        samples: list[np.ndarray] = []
        try:
            samples.extend(parallel_map(prepare, chunk, readers(threads)))
        except InputError as error:
            raise InputError(f"input {done + len(samples) + 1}: {error}") from None
        yield np.stack(samples)
        done += len(chunk)
        if progress:
            progress(len(chunk))
