"""``mien predict --engine ray``: results in parts, made one after the other by a worker in this process.

tests/cluster has them made by Ray.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result as Done
from typer.testing import CliRunner

from conftest import cli_env
from face_model import PLUS, drawn_face, face_model, video_model
from filmed import write_clip
from mien import distributed
from mien.cli import reading
from mien.cli.app import app
from mien.distributed import Job, load_once, make_shard, read_shards
from mien.errors import MienError, how_to_install
from mien.model import verify
from mien.output.rows import RowFormat
from mien.output.shards import RECORD, Plan, Shards, open_shards
from result_pages import read_page
from scene_model import scene_model

Predict = Callable[..., Done]


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers change the folder and OpenCV's threads, each in its own process else."""
    monkeypatch.setenv("MIEN_THREADS", "1")
    threads, place = cv2.getNumThreads(), Path.cwd()
    yield
    cv2.setNumThreads(threads)
    os.chdir(place)


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Predict:
    """``mien predict``, whose --engine ray is one worker here. ``after`` ends it by Ctrl-C after so many parts."""
    monkeypatch.setattr(reading, "require", lambda *_: None)  # Ray itself
    monkeypatch.setenv("PYTHONPATH", cli_env()["PYTHONPATH"])  # as it is here, for what is started there
    monkeypatch.chdir(tmp_path)
    made: list[int] = []

    def run(*args: object, after: int = -1) -> Done:
        def here(job: Job, parts: Shards, __: int | None) -> Iterator[int]:
            for place, batch in enumerate(read_shards(job, parts.plan, parts.existing())):
                if place == after:
                    raise KeyboardInterrupt
                made.append(batch["shard"][0])
                yield make_shard(job, parts, batch)["inputs"][0]

        made.clear()
        monkeypatch.setattr(distributed, "run_on_ray", here)
        return CliRunner().invoke(app, ["predict", *map(str, args)])

    run.made = made  # type: ignore[attr-defined]
    return run


def read(folder: Path) -> pa.Table:
    """All parts, one behind the other; they must have the same columns."""
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("part-*.parquet"))])


def same(predict: Predict, folder: Path, *args: object) -> list[dict[str, Any]]:
    """What the parts hold, which has to be what the plain engine writes, and in the same columns."""
    plain = folder / "plain.parquet"
    done = predict(*args, "--out", plain)
    assert done.exit_code == 0, done.output
    done = predict(*args, "--out", folder / "parts", "--engine", "ray")
    assert done.exit_code == 0, done.output
    wanted, found = pq.read_table(plain), read(folder / "parts")
    assert found.schema.names == wanted.schema.names
    rows: list[dict[str, Any]] = found.to_pylist()
    assert rows == wanted.to_pylist()
    return rows


def texts(count: int) -> list[str]:
    """Different texts; every 20th is empty."""
    words = ["i", "feel", "so", "happy", "sad", "angry", "amazed", "scared", "adored", "they", "were", "hopeless"]
    rng = np.random.default_rng(count)
    return [" ".join(rng.choice(words, rng.integers(1, 12))) if n % 20 else "" for n in range(count)]


def write_texts(path: Path, count: int = 200) -> Path:
    rows = [f'{number},"{text}",x' for number, text in enumerate(texts(count))]
    path.write_text("\n".join(["id,text,label", *rows]) + "\n")
    return path


