"""ONNX Runtime, set up once: sessions, threads, errors; and work that is done in several threads."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

# From 1.29 on ONNX Runtime reports its use to its makers, and leaves an identifier in ~/.cache; mien reaches the
# network only where asked. It looks at the variable when it is loaded. ORT_DISABLE_TELEMETRY=0 lets it report.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from mien.errors import ModelError, cut

_READERS = 4  # threads that read pictures or clips
_SLACK = 1e-3  # by which a probability may be beside 0 and 1, as 8 bits make it
_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : ")
_EIGHT_BITS = Path(__file__).with_name("assets") / "eight_bits.onnx"
ROWS = 8  # that a thread computes together
_DYNAMIC = b"DynamicQuantize"  # operators that measure the range of their 8 bits over all of a batch

T = TypeVar("T")
R = TypeVar("R")


class Session:
    """A network that takes one array and gives one or a few.

    A processor computes a large batch slowly: what passes from layer to layer does not stay in its caches, and its
    threads wait for each other at every step. So the rows of an array are cut into small parts, and each thread
    computes parts of its own: 1.2 to 2 times as many rows a second as all threads on all rows.

    A row's answer does not depend on the others: a network that measures ranges over all of a batch, as mien wrote them
    once, computes each row by itself.

    Attributes:
        outputs: names of what it gives; the first is what :meth:`run` gives unless asked for another.
        rows: the most that it computes together, see below.

    Args:
        network: the ``.onnx`` file, or its bytes.
        name: what errors call it.
        widths: outputs that it must have, and how many numbers in a row of each; from 0 to 1, but for ratings.
        threads: threads to compute with; by default :func:`mien.runtime.usable_threads`.
        rows: the most in a part. None: all threads on all rows, for a network that sees one at a time, or a tiny one.
        providers: ONNX Runtime's execution providers, CPU by default.

    Raises:
        ModelError: it is no network that ONNX Runtime can run.
    """

    def __init__(
        self,
        network: str | Path | bytes,
        threads: int | None = None,
        providers: list[str] | None = None,
        *,
        rows: int | None = ROWS,
        name: str | Path | None = None,
        widths: Mapping[str, int] | None = None,
    ) -> None:
        self._threads, self.rows = threads or usable_threads(), 1 if _is_dynamic(network) else rows
        import onnxruntime  # late: who only wants threads does not load it

        if os.environ["ORT_DISABLE_TELEMETRY"] != "0":
            onnxruntime.disable_telemetry_events()  # on Windows, where it does not look at the variable
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads if self.rows is None else 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised as well
        # Idle threads must not wait busily: others, of another network in turn, need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if overflows():
            options.add_session_config_entry("session.x64quantprecision", "1")
        # Batches differ in shape: a growing arena would keep the largest of each for ever.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.load_model_format", "ONNX")  # and not ORT's own, unseen by checks
        self._name = name or ("the network" if isinstance(network, bytes) else network)
        try:
            self._session = onnxruntime.InferenceSession(
                network if isinstance(network, bytes) else str(network),
                options,
                providers=providers or ["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime raises bare classes of its own for every kind of damage
            raise ModelError(f"{self._name} cannot be run: {_reason(error)}") from error
        # ONNX Runtime keeps the bytes of the network, to start it anew on another device: as much memory once more.
        self._session.disable_fallback()
        self._session._model_bytes = None
        self.input = self._session.get_inputs()[0].name
        self.outputs = tuple(output.name for output in self._session.get_outputs())
        self._widths = dict(widths or {})
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        for wanted, width in self._widths.items():
            shape = shapes.get(wanted)
            if shape is None:
                raise ModelError(f"{self._name} gives no {wanted}")
            if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != width):
                raise ModelError(f"{self._name} gives {wanted} of the shape {shape}, not {width} in a row")

    def run(self, array: np.ndarray, output: str | None = None) -> np.ndarray:
        """The network's first output for its first input, or the output of that name."""
        return _joined(self.run_each(self._cut(array), output))

    def run_each(self, batches: Sequence[np.ndarray], output: str | None = None) -> list[np.ndarray]:
        """The same for several arrays, which are not cut; they may differ in shape."""
        return [found[0] for found in self.run_each_of(batches, [output or self.outputs[0]])]

    def run_each_of(self, batches: Sequence[np.ndarray], outputs: Sequence[str]) -> list[list[np.ndarray]]:
        """Of each array the outputs of those names."""
        return self._run(batches, list(outputs))

    def run_all(self, array: np.ndarray) -> list[np.ndarray]:
        """All outputs for its first input, in the order of ``outputs``."""
        parts = self._run(self._cut(array), list(self.outputs))
        return [_joined(output) for output in zip(*parts, strict=True)]

    def _cut(self, array: np.ndarray) -> list[np.ndarray]:
        if self.rows is None or len(array) < 2:
            return [array]
        size = min(self.rows, -(-len(array) // self._threads))  # so that every thread has a part
        return [array[start : start + size] for start in range(0, len(array), size)]

    def _run(self, batches: Sequence[np.ndarray], names: list[str]) -> list[list[np.ndarray]]:
        def compute(batch: np.ndarray) -> list[np.ndarray]:
            try:
                found: list[np.ndarray] = self._session.run(names, {self.input: batch})
            except Exception as error:  # a tensor of the wrong shape or type, no memory left
                raise ModelError(f"{self._name} cannot be run: {_reason(error)}") from error
            for name, output in zip(names, found, strict=True):
                self._check(name, output, len(batch))
            return found

        alone = self.rows is None or len(batches) < 2
        return list(parallel_map(compute, batches, 1 if alone else min(self._threads, len(batches))))

    def _check(self, name: str, output: np.ndarray, rows: int) -> None:
        if (width := self._widths.get(name)) is None:
            return
        if output.shape != (rows, width) or output.dtype.kind != "f":
            shown = f"{output.dtype} of shape {output.shape}"
            raise ModelError(f"{self._name} gives {shown} as {name}, not {width} numbers for each of {rows}")
        good = np.isfinite(output) if name == "ratings" else (output >= -_SLACK) & (output <= 1 + _SLACK)
        if not good.all():
            what = "finite numbers" if name == "ratings" else "numbers from 0 to 1"
            raise ModelError(f"{self._name} gives {name} that are no {what}, such as {output[~good][0]}")


@cache
def overflows() -> bool:
    """Whether products of 8 bits are added in 16 bits here, which overflow: on x86 processors without VNNI.

    A tiny network tells, whose sums are 64 · 255 · 127. ONNX Runtime adds exactly with
    ``session.x64quantprecision``, which takes 1.7 times as long on processors that have no need of it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(_EIGHT_BITS), options, providers=["CPUExecutionProvider"])
    (sums,) = session.run(None, {"x": np.full((3, 64), 255, np.float32)})
    return bool((sums != 64 * 255 * 127).any())


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _reason(error: Exception) -> str:
    """What ONNX Runtime says, in short: it names places in its own source at length."""
    return cut(_CODE.sub("", str(error).partition("\n")[0]), 160)


def _is_dynamic(network: str | Path | bytes) -> bool:
    try:
        return _DYNAMIC in (network if isinstance(network, bytes) else Path(network).read_bytes())
    except OSError:  # ONNX Runtime names what is wrong with it
        return False


def usable_threads() -> int:
    """How many threads to compute with: ``MIEN_THREADS``, else the cores this process may run on.

    Raises:
        ModelError: ``MIEN_THREADS`` is not a positive number.
    """
    setting = os.environ.get("MIEN_THREADS")
    if setting:
        if not setting.isdecimal() or int(setting) < 1:
            raise ModelError(f"MIEN_THREADS must be a positive number, got {setting!r}")
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def readers(threads: int | None = None) -> int:
    """How many of those threads may read pictures or clips: few, as each may hold hundreds of megabytes."""
    return min(_READERS, threads or usable_threads())


def parallel_map(function: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """What the function makes of each item, in their order, computed in threads.

    Items are taken as they are wanted, one more than there are threads ahead. For functions that spend their time
    without Python's lock: Pillow's, PyAV's and ONNX Runtime's.

    Args:
        threads: how many; by default :func:`usable_threads`.
    """
    if (threads := threads or usable_threads()) == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)  # made anew each time: threads do not survive a fork of the process
    begun = deque[Future[R]]()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def probabilities_of(logits: np.ndarray, multilabel: bool, temperature: float = 1.0) -> np.ndarray:
    """Logits (n, labels) → probabilities float32 (n, labels)."""
    logits = logits / temperature
    if multilabel:
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def count_characters(item: Any) -> int:
    """How many characters the texts of an item have, such as a text with the cells of its row."""
    if isinstance(item, str):
        return len(item)
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
    return sum(map(count_characters, parts))


def in_chunks(items: Iterable[T], size: int, characters: int = 2**24) -> Iterator[list[T]]:
    """Lists of up to *size* items, in order, read as they are wanted; of long texts fewer, to bound the memory."""
    chunk: list[T] = []
    total = 0
    for item in items:
        chunk.append(item)
        total += count_characters(item)
        if len(chunk) == size or total > characters:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk
