"""ONNX Runtime, set up once: threads, providers, errors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

# From 1.29 on ONNX Runtime reports its use to its makers, and leaves an identifier in ~/.cache; mien reaches the
# network only where asked. It looks at the variable when it is loaded. ORT_DISABLE_TELEMETRY=0 lets it report.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from mien.errors import ModelError

if os.environ["ORT_DISABLE_TELEMETRY"] != "0":
    onnxruntime.disable_telemetry_events()  # on Windows, where it does not look at the variable


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
    """A network that takes one array and gives one or a few.

    Attributes:
        outputs: names of what it gives; the first is what :meth:`run` gives unless asked for another.

    Args:
        network: the ``.onnx`` file, or its bytes.
        threads: threads to compute with; by default :func:`usable_threads`.
        spin: whether idle threads wait busily for a while, which is faster for one network alone and much slower for
            two in turn.
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
        spin: bool = True,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        # Batches differ in shape: a growing arena would keep the largest of each for ever.
        options.enable_cpu_mem_arena = False
        try:
            self._session = onnxruntime.InferenceSession(
                network if isinstance(network, bytes) else str(network),
                options,
                providers=providers or ["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime raises bare classes of its own for every kind of damage
            name = "the network" if isinstance(network, bytes) else network
            raise ModelError(f"{name} cannot be run: {str(error).splitlines()[0]}") from error
        self.input = self._session.get_inputs()[0].name
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def run(self, array: np.ndarray, output: str | None = None) -> np.ndarray:
        """The network's first output for its first input, or the output of that name."""
        result: np.ndarray = self._session.run([output or self.outputs[0]], {self.input: array})[0]
        return result

    def run_all(self, array: np.ndarray) -> list[np.ndarray]:
        """All outputs for its first input, in the order of ``outputs``."""
        results: list[np.ndarray] = self._session.run(None, {self.input: array})
        return results
