"""How fast a model is, measured on the spot."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from mien.cli.demo import ASSETS
from mien.datasets import open_dataset
from mien.errors import InputError
from mien.media.images import Region, read_picture
from mien.media.pixels import resize
from mien.modality import load
from mien.runtime import usable_threads

#: modality → what is counted.
UNITS = {"text": "texts", "face": "crops", "features": "rows", "scene": "pictures"}


def measure(model: str, count: int = 4096, batch_size: int = 64) -> dict[str, Any]:
    """Time a model: of text on the sample sentences, of faces on ready crops of noise (finding them is not timed).

    A model of features is timed on rows of noise; of scenes on JPEG files of 640 × 480 pixels, read and decoded each
    time; in each a model of persons is told one box.

    Returns:
        model, threads, texts, crops, rows or pictures, batch_size; load_s: seconds to load and check it; latency_ms:
        p50 and p95 of one input alone; texts_per_s and so on: through ``predict_many``, results made and all.

    Raises:
        InputError: there is nothing to time a model of this modality on.
    """
    start = time.perf_counter()
    predictor = load(model)
    loaded = time.perf_counter() - start
    modality = predictor.manifest.modality
    if modality not in UNITS:
        raise InputError(f"the model {predictor.name} reads {modality}: there is nothing to time it on")
    unit, read = UNITS[modality], _reader(predictor)
    with tempfile.TemporaryDirectory() as folder:
        timed = _timed(read, _samples(predictor, Path(folder)), count, batch_size)
    return {
        "model": predictor.name,
        "threads": usable_threads(),
        unit: count,
        "batch_size": batch_size,
        "load_s": round(loaded, 4),
        "latency_ms": timed["latency_ms"],
        f"{unit}_per_s": timed["per_s"],
    }


def _timed(
    read: Callable[[Iterable[Any], int], Iterator[Any]], samples: Sequence[Any], count: int, batch_size: int
) -> dict[str, Any]:
    many = list(islice(cycle(samples), count))
    _exhaust(read(many[: 4 * batch_size], batch_size))  # warm up
    single = []
    for sample in samples[:200]:
        start = time.perf_counter()
        _exhaust(read([sample], 1))
        single.append((time.perf_counter() - start) * 1e3)
    start = time.perf_counter()
    _exhaust(read(many, batch_size))
    seconds = time.perf_counter() - start
    latency = {"p50": statistics.median(single), "p95": statistics.quantiles(single, n=20)[-1]}
    return {
        "latency_ms": {name: round(value, 3) for name, value in latency.items()},
        "per_s": round(count / seconds, 1),
    }


def measure_clip(model: str, clip: Path | None = None, batch_size: int = 64) -> dict[str, Any]:
    """Time a model of clips on a clip; without one on ten seconds of a drawn face, 1280 x 720, 25 frames a second.

    Returns:
        model, threads, batch_size; load_s: seconds to load and check the model; clip: its name, seconds: its length,
        width and height; frames: how many were looked at, moments: how many faces were read; read_s: seconds that took,
        and times_real_time: the clip's length over it.

    Raises:
        InputError: the clip cannot be read, or the model is none of clips.
    """
    with tempfile.TemporaryDirectory() as folder:
        if clip is None:
            from mien.media.encode import write_clip

            clip = Path(folder, "drawn.mp4")
            write_clip(clip, swaying(250, 25, 1280, 720), 25)
        start = time.perf_counter()
        predictor: Any = load(model)
        loaded = time.perf_counter() - start
        if predictor.manifest.modality != "video":
            raise InputError(f"the model {predictor.name} reads {predictor.manifest.modality}, not clips")
        _exhaust(islice(predictor.read(clip), 2))  # warm up
        start = time.perf_counter()
        (result,) = predictor.predict_many([clip], batch_size)
        seconds = time.perf_counter() - start
    if result.error:
        raise InputError(result.error)
    return {
        "model": predictor.name,
        "threads": usable_threads(),
        "batch_size": batch_size,
        "load_s": round(loaded, 4),
        "clip": clip.name,
        "seconds": round(result.clip.duration, 3),
        "width": result.clip.width,
        "height": result.clip.height,
        "frames": result.clip.frames,
        "moments": len(result.timeline),
        "read_s": round(seconds, 4),
        "times_real_time": round(result.clip.duration / seconds, 2),
    }


def _reader(predictor: Any) -> Callable[[Iterable[Any], int], Iterator[Any]]:
    crops = {"crops": True} if predictor.manifest.modality == "face" else {}
    return partial(predictor.predict_many, **crops)


def _samples(predictor: Any, folder: Path) -> Sequence[Any]:
    modality = predictor.manifest.modality
    if modality == "text":
        return list(open_dataset("sample:text").inputs)
    if modality == "scene":
        return _pictures(folder, Region if predictor.of_persons else None)
    if modality == "features":
        return list(np.random.default_rng(0).random((256, len(predictor.columns)), dtype=np.float32))
    return list(np.random.default_rng(0).integers(0, 256, (256, 48, 48), dtype=np.uint8))


def _pictures(folder: Path, region: type[Region] | None) -> list[Any]:
    """Blurred noise, which takes as long to decode as photographs do."""
    from mien.media.encode import encode_image

    rng, made = np.random.default_rng(0), []
    for number in range(20):
        coarse = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        path = str(folder / f"{number}.jpg")
        Path(path).write_bytes(encode_image(resize(coarse, 640, 480), "jpeg", 95))
        made.append(path if region is None else region(path, (200.0, 100.0, 400.0, 470.0)))
    return made


def swaying(count: int, rate: int, width: int, height: int) -> Iterator[np.ndarray]:
    """So many frames of a drawn face that sways before a rough wall, uint8 (height, width, 3) RGB; to time clips on."""
    side = height // 2
    rough = np.random.default_rng(0).integers(90, 150, (height // 4, width // 4, 3), np.uint8)
    wall = resize(rough, width, height)
    face = resize(read_picture(ASSETS / "people.png")[:256, :256], side, side)
    for number in range(count):
        picture = wall.copy()
        x = round((width - side) * (0.5 + 0.3 * np.sin(number / rate)))
        y = round((height - side) * (0.5 + 0.2 * np.cos(number / rate * 1.7)))
        picture[y : y + side, x : x + side] = face
        yield picture


def _exhaust(results: Iterator[Any]) -> None:
    for _ in results:
        pass
