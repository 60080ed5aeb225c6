"""``mien watch`` and ``mien.watch``: clips, folders of frames, and streams that break, of a server in the test."""

from __future__ import annotations

import csv
import gc
import io
import json
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

import mien
import warm
from conftest import RunCli, cli_env, one_line
from face_model import Squares, scene, video_model
from filmed import write_clip
from mien.errors import InputError, ModelError
from mien.media import streams
from mien.media.clips import ClipReader
from mien.media.folders import FolderReader, frames_of
from mien.modalities.face.predictor import FaceClassifier
from mien.modalities.watch import Watching
from mien.output.seconds import Gap, Second, by_second
from mien.results import Glance


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(video_model(tmp_path_factory.mktemp("video") / "model", fps=10))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at 10 frames a second: one person, from 1.0 to 2.0 s a second one."""
    pictures = [scene(1, 2 if 10 <= number < 20 else None) for number in range(30)]
    return write_clip(tmp_path_factory.mktemp("film") / "two.mp4", pictures, fps=10)


class Camera(BaseHTTPRequestHandler):
    """Sends JPEGs as cameras do, so many for each connection; the first breaks off within one."""

    pictures = ([scene(1)] * 12, [scene(1)] * 12)
    pause = 0.02
    connections = 0

    def do_GET(self) -> None:
        number = type(self).connections
        type(self).connections += 1
        if self.path != "/live" or number >= len(self.pictures):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for picture in self.pictures[number]:
            data = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            self.wfile.flush()
            time.sleep(self.pause)
        self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Camera, "connections", 0)
    monkeypatch.setattr(streams, "_FIRST_WAIT", 0.05)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}/live"
    server.shutdown()
    server.server_close()


def test_a_clip_gives_what_predict_gives(model: str, film: Path) -> None:
    moments = list(mien.watch(film, model, smooth=0))
    assert [moment.time for moment in moments] == pytest.approx([number / 10 for number in range(30)], abs=0.002)
    assert [len(moment.people) for moment in moments] == [1] * 10 + [2] * 10 + [1] * 10
    assert {moment.at for moment in moments} == {None}
    predictor = mien.load(model)
    predictor.settings.smooth = 0
    timeline = predictor.predict(film).timeline
    seen = [person for moment in moments for person in moment.people]
    assert [(one.time, one.person) for one in seen] == [(one.time, one.person) for one in timeline]
    for one, other in zip(seen, timeline, strict=True):
        assert one.prediction.box == other.prediction.box
        assert one.prediction.scores == pytest.approx(other.prediction.scores, abs=1e-5)


def test_a_stream_that_breaks_is_opened_again(model: str, camera: str) -> None:
    moments = list(mien.watch(camera, model, fps=100, give_up=0.5))
    gaps = [place for place, moment in enumerate(moments) if moment.gap]
    assert len(gaps) == 2
    assert 0 < gaps[0] < gaps[1] == len(moments) - 1, "pictures before and behind the first, none behind the last"
    assert all(len(moment.people) == 1 for moment in moments if not moment.gap)
    assert {person.person for moment in moments for person in moment.people} == {1}, "the same one after the gap"
    times = [moment.time for moment in moments]
    assert times == sorted(times)
    assert all(moment.at is not None for moment in moments)
    looked = len(moments) - len(gaps)
    assert looked + moments[-1].dropped <= 24
    assert Camera.connections >= 3


def test_pictures_and_gaps_come_in_order_to_who_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """All happens before the first is taken: of the pictures between two gaps the last is left."""
    times = iter([0.0, 1.0, 1.5, 2.0, 3.0, 3.5])
    frame = av.VideoFrame.from_ndarray(scene(1))

    def read(reader: streams.LiveReader) -> None:
        for event in ("picture", "picture", "first", "picture", "second"):
            reader._put(frame, None) if event == "picture" else reader._tell_gap(event)
        reader._ended = True

    monkeypatch.setattr(streams, "monotonic", lambda: next(times))
    monkeypatch.setattr(streams.LiveReader, "_read", read)
    monkeypatch.setattr(streams.LiveReader, "_picture", lambda *_: scene(1))
    reader = streams.LiveReader("http://127.0.0.1/live", 50, opener=io.BytesIO)
    read(reader)
    monkeypatch.setattr(streams.LiveReader, "_read", lambda _: None)
    reader._thread = threading.Thread(target=lambda: None)
    assert [(shot.time, shot.gap) for shot in reader] == [(1.0, "first"), (2.0, ""), (2.0, "second")]
    assert reader.dropped == 2


def test_the_command_line_keeps_seconds_and_gaps(
    camera: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from mien.cli.app import app

    out = tmp_path / "x.jsonl"
    done = CliRunner().invoke(
        app, ["watch", camera, "--model", model, "--give-up", "0.5", "--fps", "50", "--out", str(out)]
    )
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert ["gap" in line for line in lines][:2] == [False, True]
    assert lines[0].keys() == {"time", "at", "looks", "dropped", "people"}
    assert lines[0]["people"][0]["person"] == 1
    assert lines[0]["people"][0]["moments"] == lines[0]["looks"]
    gap = lines[1]["gap"]
    assert gap["seconds"] == pytest.approx(gap["end"] - gap["start"], abs=0.002)
    assert lines[-1]["gap"]["end"] is None
    assert "no picture: " in done.stdout
    assert "pictures again, after" in done.stdout
    assert "secret" not in done.output + out.read_text("utf-8")
    assert "no picture for 0.5 s, given up" in str(done.exception)
    kept = out.read_bytes()
    again = CliRunner().invoke(app, ["watch", camera, "--model", model, "--give-up", "0.5", "--out", str(out)])
    assert "x.jsonl holds what was watched before" in str(again.exception)
    assert out.read_bytes() == kept


def test_a_table_has_a_row_for_each_person_and_second(run_cli: RunCli, model: str, film: Path, tmp_path: Path) -> None:
    done = run_cli("watch", film, "--model", model, "--out", "x.csv", "--scores")
    assert (done.returncode, done.stderr.splitlines()) == (
        0, ["watched 0:03, 2 people, 30 pictures looked at", "wrote 3 lines to x.csv"],
    )  # fmt: skip
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["0:00", "0:01", "0:02"]
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["time"], row["person"], row["looks"]) for row in rows] == [
        ("0.0", "1", "10"), ("1.0", "1", "10"), ("1.0", "2", "10"), ("2.0", "1", "10"),
    ]  # fmt: skip
    scores = [value for name, value in rows[0].items() if name.startswith("score_")]
    assert sum(map(float, scores)) == pytest.approx(1, abs=1e-4)


def test_ctrl_c_keeps_everything(model: str, film: Path, tmp_path: Path) -> None:
    long = write_clip(tmp_path / "long.mp4", [scene(1)] * 900, fps=10)
    args = [sys.executable, "-m", "mien.cli", "watch", str(long), "--model", model, "--real-time", "--out", "x.jsonl"]
    process = warm.Popen(args, cwd=tmp_path, env=cli_env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text("utf-8").splitlines()]
    assert process.returncode == 0
    assert b"Traceback" not in error
    assert error.decode().splitlines()[-2].startswith("watched 0:0")
    assert [line["time"] for line in lines] == [float(number) for number in range(len(lines))]
    assert 1 <= len(lines) < 60


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("77", "there is no camera 77"),
        ("nofile.mp4", "there is no file nofile.mp4"),
        ("gopher://x/1", "gopher://x/1 is an address of a kind that is not read; those are rtsp://"),
        ("file:///etc/passwd", "is an address of a kind that is not read"),
        ("http://127.0.0.1:9/live", "http://127.0.0.1:9/live cannot be opened: connection refused"),
        ("rtsp://me:secret@127.0.0.1:9/1", "rtsp://127.0.0.1:9/1 cannot be opened: connection refused"),
        ("notes.txt", "notes.txt is no clip"),
        (".", "holds no numbered pictures"),
    ],
)
def test_bad_sources_are_one_line(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no clip, but some words")
    with pytest.raises(InputError) as error:
        Watching(source, model)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_options_of_the_command_line(run_cli: RunCli, model: str, tiny_model: Path, film: Path) -> None:
    assert "reads text: one that reads clips can watch" in one_line(run_cli("watch", film, "--model", tiny_model))
    assert run_cli("watch", film, "--model", model, "--out", "x.txt").returncode == 2
    assert run_cli("watch", film, "--model", model, "--fps", "0").returncode == 2
    with pytest.raises(ModelError):
        Watching(film, "no-such-model")


def test_playlists_are_not_opened(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    class Lists(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{tmp_path}/a.ts\n#EXTINF:4,\nb.ts\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Lists)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(InputError, match="cannot be opened"):
        Watching(f"http://127.0.0.1:{server.server_port}/a.m3u8", model)
    server.shutdown()
    server.server_close()
    assert set(asked) == {"/a.m3u8"}


# ------------------------------------------------------------------------------------------------ folders of frames


def put_frames(folder: Path, numbers: range | list[int], name: str = "frame_{:04}.png") -> Path:
    folder.mkdir()
    for number in numbers:
        Image.fromarray(scene(1)).save(folder / name.format(number))
    return folder


def test_a_folder_of_frames_is_a_clip(run_cli: RunCli, model: str, tmp_path: Path) -> None:
    put_frames(tmp_path / "shots", range(1, 21))
    done = run_cli("predict", "shots", "--as", "video", "--model", model, "--fps", "10", "--json")
    (row,) = json.loads(done.stdout)["results"]
    assert (done.returncode, row["input"], row["clip"]["frames"], row["clip"]["duration"]) == (0, "shots", 20, 2.0)
    assert [moment["time"] for moment in row["timeline"]] == pytest.approx([number / 10 for number in range(20)])
    assert [moment.time for moment in mien.watch(tmp_path / "shots", model, fps=10)] == pytest.approx(
        [number / 10 for number in range(20)]
    )
    drawn = run_cli("predict", "shots", "--as", "video", "--model", model, "--fps", "10", "--out", "x.mp4")
    assert drawn.returncode == 0, drawn.stderr
    with ClipReader(tmp_path / "x.mp4") as clip:
        assert (clip.info.frames, clip.info.rate) == (20, pytest.approx(10))
    (tmp_path / "shots/frame_0005.png").unlink()
    (tmp_path / "shots/frame_0009.png").write_bytes(b"damaged")
    result = mien.load(model).predict(tmp_path / "shots", fps=10)
    assert (result.clip.frames, result.clip.skipped) == (18, 2)
    assert result.clip.problem == "1 of 19 pictures could not be read"
    assert result.timeline[-1].time == pytest.approx(1.9)


def test_which_folders_are_frames(tmp_path: Path) -> None:
    reader = FolderReader(put_frames(tmp_path / "tens", [20, 10, 30, 100], "{}.png"), rate=2)
    assert [path.name for path in frames_of(tmp_path / "tens")] == ["10.png", "20.png", "30.png", "100.png"]
    assert [(frame.number, frame.time) for frame in reader] == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 4.5)]
    assert reader.skipped == 6
    with pytest.raises(InputError, match="holds no numbered pictures"):
        FolderReader(put_frames(tmp_path / "named", [1], "cat.png"))
    put_frames(tmp_path / "two", [1], "a{}.png")
    Image.fromarray(scene(1)).save(tmp_path / "two" / "b1.png")
    with pytest.raises(InputError, match="holds pictures of several clips"):
        FolderReader(tmp_path / "two")


# ------------------------------------------------------------------------------------------------- hours and hours


def test_memory_does_not_grow_with_time(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of people who come and go, many hundreds of pictures long: what is kept is counted."""
    pictures = [np.zeros((200, 360, 3), np.uint8) for _ in range(4)]
    pictures[0][30:130, 20:120], pictures[0][30:130, 200:300], pictures[1][30:130, 60:160] = 200, 90, 150
    pictures[2][60:160, 200:300] = (200, 160, 120)

    class Loop:
        name, dropped, problem = "loop", 0, None

        def __init__(self, *_: object) -> None:
            pass

        def __iter__(self) -> Iterator[streams.Shot]:
            for number in range(500):
                yield streams.Shot(number / 5, pictures[number // 7 % 4])

        def stop(self) -> None:
            pass

        close = stop

    monkeypatch.setattr("mien.modalities.watch.LiveReader", Loop)
    monkeypatch.setattr(FaceClassifier, "detector", Squares(above=30))
    sizes = list[int]()
    ours = tracemalloc.Filter(True, f"{Path(mien.__file__).parent}/*")  # other threads of the process have theirs
    tracemalloc.start()
    try:
        for place, part in enumerate(by_second(Watching("http://x.y/", model))):
            assert isinstance(part, Second)
            if place in (40, 70, 98):
                gc.collect()
                found = tracemalloc.take_snapshot().filter_traces([ours])
                sizes.append(sum(trace.size for trace in found.traces))
    finally:
        tracemalloc.stop()
    assert len(sizes) == 3
    assert max(sizes) - min(sizes) < 20_000, sizes


def test_seconds_and_gaps() -> None:
    glances = [
        Glance(0.1),
        Glance(0.9, dropped=2),
        Glance(0.95, gap="it broke"),
        Glance(3.2, dropped=2),
        Glance(3.3, gap="off"),
    ]
    found = list(by_second(glances))
    assert [(type(part), part.to_dict().get("time")) for part in found] == [
        (Second, 0.0), (Gap, None), (Second, 3.0), (Gap, None),
    ]  # fmt: skip
    assert (found[0].looks, found[0].dropped, found[2].dropped) == (2, 2, 0)  # type: ignore[union-attr]
    assert found[1].to_dict() == {"gap": {"start": 0.95, "end": 3.2, "seconds": 2.25, "at": None, "reason": "it broke"}}
    assert found[3].to_dict()["gap"]["end"] is None
