"""What the page explains, takes at once, and gives to keep."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from browser import ROOT, Watched, needs_chromium, watching
from mien.cli.demo import ASSETS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from serving import Server

pytestmark = needs_chromium
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=30_000)


def saved(page: Page, panel: str, name: str) -> Path:
    """What a link or button of a panel saves."""
    with page.expect_download() as download:
        page.locator(panel).get_by_label(f"Save as {name}").click()
    return Path(download.value.path())


def test_the_words_of_a_text_stand_in_color_and_in_figures(watched: Watched, page_server: Server) -> None:
    page = watched.open()
    text = "🎉 i feel so loved today"
    page.get_by_label("Write anything").fill(text)
    answer = page_server.post("/v1/text", {"inputs": [text], "explain": True}).json()["results"][0]["items"][0]
    words = sorted(answer["explanation"]["words"], key=lambda word: -abs(word["share"]))
    assert words[0]["text"] == "loved"
    because = page.locator(".because")
    expect(because.locator("p").first).to_have_text(text)
    expect(because.locator("mark").filter(has_text="loved")).to_have_attribute(
        "title", f"+{100 * words[0]['share']:.0f}"
    )
    expect(because.locator(".soft")).to_contain_text(f"Because of loved +{100 * words[0]['share']:.0f}")
    page.get_by_role("button", name="which words?").click()
    expect(because).to_be_hidden()
    page.get_by_role("button", name="which words?").click()
    expect(because).to_be_visible()
    page.get_by_label("Write anything").fill("")
    expect(because).to_be_hidden()


def test_a_sample_is_read_and_its_regions_and_picture_can_be_had(watched: Watched, page_server: Server) -> None:
    page = watched.open("faces")
    page.get_by_role("button", name="Drawn people").click()
    expect(page.locator("#panel-faces .box")).to_have_count(4)
    expect(page.locator("#panel-faces .heat")).to_have_count(0)
    page.get_by_role("button", name="which region?").click()
    expect(page.locator("#panel-faces .heat image")).to_have_count(4)
    people = page.locator("#panel-faces .heat image").evaluate_all(
        "(images) => images.map((one) => { const r = one.getBoundingClientRect(); return r.left + r.width / 2; })"
    )
    boxes = page.locator("#panel-faces .box").evaluate_all(
        "(boxes) => boxes.map((one) => { const r = one.getBoundingClientRect(); return r.left + r.width / 2; })"
    )
    assert people == pytest.approx(boxes, abs=12), "the heat lies on its face"
    table = list(csv.DictReader(io.StringIO(saved(page, "#panel-faces", "CSV").read_text("utf-8-sig"))))
    found = page_server.upload("/v1/face", [("people.png", (ASSETS / "people.png").read_bytes())]).json()["results"][0]
    assert [(row["label"], float(row["left"])) for row in table] == [(i["label"], i["box"][0]) for i in found["items"]]
    drawing = cv2.imread(str(saved(page, "#panel-faces", "picture")))
    original = cv2.imread(str(ASSETS / "people.png"))
    assert drawing.shape == original.shape
    changed = (np.abs(drawing.astype(int) - original).max(2) > 24).mean()
    assert 0.03 < changed < 0.5, "boxes, words and heat, and else the picture"


def test_several_pictures_are_read_at_once_and_what_is_none_is_told(watched: Watched, page_folder: Path) -> None:
    page = watched.open("faces")
    names = ("two", "notes", "wall", "three")
    page.locator("#panel-faces input[type=file]").set_input_files([page_folder / f"{name}.png" for name in names])
    expect(page.locator("#panel-faces .box")).to_have_count(2)
    expect(page.locator("#panel-faces .thumb")).to_have_count(4)
    expect(page.locator("#panel-faces .notice")).to_contain_text("notes.png is no picture")
    page.get_by_text("All 4 as a table").click()
    rows = page.locator("#panel-faces .results tbody tr")
    expect(rows.locator("td:first-child")).to_have_text([f"{name}.png" for name in names])
    expect(rows.nth(2)).to_contain_text("nothing was found")
    page.locator("#panel-faces .thumb").nth(3).click()
    expect(page.locator("#panel-faces .box")).to_have_count(3)
    table = list(csv.DictReader(io.StringIO(saved(page, "#panel-faces", "CSV").read_text("utf-8-sig"))))
    assert [row["file"] for row in table] == ["two.png"] * 2 + ["notes.png", "wall.png"] + ["three.png"] * 3
    assert "no picture" in table[2]["error"]


def test_a_cell_of_the_csv_is_no_formula(watched: Watched) -> None:
    page = watched.open()
    made = page.evaluate(
        """async () => { const { toCsv } = await import("./save.js");
        return toCsv([{ text: '=1+1', n: -0.5 }, { text: 'a "b", c', more: "\\n" }]); }"""
    )
    assert made == 'text,n,more\r\n\'=1+1,-0.5,\r\n"a ""b"", c",,"\n"\r\n'


def test_the_clip_that_comes_with_it_has_a_bar_while_it_is_read(watched: Watched) -> None:
    page = watched.open("clip")
    page.route("**/v1/video", lambda route: (page.wait_for_timeout(300), route.continue_()))
    page.get_by_role("button", name="A drawn clip").click()
    bar = page.get_by_role("progressbar", name="How far the clip is read")
    expect(bar).to_be_visible()
    expect(page.locator("#panel-clip .summary")).to_have_text(re.compile("One person, 0:07 long"))
    expect(bar).to_be_hidden()
    rows = list(csv.DictReader(io.StringIO(saved(page, "#panel-clip", "CSV").read_text("utf-8-sig"))))
    assert [float(row["time"]) for row in rows] == sorted(float(row["time"]) for row in rows)
    assert {row["person"] for row in rows} == {"1"}


def test_no_label_is_cut_on_a_phone(watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 390, "height": 844})
    watched.open()
    expect(page.locator("mien-text [part=label]")).not_to_be_empty()
    cut = page.evaluate(
        """async () => { await import("./bars.js"); const bars = document.createElement("mien-bars");
        const names = ["embarrassment", "disappointment", "Doubt/Confusion", "Disconnection", "realization"];
        bars.palette = names.map((name) => ({ name, emoji: "😳", color: "#888" }));
        bars.prediction = { scores: Object.fromEntries(names.map((name) => [name, 0.2])), labels: names };
        document.querySelector("#panel-text .read").prepend(bars);
        await new Promise(requestAnimationFrame);
        const shown = [...bars.shadowRoot.querySelectorAll(".name")];
        return shown.filter((one) => one.scrollWidth > one.clientWidth).length; }"""
    )
    assert cut == 0


def test_a_table_of_texts_is_read_row_by_row(watched: Watched, page_server: Server, tmp_path: Path) -> None:
    rows = [("1", "i feel so loved"), ("2", 'she said "no";\nso angry'), ("3", ""), ("4", "i am scared ;)")]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=";").writerows([("id", "Comment"), *rows * 30])
    page = watched.open()
    page.locator("#panel-text input[type=file]").set_input_files(tmp_path / "a.csv")
    table = page.get_by_role("region", name="A table of texts")
    expect(table.locator(".summary")).to_have_text("a.csv: 120 rows, 30 without an answer")
    texts = [row[1] for row in rows if row[1]]
    found = page_server.post("/v1/text", {"inputs": texts}).json()["results"]
    labels = [result["label"] for result in found]
    cells = table.locator("tbody tr td:nth-child(2)")
    expect(cells).to_have_count(120)
    expect(cells.nth(0)).to_contain_text(labels[0])
    expect(cells.nth(2)).to_have_text("text is empty")
    expect(table.locator(".counted li")).to_have_count(len(set(labels)))
    kept = list(csv.DictReader(io.StringIO(saved(page, "#panel-text", "CSV").read_text("utf-8-sig"))))
    assert [(row["id"], row["Comment"]) for row in kept] == rows * 30
    assert [row["label"] for row in kept[:4]] == [labels[0], labels[1], "", labels[2]]
    (tmp_path / "b.csv").write_bytes("text\nschön".encode("latin-1"))
    page.locator("#panel-text input[type=file]").set_input_files(tmp_path / "b.csv")
    expect(page.locator("#panel-text .notice")).to_contain_text("b.csv is not UTF-8")
    expect(table).to_be_hidden()


def test_the_listings_for_other_pages_do_what_they_say(
    browser: Browser, page_server: Server, page_site: str, page_folder: Path
) -> None:
    listings = re.findall(r"```html\n(.*?)```", (ROOT / "docs/embed.md").read_text("utf-8"), re.DOTALL)
    address = f"http://127.0.0.1:{page_server.port}"
    for name, listing in zip(("frame", "embed"), listings, strict=True):
        moved = listing.replace("https://mien.example.org", address).replace("http://127.0.0.1:8000", address)
        (page_folder / f"site/{name}.html").write_text("<!doctype html><meta charset=utf-8>" + moved)
    with watching(browser, page_site) as watched:
        page = watched.page
        page.goto(f"{page_site}/frame.html")
        framed = page.frame_locator("iframe")
        expect(framed.get_by_role("tab", selected=True)).to_have_text("Faces")
        expect(framed.get_by_role("button", name="Drawn people")).to_be_visible()
        page.goto(f"{page_site}/embed.html")
        expect(page.get_by_role("status")).to_have_text("❤️ love, because of “loved”")
        page.get_by_label("A picture").set_input_files(ASSETS / "people.png")
        expect(page.get_by_role("status")).to_have_text("😠 angry, 😲 surprise, 😢 sad, 😄 happy")
