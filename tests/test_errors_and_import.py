"""What importing mien costs and shows, and where the heavy libraries may stand."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mien
from conftest import cli_env
from mien import errors
from mien.errors import MienError, MissingExtra, require

PACKAGE = Path(mien.__file__).parent
HEAVY = ("torch", "onnxruntime", "cv2", "pandas", "sklearn", "pydantic", "rich", "numpy", "lightning", "transformers")


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after *code*."""
    program = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=cli_env())
    return set(done.stdout.split())


def test_importing_mien_loads_nothing_heavy() -> None:
    assert loaded_after("import mien").isdisjoint(HEAVY)


def test_predicting_loads_no_training_library(tiny_model: Path) -> None:
    loaded = loaded_after(f"import mien\nassert mien.load({str(tiny_model)!r}).predict('i am glad').label == 'joy'")
    assert loaded.isdisjoint(
        {"torch", "lightning", "sklearn", "pandas", "pyarrow", "matplotlib", "transformers", "onnx"}
    )
    assert "onnxruntime" in loaded


def test_a_text_loads_nothing_that_reads_pictures_or_data_sets(tiny_model: Path) -> None:
    program = "import sys; from mien.cli.app import app; app(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    command = [sys.executable, "-c", program, "predict", "i am glad", "--model", str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=cli_env())
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "mien.modalities.text" in loaded
    assert loaded.isdisjoint({"mien.datasets", "mien.media.images", "mien.media.clips", "PIL", "av", "statistics"})


def test_predicting_leaves_no_traces_and_reports_to_nobody(tmp_path: Path) -> None:
    """ONNX Runtime would report its use: it keeps an identifier in ~/.cache, and one among the temporary files."""
    kept = {name: value for name, value in cli_env().items() if name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV")}
    homes = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "USERPROFILE")}
    code = "import mien; mien.predict('i am glad', model='text-carer'); import time; time.sleep(0.5)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**kept, **homes}, cwd=tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_the_public_names_are_those_there_are() -> None:
    assert sorted(mien.__all__) == dir(mien)
    assert len(mien.__all__) == len(set(mien.__all__))
    namespace: dict[str, object] = {}
    exec("from mien import *", namespace)
    assert set(mien.__all__) <= set(namespace)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        mien.nonsense  # noqa: B018


def test_every_public_name_says_what_it_is() -> None:
    named = {name: getattr(mien, name) for name in mien.__all__ if name not in ("SPACES", "__version__")}
    for name, value in named.items():
        assert inspect.getdoc(value), name
        if inspect.isclass(value):
            members = (member for own, member in vars(value).items() if not own.startswith("_"))
            documented = (member for member in members if inspect.isfunction(member) or isinstance(member, property))
            assert all(inspect.getdoc(member) for member in documented), name


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere in it, those for type checking alone left out."""
    tree = ast.parse(path.read_text("utf-8"))
    typing = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_torch_stays_in_the_training_corner() -> None:
    strangers = {"torch", "lightning", "transformers", "onnx", "sklearn"}
    users = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := strangers & {name.partition(".")[0] for name in imports(path)})
    }
    assert "networks/gru.py" in users, "the walk finds what is there"
    outside = {path for path in users if Path(path).parts[0] not in ("networks", "training")}
    assert not outside


def test_nothing_reaches_for_the_network() -> None:
    reaching = {"requests", "urllib.request", "http.client", "socket", "huggingface_hub", "httpx", "httpx2", "aiohttp"}
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if reaching & set(imports(path))}
    assert found <= {"serve/server.py"}  # it listens


def test_nothing_unpickles_but_the_safe_reader() -> None:
    pickling = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
    assert {path.name for path in PACKAGE.rglob("*.py") if pickling & set(imports(path))} <= {"pickles.py"}


def test_every_module_says_what_it_is() -> None:
    assert [p for p in PACKAGE.rglob("*.py") if not ast.get_docstring(ast.parse(p.read_text("utf-8")))] == []


def test_every_error_stands_in_the_tree_and_is_a_mien_error() -> None:
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert kinds == {"MienError", "InputError", "DataError", "ModelError", "RecipeError", "ExportError", "MissingExtra"}
    for name in kinds:
        assert name in (errors.__doc__ or "")
        assert issubclass(getattr(errors, name), MienError)
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(MissingExtra, ImportError)


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    assert require("json", "train").__name__ == "json"
    how = r'"train" \(pip install "\.\[train\]" in a checkout, or "mien-.*\.whl\[train\]"\)$'
    with pytest.raises(MissingExtra, match=f"^this needs nonsense: install mien with the extra {how}"):
        require("nonsense.part", "train")
