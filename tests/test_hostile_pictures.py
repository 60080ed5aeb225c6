"""Files whose header states one size and whose decoder would make another: refused, in bounded memory."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mien
from conftest import RunCli, cli_env
from face_model import face_model
from mien.errors import InputError
from mien.media import images
from mien.media.images import picture_size, read_picture
from serving import Server

_SIDE = 20_000  # of what a decoder would make: four times the limit


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(*before: bytes, side: int = _SIDE, bits: int = 1) -> bytes:
    body = zlib.compress(bytes((side * bits + 15) // 8 * side), 9)
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join(before) + head + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


_Tag = tuple[int, int, int, int]  # tag, type, count, value


def _tiff(*tags: _Tag, side: int = 64, order: str = "<") -> bytes:
    """One strip of gray pixels that deflate; further tags go before or behind those of the same number."""
    plain: list[_Tag] = [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1),
        (278, 4, 1, side),
    ]  # fmt: skip
    plain = [tag for tag in plain if tag[0] not in {new[0] for new in tags}]
    body = zlib.compress(bytes(side * side))
    offset = 8 + len(body)
    entries = sorted([*plain, (273, 4, 1, 8), (279, 4, 1, len(body)), *tags], key=lambda tag: tag[0])
    short = {1: "B3x", 3: "H2x"}
    listed = b"".join(
        struct.pack(order + "HHI" + (short.get(kind, "I") if count == 1 else "I"), tag, kind, count, value)
        for tag, kind, count, value in entries
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", offset) + body + struct.pack(order + "H", len(entries)) + listed + bytes(4)


def _webp(*, vp8x: int | None = None, first: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "WEBP", lossless=True)
    data = buffer.getvalue()[12:]
    if vp8x is not None:
        side = (vp8x - 1).to_bytes(3, "little")
        first = b"VP8X\x0a\0\0\0\0\0\0\0" + side + side
    return b"RIFF" + struct.pack("<I", 4 + len(first) + len(data)) + b"WEBP" + first + data


def _gif(screen: int, frame: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("P", (64, 64)).save(buffer, "GIF")
    data = bytearray(buffer.getvalue())
    place = data.index(b",\0\0\0\0")
    data[6:10], data[place + 5 : place + 9] = struct.pack("<HH", screen, screen), struct.pack("<HH", frame, frame)
    return bytes(data)


def _bmp(size: int, width: int, height: int, packed: int = 0) -> bytes:
    head = struct.pack("<IiiHHI", size, width, height, 1, 8, packed)
    return b"BM" + struct.pack("<IHHI", 200, 0, 0, 1078) + head.ljust(1064, b"\0") + b"\0\1" * 20


_BOMBS: dict[str, Callable[[], bytes]] = {
    "a PNG with a private chunk first": lambda: _png(_chunk(b"prVt", struct.pack(">II", 64, 64))),
    "a PNG with a small IHDR first": lambda: _png(_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 1, 0, 0, 0, 0))),
    "a TIFF with two widths": lambda: _tiff((256, 4, 1, _SIDE), (256, 4, 1, 64), (257, 4, 1, _SIDE)),
    "a TIFF with two heights": lambda: _tiff((257, 3, 1, 2), (257, 3, 1, 65)),
    "a TIFF with a width of two numbers": lambda: _tiff((256, 3, 2, 64 | _SIDE << 16)),
    "a TIFF with a width in bytes": lambda: _tiff((256, 1, 1, 64)),
    "a TIFF with a large tile": lambda: _tiff((322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, 9)),
    "a TIFF of doubles": lambda: _tiff((258, 3, 1, 64), (339, 3, 1, 3), side=3000),
    "a TIFF of many samples": lambda: _tiff((277, 3, 1, 500), side=3000),
    "a WebP whose canvas differs": lambda: _webp(vp8x=9000),
    "a WebP with another chunk first": lambda: _webp(first=b"ALPH\x02\0\0\0\0\0"),
    "a GIF whose frame is larger than its screen": lambda: _gif(64, 60_000),
    "a BMP that ends before its pixels": lambda: _bmp(40, 9000, -9000),
    "a BMP with a header of no known size": lambda: _bmp(20, _SIDE, _SIDE),
    "a PNM that ends before its pixels": lambda: b"P5 9000 9000 255 " + bytes(100),
    "a PNM with a comment that CR ends": lambda: b"P4 #x\r9000 9000\n #\n64 64\n" + bytes(512),
}

_CHILD = """
import json, resource, sys
from mien.errors import InputError
from mien.media.images import read_picture
import PIL.Image, pi_heif, av
kept = 10**6 * int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() // 10**6 + 250 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (kept, kept))
found = {}
for path in sys.argv[1:]:
    try:
        found[path] = str(read_picture(path).shape)
    except InputError as error:
        found[path] = str(error)
peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]  # ru_maxrss begins with the parent's
print(json.dumps([found, int(peak) * 1024]))
"""


def read_in_a_child(folder: Path, makes: Mapping[str, Callable[[], bytes]]) -> tuple[dict[str, tuple[str, str]], int]:
    """Of each file its path and what came of reading it in a child process; and the peak memory of that in bytes."""
    paths = []
    for number, make in enumerate(makes.values()):
        paths.append(str(folder / f"{number}.bin"))
        Path(paths[-1]).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *paths], capture_output=True, text=True, env=cli_env(), check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, peak = json.loads(done.stdout)
    return {name: (path, found[path]) for name, path in zip(makes, paths, strict=True)}, peak


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of a process in /proc")
def test_what_a_decoder_would_make_is_bounded_before_it_makes_it(tmp_path: Path) -> None:
    found, peak = read_in_a_child(tmp_path, _BOMBS)
    for name, (path, message) in found.items():
        assert message.startswith(path), f"{name}: read as {message}"
        assert "memory" not in message, f"{name}: it was tried"
        assert "\n" not in message
    assert peak < 250 * 2**20


def test_the_size_is_what_is_decoded() -> None:
    """Where mien's reading of a header and the decoder's could differ, both come to the same, or it is refused."""
    for data in (
        b"P5 #x\r3 2\r255\n" + bytes(6), b"P5\n#a\n#b\r3\n2\t255\r" + bytes(6), b"P6\n3 2 1000\n" + bytes(36),
        b"P4 3 2\n\0\0", b"P2 3 2 9 0 1 2 3 4 5 ", _tiff(order=">"), _tiff((256, 3, 1, 64)),
    ):  # fmt: skip
        height, width = read_picture(data).shape[:2]
        assert (width, height) in [(3, 2), (64, 64)], data[:20]


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"\x89PNG\r\n\x1a\n" + _png(side=8)[8:33], b"\0\0\0\0prVt\0\0\0\0"),
        (_webp(vp8x=64), b"EXIF\0\0\0\0"),
        (b"\xff\xd8\xff\x01", b"\xff\x01"),
        (b"\xff\xd8\xff\xe1\0\2", b"\xff\xe1\0\2"),
        (b"P5 ", b" "),
        (b"P5 ", b"#\r"),
    ],
    ids=["PNG", "WebP", "JPEG markers", "JPEG blocks", "PNM spaces", "PNM comments"],
)
def test_millions_of_empty_parts_are_not_gone_through(head: bytes, part: bytes) -> None:
    data = head + part * (2**24 // len(part))
    start = time.process_time()
    with suppress(InputError):  # of a WebP, what follows its end is passed over
        read_picture(data)
    assert time.process_time() - start < 5  # 0.1 where nothing else runs


def test_both_readers_of_a_size_agree(tmp_path: Path) -> None:
    for name, make in _BOMBS.items():
        path = tmp_path / "a.bin"
        path.write_bytes(make())
        with pytest.raises(InputError):
            read_picture(path)
        try:
            size = picture_size(path)
        except InputError:
            continue
        assert size[0] * size[1] <= 10**8, name


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    inside, most, decode = 0, 0, images._decode
    lock = threading.Lock()

    def watched(*given: Any) -> tuple[np.ndarray, str | None]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            return decode(*given)
        finally:
            with lock:
                inside -= 1

    monkeypatch.setattr(images, "_decode", watched)
    data = _png(side=5000)
    with ThreadPoolExecutor(4) as pool:
        shapes = [picture.shape for picture in pool.map(read_picture, [data] * 4)]
    assert shapes == [(5000, 5000, 3)] * 4
    assert most == 1


# ------------------------------------------------------------------------------------ 10, 12 and 14 bits in 16


def _encoded(values: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_picture_that_fills_only_the_lower_bits(kind: str, bits: int) -> None:
    full = np.linspace(0, 65535, 4000).reshape(40, 100).astype(np.uint16)
    notes: list[str] = []
    found = read_picture(_encoded(full >> (16 - bits), kind), notes=notes)
    assert np.abs(found[..., 0].astype(int) - (full >> 8)).max() <= 1
    assert len(notes) == 1
    assert f"taken as {bits} bits" in notes[0]


def test_a_picture_of_16_bits_is_as_it_was() -> None:
    notes: list[str] = []
    values = np.array([[0, 100, 16384, 30000]], np.uint16)  # a dark one
    assert read_picture(_encoded(values, "PNG"), notes=notes)[0, :, 0].tolist() == [0, 0, 64, 117]
    assert not read_picture(_encoded(np.zeros((4, 4), np.uint16), "PNG"), notes=notes).any()
    assert not notes


def test_the_white_that_a_pnm_states_is_white() -> None:
    notes: list[str] = []
    values = struct.pack(">4H", 0, 1000, 2048, 4095)
    assert read_picture(b"P5 4 1 4095\n" + values, notes=notes)[0, :, 0].tolist() == [0, 62, 128, 255]
    assert read_picture(b"P5 4 1 65535\n" + values, notes=notes)[0, :, 0].tolist() == [0, 4, 8, 16]
    assert not notes, "nothing was guessed"
    for data in (b"P5 4 1 15\n\0\5\12\17", b"P2 4 1 15\n0 5 10 15\n"):
        np.testing.assert_array_equal(
            read_picture(data)[..., 0], np.asarray(Image.open(io.BytesIO(data)).convert("L")), data.decode()
        )


def test_what_was_guessed_is_in_the_result(tmp_path: Path, run_cli: RunCli) -> None:
    face_model(tmp_path / "model")
    full = np.linspace(0, 65535, 4096).reshape(64, 64).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(_encoded(full >> 4, "PNG"))
    (tmp_path / "b.png").write_bytes(_encoded(full, "PNG"))
    done = run_cli("predict", "a.png", "b.png", "--crops", "--model", "model", "--json")
    assert done.returncode == 0
    dark, plain = json.loads(done.stdout)["results"]
    assert len(dark.pop("notes")) == 1
    assert "a.png: its 16 bits a channel hold values up to 4095: taken as 12 bits" in done.stderr
    assert "b.png" not in done.stderr
    assert dark["items"][0]["label"] == plain["items"][0]["label"]
    assert "notes" not in plain
    assert mien.load(tmp_path / "model").predict(tmp_path / "a.png").notes


def _peak(server: Server) -> int:
    """Bytes that the server's process had in memory at most."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the size of a process in /proc")
