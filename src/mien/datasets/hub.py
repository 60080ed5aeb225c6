"""The names of labels as Hugging Face's datasets has them: in a file's metadata, or beside the tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.datasets.plain_yaml import read_yaml
from mien.errors import MienError
from mien.files import read_json, read_regular

_CARD = re.compile(r"---\r?\n(.*?)\r?\n---", re.DOTALL)  # the head of a README.md
_NESTED = 4  # how deep a feature may hold the labels: a list of lists of them


def label_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Column → the names of its labels in order, by the metadata of a Parquet or Arrow file."""
    try:
        return _of_features(json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def label_names_of_folder(folder: Path) -> dict[str, list[str]]:
    """Column → the names of its labels in order, by dataset_infos.json or README.md in a folder or above it."""
    for place in (folder, folder.resolve().parent):
        for name in ("dataset_info.json", "dataset_infos.json", "README.md"):
            try:
                infos = _of_card(place / name) if name.endswith(".md") else read_json(place / name)
                inner = [infos, *(infos.values() if isinstance(infos, dict) else infos)]
            except (MienError, OSError, ValueError, TypeError):
                continue
            for info in inner:
                if isinstance(info, dict) and (found := _of_features(info.get("features"))):
                    return found
    return {}


def _of_card(path: Path) -> Any:
    head = _CARD.match(read_regular(path).decode("utf-8"))
    return read_yaml(head[1], str(path))["dataset_info"] if head else {}


def _of_features(features: Any) -> dict[str, list[str]]:
    """By the features, as JSON has them (a mapping) or a card (a list)."""
    if isinstance(features, list):
        features = {entry.get("name"): entry for entry in features if isinstance(entry, dict)}
    found = {name: _names(feature) for name, feature in features.items()} if isinstance(features, dict) else {}
    return {str(name): names for name, names in found.items() if names}


def _names(feature: Any) -> list[str]:
    """The names of a ClassLabel, or of a list of such; none where it is something else."""
    for _ in range(_NESTED):
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        if not isinstance(feature, dict):
            return []
        names = feature.get("names")
        if isinstance(names, dict) and all(str(place) in names for place in range(len(names))):
            names = [names[str(place)] for place in range(len(names))]
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
        inner = ("feature", "dtype", "sequence", "list", "class_label")
        feature = next((feature[key] for key in inner if isinstance(feature.get(key), dict | list)), None)
    return []
