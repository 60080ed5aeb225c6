"""What reaches a terminal: nothing of an input acts on it, and no message quotes more than 200 characters of one."""

from __future__ import annotations

import ast
import io
import itertools
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.cells import cell_len

import mien
from conftest import cli_env
from face_model import drawn_face, face_model, video_model
from filmed import write_clip
from mien.cli.app import main
from mien.cli.usage import print_entry
from mien.errors import InputError, MienError
from mien.model import read_card, read_manifest, shipped
from mien.output.card import Card
from mien.output.terminal import Terminal
from mien.results import Result
from result_pages import read_page

#: Sets a title, clears the screen, rings, in eight-bit form, turns the writing around, breaks the line.
EVIL = "\x1b]0;owned\x07\x1b[95;7m\x1b[2J\x9b31m\x7f\u202egnp\u2066x\u2028y\r\x00"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")
#: What rich writes itself: colors, and of a progress bar the cursor.
RICH = re.compile(r"\x1b\[([\d;]*m|\d*[AKG]|\?25[lh])|\r")
NAME = EVIL.replace("\x00", "")  # a file's name holds no NUL

Run = Callable[..., str]


def harmless(shown: str) -> str:
    """What is shown, of which nothing acts but what rich writes itself."""
    bare = RICH.sub("", shown)
    assert not ACTS.search(bare), ascii(bare)
    assert "\x1b[95;7m" not in shown, "no color of an input"
    return bare


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process, with the colors of a terminal: all that it shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: object) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, args)])
        with pytest.raises(SystemExit):
            main()
        out, err = capsys.readouterr()
        return out + err

    return run


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_model(tmp_path_factory.mktemp("face") / "model")


