"""Ways to bend bytes: at random, and by the units (chunks, boxes, tags, packets) that a format is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

#: Numbers at the edges of what formats can hold.
EDGES = (
    *(0, 1, 2, 3, 4, 7, 8, 15, 16, 24, 31, 32, 63, 64, 100, 127, 128, 255, 256, 257, 1000, 4095, 4096, 5000, 20_000),
    *(
        32_767,
        32_768,
        65_535,
        65_536,
        10**6,
        2**24 - 1,
        2**24,
        2**28,
        2**31 - 1,
        2**31,
        2**32 - 1,
        2**63 - 1,
        2**64 - 1,
    ),
)
#: Widths and heights: some fit the limit that the fuzzer sets, some do not.
SIDES = (0, 1, 2, 3, 7, 8, 16, 17, 24, 31, 33, 64, 100, 255, 256, 257, 1000, 4000, 9000, 16_383, 20_000, 65_535)


def number(rng: Random) -> int:
    """A number, more often one at an edge."""
    return rng.choice(EDGES) if rng.random() < 0.7 else rng.getrandbits(rng.choice((4, 8, 12, 16, 24, 32)))


def packed(value: int, size: int, order: str) -> bytes:
    """The low bytes of a number."""
    return (value % 256**size).to_bytes(size, "little" if order in "<little" else "big")


def bend(rng: Random, data: bytes, most: int = 4) -> bytes:
    """A few changes at random places."""
    made = bytearray(data)
    for _ in range(rng.randint(1, most)):
        if not made:
            return b"\0"
        place = int(len(made) * rng.random() ** rng.choice((1, 1, 3)))  # headers stand at the beginning
        what = rng.randrange(8)
        if what == 0:
            made[place] ^= 1 << rng.randrange(8)
        elif what == 1:
            made[place] = rng.randrange(256)
        elif what == 2:
            size = rng.choice((1, 2, 3, 4, 8))
            made[place : place + size] = packed(number(rng), size, rng.choice("<>"))
        elif what == 3:
            made[place:place] = rng.randbytes(rng.randint(1, 16))
        elif what == 4:
            del made[place : place + rng.randint(1, rng.choice((2, 16, 200)))]
        elif what == 5:
            part = made[place : place + rng.randint(1, 64)]
            other = rng.randrange(len(made))
            made[other:other] = part * rng.choice((1, 1, 2, 50))
        elif what == 6:
            made[place : place + rng.randint(1, 40)] = bytes([rng.choice((0, 255, 32, 128))]) * rng.randint(1, 40)
        else:
            del made[rng.randrange(1, len(made) + 1) :]
    return bytes(made)


def rearranged(
    rng: Random, units: Sequence[bytes], spare: Callable[[], bytes] | None = None, most: int = 3
) -> list[bytes]:
    """The units of a file with some dropped, doubled, swapped, bent, or new ones (from *spare*) between them."""
    made = list(units)
    for _ in range(rng.randint(1, most)):
        if not made:
            break
        place, what = rng.randrange(len(made)), rng.randrange(7)
        if what == 0:
            del made[place]
        elif what == 1:
            made.insert(rng.randrange(len(made) + 1), made[place])
        elif what == 2:
            other = rng.randrange(len(made))
            made[place], made[other] = made[other], made[place]
        elif what == 3 and spare is not None:
            made.insert(rng.randrange(len(made) + 1), spare())
        elif what == 4:
            del made[place:]
        else:
            made[place] = bend(rng, made[place], 2)
    return made
