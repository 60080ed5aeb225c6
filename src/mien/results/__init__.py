"""The one result type that every modality returns.

::

    result.py      Result                          prediction.py   Prediction: one text, face, person, scene
    clip.py        Moment, Person, Segment: clips  notebook.py     what notebooks show
"""

from mien.results.clip import ClipSummary, Moment, Person, Segment, segments_of
from mien.results.prediction import Box, Prediction, Scales
from mien.results.result import EMPTY, Result

__all__ = [
    "EMPTY", "Box", "ClipSummary", "Moment", "Person", "Prediction", "Result", "Scales", "Segment", "segments_of",
]  # fmt: skip
