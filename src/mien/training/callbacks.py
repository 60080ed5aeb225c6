"""What happens at the end of an epoch: figures are kept and reported, checkpoints secured, training stopped."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from mien.files import atomic_write
from mien.training.log import LOGGER

HISTORY = "history.json"


class History(Callback):
    """Figures of each epoch, kept in the run folder and, for a resumed run, in the checkpoint."""

    def __init__(self, folder: Path) -> None:
        self.epochs: list[dict[str, float]] = []
        self._folder, self._since = folder, time.monotonic()

    def on_train_epoch_start(self, *_: Any) -> None:
        self._since = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        figures = {
            name: round(float(value), 6)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(("train_", "val_")) and not torch.isnan(torch.as_tensor(value))
        }
        row = {"epoch": trainer.current_epoch + 1, **figures, "seconds": round(time.monotonic() - self._since, 1)}
        self.epochs = [*self.epochs[: trainer.current_epoch], row]
        if trainer.is_global_zero:
            with atomic_write(self._folder / HISTORY) as made:
                made.write_text(json.dumps(self.epochs, indent=1) + "\n")

    def report(self, trainer: lightning.Trainer) -> None:
        """Print the figures of the newest epoch."""
        row = self.epochs[-1]
        told = "  ".join(f"{name} {row[name]:.4f}" for name in row if name.startswith(("train_", "val_")))
        LOGGER.info(f"epoch {row['epoch']}/{trainer.max_epochs}  {told}  {row['seconds']:.0f} s")

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = state["epochs"]


class Newest(ModelCheckpoint):
    """The checkpoint to resume from; an epoch is reported once all checkpoints are on the disk."""

    history: History

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.is_global_zero:
            folder = Path(self._last_checkpoint_saved).parent
            for path in (*folder.glob("*.ckpt"), *([folder] if os.name == "posix" else [])):
                file = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)
            self.history.report(trainer)


class EarlyStoppingLater(EarlyStopping):
    """Early stopping that begins to count with the epoch *first*, when the blocks below the head learn too."""

    first = 0

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.current_epoch >= self.first:
            super().on_train_epoch_end(trainer, pl_module)
