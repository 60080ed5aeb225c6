"""Old names that the documentation of mien 0.1 showed: they work until 0.3, with a DeprecationWarning."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # nothing is imported here before it is needed: `import mien` would take twice as long
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

#: Old module → new module; what lies below an old package lies below the new one under the same name.
MODULES = {
    "mien.bench": "mien.cli.bench",
    "mien.data": "mien.datasets",
    "mien.data.collect": "mien.compat.collect",
    "mien.demo": "mien.cli.demo",
    "mien.emotions": "mien.labels",
    "mien.estimators": "mien.sklearn",
    "mien.face": "mien.modalities.face",
    "mien.face.recognizer": "mien.modalities.face.predictor",
    "mien.features": "mien.modalities.features",
    "mien.features.recognizer": "mien.modalities.features.predictor",
    "mien.recognizer": "mien.modality",
    "mien.scale": "mien.distributed",
    "mien.scene": "mien.modalities.scene",
    "mien.scene.recognizer": "mien.modalities.scene.predictor",
    "mien.text": "mien.modalities.text",
    "mien.text.recognizer": "mien.modalities.text.predictor",
    "mien.threads": "mien.runtime",
    "mien.video": "mien.modalities.video",
    "mien.video.track": "mien.modalities.track",
    "mien.video.recognizer": "mien.modalities.video.predictor",
}
#: Old name → new name, in any of these modules.
NAMES = {
    "FaceRecognizer": "FacePredictor",
    "FeatureRecognizer": "FeaturePredictor",
    "Recognizer": "Predictor",
    "SceneRecognizer": "ScenePredictor",
    "TextRecognizer": "TextPredictor",
    "VideoRecognizer": "VideoPredictor",
}


def new_name(module: str) -> str | None:
    """Where an old module's content is now; None for a module that is not an old one."""
    if module in MODULES:
        return MODULES[module]
    package, _, name = module.rpartition(".")
    return f"{MODULES[package]}.{name}" if package in MODULES else None


class OldModules:
    """An import hook, asked only where no module has the name."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a module that stands for the new one."""
        if (new := new_name(name)) is None:
            return None
        import importlib.util
        import warnings

        if name not in MODULES and importlib.util.find_spec(new) is None:
            return None
        warnings.warn(f"{name} is now {new}; the old name goes with mien 0.3", DeprecationWarning, stacklevel=2)
        return importlib.util.spec_from_loader(name, OldModules, is_package=name in MODULES)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """None for an empty one."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Let it look its names up in the new module."""
        import importlib

        new = str(new_name(module.__name__))

        def look_up(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return getattr(importlib.import_module(new), NAMES.get(name, name))

        vars(module)["__getattr__"] = look_up


def old_attribute(name: str) -> str | None:
    """The new name of an old public name of ``mien``, with a warning; None where it is no old one."""
    if (new := NAMES.get(name)) is not None:
        import warnings

        warnings.warn(f"mien.{name} is now mien.{new}; the old name goes with mien 0.3", DeprecationWarning, 3)
    return new


if OldModules not in sys.meta_path:
    sys.meta_path.append(OldModules)
