"""What training needs to know of clips: their faces, frame by frame or as sequences of features. Imports no torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from mien import model as folders
from mien.datasets import Dataset
from mien.errors import DataError, RecipeError
from mien.modalities.face.detect import FaceDetector
from mien.modalities.face.preprocess import FaceSettings
from mien.modalities.face.sampler import FaceSampler
from mien.modalities.video.aggregate import RULES
from mien.modalities.video.frames import ClipFrames, Crops, FrameStore, Sequences
from mien.modalities.video.preprocess import VideoSettings
from mien.modalities.video.sequences import padded, windows
from mien.modality import Sampler, SamplerSettings, preprocess_settings
from mien.model import FRAMES
from mien.output.terminal import progress
from mien.runtime import probabilities_of
from mien.segments import smooth_each

_log = logging.getLogger("mien.training")
_TOGETHER = "temporal"  # the network that reads sequences of features
_CLIP, _TIME, _PERSON = "clip", "time", "person"  # columns of what clips were expanded to
_NAMED = 20  # clips left out that are named one by one


class VideoSampler(FaceSampler):
    """The faces in the frames of clips, each a sample with the label of its clip."""

    evaluation_batch = 32

    def __init__(self, given: SamplerSettings) -> None:
        super().__init__(given)
        if self.settings.aggregate == "learned":
            raise RecipeError(f"preprocess.aggregate: learned is what the network {_TOGETHER} does")

    @property
    def face(self) -> FaceSettings:
        """How each face is prepared."""
        settings: VideoSettings = self.settings
        return settings.face

    def expand(self, sets: Sequence[Dataset]) -> list[Dataset]:
        """Each set of clips as one of the faces in their frames; see :func:`_cut`."""
        store, clips = _cut(self.settings, sets)
        return [_frames(part, kept, store) for part, kept in zip(sets, clips, strict=True)]

    def pool(self, logits: np.ndarray, samples: Dataset) -> tuple[np.ndarray, Dataset]:
        """From frames to clips, as prediction does it: smoothed for each person, then taken together by the rule.

        Args:
            logits: float (n, labels) of the frames.
            samples: the n frames, as :meth:`expand` gives them.

        Returns:
            The logarithms of the clips' probabilities, float32 (clips, labels), and the clips with their labels.
        """
        return _pooled(logits, samples, self.settings.aggregate, self.settings.smooth)


class SequenceSampler(Sampler):
    """The people in clips, each a sequence of what a network of faces makes of the frames.

    Raises:
        ModelError: there is no such model of faces, or its folder is damaged.
        RecipeError: it reads no faces, or has several networks; or the recipe says how faces are cut.
    """

    free_axes = ("batch", "length")
    settings: VideoSettings

    def __init__(self, given: SamplerSettings) -> None:
        folder = folders.find_model(given.network.get("faces", "face"))
        manifest = folders.verify(folder)
        if manifest.modality != "face" or manifest.experts:
            raise RecipeError(f"network.faces: {folder} is not one network that reads faces")
        settings: VideoSettings = given.preprocess
        if "face" in settings.model_fields_set:
            raise RecipeError(
                f"preprocess.face: the model {manifest.name}, which reads the frames, says how faces are cut"
            )
        face = preprocess_settings(manifest, FaceSettings, manifest.name)
        self.settings = settings.model_copy(update={"face": face, "aggregate": "learned", "smooth": 0.0})
        self.built_on = [manifest]
        self._network = folder / folders.NETWORK

    def expand(self, sets: Sequence[Dataset]) -> list[Dataset]:
        """Each set of clips as one of sequences of features of the faces in them; see :func:`_cut`."""
        store, clips = _cut(self.settings, sets)
        with progress("reading faces", store.end) as step:
            features = store.features(self._network, step)
        return [_sequences(part, kept, features, self.settings) for part, kept in zip(sets, clips, strict=True)]

    def fit(self, sets: Sequence[Dataset]) -> Self:
        """See how wide the features are, and keep the network that gives them."""
        self.input_spec = {"width": len(sets[0].inputs[0][0])}
        self.files = {FRAMES: self._network.read_bytes()}
        return self

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """Frames of each sequence, int64 (n,)."""
        return inputs.lengths if isinstance(inputs, Sequences) else np.array([len(item) for item in inputs], np.int64)

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of sequences, padded: see ``sequences.padded``. They are left as they are."""
        return padded(inputs)

    def pool(self, logits: np.ndarray, samples: Dataset) -> tuple[np.ndarray, Dataset]:
        """From segments to clips: see :meth:`VideoSampler.pool`."""
        return _pooled(logits, samples, "sum", 0.0)


