"""What a camera or a stream showed at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mien.results.clip import Moment


@dataclass(frozen=True)
class Glance:
    """What is seen in one picture of a camera, a stream or a clip; or that there is no picture from here on.

    Attributes:
        time: seconds since the first picture; of a clip by its own clock.
        people: each person in it, with the prediction and the box; of a scene the one of the whole picture.
        at: date and time of a live picture; None of a clip.
        dropped: pictures so far that were passed over for newer ones.
        gap: why there is no picture from here on; "" where there is one.
    """

    time: float
    people: tuple[Moment, ...] = ()
    at: datetime | None = None
    dropped: int = 0
    gap: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "time": round(self.time, 3),
            "at": self.at.isoformat(timespec="milliseconds") if self.at else None,
            "people": [moment.to_dict() for moment in self.people],
            "dropped": self.dropped,
            "gap": self.gap or None,
        }
