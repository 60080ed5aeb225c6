"""The verb ``bench``: how fast a model is, measured on the spot."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.usage import AsJson, print_document
from mien.errors import InputError, print_line

if TYPE_CHECKING:
    import numpy as np

    from mien.modality import Modality, Predictor


def bench(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a model or run folder.")] = "text",
    count: Annotated[int, typer.Option("--count", "--texts", min=1, help="How many texts or crops to run.")] = 4096,
    clip: Annotated[
        Path | None, typer.Option(help="For a model of clips: the clip to read, instead of a drawn one.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """How fast a model is on this machine: loading, one text or crop at a time, many in batches; or a clip."""
    from mien.modality import get_modality
    from mien.model import find_model, read_manifest

    modality = get_modality(read_manifest(find_model(model)).modality)
    of_clips = modality.kind == "clip"
    if clip and not of_clips:
        raise typer.BadParameter("only models of clips read one", param_hint="--clip")
    document = measure_clip(model, clip, batch_size) if of_clips else measure(model, count, batch_size)
    if as_json:
        print_document(document)
        return
    print_line(f"{document['model']} on {document['threads']} threads")
    print_line(f"  load            {document['load_s'] * 1e3:8.0f} ms")
    if of_clips:
        size = f"{document['width']} × {document['height']}"
        print_line(f"  {document['clip']:15} {document['seconds']:8.1f} s of {size}")
        print_line(f"  looked at       {document['frames']:8,} frames, {document['moments']:,} faces in them")
        speed = f"{document['times_real_time']:.1f} × as fast as it plays"
        print_line(f"  read in         {document['read_s']:8.2f} s    {speed}")
        return
    latency, unit = document["latency_ms"], _unit(modality)
    print_line(f"  one alone       {latency['p50']:8.2f} ms   (95 %: {latency['p95']:.2f} ms)")
    print_line(f"  {document[unit]:,} {unit}  {document[f'{unit}_per_s']:10,.0f} {unit}/s")


def measure(model: str, count: int = 4096, batch_size: int = 64) -> dict[str, Any]:
    """Time a model: of text on the sample sentences, of faces on ready crops of noise (finding them is not timed).

    A model of rows is timed on rows of noise; of pictures on JPEG files of 640 × 480 pixels, read and decoded each
    time; in each a model of persons is told one box.

    Returns:
        model, threads, texts, crops, rows or pictures, batch_size; load_s: seconds to load and check it; latency_ms:
        p50 and p95 of one input alone; texts_per_s and so on: through ``predict_many``, results made and all.

    Raises:
        InputError: there is nothing to time a model of this modality on.
    """
    import statistics

    from mien.modality import get_modality

    loaded, predictor = _timed_load(model)
    modality = get_modality(predictor.manifest.modality)
    if modality.kind == "clip":
        raise InputError(f"the model {predictor.name} reads {modality.name}: there is nothing to time it on")
    unit, options = _unit(modality), {"crops": True} if "crops" in modality.options else {}
    predict: Callable[..., Iterator[Any]] = predictor.predict_many

    def seconds(inputs: Iterable[Any], batch_size: int) -> float:
        start = time.perf_counter()
        _exhaust(predict(inputs, batch_size, **options))
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        samples = _samples(predictor, modality, Path(folder))
        many = list(islice(cycle(samples), count))
        seconds(many[: 4 * batch_size], batch_size)  # warm up
        single = [seconds([sample], 1) * 1e3 for sample in samples[:200]]
        whole = seconds(many, batch_size)
    return {
        **_head(predictor, loaded, batch_size),
        unit: count,
        "latency_ms": {
            "p50": round(statistics.median(single), 3), "p95": round(statistics.quantiles(single, n=20)[-1], 3)
        },
        f"{unit}_per_s": round(count / whole, 1),
    }  # fmt: skip


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
        loaded, predictor = _timed_load(model)
        reader: Any = predictor
        _exhaust(islice(reader.read(clip), 2))  # warm up
        start = time.perf_counter()
        (result,) = predictor.predict_many([clip], batch_size)
        seconds = time.perf_counter() - start
    if result.error or not result.clip:
        raise InputError(result.error or f"the model {predictor.name} reads {result.modality}, not clips")
    return {
        **_head(predictor, loaded, batch_size),
        "clip": clip.name,
        "seconds": round(result.clip.duration or 0, 3),
        "width": result.clip.width,
        "height": result.clip.height,
        "frames": result.clip.frames,
        "moments": len(result.timeline),
        "read_s": round(seconds, 4),
        "times_real_time": round((result.clip.duration or 0) / seconds, 2),
    }


def _timed_load(model: str) -> tuple[float, Predictor]:
    from mien.modality import load

    start = time.perf_counter()
    predictor = load(model)
    return time.perf_counter() - start, predictor


def _head(predictor: Predictor, loaded: float, batch_size: int) -> dict[str, Any]:
    from mien.runtime import usable_threads

    return {
        "model": predictor.name, "threads": usable_threads(), "batch_size": batch_size, "load_s": round(loaded, 4)
    }  # fmt: skip


def _unit(modality: Modality) -> str:
    return "crops" if "crops" in modality.options else f"{modality.kind}s"


def _samples(predictor: Predictor, modality: Modality, folder: Path) -> Sequence[Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    if modality.kind == "text":
        from mien.datasets import open_dataset

        return list(open_dataset("sample:text").inputs)
    if modality.kind == "row":
        rows: Any = predictor
        return list(rng.random((256, len(rows.columns)), dtype=np.float32))
    if "crops" in modality.options:
        return list(rng.integers(0, 256, (256, 48, 48), dtype=np.uint8))
    from mien.media.encode import encode_image
    from mien.media.images import Region
    from mien.media.pixels import resize

    pictures: list[Any] = []
    for number in range(20):  # blurred noise, which takes as long to decode as photographs do
        path = folder / f"{number}.jpg"
        path.write_bytes(encode_image(resize(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), 640, 480), "jpeg", 95))
        box = (200.0, 100.0, 400.0, 470.0)
        pictures.append(Region(str(path), box) if "boxes" in modality.options else str(path))
    return pictures


def swaying(count: int, rate: int, width: int, height: int) -> Iterator[np.ndarray]:
    """So many frames of a drawn face that sways before a rough wall, uint8 (height, width, 3) RGB; to time clips on."""
    import numpy as np

    from mien.cli.demo import ASSETS
    from mien.media.images import read_picture
    from mien.media.pixels import resize

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