def video_sampler(given: SamplerSettings) -> VideoSampler | SequenceSampler:
    """The sampler of the recipe's network."""
    return (SequenceSampler if given.network.get("kind") == _TOGETHER else VideoSampler)(given)


def _cut(settings: VideoSettings, sets: Sequence[Dataset]) -> tuple[FrameStore, list[list[ClipFrames]]]:
    """The faces in the clips of all sets, cut and kept on disk, and for each set the frames of its clips.

    Clips without a face, or that cannot be read, are named and left out.

    Raises:
        RecipeError: clips have several labels at a time.
        MienError: the crops cannot be kept.
    """
    if any(part.space.multilabel for part in sets):
        raise RecipeError("clips are read with one label at a time")
    store = FrameStore(settings, FaceDetector())
    paths = list(dict.fromkeys(str(path) for part in sets for path in part.inputs))
    _log.info(f"faces of {len(paths):,} clips are kept in {store.folder}")
    with progress("cutting faces", len(paths)) as step:
        kept = dict(zip(paths, store.add(paths, step), strict=True))
    lost = [clip.problem for clip in kept.values() if not clip.times]
    if store.dropped:
        _log.info(f"{store.dropped:,} clips in it had lost their crops, which were cut again where they are needed")
    if lost:
        more = f" … and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        _log.info(f"{len(lost):,} of {len(paths):,} clips are left out: {'; '.join(lost[:_NAMED])}{more}")
    return store, [[kept[str(path)] for path in part.inputs] for part in sets]


def _pooled(logits: np.ndarray, samples: Dataset, rule: str, seconds: float) -> tuple[np.ndarray, Dataset]:
    who, times = samples.columns[_PERSON], samples.columns[_TIME]
    _, first = np.unique(samples.columns[_CLIP], return_index=True)  # the samples of a clip follow each other
    probabilities = probabilities_of(np.asarray(logits, np.float32), multilabel=False)
    rows = [
        RULES[rule](smooth_each(times[of], who[of], probabilities[of], seconds))
        for of in np.split(np.arange(len(samples)), first[1:])
    ]
    targets, split = samples.targets[first], samples.split[first]
    whole = replace(
        samples, inputs=range(len(rows)), targets=targets, split=split, where=(), columns={}, group="", votes={},
        ratings={}, scales={},
    )  # fmt: skip
    return np.log(np.maximum(np.array(rows), 1e-9)).astype(np.float32), whole


def _kept(part: Dataset, clips: Sequence[ClipFrames]) -> list[int]:
    kept = [row for row, clip in enumerate(clips) if clip.times]
    if not kept:
        raise DataError(f"{part.name}: no face was found in any of {len(part)} clips")
    return kept


def _frames(part: Dataset, clips: Sequence[ClipFrames], store: FrameStore) -> Dataset:
    kept = _kept(part, clips)
    rows = np.repeat(kept, [len(clips[row].times) for row in kept])
    places = np.concatenate([np.arange(clips[row].start, clips[row].end) for row in kept])
    columns = {
        _CLIP: rows,
        _TIME: np.concatenate([clips[row].times for row in kept]),
        _PERSON: np.concatenate([clips[row].people for row in kept]),
    }
    return _samples(part, rows, Crops(store.rows, places), columns)


def _sequences(part: Dataset, clips: Sequence[ClipFrames], features: Any, settings: VideoSettings) -> Dataset:
    """The person seen most often in each clip, in segments of ``window`` seconds; the last one ends with the clip."""
    rows: list[int] = []
    places: list[np.ndarray] = []
    for row in _kept(part, clips):
        clip = clips[row]
        numbers, seen = np.unique(clip.people, return_counts=True)
        of = np.flatnonzero(np.array(clip.people) == numbers[seen.argmax()])
        times = np.array(clip.times)[of]
        count = max(1, int(np.ceil((times[-1] - times[0]) / settings.window)))
        centres = times[0] + (np.arange(count) + 0.5) * settings.window
        for first, last in windows(times, centres, settings.window):
            if last > first:  # the person may have been away for longer than that
                rows.append(row)
                places.append(clip.start + of[first:last])
    index = np.array(rows, np.int64)
    columns = {_CLIP: index, _TIME: np.arange(len(index), dtype=float), _PERSON: np.ones(len(index), np.int64)}
    return _samples(part, index, Sequences(features, places), columns)


def _samples(part: Dataset, rows: np.ndarray, inputs: Sequence[Any], columns: dict[str, np.ndarray]) -> Dataset:
    """What the clips at *rows* were expanded to, with their labels."""
    targets, split = part.targets[rows], part.split[rows]
    return replace(
        part, inputs=inputs, targets=targets, split=split, where=(), columns=columns, group="", votes={},
        ratings={}, scales={},
    )  # fmt: skip
