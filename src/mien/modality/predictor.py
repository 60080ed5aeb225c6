"""A loaded model: reading inputs, one or many, and what comes of them."""

from __future__ import annotations

import copy
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.compat.names import OldMethods
from mien.errors import InputError, ModelError, quoted
from mien.inputs import name_of, refuse_single
from mien.labels import LabelSpace
from mien.modality.batches import Item, Outputs, check_batch_size, gathered, guarded, why_unread
from mien.modality.explain import Occlusion, explain_items
from mien.modality.registry import get_modality, modality_names, preprocess_settings
from mien.model import NETWORK, Manifest, read_model
from mien.plugins import import_object
from mien.results import Box, Prediction, Result
from mien.runtime import ROWS, Session, in_chunks, parallel_map, readers

Progress = Callable[[int], None]  # called with the number of inputs done since the last call


def load(model: str | os.PathLike[str], *, threads: int | None = None, digest: str | None = None) -> Predictor:
    """Load a model, checked byte for byte, ready to predict. Loads neither torch nor anything from the network.

    Args:
        model: name of a shipped model, or the path of a model or run folder.
        threads: threads to compute with; by default as many as the process may use.
        digest: that the model must have, "sha256:…", as ``mien models verify`` prints it; any if not given.

    Raises:
        ModelError: no such model, its folder is damaged, or its network holds what none of mien's does; or *threads* is
            not above 0.
    """
    if threads is not None and threads < 1:
        raise ModelError(f"threads must be above 0, not {threads}")
    folder, manifest, files = read_model(model, digest)
    try:
        modality = get_modality(manifest.modality)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error
    made: Predictor = import_object(modality.predictor)(folder, manifest, files, threads=threads)
    return made


