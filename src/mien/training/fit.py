"""The loop: a network, batches and an objective under Lightning."""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar, WeightAveraging
from safetensors.torch import save
from torch import Tensor, nn

from mien.datasets import Dataset
from mien.errors import MienError
from mien.evaluation.metrics import tuned_metrics
from mien.modality import Sampler
from mien.networks.base import Network
from mien.runtime import probabilities_of
from mien.training.batches import Batches
from mien.training.callbacks import HISTORY, EarlyStoppingLater, History, Newest
from mien.training.export import ANSWERS, Answers, Reference, export_network
from mien.training.log import LOGGER
from mien.training.objective import Objective
from mien.training.ratings import Ratings, correlations
from mien.training.recipe import TrainSettings
from mien.training.stages import Stages

CHECKPOINTS = "checkpoints"


def logits_of(
    network: nn.Module, sampler: Sampler, inputs: Sequence[Any], device: torch.device | str = "cpu"
) -> Tensor:
    """Logits float32 (n, labels) on the CPU, in the order of the inputs, without gradients."""
    network.eval()
    order = np.argsort(sampler.lengths(inputs), kind="stable")
    size, parts = sampler.evaluation_batch, []
    with torch.inference_mode():
        for start in range(0, len(order), size):
            batch = sampler.collate([inputs[i] for i in order[start : start + size]])
            parts.append(network(torch.from_numpy(batch).to(device)).float().cpu())
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


class Module(lightning.LightningModule):
    """One network in training.

    Args:
        batches: the training batches; told its process and epoch as training goes.
        valid: the validation samples, with the network's own labels.
        steps: optimiser steps in an epoch.
    """

    def __init__(
        self,
        network: Network,
        sampler: Sampler,
        objective: Objective,
        batches: Batches,
        valid: Dataset,
        settings: TrainSettings,
    ) -> None:
        super().__init__()
        self.network, self.sampler, self.objective = network, sampler, objective
        self.batches, self.valid, self.settings = batches, valid, settings
        self.stages = Stages(network, settings)

    def train_dataloader(self) -> Iterable[Any]:
        self.batches.rank, self.batches.world = self.trainer.global_rank, self.trainer.world_size
        return self.batches

    def val_dataloader(self) -> Iterable[Any]:
        return [0]  # each process validates on everything in one go: the same figure on one process as on several

    def on_train_epoch_start(self) -> None:
        self.batches.epoch = self.current_epoch
        self.stages.enter(self.current_epoch)
        # Dropout of an epoch depends on the seed, the epoch and the process alone: a resumed run repeats it.
        torch.manual_seed((self.settings.seed * 1_000_003 + self.current_epoch) * 64 + self.global_rank)

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        inputs, mixing = batch["inputs"], None
        if self.settings.mixup:
            inputs, mixing = mixed(inputs, self.settings.mixup)
        with self.batches.learned_from(batch):
            logits = self.network(inputs).float()
        losses = self._losses(logits, batch)
        if mixing:
            share, order = mixing
            losses = share * losses + (1 - share) * self._losses(logits, batch, order)
        if batch["source"] == 0:
            # Processes' figures are averaged: with the factor that is the mean over the whole batch.
            figures = {"train_loss": losses.detach().mean() * batch["factor"]}
            if self.objective.labels:
                own = logits.detach()[: len(batch["targets"]), : self.objective.labels]
                figures["train_accuracy"] = _hits(own, batch["targets"]).mean() * batch["factor"]
            self.log_dict(figures, on_step=False, on_epoch=True, sync_dist=True, batch_size=batch["size"])
        loss: Tensor = losses.mean() * batch["factor"]
        return loss

    def _losses(self, logits: Tensor, batch: dict[str, Any], order: Tensor | None = None) -> Tensor:
        """Losses against the batch's own labels, or against those in another order of its samples.

        Shape (batch,), or (members × batch,) from a network whose members answer each for itself.
        """
        targets, teacher, also, rated = batch["targets"], batch["teacher"], batch["also"], batch["rated"]
        if (members := len(logits) // len(targets)) > 1:
            order = torch.arange(len(targets)).repeat(members) if order is None else order.repeat(members)
        if order is not None:
            targets, also = targets[order], {name: shares[order] for name, shares in also.items()}
            rated = rated[order]
            teacher = None if teacher is None else teacher[order]
        return self.objective(logits, targets, batch["source"], teacher, also, rated)

    def validation_step(self, _: Any, __: int) -> None:
        logits = logits_of(self.network, self.sampler, self.valid.inputs, self.device)
        figures = validation_figures(*pooled(self.sampler, logits, self.valid), self.objective)
        self.network.train()
        self.log_dict({name: torch.tensor(value) for name, value in figures.items()}, prog_bar=True, batch_size=1)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.stages.groups())
        steps = len(self.batches)

        def rate(step: int) -> float:
            return rate_at(self.stages.done(step, steps), self.settings)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def mixed(inputs: Tensor, alpha: float) -> tuple[Tensor, tuple[float, Tensor]]:
    """A batch mixed with itself in another order (Zhang et al. 2018), with the share of its own and that order."""
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(inputs), device=inputs.device)
    inputs = inputs.float()
    return share * inputs + (1 - share) * inputs[order], (share, order)


