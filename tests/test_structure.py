"""The layout of the package: short files, few at the top, and no code that asks for one modality by its name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mien
from check_size import too_long

PACKAGE = Path(mien.__file__).parent
MODALITIES = {"text", "face", "video", "scene", "features", "voice"}
KINDS = {"kind", "reads", "boxes", "unit"}  # fields of each modality that have such words, too


def branches(path: Path) -> Iterator[int]:
    """Lines of a file that compare with a modality's name, or look something up by it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(getattr(side, "id", getattr(side, "attr", "")) in KINDS for side in sides):
                continue
            parts = [part for side in sides for part in (getattr(side, "elts", None) or [side])]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
            if len(named(parts)) < 2:  # one key of that name is a key like others
                continue
        elif isinstance(node, ast.Match):
            parts = [case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)]
        else:
            continue
        if named(parts):
            yield node.lineno


def named(parts: list[ast.expr]) -> list[str]:
    return [part.value for part in parts if isinstance(part, ast.Constant) and part.value in MODALITIES]


def test_no_file_is_over_400_lines() -> None:
    assert too_long(sorted(PACKAGE.rglob("*"))) == []


def test_few_files_lie_at_the_top() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 14


def test_no_code_asks_for_a_modality_by_name() -> None:
    """What differs is a field of `mien.modality.Modality`."""
    files = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    others = (path for path in files if path.parts[0] not in ("modalities", "modality"))
    found = Counter({str(path): len(list(branches(PACKAGE / path))) for path in others})
    assert +found == Counter()
