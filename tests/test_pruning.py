"""Pretrained vocabularies cut to what the training texts need."""

from __future__ import annotations

import logging

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from mien.errors import RecipeError
from mien.modalities.text.pruning import prune, rows_kept

LATIN, CYRILLIC, HAN = "abcdehlnort", "абвикрт", "好山"
WORDS = ["▁hello", "▁a", "▁horn", "▁barn", "▁кит", "▁брат", "ell", "ar", "▁h"]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", *WORDS, *LATIN, *CYRILLIC, *HAN, "!", "7", "ß"]
ENGLISH = ["hello hello a horn"] * 10
FEW = 50  # letters by which a script counts as used


def unigram() -> Tokenizer:
    scores = [0.0] * 4 + [-4.0] + [-5.0] * len(WORDS) + [-8.0] * (len(PIECES) - 5 - len(WORDS))
    tokenizer = Tokenizer(models.Unigram(list(zip(PIECES, scores, strict=True)), unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


def wordpiece(post: str) -> Tokenizer:
    words = ["unused", "hello", "horn", "##ell", "##orn", "other"]
    tokens = ["unused1", "[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, *LATIN, *(f"##{c}" for c in LATIN), "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece({token: place for place, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = ("[SEP]", 4), ("[CLS]", 3)
    if post == "template":
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=list(ends))
    elif post == "several":
        tokenizer.post_processor = processors.Sequence([processors.BertProcessing(*ends)])
    else:
        tokenizer.post_processor = processors.BertProcessing(*ends)
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.add_tokens([":added:"])  # behind the model's own
    return tokenizer


def tokens(tokenizer: Tokenizer) -> list[str]:
    """In the order of their ids, which must be 0, 1, 2, …"""
    places = tokenizer.get_vocab()
    assert sorted(places.values()) == list(range(len(places)))
    return sorted(places, key=places.__getitem__)


def test_what_the_texts_need_stays_with_specials_and_letters_and_in_the_old_order():
    smaller = prune(unigram(), 23, [ENGLISH])
    # ▁barn is the first of those that are not used, and fills up; of Cyrillic and Han there is nothing in the texts.
    assert tokens(smaller) == [
        "<s>", "<pad>", "</s>", "<unk>", "▁", "▁hello", "▁a", "▁horn", "▁barn", *LATIN, "!", "7", "ß",
    ]  # fmt: skip


def test_what_is_kept_is_cut_as_before_and_the_rest_in_pieces():
    whole, smaller = unigram(), prune(unigram(), 22, [ENGLISH])
    for text in ("hello a horn!", "hello ß", "a7", "horn horn"):
        assert smaller.encode(text).tokens == whole.encode(text).tokens
    assert smaller.encode("barn").tokens == ["<s>", "▁", "b", "a", "r", "n", "</s>"]
    assert whole.encode("barn").tokens == ["<s>", "▁barn", "</s>"]


def test_ids_are_those_of_the_smaller_one():
    smaller = prune(unigram(), 22, [ENGLISH])
    order = tokens(smaller)
    encoded = smaller.encode("hello кит horn")
    assert [order[place] for place in encoded.ids] == ["<s>", "▁hello", "▁", "<unk>", "▁horn", "</s>"]
    assert smaller.token_to_id("<unk>") == encoded.ids[3]


@pytest.mark.parametrize(("russian", "known"), [(["кит"] * FEW, True), (["кит"], False)])
def test_the_letters_of_a_script_that_is_used_stay(russian, known):
    smaller = prune(unigram(), 26, [ENGLISH, russian])
    assert (smaller.token_to_id("б") is not None) == known
    assert smaller.token_to_id("山") is None


def test_a_character_seen_twice_stays_even_of_another_script():
    assert prune(unigram(), 22, [[*ENGLISH, "好好"]]).token_to_id("好") is not None
    assert prune(unigram(), 22, [[*ENGLISH, "好"]]).token_to_id("好") is None


def test_a_small_group_keeps_its_own():
    large, small = ["hello"] * 1000 + ["barn"] * 5, ["h"]
    assert unigram().encode("h").tokens[1] == "▁h"
    apart, together = prune(unigram(), 21, [large, small]), prune(unigram(), 21, [large + small])
    assert [token for token in WORDS if apart.token_to_id(token)] == ["▁hello", "▁h"]
    assert [token for token in WORDS if together.token_to_id(token)] == ["▁hello", "▁barn"]


def test_the_same_texts_give_the_same_tokenizer():
    assert prune(unigram(), 24, [ENGLISH]).to_str() == prune(unigram(), 24, [list(ENGLISH)]).to_str()


def test_as_large_as_it_is_or_larger_it_stays():
    for size in (len(PIECES), 1000):
        assert prune(unigram(), size, [ENGLISH]).to_str() == unigram().to_str()


@pytest.mark.parametrize("post", ["template", "bert", "several"])
def test_wordpiece_keeps_both_kinds_of_letters(post):
    whole, smaller = wordpiece(post), prune(wordpiece(post), 30, [ENGLISH])
    assert tokens(smaller) == [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "hello", "horn", *LATIN, *(f"##{c}" for c in LATIN), "[MASK]", ":added:",
    ]  # fmt: skip
    order = tokens(smaller)
    for text in ("hello horn", "Horn"):
        assert smaller.encode(text).tokens == whole.encode(text).tokens
        assert [order[place] for place in smaller.encode(text).ids] == smaller.encode(text).tokens
    assert smaller.encode("other :added:").tokens == ["[CLS]", "o", *(f"##{c}" for c in "ther"), ":added:", "[SEP]"]
    assert smaller.encode("кит").tokens == ["[CLS]", "[UNK]", "[SEP]"]


def test_rows_are_the_old_ids_in_the_new_order():
    whole, smaller = wordpiece("bert"), prune(wordpiece("bert"), 30, [ENGLISH])
    rows = rows_kept(smaller, whole)
    assert [whole.id_to_token(row) for row in rows] == tokens(smaller)
    assert rows_kept(whole, wordpiece("template")) is None  # nothing was cut
    assert rows_kept(unigram(), whole) is None  # of another kind


def test_what_cannot_be_is_refused():
    with pytest.raises(RecipeError, match=r"tokenizer.size: 7; .* alone are 8"):
        prune(unigram(), 7, [["aa"]])
    with pytest.raises(RecipeError, match="of kind BPE cannot be cut"):
        prune(Tokenizer(models.BPE({"a": 0, "b": 1}, [])), 1, [["a"]])


def test_what_it_costs_is_logged(caplog):
    with caplog.at_level(logging.INFO, "mien.training"):
        prune(unigram(), 21, [["hello a"] * 10, ["barn", "山"]])
    # Of 20 + 1 + 2 tokens ▁barn becomes five, and 山 is unknown: 27 and 1.
    told = "the training texts become 17.4% longer, 3.70% of their tokens are unknown"
    assert caplog.messages == [f"of 37 tokens 21 are kept; {told}"]


def test_no_texts_at_all_keep_the_first():
    assert len(tokens(prune(unigram(), 12, [[]]))) == 12
