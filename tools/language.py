"""Trains the table that tells languages: `python tools/language.py DATA`, of XED, BRIGHTER and GoEmotions.

Writes src/mien/modalities/text/languages.npz, a multinomial logistic regression over hashed runs of letters, and
prints how well it does on what it was not trained on. Needs torch; takes about a minute.
"""

from __future__ import annotations

import csv
import random
import sys
import unicodedata
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from mien.modalities.text import language
from mien.modalities.text.language import NO_LANGUAGE, grams, join, words

BUCKETS, SAMPLES, EPOCHS, BATCH, RATE = 12_800, 400_000, 2, 512, 0.05
HELD_OUT = 10  # of 100 lines of XED
BRIGHTER = {
    "afr": "af", "amh": "am", "arq": "ar", "ary": "ar", "deu": "de", "eng": "en", "esp": "es", "hau": "ha", "hin": "hi",
    "ibo": "ig", "kin": "rw", "mar": "mr", "orm": "om", "pcm": "pcm", "ptbr": "pt", "ptmz": "pt", "ron": "ro",
    "rus": "ru", "som": "so", "sun": "su", "swa": "sw", "swe": "sv", "tat": "tt", "tir": "ti", "ukr": "uk",
    "vmw": "vmw", "yor": "yo",
}  # fmt: skip
XED = {"br": "pt", "neu_en": "en", "neu_fi": "fi"}
OF_ONE_SCRIPT = {"el", "he", "th", "ml", "ja", "zh", "cn", "tw"}
MIXED = ("sw", "ig", "pcm", "gl", "eu")  # with much English in their texts, or too few of them
BARE = ("im", "dont", "ive", "cant", "thats", "didnt")  # as English is often written
LETTERS = "asdfghjklqwertyuiopzxcvbnm"
LAUGHS = ("ha", "ja", "he", "hi", "je", "ah", "hu", "xa", "lo", "ka")


