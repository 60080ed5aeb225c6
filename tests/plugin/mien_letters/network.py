from torch import nn

from mien.networks import base, settings


class Settings(settings.NetworkSettings):
    width: int = 32


class Network(base.Network):
    def __init__(self, settings, *, labels, vocabulary):
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, settings.width)
        self.head = nn.Linear(settings.width, labels)

    def features(self, inputs):
        return self.vectors(inputs).sum(1)
