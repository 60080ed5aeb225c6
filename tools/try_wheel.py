"""A first try of an installed mien, for ``make dist``: what it predicts, and how large its environment is.

Run with the Python of a fresh environment that holds mien's wheel and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

LARGEST = 420  # MB of the environment, as du counts


def main() -> int:
    command = [str(Path(sys.prefix, "bin", "mien"))]
    with tempfile.TemporaryDirectory() as folder:
        for words in (["--version"], ["models", "verify"], ["predict", "i feel so loved today"], ["demo"]):
            subprocess.run([*command, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            print("mien", *words, "works")
        predicted = [str(path) for path in sorted(Path(folder, "demo").glob("people*"))]
        print(f"mien demo wrote {len(list(Path(folder, 'demo').iterdir()))} files, pictures: {len(predicted)}")
    used = subprocess.run(["du", "-sm", sys.prefix], check=True, capture_output=True, text=True).stdout.split()[0]
    print(f"size of the small install: {used} MB, at most {LARGEST}")
    return int(used) > LARGEST


if __name__ == "__main__":
    sys.exit(main())
