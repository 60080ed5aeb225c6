"""Inputs on their way through a predictor: prepared, put together to batches, and what becomes of those that fail."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from mien.errors import InputError, MienError
from mien.modality.registry import get_modality
from mien.results import Box, Corners, FaceAction, Quality, Result
from mien.runtime import count_characters

_AHEAD = 64  # inputs prepared before what is in them is computed, however little that is
_CHARACTERS = 2**24  # of texts that are computed together
_LONGEST = 120  # characters of a name in a message, from its end
_NAMELESS = {"<bytes>": "the file", "<file>": "the file", "<array>": "the picture", "<image>": "the picture"}
_log = logging.getLogger("mien.modality")

T = TypeVar("T")
R = TypeVar("R")


class Item(NamedTuple):
    """One input, prepared.

    Attributes:
        name: of the input in its result.
        samples: one for each thing to read in it, such as a text or each face, as the predictor's ``forward`` takes it.
        boxes: where each is in the picture; None where there are none.
        notes: what was guessed in preparing it.
        error: why it cannot be used.
        read: what reads it on its own when its turn comes, given the batch size, where it is too large for samples.
        language: of a text: by whose thresholds its labels hold, where the model has such of several languages.
        corners: of each sample that was cut out of the picture: where its corners are in that, see `Explanation`.
        qualities: of each sample that is a face: how well it can be seen.
        actions: of each sample that is a face: what it does, where that was asked for.
        all_faces: whether unreliable faces are to count as others do.
    """

    name: str
    samples: Sequence[Any] = ()
    boxes: Sequence[Box | None] | None = None
    notes: Sequence[str] = ()
    error: str | None = None
    read: Callable[[int], Result] | None = None
    corners: Sequence[Corners] = ()
    qualities: Sequence[Quality] = ()
    actions: Sequence[FaceAction] = ()
    language: str | None = None
    all_faces: bool = False


class Outputs(NamedTuple):
    """What a network gives, a row per sample.

    Attributes:
        probabilities: float32 (n, labels).
        ratings: float32 (n, ratings).
        all: float32 (n, columns), the probabilities of all label spaces that the network answers in, where the
            modality's ``assemble`` needs them; else (n, 0).
        sure: float (n,), how sure each strongest label is, 0..1: what a model's certainty goes by.
    """

    probabilities: np.ndarray
    ratings: np.ndarray
    all: np.ndarray
    sure: np.ndarray

    @classmethod
    def of(
        cls, probabilities: np.ndarray, ratings: np.ndarray | None = None, all: np.ndarray | None = None,
        sure: np.ndarray | None = None,
    ) -> Outputs:  # fmt: skip
        """With (n, 0) for what is not given, and the score of the strongest label for how sure it is."""
        nothing = np.zeros((len(probabilities), 0), np.float32)
        sure = probabilities.max(1, initial=0) if sure is None else sure
        return cls(probabilities, nothing if ratings is None else ratings, nothing if all is None else all, sure)


def check_batch_size(batch_size: int) -> int:
    """The number itself. Raises InputError: it is not above 0."""
    if batch_size < 1:
        raise InputError(f"batch_size must be above 0, not {batch_size}")
    return batch_size


def gathered(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in their order, as many together as have so many samples, or none for long, or are long texts."""
    waiting, samples, characters = list[Item](), 0, 0
    for item in items:
        waiting.append(item)
        samples += len(item.samples)
        characters += count_characters(item.samples)
        if samples >= size or len(waiting) >= max(size, _AHEAD) or characters > _CHARACTERS or item.read:
            yield waiting
            waiting, samples, characters = [], 0, 0
    if waiting:
        yield waiting


def guarded(
    inputs: Iterable[T], read: Callable[[Iterable[T]], Iterator[R]], failed: Callable[[T, Exception], R]
) -> Iterator[R]:
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
            if source.failed or not waiting:  # it is not an input that it failed on
                raise
            if isinstance(error, MienError | Warning) and not isinstance(error, InputError):
                raise
        while waiting:
            item = waiting.popleft()
            try:
                (result,) = read([item])
            except Exception as error:
                result = failed(item, error)
            yield result


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
    what = {"text": "the text", "row": "the row"}.get(get_modality(modality).kind) or _NAMELESS.get(name, name)
    what = what if len(what) <= _LONGEST else "…" + what[1 - _LONGEST :]
    if isinstance(error, MemoryError):
        return f"{what} needs more memory than there is"
    return f"{what} cannot be read: internal error ({type(error).__name__})"