def rate_at(done: float, settings: TrainSettings) -> float:
    """Share of the peak learning rate when *done* (0..1) of the steps are behind."""
    if settings.schedule == "constant":
        return 1.0
    if done < settings.warmup:
        rise = done / settings.warmup
        return rise if settings.schedule == "linear" else 0.04 + 0.96 * (1 - np.cos(np.pi * rise)) / 2
    fall = min((done - settings.warmup) / (1 - settings.warmup), 1.0)
    return 1 - fall if settings.schedule == "linear" else float(1 + np.cos(np.pi * fall)) / 2


def _hits(logits: Tensor, targets: Tensor) -> Tensor:
    """1 for each sample read right: the strongest label, or for several labels all of them at 0.5."""
    if targets.ndim == 1:
        return (logits.argmax(1) == targets).float()
    return ((logits > 0) == (targets > 0)).all(1).float()


def pooled(sampler: Sampler, logits: Tensor, samples: Dataset) -> tuple[Tensor, Dataset]:
    """Logits and samples by which a model is judged: those of whole clips, where it is trained on their frames."""
    whole, things = sampler.pool(logits.numpy(), samples)
    return torch.from_numpy(whole), things


def validation_figures(logits: Tensor, valid: Dataset, objective: Objective) -> dict[str, float]:
    """Figures of an epoch.

    ``val_loss`` (without the teacher and further heads); of labels ``val_accuracy``, ``val_macro_f1`` and ``val_map``;
    of ratings ``val_pearson``, the mean of their correlations, and each, such as ``val_valence_pearson``.
    """
    targets, rated = torch.from_numpy(valid.targets), objective.ratings.of(valid)
    figures = {"val_loss": objective(logits, targets, rated=torch.from_numpy(rated)).mean().item()}
    if objective.labels:
        own = logits[:, : objective.labels]
        probabilities = probabilities_of(own.numpy(), valid.space.multilabel)
        metrics = tuned_metrics(valid.targets, probabilities, valid.space.names)
        figures["val_accuracy"] = _hits(own, targets).mean().item()
        figures |= {"val_macro_f1": metrics["macro_f1"], "val_map": metrics.get("map", float("nan"))}
    for name, columns in objective.heads.items():
        known = valid.votes[name].any(1)
        said, voted = logits[:, columns].argmax(1).numpy()[known], valid.votes[name][known].argmax(1)
        figures[f"val_{name}_accuracy"] = float((said == voted).mean()) if known.any() else float("nan")
    if names := objective.ratings.names:
        given = logits[:, logits.shape[1] - len(names) :].numpy()
        found = correlations(rated, given)
        figures |= {f"val_{name}_pearson": value for name, value in zip(names, found, strict=True)}
        figures["val_pearson"] = float(np.mean(found))
    return figures


