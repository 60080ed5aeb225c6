"""Clips over HTTP: the same JSON as the command line, within limits, and nothing left behind."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import RunCli
from face_model import drawn_face
from filmed import write_clip
from serving import BOUNDARY, Server, form, serving, until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--model", "video", "--model", "text-carer", "--max-clip-s", 4) as running:
        yield running


def film(path: Path, seconds: float, fps: float = 10, face: bool = True) -> bytes:
    """A drawn face that moves to the right, or a plain wall."""
    head, frames = drawn_face(200), []
    for number in range(round(seconds * fps)):
        picture = np.full((320, 480, 3), 128, np.uint8)
        if face:
            picture[60:260, number % 200 : number % 200 + 200] = head
        frames.append(picture)
    return write_clip(path, frames, fps=fps).read_bytes()


def test_a_clip_gives_what_the_command_line_gives(server: Server, run_cli: RunCli, tmp_path: Path) -> None:
    clip = film(tmp_path / "talk.mp4", 2)
    expected = json.loads(run_cli("predict", "talk.mp4", "--json").stdout)
    answer = server.upload("/v1/video", [("talk.mp4", clip)])
    assert answer.status == 200
    assert answer.json() == expected
    (result,) = answer.json()["results"]
    assert len(result["people"]) == 1
    assert len(result["timeline"]) == result["clip"]["frames"] == 10
    packed = server.post("/v1/video", {"inputs": [base64.b64encode(clip).decode()], "labels": "ekman7"}).json()
    rolled = json.loads(run_cli("predict", "talk.mp4", "--labels", "ekman7", "--json").stdout)
    assert packed["results"][0] == {**rolled["results"][0], "input": "inputs[0]"}


def test_several_clips_one_without_a_face_and_one_that_is_none(server: Server, tmp_path: Path) -> None:
    files = [("wall.avi", film(tmp_path / "wall.avi", 0.5, face=False)), ("notes.mp4", b"no clip at all")]
    found = server.upload("/v1/video", files).json()["results"]
    assert (found[0]["error"], found[0]["items"], found[0]["clip"]["frames"]) == (None, [], 3)
    assert found[1]["error"].startswith("notes.mp4 ")
    alone = server.upload("/v1/video", files[1:])
    assert "file[0]: notes.mp4 " in alone.problem(422)
    assert b"/tmp" not in alone.body


def test_control_characters_of_a_name_are_shown_as_escapes(server: Server) -> None:
    assert r"file[0]: a\u202eb.mp4 is no clip" in server.upload("/v1/video", [("a\u202eb.mp4", b"x")]).problem(422)


def test_a_clip_that_is_too_long(server: Server, tmp_path: Path) -> None:
    clip = film(tmp_path / "long.mp4", 5, fps=4)
    assert "long.mp4 is 5.0 s long; up to 4 s are read" in server.upload("/v1/video", [("long.mp4", clip)]).problem(422)


def test_a_clip_that_takes_too_long_is_answered_as_far_as_it_was_read(tmp_path: Path) -> None:
    clip = film(tmp_path / "long.mp4", 30)
    with serving("--model", "video", "--max-clip-work-s", 0.05) as server:
        (result,) = server.upload("/v1/video", [("long.mp4", clip)]).json()["results"]
        assert result["clip"]["problem"].startswith("stopped after ")
        assert 0 < result["clip"]["frames"] < 150
        assert len(result["timeline"]) == result["clip"]["frames"]


def test_a_clip_whose_client_left_is_not_read_on_and_no_file_stays(server: Server, tmp_path: Path) -> None:
    folder = server.log_file.parent
    clip = film(tmp_path / "talk.mp4", 4)
    body = form([(f"{n}.mp4", clip) for n in range(12)])
    head = f"POST /v1/video HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    with server.raw() as connection:
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        until(lambda: server.metric("mien_queue_units", model="video") > 0)
        assert [path.name for path in folder.iterdir()] == ["log"]  # a kill would leave nothing either
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: server.metric("mien_requests_in_progress") == 1)
    assert server.metric("mien_queue_units", model="video") == 0
    assert server.metric("mien_requests_total", route="/v1/video", status="499") == 1
    assert server.upload("/v1/video", [("talk.mp4", clip)]).status == 200
    assert server.metric("mien_inputs_total", model="video") < 15
    assert server.is_well()
