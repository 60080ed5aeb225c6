"""Bad requests: each gets one clear sentence that says what and where, and costs the next one nothing."""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from serving import BOUNDARY, form

if TYPE_CHECKING:
    from serving import Server

FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.mark.parametrize(
    ("document", "status", "detail"),
    [
        (b"", 400, "the body is empty"),
        (b" \n", 400, "the body is empty"),
        (b'{"inputs": ["a"', 400, "Expecting ',' delimiter, line 1 column 16"),
        (b"hello", 400, "no JSON"),
        (b"\xff\xfe\xfd", 400, "no JSON"),
        (b'{"inputs": ["\xe9"]}', 400, "byte 13 is not UTF-8"),
        (b'{"inputs": [NaN]}', 422, "#/inputs/0 must be a string, not a number"),
        (b'{"inputs": [-Infinity]}', 422, "not a number"),
        (b"[" * 100_000, 400, "too many brackets in brackets"),
        (b'{"inputs": [' + b"9" * 5000 + b"]}", 422, "not a number"),
        (b'{"inputs": [1' + b"0" * 100_000 + b"]}", 422, "not a number"),
        (b'{"inputs": ["a"], "inputs": ["b"]}', 400, "it has the key 'inputs' twice"),
        (b'{"inputs": [{"' + b"k" * 5000 + b'": 1, "' + b"k" * 5000 + b'": 1}]}', 400, "twice"),
        (b'{"inputs": ["a"]}' + b" " * 7_000_000 + b"x", 400, "Extra data"),
        (b'{"inputs": [' + b"[]," * 2_000_000 + b"1]}", 413, "bytes of the body are JSON besides strings"),
        (b'{"inputs": [' + b'{"a":0},' * 900_000 + b"1]}", 413, "more than 256 inputs"),
        (b'{"inputs": [' + b"7," * 100_000 + b"1]}", 413, "more than 135,168 bytes"),
        (b'{"inputs": [' + b"7," * 50_000 + b"1]}", 413, "50,001 inputs; up to 256"),
        (b'{"inputs": ["' + b'\\"' * 1_000_000, 400, "Unterminated string"),
        ({"inputs": ["a"], "model": "m" * 1_000_000}, 422, "there is no 'mmm"),
        ({"inputs": ["a"], "labels": "l" * 1_000_000}, 422, "no label space 'lll"),
        ({"x" * 1_000_000: 1}, 422, "xxx is an unknown key; there are: inputs"),
        ({"a\nb": 1}, 422, "#/a\\nb is an unknown key"),
        ([], 422, "the body must be an object such as"),
        (None, 422, "not null"),
        ("text", 422, "not a string"),
        ({}, 422, "#/inputs is missing"),
        ({"input": ["a"]}, 422, "#/input is an unknown key; there are: inputs, model, labels"),
        ({"inputs": "a"}, 422, "inputs must be a list, not a string"),
        ({"inputs": []}, 422, "inputs must not be empty"),
        ({"inputs": ["a", 7]}, 422, "#/inputs/1 must be a string, not a number"),
        ({"inputs": ["a", None]}, 422, "#/inputs/1 must be a string, not null"),
        ({"inputs": ["a"], "model": 3}, 422, "model must be a string"),
        ({"inputs": ["a"], "model": "nonsense"}, 422, "model: there is no 'nonsense'; there are: text-carer"),
        ({"inputs": ["a"], "model": "face"}, 422, "model: face reads face; here there are: text-carer"),
        ({"inputs": ["a"], "labels": "nonsense"}, 422, "no label space 'nonsense'; text-carer answers in: carer6"),
        ({"inputs": ["a"], "labels": "fer7"}, 422, "no map from carer6 to fer7; text-carer answers in: carer6, ekman7"),
        ({"inputs": ["a"], "labels": ["ekman7"]}, 422, "labels must be a string"),
        ({"inputs": [" ", ""]}, 422, "#/inputs/0: text is empty"),
        ({"inputs": ["x" * 100_001]}, 422, "100,000"),
        ({"inputs": ["a"] * 257}, 413, "257 inputs; up to 256"),
        ({"inputs": ["x" * 90_000] * 4}, 413, "count as 1,408 (each 256 characters of a text"),
    ],
)
def test_bad_json(server: Server, document: Any, status: int, detail: str) -> None:
    start = time.perf_counter()
    answer = server.post("/v1/text", document)
    assert detail in answer.problem(status)
    assert len(answer.body) < 1000  # little of what came is quoted
    assert time.perf_counter() - start < 5


