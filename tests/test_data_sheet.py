"""Sheets of samples before training: what is on them, and what cannot be."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from conftest import write_csv
from mien.cli.app import app
from mien.datasets import Dataset
from mien.errors import DataError
from mien.evaluation.data_sheet import write_data_sheet
from mien.labels import SPACES


def dataset(inputs: list[Any], targets: Any, space: str = "ekman7", modality: str = "face", **more: Any) -> Dataset:
    split = np.array(["train"] * len(inputs), object)
    return Dataset("mine", modality, SPACES[space], inputs, np.asarray(targets), split, **more)


def rows(page: str) -> list[tuple[str, str]]:
    """Label and text of each row of a table."""
    found = re.findall(r"<tr><td>(.*?)</td><td[^>]*>(.*?)</td>", page, re.S)
    return [(re.sub(r"<[^>]+>", "", label).split()[-1], unescape(text)) for label, text in found]


def test_a_sheet_of_texts_shows_each_label_evenly_and_nothing_in_them_acts(tmp_path: Path) -> None:
    made = [("<script>alert(1)</script> and   so\non", "joy"), *((f"glad {n}", "joy") for n in range(300)),
            *((f"cross {n}", "anger") for n in range(200)), ("afraid", "fear")]  # fmt: skip
    table = write_csv(tmp_path / "data.csv", made)
    done = CliRunner().invoke(app, ["data", "stats", str(table), "--json", "--sheet", str(tmp_path / "s.html")])
    assert json.loads(done.stdout)["n"] == len(made)
    assert done.stderr.splitlines()[-1] == f"wrote {tmp_path / 's.html'}: 60 of {len(made)} samples"
    page = (tmp_path / "s.html").read_text("utf-8")
    shown = rows(page)
    counts = Counter(label for label, _ in shown)
    assert (counts["fear"], len(shown)) == (1, 60)
    assert abs(counts["joy"] - counts["anger"]) <= 1
    assert set(shown) <= {(label, " ".join(text.split())) for text, label in made}
    assert "<script" not in page
    assert "http:" not in page


def test_a_text_that_is_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    text = "<img src=x onerror=alert(1)> so glad"
    assert write_data_sheet(dataset([text], [3], modality="text"), tmp_path / "s.html") == (1, 0)
    assert rows((tmp_path / "s.html").read_text("utf-8")) == [(SPACES["ekman7"].names[3], text)]


def test_sheets_of_pictures_count_those_that_cannot_be_read(tmp_path: Path) -> None:
    Image.new("RGB", (90, 40), (200, 30, 30)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    inputs = [tmp_path / "a.png", tmp_path / "b.png", np.full((48, 48), 90, np.uint8)]
    data = dataset(inputs, np.eye(3, 26, dtype=np.float32)[[0, 1, 1]], "emotic26", "scene")
    assert write_data_sheet(data, tmp_path / "s.html") == (3, 1)
    page = (tmp_path / "s.html").read_text("utf-8")
    assert page.count('<img src="data:image/') == 2
    assert f"{tmp_path / 'b.png'} cannot be read" in page
    assert write_data_sheet(data, tmp_path / "s.png") == (3, 1)
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.format == "PNG"
        reds = (np.asarray(picture.convert("RGB")).astype(int) - (200, 30, 30)).__abs__().sum(2) < 20
        tall, wide = (np.ptp(np.flatnonzero(reds.any(axis))) + 1 for axis in (1, 0))
        assert wide / tall == pytest.approx(90 / 40, rel=0.1)


def test_what_no_sheet_can_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mine holds video: a sheet shows pictures or texts"):
        write_data_sheet(dataset([tmp_path / "a.mp4"], [0], modality="video"), tmp_path / "s.html")
    refused = CliRunner().invoke(app, ["data", "stats", "nothing.csv", "--sheet", "s.pdf"])
    assert (refused.exit_code, "s.pdf: a sheet is .html or .png" in refused.output) == (2, True)