# --------------------------------------------------------------------------------------- as the plain engine has it


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "txt", "several"])
def test_tables_of_texts_come_out_as_they_do_without(kind: str, predict: Predict, tiny_model: Path, tmp_path: Path):
    said = texts(150)
    table = tmp_path / f"t.{kind}"
    if kind in ("csv", "several"):
        table = write_texts(tmp_path / "t.csv", 150)
    elif kind == "tsv":
        table.write_text("text\tid\n" + "".join(f"{text or ' '}\t{n}\n" for n, text in enumerate(said)))
    elif kind == "jsonl":  # an int and a float in one column, a column that is not there at first, half a surrogate
        rows = [
            {"n": n if n % 2 else n / 2, "text": text} | ({"late": [n]} if n == 140 else {})
            for n, text in enumerate(said)
        ]
        rows[7]["text"] = "so happy \ud83d"
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        pq.write_table(pa.table({"when": pa.array(range(150), pa.date32()), "text": said}), table)
    else:
        table.write_text("\n".join(said) + "\n")
    inputs = [table, "i am so glad", table] if kind == "several" else [table]
    rows = same(predict, tmp_path, *inputs, "--model", tiny_model, "--scores", "--batch-size", 4)
    assert len(rows) == (301 if kind == "several" else 150)
    assert len(list((tmp_path / "parts").glob("part-*"))) == 3  # of 64 or 128 texts, which are read 64 at a time
    assert sum(row["error"] is not None for row in rows) == (16 if kind == "several" else 8)
    assert len({row["score"] for row in rows}) > 50, "the model tells the texts apart"


def mixed_tables(folder: Path) -> list[str]:
    """Two tables with columns that are called like mien's, and two without."""
    (folder / "a.csv").write_text("text,label\nso happy,mine\n,mine\nso sad,\n")
    (folder / "b.csv").write_text("text,id\nso happy,1\nso angry,2\n,3\n")
    (folder / "c.jsonl").write_text('{"text": "so happy", "error": "none", "predicted_label": "x"}\n')
    (folder / "d.txt").write_text("so sad\n")
    return ["a.csv", "b.csv", "c.jsonl", "d.txt"]


MIXED = ["joy", None, "sadness", "joy", "anger", None, "joy", "sadness"]


def counted(told: str) -> dict[str, int]:
    """How often each label came, as it is told at the end."""
    lines = [line.split() for line in told.splitlines() if line.rstrip().endswith("%")]
    return {words[-4]: int(words[-2]) for words in lines}


def test_tables_of_which_some_have_a_column_label(predict: Predict, tiny_model: Path, tmp_path: Path):
    tables = mixed_tables(tmp_path)
    rows = same(predict, tmp_path, *tables, "--model", tiny_model)
    label, error = "predicted_predicted_label", "predicted_error"
    assert [row[label] for row in rows] == MIXED
    assert [row[error] is None for row in rows] == [label is not None for label in MIXED]
    assert [row["label"] for row in rows] == ["mine", "mine", "", *[None] * 5]
    assert [row["error"] for row in rows] == [None] * 6 + ["none", None]
    for out, how in (("p", ["--engine", "ray"]), ("o.csv", []), ("o.jsonl", []), ("o.html", [])):
        done = predict(*tables, "--model", tiny_model, "--out", out, *how)
        assert done.exit_code == 0, done.output
        assert counted(done.output) == {"joy": 3, "sadness": 2, "anger": 1, "—": 2}, out
        assert "2 of 8 " in done.output
    about, shown = read_page(tmp_path / "o.html")
    assert about["counts"] == {"joy": 3, "sadness": 2, "anger": 1, "—": 2}
    assert [row["label"] for row in shown] == MIXED
    assert [row["cells"].get("label") for row in shown] == ["mine", "mine", "", *[None] * 5]


def test_a_table_without_rows_gives_a_part_without_rows(predict: Predict, tiny_model: Path, tmp_path: Path):
    (tmp_path / "t.csv").write_text("id,text\n")
    done = predict("t.csv", "--model", tiny_model, "--out", "parts", "--engine", "ray")
    assert done.exit_code == 0, done.output
    assert read(tmp_path / "parts").to_pylist() == []


