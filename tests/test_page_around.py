"""The page by keyboard, on a phone, in the dark, with a key, on a busy server; and the widget on another site."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import ROOT, Watched, needs_chromium, watching
from serving import Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = needs_chromium
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=30_000)

DOCS = (ROOT / "docs/serving.md").read_text("utf-8")


@pytest.fixture(scope="module")
def locked(page_folder: Path) -> Iterator[Server]:
    """A server that wants a key, has no model of clips, rates scenes without labels, and allows no other site."""
    models = ("--model", "text-carer", "--model", "face", "--model", page_folder / "mood")
    with serving(*models, env={"MIEN_API_KEY": "open sesame"}) as running:
        yield running


def fill_views(page: Page, page_folder: Path) -> Iterator[str]:
    """The views one by one, each with results."""
    expect(page.locator("mien-text [part=label]")).not_to_be_empty()
    expect(page.locator(".sentences li")).to_have_count(3)
    yield "text"
    files = (("faces", "three.png", ".box"), ("clip", "talk.mp4", ".box"), ("scene", "three.png", ".dot"))
    for name, file, found in files:
        page.locator(f"#tab-{name}").click()
        page.locator(f"#panel-{name} input[type=file]").set_input_files(page_folder / file)
        expect(page.locator(f"#panel-{name} {found}").first).to_be_visible()
        expect(page.locator(f"#panel-{name}[aria-busy]")).to_have_count(0)
        yield name
    page.locator("#tab-camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#panel-camera .person").first).to_be_visible()
    yield "camera"
    page.get_by_role("button", name="Stop").click()


def flaws(page: Page) -> list[str]:
    """What axe, which checks by the W3C's guidelines, has to say against what is to be seen."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{flaw['id']}: {node['html'][:120]} {node['failureSummary']}" for flaw in found for node in flaw["nodes"]]


def test_a_phone_shows_all_of_it_without_scrolling_sideways_and_axe_finds_nothing(
    browser: Browser, page_server: Server, page_folder: Path
) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with watching(browser, f"http://127.0.0.1:{page_server.port}", **phone) as watched:
        page = watched.open()
        for view in fill_views(page, page_folder):
            wide = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
            assert max(wide) == 360, view
            assert flaws(page) == [], view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_the_api_shows_every_request_and_asks_nobody_else(
    browser: Browser, page_server: Server, scheme: Any
) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "color_scheme": scheme}
    with watching(browser, f"http://127.0.0.1:{page_server.port}", **phone) as watched:
        page = watched.open()
        page.get_by_role("link", name="API").click()
        page.wait_for_url("**/docs")
        spec = page_server.get("/openapi.json").json()
        asked = {f"{verb.upper()}{path}" for path, verbs in spec["paths"].items() for verb in verbs}
        expect(page.locator("h3:has(.verb)")).to_have_count(len(asked))
        assert set(page.locator("h3:has(.verb)").all_inner_texts()) == asked
        assert {*spec["components"]["schemas"]} == set(page.locator("h3:not(:has(.verb))").all_inner_texts())
        for summary in page.locator("summary").all():
            summary.click()
        assert "Too much to do" in page.locator("#read_text, #read_text ~ *").last.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert flaws(page) == []


def test_the_dark_is_dark_and_stays_as_it_was_set(browser: Browser, page_server: Server) -> None:
    def brightness(page: Page) -> float:
        rgb = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number)")
        return float(sum(rgb[:3]) / 765)

    with watching(browser, f"http://127.0.0.1:{page_server.port}", color_scheme="dark") as watched:
        page = watched.open()
        expect(page.locator("mien-text [part=label]")).not_to_be_empty()
        assert brightness(page) < 0.15
        expect(page.locator(".because mark").first).to_be_visible()
        assert flaws(page) == []
        switch = page.get_by_role("button", name="Dark theme")
        expect(switch).to_have_attribute("aria-pressed", "true")
        switch.click()
        expect(switch).to_have_attribute("aria-pressed", "false")
        assert brightness(page) > 0.85
        page.reload()
        assert brightness(page) > 0.85


def test_by_keyboard_alone(watched: Watched, page_folder: Path) -> None:
    page, press = watched.page, watched.page.keyboard.press
    page.on("filechooser", lambda chooser: chooser.set_files(page_folder / "three.png"))
    watched.open()
    expect(page.locator("mien-text [part=label]")).not_to_be_empty()
    focused = page.locator(":focus")
    press("Tab")
    expect(focused).to_have_text("Skip to the content")
    press("Tab")
    press("Tab")
    expect(focused).to_have_attribute("id", "tab-text")
    keys = {"ArrowLeft": "scene", "Home": "text", "End": "scene", "ArrowRight": "text", "ArrowRight+": "faces"}
    for key, tab in keys.items():
        press(key.removesuffix("+"))
        expect(focused).to_have_attribute("id", f"tab-{tab}")
        expect(focused).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel")).to_have_attribute("id", f"panel-{tab}")
    assert page.evaluate("location.hash") == "#faces"
    assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    expect(page.locator("#panel-faces input[type=file]")).to_be_attached()  # the view is there
    while focused.get_attribute("type") != "file":
        press("Tab")
    press("Space")
    expect(page.locator("#panel-faces .box")).to_have_count(3)
    while focused.inner_text() != "what it cannot do":
        press("Tab")
    press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("It reads what is shown, not what a person feels")
    assert flaws(page) == []
    press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(focused).to_have_text("what it cannot do")


