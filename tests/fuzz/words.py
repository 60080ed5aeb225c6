"""Texts as people and attackers write them."""

from __future__ import annotations

from random import Random

PIECES = (
    *("i am so happy today", "what a waste", "I hate it!!!", "no", "don't", ":)", ">:(", "<3", "^_^"),
    *(
        "",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\x1b[31m",
        "\x1b]0;title\x07",
        "\x7f",
        "\x85",
        "\u2028",
        "\u2029",
        "\ufeff",
    ),
    *(
        '"',
        "'",
        '""',
        ",",
        ";",
        "|",
        "\\",
        "=",
        "sep=;",
        "a,b",
        '"a\tb',
        "=1+1",
        "#",
        "<script>alert(1)</script>",
        "&amp;",
    ),
    *(
        "e\u0301",
        "\u0301" * 50,
        "\u0340\u0315" * 30,
        "ﷺ" * 5,
        "ﬀ",
        "İ",
        "ß",
        "Å",
        "가",
        "\u1100\u1161",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "🇩🇪",
        "☺️",
        "😭" * 20,
    ),
    *(
        "\u202egnitirw",
        "\u2066x",
        "\u200b",
        "\u200d",
        "\U000e0041",
        "\ue000",
        "\U0010ffff",
        "\ud800",
        "\udfff",
        "\ufffd",
    ),
    *(
        "مرحبا",
        "नमस्ते",
        "你好世界",
        "ｗｉｄｅ",
        "١٢٣",
        "0" * 400,
        "-1",
        "1e999",
        "NaN",
        "null",
        "None",
        "true",
        "2001-99-99",
    ),
    *(
        "comments.csv",
        "../../etc/passwd",
        "https://example.org/a",
        "a" * 300,
        "[" * 50,
        "{}",
        "[pad]",
        "[UNK]",
        "##s",
        "<unk>",
    ),
)
#: Pieces that UTF-8 can hold.
PLAIN = tuple(piece for piece in PIECES if not any("\ud800" <= c <= "\udfff" for c in piece))


def text(rng: Random, *, plain: bool = True, most: int = 4) -> str:
    """A text of a few pieces, now and then of one piece many times."""
    pieces = PLAIN if plain else PIECES
    if rng.random() < 0.02:
        return rng.choice(pieces) * rng.choice((100, 1000, 5000))
    if rng.random() < 0.05:
        return "".join(chr(_point(rng, plain)) for _ in range(rng.randint(1, 40)))
    return rng.choice(("", " ", "\n")).join(rng.choice(pieces) for _ in range(rng.randint(1, most)))


def _point(rng: Random, plain: bool) -> int:
    point = rng.randrange(rng.choice((128, 0x300, 0x3000, 0x20000, 0x110000)))
    return 0xFFFD if plain and 0xD800 <= point < 0xE000 else point
