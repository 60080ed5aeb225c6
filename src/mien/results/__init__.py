"""The one result type that every modality returns.

::

    result.py      Result                          prediction.py   Prediction: one text, face, person, scene
    clip.py        Moment, Person, Segment: clips  explanation.py  Explanation: what brought a label about
    notebook.py    what notebooks show             glance.py       Glance: a moment of a camera or a stream
    quality.py     Quality: how well a face is seen   action.py    FaceAction: what a face does
"""

from mien.results.action import BLENDSHAPES, FaceAction
from mien.results.clip import ClipSummary, Moment, Person, Segment, segments_of
from mien.results.explanation import Corners, Explanation, Word
from mien.results.glance import Glance
from mien.results.prediction import Box, Certainty, Prediction, Scales, tuned_for
from mien.results.quality import Quality, is_unreliable, together
from mien.results.result import EMPTY, Result, language_error, language_of_error

__all__ = [
    "BLENDSHAPES", "EMPTY", "Box", "Certainty", "ClipSummary", "Corners", "Explanation", "FaceAction", "Glance",
    "Moment", "Person", "Prediction", "Quality", "Result", "Scales", "Segment", "Word", "is_unreliable",
    "language_error", "language_of_error", "segments_of", "together", "tuned_for",
]  # fmt: skip
