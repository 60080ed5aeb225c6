"""The client of a server: the results of this machine, over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mien
from face_model import drawn_face, face_model, video_model
from filmed import write_clip
from mien.client import AsyncClient, Client
from mien.errors import InputError, MienError, MissingExtra
from mien.modality.answers import answer_in
from mien.results import Result
from serving import Server, serving

TEXTS = ["i feel so loved today", "what a waste of money", "so sad 😢 \ud83d", "nice/bad, both"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"face": face_model(folder / "face"), "video": video_model(folder / "video")}


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[Server]:
    names = ("text", "text-carer", *models.values(), "scene")
    with serving(*(part for name in names for part in ("--model", name)), env={"MIEN_API_KEY": "a key"}) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{server.port}/", "a key") as made:
        yield made


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    face = drawn_face(240)
    cv2.imwrite("party.png", face[:, :, ::-1])
    write_clip(Path("talk.mp4"), [np.roll(face, shift, axis=1) for shift in range(5)], fps=5)
    Path("none.jpg").write_text("none")
    return tmp_path


def as_sent(local: Result) -> Result:
    """A result as JSON can tell it: scores of six digits."""
    first = local.items[0] if local.items else None
    space, thresholds, certainty = (first.space, first.thresholds, first.certainty) if first else (None, None, None)
    rolled = local.rollup_thresholds
    return Result.from_dict(local.to_dict(), space, thresholds, rolled, certainty, local.rollup_certainty)


@pytest.mark.parametrize("model", ["text", "text-carer"])
@pytest.mark.parametrize("labels", [None, "ekman7"])
def test_texts_are_read_as_on_this_machine(client: Client, model: str, labels: str | None) -> None:
    found = list(client.predict_many(TEXTS, model, labels=labels))
    reader, roll = answer_in(mien.load(model), labels)
    for result, local in zip(found, map(roll, reader.predict_many(TEXTS)), strict=True):
        assert result == as_sent(local)
        if not labels:
            rolled, expected = result.rollup("ekman7").to_dict(), local.rollup("ekman7").to_dict()
            assert rolled["items"][0].pop("scores") == pytest.approx(expected["items"][0].pop("scores"), abs=1e-5)
            assert rolled["items"][0]["labels"] == expected["items"][0]["labels"]
    assert client.predict(TEXTS[0], model, labels=labels) == found[0]


def test_pictures_and_clips_are_read_as_on_this_machine(client: Client, models: dict[str, Path], files: Path) -> None:
    face = mien.load(models["face"])
    pixels = drawn_face(240)
    data = Path("party.png").read_bytes()
    for form in ("party.png", Path("party.png"), data, pixels, Image.fromarray(pixels)):
        assert client.predict(form) == as_sent(face.predict(form)), type(form)
    assert client.predict(io.BytesIO(data)) == as_sent(face.predict(io.BytesIO(data)))
    (item,) = client.predict("party.png").items
    assert item.box
    clip = client.predict("talk.mp4")
    assert clip == as_sent(mien.load(models["video"]).predict("talk.mp4"))
    assert clip.timeline
    assert clip.people
    scene = client.predict("party.png", modality="scene")
    assert scene == as_sent(mien.load("scene").predict("party.png"))
    assert client.predict("party.png", "scene") == scene


def test_many_inputs_of_several_kinds_keep_their_order_and_their_errors(client: Client, files: Path) -> None:
    given = ["i am glad", "party.png", "gone.png", "none.jpg", "", "talk.mp4", None, "so sad", *["party.png"] * 22]
    found = list(client.predict_many(iter(given)))
    assert [result.modality for result in found[:8]] == [
        "text",
        "face",
        "text",
        "face",
        "text",
        "video",
        "text",
        "text",
    ]
    assert [bool(result.error) for result in found] == [False, False, True, True, True, False, True, *[False] * 23]
    assert [result.input for result in found] == [*given[:6], "<NoneType>", *given[7:]]
    assert found[2].error == "there is no file gone.png"
    assert "no picture of the kinds" in str(found[3].error)
    assert (found[4].error, found[4].model) == ("text is empty", "text")


def test_errors_are_the_lines_of_the_server(client: Client, server: Server, files: Path) -> None:
    address = f"http://127.0.0.1:{server.port}"
    with pytest.raises(InputError, match=r"^text is empty$"):
        client.predict("")
    with pytest.raises(InputError, match="no picture of the kinds"):
        client.predict("none.jpg")
    with pytest.raises(InputError, match=r"use mien\.predict_many"):
        client.predict(["a"])
    with pytest.raises(InputError, match="a text is needed"):
        client.predict("party.png", modality="text")
    with pytest.raises(MienError, match=rf"^the server at {address}: labels: .* answers in: goemotions28, "):
        client.predict("glad", labels="none7")
    with pytest.raises(MienError, match=r"no model 'nothing' is served; there are: text, text-carer, "):
        client.predict("glad", model="nothing")
    with pytest.raises(MienError, match=r"there is nothing at this address"):
        client.predict("glad", modality="features")
    for key, told in ((None, "a key is needed"), ("another", "this is not the key")):
        with Client(address, key) as stranger, pytest.raises(MienError, match=told):
            stranger.predict("glad")


def test_a_server_that_is_not_there_and_an_address_that_is_none() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(MienError, match=r"^the server at http://127.0.0.1:9 cannot be reached: "),
    ):
        client.predict("glad")
    for url in ("127.0.0.1:8000", "ftp://x", "http://", ""):
        with pytest.raises(MienError, match="begins with http:// or https://"):
            Client(url)


def test_the_asynchronous_twin(server: Server, client: Client, files: Path) -> None:
    given = [*TEXTS, "party.png", "gone.png", ""]

    async def ask() -> tuple[list[Result], Result, list[str], str]:
        async with AsyncClient(f"http://127.0.0.1:{server.port}", "a key") as twin:
            one, other = await asyncio.gather(twin.predict(TEXTS[0], labels="ekman7"), twin.predict("party.png"))
            assert other.modality == "face"
            with pytest.raises(InputError, match="text is empty") as refused:
                await twin.predict("")
            return ([r async for r in twin.predict_many(given)], one, [m["name"] for m in await twin.models()],
                    str(refused.value))  # fmt: skip

    many, one, names, _ = asyncio.run(ask())
    assert many == list(client.predict_many(given))
    assert one == client.predict(TEXTS[0], labels="ekman7")
    assert names == [model["name"] for model in client.models()]


@contextmanager
def answering(answer: Callable[[int], tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, list[float]]]:
    """A server of ours: the answer to each request by its number, and when each came."""
    times: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            times.append(time.monotonic())
            status, headers, body = answer(len(times))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", times
        finally:
            running.shutdown()
            thread.join()


def problem(status: int, detail: str) -> bytes:
    return json.dumps({"type": "about:blank", "title": "x", "status": status, "detail": detail}).encode()


@pytest.mark.parametrize("twin", [False, True])
def test_a_busy_server_is_asked_again_when_it_says(twin: bool) -> None:
    def answer(number: int) -> tuple[int, dict[str, str], bytes]:
        busy = (503, {"Retry-After": "1"}, problem(503, "too much to do"))
        return busy if number < 3 else (400, {}, problem(400, "now it is read"))

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            await client.predict("glad")

    with answering(answer) as (url, times), pytest.raises(MienError, match=r": now it is read$"):
        asyncio.run(ask(url)) if twin else Client(url).predict("glad")
    assert len(times) == 3
    assert all(later - before >= 1 for before, later in pairwise(times))


def test_patience_ends() -> None:
    busy = (503, {"Retry-After": "30"}, problem(503, "too much to do; come again"))
    with answering(lambda _: busy) as (url, times), Client(url, patience=5) as client:
        with pytest.raises(MienError, match=rf"^the server at {url}: too much to do; come again$"):
            client.predict("glad")
        assert len(times) == 1


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (502, b"<html>Bad Gateway\nnginx", "it answers 502 Bad Gateway, and no problem of mien"),
        (301, b"", "it answers 301 Moved Permanently"),
        (200, b"<html>", "answers what this client does not know"),
        (200, b'{"results": []}', "answers what this client does not know: 'model' is missing"),
        (200, b"[]", "answers what this client does not know"),
        (500, problem(500, "mien failed \x1b[31m here\nx"), r"mien failed \\x1b\[31m here x"),
    ],
)
def test_what_is_no_answer_of_mien_is_one_line(status: int, body: bytes, told: str) -> None:
    with answering(lambda _: (status, {}, body)) as (url, _), Client(url) as client:
        with pytest.raises(MienError, match=rf"^the server at {url}:? {told}") as refused:
            client.predict("glad")
        assert "\n" not in str(refused.value)


def test_a_slow_server_is_given_up() -> None:
    def slow(_: int) -> tuple[int, dict[str, str], bytes]:
        time.sleep(1)
        return 200, {}, b""

    late = pytest.raises(MienError, match=r"does not answer in time$")
    with answering(slow) as (url, _), Client(url, timeout=0.2) as client, late:
        client.predict("glad")


def test_without_the_package_the_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtra, match=r'this needs httpx2.*: install mien with the extra "client"'):
        Client("http://127.0.0.1:8000")