def test_a_real_terminal_gets_no_escape_of_an_input(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(f"i am glad {NAME}\n" * 8, "utf-8")
    inside, outside = pty.openpty()
    command = [sys.executable, "-m", "mien.cli", "predict", "t.txt", f"so sad {NAME}", "--model", str(tiny_model)]
    with subprocess.Popen(command, stdin=outside, stdout=outside, stderr=outside, env=cli_env(), cwd=tmp_path) as child:
        os.close(outside)
        shown = b""
        while True:
            try:
                part = os.read(inside, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
    os.close(inside)
    text = harmless(shown.decode())
    assert child.returncode == 0
    assert "\x1b[" in shown.decode(), "it was taken for a terminal"
    assert text.count("\\x1b]0;owned\\x07") >= 8
    assert "\\u202egnp" in text


def test_texts_columns_and_messages_are_shown_escaped(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    how = ("--model", tiny_model)
    for count in (1, 7):
        shown = harmless(run("predict", *[f"so glad {EVIL}"] * count, *how))
        assert shown.count("\\x1b]0;owned\\x07") == count
    (tmp_path / "t.csv").write_text(f"{NAME},b\n1,2\n".replace("\r", ""), "utf-8")
    assert "\\x1b" in harmless(run("predict", "t.csv", *how))
    assert "\\x1b" in harmless(run("predict", "t.csv", "--column", EVIL, *how))
    for option in ("--labels", "--model", "--as", "--engine", f"--{EVIL}"):
        assert "\\x1b" in harmless(run("predict", "glad", option, EVIL))
    assert "\\x1b" in harmless(run(EVIL))
    assert "\\x1b" in harmless(run("predict", f"gone/{NAME}.csv"))
    assert "\\x1b" in harmless(run("predict", "glad", *how, "--out", f"{NAME}.csv"))
    assert "\\x1b" in harmless(run("predict", "glad", *how, "--out", f"{NAME}.exe"))
    assert "\\x1b" in harmless(run("models", "show", NAME))
    assert "\\x1b" in harmless(run("bench", NAME))
    assert "\\x1b" in harmless(run("train", NAME, "--data", f"table:{NAME}.csv"))


def test_a_list_is_folded_behind_its_names_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a text of a good many words that is longer than the line"
    print_entry("name    ", text)
    assert capsys.readouterr().out == f"name     {text}\n", "a file gets one line"
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_entry("name    ", text)
    first, *others = capsys.readouterr().out.splitlines()
    assert max(map(len, (first, *others))) <= 40
    assert all(line.startswith(" " * 9) for line in others)
    assert " ".join([first[9:], *(line.strip() for line in others)]) == text


def test_json_holds_the_characters_and_prints_none(run: Run, tiny_model: Path) -> None:
    shown = run("predict", f"so glad {EVIL}", "--model", tiny_model, "--json")
    assert not ACTS.search(shown)
    assert json.loads(shown)["results"][0]["input"] == f"so glad {EVIL}"


def test_file_names_and_pages_are_shown_escaped(run: Run, face: Path, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), drawn_face(160)[:, :, ::-1])
    for name in (f"<b>{NAME}.png", f"z{NAME}.jpg"):
        (folder / name).write_bytes((tmp_path / "a.png").read_bytes())
    (folder / f"bad{NAME}.png").write_bytes(b"no picture")
    (folder / f"x.{NAME}").touch()
    shown = harmless(run("predict", NAME, "--model", face))
    assert shown.count("\\x1b]0;owned\\x07") >= 3
    assert "\\x1b" in harmless(run("predict", NAME, "--model", face, "--out", "o.html"))
    assert "<b>" not in (tmp_path / "o.html").read_text("utf-8").partition("</style>")[2]
    assert any("<b>\x1b" in result["input"] for result in read_page(tmp_path / "o.html")[1])
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(tmp_path / "a.avi", [np.full((48, 64, 3), 90, np.uint8)] * 4)
    (clips / f"{NAME}.avi").write_bytes((tmp_path / "a.avi").read_bytes())
    (clips / f"bad{NAME}.avi").write_bytes(b"no clip")
    model = video_model(tmp_path / "video")
    for more in ((), ("--out", "o.csv"), ("--out", "o.html")):
        assert "\\x1b" in harmless(run("predict", clips, "--model", model, *more))


def test_what_is_said_of_data_and_models_is_shown_escaped(run: Run, tmp_path: Path, tiny_model: Path) -> None:
    rows = [f"i am glad {NAME},joy", f"i am glad {NAME},fear", f",{EVIL.replace(chr(0), '')}"]
    (tmp_path / "d.csv").write_bytes("\n".join(["text,label", *rows * 2]).encode())
    for verb in ("check", "stats"):
        harmless(run("data", verb, "table:d.csv"))
    assert "\\x1b" in harmless(run("data", "check", f"table:{NAME}.csv"))
    assert "\\x1b" in harmless(run("evaluate", tiny_model, "--data", f"table:d.csv?text={NAME}"))
    model = mien.load(tiny_model)
    from mien.model import write_model

    manifest = model.manifest.model_copy(update={"summary": EVIL})
    files = {name: (tiny_model / name).read_bytes() for name in ("model.onnx", "tokenizer.json")}
    folder = write_model(tmp_path / "stranger", manifest, files, f"# card {EVIL}\n[link](http://x/{NAME}) `{EVIL}`")
    shown = run("models", "show", folder)
    assert "\x1b]8" not in shown, "a link is shown as it is"
    assert "\\x1b]0;owned\\x07" in harmless(shown)


def test_nothing_is_printed_past_the_one_function() -> None:
    package = Path(mien.__file__).parent
    printing = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "Console")
    }
    # a file, and an address of its own
    assert printing <= {"errors.py", "output/terminal.py", "output/shards.py", "serve/server.py"}


# ----------------------------------------------------------------------------------------------- long inputs

LONG = {"a word": "x" * 5000, "base64": "/9j/" + "AbC+/1" * 20_000, "a sentence": "so very " * 5000 + ".txt"}


def quoted_of(message: str, given: str) -> int:
    """How many characters in a row of what was given stand in a message."""
    most, start, ends = 0, 0, given[:4000] + given[-4000:]
    for end in range(1, len(message) + 1):
        while message[start:end] not in ends:
            start += 1
        most = max(most, end - start)
    return most


@pytest.mark.parametrize("given", LONG.values(), ids=LONG)
def test_no_message_quotes_a_long_input(run: Run, tiny_model: Path, given: str) -> None:
    messages = []
    for call in (
        lambda: mien.predict(given, model="face"),
        lambda: mien.predict(Path(given)),
        lambda: mien.predict("glad", model=given),
        lambda: mien.load(given),
        lambda: mien.load(tiny_model).predict(Path(given)),
        lambda: mien.open_dataset(given),
        lambda: mien.open_dataset(f"table:{given}.csv"),
        lambda: mien.load(tiny_model).with_labels(given),
    ):
        with pytest.raises(MienError) as raised:
            call()
        messages.append(str(raised.value))
    how = ("--model", str(tiny_model))
    messages += [str(result.error) for result in mien.predict_many([given, "./" + given], model=str(tiny_model))]
    small = given[:100_000]  # an argument cannot be longer
    messages += [
        run("predict", f"./{small}", *how),
        run("predict", "glad", "--labels", small, *how),
        run("predict", "glad", "--out", f"{small}.csv", *how),
        run("predict", "glad", "--as", small),
        run("predict", small, "--as", "face"),
        run("predict", "glad", *how, "--column", small, "--box", small),
        run("models", "show", small),
        run("evaluate", small, "--data", small),
        run("data", "check", small),
        run(small),
    ]
    assert [quoted_of(message, given) for message in messages if quoted_of(message, given) > 200] == []
    assert max(map(len, messages)) < 5000


