"""Requests: JSON, forms and WebSocket messages to the server's application; a file holds one, as JSON."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from random import Random
from typing import Any

from fuzz import Case, Finding, child
from fuzz.asgi import Answer, Client
from fuzz.bend import bend, number
from fuzz.kinds import clips, pictures
from fuzz.words import text

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 5.0, 10.0, 250.0, 60.0
_BLOCKED = 1.5  # seconds without a turn for others; 250 ms is promised, on a machine of its own
_BOUNDARY = "edge-of-the-fuzzer"
_PATHS = (
    "/v1/text",
    "/v1/text",
    "/v1/text",
    "/v1/face",
    "/v1/scene",
    "/v1/video",
    "/v1/models",
    "/v1/models/text-carer",
    "/v1/live",
    "/",
    "/healthz",
    "/openapi.json",
    "/v1/models/../../etc/passwd",
    "/v1/nothing",
    "/metrics",
)
_client: Client


def prepare() -> None:
    global _client  # noqa: PLW0603
    from mien.serve import create_app
    from mien.serve.settings import ServeSettings

    logging.disable(logging.CRITICAL)
    pictures.prepare()
    clips.prepare()
    settings = ServeSettings(
        models=("text-carer", "face"), max_body_mb=4, max_json_mb=2, max_megapixels=1, max_inputs=50, max_clip_work_s=2
    )
    _client = Client(create_app(settings))
    for path, content in (
        ("/v1/text", "i am so happy"),
        ("/v1/face", _in_base64(pictures.seed("png", "RGB", 64, 48, 0))),
    ):
        body = json.dumps({"inputs": [content]}).encode()
        _client.request("POST", path, [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json")], [body])


def _in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def check(path: Path) -> bool:
    case = json.loads(path.read_bytes())
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in case["headers"]]
    parts = [base64.b64decode(part) for part in case["parts"]]
    query = case["query"].encode("latin-1")
    if case["live"]:
        messages = [
            part.decode("utf-8", "replace") if text_ else part for part, text_ in zip(parts, case["texts"], strict=True)
        ]
        answer = _client.live(case["path"], headers, messages, query)
        for message in answer.messages:
            json.loads(message)
    else:
        answer = _client.request(case["method"], case["path"], headers, parts, query)
    return _check_answer(case, answer)


def _check_answer(case: dict[str, Any], answer: Answer) -> bool:
    if answer.blocked > _BLOCKED:
        raise Finding(f"nothing else could run for {answer.blocked:.2f} s")
    if answer.status in (500, 1011) or (not answer.status and not answer.messages and not case["live"]):
        raise Finding(f"answered {answer.status}: {answer.body[:200]!r}")
    kind = answer.headers.get("content-type", "")
    if "json" in kind and case["method"] != "HEAD":
        document = json.loads(answer.body)
        json.dumps(document, allow_nan=False)
        if answer.status >= 400:
            if kind != "application/problem+json" or document.get("status") != answer.status:
                raise Finding(f"{answer.status} is no problem of RFC 9457: {answer.body[:200]!r}")
            child.check_line(document["detail"])
        for result in document.get("results", ()) if isinstance(document, dict) else ():
            if result.get("error"):
                child.check_line(result["error"])
    elif 400 <= answer.status < 1000 and case["method"] != "HEAD" and "range" not in dict(case["headers"]):
        raise Finding(f"{answer.status} comes as {kind!r}")
    return 0 < answer.status < 400 or bool(answer.messages)


# ----------------------------------------------------------------------------------------------------------- making


def _content(rng: Random, path: str) -> bytes:
    """A picture, a clip or a text."""
    if path == "/v1/video" and rng.random() < 0.7:
        return clips.make(rng).data
    if path in ("/v1/face", "/v1/scene", "/v1/live", "/v1/video") or rng.random() < 0.05:
        return pictures.make(rng).data
    return text(rng, plain=False).encode("utf-8", "surrogatepass")


def _json_body(rng: Random, path: str) -> bytes:
    def one() -> Any:
        if rng.random() < 0.15:
            return rng.choice((None, 1, [], {}, True, 1.5, "", [["x"]], "data:,", "data:image/png;base64,!!", "=" * 99))
        if path == "/v1/text":
            return text(rng, plain=False)
        return rng.choice(("", "", "data:image/png;base64,")) + _in_base64(_content(rng, path))

    what = rng.random()
    if what < 0.06:
        numbers = rng.choice((b"1,", b"[],", b"{},", b'"",', b"-", b"[", b'{"a":')) * rng.choice((100, 3000, 300_000))
        return b'{"inputs": [' + numbers + b"0]}"
    if what < 0.1:
        count = rng.choice((49, 50, 51, 5000))
        return json.dumps({"inputs": [text(rng)] * count}).encode("utf-8", "surrogatepass")
    if what < 0.12:
        sign = rng.choice(("\u0301", "\u0340\u0315", "\ufdfa", "a ", "👍", "(", "\u1112\u1161"))
        return json.dumps({"inputs": [sign * 99_000 if rng.random() < 0.7 else sign * 3_000]}).encode()
    document: dict[str, Any] = {"inputs": [one() for _ in range(rng.choice((1, 1, 2, 5)))]}
    if rng.random() < 0.3:
        document["model"] = rng.choice(("text-carer", "face", "text", "", None, 3, "../x", text(rng, plain=False)))
    if rng.random() < 0.2:
        document["labels"] = rng.choice(("ekman7", "carer6", "fer7", "", None, [], text(rng, plain=False)))
    if rng.random() < 0.1:
        document[text(rng)] = number(rng)
    if rng.random() < 0.05:
        document["inputs"] = rng.choice((None, {}, "x", 3, []))
    body = json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return bend(rng, body) if rng.random() < 0.25 else body


def _form_body(rng: Random, path: str) -> bytes:
    made = b""
    for _ in range(rng.choice((1, 1, 2, 6, 60))):
        name = rng.choice(("file", "file", "inputs", "model", "labels", text(rng)))
        file = rng.choice(
            (
                "",
                '; filename="a.jpg"',
                '; filename="../../x.mp4"',
                f'; filename="{text(rng)}"',
                "; filename*=UTF-8''%00",
            )
        )
        head = f'Content-Disposition: form-data; name="{name}"{file}'.replace("\n", " ").replace("\r", " ")
        kind = rng.choice(
            ("", "\r\nContent-Type: image/jpeg", "\r\nContent-Type: text/plain; charset=utf-16", "\r\nX: " + "y" * 9000)
        )
        made += f"--{_BOUNDARY}\r\n{head}{kind}\r\n\r\n".encode("utf-8", "replace") + _content(rng, path) + b"\r\n"
    made += b"--" + _BOUNDARY.encode() + b"--\r\n"
    return bend(rng, made) if rng.random() < 0.3 else made


def make(rng: Random) -> Case:
    path = rng.choice(_PATHS)
    live = path == "/v1/live" and rng.random() < 0.9
    form = rng.random() < 0.4
    kind = f"multipart/form-data; boundary={_BOUNDARY}" if form else "application/json"
    if rng.random() < 0.07:
        kind = rng.choice(
            (
                "",
                "text/plain",
                "multipart/form-data",
                "multipart/form-data; boundary=",
                "application/json; charset=utf-16",
            )
        )
    host = (
        "127.0.0.1:8000" if rng.random() < 0.95 else rng.choice(("evil.example", "", "[::1]", "127.0.0.1.evil", "a b"))
    )
    headers = [["host", host], ["content-type", kind]]
    if rng.random() < 0.15:
        name = rng.choice(
            (
                "content-length",
                "content-encoding",
                "origin",
                "authorization",
                "x-api-key",
                "range",
                "x-request-id",
                "expect",
                "transfer-encoding",
                "accept",
                "if-modified-since",
            )
        )
        headers.append(
            [
                name,
                rng.choice(
                    ("", "gzip", "-1", "9" * 30, "null", "https://evil.example", "x" * 5000, "bytes=0-1,5-", "é")
                ),
            ]
        )
    if live:
        frames = [_content(rng, path) for _ in range(rng.choice((0, 1, 2, 9)))]
        parts, texts = frames, [rng.random() < 0.1 for _ in frames]
    else:
        body = (_form_body if form else _json_body)(rng, path) if path.startswith("/v1/") else b""
        cut = rng.randrange(len(body) + 1) if rng.random() < 0.3 else len(body)
        parts, texts = [body[:cut], body[cut:]], []
    post = path in ("/v1/text", "/v1/face", "/v1/scene", "/v1/video")
    method = "POST" if post else "GET"
    if rng.random() < 0.05:
        method = rng.choice(("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "BREW"))
    query = rng.choice(
        (
            "",
            "",
            "",
            "smooth=nan",
            "smooth=1e400&model=face",
            "model=%00",
            "labels=ekman7",
            "labels=x",
            "smooth=-1",
            "%ff=%",
        )
    )
    case = {
        "method": method,
        "path": path,
        "query": query,
        "headers": headers,
        "live": live,
        "texts": texts,
        "parts": [_in_base64(part) for part in parts],
    }
    return Case("request.json", json.dumps(case).encode())
