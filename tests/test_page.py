"""The page in a real browser: each view with real results, and nothing that goes wrong unseen."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import Watched, needs_chromium
from mien.cli.demo import ASSETS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from serving import Server

pytestmark = needs_chromium
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=30_000)  # the machine may be busy


def rows(bars: Locator) -> dict[str, str]:
    """Label → share, of the bars that are to be seen."""
    shown = bars.locator("li:not(.out)")
    return dict(zip(shown.locator(".name").all_inner_texts(), shown.locator(".share").all_inner_texts(), strict=True))


def in_words(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else f"{int(100 * share + 0.5)}%"


def check_boxes(page: Page, boxes: Locator, media: Locator, items: list[Any], size: tuple[int, int]) -> None:
    """The boxes stand where the API says the faces are."""
    expect(boxes).to_have_count(len(items))
    frame = media.bounding_box()
    assert frame is not None
    for place, item in enumerate(items):
        seen = boxes.nth(place).bounding_box()
        assert seen is not None
        left, top, right, bottom = item["box"]
        across, down = frame["width"] / size[0], frame["height"] / size[1]
        expected = (frame["x"] + left * across, frame["y"] + top * down, (right - left) * across, (bottom - top) * down)
        assert (seen["x"], seen["y"], seen["width"], seen["height"]) == pytest.approx(expected, abs=1.5)


def painted(canvas: Locator) -> float:
    """The share of a canvas' pixels that are painted."""
    return float(
        canvas.evaluate(
            """(c) => { const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
            let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (d.length / 4); }"""
        )
    )


def test_bars_move_while_one_types(watched: Watched, page_server: Server) -> None:
    page = watched.open()
    label = page.locator("mien-text [part=label]")
    expect(label).not_to_be_empty()  # of the example that stands there at first
    for text in ("i am furious about this", "i am furious about this no wait i feel so loved"):
        page.get_by_label("Write anything").fill(text)
        item = page_server.post("/v1/text", {"inputs": [text]}).json()["results"][0]["items"][0]
        expect(label).to_have_text(item["label"])
        ranked = sorted(item["scores"], key=item["scores"].__getitem__, reverse=True)
        bars = page.locator("mien-text mien-bars")
        expect(bars.locator("li", has=page.get_by_text(ranked[0], exact=True)).locator(".share")).to_have_text(
            in_words(item["score"])
        )
        assert rows(bars) == {name: in_words(score) for name, score in item["scores"].items()}
        heights = {name: bars.locator("li", has_text=name).bounding_box() for name in ranked}
        assert sorted(ranked, key=lambda name: heights[name]["y"]) == ranked  # type: ignore[index]
        top = bars.locator("li", has_text=ranked[0])
        fill, track = (top.locator(part).bounding_box() for part in (".fill", ".track"))
        assert fill is not None
        assert track is not None
        assert fill["x"] + fill["width"] - track["x"] == pytest.approx(item["score"] * track["width"], abs=1.5)
    page.get_by_label("Write anything").fill("I am so sad. She is so angry!")
    expect(page.locator(".sentences li .soft")).to_have_text(["sadness", "anger"])
    page.get_by_label("Write anything").fill("  ")
    expect(label).to_be_empty()
    expect(page.locator(".sentences li")).to_have_count(0)
    page.get_by_label("Labels").select_option("ekman7")
    page.get_by_role("button", name="i feel so loved today").click()
    expect(label).to_have_text("joy")
    assert len(rows(page.locator("mien-text mien-bars"))) == 7
    expect(page.locator("mien-text [role=status]")).to_contain_text("joy 9")  # for screen readers