@dataclass
class TrainedNetwork:
    """A trained torch network, with what the rest of a run asks of a trained model."""

    network: Network
    sampler: Sampler
    multilabel: bool
    history: list[dict[str, float]]
    heads: list[tuple[int, float]] = field(default_factory=list)  # size and temperature of each further head
    ratings: Ratings = field(default_factory=Ratings)
    labels: bool = True  # whether it has any
    search: list[dict[str, Any]] = field(default_factory=list)  # no settings are tried
    held_out: None = None

    def logits(self, inputs: Sequence[Any]) -> np.ndarray:
        """float32 (n, labels, then those of the heads, then ratings)."""
        logits: np.ndarray = logits_of(self.network, self.sampler, inputs).numpy()
        return logits

    def reference(self, temperature: float) -> Reference:
        """Prepared batch → probabilities, then ratings, side by side, as the network gives them."""
        module = self._answers(temperature).eval()

        def run(batch: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                given = module(torch.from_numpy(batch))
            parts = [given] if isinstance(given, Tensor) else given
            answers = [part for name, part in zip(module.outputs, parts, strict=True) if name in ANSWERS]
            joined: np.ndarray = torch.cat(answers, 1).numpy()
            return joined

        return run

    def _answers(self, temperature: float) -> Answers:
        return Answers(self.network, self.multilabel, temperature, self.heads, self.ratings, self.labels)

    def write(self, path: Path, temperature: float, example: np.ndarray) -> None:
        """Write ``model.onnx``."""
        export_network(self._answers(temperature), example, path, self.sampler.free_axes)

    def layout(self, example: np.ndarray) -> list[dict[str, Any]]:
        """One row per layer: name, type, output shape, parameters of its own."""
        rows: list[dict[str, Any]] = []

        def note(name: str, layer: nn.Module) -> Callable[..., None]:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                shape = list((output[0] if isinstance(output, tuple) else output).shape)
                count = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
                rows.append({"name": name, "type": type(layer).__name__, "output": shape, "parameters": count})

            return hook

        leaves = [(name, layer) for name, layer in self.network.named_modules() if not any(layer.children())]
        hooks = [layer.register_forward_hook(note(name, layer)) for name, layer in leaves]
        self.network.eval()
        with torch.no_grad():
            self.network(torch.from_numpy(example))
        for hook in hooks:
            hook.remove()
        return rows

    def weights(self) -> bytes:
        """The content of ``weights.safetensors``."""
        content: bytes = save({name: value.contiguous() for name, value in self.network.state_dict().items()})
        return content


def running_mean(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """How the mean of the weights follows them: at first quickly, so that it soon forgets where they began."""

    @torch.no_grad()
    def update(means: Sequence[Tensor], weights: Sequence[Tensor], count: Any) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, weight in zip(means, weights, strict=True):
            if mean.is_floating_point():
                mean.lerp_(weight, share)
            else:
                mean.copy_(weight)

    return update


def fit(module: Module, folder: Path, *, resume: bool = False) -> TrainedNetwork:
    """Train until the validation figure stops getting better, and return the best network.

    Args:
        folder: the run folder; ``checkpoints/last.ckpt`` and ``best.ckpt`` go there after each epoch.
        resume: go on from ``last.ckpt`` if there is one.
    """
    settings = module.settings
    folder.mkdir(parents=True, exist_ok=True)
    if not settings.epochs:
        return _begun(module, folder)
    mode = "min" if settings.monitor == "val_loss" else "max"
    history = History(folder)
    each: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": True}
    best = ModelCheckpoint(folder / CHECKPOINTS, "best", monitor=settings.monitor, mode=mode, **each)
    newest = Newest(folder / CHECKPOINTS, "last", **each)  # Lightning's save_last skips epochs without a best
    newest.history = history
    stopping = EarlyStoppingLater(
        settings.monitor, mode=mode, patience=settings.patience, check_on_train_epoch_end=True, verbose=False
    )
    stopping.first = settings.head_epochs
    callbacks: list[Callback] = [history, stopping, best, newest]
    if settings.ema:
        callbacks.append(WeightAveraging(multi_avg_fn=running_mean(settings.ema)))
    if sys.stderr.isatty():
        callbacks.append(RichProgressBar(leave=False, console_kwargs={"stderr": True}))
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    lightning.seed_everything(settings.seed, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=_strategy(settings),
        precision=settings.precision,
        gradient_clip_val=settings.clip,
        callbacks=callbacks,
        logger=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        default_root_dir=folder,
    )
    last = folder / CHECKPOINTS / "last.ckpt"
    if resume and last.exists() and _stopped(last, settings):
        return _kept(module, folder)
    with warnings.catch_warnings():
        # Lightning's advice on worker processes for reading does not fit batches that are made in memory.
        warnings.filterwarnings("ignore", module="lightning")
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, ckpt_path=last if resume and last.exists() else None, weights_only=False)
        except SystemExit:  # on Ctrl-C Lightning ignores further ones and ends the program
            if not trainer.interrupted:
                raise
            signal.signal(signal.SIGINT, interrupt)
            raise KeyboardInterrupt from None
    return _kept(module, folder)


def _strategy(settings: TrainSettings) -> str:
    """How several devices share the work; they must know when some parameters take no gradient."""
    if settings.devices == 1:
        return "auto"
    staged = settings.head_epochs or settings.top_blocks is not None
    return "ddp_spawn_find_unused_parameters_true" if staged else "ddp_spawn"


def _stopped(checkpoint: Path, settings: TrainSettings) -> bool:
    """Whether early stopping had ended the run: Lightning forgets that it had, and would train another epoch."""
    state = _read(checkpoint)["callbacks"]
    waits = [value["wait_count"] for name, value in state.items() if name.startswith("EarlyStopping")]
    return bool(waits) and waits[0] >= settings.patience


def _read(checkpoint: Path) -> dict[str, Any]:
    try:
        return dict(torch.load(checkpoint, map_location="cpu", weights_only=False))
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise MienError(f"{checkpoint} is damaged: the run cannot be gone on with; name another folder") from error


def _begun(module: Module, folder: Path) -> TrainedNetwork:
    """The network as it began, where that is all there is to learn."""
    since = time.monotonic()
    logits = logits_of(module.network, module.sampler, module.valid.inputs)
    figures = validation_figures(*pooled(module.sampler, logits, module.valid), module.objective)
    figures = {name: round(value, 6) for name, value in figures.items()}
    row = {"epoch": 0, **figures, "seconds": round(time.monotonic() - since, 1), "kept": True}
    (folder / HISTORY).write_text(json.dumps([row], indent=1) + "\n")
    LOGGER.info("solved  " + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
    return _trained(module, module.network, [row])


def _kept(module: Module, folder: Path) -> TrainedNetwork:
    """The best network of a run, from its checkpoint."""
    kept = _read(folder / CHECKPOINTS / "best.ckpt")
    weights = {name.removeprefix("network."): value for name, value in kept["state_dict"].items()}
    module.network.load_state_dict(weights)
    epochs = json.loads((folder / HISTORY).read_text())
    epochs[kept["epoch"]]["kept"] = True
    return _trained(module, module.network.cpu(), epochs)


def _trained(module: Module, network: Network, epochs: list[dict[str, float]]) -> TrainedNetwork:
    network = network.float().eval()
    sizes = [columns.stop - columns.start for columns in module.objective.heads.values()]
    objective = module.objective
    return TrainedNetwork(
        network, module.sampler, objective.multilabel, epochs, [(size, 1.0) for size in sizes],
        ratings=objective.ratings, labels=objective.labels > 0,
    )  # fmt: skip