def test_who_skips_to_the_content_stays_in_the_view(watched: Watched) -> None:
    page = watched.open("faces")
    expect(page.locator("#panel-faces .drop")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_attribute("id", "main")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Faces")
    watched.open()
    watched.open("toString")  # a property of every object
    expect(page.get_by_role("tab", selected=True)).to_have_text("Text")


def test_a_view_that_does_not_come_is_told_of_and_tried_again(watched: Watched) -> None:
    page = watched.open()
    expect(page.locator("mien-text [part=label]")).not_to_be_empty()
    page.route("**/views/scene.js", lambda route: route.abort())
    page.get_by_role("tab", name="Scene").click()
    expect(page.locator("#problem")).to_contain_text("cannot be reached")
    watched.forgive("ERR_FAILED")
    page.unroute("**/views/scene.js")
    page.get_by_role("tab", name="Text").click()
    page.get_by_role("tab", name="Scene").click()
    expect(page.locator("#panel-scene .drop")).to_be_visible()
    expect(page.locator("#problem")).to_be_hidden()


def test_cards_are_shown_as_they_are_written(watched: Watched, page_server: Server) -> None:
    page = watched.open()
    page.get_by_role("button", name="Models & limits").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="face").click()
    expect(dialog.get_by_role("button", name="face")).to_have_attribute("aria-pressed", "true")
    card = page_server.get("/v1/models/face").json()["card"]
    expect(dialog.locator("h3")).to_have_count(len(re.findall("^## ", card, re.MULTILINE)))
    figures = re.findall(r"^\| fer\w+/", card.partition("Recall")[0], re.MULTILINE)
    expect(dialog.locator("table").first.locator("tbody tr")).to_have_count(len(figures))
    assert "**" not in dialog.inner_text()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_who_asks_for_the_models_before_the_page_knows_them_gets_them(watched: Watched) -> None:
    watched.page.route("**/v1/models", lambda _: None)  # held
    page = watched.open()
    with page.expect_request("**/v1/models"):
        page.get_by_role("button", name="Models & limits").click()
    page.unroute("**/v1/models")  # those held go on
    expect(page.get_by_role("dialog").get_by_role("button", name="face")).to_be_visible()


def test_a_key_is_asked_for_and_used(browser: Browser, locked: Server, page_folder: Path) -> None:
    with watching(browser, f"http://127.0.0.1:{locked.port}") as watched:
        page = watched.open()
        field = page.get_by_label("This server wants an API key.")
        expect(field).to_be_focused()
        expect(page.locator("#problem")).to_be_hidden()  # the form says it
        field.fill("wrong")
        field.press("Enter")
        expect(page.get_by_text("This is not the key.")).to_be_visible()
        field.fill("open sesame")
        field.press("Enter")
        expect(page.locator("mien-text [part=label]")).not_to_be_empty()
        expect(field).to_be_hidden()
        watched.forgive("401")
        page.reload()
        expect(page.locator("mien-text [part=label]")).not_to_be_empty()
        page.locator("#tab-camera").click()
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator("#panel-camera .box")).to_have_count(1)
        page.locator("#tab-clip").click()
        expect(page.get_by_role("heading", name="No model here reads clips.")).to_be_visible()
        page.locator("#tab-scene").click()
        page.locator("#panel-scene input[type=file]").set_input_files(page_folder / "light.png")
        expect(page.locator("#panel-scene .summary")).to_have_text("Pleasant and excited")
        expect(page.locator("#panel-scene .dot")).to_have_count(1)
        expect(page.locator("#panel-scene mien-bars")).to_have_count(0)


