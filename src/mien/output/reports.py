"""Reports in the terminal: the figures of an evaluation, and what a data set holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mien.labels import LabelSpace, emotion
from mien.output.rows import UNRELIABLE, uncounted_line
from mien.output.terminal import bar, shorten

_GROUPS = 20  # shown of those of --by
_CLEAR = 8  # differences shown


def show_metrics(console: Console, document: Mapping[str, Any], space: LabelSpace) -> None:
    """The figures of a report: headline, one row per rating, one per label, one per group."""
    names = {
        "accuracy": "accuracy", "top1": "top-1", "macro_f1": "macro-F1", "map": "mAP", "weighted_f1": "weighted F1",
    }  # fmt: skip
    told = [f"{name} [bold]{document[key]:.4f}[/bold]" for key, name in names.items() if document.get(key) is not None]
    mirrored = "   [dim]with mirror images[/dim]" if document.get("mirror") else ""
    known = f"   [dim]with known {document['known_groups']}[/dim]" if document.get("known_groups") else ""
    console.print(f"{document['n']:,} samples   {'   '.join(told)}".rstrip() + mirrored + known)
    if rest := document.get("without_seen"):
        some = [f"{name} [bold]{rest[key]:.4f}[/bold]" for key, name in names.items() if rest.get(key) is not None]
        some += [f"r of {name} [bold]{_number(row['pearson'])}[/bold]" for name, row in rest.get("ratings", {}).items()]
        left = "   ".join(some) or "none is left"
        console.print(f"[dim]without the {rest['seen']:,} that also stand in training:[/dim]   {left}")
    if few := document.get("restricted"):
        some = [f"{name} [bold]{few[key]:.4f}[/bold]" for key, name in names.items() if few.get(key) is not None]
        beside = "" if document["multilabel"] else f":[/dim]   {'   '.join(some)}[dim]"  # of several it is all there is
        console.print(f"[dim]restricted to the labels of the data, without {', '.join(few['left_out'])}{beside}[/dim]")
    if (sure := document.get("certainty")) and sure["n"]:
        console.print(Text(_sure(sure), "dim"))
    if document.get("ratings"):
        _show_ratings(console, document["ratings"])
    if document.get("per_label"):
        _show_labels(console, document["per_label"], space)
    if document.get("by"):
        _show_groups(console, document["by"])


def _sure(found: Mapping[str, Any]) -> str:
    """Of how many answers a model is sure, how many of these are right, and what its sets hold; and what it states."""
    stated = found["stated"]
    right = "none" if found["accuracy"] is None else f"{found['accuracy']:.1%}"
    least = "at least" if stated["bounded"] else "about"
    answers = f"sure of {found['answered']:.1%}, from {stated['threshold']:.2f} on: {right} of these right"
    sets = f"sets of {found['set_size']:.1f} labels: {found['set_coverage']:.1%} hold a right one"
    return f"{answers} (stated: {least} {stated['rate']:.0%})   {sets} (stated: {stated['coverage']:.0%})"


def _show_ratings(console: Console, ratings: Mapping[str, Any]) -> None:
    """One row per rating: correlation, concordance and errors."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("rating", "scale", "r", "ρ", "CCC", "MAE", "RMSE", "samples", ""):
        table.add_column(head, justify="left" if head in ("rating", "") else "right", no_wrap=True)
    for name, row in ratings.items():
        low, high = row["scale"]
        figures = [_number(row[key]) for key in ("pearson", "spearman", "ccc", "mae", "rmse")]
        strength = Text(bar(max(0.0, row["pearson"] or 0.0), 12), "cyan")
        table.add_row(Text(name), f"{low:g} to {high:g}", *figures, f"{row['n']:,}", strength)
    console.print(table)


def _show_labels(console: Console, labels: Mapping[str, Any], space: LabelSpace) -> None:
    """One row per label; of labels that can hold together with their average precision, which is the bar then."""
    several = space.multilabel
    keys = {"precision": "precision", "recall": "recall", "F1": "f1"} | ({"AP": "average_precision"} if several else {})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "label", *keys, "support", ""):
        table.add_column(name, justify="left" if name in ("", "label") else "right", no_wrap=True)
    for label, row in labels.items():
        sign, long = space[label], row["average_precision" if several else "f1"]
        figures = [f"{row[key]:.3f}" for key in keys.values()]
        table.add_row(sign.emoji, Text(label), *figures, f"{row['support']:,}", Text(bar(long, 12), sign.color))
    console.print(table)


def _show_groups(console: Console, by: Mapping[str, Any]) -> None:
    """One row per group, the largest first."""
    groups = sorted(by["groups"], key=lambda group: -group["n"])
    several = {"top-1": "top1", "mAP": "map_present", "macro-F1": "macro_f1_present"}
    kinds = several if "map_present" in groups[0] else {"accuracy": "accuracy", "macro-F1": "macro_f1_present"}
    kinds = {name: key for name, key in kinds.items() if key in groups[0]}  # none where there are ratings alone
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(Text(by["column"]))
    for head in ("samples", *kinds, *(f"{name} r" for name in groups[0].get("ratings", {}))):
        table.add_column(Text(head), justify="right")
    for group in groups[:_GROUPS]:
        rated = [_number(row["pearson"]) for row in group.get("ratings", {}).values()]
        table.add_row(
            Text(shorten(group["group"], 30)),
            f"{group['n']:,}",
            *(_number(group[key]) for key in kinds.values()),
            *rated,
        )
    console.print(table)
    if len(groups) > _GROUPS:
        console.print(f"[dim]… and {len(groups) - _GROUPS:,} smaller groups; --json and --out have all[/dim]")


