from pydantic import BaseModel
from torch import nn

from mien.networks.base import Network as Base


class Settings(BaseModel):
    width: int = 32


class Network(Base):
    def __init__(self, settings, *, labels, vocabulary):
        super().__init__()
        self.vectors = nn.Embedding(vocabulary, settings.width)
        self.head = nn.Linear(settings.width, labels)

    def features(self, inputs):
        return self.vectors(inputs).mean(1)
