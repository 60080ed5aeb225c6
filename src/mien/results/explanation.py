"""What brought a label about: the words of a text, or the regions of a face, and what each adds to the probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Corners = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Word:
    """A word of a text, or several that stand together.

    Attributes:
        text: as it stands there.
        start, end: its place in the text, in characters, as ``text[start:end]``.
        share: by how much the label's probability falls without it, -1..1; below 0 where it speaks against the label.
    """

    text: str
    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Explanation:
    """By how much the probability of the strongest label falls where a part of the input is hidden.

    Each part is hidden on its own and the network run again, as Zeiler & Fergus (2014, Visualizing and understanding
    convolutional networks) do with gray patches, and Li, Monroe & Jurafsky (2016, Understanding neural networks through
    representation erasure) with words. It says what the network looks at, not why somebody feels something. The shares
    need not sum to the probability: of two words that say the same, either may go.

    Attributes:
        label: the label that is explained.
        space: name of the label space that it is of.
        score: its probability with nothing hidden.
        words: of a text: all its words, in their order.
        grid: of a face: rows from top to bottom, each from left to right, of the shares of the cells.
        corners: of a face: where the grid lies in the picture: x and y, in pixels, of its top left, top right, bottom
            right and bottom left, as the face stands; it may be turned, and reach beyond the border.
        note: how it was bounded, where the text is long.
    """

    label: str
    space: str
    score: float
    words: tuple[Word, ...] = ()
    grid: tuple[tuple[float, ...], ...] = ()
    corners: Corners = ()
    note: str = ""

    def strongest(self, most: int = 5) -> list[Word]:
        """The words with the largest shares, for or against, strongest first; none that changes less than 0.005."""
        ranked = sorted(self.words, key=lambda word: -abs(word.share))
        return [word for word in ranked[:most] if abs(word.share) >= 0.005]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        words = [{"text": w.text, "start": w.start, "end": w.end, "share": round(w.share, 6)} for w in self.words]
        region = {
            "grid": [[round(share, 6) for share in row] for row in self.grid],
            "corners": [[round(side, 1) for side in corner] for corner in self.corners],
        }
        return {
            "label": self.label,
            "space": self.space,
            "score": round(self.score, 6),
            **({"words": words} if self.words else {}),
            **(region if self.grid else {}),
            **({"note": self.note} if self.note else {}),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Explanation:
        """The explanation that :meth:`to_dict` gave these values of."""
        return cls(
            document["label"], document["space"], document["score"],
            tuple(Word(row["text"], row["start"], row["end"], row["share"]) for row in document.get("words", ())),
            tuple(tuple(map(float, row)) for row in document.get("grid", ())),
            tuple((float(x), float(y)) for x, y in document.get("corners", ())),
            document.get("note", ""),
        )  # fmt: skip
