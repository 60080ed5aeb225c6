"""Models that are served: which there are, which answers, and in which labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from mien.errors import InputError, ModelError
from mien.inputs import MAX_CHARACTERS
from mien.labels import SPACES, LabelSpace, groups
from mien.modalities.face.predictor import FaceClassifier
from mien.modalities.text.language import ANY
from mien.modalities.text.preprocess import cleaned_length
from mien.modalities.text.words import parts
from mien.modality import Predictor, answer_in, get_modality, load, modality_names
from mien.model import find_model, read_card, read_manifest, shipped
from mien.results import Result
from mien.runtime import usable_threads
from mien.serve.batching import Batcher, units
from mien.serve.clips import read_clips
from mien.serve.problems import Problem
from mien.serve.requests import offload
from mien.serve.settings import ServeSettings

_EXPLAINED = 16  # units of a picture whose faces are each read fifty times

View = tuple[Predictor, Callable[[Result], Result]]


class ServedModel:
    """A loaded model, its queue, its card, and the label spaces that it can answer in, its own first."""

    def __init__(self, place: str, settings: ServeSettings, observe: Callable[[str, int, float], None]) -> None:
        self.modality = modality = get_modality(read_manifest(find_model(place)).modality)
        threads = settings.threads or usable_threads()
        # Texts come in many small batches: several at a time on one thread each keep the cores busier than one on all.
        workers, threads = (threads, 1) if modality.kind == "text" else (1, threads)
        self.predictor = load(place, threads=threads)
        self.predictor.warm_up()  # the network that finds faces: shared with all twins
        self.name, manifest = self.predictor.name, self.predictor.manifest
        self.batcher = Batcher(
            partial(read_clips, limits=settings) if modality.kind == "clip" else _predict,
            settings.batch or modality.batch, settings.window_ms / 1e3, settings.queue, workers,
            partial(observe, self.name),
        )  # fmt: skip
        own = {entry.space: entry.as_space() for entry in (manifest.labels, *manifest.heads)}
        several = manifest.space.multilabel
        coarser = {n: s.as_multilabel(several) for n, s in SPACES.items() if _leads_to(manifest.space, n)}
        self.spaces = own | {name: space for name, space in coarser.items() if name not in own}
        self.card = read_card(self.predictor.folder, manifest)
        self._views: dict[tuple[str | None, bool, str | None, bool], View] = {}

    def view(
        self, labels: str | None, explain: bool = False, language: str | None = None, all_faces: bool = False
    ) -> View:
        """The predictor for a label space, and what brings its results there; a problem where it does not answer so.

        The language is that of the texts, if it was told; *all_faces*: whether unreliable faces count as others do.
        """
        if all_faces and not isinstance(self.predictor, FaceClassifier):
            raise Problem(422, f"all_faces: {self.name} reads {self.modality.summary}: it has no faces to count")
        if explain and not self.modality.explained:
            raise Problem(422, f"explain: {self.name} reads {self.modality.summary}, which are not explained")
        key = labels, explain, language, all_faces
        if key not in self._views:
            try:
                predictor = self.predictor.written_in(language)
            except InputError as error:
                raise Problem(422, f"language: {error}") from None
            if isinstance(predictor, FaceClassifier):
                predictor = predictor.counting_all(all_faces)
            try:
                view = answer_in(predictor, labels and labels[:80], explain)
            except InputError as error:
                wrong = str(error).partition("; there are:")[0]  # not all that mien knows: those that this model can
                raise Problem(422, f"labels: {wrong}; {self.name} answers in: {', '.join(self.spaces)}") from None
            if language is not None and language not in (ANY, *self.languages):
                return view  # of a model that reads any, whatever name it is given
            self._views[key] = view  # only of names that there are: few
        return self._views[key]

    def counting(self, predictor: Any, faces: Mapping[str, float]) -> Predictor:
        """The predictor, which reads only some of the faces that are found; a problem where it finds none."""
        name = next(iter(faces))
        if name not in self.modality.options:
            raise Problem(422, f"{name}: {self.name} reads {self.modality.summary}, and finds no faces")
        try:
            found: Predictor = predictor.counting_faces(**faces)
        except InputError as error:
            raise Problem(422, str(error)) from None
        return found

    @property
    def languages(self) -> list[str]:
        """Of a model of texts: the languages that it reads; none where it reads any."""
        return list(getattr(self.predictor.settings, "languages", []))

    async def costs(self, inputs: Sequence[Any], explain: bool = False) -> list[int]:
        """What the inputs cost in units; a text is measured with its emoji spelled out."""
        if self.modality.kind != "text":
            return [_EXPLAINED if explain else 1] * len(inputs)
        size = 8 * sum(map(len, inputs))

        def cost(text: str) -> int:
            reads = 1 + len(parts(text[:MAX_CHARACTERS])[0]) if explain else 1
            return reads * units(cleaned_length(text, MAX_CHARACTERS))

        return await offload(size, lambda: list(map(cost, inputs)))

    def facts(self) -> dict[str, Any]:
        """What clients learn of it."""
        manifest = self.predictor.manifest
        return {
            **manifest.model_dump(mode="json", include={"name", "modality", "summary", "metrics"}),
            "multilabel": manifest.space.multilabel,
            "labels": describe_labels(manifest.space),
            "ratings": [entry.model_dump() for entry in manifest.ratings],
            "spaces": list(self.spaces),
            "languages": self.languages,
            "megabytes": round(sum(entry.bytes for entry in manifest.files.values()) / 1e6, 1),
        }

    def label_facts(self) -> dict[str, Any]:
        """Of each label space it can answer in: its labels, whether several hold at a time, and from which score."""
        manifest = self.predictor.manifest
        tuned, by_language = manifest.tuned(), manifest.language_thresholds
        return {
            "label_spaces": {name: describe_labels(space) for name, space in self.spaces.items()},
            "multilabel_spaces": [name for name, space in self.spaces.items() if space.multilabel],
            "thresholds": {name: tuned[name] for name in self.spaces if tuned.get(name)},
            "language_thresholds": {name: by_language[name] for name in self.spaces if name in by_language},
            "heads": [entry.space for entry in manifest.heads],
            "certainty": {name: one.model_dump() for name, one in manifest.certainty.items() if name in self.spaces},
        }


class Models:
    """The served models, each with a running queue; an asynchronous context manager."""

    def __init__(self, settings: ServeSettings, observe: Callable[[str, int, float], None] = lambda *_: None) -> None:
        if "MIEN_MAX_PIXELS" not in os.environ or "max_megapixels" in settings.model_fields_set:
            os.environ["MIEN_MAX_PIXELS"] = str(int(settings.max_megapixels * 1e6))  # read wherever pixels are decoded
        self._served: dict[str, ServedModel] = {}
        # Of the shipped models, those are first that are named as what they read.
        for place in settings.models or sorted(shipped(), key=lambda name: name not in modality_names()):
            served = ServedModel(place, settings, observe)
            if served.name in self._served:
                raise ModelError(f"two models are named {served.name}: {place} and another")
            self._served[served.name] = served
        self._stack, self._patience = AsyncExitStack(), settings.timeout_s

    async def __aenter__(self) -> Models:
        for served in self:
            await self._stack.enter_async_context(served.batcher)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def __iter__(self) -> Iterator[ServedModel]:
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

    def get(self, name: str) -> ServedModel:
        """The model of that name; a problem where there is none."""
        if name not in self._served:
            raise Problem(404, f"no model {name[:80]!r} is served; there are: {', '.join(self._served)}")
        return self._served[name]

    def reading(self, *modalities: str) -> list[ServedModel]:
        """The models that read one of these, those of the first modality first."""
        return [served for name in modalities for served in self if served.modality.name == name]

    def choose(self, name: str | None, *modalities: str) -> ServedModel:
        """The model of that name that reads one of these, or the first such; a problem where there is none."""
        able = self.reading(*modalities)
        if not able:
            raise Problem(404, f"no model that reads {' or '.join(modalities)} is served here")
        for served in able:
            if name in (None, served.name):
                return served
        known = ", ".join(served.name for served in able)
        if name in self._served:
            raise Problem(422, f"model: {name} reads {self._served[name].modality.name}; here there are: {known}")
        raise Problem(422, f"model: there is no {(name or '')[:80]!r}; there are: {known}")

    def facts(self, served: ServedModel) -> dict[str, Any]:
        """What clients learn of a model."""
        return {**served.facts(), "default": served is self.reading(served.modality.name)[0]}


def describe_labels(space: LabelSpace) -> list[dict[str, str]]:
    """Labels as clients learn of them."""
    return [{"name": label.name, "emoji": label.emoji, "color": label.color} for label in space]


def _predict(predictor: Predictor, inputs: Sequence[Any]) -> list[Result]:
    return list(predictor.predict_many(inputs))


def _leads_to(own: LabelSpace, name: str) -> bool:
    try:
        groups(own, name)
    except ValueError:
        return False
    return True
