"""Following the people of a clip from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.modalities.appearance import Appearance, is_cut, scene
from mien.modalities.face.detect import Face

_LIVE = 1.5  # seconds for which a person who is not seen is still expected where they were going
_REACH, _SPEED, _FARTHEST = 0.6, 4.0, 3.0  # sizes of the face: how far from there at once, more each second, at most
_GROWN = 0.7  # logarithm of the largest change in size from one frame to the next: to the double, or half
_ALIKE, _SAME = 0.58, 0.78  # similarity: least for a face in the expected place, and for one anywhere
_ALONE = 2.2  # cost of a face that is nobody's, more than that of any pair that is allowed
_APPEARANCES, _NEW = 5, 0.93  # so many of a person are remembered, each less similar to the others than this
_YOUNG = 2.0  # seconds in which a newcomer may still turn out to be someone who was there before
_PEOPLE = 100  # so many people are remembered


@dataclass(slots=True)
class _Person:
    """A person: where they were last, how fast they moved (pixels a second), their appearances."""

    number: int
    centre: np.ndarray
    size: float
    speed: np.ndarray
    time: float
    born: float
    appearances: list[Appearance]
    seen: int = 1
    lost: bool = False  # since a cut


class Tracker:
    """Gives each face of a clip the number of its person, frame by frame.

    A face is the person whose predicted place and remembered appearances fit best, all faces of a frame taken together.
    Place counts for a second and a half; after that, or after a cut to another scene, only a face that looks the same
    is the same person. Appearances are colors of hair, skin and clothes and a coarse pattern of light and dark, no
    recognition of who it is.

    It fails where appearances do not tell people apart or do not stay: people in like clothes with like hair who leave,
    come back or change places unseen may swap numbers; one who comes back in other light, from the side or in other
    clothes gets a new number; and at two frames a second, so may one who runs through the picture while turning. What
    the detector takes for a face by mistake gets a number like everyone: whoever counts people may leave out those of a
    single moment.

    What it remembers is bounded: a hundred people, the surest and latest.

    Attributes:
        known_as: numbers of newcomers who within two seconds turned out to be someone who had left, such as {3: 1}
            where a face that came in half hidden was 3 for two frames and then, clearly seen, 1. Who keeps the numbers
            of a clip may put them right by it at the end.
    """

    def __init__(self) -> None:
        self.known_as: dict[int, int] = {}
        self._people: list[_Person] = []
        self._numbers = 0
        self._scene: np.ndarray | None = None
        self._time = 0.0

    def update(self, time: float, faces: list[Face], picture: np.ndarray) -> list[int]:
        """The next frame.

        Args:
            time: seconds, later than that of the frame before. Two to thirty frames a second are meant.
            faces: those found in it, in any order.
            picture: uint8 (height, width, 3) RGB that the faces' boxes refer to.

        Returns:
            For each face its person's number: from 1, in the order in which people were first seen; none twice.
        """
        now = scene(picture)
        cut = self._scene is not None and is_cut(self._scene, now)
        live = max(_LIVE, 2.5 * (time - self._time)) if self._scene is not None else _LIVE
        self._scene, self._time = now, time
        if cut:
            for person in self._people:
                person.lost = True
        if not faces:
            return []
        boxes = np.array([face.box for face in faces], np.float64)
        centres, sizes = _places(boxes)
        appearances = [Appearance(picture, face.box) for face in faces]
        costs = self._costs(time, live, centres, sizes, appearances)
        met = []
        for place, column in enumerate(assign(costs, _ALONE)):
            clear = not _crowded(place, centres, sizes)
            if column is None:
                person = self._welcome(time, centres[place], float(sizes[place]), appearances[place])
            else:
                person = self._people[column]
                _meet(person, time, live, centres[place], float(sizes[place]), appearances[place] if clear else None)
            met.append(person)
        for person, appearance in zip(met, appearances, strict=True):
            self._recall(person, appearance)
        numbers = [person.number for person in met]
        self._forget(time)
        return numbers

    def _costs(
        self, time: float, live: float, centres: np.ndarray, sizes: np.ndarray, appearances: list[Appearance]
    ) -> np.ndarray:
        """What it costs to take each face for each person, (faces, people); infinite where it cannot be."""
        if not self._people:
            return np.empty((len(appearances), 0))
        past = np.array([person.time for person in self._people])
        away = time - past
        old = np.array([person.centre for person in self._people])
        speed = np.array([person.speed for person in self._people])
        scale = np.sqrt(sizes[:, None] * np.array([person.size for person in self._people]))
        going = np.linalg.norm(centres[:, None] - (old + speed * np.minimum(away, _LIVE)[:, None]), axis=2) / scale
        still = np.linalg.norm(centres[:, None] - old, axis=2) / scale + 0.3  # some stop or turn
        distance = np.minimum(going, still)
        grown = np.abs(np.log(sizes[:, None] / np.array([person.size for person in self._people])))
        similar = np.array(
            [
                [max(map(appearance.similarity, person.appearances)) for person in self._people]
                for appearance in appearances
            ]
        )
        reach = np.minimum(_REACH + _SPEED * away, _FARTHEST)
        expected = (away <= live) & ~np.array([person.lost for person in self._people])
        near = expected & (distance <= reach) & (grown <= _GROWN) & (similar >= _ALIKE)
        costs = np.where(similar >= _SAME, 1.0 + 2.5 * (1 - similar), np.inf)
        return np.where(near, 0.5 * distance / reach + 0.5 * grown + 2.5 * (1 - similar), costs)

    def _welcome(self, time: float, centre: np.ndarray, size: float, appearance: Appearance) -> _Person:
        self._numbers += 1
        person = _Person(self._numbers, centre, size, np.zeros(2), time, time, [appearance])
        self._people.append(person)
        return person

    def _recall(self, newcomer: _Person, appearance: Appearance) -> None:
        """Whether one who came a moment ago is someone who had left before; the number is then as it was."""
        if newcomer.seen < 2 or newcomer.time - newcomer.born > _YOUNG:
            return
        gone = [person for person in self._people if person.time < newcomer.born]
        likely = [max(map(appearance.similarity, person.appearances)) for person in gone]
        if not gone or max(likely) < _SAME:
            return
        person = gone[int(np.argmax(likely))]
        self._people.remove(person)
        self.known_as[newcomer.number] = person.number
        newcomer.number, newcomer.born, newcomer.seen = person.number, person.born, newcomer.seen + person.seen
        newcomer.appearances = [*person.appearances, *newcomer.appearances][-_APPEARANCES:]

    def _forget(self, time: float) -> None:
        if len(self._people) > _PEOPLE:
            self._people.sort(key=lambda person: (person.time < time, person.seen == 1, -person.time))
            del self._people[_PEOPLE:]


def _meet(
    person: _Person, time: float, live: float, centre: np.ndarray, size: float, appearance: Appearance | None
) -> None:
    """See a person again; without an appearance where others stand in the way."""
    away = time - person.time
    speed = (centre - person.centre) / away if 0 < away <= live and not person.lost else np.zeros(2)
    person.speed = 0.5 * (person.speed + speed) if person.seen > 1 else speed
    person.centre, person.size, person.time, person.seen, person.lost = centre, size, time, person.seen + 1, False
    if appearance is not None and max(map(appearance.similarity, person.appearances)) < _NEW:
        person.appearances = [person.appearances[0], *person.appearances[1:][-(_APPEARANCES - 2) :], appearance]


def _places(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, 2) and sizes (n,), the geometric mean of the sides, of boxes (n, 4)."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    return (boxes[:, :2] + boxes[:, 2:]) / 2, np.sqrt(sides.prod(axis=1))


def _crowded(place: int, centres: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether another face is so near that the appearance of this one has parts of it."""
    near = np.linalg.norm(centres - centres[place], axis=1) < 1.3 * np.maximum(sizes, sizes[place])
    return int(near.sum()) > 1


