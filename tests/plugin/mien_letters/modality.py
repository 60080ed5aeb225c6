from pathlib import Path

import numpy as np
from pydantic import BaseModel

from mien.modality import Modality, Predictor, Sampler

RECIPE = Path(__file__).with_name("letters.yaml")
MODALITY = Modality(
    name="letters", summary="texts, letter by letter", reads=("text",), unit="text", example='"…"',
    preprocess=f"{__name__}:Settings", augment=f"{__name__}:Augment",
    predictor=f"{__name__}:LettersPredictor", sampler=f"{__name__}:LettersSampler",
)  # fmt: skip


class Settings(BaseModel):
    length: int = 40

    def letters(self, text):
        return np.array([min(ord(letter), 255) for letter in text[: self.length].ljust(self.length)])


class Augment(BaseModel):
    pass


class LettersPredictor(Predictor):
    def sample(self, item):
        return self.settings.letters(item)


class LettersSampler(Sampler):
    def __init__(self, given):
        self.settings, self.input_spec = given.preprocess, {"vocabulary": 256}

    def collate(self, inputs, seeds=None):
        return np.stack([self.settings.letters(text) for text in inputs])
