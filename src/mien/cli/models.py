"""The verbs ``models`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.usage import AsJson, console, log, print_document, print_entry, target
from mien.errors import did_you_mean, print_line, require

if TYPE_CHECKING:
    from mien.model import Manifest

_VERBS = ("list", "show", "verify")


def models(
    verb: Annotated[str, typer.Argument(help="list, show or verify")] = "list",
    model: Annotated[str | None, typer.Argument(help="A shipped model's name, or a model or run folder.")] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="sha256:…", help="Of verify: the digest that the model must have.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The shipped models; what one is and how it came about; whether its files are whole, and its digest."""
    from mien.model import find_model, read_manifest, shipped, verify

    if verb not in _VERBS:
        raise typer.BadParameter(f"{verb!r}; there are: {', '.join(_VERBS)}{did_you_mean(verb, _VERBS)}")
    if verb == "show" and model is None:
        raise typer.BadParameter(f"name the model: {', '.join(shipped())}")
    if digest and (model is None or verb != "verify"):
        raise typer.BadParameter(
            "name the model to verify: models verify MODEL --digest sha256:…", param_hint="--digest"
        )
    if verb == "list":
        _list({name: read_manifest(folder) for name, folder in shipped().items()}, as_json)
        return
    folders = [find_model(model)] if model else list(shipped().values())
    manifests = [verify(folder, digest) for folder in folders]
    if verb == "show":
        _show(folders[0], manifests[0], as_json)
    elif as_json:
        rows = [{"name": m.name, "files": len(m.files), "whole": True, "digest": m.digest} for m in manifests]
        print_document({"models": rows})
    else:
        for manifest in manifests:
            unsigned = "" if manifest.format > 1 else "  (no digest in the manifest: a change to it alone goes unseen)"
            print_line(f"{manifest.name}: {len(manifest.files)} files are as they were written{unsigned}")
            print_line(f"  {manifest.digest}")


def _list(manifests: dict[str, Manifest], as_json: bool) -> None:
    if as_json:
        rows = [m.model_dump(mode="json", exclude={"training", "files"}) for m in manifests.values()]
        print_document({"models": rows})
        return
    for name, manifest in manifests.items():
        size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
        labels = f"{len(manifest.space):3} labels"
        print_entry(f"{name:12} {manifest.modality:6} {labels} {size:6.1f} MB ", manifest.summary)


def _show(folder: Path, manifest: Manifest, as_json: bool) -> None:
    from mien.model import read_card
    from mien.output.card import Card

    if as_json:
        print_document(manifest.model_dump(mode="json"))
    else:
        console().print(Card(read_card(folder, manifest)), soft_wrap=False)


def export(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="A run or model folder; of several the mean.")],
    to: Annotated[Path, target("The model folder, or joblib file, to write.", "--to")],
    name: Annotated[str | None, typer.Option(help="The model's name; as in the run if not given.")] = None,
    weights: Annotated[bool, typer.Option(help="Whether weights.safetensors goes along (into a folder).")] = True,
    form: Annotated[
        str, typer.Option("--format", help="folder; or joblib, a scikit-learn classifier in one file.")
    ] = "folder",
    int8: Annotated[bool, typer.Option("--int8", help="Of several runs: keep the embeddings in 8 bits.")] = False,
    ranges: Annotated[
        str | None, typer.Option(help="DATASET:PATH to measure the ranges of an 8-bit model of text on, anew.")
    ] = None,
    reliability: Annotated[
        str | None,
        typer.Option(help="DATASET:PATH of ready crops, to fit how far a model of faces can be trusted."),
    ] = None,
    photographs: Annotated[
        str | None, typer.Option(help="DATASET:PATH of photographs with the labels people and none, for --reliability.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--as", help="video: make a model of clips of a model of faces.")
    ] = None,
) -> None:
    """Copy a run's model folder, checked, with the figures of the reports that lie in the run.

    Several runs become one model whose probabilities are the mean of theirs.
    """
    run, one_folder = runs[0], len(runs) == 1 and not int8 and form == "folder"
    if form not in ("folder", "joblib"):
        raise typer.BadParameter(f"{form!r}; there are: folder, joblib", param_hint="--format")
    from mien.modality import get_modality, modality_names

    made = modality is None or (modality in modality_names() and get_modality(modality).made_from and one_folder)
    if not made:
        raise typer.BadParameter("--as video makes a model folder of one model of faces", param_hint="--as")
    if ranges is not None and not one_folder:
        raise typer.BadParameter("--ranges is for one model folder", param_hint="--ranges")
    if (reliability is None) != (photographs is None):
        raise typer.BadParameter("--reliability and --photographs go together", param_hint="--reliability")
    if reliability is not None and (not one_folder or ranges or modality):
        raise typer.BadParameter("--reliability is for one model folder", param_hint="--reliability")
    if (len(runs) > 1 and form != "folder") or (int8 and len(runs) == 1):
        raise typer.BadParameter("several runs, and --int8 for them, are for --format folder")
    if modality is not None:
        from mien.training.publish import convert_model

        written = convert_model(run, to, modality, name=name or to.name)
    elif ranges is not None:
        from mien.training.publish import with_fixed_ranges

        written = with_fixed_ranges(run, ranges, to, name=name)
    elif reliability is not None and photographs is not None:
        require("onnx", "train")
        require("sklearn", "train")
        from mien.training.reliability import with_reliability

        written = with_reliability(run, reliability, photographs, to, name=name)
    elif len(runs) > 1:
        require("onnx", "train")
        from mien.training.ensemble import combine

        written = combine(runs, to, name or to.name, int8=int8)
    elif form == "joblib":
        from mien.sklearn import EmotionClassifier

        EmotionClassifier.from_model(run, name=name).dump(to)
        written = to
        log(
            "note: loading a joblib file runs the code that stands in it. Load none that comes from strangers; "
            "hand on the model folder instead (--format folder), which runs nothing."
        )
    else:
        from mien.training.publish import publish

        written = publish(Path(run), to, name=name, weights=weights)
    print_line(written)
