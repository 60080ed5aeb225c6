"""Times of columns as people write them, and the periods that they are counted in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from mien.datasets.times import TimeColumn
from mien.errors import InputError
from mien.reporting.periods import Periods
from mien.reporting.survey import Survey, split_over


def column(cells: list[Any], name: str = "date", order: str = "") -> TimeColumn:
    found = TimeColumn(name, order)
    for cell in cells:
        found.add(cell)
    found.settle()
    return found


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-12", "2024-03-12T00:00:00Z", "2024-03-12 00:00:00 UTC", "2024-03-12T00:00+02:00", "20240312",
        "2024/3/12", "12 Mar 2024", "12-Mar-24", "March 12, 2024", "Mar 12 2024 12:00 AM",
        "Tue, 12 Mar 2024 00:00:00 +0000", "Tue Mar 12 00:00:00 +0000 2024", "1710201600", "1710201600000",
        "12th March 2024",
    ],
)  # fmt: skip
def test_forms_that_say_their_order(text: str) -> None:
    found = column([text, None, ""])
    assert (found.read(text), found.filled, found.note) == (datetime(2024, 3, 12), 1, "")


def test_the_data_decide_which_number_is_the_month() -> None:
    day_first = column(["03/04/2024", "13/04/2024 21:05"])
    assert (day_first.order, day_first.read("03/04/2024")) == ("dmy", datetime(2024, 4, 3))
    month_first = column(["03/04/2024", "04/13/2024 9:05 PM"])
    assert (month_first.order, month_first.read("04/13/2024 9:05 PM")) == ("mdy", datetime(2024, 4, 13, 21, 5))
    assert month_first.note == "dates in date are read as month/day/year"
    told = column(["03/04/2024", "13/04/2024"], order="mdy")
    assert (told.read("03/04/2024"), told.read("13/04/2024"), told.dated) == (datetime(2024, 3, 4), None, 1)


def test_a_sorted_column_decides_too_and_in_both_directions() -> None:
    dates = ["01/02/2024", "05/02/2024", "09/02/2024", "02/03/2024", "07/03/2024", "01/04/2024"]
    for cells in (dates, dates[::-1]):
        assert (column(cells).order, column(cells).rival) == ("dmy", "")


def test_what_nothing_decides_is_said() -> None:
    found = column(["03/04/2024", "05/06/2024"])
    assert (found.order, found.rival) == ("dmy", "mdy")
    assert found.note == (
        "dates in date, such as 03/04/2024, are taken for day/month/year: nothing in the data decides; "
        "--dates mdy reads them as month/day/year"
    )
    assert column(["3/4/2024 9:05 AM"]).order == "mdy", "who writes AM writes the month first"
    assert column(["05/05/2024"]).rival == "", "both say the same"


@pytest.mark.parametrize(
    "text",
    [
        "Mar 12, 2024 at 9:05 PM", "12 March 2024 at 21:05", "2024-03-12 21:05:00 PST", "3/12/2024 9:05 PM AKST",
        "Tue Mar 12 2024 21:05:00 GMT+0100 (Central European Standard Time)", "Tue, 12 Mar 2024 21:05:00 -0500 (EST)",
        "2024-03-12 21:05:00 +0000 UTC", "12 Mar 2024, 9:05 p.m. UTC+1",
    ],
)  # fmt: skip
def test_the_time_of_day_is_never_lost_beside_a_zone_or_a_word(text: str) -> None:
    assert column([text], order="mdy").read(text) == datetime(2024, 3, 12, 21, 5)


def test_years_of_two_digits_are_of_the_last_century_from_69_on() -> None:
    cells = ["31/12/68", "31/12/69", "31/12/99", "31/12/00", "31-Dec-99", "1 Jan 00"]
    found = column(cells)
    years = [time.year for cell in cells if isinstance(time := found.read(cell), datetime)]
    assert years == [2068, 1969, 1999, 2000, 1999, 2000]


def test_a_sentence_with_a_date_in_it_is_no_date() -> None:
    words = ["12 March 2024 in the evening", "5 junk 1999", "1 decided 2020", "Mar 12, 2024 9 PM", "3/12/2024 -5"]
    assert column(words).dated == 0
    assert column(["5 Sept 2024", "5 Sep. 2024", "Septem 5, 2024"]).dated == 3


def test_mixed_forms_are_counted_and_none_is_read_in_another_order() -> None:
    found = column(["25/12/2023", "26/12/2023", "12/27/2023", "no idea", "2023-12-28", "2023"])
    assert (found.order, found.dated, found.filled, found.odd) == ("dmy", 4, 6, "no idea")
    assert found.read("12/27/2023") is None
    assert found.read("2023-12-28") == datetime(2023, 12, 28)


def test_numbers_of_workbooks_are_read_as_those_of_text() -> None:
    cells = [2024, 2024.0, 20240101, "2024", "20240101"]
    assert {column(cells).read(cell) for cell in cells} == {datetime(2024, 1, 1)}
    assert column([45363, 12.5, 7, float("inf"), True]).dated == 0


def test_seconds_of_a_recording() -> None:
    found = column([0.5, "75.25", 3], "time")
    assert [found.read(cell) for cell in (0.5, "75.25", 3)] == [0.5, 75.25, 3.0]
    assert column(["12.5", "13"], "price").dated == 0


def test_periods_are_whole_and_without_gaps() -> None:
    weeks = Periods.between(datetime(2024, 2, 28, 9), datetime(2024, 3, 12), "week", "date")
    assert [weeks.name(start) for start in weeks] == ["2024-02-26", "2024-03-04", "2024-03-11"]
    assert weeks.start(datetime(2024, 3, 10, 23)) == datetime(2024, 3, 4), "a Sunday is the last day"
    months = Periods.between(datetime(2023, 11, 30), datetime(2024, 2, 1), "month", "date")
    assert [months.name(start) for start in months] == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert len(months) == 4
    hours = Periods.between(datetime(2024, 1, 1, 22, 30), datetime(2024, 1, 2, 1), None, "date")
    assert [hours.name(start) for start in hours] == [
        "2024-01-01T22",
        "2024-01-01T23",
        "2024-01-02T00",
        "2024-01-02T01",
    ]
    parts = Periods.between(3.0, 75.0, None, "time")
    assert ([parts.name(start) for start in parts][-1], parts.step, len(parts)) == ("1:14", "2 s", 38)
    far = Periods.between(datetime(9999, 11, 1), datetime(9999, 12, 31), "month", "date")
    assert [far.name(start) for start in far] == ["9999-11", "9999-12"]
    with pytest.raises(InputError, match=r"--over time:week: times in time are seconds of a recording; take time, or"):
        Periods.between(3.0, 75.0, "week", "time")
    with pytest.raises(InputError, match=r"date:hour would make 87,6.. periods .* take date:day"):
        Periods.between(datetime(2014, 1, 1), datetime(2023, 12, 31), "hour", "date")


def test_a_survey_counts_groups_and_refuses_what_is_no_group() -> None:
    rows = [{"a": value, "d": f"2024-01-0{day}"} for value, day in (("x", 1), ("y", 2), ("x", 3), (None, 4))]
    survey = Survey(["a"], "d").run(rows)
    assert survey.groups == {"a": {"x": 2, "y": 1, "(none)": 1}}
    assert survey.period_of(rows[2]) == "2024-01-03T00"
    german = Survey(over="d").run({"d": f"{day}.05.2024 21:05"} for day in (13, 14))
    assert [german.shown("d", "03.05.2024"), german.shown("d", "soon"), german.shown("a", "1.5.2024")] == [
        "2024-05-03", "soon", "1.5.2024",
    ]  # fmt: skip
    with pytest.raises(InputError, match="--by a: a has more than 10,000 different values in 10,001 rows"):
        Survey(["a"]).run({"a": number} for number in range(10_001))
    with pytest.raises(InputError, match="--over d: 1 of its 3 filled cells are dates, and 'soon' is none"):
        Survey(over="d").run({"d": cell} for cell in ("2024-01-01", "soon", "later", None))
    assert split_over("date:week") == ("date", "week")
    assert split_over("date") == ("date", None)
    with pytest.raises(InputError, match="the step 'fortnight' is none of hour, day"):
        split_over("date:fortnight")