def test_eight_in_one_request_and_a_live_frame(server: Server) -> None:
    from websockets.sync.client import connect

    bombs = [make() for make in list(_BOMBS.values())[:8]]
    server.upload("/v1/face", [("a.png", _encoded(np.zeros((9, 9), np.uint8), "PNG"))])
    before = _peak(server)
    answer = server.upload("/v1/face", [(f"{number}.png", data) for number, data in enumerate(bombs)])
    assert len(answer.json()["errors"]) == 8
    assert answer.status == 422
    with connect(f"ws://127.0.0.1:{server.port}/v1/live?model=face", max_size=None) as live:
        for data in bombs[:3]:
            live.send(data)
            (result,) = json.loads(live.recv(30))["results"]
            assert result["error"]
    assert _peak(server) - before < 100 * 2**20


def _jpeg2000(side: int, tile: int) -> bytes:
    """The header of a gray JPEG 2000 and nothing else."""
    sizes = struct.pack(">8I", side, side, 0, 0, tile, tile, 0, 0)
    size = b"\xff\x51" + struct.pack(">HH", 41, 0) + sizes + struct.pack(">HBBB", 1, 7, 1, 1)
    return b"\xff\x4f" + size + b"\xff\x52\0\x0c\0\0\0\1\0\0\4\4\0\0" + b"\xff\x5c\0\4\x40\x40" + b"\xff\xd9"


