"""The figures of a report, worked out of its counts: shares with intervals, periods, groups and their differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mien.labels import MAPS, emotion
from mien.reporting.periods import Periods
from mien.reporting.reporter import PERSON, UNSURE, Key, Reporter
from mien.reporting.statistics import LEVEL, adjust, bootstrap_shares, difference, two_sided_p, wilson

Document = dict[str, Any]

_COMPARED, _ROWS = 20, 10  # groups that are compared, the largest, if they have at least so many rows
_PEOPLE = 5  # from so many on, people of clips give an interval
_LEVELS = ("sentiment", "label")


class Figures:
    """Works out the figures of a :class:`Reporter` once all results are in it.

    Args:
        reporter: the counts.
        source: the label space of the model, which the labels may be rolled up from.
    """

    def __init__(self, reporter: Reporter, source: str) -> None:
        self._counts, self._names = reporter, list(reporter.space.names)
        self._timed = reporter.measure == "seconds"
        self._coarse = {name: of for name, of in reporter.sentiment.items() if of}  # what it cannot say has no share
        self._rolled = MAPS.get((source, reporter.space.name), {}) if source != reporter.space.name else {}

    def shares(self, key: Key = (), *, all_labels: bool = True) -> Document:
        """The labels of some rows: "sentiment" and "labels" as lists, and "unsure".

        Where the model says what it is sure of, shares of labels are of the sure rows, "counted".

        Args:
            key: which rows, as `Reporter.cells` has them.
            all_labels: whether labels that no row has are there too.
        """
        cell = self._counts.cells.get(key) or [0] * len(self._counts.places)
        rows, counted = self._counts.rows[key], self._counted(cell)
        total = sum(counted)
        spans = self._spans(counted, total, key)
        labels = [
            self._share(name, cell[place], total, spans[place])
            for place, name in enumerate(self._names)
            if all_labels or cell[place]
        ]
        for entry in labels:
            gathers = self._rolled.get(entry["label"], ())
            if gathers and all_labels and tuple(gathers) != (entry["label"],):
                entry["gathers"] = list(gathers)
        found: Document = {"rows": rows} | ({"seconds": _amount(sum(cell))} if self._timed else {})
        if self._apart:
            found["counted"] = _amount(total)
        if self._coarse:
            found["sentiment"] = self._sentiment(counted, total, key, all_labels)
        span = self._spans(cell, sum(cell), key)[-1] if self._apart else spans[-1]
        unsure = self._share(UNSURE, cell[-1], sum(cell), span)
        return found | {"labels": labels, "unsure": unsure}

    @property
    def _apart(self) -> bool:
        """Whether unsure rows are in no share but their own."""
        return self._counts.certainty is not None

    def _counted(self, cell: Sequence[float]) -> Sequence[float]:
        """What the shares of labels are of."""
        return cell[:-1] if self._apart else cell

    def _sentiment(self, cell: Sequence[float], total: float, key: Key, all_labels: bool) -> list[Document]:
        places = {name: [self._counts.places[member] for member in of] for name, of in self._coarse.items()}
        sums = [sum(cell[place] for place in some) for some in places.values()]
        spans = self._spans(sums, total, key, list(places.values()))
        shown = [
            self._share(name, amount, total, span)
            for name, amount, span in zip(places, sums, spans, strict=False)
            if all_labels or amount
        ]
        return [{**entry, "of": self._coarse[entry["label"]]} for entry in shown] if all_labels else shown

    def _spans(
        self, cell: Sequence[float], total: float, key: Key, gathered: Sequence[Sequence[int]] | None = None
    ) -> list[tuple[float, float] | None]:
        """The interval of each share; of clips only of all people together, and of enough of them."""
        if not self._timed:
            return [wilson(amount, int(total)) for amount in cell]
        people = np.array(self._counts.people.items())
        if key or len(people) < _PEOPLE or not total:
            return [None] * len(cell)
        if self._apart and len(cell) < people.shape[1]:
            people = people[:, :-1]
        if gathered is not None:
            rest = [] if self._apart else [[people.shape[1] - 1]]
            people = np.stack([people[:, list(some)].sum(1) for some in [*gathered, *rest]], 1)
        return list(bootstrap_shares(people))

    def _share(self, name: str, amount: float, total: float, span: tuple[float, float] | None) -> Document:
        found: Document = {"label": name, self._counts.measure: _amount(amount)}
        found["share"] = round(amount / total, 6) if total else 0.0
        return found | ({"low": round(span[0], 6), "high": round(span[1], 6)} if span and total else {})

    # -------------------------------------------------------------------------------------------------- over time

    def over(self) -> Document | None:
        """How shares change over time; None where no time is known."""
        survey = self._counts.survey
        if survey.periods is None:
            return self._of_clip()
        names = survey.period_names
        periods = [{"period": name, **self.shares((name,), all_labels=False)} for name in names]
        counted = sum(entry["rows"] for entry in periods)
        changes = [] if self._timed else self._change(names)
        return {
            "column": survey.over,
            "step": survey.periods.step,
            "order": survey.times.order if survey.times else "",
            "undated": self._counts.rows[()] - counted,
            "periods": periods,
            "change": changes,
        }

    def _change(self, names: Sequence[str]) -> list[Document]:
        """The later half of the dated rows against the earlier half."""
        sizes = np.cumsum([self._counts.rows[(name,)] for name in names])
        if not len(sizes) or sizes[-1] < 2 * _ROWS:
            return []
        middle = int(np.searchsorted(sizes, sizes[-1] / 2)) + 1
        middle = middle if middle < len(names) else middle - 1
        halves = [self._sum((name,) for name in part) for part in (names[middle:], names[:middle])]
        if min(sum(self._counted(half)) for half in halves) < _ROWS:
            return []
        return _adjusted(self._compared(halves[0], halves[1], {"from": names[middle]}))

    def _sum(self, keys: Iterable[Key]) -> list[float]:
        cells = [self._counts.cells[key] for key in keys if key in self._counts.cells]
        return [sum(column) for column in zip(*cells, strict=True)] or [0] * len(self._counts.places)

    def _of_clip(self) -> Document | None:
        """One clip over its own time."""
        seconds = self._counts.seconds
        if self._counts.read != 1 or not seconds:
            return None
        parts = Periods.between(0.0, float(max(seconds)), None, "")
        cells: dict[str, list[float]] = {parts.name(start): [0.0] * len(self._counts.places) for start in parts}
        for second, cell in seconds.items():
            into = cells[parts.name(parts.start(float(second)))]
            into[:] = [a + b for a, b in zip(into, cell, strict=True)]
        for name, cell in cells.items():
            self._counts.cells[(name,)] = cell
        periods = [{"period": name, **self.shares((name,), all_labels=False)} for name in cells]
        return {"column": "time", "step": parts.step, "order": "", "undated": 0, "periods": periods, "change": []}

    # ----------------------------------------------------------------------------------------------------- groups

    def by(self) -> list[Document]:
        """The groups of each column, side by side, and how they differ."""
        survey, found = self._counts.survey, []
        for column, sizes in survey.groups.items():
            names = [name for name in sizes if (column, name) in self._counts.cells]
            groups = [self._group(column, name) for name in names]
            others, rows = survey.rest[column]
            differences = [] if self._timed else self._differences(column, names)
            entry = {"column": column, "groups": groups, "others": {"groups": others, "rows": rows}}
            found.append({**entry, "differences": differences})
        people = [key[1] for key in self._counts.cells if len(key) == 2 and key[0] == PERSON]
        if people and PERSON not in survey.groups:
            groups = sorted((self._group(PERSON, name) for name in people), key=lambda group: -group["seconds"])
            found.append({"column": PERSON, "groups": groups, "others": {"groups": 0, "rows": 0}, "differences": []})
        return found

    def _group(self, column: str, name: str) -> Document:
        found: Document = {"group": name, **self.shares((column, name), all_labels=False)}
        if name in self._counts.survey.timed(column) and self._counts.survey.periods:
            keys = ((period, (column, name, period)) for period in self._counts.survey.period_names)
            periods = [{"period": period, **self.shares(key, all_labels=False)} for period, key in keys]
            found["periods"] = [entry for entry in periods if entry["rows"]]
        return found

    def _differences(self, column: str, names: Sequence[str]) -> list[Document]:
        """Each of the larger groups against all other rows; of two groups the first against the second."""
        cells = self._counts.cells
        large = [name for name in names if sum(self._counted(cells[column, name])) >= _ROWS][:_COMPARED]
        whole = cells.get((), [])
        if len(names) == 2:
            large = large[:1]
        found = []
        for name in large:
            own = cells[column, name]
            rest = [a - b for a, b in zip(whole, own, strict=True)]
            if sum(self._counted(rest)) >= _ROWS:
                found += self._compared(own, rest, {"group": name})
        return _adjusted(found)

    def _compared(self, own: Sequence[float], rest: Sequence[float], about: Document) -> list[Document]:
        """Every label of some rows against the rest of them."""
        alone = {members[0] for members in self._coarse.values() if len(members) == 1}  # would be compared twice
        places = {("label", name): [place] for name, place in self._counts.places.items() if name not in alone}
        for name, members in self._coarse.items():
            places["sentiment", name] = [self._counts.places[member] for member in members]
        found = []
        for (level, name), some in places.items():
            count, other = (int(sum(cell[place] for place in some)) for cell in (own, rest))
            n, others = (int(sum(cell if name == UNSURE else self._counted(cell))) for cell in (own, rest))
            if not count and not other:
                continue
            larger, low, high = difference(count, n, other, others)
            entry = {**about, "level": level, "label": name, "count": count, "rows": n, "share": round(count / n, 6)}
            entry |= {"other_count": other, "other_rows": others, "other_share": round(other / others, 6)}
            entry |= {"difference": round(larger, 6), "low": round(low, 6), "high": round(high, 6)}
            found.append(entry | {"p": two_sided_p(count, n, other, others)})
        return found


def _adjusted(found: list[Document]) -> list[Document]:
    """The comparisons with "q", their p-value adjusted for how many there are; the clearest first."""
    for entry, q in zip(found, adjust([entry["p"] for entry in found]), strict=True):
        entry["q"], entry["p"] = float(f"{q:.4g}"), float(f"{entry['p']:.4g}")
        entry["clear"] = q < LEVEL
    return sorted(found, key=lambda entry: (entry["q"], -abs(entry["difference"])))


def _amount(amount: float) -> float:
    return int(amount) if float(amount).is_integer() else round(amount, 3)


def palette(names: Iterable[str]) -> list[Document]:
    """Each label with its emoji and color."""
    return [{"name": name, "emoji": emotion(name).emoji, "color": emotion(name).color} for name in names]


def flat(document: Mapping[str, Any]) -> list[Document]:
    """The figures of a report's document as rows of one table."""
    measure = document["measure"]
    rows = _flat_shares({"table": "all"}, document, measure)
    if over := document["over"]:
        clear = {(entry["level"], entry["label"]): entry for entry in over["change"]}
        for period in over["periods"]:
            rows += _flat_shares(
                {"table": "over", "column": over["column"], "period": period["period"]}, period, measure
            )
        for entry in clear.values():
            rows.append({"table": "change", "column": over["column"], "period": entry["from"], **_compared(entry)})
    for by in document["by"]:
        compared = {(entry["group"], entry["level"], entry["label"]): entry for entry in by["differences"]}
        for group in by["groups"]:
            about = {"column": by["column"], "group": group["group"]}
            for row in _flat_shares({"table": "by", **about}, group, measure):
                entry = compared.get((group["group"], row["level"], row["label"]))
                rows.append(row | (_compared(entry) if entry else {}))
            for period in group.get("periods", ()):
                rows += _flat_shares({"table": "by over", **about, "period": period["period"]}, period, measure)
    for table in ("unsure_because", "left_out"):
        rows += [{"table": table, "label": reason, "count": count} for reason, count in document[table].items()]
    return rows


COLUMNS = (
    "table", "column", "group", "period", "level", "label", "count", "seconds", "rows", "share", "low", "high",
    "other_rows", "other_share", "difference", "difference_low", "difference_high", "p", "q",
)  # fmt: skip


def _flat_shares(about: Document, found: Mapping[str, Any], measure: str) -> list[Document]:
    rows = []
    for level, entries in (("sentiment", found.get("sentiment", ())), ("label", [*found["labels"], found["unsure"]])):
        for entry in entries:
            figures = {name: entry[name] for name in ("label", measure, "share", "low", "high") if name in entry}
            rows_of = found["rows"] if entry["label"] == UNSURE else found.get("counted", found["rows"])
            rows.append({**about, "level": level, "rows": rows_of, **figures})
    return rows


def _compared(entry: Document) -> Document:
    same = {name: entry[name] for name in ("level", "label", "count", "rows", "share", "other_rows", "other_share")}
    found = {"difference": entry["difference"], "difference_low": entry["low"], "difference_high": entry["high"]}
    return {**same, **found, "p": entry["p"], "q": entry["q"]}
