"""The same application on Ray Serve, where Ray is installed."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys

import pytest

from conftest import cli_env
from mien.errors import MissingExtra
from mien.serve.scale import application

HAS_RAY = importlib.util.find_spec("ray") is not None

PROGRAM = """
import json, urllib.error, urllib.request
import ray
from ray import serve
from mien.serve.scale import application

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
serve.start(http_options={"port": PORT, "host": "127.0.0.1"}, logging_config={"log_level": "ERROR"})
serve.run(application({"models": "text-carer", "replicas": "2", "cpus": "0.5", "max_inputs": "3"}), route_prefix="/")


def ask(inputs):
    request = urllib.request.Request(
        "http://127.0.0.1:PORT/v1/text", json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"}
    )
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.HTTPError as error:
        return json.load(error)


print(json.dumps([ask(["i am so happy"]), ask([""] * 4)]), flush=True)
serve.shutdown()
ray.shutdown()
"""


def test_settings_are_checked_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="colour"):
        application({"colour": "red"})
    with pytest.raises(ValueError, match="max_inputs"):
        application({"max_inputs": 0})


@pytest.mark.skipif(HAS_RAY, reason="Ray is here")
def test_without_ray_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match='this needs ray: install mien with the extra "scale"'):
        application({})


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="Ray (the extra scale) is not installed")
def test_two_replicas_answer_as_one_server_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM.replace("PORT", str(port))]
    done = subprocess.run(command, env=cli_env(), capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    good, bad = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith("[{"))  # Ray writes too
    assert good["results"][0]["label"] == "joy"
    assert bad["status"] == 413
    assert "up to 3 are taken" in bad["detail"]
