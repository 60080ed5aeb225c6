"""The tables of a folder: one for each split, or several that are parts of it, as Hugging Face lays them out."""

from __future__ import annotations

import re
from pathlib import Path

from mien.datasets.dataset import SPLITS
from mien.datasets.folders import folders, visible
from mien.datasets.lines import shown
from mien.datasets.splits import SPLIT_NAMES
from mien.datasets.tables import table_suffix
from mien.errors import DataError, MienError
from mien.files import read_json

_SHARD = re.compile(r"(.*?)-?(\d{5})-of-(\d{5})")  # train-00000-of-00002.parquet
_ABOUT = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json")


def split_files(path: Path) -> dict[Path, str]:
    """The tables to read, each with its split ("" where it is in the rows, or nowhere).

    In a folder they are called after the splits ("train.csv", "tweets_test.csv", "validation-00000-of-00001.parquet"),
    or lie in folders that are ("train/0000.parquet"); within a folder "data", or the only one that has such.

    Raises:
        DataError: there are none, two for one split, or not all parts of one.
    """
    if not path.is_dir():
        return {path: ""}
    found = _in_folder(path)
    if not found:
        raise DataError(f"{path} has no tables named train, val or test")
    return {file: split for split in ("", *SPLITS) for file in found.get(split, ())}


def _in_folder(path: Path) -> dict[str, list[Path]]:
    files = _tables(path)
    found: dict[str, list[Path]] = {}
    for exact in (True, False):
        for file in files:
            if (split := _split_of(file, exact)) and split not in found:
                found[split] = _parts(path, split, [other for other in files if _split_of(other, exact) == split])
    if found:
        return found
    if files and all(_SHARD.fullmatch(file.name.split(".")[0]) for file in files):
        return {"": _parts(path, "it", files)}
    for folder in folders(path):
        if (split := SPLIT_NAMES.get(folder.name.casefold())) and (inside := _tables(folder)):
            if split in found:
                raise DataError(f"{path} has two folders for {split}: {found[split][0].parent.name} and {folder.name}")
            found[split] = _parts(path, split, inside, folder=True)
    if found:
        return found
    if len(files) == 1:
        return {"": files}
    inner = {folder: _in_folder(folder) for folder in folders(path)} if not files else {}
    filled = [folder for folder, tables in inner.items() if tables]
    if len(filled) > 1:
        names = shown([folder.name for folder in filled])
        raise DataError(f"{path} has several data sets, in the folders {names}: name one of them ({filled[0]})")
    return inner[filled[0]] if filled else {}


def _tables(folder: Path) -> list[Path]:
    """The tables in a folder; of one that `save_to_disk` wrote those that it lists."""
    listed: set[str] = set()
    if (folder / "state.json").is_file():
        try:
            listed = {entry["filename"] for entry in read_json(folder / "state.json")["_data_files"]}
        except (MienError, KeyError, TypeError):
            listed = set()
    return [file for file in visible(folder) if file.is_file() and table_suffix(file)
            and (file.name in listed if listed else file.name not in _ABOUT)]  # fmt: skip


def _split_of(file: Path, exact: bool) -> str | None:
    """The split that a file is called after, alone or among other words."""
    stem = file.name.split(".")[0].casefold()
    if shard := _SHARD.fullmatch(stem):
        stem = shard[1]
    if exact:
        return SPLIT_NAMES.get(stem)
    names = {SPLIT_NAMES[word] for word in re.split(r"[\W_]+", stem) if word in SPLIT_NAMES}
    return names.pop() if len(names) == 1 else None


def _parts(path: Path, split: str, files: list[Path], *, folder: bool = False) -> list[Path]:
    """The files of a split in their order: one, or all parts of it."""
    shards = [_SHARD.fullmatch(file.name.split(".")[0]) for file in files]
    if not all(shards):
        if len(files) > 1 and not folder:
            raise DataError(f"{path} has two tables for {split}: {files[0].name} and {files[1].name}")
        return files
    stems = sorted({shard[1] + shard[3] for shard in shards if shard})
    if len(stems) > 1:
        raise DataError(f"{path} has two sets of tables for {split}: {files[0].name} and {files[-1].name}")
    total = int(shards[0][3]) if shards[0] else 0
    if len(files) != total:
        there = {int(shard[2]) for shard in shards if shard}
        missing = next((number for number in range(total) if number not in there), total)
        raise DataError(f"{path} has {len(files)} of the {total} files of {split}; {missing:05} is not there")
    return files
