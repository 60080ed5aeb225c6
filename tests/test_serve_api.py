"""The HTTP API over a real socket: the same JSON as the command line, whatever way the inputs come."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest
from websockets.sync.client import connect

from conftest import RunCli
from face_model import drawn_face
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings
from mien.serve.schemas import VISIBLE
from serving import serving, until

if TYPE_CHECKING:
    from serving import Server

TEXTS = ["i feel so loved today", "", "i am furious about it 😠", "naïve — “quoted” \ud800 end"]


@pytest.fixture(scope="module")
def photo() -> bytes:
    return cv2.imencode(".png", drawn_face(240)[:, :, ::-1])[1].tobytes()


def from_cli(run_cli: RunCli, *args: object) -> Any:
    return json.loads(run_cli("predict", *args, "--json").stdout)


def test_texts_give_what_the_command_line_gives(server: Server, run_cli: RunCli) -> None:
    answer = server.post("/v1/text", {"inputs": TEXTS[:3]})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == from_cli(run_cli, *TEXTS[:3], "--model", "text-carer", "--as", "text")
    assert answer.json()["results"][1]["error"] == "text is empty"
    rolled = server.post("/v1/text", {"inputs": TEXTS[:1], "labels": "ekman7", "model": "text-carer"})
    assert rolled.json() == from_cli(run_cli, TEXTS[0], "--model", "text-carer", "--labels", "ekman7")


def test_every_text_comes_back_as_it_was_sent(server: Server) -> None:
    results = server.post("/v1/text", {"inputs": TEXTS}).json()["results"]
    assert [result["input"] for result in results] == TEXTS  # half a surrogate pair too


def test_a_form_of_texts_gives_what_json_gives(server: Server) -> None:
    by_json = server.post("/v1/text", {"inputs": ["i am glad", "so scared"], "labels": "ekman7"})
    form = server.upload("/v1/text", [("b.txt", b"so scared")], [("inputs", "i am glad"), ("labels", "ekman7")])
    assert form.json() == by_json.json()


def test_pictures_give_what_the_command_line_gives(
    server: Server, run_cli: RunCli, photo: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(photo)
    (tmp_path / "b.png").write_bytes(photo[: len(photo) // 2])
    expected = from_cli(run_cli, "a.png", "b.png")
    answer = server.upload("/v1/face", [("a.png", photo), ("b.png", (tmp_path / "b.png").read_bytes())])
    assert answer.status == 200
    document = answer.json()
    assert document["results"][0] == expected["results"][0]
    assert len(document["results"][0]["items"]) == 1
    assert document["results"][1]["input"] == "b.png"
    assert "cut off" in document["results"][1]["error"]
    heads = server.upload("/v1/face", [("a.png", photo)], [("labels", "ferplus8")]).json()
    assert heads == from_cli(run_cli, "a.png", "--labels", "ferplus8")


def test_pictures_come_in_base64_too(server: Server, photo: bytes) -> None:
    packed = base64.b64encode(photo).decode()
    answer = server.post("/v1/face", {"inputs": [packed, f"data:image/png;base64,{packed}"]}).json()
    plain = server.upload("/v1/face", [("inputs[0]", photo), ("inputs[1]", photo)]).json()
    assert answer == plain


def test_many_clients_get_their_own_answers(server: Server) -> None:
    words = ["sad", "happy", "loved", "angry", "scared", "amazed"]
    before = server.metric("mien_batch_inputs_count", model="text-carer")

    def ask(number: int) -> None:
        texts = [f"i am so {words[(number + k) % 6]} {number}-{k}" for k in range(number % 4 + 1)]
        results = server.post("/v1/text", {"inputs": texts}).json()["results"]
        assert [result["input"] for result in results] == texts
        alone = server.post("/v1/text", {"inputs": texts[:1]}).json()["results"]
        assert results[0]["label"] == alone[0]["label"]
        assert results[0]["score"] == pytest.approx(alone[0]["score"], abs=0.02)  # 8-bit: batches differ a little

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(64)))
    assert server.metric("mien_batch_inputs_count", model="text-carer") - before < 128


def test_models_say_what_they_are(server: Server) -> None:
    models = server.get("/v1/models").json()["models"]
    assert [(model["name"], model["modality"], model["default"]) for model in models] == [
        ("text-carer", "text", True),
        ("face", "face", True),
    ]
    assert models[0]["labels"][0] == {"name": "sadness", "emoji": "😢", "color": models[0]["labels"][0]["color"]}
    assert models[0]["spaces"] == ["carer6", "ekman7"]
    assert models[1]["spaces"][:2] == ["fer7", "ferplus8"]
    card = server.get("/v1/models/face").json()
    assert card["card"].startswith("# face")
    assert {key: card[key] for key in models[1]} == models[1]
    assert "there are: text-carer, face" in server.get("/v1/models/nonsense").problem(404)


def test_names_that_are_not_known_are_quoted_in_short(server: Server) -> None:
    name = "x" * 50_000
    found = [
        server.get(f"/v1/models/{name}").problem(404),
        server.post("/v1/text", {"inputs": ["glad"], "model": name}).problem(422),
        server.post("/v1/text", {"inputs": ["glad"], "labels": name}).problem(422),
    ]
    for detail in found:
        assert detail.count("x" * 80) == 1
        assert len(detail) < 400


def test_health_and_metrics(server: Server) -> None:
    assert server.get("/healthz").json() == {"status": "ok"}
    assert server.get("/readyz").json() == {"status": "ready"}
    before = server.metric("mien_inputs_total", model="text-carer")
    server.post("/v1/text", {"inputs": ["i am glad", "so sad"]})
    assert server.metric("mien_inputs_total", model="text-carer") == before + 2
    assert server.metric("mien_requests_total", route="/v1/text", method="POST", status="200") >= 1
    assert server.metric("process_resident_memory_bytes") > 0
    assert server.get("/metrics").headers["content-type"].startswith("text/plain")


def test_wrong_addresses_and_methods(server: Server) -> None:
    assert "nothing at this address" in server.get("/v1/nonsense").problem(404)
    # No redirection: behind a proxy with TLS it would lead to http://, and texts go there in the clear.
    assert "nothing at this address" in server.post("/v1/text/", {"inputs": ["glad"]}).problem(404)
    answer = server.get("/v1/text")
    answer.problem(405)
    assert answer.headers["allow"] == "POST"
    assert "no model that reads scene is served" in server.upload("/v1/scene", [("a.png", b"x")]).problem(404)


def test_the_page_may_load_nothing_from_elsewhere(server: Server) -> None:
    answer = server.get("/")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "http://" not in answer.body.decode()
    assert "https://" not in answer.body.decode()
    head = server.request("HEAD", "/")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", answer.headers["content-length"])
    server.get("/../settings.py").problem(404)
    server.get("/%2e%2e/settings.py").problem(404)


def test_the_log_has_no_words_of_anyone(server: Server, photo: bytes) -> None:
    server.post("/v1/text", {"inputs": ["confidential-text"], "model": "confidential-model"})
    server.upload("/v1/face", [("confidential-name.png", photo)])
    server.get("/confidential-path?q=confidential-query")
    until(lambda: server.log()[-1]["route"] == "-")  # a line is written once the answer is out
    assert "confidential" not in server.log_file.read_text()
    lines = [line for line in server.log() if line["event"] == "request"]
    assert lines[-1]["status"] == 404
    assert (lines[-2]["route"], lines[-2]["model"], lines[-2]["inputs"]) == ("/v1/face", "face", 1)
    assert lines[-2]["bytes_in"] > len(photo)


def test_every_address_of_the_server_has_its_route_in_the_log(server: Server) -> None:
    misdirected = {"Content-Type": "application/json", "Host": "other.example"}
    asked: list[tuple[str, str, int, str, dict[str, str]]] = [
        *(("GET", path, 200, path, {}) for path in ("/", "/client.js", "/openapi.json")),
        ("POST", "/v1/text", 421, "/v1/text", misdirected),
        ("GET", "/nothing", 404, "-", {}),
    ]
    for method, path, status, route, headers in asked:
        before = len(server.log())
        assert server.request(method, path, b"" if method == "POST" else None, headers).status == status
        until(lambda: len(server.log()) > before)  # noqa: B023  # a line is written after its answer
        assert [line["route"] for line in server.log()[before:]] == [route]
    assert server.metric("mien_requests_total", route="/client.js", status="200") > 0


def test_the_document_describes_what_there_is(server: Server, photo: bytes) -> None:
    import jsonschema_rs

    document = server.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/text", "/v1/face", "/v1/models", "/v1/models/{name}", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip

    def check(answer: Any, path: str, method: str) -> None:
        described = document["paths"][path][method]["responses"][str(answer.status)]["content"]
        schema = described[answer.headers["content-type"].partition(";")[0]]["schema"]
        jsonschema_rs.validate({**schema, "components": document["components"]}, answer.json())

    check(server.post("/v1/text", {"inputs": TEXTS}), "/v1/text", "post")
    check(server.upload("/v1/face", [("a.png", photo)]), "/v1/face", "post")
    check(server.post("/v1/text", {"inputs": [""]}), "/v1/text", "post")
    check(server.post("/v1/text", b"{"), "/v1/text", "post")
    check(server.get("/v1/models"), "/v1/models", "get")
    check(server.get("/v1/models/face"), "/v1/models/{name}", "get")
    check(server.get("/v1/models/none"), "/v1/models/{name}", "get")
    assert "ValidationError" not in json.dumps(document)  # the framework's own form of errors is never sent
    example = document["paths"]["/v1/text"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert server.post("/v1/text", example).status == 200


@pytest.mark.parametrize("apostrophes", [False, True])
def test_the_pattern_of_texts_is_what_is_read(tiny_model: Path, apostrophes: bool) -> None:
    import jsonschema_rs

    settings = TextSettings(drop_apostrophes=apostrophes)
    prepare = TextPreprocessor.from_file(tiny_model / "tokenizer.json", settings).prepare
    takes = jsonschema_rs.validator_for({"type": "string", "pattern": VISIBLE}).is_valid
    for text in ("123", "😡😡", "!?", "…", "愛", " i ", "'", "' '", "’"):
        assert prepare(text), text
        assert takes(text), text
    for text in ("", " \t\n", "\u200b\u200d", "\x00\x1b", "\xad", "\u3000", "\ue000"):
        assert not prepare(text), text
        assert not takes(text), text
    known = unicodedata.ucd_3_2_0.category  # of old: what came later is new to some
    letters = [chr(code) for code in range(0x20000) if known(chr(code)) not in ("Cn", "Cs")]
    parts = {c for c in letters if takes(c) and not prepare(c)}
    assert parts <= {c for c in letters if known(c) in ("Mn", "Sk") and c > "\u2190"}
    assert not [c for c in letters if prepare(c) and not takes(c)]
    assert len(parts) < len(letters) / 500


@pytest.mark.parametrize(
    "options",
    [
        # What is valid by form need not be a picture, and a form turns whatever it is given into text.
        ["--exclude-checks", "positive_data_acceptance,negative_data_rejection"],
        ["--include-path", "/v1/text", "--checks", "positive_data_acceptance", "--mode", "positive"],
    ],
)
def test_schemathesis_finds_nothing(server: Server, tmp_path: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1", "--no-color", *options]
    command += ["--suppress-health-check", "too_slow"]  # of making data, on a machine that has more to do
    if "--checks" not in options:
        command += ["--checks", "all"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout
    assert server.is_well()


def test_scenes_are_rated(run_cli: RunCli, photo: bytes, tmp_path: Path) -> None:
    """With the shipped model, which gives ratings and no labels: in a form, in JSON, live, and what it says it is."""
    (tmp_path / "a.png").write_bytes(photo)
    expected = from_cli(run_cli, "a.png", "--as", "scene")
    with serving("--model", "scene") as server:
        form = server.upload("/v1/scene", [("a.png", photo), ("b.png", b"none")]).json()
        assert form["model"] == "scene"
        assert form["results"][0] == expected["results"][0]
        assert "no picture" in form["results"][1]["error"]
        (item,) = form["results"][0]["items"]
        assert (item["label"], item["scores"], set(item["ratings"])) == (None, {}, {"valence", "arousal"})
        packed = base64.b64encode(photo).decode()
        (by_json,) = server.post("/v1/scene", {"inputs": [packed], "model": "scene"}).json()["results"]
        assert by_json["items"] == form["results"][0]["items"]
        assert "scene answers in: affect" in server.post("/v1/scene", {"inputs": [packed], "labels": "ekman7"}).problem(
            422
        )
        (told,) = server.get("/v1/models").json()["models"]
        assert (told["name"], told["labels"], told["spaces"]) == ("scene", [], ["affect"])
        assert told["ratings"] == [{"name": name, "low": 1, "high": 7} for name in ("valence", "arousal")]
        assert "822 adults" in server.get("/v1/models/scene").json()["card"]
        with connect(f"ws://127.0.0.1:{server.port}/v1/live") as client:
            client.send(photo)
            frame = json.loads(client.recv(30))
        assert (frame["people"], frame["results"][0]["items"]) == ([1], form["results"][0]["items"])