def brighter(data: Path, part: str) -> dict[str, list[str]]:
    """Texts by BRIGHTER's code of their language."""
    found = {}
    for path in sorted((data / "brighter" / part).glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            found[path.stem] = [row["text"] for row in csv.DictReader(file)]
    return found


def xed(data: Path, held_out: bool) -> dict[str, list[str]]:
    """Lines of subtitles by language; a tenth of them is held out, the same one in each run."""
    found: dict[str, list[str]] = {}
    for path in sorted((data / "xed").glob("*.t*")):
        code = XED.get(path.stem, XED.get(path.stem[:2], path.stem[:2]))
        column = 1 if path.stem.startswith("neu") else 0
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            cells = line.split("\t")
            if len(cells) > 1 and (zlib.crc32(cells[column].encode()) % 100 < HELD_OUT) == held_out:
                found.setdefault(code, []).append(cells[column])
    return found


def lines(path: Path, separator: str) -> list[str]:
    """The first column of a file of lines."""
    return [line.split(separator)[0] for line in path.read_text(encoding="utf-8").splitlines() if line]


def training_words(data: Path) -> dict[str, list[list[str]]]:
    """The words of each text, by language; and those that names and the like are made of, as of no language."""
    texts = xed(data, held_out=False)
    for code, rows in brighter(data, "train").items():
        if code in BRIGHTER:
            texts.setdefault(BRIGHTER[code], []).extend(rows)
    texts["en"] += lines(data / "goemotions" / "train.tsv", "\t")
    found = {
        code: [cut for cut in map(words, rows) if cut] for code, rows in texts.items() if code not in OF_ONE_SCRIPT
    }
    capital = (word for text in texts["en"] for word in language._WORD.findall(text)[1:])
    return {
        NO_LANGUAGE: [[word] for word in capital if word.istitle() and len(word) > 2],
        **dict(sorted(found.items())),
    }


class Samples:
    """Parts of texts, as people write them: of few words, without accents or apostrophes, of two languages."""

    def __init__(self, texts: dict[str, list[list[str]]]) -> None:
        self.texts, self.codes, self.rng = texts, list(texts), random.Random(0)
        share = {code: len(rows) ** 0.5 for code, rows in texts.items() if code not in (NO_LANGUAGE, "en")}
        total = sum(share.values())
        self.shares = [0.04 if c == NO_LANGUAGE else 0.3 if c == "en" else 0.66 * share[c] / total for c in self.codes]

    def draw(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Buckets of all samples one after the other, how many each has, and their languages."""
        parts, sizes, targets = [], np.empty(count, np.int64), np.empty(count, np.int64)
        for place, code in enumerate(self.rng.choices(self.codes, self.shares, k=count)):
            letters, told = self._mixed(code) if self.rng.random() < 0.06 else (self._letters(code), code)
            parts.append(grams(letters, BUCKETS).astype(np.int32))
            sizes[place], targets[place] = len(parts[-1]), self.codes.index(told)
        return np.concatenate(parts), sizes, targets

    def _mixed(self, code: str) -> tuple[str, str]:
        one, other = self._letters(code), self._letters("en")
        share = len(one) / (len(one) + len(other))
        return one + other[1:], code if self.rng.random() < share else "en"

    def _letters(self, code: str) -> str:
        if code == NO_LANGUAGE:
            return join(self._no_words())
        letters = join(self._window(self.rng.choice(self.texts[code])))
        if code == "en":
            return letters.replace("'", "") if self.rng.random() < 0.2 else letters
        return bare(letters) if self.rng.random() < 0.15 else letters

    def _window(self, row: list[str]) -> list[str]:
        kind = self.rng.random()
        count = self.rng.randint(1, 6) if kind < 0.45 else self.rng.randint(4, 14) if kind < 0.8 else 40
        start = self.rng.randrange(max(1, len(row) - count + 1))
        return row[start : start + count]

    def _no_words(self) -> list[str]:
        kind, count = self.rng.random(), self.rng.randint(1, 4)
        if kind < 0.5:
            return [self.rng.choice(self.texts[NO_LANGUAGE])[0] for _ in range(count)]
        if kind < 0.75:
            return ["".join(self.rng.choices(LETTERS, k=self.rng.randint(3, 9))) for _ in range(count)]
        return [self.rng.choice(LAUGHS) * self.rng.randint(2, 6) for _ in range(count)]


def bare(letters: str) -> str:
    """Letters without their accents."""
    return "".join(c for c in unicodedata.normalize("NFD", letters) if not unicodedata.combining(c))


def fit(buckets: np.ndarray, sizes: np.ndarray, targets: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights float32 (buckets, classes) and biases (classes,); scores are sums over the root of the number of runs."""
    import torch

    torch.manual_seed(0)
    ends = sizes.cumsum()
    weights, bias = torch.zeros(BUCKETS, classes, requires_grad=True), torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.Adam([weights, bias], lr=RATE)
    steps = EPOCHS * (len(sizes) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for _ in range(EPOCHS):
        order = torch.randperm(len(sizes)).numpy()
        for start in range(0, len(order) - BATCH + 1, BATCH):
            some = order[start : start + BATCH]
            runs = np.concatenate([buckets[ends[i] - sizes[i] : ends[i]] for i in some]).astype(np.int64)
            offsets = np.concatenate([[0], sizes[some].cumsum()[:-1]])
            scale = np.repeat(sizes[some] ** -0.5, sizes[some]).astype(np.float32)
            scores = bias + torch.nn.functional.embedding_bag(
                torch.from_numpy(runs), weights, torch.from_numpy(offsets),
                per_sample_weights=torch.from_numpy(scale), mode="sum",
            )  # fmt: skip
            loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(targets[some]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return weights.detach().numpy(), bias.detach().numpy()


def english_words(texts: dict[str, list[list[str]]]) -> str:
    """Words that stand in 1 of 10,000 of English and less than a third as often elsewhere."""
    shares: dict[str, dict[str, float]] = {}
    for code, rows in texts.items():
        counts = Counter(word.lower().replace("\u2019", "'") for row in rows for word in row)
        total = sum(counts.values())
        shares[code] = {word: count / total for word, count in counts.items()}
    others = [shares[code] for code in texts if code not in ("en", NO_LANGUAGE, *MIXED)]
    rare = (
        word
        for word, share in shares["en"].items()
        if share > 1e-4 and not any(3 * other.get(word, 0.0) > share for other in others)
    )
    return " ".join(sorted({*rare, *BARE}))


def write(weights: np.ndarray, bias: np.ndarray, codes: list[str], english: str) -> None:
    """Write the table in 8 bits."""
    scale = np.float32(np.abs(weights).max() / 127)
    table = np.rint(weights / scale).astype(np.int8)
    np.savez(language._TABLE, weights=table, scale=scale, bias=bias, languages=np.array(codes), english=english)


def measure(data: Path) -> None:
    """Print how often English is refused, and how often other languages are told, on texts not trained on."""
    here = Path(language.__file__).parents[2] / "datasets"
    held, dev = xed(data, held_out=True), brighter(data, "dev")
    english = {
        "GoEmotions dev": lines(data / "goemotions" / "dev.tsv", "\t"),
        "CARER val": lines(data / "emotion" / "val.txt", ";"),
        "XED held out": held.pop("en"),
        "BRIGHTER dev": dev.pop("eng"),
        "sample:text": lines(here / "sample.tsv", "\t"),
        "sample:everyday": lines(here / "everyday.tsv", "\t"),
    }
    refused = {name: [text for text in texts if refuse(text)] for name, texts in english.items()}
    for name, texts in english.items():
        print(f"English refused: {name} {len(refused[name])} of {len(texts):,} {[t[:80] for t in refused[name][:8]]}")
    total = sum(map(len, english.values()))
    print(f"English refused: {sum(map(len, refused.values()))} of {total:,}")
    pidgin = dev.pop("pcm")
    print(f"Nigerian Pidgin refused: {np.mean([bool(refuse(text)) for text in pidgin]):.3f}")
    for name, sets in (("BRIGHTER dev", dev), ("XED held out", held)):
        pairs = [(code, len(text.split()), refuse(text)) for code, texts in sets.items() for text in texts]
        for least, most in ((1, 1), (2, 3), (4, 6), (7, 12), (13, 10**9), (4, 10**9)):
            found = [bool(told) for _, count, told in pairs if least <= count <= most]
            if found:
                print(f"{name}, {least} to {most} words: told {np.mean(found):.4f} of {len(found):,}")
        right = {c: np.mean([bool(t) for code, n, t in pairs if code == c and n > 3] or [0]) for c in sets}
        print({code: round(float(share), 3) for code, share in right.items()})
        named = [told == BRIGHTER.get(code, XED.get(code, code)) for code, n, told in pairs if told and n > 3]
        print(f"{name}: of those told named rightly {np.mean(named):.4f}")


def refuse(text: str) -> str | None:
    """The language for which a model of English refuses a text."""
    return language.unread_language(text, ("en",))


if __name__ == "__main__":
    source = Path(sys.argv[1])
    if "--measure" not in sys.argv:
        texts = training_words(source)
        weights, bias = fit(*Samples(texts).draw(SAMPLES), len(texts))
        write(weights, bias, list(texts), english_words(texts))
    measure(source)
