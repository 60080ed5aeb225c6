"""Work that does not end, and a server that is killed: it says so, stops all the same, and leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPException

import pytest

from serving import BOUNDARY, form, serving, until

HANG = "import {0}, time; {0}.{1} = lambda *_, **__: time.sleep(1000)"


@pytest.mark.parametrize("asking", [False, True], ids=["nobody waits", "a client waits"])
def test_a_stuck_worker_is_reported_and_does_not_outlive_sigterm(asking: bool) -> None:
    hang = HANG.format("mien.modalities.text.predictor", "TextPredictor.predict_many")
    seconds = 30 if asking else 0.5
    with serving("--model", "text-carer", "--timeout-s", seconds, before=hang) as server:
        assert server.get("/readyz").status == 200
        answers: list[int] = []

        def ask() -> None:
            with suppress(OSError, HTTPException):
                answers.append(server.post("/v1/text", {"inputs": ["i am glad"]}).status)

        client = threading.Thread(target=ask)
        client.start()
        if not asking:
            client.join(30)
            assert answers == [503]
            until(lambda: server.get("/readyz").status == 503)
            text = server.get("/readyz").problem(503)
            assert text.startswith("the model text-carer has been at work on the same inputs for ")
            assert server.get("/healthz").status == 200
        else:
            until(lambda: server.metric("mien_requests_in_progress") == 2)
            server.process.send_signal(signal.SIGINT)  # Ctrl-C twice: at once
            time.sleep(0.5)
        start = time.monotonic()
        server.process.send_signal(signal.SIGINT if asking else signal.SIGTERM)
        assert server.process.wait(25) == 1
        assert time.monotonic() - start < 20
        line = server.log()[-1]
        assert (line["event"], line["models"]) == ("stopped, with work that does not end", ["text-carer"])
        client.join(10)


@pytest.mark.skipif(sys.platform != "linux", reason="files without a name are Linux's")
def test_a_kill_leaves_nothing_of_uploads() -> None:
    hang = HANG.format("mien.modalities.video.predictor", "VideoPredictor.read")
    clips = form([(f"{n}.mp4", bytes(2_000_000)) for n in range(4)])
    with serving("--model", "video", "--model", "face", before=hang) as server:
        folder = server.log_file.parent
        with server.raw() as read, server.raw() as half:
            head = "POST /v1/video HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
            head += f"boundary={BOUNDARY}\r\nContent-Length: {len(clips)}\r\n\r\n"
            read.sendall(head.encode() + clips)
            half.sendall(head.encode() + clips[:5_000_000])
            until(lambda: server.metric("mien_queue_units", model="video") > 0)
            server.process.kill()
            server.process.wait(10)
            assert [path.name for path in folder.iterdir()] == ["log"]