def test_long_texts_make_small_parts_and_are_read_in_their_encoding(predict: Predict, tiny_model: Path, tmp_path: Path):
    (tmp_path / "t.txt").write_bytes(b"caf\xe9 so glad\n" + b"x" * 1_000_000 + b"\n" + b"so sad\n" * 3000)
    rows = same(predict, tmp_path, "t.txt", "--model", tiny_model)
    assert rows[0]["text"] == "café so glad"
    assert len(predict.made) == 2  # type: ignore[attr-defined]
    (tmp_path / "t.txt").write_bytes((b"x" * 1_000_000 + b"\n") * 40 + b"so sad\n" * 300)
    done = predict("t.txt", "--model", tiny_model, "--out", "small", "--engine", "ray")
    assert done.exit_code == 0, done.output
    assert len(predict.made) == 6  # type: ignore[attr-defined]
    assert read(tmp_path / "small").num_rows == 340
    for content, told in ((b"so sad\nna\x81ve\n", "name its encoding"), (b"x" * 5_000_000, "is longer than")):
        (tmp_path / "t.txt").write_bytes(content)
        done = predict("t.txt", "--model", tiny_model, "--out", "bad", "--engine", "ray")
        assert done.exit_code == 1
        assert told in str(done.exception)


def test_pictures_come_out_as_they_do_without(predict: Predict, tmp_path: Path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number in range(70):
        cv2.imwrite(str(tmp_path / "in" / f"{number:02}.png"), np.full((20, 20, 3), 3 * number, np.uint8))
    (tmp_path / "in" / "05.png").write_bytes(b"no picture")
    picture = np.full((200, 360, 3), 90, np.uint8)
    picture[30:170, 20:160], picture[30:170, 200:340] = drawn_face(140), drawn_face(140) // 2
    cv2.imwrite(str(tmp_path / "in" / "deep" / "two.png"), picture)
    model = face_model(tmp_path / "model")
    rows = same(predict, tmp_path, "in", "--model", model, "--scores")
    assert [row["file"] for row in rows][-2:] == ["in/deep/two.png"] * 2
    assert [row["face"] for row in rows][-2:] == [1, 2]
    assert [row["file"] for row in rows if row["error"]] == ["in/05.png"]
    shutil.rmtree("parts")
    rows = same(predict, tmp_path, "in", "--model", model, "--crops", "--labels", "ferplus8")
    assert [row["label"] for row in rows[:70:10]] == [PLUS[int(8 * 3 * n / 255)] for n in range(0, 70, 10)]
    shutil.rmtree("parts")
    rows = same(predict, tmp_path, "in", "--model", scene_model(tmp_path / "light"), "--as", "scene", "--scores")
    assert len(rows) == 71
    assert rows[40]["light"] == pytest.approx(1 + 6 * 120 / 255, abs=1e-4)


def test_what_a_folder_leaves_out_is_counted(predict: Predict, tmp_path: Path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.full((20, 20, 3), 90, np.uint8))
    for name in ("b.cr2", "c.CR2", ".hidden"):
        (tmp_path / "in" / name).touch()
    done = predict("in", "--model", face_model(tmp_path / "model"), "--out", "parts", "--engine", "ray")
    assert "left out of the folders: 2 .cr2, 1 hidden\n" in done.output


@pytest.mark.parametrize("how", [[], ["--timeline"]])
def test_clips_come_out_as_they_do_without(how: list[str], predict: Predict, tmp_path: Path):
    (tmp_path / "in").mkdir()
    picture = np.full((200, 200, 3), 90, np.uint8)
    write_clip(tmp_path / "in" / "a empty.mp4", [picture] * 5, fps=5)
    picture[30:170, 30:170] = drawn_face(140)
    write_clip(tmp_path / "in" / "face.mp4", [picture] * 5, fps=5)
    (tmp_path / "in" / "text.mp4").write_text("no clip")
    model = video_model(tmp_path / "model")
    rows = same(predict, tmp_path, "in", "--model", model, "--fps", 5, "--scores", *how)
    assert [row["file"] for row in rows] == ["in/a empty.mp4", *["in/face.mp4"] * (5 if how else 1), "in/text.mp4"]
    assert [row["error"] is not None for row in rows] == [False] * (len(rows) - 1) + [True]
    shutil.rmtree("parts")
    light = scene_model(tmp_path / "light")
    same(predict, tmp_path, "in/face.mp4", "in/text.mp4", "--model", light, "--as", "scene", "--frames", 3, *how)


# ------------------------------------------------------------------------------------------------------ going on


def test_a_stopped_run_goes_on_without_lost_or_doubled_rows(predict: Predict, tiny_model: Path, tmp_path: Path):
    write_texts(tmp_path / "t.csv", 250)
    asked = "t.csv", "--model", tiny_model, "--batch-size", 4, "--out", "parts", "--engine", "ray"
    done = predict(*asked, after=2)
    assert isinstance(done.exception, MienError)
    assert str(done.exception) == "stopped: 2 of 4 parts are done and kept in parts"
    assert done.exception.command.startswith("mien")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.parquet")}
    (tmp_path / "parts" / "part-00003.parquet.tmp").write_bytes(b"half of it, as kill -9 leaves it")
    (tmp_path / "parts" / "part-00001.parquet").unlink()  # any part may be missing: they are not made in order
    done = predict(*asked, after=2)
    assert predict.made == [1, 2]  # type: ignore[attr-defined]
    assert "going on after the 64 inputs whose results are in parts" in done.output
    done = predict(*asked)
    assert predict.made == [3]  # type: ignore[attr-defined]
    first = tmp_path / "parts" / "part-00000.parquet"
    assert first.stat().st_mtime_ns == kept[first]
    assert [row["id"] for row in read(tmp_path / "parts").to_pylist()] == [str(number) for number in range(250)]
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        RECORD, *(f"_part-{number:05}.json" for number in range(4)),
        *(f"part-{number:05}.parquet" for number in range(4)),
    ]  # fmt: skip
    assert "13 of 250 texts could not be read: their rows have no label and say why" in done.output
    assert "wrote 250 rows in 4 parts into parts" in done.output
    assert predict(*asked).exit_code == 0
    assert predict.made == []  # type: ignore[attr-defined]


