"""Emotion in text: ``preprocess`` (text → token ids) and ``recognizer`` (token ids → results)."""