def test_a_busy_server_is_asked_again_and_one_that_is_gone_is_told_of(watched: Watched) -> None:
    page, asked = watched.open(), []
    expect(page.locator("mien-text [part=label]")).not_to_be_empty()
    expect(page.locator(".because")).to_be_visible()  # all that the first text asks for is there

    def busy(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()
        else:
            headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
            route.fulfill(status=503, headers=headers, body='{"detail": "too many inputs wait"}')

    page.route("**/v1/text", busy)
    words = page.get_by_label("Write anything")
    words.fill("i am furious about it")
    note = page.locator("mien-text [part=note]")
    expect(note).to_have_text("The server is busy; asking again in 1 s.")
    expect(page.locator("mien-text [part=label]")).to_have_text("anger")
    expect(note).to_be_empty()
    watched.forgive("503")
    page.unroute("**/v1/text")
    page.route("**/v1/text", lambda route: route.abort())
    words.fill("i am glad")
    expect(note).to_contain_text("cannot be reached")
    watched.forgive("ERR_FAILED")


def test_the_widget_on_another_site(
    browser: Browser, page_server: Server, locked: Server, page_site: str, page_folder: Path
) -> None:
    example = (ROOT / "examples/widget.html").read_text("utf-8")
    assert example.count(":8000/widget.js") == 1

    def show(page: Page, port: int) -> None:
        (page_folder / f"site/{port}.html").write_text(example.replace(":8000/", f":{port}/"))
        page.goto(f"{page_site}/{port}.html")

    with watching(browser, page_site) as watched:
        with watched.page.expect_event("requestfailed"):
            show(watched.page, locked.port)  # which does not allow that site
        assert watched.page.locator("mien-text:defined").count() == 0
        watched.forgive("CORS policy")
        watched.wrong[:] = [line for line in watched.wrong if "ERR_FAILED" not in line]
    with watching(browser, page_site) as watched:
        page = watched.page
        show(page, page_server.port)
        label = page.locator("mien-text [part=label]").first
        expect(label).not_to_be_empty()
        page.get_by_label("Your comment").fill("i am so angry and annoyed")
        expect(label).to_have_text("anger")
        expect(page.locator("mien-text li:not(.out)")).to_have_count(4)
        page.locator("mien-text").evaluate(
            """(one) => { const other = document.createElement("mien-text"); other.id = "own";
            other.setAttribute("value", "i feel so loved"); other.setAttribute("label", "Say something");
            one.after(other); }"""
        )
        expect(page.locator("#own [part=label]")).to_have_text("love")
        page.get_by_label("Say something").fill("i am scared")
        expect(page.locator("#own [part=label]")).to_have_text("fear")
        expect(label).to_have_text("anger")


def test_the_widget_without_attributes_and_what_is_set_before_it_comes(
    browser: Browser, page_server: Server, page_site: str, page_folder: Path
) -> None:
    address = f"http://127.0.0.1:{page_server.port}"
    (page_folder / "site/bare.html").write_text(
        f"""<!doctype html><script type="module" src="{address}/widget.js"></script><mien-text></mien-text>
        <script>
          Object.assign(document.querySelector("mien-text"), {{ key: "sesame", value: "i feel so loved" }});
        </script>
        """
    )
    with watching(browser, page_site) as watched:
        page = watched.page
        with page.expect_request(lambda asked: asked.url == f"{address}/v1/text" and asked.method == "POST") as asked:
            page.goto(f"{page_site}/bare.html")
        assert asked.value.headers["authorization"] == "Bearer sesame"
        expect(page.locator("[part=label]")).to_have_text("love")
        expect(page.get_by_label("Text to read emotion in")).to_have_attribute("placeholder", "Type something…")
        with page.expect_response(f"{address}/mien/v1/models"):  # a server below a path
            page.locator("mien-text").evaluate("(one, at) => one.setAttribute('server', at)", f"{address}/mien")
        expect(page.locator("[part=note]")).to_contain_text("There is nothing at this address")
        watched.forgive("404")
        page.locator("mien-text").evaluate("(one) => one.removeAttribute('server')")
        expect(page.locator("[part=label]")).to_have_text("love")


def test_who_gives_up_gets_the_own_reason(watched: Watched) -> None:
    asking = """async () => { const { Mien } = await import("./client.js");
        const signal = AbortSignal.abort(new Error("enough"));
        return new Mien().models({ signal }).catch((error) => error.message); }"""
    assert watched.open().evaluate(asking) == "enough"


def test_the_client_of_the_docs_and_the_example(
    watched: Watched, page_server: Server, page_site: str, page_folder: Path
) -> None:
    (snippet,) = re.findall(r"```js\n(.*?)```", DOCS, re.DOTALL)
    address = f"http://127.0.0.1:{page_server.port}"
    page = watched.page
    page.goto(f"{page_site}/examples/")
    asking = """
        import { Mien } from "SERVER/client.js";
        import { ask } from "/examples/ask_server.mjs";
        const file = new File([await (await fetch("/three.png")).blob()], "three.png");
        console.log(JSON.stringify(await ask(new Mien({ server: "SERVER" }), ["i feel so loved today", file])));
    """
    with page.expect_console_message(lambda message: message.text.startswith("[")) as told:
        page.add_script_tag(content=asking.replace("SERVER", address), type="module")
    first, second = json.loads(told.value.text)
    face = page_server.upload("/v1/face", [("three.png", (page_folder / "three.png").read_bytes())]).json()["results"][
        0
    ]
    assert first == "❤️ love  i feel so loved today"
    assert second == f"{face['emoji']} {face['label']}  three.png"
    with page.expect_console_message(lambda message: message.text.startswith("😄 joy 0.")):
        page.add_script_tag(content=snippet.replace("http://127.0.0.1:8000", address), type="module")
