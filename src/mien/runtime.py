"""ONNX Runtime, set up once: threads, providers, errors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime

from mien.errors import ModelError


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


class Session:
    """A network that takes one array and gives one array.

    Args:
        path: the ``.onnx`` file.
        threads: threads to compute with; by default :func:`usable_threads`.
        providers: ONNX Runtime's execution providers, CPU by default.

    Raises:
        ModelError: the file is no network that ONNX Runtime can run.
    """

    def __init__(self, path: str | Path, threads: int | None = None, providers: list[str] | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Batches differ in shape: a growing arena would keep the largest of each for ever.
        options.enable_cpu_mem_arena = False
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=providers or ["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises bare classes of its own for every kind of damage
            raise ModelError(f"{path} cannot be run: {str(error).splitlines()[0]}") from error
        self.input = self._session.get_inputs()[0].name
        self.output = self._session.get_outputs()[0].name

    def run(self, array: np.ndarray) -> np.ndarray:
        """The network's first output for its first input."""
        result: np.ndarray = self._session.run([self.output], {self.input: array})[0]
        return result
