"""Notebooks, executed without Jupyter: the outputs of each cell, as Jupyter keeps them.

`render` runs the cells of a notebook one after the other in a fresh process, and gives the text of the file with their
outputs: what they print, and the value of the last expression as text and as HTML where it has such a view.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def render(notebook: Path, folder: Path) -> str:
    """The text of a notebook with the outputs of today; its cells run in *folder*."""
    document = json.loads(notebook.read_text("utf-8"))
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, __file__], input=json.dumps(["".join(cell["source"]) for cell in code]), cwd=folder,
        env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    for number, (cell, outputs) in enumerate(zip(code, json.loads(done.stdout), strict=True), 1):
        cell["execution_count"], cell["outputs"] = number, outputs
        for output in outputs:
            if "execution_count" in output:
                output["execution_count"] = number
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def execute(cells: list[str]) -> list[list[dict[str, Any]]]:
    """The outputs of cells, run in one module."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [_outputs(cell, names) for cell in cells]


def _outputs(cell: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    tree, value, printed = ast.parse(cell), None, io.StringIO()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    found: list[dict[str, Any]] = []
    if text := printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = value._repr_html_().splitlines(keepends=True)
        result = {"data": data, "execution_count": None, "metadata": {}, "output_type": "execute_result"}
        found.append(result)
    return found


if __name__ == "__main__":
    print(json.dumps(execute(json.load(sys.stdin))))