def test_faces_have_boxes_and_cards(watched: Watched, page_server: Server, page_folder: Path) -> None:
    page = watched.open("faces")
    picture = page_folder / "two.png"
    page.locator("#panel-faces input[type=file]").set_input_files(picture)
    items = page_server.upload("/v1/face", [("two.png", picture.read_bytes())]).json()["results"][0]["items"]
    assert len(items) == 2
    check_boxes(page, page.locator("#panel-faces .box"), page.locator("#panel-faces img"), items, (640, 360))
    cards = page.locator("#panel-faces .person")
    expect(cards.locator("strong")).to_have_text([item["label"] for item in items])
    expect(cards.locator(".person-head .emoji")).to_have_text([item["emoji"] for item in items])
    assert rows(cards.nth(0).locator("mien-bars")) == {n: in_words(s) for n, s in items[0]["scores"].items()}
    assert painted(cards.nth(0).locator("canvas")) == 1
    expect(page.locator("#said")).to_contain_text("2 faces")
    page.get_by_label("Labels").select_option("ferplus8")
    expect(cards.nth(0).locator("mien-bars li")).to_have_count(8)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as JSON").click()
    assert '"ferplus8"' not in saved.value.path().read_text()
    assert '"contempt"' in saved.value.path().read_text()
    page.locator("#panel-faces input[type=file]").set_input_files(page_folder / "wall.png")
    expect(page.locator("#panel-faces .summary")).to_have_text("There is no face in this picture.")
    expect(page.locator("#panel-faces .box")).to_have_count(0)
    page.locator("#panel-faces input[type=file]").set_input_files(page_folder / "notes.png")
    expect(page.locator("#panel-faces .notice")).to_contain_text("is no picture of the kinds that are read: JPEG")
    watched.forgive("422")


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ([200, 120, 300, 240], "above"),
        ([200, -5, 300, 150], "below"),
        ([200, 2, 400, 358], "at its bottom"),
    ],
)
def test_the_tag_of_a_box_covers_no_eyes(watched: Watched, page_folder: Path, box: list[int], place: str) -> None:
    page = watched.open("faces")
    page.locator("#panel-faces input[type=file]").set_input_files(page_folder / "wall.png")
    expect(page.locator("#panel-faces .summary")).to_have_text("There is no face in this picture.")
    page.locator("#panel-faces img").evaluate(
        """async (image, box) => { const { Stage } = await import("./stage.js"); const stage = new Stage(image);
        document.querySelector("#panel-faces .card").append(stage.element);
        stage.show([{ key: "0", box, color: "red", emoji: "😄", label: "happy" }], 640, 360); }""",
        box,
    )
    seen, frame, tag = (
        page.locator(f"#panel-faces .frame:has(img) {part}").bounding_box() for part in (".box", ".boxes", ".tag")
    )
    assert seen is not None
    assert frame is not None
    assert tag is not None
    top, bottom = tag["y"], tag["y"] + tag["height"]
    assert frame["y"] <= top < bottom <= frame["y"] + frame["height"]
    lowest = seen["y"] + seen["height"]
    assert {"above": bottom <= seen["y"], "below": top >= lowest, "at its bottom": top > lowest - 50}[place]


def test_a_picture_can_be_dropped(watched: Watched, page_folder: Path) -> None:
    page = watched.open("faces")
    expect(page.locator("#panel-faces .drop")).to_be_visible()
    drop(page.locator("#panel-faces"), page_folder / "two.png", "image/png")
    expect(page.locator("#panel-faces .box")).to_have_count(2)


def drop(target: Locator, path: Path, kind: str) -> None:
    """Drop a file somewhere; the browser must not leave the page for it."""
    assert target.evaluate(
        """(target, [name, type, bytes]) => {
        const given = new DataTransfer();
        given.items.add(new File([new Uint8Array(bytes)], name, { type }));
        const events = ["dragover", "drop"].map((kind) =>
          new DragEvent(kind, { dataTransfer: given, bubbles: true, cancelable: true }));
        return events.every((event) => !target.dispatchEvent(event) && event.defaultPrevented); }""",
        [path.name, kind, list(path.read_bytes())],
    )


def test_what_is_dropped_beside_a_panel_goes_to_the_view_that_reads_it(watched: Watched, page_folder: Path) -> None:
    page = watched.open()
    expect(page.locator("mien-text [part=label]")).not_to_be_empty()
    chosen, header = page.get_by_role("tab", selected=True), page.locator("header.top")
    drop(page.get_by_label("Write anything"), page_folder / "two.png", "image/png")
    expect(page.locator("#panel-faces .box")).to_have_count(2)
    expect(chosen).to_have_text("Faces")
    drop(header, page_folder / "talk.mp4", "video/mp4")
    expect(page.locator("#panel-clip .summary")).to_contain_text("2 people")
    page.get_by_role("tab", name="Scene").click()
    expect(page.locator("#panel-scene .drop")).to_be_visible()
    drop(header, page_folder / "light.png", "image/png")
    expect(page.locator("#panel-scene .dot")).to_have_count(1)
    page.get_by_role("tab", name="Text").click()
    drop(header, page_folder / "notes.png", "application/pdf")
    expect(page.locator("#problem")).to_have_text("Nothing here reads notes.png.")
    expect(chosen).to_have_text("Text")
    moved = """(words) => words.dispatchEvent(new DragEvent("dragover",
        { dataTransfer: new DataTransfer(), bubbles: true, cancelable: true }))"""
    assert page.get_by_label("Write anything").evaluate(moved), "words can be dragged into the field"