def test_a_part_that_is_missing_at_the_end_is_no_success(
    predict: Predict, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_texts(tmp_path / "t.csv", 250)
    asked = "t.csv", "--model", tiny_model, "--batch-size", 4, "--out", "parts", "--engine", "ray"
    predict(*asked, after=3)

    def nothing(*_: object) -> Iterator[int]:
        yield from ()

    monkeypatch.setattr(distributed, "run_on_ray", nothing)
    done = CliRunner().invoke(app, ["predict", *map(str, asked)])
    assert str(done.exception) == "only 192 of 250 inputs were read; the same command goes on"


def test_parts_that_are_not_as_they_were_written_are_made_again(predict: Predict, tiny_model: Path, tmp_path: Path):
    write_texts(tmp_path / "t.csv", 250)
    asked = "t.csv", "--model", tiny_model, "--batch-size", 4, "--out", "parts", "--engine", "ray"
    assert predict(*asked).exit_code == 0
    folder = tmp_path / "parts"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    flipped = bytearray(before["part-00000.parquet"])
    flipped[len(flipped) // 3] ^= 4
    (folder / "part-00000.parquet").write_bytes(flipped)
    (folder / "part-00001.parquet").write_bytes(before["part-00001.parquet"][:-20])
    (folder / "_part-00002.json").unlink()  # the machine stopped between the two
    (folder / "part-00003.parquet").write_bytes(before["part-00002.parquet"])  # whole, but another
    done = predict(*asked)
    assert done.exit_code == 0, done.output
    assert predict.made == [0, 1, 2, 3]  # type: ignore[attr-defined]
    assert done.output.count("is not as it was written: it is made again") == 4
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_damage_to_the_record_of_what_was_asked_is_refused(predict: Predict, tiny_model: Path, tmp_path: Path):
    write_texts(tmp_path / "t.csv", 250)
    asked = "t.csv", "--model", tiny_model, "--batch-size", 4, "--out", "parts", "--engine", "ray"
    assert predict(*asked, after=2).exit_code == 1
    record = tmp_path / "parts" / RECORD
    record.write_text(record.read_text().replace('"size": 64', '"size": 65'))
    assert "_mien.json is damaged, or of another version of mien: name another folder" in str(predict(*asked).exception)


def test_of_two_runs_into_one_folder_the_second_is_refused(predict: Predict, tiny_model: Path, tmp_path: Path):
    write_texts(tmp_path / "t.csv")
    (tmp_path / "parts").mkdir()
    asked = "t.csv", "--model", tiny_model, "--out", "parts", "--engine", "ray"
    other = os.open(tmp_path / "parts", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert "another process is writing" in str(predict(*asked).exception)
    assert predict.made == []  # type: ignore[attr-defined]
    os.close(other)
    assert predict(*asked).exit_code == 0


def test_another_question_is_refused(predict: Predict, tiny_model: Path, tiny_multi: Path, tmp_path: Path):
    write_texts(tmp_path / "t.csv")
    asked = "t.csv", "--out", "parts", "--engine", "ray", "--model"
    assert predict(*asked, tiny_model).exit_code == 0
    before = read(tmp_path / "parts")

    def refusal(*args: object) -> str:
        done = predict(*args)
        assert isinstance(done.exception, MienError)
        assert "\n" not in str(done.exception)
        return str(done.exception)

    other = "parts holds 200 rows of another call (not the same: {}): name another folder"
    assert refusal(*asked, tiny_multi).endswith(other.format("model"))
    assert refusal(*asked, tiny_model, "--scores", "--labels", "ekman7").endswith(other.format("--labels, --scores"))
    write_texts(tmp_path / "t.csv", 201)
    assert refusal(*asked, tiny_model).endswith(other.format("inputs"))
    assert read(tmp_path / "parts").equals(before)
    (tmp_path / "parts" / RECORD).write_text('{"mien": 1}')
    assert "another version of mien" in refusal(*asked, tiny_model)
    (tmp_path / "parts" / RECORD).write_text("{")
    assert "_mien.json is damaged, or of another version" in refusal(*asked, tiny_model)
    (tmp_path / "parts" / RECORD).unlink()
    assert "holds files that are no results of this" in refusal(*asked, tiny_model)
    asked = "t.csv", "--model", tiny_model, "--engine", "ray", "--out"
    assert "name it without .csv" in refusal(*asked, "out.csv")
    assert "is a file" in refusal(*asked, tiny_model / "README.md")
    assert "does not exist" in refusal(*asked, "no/where")
    assert "standard input" in refusal("-", "--model", tiny_model, "--engine", "ray", "--out", "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--engine", "ray"], "needs --out FOLDER"),
        (["--engine", "spark"], "there are: local, ray"),
        (["--workers", "2"], "--workers is for --engine ray"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(args: list[str], told: str, predict: Predict):
    done = predict("i am glad", *args)
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is here")
def test_without_ray_it_says_what_to_install(tmp_path: Path):
    (tmp_path / "t.txt").write_text("glad\n")
    done = CliRunner().invoke(
        app, ["predict", str(tmp_path / "t.txt"), "--engine", "ray", "--out", str(tmp_path / "p")]
    )
    assert str(done.exception) == f"this needs ray: {how_to_install('scale')}"
    assert not (tmp_path / "p").exists()


# --------------------------------------------------------------------------------------- inputs that break things


def job_of(model: Path, folder: Path, **options: Any) -> tuple[Job, Shards]:
    kind = verify(model).modality
    columns = dict.fromkeys(["text" if kind == "text" else "file", "label", "error"], "string")
    folder.mkdir(exist_ok=True)
    parts = open_shards(folder, {}, lambda: Plan(5, 5, columns))
    rows = RowFormat("clip" if kind == "video" else "text")
    return Job(model, None, rows, lambda: iter([]), options), parts


def test_what_is_read_again_is_the_same_whatever_was_written_meanwhile(tmp_path: Path):
    shards = Shards(tmp_path, Plan(3, 8))
    shards.path(0).touch()
    done = shards.existing()
    job = Job(tmp_path, None, RowFormat("text"), lambda: ((text, {}) for text in "abcdefgh"), {}, place=tmp_path)

    def read() -> list[dict[str, Any]]:
        return list(read_shards(job, shards.plan, done))

    first = read()
    shards.path(1).touch()
    assert read() == first
    assert [batch["shard"] for batch in first] == [[1], [2]]


class Death(BaseException):
    """Stands for the end of the process."""


def rig(job: Job, monkeypatch: pytest.MonkeyPatch, error: BaseException, *words: str) -> None:
    """The predictor of this process fails wherever a text is one of those words."""
    predictor, _ = load_once(job.model, job.labels, job.threads, job.language)
    real = type(predictor).predict_many

    def fails(items: list[str], **options: Any) -> Any:
        if set(words).intersection(items):
            raise error
        return real(predictor, items, **options)

    monkeypatch.setattr(predictor, "predict_many", fails)


FIVE = ("glad", "so sad", "boom", "", "angry")
BATCH = {"shard": [0], "inputs": [json.dumps([[text, {}] for text in FIVE]).encode()]}


def test_what_is_no_inputs_fault_ends_the_worker(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    job, parts = job_of(tiny_model, tmp_path / "parts", batch_size=8)
    rig(job, monkeypatch, MienError("the model is gone"), "boom")
    with pytest.raises(MienError, match="the model is gone"):
        make_shard(job, parts, BATCH)
    assert parts.missing() == [0]


def test_an_input_that_kills_two_processes_is_left_out(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    job, parts = job_of(tiny_model, tmp_path / "parts", batch_size=8)
    rig(job, monkeypatch, Death(), "boom")
    for _ in range(3):  # all together; then one by one, twice
        with pytest.raises(Death):
            make_shard(job, parts, BATCH)
    assert parts.missing() == [0]
    assert make_shard(job, parts, BATCH) == {"inputs": [5]}
    rows = read(parts.folder).to_pylist()
    assert [row["label"] is None for row in rows] == [False, False, True, True, False]
    assert rows[2]["error"] == "two processes that read it were killed"
    assert not parts.progress(0).exists()


def test_nobody_is_blamed_for_one_death_or_in_a_new_run(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    job, parts = job_of(tiny_model, tmp_path / "parts", batch_size=8)
    for word in ("boom", "boom", "angry", "so sad"):  # all together; then one by one
        rig(job, monkeypatch, Death(), word)
        with pytest.raises(Death):
            make_shard(job, parts, BATCH)
    rig(job, monkeypatch, Death())
    make_shard(job, parts, BATCH)
    assert [row["error"] for row in read(parts.folder).to_pylist()] == [None, None, None, "text is empty", None]
    parts.path(0).unlink()
    rig(job, monkeypatch, Death(), "boom")
    for _ in range(3):
        with pytest.raises(Death):
            make_shard(job, parts, BATCH)
    parts.clean()
    with pytest.raises(Death):  # all together
        make_shard(job, parts, BATCH)


def test_inputs_of_shards_that_exist_are_passed_over(tmp_path: Path):
    shards = Shards(tmp_path, Plan(3, 8))
    (tmp_path / "part-00001.parquet").touch()
    assert [(number, list(some)) for number, some in shards.pending("abcdefgh")] == [(0, [*"abc"]), (2, [*"gh"])]
    assert [number for number, _ in shards.pending("abcdefgh")] == [0, 2], "whatever was not taken is passed over"
    assert shards.missing() == [0, 2]
    assert [(number, list(some)) for number, some in Shards(tmp_path, Plan(3)).pending("")] == [(0, [])]
    assert [number for number, _ in shards.pending("abcdef")] == [0]
    assert Plan(3, 0).shards == 1
