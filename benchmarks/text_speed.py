"""Texts per second of the shipped models and of a transformers pipeline, side by side in one run.

The pipeline holds a RoBERTa classifier of distilroberta's size (6 layers, 768 wide, 82 M parameters) with random
weights: for timing they do. It is given the same texts in the same batches, sorted by length for its benefit in a
second row. Needs the extra "train", and transformers.

    python benchmarks/text_speed.py [--texts 2000] [--json]
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import mien
from mien.runtime import usable_threads


def pipeline_of_distilroberta_size(texts: list[str], labels: int) -> Any:
    """A transformers text-classification pipeline with random weights and a byte-level BPE tokenizer."""
    import torch
    import transformers
    from tokenizers import ByteLevelBPETokenizer

    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(0)
    torch.set_num_threads(usable_threads())
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(texts, vocab_size=20_000, special_tokens=special, show_progress=False)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    config = transformers.RobertaConfig(
        vocab_size=50_265, num_hidden_layers=6, max_position_embeddings=514, type_vocab_size=1, num_labels=labels,
        pad_token_id=1,
    )  # fmt: skip
    network = transformers.RobertaForSequenceClassification(config).eval()
    return transformers.pipeline("text-classification", model=network, tokenizer=tokenizer, device="cpu", top_k=None)


def per_second(run: Callable[[list[str]], object], texts: list[str], repeats: int) -> float:
    """Best of several runs."""
    run(texts[:128])
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        run(texts)
        best = max(best, len(texts) / (time.perf_counter() - start))
    return best


def import_seconds() -> float:
    """``import mien`` in a fresh interpreter, less the interpreter's own start; the median of five."""
    code = "import time; t = time.perf_counter(); import mien; print(time.perf_counter() - t)"
    return sorted(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--data", default="sample:everyday", help="where the texts come from")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    texts = list(islice(cycle(mien.open_dataset(options.data).inputs), options.texts))
    rows: dict[str, float] = {}
    for name in ("text", "text-carer"):
        model = mien.load(name)
        rows[f"mien {name}"] = per_second(lambda batch, model=model: list(model.predict_many(batch)), texts, 3)
    pipe = pipeline_of_distilroberta_size(texts, 28)
    few = texts[: max(256, len(texts) // 8)]
    rows["transformers pipeline, one by one"] = per_second(lambda batch: list(pipe(batch)), few, 2)
    rows["transformers pipeline, batches of 32"] = per_second(lambda batch: list(pipe(batch, batch_size=32)), few, 2)
    ordered = sorted(few, key=len)
    rows["… the same, sorted by length"] = per_second(lambda _: list(pipe(ordered, batch_size=32)), ordered, 2)
    document = {
        "threads": usable_threads(),
        "texts": len(texts),
        "mean_characters": round(sum(map(len, texts)) / len(texts), 1),
        "import_mien_s": round(import_seconds(), 4),
        "texts_per_s": {name: round(value, 1) for name, value in rows.items()},
        "ratio_text_to_pipeline": {
            name: round(rows["mien text"] / value, 1) for name, value in rows.items() if not name.startswith("mien")
        },
    }
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return
    print(f"{document['threads']} threads, {document['texts']} texts, import {document['import_mien_s'] * 1e3:.0f} ms")
    for name, value in rows.items():
        print(f"{name:40} {value:10,.0f} texts/s   {rows['mien text'] / value:6.1f} × slower than mien text")


if __name__ == "__main__":
    main()