def assign(costs: np.ndarray, alone: float) -> list[int | None]:
    """Pairs rows with columns, each at most once, so that the sum of costs is the least there is.

    The method of shortest augmenting paths (Jonker and Volgenant, Computing 38, 1987), in rows² × columns steps.

    Args:
        costs: float (rows, columns); infinite where a pair is out of the question.
        alone: cost of a row that stays without a column.

    Returns:
        The column of each row; None where it stays alone.
    """
    rows, columns = costs.shape
    padded = np.full((rows, columns + rows), float(alone))  # a column of its own for each row to be alone with
    padded[:, :columns] = np.where(np.isfinite(costs), costs, 1e6 + abs(alone))
    potential_row, potential = np.zeros(rows), np.zeros(columns + rows)
    owner = np.full(columns + rows, -1)
    for start in range(rows):
        reach, came = np.full(columns + rows, np.inf), np.full(columns + rows, -1)
        done = np.zeros(columns + rows, bool)
        row, column, length = start, -1, 0.0
        while row >= 0:  # from the new row by the cheapest detours to a column that is free
            step = length + padded[row] - potential_row[row] - potential
            nearer = ~done & (step < reach)
            reach[nearer], came[nearer] = step[nearer], column
            column = int(np.where(done, np.inf, reach).argmin())
            length, row = float(reach[column]), int(owner[column])
            done[column] = True
        passed = done & (reach < length)
        potential_row[start] += length
        potential_row[owner[passed]] += length - reach[passed]
        potential[passed] -= length - reach[passed]
        while column >= 0:
            before = int(came[column])
            owner[column] = start if before < 0 else owner[before]
            column = before
    found: list[int | None] = [None] * rows
    for column in range(columns):
        if owner[column] >= 0 and np.isfinite(costs[owner[column], column]):
            found[owner[column]] = column
    return found
