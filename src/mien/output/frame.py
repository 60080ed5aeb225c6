"""Results as a table in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mien.errors import InputError, require
from mien.modality import Kind, get_modality
from mien.output.rows import Row, RowFormat
from mien.output.tables import column_names
from mien.results import Result

if TYPE_CHECKING:
    from pandas import DataFrame


def to_frame(results: Result | Iterable[Result], *, scores: bool = True, timeline: bool | None = None) -> DataFrame:
    """Results as a pandas table, a row for each prediction, in the columns of ``mien predict --out FILE.csv --scores``.

    A text has one row, a picture one for each face or person (and one where there is none), a clip one. What could not
    be read has a row too, with its ``error``.

    Args:
        results: of any kinds, such as what :func:`mien.predict_many` gives; or a single one.
        scores: whether there is a column ``score_LABEL`` for the probability of every label.
        timeline: of clips: a row for each moment instead of one for each clip. By default moments of a single result.

    Raises:
        InputError: something in it is no result.
        MissingExtra: pandas is not installed.
    """
    pandas = require("pandas", "table")
    single = isinstance(results, Result)
    moments = single if timeline is None else timeline
    if not isinstance(results, Result | Iterable):
        raise InputError(f"to_frame takes results, not {type(results).__name__}: mien.predict_many gives them")
    rows = list(_rows([results] if isinstance(results, Result) else results, scores, moments))
    frame: DataFrame = pandas.DataFrame(rows, columns=column_names(rows))
    return frame


def _rows(results: Iterable[Result], scores: bool, timeline: bool) -> Iterator[Row]:
    formats: dict[Kind, RowFormat] = {}
    for result in results:
        if not isinstance(result, Result):
            raise InputError(f"to_frame takes results, not {type(result).__name__}: mien.predict_many gives them")
        kind = kind_of_result(result)
        yield from formats.setdefault(kind, RowFormat(kind, scores, timeline)).rows(result, {})


def kind_of_result(result: Result) -> Kind:
    """Of what kind of input a result is."""
    return "clip" if result.clip or result.of_clip else get_modality(result.modality).kind
