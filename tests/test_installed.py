"""The licence gate and the CycloneDX list, as ``make lint`` and ``make sbom`` run them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from conftest import cli_env

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CORE = [re.match(r"[\w-]+", line)[0].lower() for line in PROJECT["dependencies"]]


def tool(verb: str, before: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = cli_env()
    if before:
        env["PYTHONPATH"] = f"{before}:{env.get('PYTHONPATH', '')}"
    command = [sys.executable, str(ROOT / "tools" / "installed.py"), verb]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60)


def test_the_licences_of_what_is_installed_are_allowed() -> None:
    done = tool("licences")
    assert done.returncode == 0, done.stderr
    assert "all allowed" in done.stdout


@pytest.mark.parametrize(
    ("metadata", "refused"),
    [
        ("License-Expression: GPL-3.0-only", "GPL-3.0-only"),
        ("License-Expression: MIT AND GPL-2.0-or-later", "MIT AND GPL-2.0-or-later"),
        ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3", "GNU Affero"),
        ("License: Mitigated Source License", "Mitigated Source License"),
        ("License: MIT AND GPL-3.0", "MIT AND GPL-3.0"),
        ("Summary: states none", "unknown"),
        ("License-Expression: GPL-3.0-only OR MIT", ""),
        ("Classifier: License :: OSI Approved :: MIT License", ""),
    ],
)
def test_a_licence_that_is_not_on_the_list_is_refused(metadata: str, refused: str, tmp_path: Path) -> None:
    facts = tmp_path / "typer-99.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.4\nName: typer\nVersion: 99\n{metadata}\n")
    done = tool("licences", tmp_path)
    told = [line for line in done.stderr.splitlines() if "not allowed" in line]
    assert done.returncode == bool(refused)
    assert len(told) == bool(refused)
    assert not refused or told[0].startswith(f"licence not allowed: typer: {refused}")


def test_the_list_is_cyclonedx_and_holds_every_core_dependency() -> None:
    """Against the form in CycloneDX's specification: https://cyclonedx.org/docs/1.6/json/."""
    document = json.loads(tool("sbom").stdout)
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", document["serialNumber"])
    parts = {part["name"]: part for part in document["components"]}
    assert len(parts) == len(document["components"])
    for name in CORE:
        part = parts[name]
        assert (part["type"], part["version"]) == ("library", version(name))
        assert part["purl"] == part["bom-ref"] == f"pkg:pypi/{name}@{version(name)}"
        assert part["licenses"][0]["license"]["name"]
    assert {"torch", "fastapi", "xgboost-cpu"} <= parts.keys()
    assert parts.keys().isdisjoint({"pytest", "ruff", "mypy"})
    refs = {part["bom-ref"] for part in parts.values()} | {document["metadata"]["component"]["bom-ref"]}
    assert {entry["ref"] for entry in document["dependencies"]} == refs
    assert {ref for entry in document["dependencies"] for ref in entry["dependsOn"]} <= refs
