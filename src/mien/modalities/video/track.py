"""Following the people of a clip from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.modalities.face.detect import Face
from mien.modalities.video.assign import assign
from mien.modalities.video.look import Look, is_cut, scene

_LIVE = 1.5  # seconds for which a person who is not seen is still expected where they were going
_REACH, _SPEED, _FARTHEST = 0.6, 4.0, 3.0  # sizes of the face: how far from there at once, more each second, at most
_GROWN = 0.7  # logarithm of the largest change in size from one frame to the next: to the double, or half
_ALIKE, _SAME = 0.58, 0.78  # likeness of looks: least for a face in the expected place, and for one anywhere
_ALONE = 2.2  # cost of a face that is nobody's, more than that of any pair that is allowed
_LOOKS, _NEW_LOOK = 5, 0.93  # so many looks of a person are remembered, each less like the others than this
_YOUNG = 2.0  # seconds in which a newcomer may still turn out to be someone who was there before
_PEOPLE = 100  # so many people are remembered


@dataclass(slots=True)
class _Person:
    """What is remembered of a person: where they were last, how fast they moved (pixels a second), their looks."""

    number: int
    centre: np.ndarray
    size: float
    speed: np.ndarray
    time: float
    born: float
    looks: list[Look]
    seen: int = 1
    lost: bool = False  # since a cut


class Tracker:
    """Gives each face of a clip the number of its person, frame by frame.

    A face is the person whose predicted place and remembered looks fit best, all faces of a frame taken together. Place
    counts for a second and a half; after that, or after a cut to another scene, only a face that looks the same is the
    same person. Looks are colors of hair, skin and clothes and a coarse pattern of light and dark, no recognition of
    who it is.

    It fails where looks do not tell people apart or do not stay: people in like clothes with like hair who leave, come
    back or change places unseen may swap numbers; one who comes back in other light, from the side or in other clothes
    gets a new number; and at two frames a second, so may one who runs through the picture while turning. What the
    detector takes for a face by mistake gets a number like everyone: whoever counts people may leave out those of a
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
        looks = [Look(picture, face.box) for face in faces]
        costs = self._costs(time, live, centres, sizes, looks)
        met = []
        for place, column in enumerate(assign(costs, _ALONE)):
            clear = not _crowded(place, centres, sizes)
            if column is None:
                person = self._welcome(time, centres[place], float(sizes[place]), looks[place])
            else:
                person = self._people[column]
                _meet(person, time, live, centres[place], float(sizes[place]), looks[place] if clear else None)
            met.append(person)
        for person, look in zip(met, looks, strict=True):
            self._recall(person, look)
        numbers = [person.number for person in met]
        self._forget(time)
        return numbers

    def _costs(self, time: float, live: float, centres: np.ndarray, sizes: np.ndarray, looks: list[Look]) -> np.ndarray:
        """What it costs to take each face for each person, (faces, people); infinite where it cannot be."""
        if not self._people:
            return np.empty((len(looks), 0))
        past = np.array([person.time for person in self._people])
        away = time - past
        old = np.array([person.centre for person in self._people])
        speed = np.array([person.speed for person in self._people])
        scale = np.sqrt(sizes[:, None] * np.array([person.size for person in self._people]))
        going = np.linalg.norm(centres[:, None] - (old + speed * np.minimum(away, _LIVE)[:, None]), axis=2) / scale
        still = np.linalg.norm(centres[:, None] - old, axis=2) / scale + 0.3  # some stop or turn
        distance = np.minimum(going, still)
        grown = np.abs(np.log(sizes[:, None] / np.array([person.size for person in self._people])))
        like = np.array([[max(map(look.like, person.looks)) for person in self._people] for look in looks])
        reach = np.minimum(_REACH + _SPEED * away, _FARTHEST)
        expected = (away <= live) & ~np.array([person.lost for person in self._people])
        near = expected & (distance <= reach) & (grown <= _GROWN) & (like >= _ALIKE)
        costs = np.where(like >= _SAME, 1.0 + 2.5 * (1 - like), np.inf)
        return np.where(near, 0.5 * distance / reach + 0.5 * grown + 2.5 * (1 - like), costs)

    def _welcome(self, time: float, centre: np.ndarray, size: float, look: Look) -> _Person:
        self._numbers += 1
        person = _Person(self._numbers, centre, size, np.zeros(2), time, time, [look])
        self._people.append(person)
        return person

    def _recall(self, newcomer: _Person, look: Look) -> None:
        """Whether one who came a moment ago is someone who had left before; the number is then as it was."""
        if newcomer.seen < 2 or newcomer.time - newcomer.born > _YOUNG:
            return
        gone = [person for person in self._people if person.time < newcomer.born]
        likely = [max(map(look.like, person.looks)) for person in gone]
        if not gone or max(likely) < _SAME:
            return
        person = gone[int(np.argmax(likely))]
        self._people.remove(person)
        self.known_as[newcomer.number] = person.number
        newcomer.number, newcomer.born, newcomer.seen = person.number, person.born, newcomer.seen + person.seen
        newcomer.looks = [*person.looks, *newcomer.looks][-_LOOKS:]

    def _forget(self, time: float) -> None:
        if len(self._people) > _PEOPLE:
            self._people.sort(key=lambda person: (person.time < time, person.seen == 1, -person.time))
            del self._people[_PEOPLE:]


def _meet(person: _Person, time: float, live: float, centre: np.ndarray, size: float, look: Look | None) -> None:
    """See a person again; without a look where others stand in the way."""
    away = time - person.time
    speed = (centre - person.centre) / away if 0 < away <= live and not person.lost else np.zeros(2)
    person.speed = 0.5 * (person.speed + speed) if person.seen > 1 else speed
    person.centre, person.size, person.time, person.seen, person.lost = centre, size, time, person.seen + 1, False
    if look is not None and max(map(look.like, person.looks)) < _NEW_LOOK:
        person.looks = [person.looks[0], *person.looks[1:][-(_LOOKS - 2) :], look]


def _places(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, 2) and sizes (n,), the geometric mean of the sides, of boxes (n, 4)."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    return (boxes[:, :2] + boxes[:, 2:]) / 2, np.sqrt(sides.prod(axis=1))


def _crowded(place: int, centres: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether another face is so near that the look of this one has parts of it."""
    near = np.linalg.norm(centres - centres[place], axis=1) < 1.3 * np.maximum(sizes, sizes[place])
    return int(near.sum()) > 1
