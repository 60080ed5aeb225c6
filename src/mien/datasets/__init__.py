"""Data sets behind ``reader:path``. One small module per reader, each with a ``read(path, **options) -> Dataset``."""

from __future__ import annotations

import importlib
import inspect
from urllib.parse import parse_qsl

from mien.datasets.dataset import SPLITS, Dataset, Problem
from mien.errors import DataError, InputError, quoted
from mien.inputs import local

__all__ = ["READERS", "SPLITS", "Dataset", "Problem", "open_dataset"]

#: reader → (module, what the path is).
READERS: dict[str, tuple[str, str]] = {
    "table": (
        "mien.datasets.table",
        "a CSV, TSV, JSONL, Parquet or pickle file with a column of texts, or paths of pictures, and one of labels",
    ),
    "carer": ("mien.datasets.carer", "the folder with train.txt, val.txt and test.txt of dair-ai/emotion"),
    "goemotions": ("mien.datasets.goemotions", "the folder with train.tsv, dev.tsv, test.tsv and emotions.txt"),
    "fer2013": (
        "mien.datasets.fer2013",
        "fer2013.csv or its folder (FER+ votes beside it join in), or its tree of pictures",
    ),
    "images": (
        "mien.datasets.images",
        "a folder of pictures with a folder for each label, within train, val, test or not",
    ),
    "clips": (
        "mien.datasets.clips",
        "a folder of clips with a folder for each label, and in it for each person or not",
    ),
    "ravdess": (
        "mien.datasets.ravdess",
        "RAVDESS: the folder of its zips or of its clips, or a table of features with a column of clip codes",
    ),
    "features": ("mien.datasets.features", "a table of numbers, a row for each sample, with a label column"),
    "emotic": ("mien.datasets.emotic", "the folder with Annotations/Annotations.mat and the pictures in emotic/"),
    "oasis": ("mien.datasets.oasis", "the folder with oasis.csv and its photographs in images/"),
    "sample": (
        "mien.datasets.sample",
        "'text': a small labeled set that comes with mien; 'everyday': the one trained on",
    ),
}


def open_dataset(spec: str, *, column: str | None = None, **options: str) -> Dataset:
    """Read a data set.

    Args:
        spec: ``reader:path``, such as ``carer:emotion/``; a bare path of a table means ``table:path``. What the
            reader takes besides may follow: ``table:mine.csv?text=comment&label=mood``.
        column: a column to keep besides, for readers that keep only those they are told to (their option ``by``).
        options: the same as keywords.

    Raises:
        DataError: no such reader, option, file or column, or nothing readable in it; one line that says where.
    """
    reader, colon, path = spec.partition(":")
    if not colon or (len(reader) == 1 and reader.isalpha()):  # a bare path, perhaps with a drive letter
        reader, path = "table", spec
    if reader not in READERS:
        raise DataError(f"no reader {quoted(reader)!r} in {quoted(spec)!r}; there are: {', '.join(READERS)}")
    read = importlib.import_module(READERS[reader][0]).read
    path, _, query = path.partition("?")
    try:
        local(path)
    except InputError as error:
        raise DataError(str(error)) from None
    options = dict(parse_qsl(query, keep_blank_values=True)) | options
    known = [name for name in inspect.signature(read).parameters if name != "path"]
    if unknown := [name for name in options if name not in known]:
        raise DataError(f"{reader} has no option {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    if column is not None and "by" in known:
        options["by"] = ",".join(dict.fromkeys([*filter(None, options.get("by", "").split(",")), column]))
    dataset: Dataset = read(path, **options)
    if not len(dataset):
        first = f" (first problem: {dataset.problems[0].where}: {dataset.problems[0].what})" if dataset.problems else ""
        raise DataError(f"{spec} holds no usable samples{first}")
    return dataset
