"""mien reads emotion from text, faces and clips: train, evaluate and predict, offline.

>>> import mien
>>> mien.predict("i feel so loved today").label  # doctest: +SKIP
'love'

Everything here is loaded when it is first used: importing mien loads neither torch nor ONNX Runtime.
"""

from __future__ import annotations

from mien import compat

__version__ = "0.2.0"

TYPE_CHECKING = False  # typing itself takes as long to import as Python takes to start
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from mien.datasets import open_dataset
    from mien.datasets.chats import open_chat
    from mien.errors import MienError
    from mien.evaluation import evaluate
    from mien.labels import SPACES, Emotion, LabelSpace
    from mien.media.pixels import bgr
    from mien.modalities.watch import watch
    from mien.modality import Predictor, load
    from mien.output.frame import to_frame
    from mien.reporting import Report
    from mien.results import Prediction, Result
    from mien.sklearn import Embedder, EmotionClassifier
    from mien.training.run import train

_HOMES = {
    "SPACES": "mien.labels",
    "Embedder": "mien.sklearn",
    "Emotion": "mien.labels",
    "EmotionClassifier": "mien.sklearn",
    "LabelSpace": "mien.labels",
    "MienError": "mien.errors",
    "Prediction": "mien.results",
    "Predictor": "mien.modality",
    "Report": "mien.reporting",
    "Result": "mien.results",
    "bgr": "mien.media.pixels",
    "evaluate": "mien.evaluation",
    "load": "mien.modality",
    "open_chat": "mien.datasets.chats",
    "open_dataset": "mien.datasets",
    "to_frame": "mien.output.frame",
    "train": "mien.training.run",
    "watch": "mien.modalities.watch",
}

__all__ = [
    "SPACES", "Embedder", "Emotion", "EmotionClassifier", "LabelSpace", "MienError", "Prediction", "Predictor",
    "Report", "Result", "__version__", "bgr", "evaluate", "explain", "load", "open_chat", "open_dataset", "predict",
    "predict_many", "report", "to_frame", "train", "watch",
]  # fmt: skip

_loaded: dict[str, Predictor] = {}


def predict(item: Any, model: str | None = None, *, language: str | None = None) -> Result:
    """Read the emotion in one text, or in the faces of one picture or clip, with a shipped model; it stays loaded.

    Args:
        item: a text, or a file object opened as text; or a picture: its path, its bytes, a binary file object, a Pillow
            image, or its pixels, a uint8 array (height, width, 3) red, green, blue or (height, width) gray; or the path
            of a clip. A string that is taken for a path or an address (see :mod:`mien.inputs`) is never read as a text.
        model: name of a shipped model, or a model folder. Without it "face" for a picture, "video" for a clip and
            "text" for the rest.
        language: of a text: what it is written in, such as "en"; or "any", to read it as it is. If not given it is told
            by the text, and one in a language that the model does not read is an error.

    Raises:
        InputError: nothing can be read in it, or the model does not read that language.
        ModelError: no such model.
    """
    from mien.inputs import plain
    from mien.modality.dispatch import checked, model_for

    item = plain(item)
    predictor = _shared(model or model_for(item), language)
    return predictor.predict(checked(item, predictor.manifest.modality))


def explain(item: Any, model: str | None = None, *, language: str | None = None) -> Result:
    """Read one input as :func:`predict` does, and say what brought each label about.

    Each prediction has an :class:`mien.results.Explanation` besides: the words of a text, or the regions of a face,
    each with the share of the label's probability that is lost without it. Of many inputs
    ``mien.load("text").explaining().predict_many(…)`` tells it.

    Args:
        item: a text, or a picture with faces, in the forms of :func:`predict`.
        model: name of a shipped model, or a model folder, for texts or faces.
        language: see :func:`predict`.

    Raises:
        InputError: nothing can be read in it, the model does not read that language, or it reads something that is not
            explained, such as clips.
        ModelError: no such model.
    """
    from mien.inputs import plain
    from mien.modality.dispatch import checked, model_for

    item = plain(item)
    predictor = _shared(model or model_for(item), language).explaining()
    return predictor.predict(checked(item, predictor.manifest.modality))


