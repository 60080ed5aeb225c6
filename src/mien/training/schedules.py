"""Learning-rate schedules: by the step as a formula, or by the epoch with torch's schedulers."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch.optim import lr_scheduler

from mien.training.settings import TrainSettings
from mien.training.stages import Stages


class Schedule:
    """The learning rate as a share of its peak, for each step of a run.

    A schedule by the epoch moves a rate of 1 that nothing learns at; it begins anew behind ``head_epochs``.
    """

    def __init__(self, settings: TrainSettings, stages: Stages, in_epoch: int) -> None:
        self._settings, self._stages, self._in_epoch = settings, stages, in_epoch
        self._rate = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        self._scheduler = self._begin(settings.head_epochs or settings.epochs)

    @property
    def by_epoch(self) -> bool:
        """Whether it has a state to keep."""
        return self._scheduler is not None

    def share(self, step: int) -> float:
        """Share of the peak at a step of the run."""
        if self._scheduler is None:
            return rate_at(self._stages.done(step, self._in_epoch), self._settings)
        return float(self._rate.param_groups[0]["lr"])

    def end_epoch(self, done: int, monitored: float) -> None:
        """Move on behind so many epochs, of the last of which this is the figure that is monitored."""
        self._rate.step()  # which changes nothing; schedulers warn where they move without it
        if done == self._settings.head_epochs:
            self._rate.param_groups[0]["lr"] = 1.0
            self._scheduler = self._begin(self._settings.epochs - done)
        elif isinstance(self._scheduler, lr_scheduler.ReduceLROnPlateau):
            self._scheduler.step(monitored)
        elif self._scheduler is not None:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"rate": self._rate.state_dict(), "scheduler": self._scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to what a checkpoint kept."""
        self._rate.load_state_dict(state["rate"])
        self._scheduler.load_state_dict(state["scheduler"])

    def _begin(self, epochs: int) -> Any:
        """The scheduler of a stage of so many epochs; None where the schedule goes by the step."""
        settings, rate = self._settings, self._rate
        rate.param_groups[0].pop("initial_lr", None)
        match settings.schedule:
            case "step":
                return lr_scheduler.StepLR(rate, settings.decay_epochs, settings.decay)
            case "exponential":
                return lr_scheduler.ExponentialLR(rate, settings.decay)
            case "cosine":
                return lr_scheduler.CosineAnnealingLR(rate, max(epochs, 1))
            case "plateau":
                mode: Literal["min", "max"] = "min" if settings.monitor == "val_loss" else "max"
                patience = settings.decay_epochs - 1  # torch's counts the epochs that it still bears
                return lr_scheduler.ReduceLROnPlateau(rate, mode, settings.decay, patience, threshold=0)
        return None


def rate_at(done: float, settings: TrainSettings) -> float:
    """Share of the peak learning rate when *done* (0..1) of the steps are behind."""
    if settings.schedule == "constant":
        return 1.0
    if done < settings.warmup:
        rise = done / settings.warmup
        return rise if settings.schedule == "linear" else 0.04 + 0.96 * (1 - math.cos(math.pi * rise)) / 2
    fall = min((done - settings.warmup) / (1 - settings.warmup), 1.0)
    return 1 - fall if settings.schedule == "linear" else (1 + math.cos(math.pi * fall)) / 2