def test_every_bad_input_is_named(server: Server) -> None:
    answer = server.post("/v1/text", {"inputs": ["fine", 1, "fine", []]})
    answer.problem(422)
    assert answer.json()["errors"] == [
        {"where": "#/inputs/1", "detail": "must be a string, not a number"},
        {"where": "#/inputs/3", "detail": "must be a string, not a list"},
    ]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (None, "Content-Type is missing"),
        ("text/plain", "Content-Type is text/plain: application/json or multipart/form-data is needed"),
        ("image/png", "Content-Type is image/png"),
        ("application/x-www-form-urlencoded", "Content-Type is application/x-www-form-urlencoded"),
    ],
)
def test_another_content_type(server: Server, kind: str | None, detail: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert detail in server.request("POST", "/v1/text", b'{"inputs": ["a"]}', headers).problem(415)


def test_a_packed_body(server: Server) -> None:
    bomb = zlib.compress(b'{"inputs": ["' + b"a" * 10_000_000 + b'"]}')
    assert "Content-Encoding" in server.post("/v1/text", bomb, {"Content-Encoding": "deflate"}).problem(415)


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 422, "there is no field file"),
        (b"hello", 400, ""),
        (form([("a.png", b"")]), 422, "file[0]: the file is empty"),
        (form([("a.txt", b"no picture at all")]), 422, "file[0]: the file is no picture of the kinds"),
        (form([], [("file", "a.png")]), 422, "file[0] must be a file (with curl: -F file=@NAME)"),
        (form([], [("model", "face")]), 422, "there is no field file"),
        (form([("a.png", b"x")], [("colour", "red")]), 422, "unknown field 'colour'"),
        (form([("a.png", b"x")], [("model", "text-carer")]), 422, "text-carer reads text"),
        (form([("a.png", b"x")])[:-30], 422, "there is no field file"),  # a part without an end is none
        (form([(f"{n}.png", b"x") for n in range(300)]), 413, "more than 256 inputs"),
        (form([], [("inputs", "x")] * 300), 413, "more than 256 inputs"),
        (form([], [("inputs", "x" * 2_000_000)]), 413, "a field is larger than 1,048,576 bytes"),
        (form([], [("model", "face"), ("model", "face"), ("inputs", "x")]), 422, "model is given twice"),
        (form([("x" * 3000 + ".png", b"x")], [("y" * 3000, "1")]), 422, "unknown field 'yyy"),
        (form([("x" * 3000 + ".png", b"x")]), 422, "file[0]"),
        (form([("x" * 1_000_000 + ".png", b"x")]), 400, "no form"),
        (form([], [("inputs", "x")] * 100_000), 413, "more than 256 inputs"),
    ],
)
def test_bad_forms(server: Server, body: bytes, status: int, detail: str) -> None:
    answer = server.request("POST", "/v1/face", body, FORM)
    assert detail in answer.problem(status)
    assert len(answer.body) < 1000


def test_a_form_in_a_charset_that_takes_quadratic_time(server: Server) -> None:
    body = form([], [("inputs", "x" * 1_000_000)])
    kind = f"multipart/form-data; charset=punycode; boundary={BOUNDARY}"
    assert "charset" in server.request("POST", "/v1/text", body, {"Content-Type": kind}).problem(415)


def test_a_text_that_unfolds_counts_as_it_is_read(server: Server) -> None:
    long = "\N{LOUDLY CRYING FACE}" * 1000  # 18 characters and a space each
    assert server.post("/v1/text", {"inputs": [long]}).status == 200
    assert "count as 3,750" in server.post("/v1/text", {"inputs": [long] * 50}).problem(413)
    assert "100,000 characters" in server.post("/v1/text", {"inputs": [long * 10]}).problem(422)


def test_a_form_without_a_boundary(server: Server) -> None:
    server.request("POST", "/v1/face", form([("a.png", b"x")]), {"Content-Type": "multipart/form-data"}).problem(400)


def test_bad_base64(server: Server) -> None:
    answer = server.post("/v1/face", {"inputs": ["kein base64!", "data:,%"]})
    assert "#/inputs/0 must be a file in base64" in answer.problem(422)
    assert [error["where"] for error in answer.json()["errors"]] == ["#/inputs/0", "#/inputs/1"]


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG by its specification, whatever its data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("picture", "detail"),
    [
        (png(60_000, 60_000), "has 60000 x 60000 pixels; at most 25000000 are read"),
        (png(5001, 5000), "has 5001 x 5000 pixels"),
        (png(200, 200, zlib.compress(bytes(50_000_000), 9)), ""),  # far more data than pixels
        (png(0, 5), ""),
        (b"\xff\xd8\xff" + b"\x00" * 1000, ""),
        (b"GIF89a" + b"\xff" * 20, ""),
    ],
)
def test_pictures_that_are_none_or_too_large(server: Server, picture: bytes, detail: str) -> None:
    answer = server.upload("/v1/face", [("a.png", picture), ("b.png", picture)])
    if answer.status == 200:  # decoded to something: then nothing is in it
        assert not any(result["items"] for result in answer.json()["results"])
    else:
        assert detail in answer.problem(422)
    packed = base64.b64encode(picture).decode()
    assert server.post("/v1/face", {"inputs": [packed]}).status == answer.status


def test_what_json_gives_as_detail_quotes_no_text(server: Server) -> None:
    for document in (b'{"inputs": ["my secret"', json.dumps({"inputs": ["my secret", 4]}).encode()):
        assert b"my secret" not in server.post("/v1/text", document).body
