"""The verb ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.usage import log, print_entry, stopped, target
from mien.errors import MienError, print_line


def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file; 'list' lists the shipped.")],
    data: Annotated[
        list[str] | None, typer.Option("--data", help="DATASET:PATH; further ones are learned from besides the first.")
    ] = None,
    out: Annotated[Path | None, target("The run folder; runs/RECIPE-N if not given.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn by chance.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its peak.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of the recipe: key=value, such as train.patience=5")
    ] = None,
    folds: Annotated[
        str | None, typer.Option(help="Cross-validate: a column that names the folds, or how many to make.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Begin with this run's or model folder's weights of the same network; other labels get a new head.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Of 'list': also the recipes that are steps of making what ships.")
    ] = False,
) -> None:
    """Train a model: run folder with config, history, checkpoints, report and model."""
    from mien.training.recipe import as_setting, load_recipe, recipe_names

    if recipe == "list":
        recipes = {name: load_recipe(name) for name in recipe_names()}
        shown = {name: found for name, found in recipes.items() if everything or not found.internal}
        for name, found in shown.items():
            print_entry(f"{name:18}", found.summary)
        if len(shown) < len(recipes):
            log(f"{len(recipes) - len(shown)} more with --all: steps of making what ships")
        return
    if everything:
        raise typer.BadParameter("is for 'list'", param_hint="--all")
    if not data:
        raise typer.BadParameter("name the data to train on, such as --data carer:emotion/", param_hint="--data")
    if resume and not out:
        raise typer.BadParameter("name the run to go on with", param_hint="--out")
    from mien.evaluation.notes import few_notes
    from mien.training import run
    from mien.training.folder import CONFIG, next_folder
    from mien.training.log import log_to

    options = {"epochs": epochs, "seed": seed, "batch_size": batch_size, "learning_rate": learning_rate, "start": start}
    named = [as_setting(f"train.{name}", value) for name, value in options.items() if value is not None]
    chosen = [*(settings or []), *named]
    folder = out or next_folder(load_recipe(recipe, chosen).name)
    try:
        with log_to(log):
            done = run.train(recipe, data, folder, resume=resume, settings=chosen, folds=folds)
    except KeyboardInterrupt:
        if not (folder / CONFIG).exists():
            raise MienError("stopped before training began") from None
        added = [*([] if out else ["--out", str(folder)]), *([] if resume else ["--resume"])]
        raise stopped(f"the {'folds and ' if folds else ''}epochs done are kept", *added) from None
    figures_of = {name: done.metrics.get(name) for name in ("accuracy", "macro_f1", "map")}
    figures_of |= {f"{name}_pearson": row["pearson"] for name, row in done.metrics.get("ratings", {}).items()}
    figures = "  ".join(f"{name} {value:.4f}" for name, value in figures_of.items() if value is not None)
    over = done.metrics.get("folds")
    log(f"{'held-out folds' if over else done.measured_on}: {figures}")
    if over:
        told = (f"{name} {mean:.4f} (± {over['std'][name]:.4f})" for name, mean in over["mean"].items())
        log("mean over folds: " + "  ".join(told))
    for note in few_notes(done.metrics) if over or done.measured_on != "validation" else ():
        log(note)
    print_line(done.folder)
