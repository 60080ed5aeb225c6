"""Reports of results made by hand: what counts, what is unsure, what is left out, and the files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from browser import needs_chromium
from mien.errors import InputError, MienError
from mien.labels import SENTIMENT_OF, SPACES, make_space, sentiment_groups
from mien.modality import Kind
from mien.model import CertaintyEntry
from mien.output.reports import show_report
from mien.reporting import Report, Survey, check_target, make_report
from mien.reporting.statistics import two_sided_p, wilson
from mien.results import Certainty, ClipSummary, Moment, Person, Prediction, Result

GO, FER = SPACES["goemotions28"], SPACES["fer7"]
THRESHOLDS = {"joy": 0.4, "gratitude": 0.3, "grief": 0.2}
HOSTILE = "</script><script>alert(1)</script> <b>=1+1</b>"


def says(label: str, score: float = 0.8, **others: float) -> Prediction:
    return Prediction(dict.fromkeys(GO.names, 0.01) | {label: score, **others}, GO, THRESHOLDS)


def shows(label: str, score: float = 0.7, box: Any = (1, 2, 30, 40)) -> Prediction:
    rest = (1 - score) / 6
    return Prediction({name: score if name == label else rest for name in FER.names}, FER, box=box)


def text(label: str, quote: str = "a quote", **scores: float) -> Result:
    return Result(quote, "text", "m", (says(label, **scores),))


def reported(
    rows: Iterable[tuple[Result, Mapping[str, Any]]], by: tuple[str, ...] = (), over: str = "", kind: Kind = "text",
    space: Any = GO, **options: Any,
) -> Report:  # fmt: skip
    rows = list(rows)
    step = options.pop("step", None)
    survey = Survey(by, over, step).run(columns for _, columns in rows)
    about = {"model": "m", "unit": "text", "sources": ["a.csv"]}
    return make_report(rows, survey, space=space, source=space, kind=kind, about=about, **options)


def labels_of(found: Mapping[str, Any], level: str = "labels", key: str = "count") -> dict[str, float]:
    return {row["label"]: row[key] for row in found[level] if row[key]}


def test_a_row_counts_once_under_the_strongest_label_that_holds() -> None:
    rows = [
        text("joy"),
        text("gratitude", score=0.6, joy=0.5),
        text("neutral", score=0.45, grief=0.3),  # neutral is stronger, and below its threshold
        text("neutral", score=0.45),
        text("approval", score=0.49),
    ]
    document = reported((row, {}) for row in rows).document
    assert labels_of(document) == {"joy": 1, "gratitude": 1, "grief": 1}
    assert (document["rows"], document["unsure"]["count"], document["unsure"]["share"]) == (5, 2, 0.4)
    assert document["unsure_because"] == {"no label reaches its threshold": 2}
    assert labels_of(document, "sentiment") == {"positive": 2, "negative": 1}, "unsure is not neutral"
    shares = [row["share"] for row in (*document["sentiment"], document["unsure"])]
    assert sum(shares) == pytest.approx(1)
    low, high = wilson(2, 5)
    assert (document["sentiment"][0]["low"], document["sentiment"][0]["high"]) == pytest.approx((low, high), abs=1e-6)
    all_of_them = reported(((row, {}) for row in rows), min_score=0).document
    assert (all_of_them["unsure"]["count"], labels_of(all_of_them)["neutral"]) == (0, 1)


def test_the_coarse_labels_are_those_of_goemotions_and_say_what_they_gather() -> None:
    document = reported([(text(name), {}) for name in GO.names], min_score=0).document
    gathered = {row["label"]: (row["count"], row["of"]) for row in document["sentiment"]}
    assert {name: count for name, (count, _) in gathered.items()} == {
        "positive": 12, "negative": 11, "neutral": 1, "ambiguous": 4,
    }  # fmt: skip
    assert {name: tuple(sorted(of)) for name, (_, of) in gathered.items()} == {
        name: tuple(sorted(of)) for name, of in SENTIMENT_OF.items()
    }
    carer = SPACES["carer6"]
    without = reported([(Result("x", "text", "m", error="empty"), {})], space=carer).document["sentiment"]
    assert [row["label"] for row in without] == ["positive", "negative", "ambiguous"], "it cannot say neutral"
    assert sentiment_groups(SPACES["ravdess8"])["neutral"] == ["neutral", "calm"]
    assert sentiment_groups(make_space("own", ["Happy", "sad"]))["positive"] == ["Happy"]
    assert sentiment_groups(SPACES["emotic26"]) == {}, "labels that nobody has grouped stay alone"


def test_what_is_not_read_is_counted_by_reason_and_is_in_no_share() -> None:
    rows = [text("joy"), *[Result("", "text", "m", error="text is empty")] * 2]
    document = reported([(row, {}) for row in rows], left_out=lambda: {"media": 3}).document
    assert document["left_out"] == {"media": 3, "text is empty": 2}
    assert (document["inputs"], document["rows"], labels_of(document, key="share")) == (3, 1, {"joy": 1.0})
    damaged = [Result(f"{name}.jpg", "face", "m", error=f"{name}.jpg is damaged") for name in ("here", "there")]
    pictures = reported([(row, {}) for row in damaged], kind="picture", space=FER).document
    assert pictures["left_out"] == {"… is damaged": 2}, "names are no reasons"


def test_groups_are_compared_with_the_rest_and_adjusted() -> None:
    rows = [(text("joy" if place % 10 < 8 else "anger"), {"shop": "A"}) for place in range(50)]
    rows += [(text("joy" if place % 10 < 3 else "anger"), {"shop": "B"}) for place in range(50)]
    rows += [(text("joy"), {"shop": None}), (text("joy"), {"shop": "C"})]
    (by,) = reported(rows, ("shop",)).document["by"]
    assert {group["group"]: group["rows"] for group in by["groups"]} == {"A": 50, "B": 50, "(none)": 1, "C": 1}
    entry = next(e for e in by["differences"] if (e["group"], e["label"]) == ("A", "joy"))
    assert (entry["count"], entry["rows"], entry["other_count"], entry["other_rows"]) == (40, 50, 17, 52)
    assert entry["p"] == pytest.approx(two_sided_p(40, 50, 17, 52), rel=1e-3)
    assert (entry["clear"], entry["q"] >= entry["p"], entry["difference"] > 0.4) == (True, True, True)
    assert {e["group"] for e in by["differences"]} == {"A", "B"}, "too few rows are compared with nothing"
    compared = [(e["group"], e["label"], e["level"]) for e in by["differences"]]
    assert ("A", "joy", "label") in compared
    assert not {name for name in compared if name[1:] == ("neutral", "label")}, "as the coarse label it is alone in"
    chance = [(text("joy" if place % 2 else "anger"), {"shop": "AB"[place % 3 % 2]}) for place in range(120)]
    (none,) = reported(chance, ("shop",)).document["by"]
    assert not any(e["clear"] for e in none["differences"])
    assert {e["group"] for e in none["differences"]} == {"A"}, "of two groups one comparison says it all"


def test_a_quote_is_shown_once_whoever_said_it() -> None:
    said = ["thanks"] * 9 + ["thank you", "many thanks"]
    rows = [(text("gratitude", quote, score=0.99 - 0.01 * i), {"who": f"p{i}"}) for i, quote in enumerate(said)]
    surest = reported(rows, ("who",)).to_dict()["examples"]["gratitude"]["surest"]
    assert [example["text"] for example in surest] == ["thanks", "thank you", "many thanks"]


def test_a_column_called_person_is_one_like_others() -> None:
    (by,) = reported([(text("joy"), {"person": name}) for name in "aab"], ("person",)).document["by"]
    assert {group["group"]: group["rows"] for group in by["groups"]} == {"a": 2, "b": 1}


def test_guessed_columns_that_tell_nothing_are_left_alone() -> None:
    rows = [(text("joy"), {"speaker": None, "time": None, "channel": name}) for name in "aab"]
    survey = Survey(["channel", "speaker"], "time", guessed=["speaker", "time"]).run(columns for _, columns in rows)
    about = {"model": "m", "unit": "message", "sources": []}
    document = make_report(rows, survey, space=GO, source=GO, kind="text", about=about).document
    assert ([by["column"] for by in document["by"]], document["over"]) == (["channel"], None)


def test_time_is_counted_in_periods_with_the_empty_ones_and_those_without_a_date() -> None:
    days = ["2024-03-01"] * 3 + ["2024-03-03"] + [""]
    rows = [(text("joy" if place else "anger"), {"day": day, "who": "x"}) for place, day in enumerate(days)]
    report = reported(rows, ("who",), "day", step="day")
    over = report.document["over"]
    assert [(row["period"], row["rows"]) for row in over["periods"]] == [
        ("2024-03-01", 3), ("2024-03-02", 0), ("2024-03-03", 1),
    ]  # fmt: skip
    assert (labels_of(over["periods"][0]), over["undated"]) == ({"joy": 2, "anger": 1}, 1)
    assert report.notes == ("1 of 5 rows have no date in day",)
    assert [row["period"] for row in report.document["by"][0]["groups"][0]["periods"]] == ["2024-03-01", "2024-03-03"]
    later = [(text("joy" if place >= 30 else "anger"), {"day": f"2024-01-{1 + place % 28:02}"}) for place in range(28)]
    later += [(text("joy"), {"day": f"2024-02-{1 + place % 28:02}"}) for place in range(28)]
    change = reported(later, (), "day").document["over"]["change"]
    assert {entry["label"] for entry in change if entry["clear"]} == {"joy", "anger", "positive", "negative"}


def test_faces_count_one_by_one_and_clips_by_seconds_of_each_person() -> None:
    face = Result("p.jpg", "face", "m", (shows("happy"), shows("sad", 0.4)))
    none = Result("wall.jpg", "face", "m")
    document = reported([(face, {}), (none, {})], kind="picture", space=FER, nothing="no face was found").document
    assert (labels_of(document), document["unsure"]["count"]) == ({"happy": 1}, 1)
    assert document["left_out"] == {"no face was found": 1}
    moments = [Moment(place / 2, 1, shows("happy" if place < 6 else "sad")) for place in range(8)]
    moments += [Moment(place / 2, 2, shows("fear", 0.3)) for place in range(2)]
    moments.sort(key=lambda moment: moment.time)
    people = (Person(1, shows("happy", box=None), 0, 3.5, 8), Person(2, shows("fear", 0.3, None), 0, 0.5, 2))
    summary = ClipSummary(4.0, 64, 48, 8, problem="cut off after 4.0 s")
    clip = Result("c.mp4", "video", "m", (people[0].prediction,), timeline=tuple(moments), people=people, clip=summary)
    report = reported([(clip, {})], kind="clip", space=FER)
    document = report.document
    assert labels_of(document, key="seconds") == {"happy": 3, "sad": 1}
    assert (document["seconds"], document["unsure"]["seconds"]) == (5, 1)
    assert "low" not in document["unsure"], "two people give no interval"
    (by,) = document["by"]
    assert {group["group"]: group["seconds"] for group in by["groups"]} == {"c.mp4: person 1": 4, "c.mp4: person 2": 1}
    assert [row["period"] for row in document["over"]["periods"]] == ["0:00", "0:01", "0:02", "0:03"]
    assert "1 of 1 clips were not read to their end, such as c.mp4: cut off after 4.0 s" in document["notes"]


def test_a_model_of_ratings_alone_is_refused() -> None:
    with pytest.raises(InputError, match="ratings alone"):
        reported([(Result("a", "scene", "m"), {})], space=SPACES["affect"])


def many(count: int = 240) -> Report:
    labels = ("joy", "anger", "curiosity", "neutral")
    rows = []
    for place in range(count):
        quote = HOSTILE if place == 7 else f"quote {place} " + "and so on " * (place % 9)
        result = text(labels[(place + place // 60) % (3 + place % 2)], quote, score=0.4 + place / (2 * count))
        rows.append((result, {"shop": HOSTILE if place % 5 == 0 else "=1+1", "day": f"2024-0{1 + place % 6}-11"}))
    return reported(rows, ("shop",), "day")


def test_all_files_have_the_same_figures_and_the_page_asks_nobody(tmp_path: Path) -> None:
    import openpyxl

    report = many()
    written = report.write(tmp_path / "r.html")
    assert [path.name for path in written] == ["r.html", "r.json", "r.csv", "r.xlsx"]
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == report.to_dict()
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    joy = next(row for row in rows if (row["table"], row["label"]) == ("all", "joy"))
    entry = next(row for row in report.document["labels"] if row["label"] == "joy")
    assert {name: float(joy[name]) for name in ("count", "share", "low", "high")} == {
        name: entry[name] for name in ("count", "share", "low", "high")
    }
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert book.sheetnames == ["labels", "over time", "change", "groups", "groups over time", "unsure"]
    head, *cells = book["groups"].iter_rows(values_only=True)
    excel = [dict(zip(head, row, strict=True)) for row in cells]
    in_csv = [row for row in rows if row["table"] == "by"]
    assert [(row["group"], row["label"], row["count"]) for row in excel] == [
        (row["group"], row["label"], int(row["count"])) for row in in_csv
    ]
    assert {cell.data_type for cell in book["groups"]["B"][1:]} == {"s"}, "no name is a formula"
    page = (tmp_path / "r.html").read_text("utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)|@import|https?://(?!www\.w3\.org)", page)
    assert page.count("<script") == 3


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    table = tmp_path / "r.csv"
    table.write_text("text\nhi\n")
    with pytest.raises(InputError, match=r"r\.csv is an input, which would be lost"):
        check_target(tmp_path / "r.html", [str(table)])
    table.write_text("my own table\n")
    with pytest.raises(InputError, match=r"r\.csv is there and is of no report; it would be lost"):
        check_target(tmp_path / "r.html")
    table.unlink()
    many(60).write(tmp_path / "r.html")
    assert many(60).write(tmp_path / "r.html"), "a report takes the place of an older one"
    for name, why in (("r.pdf", "a report is a page"), ("no/r.html", "does not exist")):
        with pytest.raises(MienError, match=why):
            check_target(tmp_path / name)


@pytest.mark.slow
@needs_chromium
def test_the_page_in_a_browser_wide_and_narrow_light_and_dark(tmp_path: Path) -> None:
    from playwright.sync_api import expect

    from result_pages import opened
    from test_page_around import flaws

    (page_path, *_) = many().write(tmp_path / "r.html")
    for width, scheme in ((1300, "light"), (390, "dark"), (1300, "dark"), (390, "light")):
        with opened(page_path, width) as page:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.locator("h1").inner_text() == "240 texts"
            assert flaws(page) == [], (width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing is cut or off the page"
            if (width, scheme) != (1300, "light"):
                continue
            rows = page.locator(".sheet tbody tr")
            assert rows.count() == 100, "the rest is drawn when it is scrolled to"
            page.locator(".sheet").evaluate("sheet => sheet.scrollTo(0, sheet.scrollHeight)")
            expect(rows).to_have_count(200)
            page.get_by_label("Find").fill("<b>=1+1")
            expect(rows).to_have_count(1)
            assert HOSTILE in rows.first.inner_text()
            page.get_by_label("Find").fill("")
            page.get_by_role("button", name="score").click()
            page.get_by_role("button", name="score").click()
            expect(rows.first.locator("td").first).to_have_text("240")
            assert page.locator("th[aria-sort=descending]").inner_text() == "score ↓"
            page.get_by_label("Show").select_option("labels:joy")
            assert page.locator(".chart svg .line").count() == 1


# ------------------------------------------------------------------------------------------------------- certainty


CERTAIN = CertaintyEntry(rate=0.8, threshold=0.5, answered=0.7, coverage=0.9, set_threshold=0.2, n=500)


def sure(label: str, score: float) -> Result:
    return Result(f"{label} {score}", "text", "m", (replace(says(label, score), certainty=Certainty(0.5, 0.2)),))


def test_unsure_rows_are_in_no_share_where_the_model_says_what_it_is_sure_of() -> None:
    rows = [(sure("joy", 0.9), {}), (sure("joy", 0.45), {}), (sure("grief", 0.6), {}), (sure("fear", 0.3), {})]
    made = reported(rows, certainty=CERTAIN)
    document = made.document
    assert labels_of(document) == {"joy": 1, "grief": 1}, "joy at 0.45 is above its own threshold, and unsure"
    assert (document["rows"], document["counted"]) == (4, 2)
    assert labels_of(document, key="share") == {"joy": 0.5, "grief": 0.5}
    assert labels_of(document, "sentiment", "share") == {"positive": 0.5, "negative": 0.5}
    low = wilson(1, 2)[0]
    assert document["labels"][GO.names.index("joy")]["low"] == pytest.approx(low, abs=1e-6)
    assert (document["unsure"]["count"], document["unsure"]["share"]) == (2, 0.5)
    assert document["unsure"]["high"] == pytest.approx(wilson(2, 4)[1], abs=1e-6), "its share is of all rows"
    assert document["unsure_because"] == {"no label has a score of 0.50": 2}
    assert document["certainty"] == CERTAIN.model_dump()
    flat = {row["label"]: row["rows"] for row in made.figures if row["table"] == "all" and row["level"] == "label"}
    assert (flat["joy"], flat["unsure"]) == (2, 4)
    counted = reported(rows, certainty=CERTAIN, min_score=0).document
    assert (counted["unsure"]["count"], labels_of(counted)) == (0, {"joy": 2, "grief": 1, "fear": 1})
    assert "certainty" not in counted
    assert "counted" not in counted


def test_what_counts_is_said_in_one_way() -> None:
    import mien

    with pytest.raises(InputError, match="count_unsure counts every label, and min_score those from a score on"):
        mien.report(["so happy"], count_unsure=True, min_score=0.5)


def test_groups_are_compared_by_their_sure_rows() -> None:
    rows = [(sure("joy", 0.9), {"of": "a"})] * 12 + [(sure("joy", 0.3), {"of": "a"})] * 20
    rows += [(sure("joy", 0.9), {"of": "b"})] * 3 + [(sure("fear", 0.9), {"of": "b"})] * 9
    (by,) = reported(rows, by=("of",), certainty=CERTAIN).document["by"]
    found = {(entry["level"], entry["label"]): entry for entry in by["differences"]}
    joy = found["label", "joy"]
    assert (joy["count"], joy["rows"], joy["other_count"], joy["other_rows"]) == (12, 12, 3, 12)
    assert joy["p"] == pytest.approx(two_sided_p(12, 12, 3, 12), rel=1e-3)
    unsure = found["label", "unsure"]
    assert (unsure["count"], unsure["rows"], unsure["other_count"], unsure["other_rows"]) == (20, 32, 0, 12)
    few = [(sure("joy", 0.9), {"of": "a"})] * 9 + [(sure("joy", 0.3), {"of": "a"})] * 9 + rows[-12:]
    (by,) = reported(few, by=("of",), certainty=CERTAIN).document["by"]
    assert by["differences"] == [], "fewer than ten sure rows"


def test_the_terminal_and_the_page_say_what_is_not_counted(tmp_path: Path) -> None:
    rows = [(sure("joy", 0.9), {}), (sure("fear", 0.3), {})]
    made = reported(rows, certainty=CERTAIN)
    out = io.StringIO()
    show_report(Console(file=out, width=200), made.document)
    assert "1 of 2 is unsure and not counted (below 0.50; from there on m is right in at least 80%" in out.getvalue()
    page = made.write(tmp_path / "page.html")[0].read_text()
    about = json.loads(re.findall(r'<script[^>]*id="about"[^>]*>(.*?)</script>', page, re.S)[0])
    assert about["certainty"] == CERTAIN.model_dump()


def test_nothing_sure_gives_no_shares() -> None:
    document = reported([(sure("joy", 0.3), {})] * 3, certainty=CERTAIN).document
    assert (document["rows"], document["counted"], document["unsure"]["count"]) == (3, 0, 3)
    assert {row["share"] for row in document["labels"]} == {0.0}