def test_a_clip_has_a_timeline_to_go_through(watched: Watched, page_server: Server, page_folder: Path) -> None:
    page = watched.open("clip")
    page.locator("#panel-clip input[type=file]").set_input_files(page_folder / "talk.mp4")
    files = [("talk.mp4", (page_folder / "talk.mp4").read_bytes())]
    (found,) = page_server.upload("/v1/video", files).json()["results"]
    assert len(found["people"]) == 2
    boxes, cards = page.locator("#panel-clip .box"), page.locator("#panel-clip .person")
    film, scrub = page.locator("#panel-clip video"), page.get_by_label("Time in the clip")
    expect(page.locator("#panel-clip .summary")).to_contain_text("2 people, 0:03 long")
    expect(boxes).to_have_count(1)
    expect(cards.locator("strong")).to_have_text([found["people"][0]["label"], "not in sight"])
    for lane, person in enumerate(found["people"]):
        share = (person["end"] - person["start"]) / found["clip"]["duration"]
        assert painted(page.locator("#panel-clip .areas").nth(lane)) == pytest.approx(share, abs=0.12)
    scrub.focus()
    page.keyboard.press("End")
    last = sorted(found["timeline"][-2:], key=lambda moment: moment["person"])
    assert [moment["person"] for moment in last] == [1, 2]
    check_boxes(page, boxes, film, last, (640, 360))
    expect(page.locator("#panel-clip .time")).to_have_text("0:03 / 0:03")
    assert f"person 2: {last[1]['label']}" in (scrub.get_attribute("aria-valuetext") or "")
    expect(film).to_have_js_property("currentTime", film.evaluate("v => v.duration"))
    page.keyboard.press("Home")
    expect(boxes).to_have_count(1)
    page.get_by_role("button", name="Play").click()
    expect(boxes).to_have_count(2)  # once it has played so far
    page.locator("#panel-clip input[type=file]").set_input_files(page_folder / "two.png")
    expect(page.locator("#panel-clip .notice")).to_have_text("two.png is a picture, not a clip.")
    watched.forgive("422")


def test_while_a_clip_is_read_the_page_says_so_and_keeps_its_place(
    watched: Watched, page_server: Server, page_folder: Path
) -> None:
    page = watched.open("clip")
    expect(page.locator("#panel-clip .drop")).to_be_visible()
    summary, stage = page.locator("#panel-clip .summary"), page.locator("#panel-clip .stage")
    page_server.process.send_signal(signal.SIGSTOP)
    try:
        page.locator("#panel-clip input[type=file]").set_input_files(page_folder / "talk.mp4")
        expect(summary).to_have_text(re.compile(r"^Reading talk\.mp4… [1-9]\d* s$"))
        before = stage.bounding_box()
    finally:
        page_server.process.send_signal(signal.SIGCONT)
    expect(summary).to_contain_text("2 people")
    assert stage.bounding_box() == before
    page.wait_for_timeout(1100)
    expect(summary).to_contain_text("2 people")  # its clock has stopped


def test_the_client_tells_how_much_it_has_sent(watched: Watched, page_folder: Path) -> None:
    page = watched.open()
    session = page.context.new_cdp_session(page)
    speed = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    session.send("Network.emulateNetworkConditions", speed)
    shares = page.evaluate(
        """async (bytes) => { const { Mien } = await import("./client.js"); const shares = [];
        const files = [new Blob([new Uint8Array(bytes)]), new Blob([new Uint8Array(1e6)])];
        await new Mien().files("face", files, { onSent: (share) => shares.push(share) });
        return shares; }""",
        list((page_folder / "two.png").read_bytes()),
    )
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert 0 < shares[0] < 1
    asking = """async () => { const { Mien } = await import("./client.js"); const stop = new AbortController();
        const asked = new Mien().files("face", [new Blob([new Uint8Array(1e6)])], { signal: stop.signal,
          onSent: () => stop.abort(new Error("enough")) });
        return asked.catch((error) => error.message); }"""
    assert page.evaluate(asking) == "enough"


def test_the_clip_of_the_demo_can_be_played(watched: Watched, tmp_path: Path) -> None:
    page = watched.open("clip")
    page.locator("#panel-clip input[type=file]").set_input_files(ASSETS / "moods.mp4")
    expect(page.locator("#panel-clip .summary")).to_contain_text("0:07 long")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#panel-clip video")).to_have_js_property("ended", True)


