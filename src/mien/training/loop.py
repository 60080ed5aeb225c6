"""The training loop: epochs of one network on Lightning Fabric, with validation, early stopping and checkpoints."""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric, seed_everything
from lightning.fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mien.datasets import Dataset
from mien.errors import MienError
from mien.files import atomic_write
from mien.modality import Sampler
from mien.networks.base import Network
from mien.output.terminal import progress
from mien.training.batches import Batches
from mien.training.log import LOGGER
from mien.training.objective import Objective
from mien.training.schedules import Schedule
from mien.training.settings import TrainSettings
from mien.training.stages import Stages
from mien.training.validation import hits_of, logits_of, validation_figures

HISTORY, CHECKPOINTS = "history.json", "checkpoints"
LAST, BEST = "last.ckpt", "best.ckpt"
for name in ("lightning.fabric", "lightning.pytorch"):  # they tell what is used, also from each process
    logging.getLogger(name).setLevel(logging.WARNING)


@dataclass
class Progress:
    """How far a run has come, as a checkpoint keeps it.

    Attributes:
        epochs: the figures of each.
        best: the best value of the figure that is monitored, and of those that early stopping counts.
        waited: epochs since the latter.
        diverged: whether the figure is no number any more.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    best: float = -math.inf
    best_counted: float = -math.inf
    waited: int = 0
    diverged: bool = False


@dataclass
class Loop:
    """One network in training.

    Attributes:
        batches: the training batches; told the process and the epoch as training goes.
        valid: the validation samples, with the network's own labels.
        folder: the run folder; ``checkpoints/last.ckpt`` and ``best.ckpt`` go there after each epoch.
        resume: whether to begin after the epochs of ``last.ckpt``, if there is one.
    """

    network: Network
    sampler: Sampler
    objective: Objective
    batches: Batches
    valid: Dataset
    settings: TrainSettings
    folder: Path
    resume: bool = False

    def __post_init__(self) -> None:
        self.stages = Stages(self.network, self.settings)
        self.progress = Progress()

    def run(self) -> list[dict[str, float]]:
        """Train until the monitored figure stops getting better; the network then has the weights of the best epoch.

        Returns:
            The figures of each epoch; the best one is "kept".
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.settings.epochs:
            return [self._keep_beginning()]
        (self.folder / CHECKPOINTS).mkdir(exist_ok=True)
        seed_everything(self.settings.seed, verbose=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")  # advice on reading in worker processes
            self._launch()
        best = read_checkpoint(self.folder / CHECKPOINTS / BEST)
        self.network.load_state_dict(best["network"])
        self.network.cpu()
        epochs: list[dict[str, float]] = read_checkpoint(self.folder / CHECKPOINTS / LAST)["progress"]["epochs"]
        epochs[best["epoch"]]["kept"] = True
        return epochs

    def _keep_beginning(self) -> dict[str, float]:
        """The figures of the network as it began, where that is all there is to learn."""
        since = time.monotonic()
        figures = {name: round(value, 6) for name, value in self._validate(self.network).items()}
        row = {"epoch": 0, **figures, "seconds": round(time.monotonic() - since, 1), "kept": True}
        self._write_history([row])
        LOGGER.info("solved  " + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()))
        return row

    def _launch(self) -> None:
        """Train in this process, or in one for each device."""
        settings, strategy = self.settings, "auto"
        if settings.devices > 1:  # they must know when some parameters take no gradient
            staged = settings.head_epochs > 0 or settings.top_blocks is not None
            strategy = DDPStrategy(start_method="spawn", find_unused_parameters=staged)
        fabric = Fabric(
            accelerator=settings.accelerator, devices=settings.devices, strategy=strategy, precision=settings.precision
        )
        if settings.devices == 1:
            fabric.launch(self._train)
            return
        queue = multiprocessing.get_context("spawn").Queue()
        listener = QueueListener(queue, LOGGER)  # type: ignore[arg-type] # a logger handles records as a handler does
        listener.start()
        try:
            fabric.launch(partial(_train_in_child, loop=self, queue=queue, level=LOGGER.getEffectiveLevel()))
        finally:
            listener.stop()

    def _train(self, fabric: Fabric) -> None:
        """Train in one process."""
        settings, done = self.settings, self.progress
        fabric.strategy.precision.convert_input = lambda data: data  # pixels that are mixed need more than 16 bits
        self.batches.rank, self.batches.world = fabric.global_rank, fabric.world_size
        schedule = Schedule(settings, self.stages, len(self.batches))
        steps = _Steps(fabric, self.network, self.stages.groups(), settings, schedule, len(self.batches))
        last = self.folder / CHECKPOINTS / LAST
        if self.resume and last.exists():
            content = read_checkpoint(last)
            steps.load(content)
            done = self.progress = Progress(**content["progress"])
        while len(done.epochs) < settings.epochs and not self._has_converged():
            since, epoch = time.monotonic(), len(done.epochs)
            trained = self._train_epoch(steps, epoch)
            with fabric.autocast():
                figures = fabric.broadcast(self._validate(steps.judged) | trained)
            defined = {name: round(value, 6) for name, value in figures.items() if not math.isnan(value)}
            row = {"epoch": epoch + 1, **defined, "seconds": round(time.monotonic() - since, 1)}
            better = self._note(row, figures[settings.monitor])
            schedule.end_epoch(len(done.epochs), figures[settings.monitor])
            if fabric.is_global_zero:
                self._write_history(done.epochs)
                if better:
                    self._write_checkpoint(BEST, {"epoch": epoch, "network": steps.judged.state_dict()})
                self._write_checkpoint(LAST, {**steps.state(), "progress": vars(done)})
                shown = "  ".join(f"{name} {value:.4f}" for name, value in defined.items())
                LOGGER.info(f"epoch {epoch + 1}/{settings.epochs}  {shown}  {row['seconds']:.0f} s")
            fabric.barrier()

    def _train_epoch(self, steps: _Steps, epoch: int) -> dict[str, float]:
        """Learn from each batch once; gives ``train_loss`` and ``train_accuracy`` over samples of the first set."""
        settings, fabric, self.batches.epoch = self.settings, steps.fabric, epoch
        self.stages.enter(epoch)
        # Dropout of an epoch depends on the seed, the epoch and the process alone: a resumed run repeats it.
        torch.manual_seed((settings.seed * 1_000_003 + epoch) * 64 + fabric.global_rank)
        sums, count = torch.zeros(2, device=fabric.device), 0
        what, total = f"epoch {epoch + 1}/{settings.epochs}", steps.in_epoch
        with progress(what, total) if fabric.is_global_zero else nullcontext(lambda _: None) as advance:
            for number, batch in enumerate(map(fabric.to_device, self.batches), epoch * steps.in_epoch):
                with fabric.autocast():
                    losses, hits = self._losses(steps.wrapped, batch)
                # Processes average their gradients, and their figures: with the factor that is the mean of the batch.
                steps.take(losses.mean() * batch["factor"], number)
                if batch["source"] == 0:
                    sums += torch.stack([losses.detach().mean(), hits.mean()]) * (batch["factor"] * batch["size"])
                    count += batch["size"]
                advance(1)
        loss, accuracy = (fabric.all_reduce(sums, reduce_op="mean") / count).tolist()
        return {"train_loss": loss, **({"train_accuracy": accuracy} if self.objective.labels else {})}

    def _losses(self, network: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """The loss of each sample, and 1 for each one read right."""
        inputs, mixing = batch["inputs"], None
        if self.settings.mixup:
            inputs, mixing = mixed(inputs, self.settings.mixup)
        with self.batches.learned_from(batch):
            logits = network(inputs).float()
        losses = self._against(logits, batch)
        if mixing:
            share, order = mixing
            losses = share * losses + (1 - share) * self._against(logits, batch, order)
        own = logits.detach()[: len(batch["targets"]), : self.objective.labels]
        counted = self.objective.labels and batch["source"] == 0  # others may have other labels
        return losses, hits_of(own, batch["targets"]) if counted else losses.new_zeros(1)

    def _against(self, logits: Tensor, batch: dict[str, Any], order: Tensor | None = None) -> Tensor:
        """Losses against the batch's own labels, or against those in another order of its samples.

        Shape (batch,), or (members × batch,) from a network whose members answer each for itself.
        """
        targets, teacher, votes, rated = batch["targets"], batch["teacher"], batch["also"], batch["rated"]
        if (members := len(logits) // len(targets)) > 1:
            order = torch.arange(len(targets)).repeat(members) if order is None else order.repeat(members)
        if order is not None:
            targets, votes = targets[order], {name: shares[order] for name, shares in votes.items()}
            rated = rated[order]
            teacher = None if teacher is None else teacher[order]
        return self.objective(logits, targets, batch["source"], teacher, votes, rated)

    def _validate(self, network: nn.Module) -> dict[str, float]:
        """The figures of a network on all validation samples; each process computes the same."""
        device = next(network.parameters()).device
        logits = logits_of(network, self.sampler, self.valid.inputs, device)
        judged, samples = self.sampler.pool(logits.numpy(), self.valid)
        return validation_figures(torch.from_numpy(judged), samples, self.objective)

    def _has_converged(self) -> bool:
        """Whether the figure has not got better for long enough, or is no number any more."""
        settings, done = self.settings, self.progress
        return done.diverged or done.waited >= settings.patience

    def _note(self, row: dict[str, float], monitored: float) -> bool:
        """Note an epoch; gives whether it is the best so far."""
        settings, done = self.settings, self.progress
        value = -monitored if settings.monitor == "val_loss" else monitored
        better = value > done.best or not done.epochs
        if better:
            done.best = -math.inf if math.isnan(value) else value
        if len(done.epochs) >= settings.head_epochs:  # before, the blocks below the head do not learn
            done.waited = 0 if value > done.best_counted else done.waited + 1
            done.best_counted = max(done.best_counted, value)
            done.diverged = not math.isfinite(value)
        done.epochs.append(row)
        return better

    def _write_history(self, epochs: list[dict[str, float]]) -> None:
        with atomic_write(self.folder / HISTORY) as made:
            made.write_text(json.dumps(epochs, indent=1) + "\n", "utf-8")

    def _write_checkpoint(self, name: str, content: dict[str, Any]) -> None:
        with atomic_write(self.folder / CHECKPOINTS / name) as made:
            torch.save(content, made)


class _Steps:
    """What an optimizer's steps change: the network, the running mean of its weights, the optimizer itself.

    Attributes:
        wrapped: the network as Fabric has it, which is what learns.
        judged: the network that is validated and kept.
        in_epoch: how many steps an epoch has.
    """

    def __init__(
        self, fabric: Fabric, network: nn.Module, groups: list[dict[str, Any]], settings: TrainSettings,
        schedule: Schedule, in_epoch: int,
    ) -> None:  # fmt: skip
        self.fabric, self._network, self._settings, self.in_epoch = fabric, network, settings, in_epoch
        self._schedule = schedule
        self._optimizer = torch.optim.AdamW(groups)
        self._peaks = [group["lr"] for group in self._optimizer.param_groups]
        self.wrapped, self._stepping = fabric.setup(network, self._optimizer)
        self._mean = None
        if settings.ema:
            self._mean = AveragedModel(network, multi_avg_fn=running_mean(settings.ema), use_buffers=True)
        self.judged: nn.Module = network if self._mean is None else self._mean.module

    def take(self, loss: Tensor, number: int) -> None:
        """Take the step of that number in the run."""
        share = self._schedule.share(number)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * share
        self.fabric.backward(loss)
        clip = self._settings.clip
        self.fabric.clip_gradients(self.wrapped, self._stepping, max_norm=clip, error_if_nonfinite=False)
        self._stepping.step()
        self._optimizer.zero_grad()
        if self._mean is not None:
            self._mean.update_parameters(self._network)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load(self, content: dict[str, Any]) -> None:
        """Go back to what a checkpoint kept."""
        for name, part in self._parts().items():
            part.load_state_dict(content[name])

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self._network, "mean": self._mean, "optimizer": self._optimizer,
                 "precision": self.fabric.strategy.precision,
                 "schedule": self._schedule if self._schedule.by_epoch else None}  # fmt: skip
        return {name: part for name, part in parts.items() if part is not None}


def _train_in_child(fabric: Fabric, loop: Loop, queue: Any, level: int) -> None:
    """What each of several processes does; the log of the first goes to the process that started them."""
    for tensor in chain(loop.network.parameters(), loop.network.buffers()):
        tensor.data = tensor.data.clone()  # else the processes would share its memory
    if fabric.is_global_zero:
        LOGGER.addHandler(QueueHandler(queue))
        LOGGER.setLevel(level)
    loop._train(fabric)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint: tensors and plain values, nothing else is unpickled.

    Raises:
        MienError: it is damaged, or of an earlier version of mien.
    """
    try:
        content = dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch fails in many ways on a torn file
        raise MienError(f"{path} is damaged: the run cannot be resumed; name another folder (--out)") from error
    if "network" not in content:
        raise MienError(f"{path} is of an earlier version: the run cannot be resumed; name another folder (--out)")
    return content


def mixed(inputs: Tensor, alpha: float) -> tuple[Tensor, tuple[float, Tensor]]:
    """A batch mixed with itself in another order (Zhang et al. 2018), with the share of its own and that order."""
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(inputs), device=inputs.device)
    inputs = inputs.float()
    return share * inputs + (1 - share) * inputs[order], (share, order)


def running_mean(decay: float) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """How the mean of the weights follows them: at first quickly, so that it soon forgets where they began."""

    @torch.no_grad()
    def update(means: Iterable[Tensor], weights: Iterable[Tensor], count: Any) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, weight in zip(means, weights, strict=True):
            if mean.is_floating_point():
                mean.lerp_(weight, share)
            else:
                mean.copy_(weight)

    return update
