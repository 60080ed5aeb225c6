"""The models that are served: which there are, which answers, and in which labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from mien.errors import InputError, ModelError
from mien.labels import SPACES, LabelSpace, groups
from mien.modalities.text.predictor import TextPredictor
from mien.modalities.text.preprocess import cleaned_length
from mien.modality import Predictor, answer_in, load, modality_names
from mien.model import find_model, read_card, read_manifest, shipped
from mien.results import Result
from mien.runtime import usable_threads
from mien.serve.batching import Batcher, units
from mien.serve.clips import read_clips
from mien.serve.problems import Problem
from mien.serve.settings import BATCH, ServeSettings

View = tuple[Predictor, Callable[[Result], Result]]


class Served:
    """A loaded model and its queue.

    Attributes:
        predictor: the model.
        batcher: where inputs for it go.
        spaces: names of the label spaces it can answer in, its own first.
    """

    def __init__(self, predictor: Predictor, batcher: Batcher) -> None:
        self.predictor, self.batcher = predictor, batcher
        manifest = predictor.manifest
        own = [entry.space for entry in (manifest.labels, *manifest.heads)]
        self.spaces = [*own, *(name for name in SPACES if name not in own and _leads_to(predictor, name))]
        self._views: dict[str | None, View] = {}
        self._card = read_card(predictor.folder, manifest)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.predictor.name

    @property
    def modality(self) -> str:
        """What it reads."""
        return self.predictor.manifest.modality

    def view(self, labels: str | None) -> View:
        """The predictor for a label space, and what brings its results there.

        Raises:
            Problem: 422, it does not answer in those labels.
        """
        if labels not in self._views:
            try:
                view = answer_in(self.predictor, labels and labels[:80])
            except InputError as error:
                wrong = str(error).partition("; there are:")[0]  # not all that mien knows: those that this model can
                raise Problem(422, f"labels: {wrong}; {self.name} answers in: {', '.join(self.spaces)}") from None
            self._views[labels] = view  # only of names that there are: few
        return self._views[labels]

    def length(self, inputs: Sequence[Any]) -> int:
        """Characters of the inputs; 0 where they are no texts."""
        return sum(map(len, inputs)) if self.modality == "text" else 0

    def costs(self, inputs: Sequence[Any]) -> list[int]:
        """What the inputs cost in units; a text is measured with its emoji spelled out."""
        if not isinstance(self.predictor, TextPredictor):
            return [1] * len(inputs)
        most = self.predictor.preprocessor.max_characters
        return [units(cleaned_length(text, most)) for text in inputs]

    def label_spaces(self) -> dict[str, list[dict[str, str]]]:
        """The labels of each space it can answer in, as clients learn of them."""
        manifest = self.predictor.manifest
        own = {entry.space: entry.as_space() for entry in (manifest.labels, *manifest.heads)}
        return {name: _told(own.get(name) or SPACES[name]) for name in self.spaces}

    def card(self) -> str:
        """The model card, Markdown; empty where the folder has none."""
        return self._card


class Models:
    """The served models, each with a running queue; an asynchronous context manager.

    Raises:
        ModelError: a model is missing or damaged, or two have the same name.
    """

    def __init__(self, settings: ServeSettings, observe: Callable[[str, int, float], None] = lambda *_: None) -> None:
        if "MIEN_MAX_PIXELS" not in os.environ or "max_megapixels" in settings.model_fields_set:
            os.environ["MIEN_MAX_PIXELS"] = str(int(settings.max_megapixels * 1e6))  # read wherever pixels are decoded
        self._served: dict[str, Served] = {}
        self._first: dict[str, Served] = {}
        for place in settings.models or _shipped_first():
            served = _serve(place, settings, observe)
            if served.name in self._served:
                raise ModelError(f"two models are named {served.name}: {place} and another")
            self._served[served.name] = served
            self._first.setdefault(served.modality, served)
        self._stack, self._patience = AsyncExitStack(), settings.timeout_s

    async def __aenter__(self) -> Models:
        for served in self:
            await self._stack.enter_async_context(served.batcher)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    @property
    def working(self) -> list[str]:
        """Names of the models that are computing."""
        return [served.name for served in self if served.batcher.busy]

    def stuck(self) -> str | None:
        """Why not all of them compute what comes; None where they do."""
        for served in self:
            if not served.batcher.alive:
                return f"the model {served.name} has stopped working"
            if (seconds := served.batcher.busy) > self._patience:
                return f"the model {served.name} has been at work on the same inputs for {seconds:.0f} s"
        return None

    def get(self, name: str) -> Served:
        """Raises Problem: 404, there is no such model."""
        if name not in self._served:
            raise Problem(404, f"no model {name[:80]!r} is served; there are: {', '.join(self._served)}")
        return self._served[name]

    def choose(self, modalities: Sequence[str], name: str | None) -> Served:
        """The model that a request means.

        Args:
            modalities: one of which it must read.
            name: as the request has it; None for the first.

        Raises:
            Problem: 422, no such model or one that reads something else; 404, there is none for these.
        """
        able = [served for served in self if served.modality in modalities]
        if not able:
            raise Problem(404, f"no model that reads {' or '.join(modalities)} is served here")
        if name is None:
            return next(self._first[modality] for modality in modalities if modality in self._first)
        for served in able:
            if served.name == name:
                return served
        known = ", ".join(served.name for served in able)
        if name in self._served:
            raise Problem(422, f"model: {name} reads {self._served[name].modality}; here there are: {known}")
        raise Problem(422, f"model: there is no {name[:80]!r}; there are: {known}")

    def facts(self, served: Served) -> dict[str, Any]:
        """What clients learn of one of them."""
        manifest = served.predictor.manifest
        return {
            **manifest.model_dump(mode="json", include={"name", "modality", "summary", "metrics"}),
            "default": self._first[served.modality] is served,
            "multilabel": manifest.space.multilabel,
            "labels": _told(manifest.space),
            "ratings": [entry.model_dump() for entry in manifest.ratings],
            "spaces": served.spaces,
            "megabytes": round(sum(entry.bytes for entry in manifest.files.values()) / 1e6, 1),
        }

    def to_dict(self) -> list[dict[str, Any]]:
        """What clients learn of all."""
        return [self.facts(served) for served in self]


def _told(space: LabelSpace) -> list[dict[str, str]]:
    return [{"name": label.name, "emoji": label.emoji, "color": label.color} for label in space]


def _serve(place: str, settings: ServeSettings, observe: Callable[[str, int, float], None]) -> Served:
    modality = read_manifest(find_model(place)).modality
    threads = settings.threads or usable_threads()
    # Texts come in many small batches: several at a time on one thread each keep the cores busier than one on all.
    workers, threads = (threads, 1) if modality == "text" else (1, threads)
    predictor = load(place, threads=threads)
    getattr(predictor, "detector", None)  # the network that finds faces: loaded now, and shared with all twins
    compute = partial(read_clips, limits=settings) if modality == "video" else _predict
    batcher = Batcher(
        compute, settings.batch or BATCH.get(modality, 8), settings.window_ms / 1e3, settings.queue, workers,
        partial(observe, predictor.name),
    )  # fmt: skip
    return Served(predictor, batcher)


def _predict(predictor: Predictor, inputs: Sequence[Any]) -> list[Result]:
    return list(predictor.predict_many(inputs))


def _shipped_first() -> list[str]:
    """The shipped models, those first that are named as what they read."""
    return sorted(shipped(), key=lambda name: name not in modality_names())


def _leads_to(predictor: Predictor, space: str) -> bool:
    try:
        groups(predictor.manifest.space, space)
    except ValueError:
        return False
    return True
