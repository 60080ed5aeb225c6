"""A clip read from what another network makes of each of its frames: a GRU over time, and attention.

The features of a face in each frame → a dense layer → one GRU forwards and one backwards (Cho et al. 2014) → the mean
over the frames, each weighed by how much it tells (Bahdanau et al. 2015) → the output. Without the GRUs it is attention
alone (Meng et al. 2019 for faces in clips).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.networks import base
from mien.networks.base import read_both_ways
from mien.networks.settings import NetworkSettings


class Settings(NetworkSettings):
    """What to read, sizes and dropout.

    Attributes:
        faces: the model of faces whose network reads the single frames: a shipped model's name, or a model or run
            folder. It stays as it is, and goes into the model folder.
        hidden: numbers of the dense layer, and of each GRU.
        gru: whether there are GRUs.
        dropout: share of features left out before the dense layer and before the output.
        frame_dropout: share of frames left out while training.
    """

    faces: str = "face"
    hidden: int = Field(64, ge=1)
    gru: bool = True
    dropout: float = Field(0.5, ge=0, lt=1)
    frame_dropout: float = Field(0.2, ge=0, lt=1)

    def models(self) -> tuple[str, ...]:
        """See the base class."""
        return (self.faces,)


class Network(base.Network):
    """See the module.

    Input float32 (batch, length, width + 1): the features of each frame, and 1 where there is a frame, 0 behind the
    last one. Output float32 logits (batch, labels).
    """

    def __init__(self, settings: Settings, *, labels: int, width: int) -> None:
        super().__init__()
        hidden, self.frame_dropout = settings.hidden, settings.frame_dropout
        self.dense = nn.Sequential(
            nn.LayerNorm(width), nn.Dropout(settings.dropout), nn.Linear(width, hidden), nn.ReLU()
        )
        self.forwards = nn.GRU(hidden, hidden, batch_first=True) if settings.gru else None
        self.backwards = nn.GRU(hidden, hidden, batch_first=True) if settings.gru else None
        states = 2 * hidden if settings.gru else hidden
        self.telling = nn.Sequential(nn.Linear(states, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(states, labels))

    def features(self, frames: Tensor) -> Tensor:
        """The clip as a whole, float32 (batch, states); how many frames of padding follow makes no difference."""
        there = frames[:, :, -1] > 0
        steps = there
        states = self.dense(frames[:, :, :-1])
        if self.training and self.frame_dropout:
            kept = there & (torch.rand(there.shape, device=there.device) >= self.frame_dropout)
            there = torch.where(kept.any(1, keepdim=True), kept, there)
            states = states * there[..., None]
        if self.forwards is not None and self.backwards is not None:
            states = read_both_ways(self.forwards, self.backwards, states, steps)
        scores = self.telling(states)[..., 0].float().masked_fill(~there, -1e9)
        whole: Tensor = (states * scores.softmax(1)[..., None]).sum(1).float()
        return whole