class Predictor(OldMethods):
    """A loaded model. Made by :func:`mien.load`. A modality brings ``sample`` or ``prepare``; maybe ``forward``.

    An input is a text (str), or a picture: its path (str or Path), its file's bytes, or its pixels, uint8 of shape
    (height, width, 3) red, green, blue or (height, width) gray; or a person in a picture, a
    :class:`mien.media.images.Region`.

    Arrays are RGB; :func:`mien.bgr` makes one of an OpenCV frame.

    Attributes:
        folder: where it was loaded from.
        manifest: what it is and how it came about.
        space: the labels it answers in.
        settings: how inputs are prepared.
        mirror: whether each sample is read together with its mirror image, and the two answers averaged; None where
            there is nothing to mirror.
    """

    lookahead = 1  # batches gathered before ``forward``, which then can sort their samples by length
    rows: int | None = ROWS  # samples that a thread computes together, see `Session`
    mirror: bool | None = None
    explained_in: LabelSpace | None = None  # of explanations, see `explaining`
    language: str | None = None  # that texts are written in, see `written_in`
    opens_inputs = True  # itself, so that those which cannot be read are its to tell

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        self.folder, self.manifest, self.space = folder, manifest, manifest.space
        kind = import_object(get_modality(manifest.modality).preprocess)
        self.settings: Any = preprocess_settings(manifest, kind, folder)
        self._certainty = manifest.certainty_of(self.space)
        self._columns = slice(0, len(manifest.space))  # of the network's output: the labels of ``space``
        self._threads = threads
        widths, name = manifest.widths, folder / NETWORK
        self._session = Session(files[NETWORK], threads, name=name, widths=widths, rows=self.rows)

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
        twin._columns, twin._certainty = columns, self.manifest.certainty_of(twin.space)
        return twin

    def with_all_labels(self) -> Self:
        """The same loaded model, whose ``outputs`` have the labels of its further spaces behind its own."""
        twin = copy.copy(self)
        twin._columns = slice(0, self.manifest.widths.get("probabilities", 0))
        return twin

    def explaining(self, space: LabelSpace | None = None) -> Self:
        """The same loaded model, whose predictions say what brought the label about: :class:`mien.results.Explanation`.

        Args:
            space: a coarser one that results are rolled up to afterwards; the model's own if not given.

        Raises:
            InputError: models of this modality do not say it.
        """
        if not get_modality(self.manifest.modality).explained:
            able = " and ".join(name for name in modality_names() if get_modality(name).explained)
            reads = self.manifest.modality
            raise InputError(f"the model {self.name} reads {reads}, which is not explained; there are: {able}")
        twin = copy.copy(self)
        twin.explained_in = space or self.space
        return twin

    def written_in(self, language: str | None) -> Self:
        """The same loaded model, for texts of which the caller says what they are written in; None: nothing is said.

        Args:
            language: a code, such as "en"; or "any": each text is read as it is, whatever it is written in.

        Raises:
            InputError: it does not read that language, or no texts.
        """
        if language is None:
            return self
        reads = self.manifest.modality
        raise InputError(f"a language is for texts, and the model {self.name} reads {reads}")

    def language_of(self, item: Any) -> str | None:
        """By the thresholds of which language the labels of an input hold; None: by the usual ones."""
        return None

    def explain(self, item: Any, **options: Any) -> Result:
        """As :meth:`predict`, with what brought the label of each prediction about."""
        return self.explaining().predict(item, **options)

    def occlude(self, item: Item, place: int) -> Occlusion:
        """A sample of a prepared input with its parts hidden, of a modality that is explained."""
        raise NotImplementedError

    def looking_at(self, frames: int | None = None, rule: str | None = None) -> Self:
        """The same loaded model, which looks at so many frames of each clip, and sums them up by another rule.

        Raises:
            ModelError: it reads no clips, or sums up by no rule.
            InputError: there is no such rule.
        """
        what = "frames and a rule are" if frames else "a rule is"
        raise ModelError(f"the model {self.name} reads {self.manifest.modality}; {what} for models of clips of faces")

    def sample(self, item: Any) -> Any:
        """An input that is one sample, prepared as the network takes it.

        Raises:
            InputError: it cannot be used.
        """
        raise NotImplementedError

    def prepare(self, item: Any) -> Item:
        """Read an input, and cut it into samples; a modality adds its options, by name.

        Raises:
            InputError: it cannot be used.
        """
        return Item(self.name_of(item), [self.sample(item)])

    def forward(self, samples: Sequence[Any], batch_size: int, groups: Sequence[str] | None = None) -> Outputs:
        """Run the network on samples, at least one, here of one shape; *groups* as :meth:`outputs` has them."""
        scores = self._session.run(np.stack(samples))[:, self._columns]
        return Outputs.of(scores)

    def sure_of(self, samples: Sequence[Any], outputs: Outputs) -> np.ndarray:
        """How sure the strongest label of each sample is, float (n,), where more is known than its score."""
        return outputs.sure

    def assemble(self, item: Item, outputs: Outputs) -> Result:
        """The result of an input of those samples."""
        rows, values = outputs.probabilities, outputs.ratings
        return self.result(item.name, rows, item.error, item.boxes, values, item.notes, item.language)

    def warm_up(self, *args: Any, **options: Any) -> None:
        """Load what is otherwise loaded when it is first needed, and see that options fit the model."""

    @property
    def reader_threads(self) -> int:
        """How many threads prepare inputs."""
        return readers(self._threads)

    def predict(self, item: Any, **options: Any) -> Result:
        """Read the emotion in one input.

        Args:
            options: as the model's modality has them, such as ``crops=True``; see its class.

        Raises:
            InputError: nothing can be read in it; one line that says why.
        """
        result = next(iter(self.predict_many([item], **options)))
        if result.error:
            raise InputError(result.error)
        return result

    def predict_many(self, inputs: Iterable[Any], batch_size: int = 64, **options: Any) -> Iterator[Result]:
        """Results in the order of the inputs, computed in batches; memory stays bounded however many there are.

        An unusable input gives a result without items whose ``error`` says why; it does not stop the others.

        Args:
            inputs: read as they are wanted.
            batch_size: samples computed at once.
            options: as the model's modality has them; see its class.

        Raises:
            InputError: *inputs* is a single one, or *batch_size* is not above 0.
        """
        prepare_with: Callable[..., Item] = self.prepare
        inspect.signature(prepare_with).bind(None, **options)  # a TypeError where there is no such option
        refuse_single(inputs)
        check_batch_size(batch_size)

        def prepare(item: Any) -> Item:
            try:
                return prepare_with(item, **options)
            except InputError as error:
                return Item(self.name_of(item), error=str(error))

        def read(some: Iterable[Any]) -> Iterator[Result]:
            prepared = parallel_map(prepare, some, self.reader_threads)
            for items in gathered(prepared, batch_size * self.lookahead):
                yield from self._results(items, batch_size)

        self.warm_up(**options)
        return guarded(inputs, read, self.failed)

    def _results(self, items: Sequence[Item], batch_size: int) -> Iterator[Result]:
        samples = [sample for item in items for sample in item.samples]
        outputs, start = self.forward(samples, batch_size) if samples else self._nothing, 0
        for item in items:
            if item.read:
                yield self._read_alone(item, batch_size)
                continue
            end = start + len(item.samples)
            result = self.assemble(item, Outputs(*(part[start:end] for part in outputs)))
            space, start = self.explained_in, end
            yield explain_items(self, item, result, space, batch_size) if space and result.items else result

    def _read_alone(self, item: Item, batch_size: int) -> Result:
        try:
            assert item.read is not None
            return item.read(batch_size)
        except Exception as error:
            return self.result(item.name, error=why_unread(item.name, self.manifest.modality, error))

    @property
    def _nothing(self) -> Outputs:
        labels = self._columns.stop - self._columns.start
        return Outputs.of(*(np.zeros((0, width), np.float32) for width in (labels, len(self.manifest.ratings))))

    def outputs(
        self,
        inputs: Sequence[Any],
        batch_size: int = 64,
        progress: Progress | None = None,
        groups: Sequence[str] | None = None,
    ) -> Outputs:
        """Probabilities and ratings of inputs that are a sample each, rows in their order.

        Args:
            progress: called with the number of inputs done since the last call.
            groups: of each input, for a model with experts for groups: which one answers, instead of what it chooses.

        Raises:
            InputError: an input is unusable; the message says which.
        """
        parts, done = list[Outputs](), 0
        for samples in self._prepared(inputs, batch_size * self.lookahead, progress):
            known = None if groups is None else groups[done : done + len(samples)]
            part = self.forward(samples, batch_size, known)
            parts.append(part._replace(sure=self.sure_of(samples, part)))
            done += len(samples)
        return Outputs(*map(np.concatenate, zip(*(parts or [self._nothing]), strict=True)))

    def predict_proba(
        self,
        inputs: Sequence[Any],
        batch_size: int = 64,
        progress: Progress | None = None,
        groups: Sequence[str] | None = None,
    ) -> np.ndarray:
        """The probabilities alone, float32 (n, labels); see :meth:`outputs`. Of pictures no face is looked for."""
        return self.outputs(inputs, batch_size, progress, groups).probabilities

    def ratings(self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None) -> np.ndarray:
        """The ratings alone, float32 (n, ratings), in the order and units of the manifest; see :meth:`outputs`."""
        return self.outputs(inputs, batch_size, progress).ratings

    def features(self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None) -> np.ndarray:
        """What the network makes of samples before it decides: float32 (n, d), to learn other labels from.

        Raises:
            InputError: an input is unusable; the message says which.
            ModelError: the network does not give its features, or there are several.
        """
        if not self.gives_features:
            raise ModelError(f"the network of {self.name} gives no features")
        chunks = self._prepared(inputs, batch_size * self.lookahead, progress)
        return np.concatenate([self.embed(part, batch_size) for part in chunks] or [np.zeros((0, 0), np.float32)])

    def embed(self, samples: Sequence[Any], batch_size: int) -> np.ndarray:
        """The features of prepared samples, float32 (n, d), of a network that gives them."""
        return self._session.run(np.stack(samples), "features")

    @property
    def gives_features(self) -> bool:
        """Whether it has :meth:`features`."""
        return False

    def reading(self, columns: Sequence[str]) -> Self:
        """The same loaded model for rows whose numbers are those of other columns, or in another order."""
        raise ModelError(f"the model {self.name} reads {self.manifest.modality}, not rows of numbers")

    def _prepared(self, inputs: Sequence[Any], size: int, progress: Progress | None) -> Iterator[list[Any]]:
        """Samples of inputs that are one each, up to so many at a time."""
        refuse_single(inputs)
        check_batch_size(size)
        done = 0
        for chunk in in_chunks(inputs, size):
            samples: list[Any] = []
            try:
                samples.extend(parallel_map(self.sample, chunk, self.reader_threads))
            except InputError as error:
                raise InputError(f"input {done + len(samples) + 1}: {error}") from None
            yield samples
            done += len(chunk)
            if progress:
                progress(len(chunk))

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

    def result(
        self, item: str, rows: Iterable[np.ndarray] = (), error: str | None = None,
        boxes: Iterable[Box | None] | None = None, ratings: Iterable[np.ndarray] | None = None,
        notes: Iterable[str] = (), language: str | None = None,
    ) -> Result:  # fmt: skip
        """Wrap one row of probabilities, shape (labels,), per prediction; with boxes and ratings, one per row."""
        rows = list(rows)
        nothing = [None] * len(rows)
        parts = zip(rows, nothing if boxes is None else boxes, nothing if ratings is None else ratings, strict=True)
        items = tuple(self.prediction(row, box, values, language) for row, box, values in parts)
        reads, answered = self.manifest.modality, {self.manifest.labels.space, *(h.space for h in self.manifest.heads)}
        rolled = {n: of for n, of in self.manifest.tuned(language).items() if n not in answered} if self._own else {}
        return Result(
            item, reads, self.name, items, error, rolled, notes=tuple(notes), rollup_certainty=self._certainty,
            of_clip=get_modality(reads).kind == "clip", language=language,
        )  # fmt: skip

    def prediction(
        self, row: np.ndarray, box: Box | None = None, ratings: np.ndarray | None = None, language: str | None = None
    ) -> Prediction:
        """A row of probabilities, shape (labels,), in the labels of ``space``, and one of ratings, shape (ratings,)."""
        thresholds = self.manifest.tuned(language).get(self.space.name, {})
        pairs = () if ratings is None else zip(self.manifest.ratings, ratings, strict=True)
        rated = {entry.name: float(value) for entry, value in pairs}
        scores = dict(zip(self.space.names, row.tolist(), strict=True))
        return Prediction(scores, self.space, thresholds, box, rated, None, self._certainty.get(self.space.name))

    @property
    def _own(self) -> bool:
        """Whether it answers in the labels that its thresholds were tuned for."""
        return self.space == self.manifest.space
