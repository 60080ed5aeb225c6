"""Emotion in text: ``preprocess`` (text → token ids) and ``recognizer`` (token ids → results)."""

EMPTY = "text is empty"  #: the error of a text without anything to read