def test_errors_keep_what_they_say_and_cut_what_they_quote() -> None:
    short = "a.csv:3 has 2 fields where its header has 3"
    assert str(InputError(short)) == short
    assert InputError(short).args == (short,)
    path = "/".join(["folder"] * 60) + "/name.png"
    assert str(InputError(f"there is no file {path}")).startswith("there is no file folder/folder")
    assert str(InputError(f"there is no file {path}")).endswith("/name.png")
    assert len(str(InputError(f"there is no file {path}"))) < 225
    result = Result("x", "text", "m", error="y" * 10_000)
    assert len(result.error or "") <= 200


def test_what_mien_gives_is_shown_in_one_line(tiny_model: Path, face: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "c.avi", [drawn_face(160)] * 30)
    clip = mien.load(video_model(tmp_path / "video")).predict(tmp_path / "c.avi")
    assert clip.timeline
    text = mien.load(tiny_model).predict("i am glad\nand " * 900)
    data = tmp_path / "d.csv"
    data.write_text("text,label\n" + "i am glad,joy\nso sad,sadness\n" * 10, "utf-8")
    report = mien.evaluate(str(tiny_model), data=f"table:{data}", split="all")
    crowd = mien.load(face).predict(drawn_face(160))
    crowd = replace(crowd, items=crowd.items * 50)
    many: list[object] = [clip, text, text.items[0], report, crowd, clip.people[0], clip.timeline[0], clip.segments[0]]
    many += [mien.open_dataset(f"table:{data}"), Result("x" * 9999, "text", "m", error="no " * 9999)]
    for shown in map(repr, many):
        assert "\n" not in shown
        assert len(shown) < 500, shown
    assert repr(text).startswith("Result('i am glad\\nand i am glad")
    assert "'joy' 0." in repr(text)
    assert repr(report).startswith("Report('tiny', data=")


# ---------------------------------------------------------------------------------------------- emoji, colors


def lab(color: str) -> np.ndarray:
    """A color in CIELAB, after the definition of sRGB."""
    part = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    root = np.cbrt(xyz / np.array([0.9505, 1, 1.089]))
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


FOUND = {
    "folders": ["anger", "happy", "sad", "surprise", "disgust", "shock", "normal"],
    "strong": ["anger", "mad", "rage", "fear", "scared", "sadness", "sorrow", "joy", "joyful", "fun", "astonishment"],
}


@pytest.mark.parametrize("name", [*mien.SPACES, *FOUND])
def test_the_labels_of_a_space_look_different(name: str) -> None:
    from mien.labels import make_space

    space = mien.SPACES[name] if name in mien.SPACES else make_space(name, FOUND[name])
    for one, other in itertools.combinations(space.labels, 2):
        assert one.emoji != other.emoji, (one, other)
        assert np.linalg.norm(lab(one.color) - lab(other.color)) > 10, (one, other)


def test_labels_of_ones_own_have_a_color_of_their_own() -> None:
    from mien.labels import emotion

    colors = [emotion(name).color for name in ("cross", "so-so", "puzzled")]
    assert len(set(colors)) == 3
    assert emotion("cross").color == emotion("Cross").color
    assert emotion("—").color == emotion("").color


@pytest.mark.parametrize("width", [60, 80, 120, 400])
def test_a_card_fits_the_terminal_and_loses_no_figure(width):
    for folder in shipped().values():
        text = read_card(folder, read_manifest(folder))
        console = Terminal(width=width, file=io.StringIO(), highlight=False, emoji=False)
        console.print(Card(text))
        shown = console.file.getvalue()
        assert max(cell_len(line) for line in shown.splitlines()) <= width
        figures = Counter(re.findall(r"\d[\d.,]*\d", "".join(line for line in text.splitlines(True) if line[0] == "|")))
        assert figures.total() > 20
        assert not figures - Counter(re.findall(r"\d[\d.,]*\d", shown))