def _gif_with(part: bytes, count: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("P", (8, 8)).save(buffer, "GIF")
    head, mark, rest = buffer.getvalue().partition(b",\0\0\0\0\x08\0")
    return head + part * count + mark + rest


def _jpeg_with(part: bytes, count: int) -> bytes:
    data = _encoded(np.zeros((8, 8), np.uint8), "JPEG")
    return data[:2] + part * count + data[2:]


_SLOW: dict[str, Callable[[], bytes]] = {  # each took from 4 s to minutes, or 0.5 GB and more
    "a PNG of color profiles": lambda: _png(_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(10**6))) * 9000, side=8),
    "a PNG of empty chunks": lambda: _png(side=8)[:33] + _chunk(b"tEXt", b"") * 10**6 + _png(side=8)[33:],
    "a GIF of comments": lambda: _gif_with(b"\x21\xfe\x01x\0", 3 * 10**6),
    "a GIF of nothing": lambda: _gif_with(b"\0", 2**24),
    "a JPEG of EXIF blocks": lambda: _jpeg_with(b"\xff\xe1\0\xa0Exif\0\0" + bytes(152), 99_000),
    "a PNM of comments": lambda: b"P3 9 9 255 " + b"#\n" * 2**22,
    "a JPEG 2000 of tiny tiles": lambda: _jpeg2000(255, 1),
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of a process in /proc")
def test_a_decoder_goes_through_a_bounded_number_of_parts(tmp_path: Path) -> None:
    start = time.monotonic()
    found, peak = read_in_a_child(tmp_path, _SLOW)
    for name, (path, message) in found.items():
        assert message.startswith(f"{path} is damaged"), f"{name}: {message}"
    assert time.monotonic() - start < 30  # 3 where nothing else runs
    assert peak < 250 * 2**20


def test_many_parts_and_tiles_of_honest_images_are_read() -> None:
    buffer = io.BytesIO()
    Image.new("L", (2048, 2048), 9).save(buffer, "JPEG2000", tile_size=(64, 64))
    assert (read_picture(buffer.getvalue()) == 9).all()
    body = zlib.compress(np.random.default_rng(0).bytes(301 * 300), 0)  # of 300 rows of noise, in 9,000 chunks
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(300, 301).copy()
    rows[:, 0] = 0
    body = zlib.compress(rows.tobytes(), 0)
    parts = b"".join(_chunk(b"IDAT", body[place : place + 10]) for place in range(0, len(body), 10))
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 300, 300, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + parts + _chunk(b"IEND", b"")
    np.testing.assert_array_equal(read_picture(data)[..., 0], rows[:, 1:])


def test_the_largest_images_are_read_without_a_word() -> None:
    code = "from mien.media.images import read_picture as r; import sys; r(sys.stdin.buffer.read())"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], input=_tiff(side=9900), capture_output=True, env=cli_env(),
        check=True, timeout=120,
    )  # fmt: skip
    assert b"Warning" not in done.stderr


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "YCbCr"])
def test_jpeg_2000_is_read_as_pillow_reads_it(mode: str) -> None:
    ramp = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    picture = Image.fromarray(np.dstack([ramp, ramp[::-1], 255 - ramp, np.full_like(ramp, 255)]))
    picture = Image.fromarray(ramp.astype(np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG2000")
    expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")) if mode != "I;16" else None
    if expected is None:
        expected = np.repeat(ramp[..., None], 3, 2)
    assert np.abs(read_picture(buffer.getvalue()).astype(int) - expected).max() <= (3 if mode == "YCbCr" else 0)
    cut = buffer.getvalue()
    with pytest.raises(InputError):
        read_picture(cut[: len(cut) // 3])


def test_a_jpeg_2000_lets_other_threads_run() -> None:
    import threading

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)).save(buffer, "JPEG2000")
    times, done = [time.monotonic()], threading.Event()

    def tick() -> None:
        while not done.wait(0.005):
            times.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    read_picture(buffer.getvalue())
    took = time.monotonic() - start
    done.set()
    thread.join()
    assert np.diff(times).max() < max(0.25, took / 3)


def test_a_jpeg_without_its_end_is_known_as_it_is_read(tmp_path: Path) -> None:
    path, data = tmp_path / "a.jpg", _encoded(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64), "JPEG")
    for cut in (2, 400):
        path.write_bytes(data[:-cut])
        try:
            size = read_picture(path).shape[1::-1]
        except InputError as error:
            with pytest.raises(InputError, match=re.escape(str(error))):
                picture_size(path)
        else:
            assert picture_size(path) == size