def _number(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"


def show_stats(console: Console, document: Mapping[str, Any]) -> None:
    """What :func:`mien.datasets.checks.stats` found: one row per label, one column per split."""
    splits = document["splits"]
    console.print(
        f"[bold]{escape(document['name'])}[/bold]  {document['n']:,} samples, {len(document['labels']) or 'no'} labels "
        f"({escape(document['space'])}), licence: {escape(document['licence'])}"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "label" if document["labels"] else "", *splits, "", ""):
        table.add_column(name, justify="left" if name in ("", "label") else "right")
    for label in document["labels"]:
        known, share = emotion(label), splits["all"]["shares"][label]
        counts = [f"{part['counts'][label]:,}" for part in splits.values()]
        table.add_row(known.emoji, Text(label), *counts, Text(bar(share), known.color), f"{share:.1%}")
    table.add_row("", "[dim]all[/dim]", *(f"{part['n']:,}" for part in splits.values()))
    console.print(table)
    if rated := splits["all"].get("ratings"):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("rating: mean ± sd")
        table.add_column("scale", justify="right")
        for split in splits:
            table.add_column(split, justify="right")
        for name, whole in rated.items():
            low, high = whole["scale"]
            found = [part["ratings"][name] for part in splits.values()]
            means = [f"{one['mean']:.2f} ± {one['sd']:.2f}" if one["n"] else "none" for one in found]
            table.add_row(Text(name), f"{low:g} to {high:g}", *means)
        console.print(table)
    if "length" in document:
        length = document["length"]
        console.print(f"[dim]characters: median {length['median']:.0f}, 95 % under {length['q95']:.0f}[/dim]")
    if names := document.get("features"):
        console.print(f"[dim]{len(names)} numbers a row: {escape(shorten(', '.join(names), 90))}[/dim]")
    if "width" in document:
        told = {
            key: f"{document['width'][key]:.0f} × {document['height'][key]:.0f}" for key in ("min", "median", "max")
        }
        same = told["min"] == told["max"]
        spread = f"all {told['max']}" if same else f"median {told['median']}, up to {told['max']}"
        console.print(f"[dim]pixels: {spread}[/dim]")


def show_report(console: Console, document: Mapping[str, Any]) -> None:
    """What a report of many results comes to: coarse labels, finer ones, and the clearest differences."""
    measure = document["measure"]
    what = f"{document['rows']:,} {document['unit']}{'' if document['rows'] == 1 else 's'}"
    console.print(f"\n[bold]{escape(what.replace('persons', 'people'))}[/bold]")
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for name in ("emoji", "label", "bar", "amount", "share", "interval"):
        table.add_column(name, justify="right" if name in ("amount", "share") else "left", no_wrap=True)
    finer = sorted((row for row in document["labels"] if row[measure]), key=lambda row: -row[measure])
    for coarse in document.get("sentiment") or [None]:
        if coarse is not None:
            _show_share(table, coarse, measure, "bold")
        for row in finer:
            if coarse is None or (row["label"] in coarse["of"] and row["label"] != coarse["label"]):
                _show_share(table, row, measure, "" if coarse is None else "dim")
    sure = document.get("certainty")
    if sure is None:
        _show_share(table, document["unsure"], measure, "bold")
    console.print(table)
    unseen = document["unsure_because"].get(UNRELIABLE, 0)
    if sure is not None:
        console.print(Text(_uncounted(document, sure), "dim"))
    elif unseen:
        console.print(Text(uncounted_line(unseen, document["rows"], "rows"), "dim"))
    clear = [(by["column"], entry) for by in document["by"] for entry in by["differences"] if entry["clear"]]
    if document["over"]:
        clear += [("", entry) for entry in document["over"]["change"] if entry["clear"]]
    for column, entry in clear[:_CLEAR]:
        of = f"{column} {entry['group']}" if column else f"from {entry['from']} on"
        more = "more" if entry["difference"] > 0 else "less"
        shares = f"{entry['share']:.0%} of {entry['rows']:,} for {entry['other_share']:.0%} of {entry['other_rows']:,}"
        console.print(f"{escape(shorten(of, 40))}: {more} [bold]{escape(entry['label'])}[/bold], {shares}")
    if len(clear) > _CLEAR:
        console.print(f"[dim]… and {len(clear) - _CLEAR:,} more clear differences; the page has all[/dim]")


def _uncounted(document: Mapping[str, Any], sure: Mapping[str, Any]) -> str:
    """What is left out of the shares, because the model is not sure of it."""
    unsure, measure = document["unsure"], document["measure"]
    if measure == "count":
        many = f"{unsure['count']:,} of {document['rows']:,} {'is' if unsure['count'] == 1 else 'are'}"
    else:
        many = f"{unsure['seconds']:,.1f} of {document['seconds']:,.1f} s are"
    often = f"{'at least' if sure['bounded'] else 'about'} {sure['rate']:.0%}"
    least = f"{'a reliability of ' if sure.get('of') else ''}{sure['threshold']:.2f}"
    why = f"below {least}; from there on {document['model']} is right in {often} of its answers"
    return f"{many} unsure and not counted ({why}); {'--all-faces' if sure.get('of') else '--count-unsure'} counts them"


def _show_share(table: Table, row: Mapping[str, Any], measure: str, style: str) -> None:
    known = emotion(row["label"])
    amount = f"{row[measure]:,}" if measure == "count" else f"{row[measure]:,.1f} s"
    span = f"{row['low']:.0%} – {row['high']:.0%}" if "low" in row else ""
    sign = "" if row["label"] == "unsure" else known.emoji
    strength = Text(bar(row["share"], 12), known.color)
    table.add_row(sign, Text(row["label"], style), strength, amount, f"{row['share']:.1%}", Text(span, "dim"))
