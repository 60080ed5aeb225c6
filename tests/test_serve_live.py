"""Live frames over a WebSocket: the newest wins, scores are smoothed, and who leaves costs nothing."""

from __future__ import annotations

import json
import math
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from face_model import drawn_face
from mien.labels import SPACES
from mien.results import Box, Prediction, Result
from mien.serve.live import Smoother, overlap
from serving import serving, until

if TYPE_CHECKING:
    from serving import Server


def jpeg(size: int = 240) -> bytes:
    return cv2.imencode(".jpg", drawn_face(size)[:, :, ::-1])[1].tobytes()


def live(server: Server, query: str = "", **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/v1/live{query}", open_timeout=30, **options)


def send_and_wait(client: ClientConnection, message: str | bytes) -> Any:
    client.send(message)
    return json.loads(client.recv(30))


def test_a_frame_gives_what_a_picture_gives(server: Server) -> None:
    picture = jpeg()
    with live(server, "?smooth=0") as client:
        found = send_and_wait(client, picture)
        assert (found["model"], found["frame"], found["dropped"], found["people"]) == ("face", 1, 0, [1])
        assert found["results"] == server.upload("/v1/face", [("live", picture)]).json()["results"]
        broken = send_and_wait(client, b"no picture")
        assert (broken["frame"], broken["people"]) == (2, [])
        assert "no picture of the kinds" in broken["results"][0]["error"]
        assert send_and_wait(client, picture)["people"] == [1]
    with live(server, "?labels=ferplus8") as client:
        client.send(picture)
        assert tuple(json.loads(client.recv(30))["results"][0]["items"][0]["scores"]) == SPACES["ferplus8"].names


def test_the_newest_frame_wins_and_no_backlog_grows(server: Server) -> None:
    dropped = server.metric("mien_live_frames_total", outcome="dropped")
    picture = jpeg(480)
    with live(server) as client:
        for _ in range(150):
            client.send(picture)
        answers = []
        while not answers or answers[-1]["frame"] < 150:
            answers.append(json.loads(client.recv(30)))
        with pytest.raises(TimeoutError):
            client.recv(0.3)
    numbers = [answer["frame"] for answer in answers]
    assert numbers == sorted(set(numbers))
    assert len(answers) < 150
    assert answers[-1]["dropped"] == 150 - len(answers)
    now = server.metric("mien_live_frames_total", outcome="dropped")
    assert now - dropped == 150 - len(answers)
    until(lambda: any(line.get("frames") == 150 and line["answered"] == len(answers) for line in server.log()))


def test_pings_whose_answers_nobody_reads(server: Server) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(3)
        client.connect(("127.0.0.1", server.port))
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        client.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n" + upgrade + key + b"\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
        with pytest.raises(TimeoutError):  # nothing more is read from it
            client.sendall(ping * 200_000)
    assert server.is_well()


def test_who_leaves_is_gone(server: Server) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(live(server)) for _ in range(4)]
        for client in clients:
            client.send(jpeg())
        until(lambda: server.metric("mien_live_clients") == 4)
        for client in clients:
            client.socket.shutdown(socket.SHUT_RDWR)  # without a word
        until(lambda: server.metric("mien_live_clients") == 0)
    assert server.is_well()


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("?model=text-carer", 422, "text-carer reads text"),
        ("?model=nonsense", 422, "there is no 'nonsense'"),
        ("?labels=carer6", 422, "no map from fer7 to carer6"),
        ("?smooth=much", 422, "smooth: must be seconds"),
        ("?smooth=nan", 422, "smooth: must be seconds"),
    ],
)
def test_what_is_refused(server: Server, query: str, status: int, detail: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        live(server, query)
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert detail in json.loads(response.body)["detail"]
    assert server.is_well()  # by then what there was to be logged is
    assert not [line for line in server.log() if "handshake" in line["event"]]


def test_pages_of_other_hosts_are_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        live(server, origin="https://elsewhere.org")
    assert refused.value.response.status_code == 403
    with live(server, origin=f"http://127.0.0.1:{server.port}"):
        pass


def test_words_and_frames_that_are_too_large_close_the_connection(server: Server) -> None:
    for message, code in (("hello", 1003), (b"", 1003), (bytes(9_000_000), 1009)):
        with live(server) as client, pytest.raises(ConnectionClosed) as closed:
            send_and_wait(client, message)
        if closed.value.rcvd is not None:  # while a client is still sending, the connection may break before
            assert closed.value.rcvd.code == code
        else:
            assert code == 1009
    assert server.is_well()


def test_a_frame_has_a_limit_of_pixels_of_its_own(server: Server) -> None:
    with live(server) as client:
        large = cv2.imencode(".png", np.zeros((3000, 3001, 3), np.uint8))[1].tobytes()
        (result,) = send_and_wait(client, large)["results"]
        assert "3001 x 3000 pixels; at most 9000000" in result["error"]
        assert send_and_wait(client, jpeg())["people"] == [1]
    assert server.upload("/v1/face", [("large.png", large)]).status == 200


def test_a_key_in_a_header_or_in_the_first_message_and_no_more_clients_than_allowed() -> None:
    with serving("--model", "face", "--max-live", 2, env={"MIEN_API_KEY": "open sesame"}) as server:
        with live(server) as client:
            client.send(json.dumps({"key": "open sesame"}))
            assert send_and_wait(client, jpeg())["people"] == [1]
            with live(server, additional_headers={"X-API-Key": "open sesame"}) as other:
                assert send_and_wait(other, jpeg())["frame"] == 1
                with pytest.raises(InvalidStatus) as refused:
                    live(server)
                assert refused.value.response.status_code == 503
                assert refused.value.response.headers["retry-after"] == "10"
        for message in ('{"key": "wrong"}', "nonsense", '["key"]', jpeg()):
            with live(server) as client, pytest.raises(ConnectionClosed) as closed:
                send_and_wait(client, message)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
        with live(server) as client:
            client.send(json.dumps({"key": "open sesame"}))
            client.send(jpeg())
            client.recv(30)
            server.process.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(30)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012  # the server restarts or stops
        assert server.process.wait(30) == 0


def test_who_has_not_shown_the_key_holds_no_place() -> None:
    options = ("--model", "face", "--max-live", 1)
    key = {"X-API-Key": "open sesame"}
    with serving(*options, env={"MIEN_API_KEY": "open sesame"}) as server, ExitStack() as stack:
        late, *silent = [stack.enter_context(live(server)) for _ in range(3)]
        with live(server, additional_headers=key) as client:
            assert send_and_wait(client, jpeg())["frame"] == 1
            with pytest.raises(ConnectionClosed) as closed:
                send_and_wait(late, '{"key": "open sesame"}')
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            server.headers |= key
            assert server.metric("mien_live_clients") == 1
        until(lambda: server.metric("mien_live_clients") == 0)
        silent[0].send('{"key": "open sesame"}')
        assert send_and_wait(silent[0], jpeg())["frame"] == 1


# ----------------------------------------------------------------------------------------------------------- smoothing

FER = SPACES["fer7"]


def seen(*faces: tuple[Box | None, float]) -> Result:
    """A result with one item for each box: so much "angry", the rest "happy"."""
    items = []
    for box, angry in faces:
        scores = dict.fromkeys(FER.names, 0.0) | {"angry": angry, "happy": 1 - angry}
        items.append(Prediction(scores, FER, box=box))
    return Result("live", "face", "model", tuple(items))


def test_scores_move_towards_the_new_ones_as_time_passes() -> None:
    smoother = Smoother(0.5)
    box = (0.0, 0.0, 10.0, 10.0)
    first, people = smoother.update(0.0, seen((box, 1.0)))
    assert people == [1]
    assert first.items[0].scores["angry"] == 1.0
    second, people = smoother.update(0.5, seen((box, 0.0)))
    assert people == [1]
    assert second.items[0].scores["angry"] == pytest.approx(math.exp(-1))
    assert sum(second.items[0].scores.values()) == pytest.approx(1)
    half, _ = smoother.update(0.75, seen((box, 0.0)))
    assert half.items[0].scores["angry"] == pytest.approx(math.exp(-1.5))
    assert half.items[0].label == "happy"
    none, _ = Smoother(0).update(0.0, seen((box, 0.25)))
    assert none.items[0].scores["angry"] == 0.25


def test_ratings_move_as_scores_do() -> None:
    def rated(valence: float) -> Result:
        return Result("live", "scene", "rates", (Prediction({}, SPACES["affect"], ratings={"valence": valence}),))

    smoother = Smoother(0.5)
    assert smoother.update(0.0, rated(2.0)) == (rated(2.0), [1])
    moved, people = smoother.update(0.5, rated(6.0))
    assert people == [1]
    assert moved.items[0].ratings["valence"] == pytest.approx(6 - 4 * math.exp(-1))
    assert Smoother(0).update(0.0, rated(3.0))[0] == rated(3.0)


def test_faces_are_told_apart_by_their_boxes_and_forgotten_after_a_second() -> None:
    smoother = Smoother(10)
    left, right = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)
    assert smoother.update(0.0, seen((left, 1.0), (right, 0.0)))[1] == [1, 2]
    result, people = smoother.update(0.1, seen(((51.0, 0.0, 61.0, 10.0), 0.0), ((1.0, 1.0, 11.0, 11.0), 1.0)))
    assert people == [2, 1]
    assert [round(item.scores["angry"], 3) for item in result.items] == [0, 1]
    assert smoother.update(0.2, seen((left, 1.0)))[1] == [1]
    assert smoother.update(0.9, seen((right, 1.0)))[1] == [2]
    result, people = smoother.update(2.5, seen((left, 0.0)))
    assert people == [3]
    assert result.items[0].scores["angry"] == 0.0  # nothing of whoever was there before
    assert smoother.update(2.6, seen((None, 0.5)))[1] == [4]
    assert smoother.update(2.7, seen((None, 0.5)))[1] == [4]


def test_the_overlap_of_boxes_is_that_counted_in_pixels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        boxes = []
        masks = np.zeros((2, 30, 30), bool)
        for mask in masks:
            (left, right), (top, bottom) = np.sort(rng.integers(0, 31, (2, 2)))
            mask[top:bottom, left:right] = True
            boxes.append((float(left), float(top), float(right), float(bottom)))
        both, either = int((masks[0] & masks[1]).sum()), int((masks[0] | masks[1]).sum())
        assert overlap(boxes[0], boxes[1]) == pytest.approx(both / either if either else 0.0)
