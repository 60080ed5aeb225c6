"""Files that are too long: no file of the package has over 400 lines.

python tools/check_size.py [FILE...]    # without files, all of src/mien
"""

from __future__ import annotations

import sys
from pathlib import Path

MOST = 400
ROOT = Path(__file__).parents[1] / "src" / "mien"
ENDINGS = (".py", ".js", ".css", ".html", ".j2", ".yaml")


def too_long(paths: list[Path]) -> list[str]:
    """A line for each file that is."""
    counted = {path: len(path.read_bytes().splitlines()) for path in paths if path.suffix in ENDINGS}
    return [f"{path}: {lines} lines, {MOST} at most: split it" for path, lines in counted.items() if lines > MOST]


if __name__ == "__main__":
    found = too_long([Path(name) for name in sys.argv[1:]] or sorted(ROOT.rglob("*")))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