def predict_many(
    inputs: Iterable[Any] | os.PathLike[str],
    model: str | None = None,
    batch_size: int = 64,
    *,
    language: str | None = None,
) -> Iterator[Result]:
    """Read many inputs, each as :func:`predict` does: results in order, computed in batches, in bounded memory.

    An input that cannot be read gives a result whose ``error`` says why; it does not stop the others.

    Args:
        inputs: a list, column, generator, or a file of lines opened as text; or the path of a chat, subtitles, a
            transcript or mail, whose results know ``speaker`` and ``time`` (:func:`open_chat`). Without *model* inputs
            of several kinds may be mixed: the model of each is chosen by its kind, and neighbors of one kind are
            batched.
        model: name of a shipped model, or a model folder, for all of them.
        batch_size: texts or faces computed at once.
        language: that all of them, which are texts, are written in; see :func:`predict`.

    Raises:
        InputError: *inputs* is a single one, or a table; or the model does not read that language.
        ModelError: no such model.
    """
    from functools import partial

    from mien.inputs import is_file_name, is_lines, listed, name_of
    from mien.modality.dispatch import read_many
    from mien.plugins import import_object

    if is_file_name(inputs):
        inputs = import_object("mien.datasets.chats:find_chat")(inputs) or inputs
    items = listed(inputs)
    if is_lines(inputs):
        items = import_object("mien.datasets.chats:warn_of_chat")(items, name_of(inputs))
    if model is not None:
        _shared(model, language)
    return read_many(items, model, partial(_shared, language=language), batch_size)


def report(
    inputs: Any,
    *,
    by: str | Sequence[str] | None = None,
    over: str | None = None,
    model: str | None = None,
    labels: str | None = None,
    column: str | None = None,
    dates: str | None = None,
    min_score: float | None = None,
    count_unsure: bool = False,
    all_faces: bool = False,
    language: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Report:
    """Count what many texts, faces or clips express: shares with intervals, groups, change over time, examples.

    Args:
        inputs: path of a table, a chat, a picture, a clip or a folder of these, or a list of such paths; or a pandas
            DataFrame, a list of dicts, or a list of texts.
        by: columns whose groups are compared; of a chat its speakers if nothing is given.
        over: a column of dates to count over, ``"date"`` or ``"date:week"`` (hour, day, week, month, year); of a chat
            its times if nothing is given.
        model: name of a shipped model, or a model folder; chosen by the inputs if not given.
        labels: name of another label space to answer in, such as "ekman7".
        column: of tables, the one with the text, if its name does not tell.
        dates: order of day, month and year, "dmy", "mdy" or "ymd"; found out if not given.
        min_score: count a label from this score on; by default from its threshold on, or 0.5; of a model that says what
            it is sure of, from there on.
        count_unsure: count the strongest label of unsure rows too, as with a *min_score* of 0.
        all_faces: of faces: count those, too, that could not be seen well enough to be sure.
        language: of texts: what they are written in; see :func:`predict`.
        out: page to write, ``.html``; .json, .csv and .xlsx are written beside it.

    Returns:
        The report: ``document`` has all figures, ``figures`` the same as rows of a table; ``write`` makes the files.

    Raises:
        InputError: nothing can be read, or a column is not there or of no use.
        MienError: the page cannot be written there.
    """
    from mien.errors import InputError
    from mien.plugins import import_object

    groups = [by] if isinstance(by, str) else by
    if count_unsure and min_score is not None:
        raise InputError("count_unsure counts every label, and min_score those from a score on; give one")
    counted = {
        "min_score": min_score,
        "count_unsure": count_unsure,
        "options": {"all_faces": True} if all_faces else {},
    }
    options = {"labels": labels, "column": column, "dates": dates, "out": out, **counted}
    make = import_object("mien.cli.report:from_python")
    made: Report = make(inputs, by=groups, over=over, model=model, language=language, **options)
    return made


def _shared(model: str, language: str | None = None) -> Predictor:
    if model not in _loaded:
        from mien.modality import load

        _loaded[model] = load(model)
    return _loaded[model].written_in(language)


def __getattr__(name: str) -> Any:
    found = name if name in _HOMES else compat.old_attribute(name)
    if found not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[found]), found)
    if found == name:
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
