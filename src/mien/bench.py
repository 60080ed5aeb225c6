"""How fast a model is, measured on the spot."""

from __future__ import annotations

import statistics
import time
from itertools import cycle, islice
from typing import Any

from mien.data import open_dataset
from mien.model import load
from mien.runtime import usable_threads


def measure(model: str, texts: int = 4096, batch_size: int = 64) -> dict[str, Any]:
    """Time a text model on the sample sentences.

    Returns:
        model, threads, texts, batch_size; load_s: seconds to load and check it; latency_ms: p50 and p95 of one text
        alone; texts_per_s: through ``predict_many``, results made and all.
    """
    start = time.perf_counter()
    recognizer = load(model)
    loaded = time.perf_counter() - start
    sentences = list(open_dataset("sample:text").inputs)
    many = list(islice(cycle(sentences), texts))
    for _ in recognizer.predict_many(many[: 4 * batch_size], batch_size):
        pass  # warm up
    single = []
    for sentence in sentences[:200]:
        start = time.perf_counter()
        recognizer.predict(sentence)
        single.append((time.perf_counter() - start) * 1e3)
    start = time.perf_counter()
    for _ in recognizer.predict_many(many, batch_size):
        pass
    seconds = time.perf_counter() - start
    return {
        "model": recognizer.name,
        "threads": usable_threads(),
        "texts": texts,
        "batch_size": batch_size,
        "load_s": round(loaded, 4),
        "latency_ms": {
            "p50": round(statistics.median(single), 3),
            "p95": round(statistics.quantiles(single, n=20)[-1], 3),
        },
        "texts_per_s": round(texts / seconds, 1),
    }
