"""Learning-rate schedules: their sequences against hand-worked ones and torch's own, and what a resumed run does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

import mien
from conftest import single_rows, write_csv
from mien.errors import RecipeError
from mien.training.log import log_to
from mien.training.recipe import load_recipe
from mien.training.schedules import Schedule
from mien.training.settings import TrainSettings
from mien.training.stages import Stages

IN_EPOCH = 3


class Net(nn.Module):
    """A network with a head, as much as stages look at."""

    trunk: ClassVar[list[nn.Module]] = []

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 1)


def schedule(**settings: Any) -> Schedule:
    given = TrainSettings(**settings)
    return Schedule(given, Stages(Net(), given), IN_EPOCH)  # type: ignore[arg-type]


def shares(made: Schedule, epochs: range, figures: list[float] | None = None) -> list[float]:
    """The share in each epoch, which must be the same at each of its steps."""
    found = []
    for epoch in epochs:
        within = {made.share(epoch * IN_EPOCH + step) for step in range(IN_EPOCH)}
        assert len(within) == 1
        found += within
        made.end_epoch(epoch + 1, figures[epoch] if figures else 0.5)
    return found


HALF = [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4]  # of a cosine, in quarters
FIGURES = [0.5, 0.6, 0.6, 0.6, 0.7, 0.7, 0.65, 0.7]
PLATEAU = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]  # two epochs without a better figure, twice


@pytest.mark.parametrize(
    ("settings", "figures", "expected"),
    [
        ({"schedule": "step", "decay": 0.1, "decay_epochs": 3}, None, [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        ({"schedule": "exponential", "decay": 0.5}, None, [1, 0.5, 0.25, 0.125, 0.0625]),
        ({"schedule": "cosine", "epochs": 4}, None, HALF),
        ({"schedule": "cosine", "epochs": 6, "head_epochs": 2}, None, [1, 0.5, *HALF]),
        ({"schedule": "step", "decay_epochs": 1, "head_epochs": 2}, None, [1, 0.5, 1, 0.5, 0.25]),
        ({"schedule": "plateau"}, FIGURES, PLATEAU),
        ({"schedule": "plateau", "monitor": "val_loss"}, [1 - figure for figure in FIGURES], PLATEAU),
    ],
)  # fmt: skip
def test_the_rate_of_each_epoch_is_the_hand_worked_one_and_a_resumed_run_has_the_same(settings, figures, expected):
    settings = {"epochs": len(expected), **settings}
    assert shares(schedule(**settings), range(len(expected)), figures) == pytest.approx(expected)
    for stop in range(1, len(expected)):
        made, kept = schedule(**settings), io.BytesIO()
        shares(made, range(stop), figures)
        torch.save(made.state_dict(), kept)
        kept.seek(0)
        again = schedule(**settings)
        again.load_state_dict(torch.load(kept, weights_only=True))
        assert shares(again, range(stop, len(expected)), figures) == pytest.approx(expected[stop:]), stop


def test_a_plateau_that_would_come_after_the_end_is_refused():
    with pytest.raises(RecipeError, match=r"train\.decay_epochs: must be less than train\.patience, which is 3$"):
        load_recipe("text-gru", ["schedule=plateau", "patience=3", "decay_epochs=3"])
    load_recipe("text-gru", ["schedule=plateau", "patience=3", "decay_epochs=2"])
    with pytest.raises(RecipeError, match=r"train\.decay: is of the schedules .*, and this is cosine$"):
        load_recipe("text-gru", ["schedule=cosine", "decay=0.1"])
    with pytest.raises(RecipeError, match=r"train\.decay_epochs: is of the schedules step, plateau, and this is exp"):
        load_recipe("text-gru", ["schedule=exponential", "decay_epochs=2"])


def test_a_resumed_run_learns_at_the_rates_of_one_that_was_not_stopped(tmp_path: Path) -> None:
    data = f"table:{write_csv(tmp_path / 'data.csv', single_rows())}"
    small = ["embedding=8", "hidden=8", "network.head=8", "members=1", "tokenizer.size=100"]
    settings = [*small, "epochs=3", "schedule=step", "decay_epochs=1", "decay=0.1", "learning_rate=0.01"]

    def stop(line: str) -> None:
        if line.startswith("epoch 2/3"):
            raise KeyboardInterrupt

    def train(name: str, **options: bool) -> tuple[list[float], float]:
        done = mien.train("text-gru", data, tmp_path / name, settings=settings, report=False, **options)
        last = torch.load(done.folder / "checkpoints" / "last.ckpt", weights_only=True)
        rows = mien.load(done.model).manifest.training["history"]
        return [row["train_loss"] for row in rows], last["optimizer"]["param_groups"][0]["lr"]

    whole = train("whole")
    assert whole[1] == pytest.approx(0.01 * 0.1**2)
    with pytest.raises(KeyboardInterrupt), log_to(stop):
        train("stopped")
    assert train("stopped", resume=True) == whole
