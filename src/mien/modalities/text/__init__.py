"""Emotion in text: ``preprocess`` (text → token ids) and ``predictor`` (token ids → results)."""

EMPTY = "text is empty"  #: the error of a text without anything to read
