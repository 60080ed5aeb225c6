"""Cutting a pretrained vocabulary down to the tokens that the training texts need. No network, no randomness."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from mien.errors import RecipeError

_log = logging.getLogger("mien.training")

_BATCH = 4096  # texts encoded at once
_SAMPLE = 5000  # texts by which it is measured what is lost
_LETTERS = 50  # of a script; with fewer in the texts its other letters need not be known
_TWICE = 2  # a character seen so often stays


def prune(tokenizer: Tokenizer, size: int, texts: Sequence[Sequence[str]]) -> Tokenizer:
    """A tokenizer with the *size* tokens of another that the texts need most; its ids begin at 0, in the old order.

    Special tokens stay, and so do single characters: the letters of all scripts that the texts are written in, digits,
    signs, and whatever occurs twice. What is not a token any more falls into several that are.

    Args:
        tokenizer: Unigram or WordPiece.
        texts: groups of prepared texts, such as one for each language. The tokens of a group are divided by the square
            root of how many it has, so that a small one keeps its own.

    Raises:
        RecipeError: it is another kind of tokenizer, or the characters alone are more than *size*.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    state = json.loads(tokenizer.to_str())
    kind = state["model"]["type"]
    if kind not in ("Unigram", "WordPiece"):
        raise RecipeError(f"tokenizer.size: a pretrained tokenizer of kind {kind} cannot be cut; leave it out")
    count = tokenizer.get_vocab_size()
    if size >= count:
        return tokenizer
    needed, characters = np.zeros(count), Counter[str]()
    for group in texts:
        counts = np.zeros(count, np.int64)
        for start in range(0, len(group), _BATCH):
            part = list(group[start : start + _BATCH])
            ids = [encoding.ids for encoding in tokenizer.encode_batch(part, add_special_tokens=False)]
            counts += np.bincount(np.concatenate(ids).astype(np.int64), minlength=count)
            characters.update("".join(_normalized(tokenizer, text) for text in part))
        needed += counts / max(1, counts.sum()) ** 0.5
    always = _always(state, tokenizer, characters)
    if len(always) > size:
        raise RecipeError(f"tokenizer.size: {size}; the single characters and special tokens alone are {len(always)}")
    needed[sorted(always)] = np.inf
    kept = np.sort(np.argsort(-needed, kind="stable")[:size])
    smaller = Tokenizer.from_str(json.dumps(_renumbered(state, {int(old): new for new, old in enumerate(kept)})))
    _report(tokenizer, smaller, [text for group in texts for text in group])
    return smaller


def rows_kept(smaller: Tokenizer, whole: Tokenizer) -> list[int] | None:
    """The ids in *whole* of the tokens of *smaller*, in order; None where it is the same, or none of its kind."""
    old, new = whole.get_vocab(), smaller.get_vocab()
    if old == new or not new.keys() <= old.keys():
        return None
    return [old[token] for token in sorted(new, key=new.__getitem__)]


def _normalized(tokenizer: Tokenizer, text: str) -> str:
    return tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text


def _always(state: dict[str, Any], tokenizer: Tokenizer, characters: Counter[str]) -> set[int]:
    """The ids that stay in any case."""
    letters: Counter[str] = Counter()
    for character, seen in characters.items():
        if character.isalpha():
            letters[_script(character)] += seen
    model, vocabulary = state["model"], tokenizer.get_vocab()
    prefix = model.get("continuing_subword_prefix") or ""
    ids = {entry["id"] for entry in state["added_tokens"]}
    ids.add(_unknown(model, tokenizer))
    for token, place in vocabulary.items():
        character = token.removeprefix(prefix)
        if len(character) == 1 and (
            characters[character] >= _TWICE
            or unicodedata.category(character)[0] not in "LM"
            or letters[_script(character)] >= _LETTERS
        ):
            ids.add(place)
    return ids


def _unknown(model: dict[str, Any], tokenizer: Tokenizer) -> int:
    return int(model["unk_id"] if "unk_id" in model else tokenizer.get_vocab()[model["unk_token"]])


def _script(character: str) -> str:
    """The first word of a character's name, such as CYRILLIC."""
    return unicodedata.name(character, "").partition(" ")[0]


def _renumbered(state: dict[str, Any], ids: dict[int, int]) -> dict[str, Any]:
    """A ``tokenizer.json`` with new ids, without the tokens that have none."""
    model, template = state["model"], state["post_processor"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for place, entry in enumerate(model["vocab"]) if place in ids]
        model["unk_id"] = ids[model["unk_id"]]
    else:
        model["vocab"] = {token: ids[place] for token, place in model["vocab"].items() if place in ids}
    for entry in state["added_tokens"]:
        entry["id"] = ids[entry["id"]]
    for part in template.get("processors", [template]) if template else []:
        for name in ("cls", "sep"):
            if name in part:
                part[name][1] = ids[part[name][1]]
        for entry in part.get("special_tokens", {}).values():
            entry["ids"] = [ids[place] for place in entry["ids"]]
    state["truncation"] = state["padding"] = None
    return state


def _report(whole: Tokenizer, smaller: Tokenizer, texts: Sequence[str]) -> None:
    """Log what the cut costs."""
    some = texts[:: len(texts) // _SAMPLE + 1]
    before, after = (tokenizer.encode_batch(list(some), add_special_tokens=False) for tokenizer in (whole, smaller))
    was, now = (sum(len(encoding.ids) for encoding in found) for found in (before, after))
    unknown = _unknown(json.loads(smaller.to_str())["model"], smaller)
    strange = sum(encoding.ids.count(unknown) for encoding in after)
    _log.info(
        f"of {whole.get_vocab_size():,} tokens {smaller.get_vocab_size():,} are kept; the training texts become "
        f"{now / max(was, 1) - 1:.1%} longer, {strange / max(now, 1):.2%} of their tokens are unknown"
    )
