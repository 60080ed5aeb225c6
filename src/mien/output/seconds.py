"""What is seen over time, second by second: gathered, and written while it comes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from mien.errors import MienError
from mien.output.rows import BOX, QUALITY, box_cells, head_cells, quality_cells
from mien.results import Glance, Moment, Prediction, together

ENDINGS = (".jsonl", ".csv")


@dataclass
class Second:
    """One second of what is seen.

    Attributes:
        time: its beginning, whole seconds since the first picture.
        at: date and time of its first picture, of a live source.
        looks: pictures looked at.
        dropped: pictures that were passed over for newer ones.
        people: each person in it: the mean of the scores, where the face was last.
        all_faces: whether unreliable faces count in that mean; without it they do only where there are no others.
    """

    time: float
    at: datetime | None = None
    looks: int = 0
    dropped: int = 0
    moments: dict[int, list[Moment]] = field(default_factory=dict, repr=False)
    all_faces: bool = False

    @property
    def people(self) -> list[Moment]:
        """In the order of their numbers."""
        return [_mean(self._counted(self.moments[number])) for number in sorted(self.moments)]

    def counts(self, item: Prediction) -> bool:
        """Whether a prediction is to be counted; see ``Prediction.counts``."""
        return item.counts(self.all_faces)

    @property
    def uncounted(self) -> tuple[int, int]:
        """How many faces were left out because they are unreliable, and how many there were."""
        seen = [moment.prediction for moments in self.moments.values() for moment in moments]
        return sum(not self.counts(item) for item in seen), len(seen)

    def _counted(self, moments: list[Moment]) -> list[Moment]:
        return [moment for moment in moments if self.counts(moment.prediction)] or moments

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        people = [{**one.to_dict(), "moments": len(self.moments[one.person])} for one in self.people]
        return {**self._head(), "people": [{k: v for k, v in one.items() if k != "time"} for one in people]}

    def rows(self, scores: bool) -> Iterator[dict[str, Any]]:
        """A row for each person; one without where nobody was seen."""
        for moment in self.people or (None,):
            item = moment.prediction if moment else None
            of_scores = {f"score_{name}": round(score, 6) for name, score in item.scores.items()} if item else {}
            rated = {name: round(value, 6) for name, value in item.ratings.items()} if item else {}
            person = moment.person if moment else None
            of_face = {**box_cells(item), **quality_cells(item)}
            yield {**self._head(), "person": person, **head_cells(item), **of_face, **rated,
                   **(of_scores if scores else {})}  # fmt: skip

    def _head(self) -> dict[str, Any]:
        return {"time": self.time, "at": _date(self.at), "looks": self.looks, "dropped": self.dropped}


@dataclass(frozen=True)
class Gap:
    """A time without pictures.

    Attributes:
        start, end: seconds since the first picture; *end* is None where it lasted until the end.
        at: date and time of its beginning.
        reason: why.
    """

    start: float
    end: float | None
    at: datetime | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        length = None if self.end is None else round(self.end - self.start, 3)
        end = None if self.end is None else round(self.end, 3)
        return {"gap": {"start": round(self.start, 3), "end": end, "seconds": length, "at": _date(self.at),
                        "reason": self.reason}}  # fmt: skip

    def rows(self, scores: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        found = self.to_dict()["gap"]
        yield {"time": found["start"], "at": found["at"], "gap": found["seconds"], "reason": self.reason}


def by_second(glances: Iterable[Glance], all_faces: bool = False) -> Iterator[Second | Gap]:
    """Each second in which there was a picture, and each gap, once it is over; *all_faces* as of `Second`."""
    second: Second | None = None
    gap: Glance | None = None
    dropped = 0
    for glance in glances:
        if second is not None and (glance.gap or glance.time >= second.time + 1):
            yield second
            second = None
        if glance.gap:
            gap = gap or glance
            continue
        if gap is not None:
            yield Gap(gap.time, glance.time, gap.at, gap.gap)
            gap = None
        if second is None:
            second = Second(float(int(glance.time)), glance.at, all_faces=all_faces)
        second.looks, second.dropped, dropped = (
            second.looks + 1, second.dropped + glance.dropped - dropped, glance.dropped,
        )  # fmt: skip
        for moment in glance.people:
            second.moments.setdefault(moment.person, []).append(moment)
    if second is not None:
        yield second
    if gap is not None:
        yield Gap(gap.time, None, gap.at, gap.gap)


class SecondsWriter:
    """Writes seconds and gaps into a file, each at once, so that all is there whenever it is stopped.

    The file is begun with the first of them: a source that cannot be opened leaves what is there as it is.

    Args:
        path: ends in one of `ENDINGS`.
        labels, ratings: that the model gives.
        scores: of a table: whether each label has a column.
        certain: of a table: whether the model says what it is not sure of.
        faces: of a table: whether it is faces that are read.
    """

    def __init__(
        self, path: Path, labels: Iterable[str], ratings: Iterable[str], scores: bool, certain: bool = False,
        faces: bool = False,
    ) -> None:  # fmt: skip
        self.path, self.written, self._scores = path, 0, scores
        of_labels = [f"score_{name}" for name in labels] if scores else []
        sure = ("unsure", "label_set") if certain else ()
        who = ("time", "at", "person", "label", "emoji", "score", "labels", *sure, *BOX, *(QUALITY if faces else ()))
        self._columns = [*who, *ratings, "looks", "dropped", "gap", "reason", *of_labels]
        self._file: IO[str] | None = None

    def write(self, part: Second | Gap) -> None:
        """Add it to the file.

        Raises:
            MienError: the file cannot be written.
        """
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8", newline="")
                if self._table:
                    csv.writer(self._file).writerow(self._columns)
            if self._table:
                csv.DictWriter(self._file, self._columns).writerows(part.rows(self._scores))
            else:
                self._file.write(json.dumps(part.to_dict(), ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise MienError(f"cannot write {self.path}: {error.strerror or error}") from error
        self.written += 1

    @property
    def _table(self) -> bool:
        return self.path.suffix.lower() == ".csv"

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _date(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _mean(moments: list[Moment]) -> Moment:
    last, count = moments[-1], len(moments)
    scores, ratings = (
        {name: sum(one[name] for one in rows) / count for name in rows[-1]}
        for rows in ([one.prediction.scores for one in moments], [one.prediction.ratings for one in moments])
    )
    quality = together(one.prediction.quality for one in moments) or last.prediction.quality
    return replace(last, prediction=replace(last.prediction, scores=scores, ratings=ratings, quality=quality))