def test_the_camera_live(watched: Watched, page_server: Server) -> None:
    page = watched.open("camera")
    answered = page_server.metric("mien_live_frames_total", outcome="answered")
    page.get_by_role("button", name="Start the camera").click()
    box = page.locator("#panel-camera .box")
    expect(box).to_have_count(1)
    places: set[float] = set()
    while len(places) < 3:  # it follows the face
        seen = page.evaluate(
            """() => { const video = document.querySelector("#panel-camera video").getBoundingClientRect();
            const boxes = [...document.querySelectorAll("#panel-camera .box")].map((b) => b.getBoundingClientRect());
            return boxes.map((b) => [(b.left - video.left) / video.width, (b.right - video.left) / video.width,
            b.height / video.height]); }"""
        )
        for left, right, height in seen:
            assert 0 <= left < right <= 1
            assert 0.3 < height < 0.7  # the face is 200 pixels of 360 high, some of it hair
            places.add(left)
    expect(page.locator("#panel-camera .person strong")).not_to_be_empty()
    expect(page.get_by_text("readings/s")).to_be_visible()
    assert painted(page.locator("#panel-camera .strip")) > 0
    assert page_server.metric("mien_live_frames_total", outcome="answered") - answered >= 3
    page.locator("#panel-camera").get_by_label("Model").select_option("light")  # the scene as a whole, live
    expect(page.locator("#panel-camera .rated")).to_contain_text("unpleasant – pleasant")
    expect(box).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert page.locator("#panel-camera video").evaluate("v => v.srcObject") is None


def test_a_camera_that_is_refused_or_missing(watched: Watched) -> None:
    page = watched.open("camera")
    for name, words in (("NotAllowedError", "was refused"), ("NotFoundError", "no camera here")):
        page.evaluate(
            "(name) => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', name); } }",
            name,
        )
        page.get_by_role("button", name="Start the camera").click()
        expect(page.locator("#panel-camera .notice")).to_contain_text(words)


def test_a_connection_that_is_lost_is_made_again(watched: Watched) -> None:
    page, connections = watched.page, []

    def route(socket: Any) -> None:
        connections.append(socket)
        if len(connections) > 1:
            socket.connect_to_server()
        else:
            socket.close(code=1012, reason="restart")

    page.route_web_socket("**/v1/live*", route)
    watched.open("camera")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#panel-camera .notice")).to_contain_text("Trying again in 1 s")
    expect(page.locator("#panel-camera .box")).to_have_count(1)
    expect(page.locator("#panel-camera .notice")).to_be_hidden()


def test_scenes_stand_on_a_plane(watched: Watched, page_server: Server, page_folder: Path) -> None:
    pictures = [page_folder / "dark.png", page_folder / "light.png"]
    page = watched.open("scene")
    page.locator("#panel-scene input[type=file]").set_input_files(pictures)
    results = page_server.upload("/v1/scene", [(path.name, path.read_bytes()) for path in pictures]).json()["results"]
    dots, plane = page.locator("#panel-scene .dot"), page.locator("#panel-scene .plane")
    expect(dots).to_have_count(2)
    frame = plane.bounding_box()
    assert frame is not None
    for dot, result in zip(dots.all(), results, strict=True):
        place = dot.bounding_box()
        assert place is not None
        x, y = ((result["items"][0]["ratings"][name] - 1) / 6 for name in ("valence", "arousal"))
        assert (place["x"] + place["width"] / 2 - frame["x"]) / frame["width"] == pytest.approx(x, abs=0.01)
        assert (place["y"] + place["height"] / 2 - frame["y"]) / frame["height"] == pytest.approx(1 - y, abs=0.01)
    rated = results[1]["items"][0]["ratings"]["valence"]
    expect(page.locator("#panel-scene .rated")).to_contain_text(f"unpleasant – pleasant {rated:.1f} (1 to 7)")
    bars = page.locator("#panel-scene mien-bars")
    assert rows(bars) == {name: in_words(score) for name, score in results[1]["items"][0]["scores"].items()}
    assert page.get_by_text("pictures are kept").is_hidden()
    page.locator("#panel-scene input[type=file]").set_input_files([pictures[0], page_folder / "notes.png"])
    expect(page.locator("#panel-scene .notice")).to_contain_text("notes.png is no picture of the kinds that are read")
    page.get_by_role("button", name="light.png").click()
    page.get_by_role("button", name="dark.png").first.click()
    rated = results[0]["items"][0]["ratings"]["valence"]
    expect(page.locator("#panel-scene .rated")).to_contain_text(f"unpleasant – pleasant {rated:.1f} (1 to 7)")
    assert rows(bars) == {name: in_words(score) for name, score in results[0]["items"][0]["scores"].items()}


def test_a_scene_view_says_which_of_many_pictures_it_has(watched: Watched, page_folder: Path) -> None:
    page = watched.open("scene")
    files, dots = page.locator("#panel-scene input[type=file]"), page.locator("#panel-scene .dot")
    files.set_input_files([page_folder / "dark.png"] * 14)
    expect(page.get_by_text("Only the first 12 of 14 pictures were read.")).to_be_visible()
    expect(dots).to_have_count(12)
    files.set_input_files(page_folder / "light.png")
    expect(page.get_by_text("The last 12 pictures are kept here.")).to_be_visible()
    expect(dots).to_have_count(12)
