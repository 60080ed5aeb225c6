"""Clips that state what is not so: cut off unnoticed, of unknown colors, of no size; and files that are lists."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import mien
from conftest import RunCli, cli_env, one_line
from face_model import video_model
from filmed import noisy, numbered, read, write_clip
from mien.errors import InputError
from mien.media.clips import ClipReader

#: Containers whose end says nothing by itself, with a codec of each.
_CONTAINERS: dict[str, dict[str, Any]] = {
    "a.flv": {"codec": "flv"}, "a.ts": {}, "a.m2ts": {}, "a.mpg": {"codec": "mpeg2video"}, "a.wmv": {"codec": "wmv2"},
    "a.ogv": {"codec": "libvpx"},
}  # fmt: skip


@pytest.mark.parametrize("name", _CONTAINERS)
def test_a_clip_that_is_cut_off_says_so(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, noisy(50), fps=25, **_CONTAINERS[name])
    shown, _, clip = read(path)
    assert (len(shown), clip.problem, clip.skipped) == (50, None, 0), "nothing is missing"
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.95):
        path.write_bytes(whole[: int(len(whole) * share) | 1])
        with ClipReader(path) as clip:
            frames = list(clip)
        assert clip.problem == f"cut off after {frames[-1].time + 0.04:.1f} s", share
        assert frames[-1].time < 2 * share + 0.2


def test_a_transport_stream_that_is_cut_where_another_kind_could_end_says_so(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", noisy(50), fps=25)
    length = 192 * 100  # of packets of 192 bytes; these have 188
    assert length % 188
    path.write_bytes(path.read_bytes()[:length])
    with ClipReader(path) as clip:
        list(clip)
    assert clip.problem is not None


def test_a_cut_clip_says_so_in_its_result(tmp_path: Path, run_cli: RunCli) -> None:
    video_model(tmp_path / "model")
    path = write_clip(tmp_path / "a.flv", noisy(50), fps=25, codec="flv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = run_cli("predict", "a.flv", "--model", "model", "--json")
    assert "a.flv: cut off after " in one_line(done)
    assert json.loads(done.stdout)["results"][0]["clip"]["problem"].startswith("cut off after ")


def _prores(path: Path, frames: list[np.ndarray], transfer: int = 3) -> Path:
    """ProRes whose frames state a transfer that is reserved."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("prores_ks", rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv422p10le"
        for picture in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    place = data.find(b"icpf")
    while place >= 0:
        data[place + 19] = transfer
        place = data.find(b"icpf", place + 4)
    path.write_bytes(data)
    return path


def test_frames_that_cannot_be_converted_are_an_error_and_never_black(tmp_path: Path) -> None:
    """FFmpeg does not convert colors that it does not know; what came before in that memory must not be shown."""
    for number in range(3):
        list(ClipReader(write_clip(tmp_path / "other.mp4", noisy(5, 320, 240))))
        path = _prores(tmp_path / f"{number}.mov", noisy(8, 320, 240))
        try:
            with ClipReader(path) as clip:
                shown = [frame.picture.astype(int) for frame in clip]
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            true_ones = noisy(8, 320, 240)
            assert all(np.abs(picture - true).mean() < 20 for picture, true in zip(shown, true_ones, strict=True))
    with ClipReader(_prores(tmp_path / "good.mov", noisy(8, 320, 240), transfer=1)) as clip:
        assert len(list(clip)) == 8


@pytest.mark.parametrize(
    "how",
    [{}, {"codec": "mjpeg"}, {"codec": "mpeg4"}, {"codec": "ffv1"}, {"options": {"qp": "1"}}, {"codec": "libvpx-vp9"}],
    ids=str,
)
@pytest.mark.parametrize("shade", [0, 200, "noise"])
def test_a_still_clip_is_read(tmp_path: Path, how: dict[str, Any], shade: int | str) -> None:
    picture = noisy(1, 160, 120)[0] if shade == "noise" else np.full((120, 160, 3), shade, np.uint8)
    path = write_clip(tmp_path / "a.mkv", [picture] * 12, **how)
    with ClipReader(path) as clip:
        assert len(list(clip)) == 12
    assert clip.problem is None


def _rate(path: Path, frames: int, scale: int) -> Path:
    """An MP4 whose frames are so close together that a millisecond holds many."""
    data = bytearray(write_clip(path, numbered(frames), fps=12).read_bytes())
    place = data.index(b"mdhd") + 4
    data[place + 12 : place + 16] = struct.pack(">I", scale)
    path.write_bytes(data)
    return path


def test_frames_in_less_than_a_millisecond_are_counted_once(tmp_path: Path) -> None:
    for scale in (10**6, 10**8, 2**31 - 1):
        path = _rate(tmp_path / "a.mp4", 12, scale)
        with ClipReader(path) as clip:
            numbers = [frame.number for frame in clip]
        assert numbers == sorted(set(numbers)), scale
        assert min(numbers, default=0) == 0
        assert clip.decoded == len(numbers) <= 12
        assert clip.skipped >= 0


def _flv(path: Path, width: int, height: int) -> Path:
    """An FLV with a frame of Sorenson's H.263, of so many pixels by its picture header."""
    data = bytearray(write_clip(path, numbered(1), codec="flv").read_bytes())
    place = data.index(b"\0\0\x84") if b"\0\0\x84" in data else data.index(b"\0\0\x80")
    bits = "".join(f"{byte:08b}" for byte in data[place : place + 12])
    start = 17 + 5 + 8 + 3  # start code, version, number; the kind of size
    wide = bits[30:33] == "001"
    length = 16 if wide else 8
    changed = bits[:start] + f"{width:0{length}b}{height:0{length}b}" + bits[start + 2 * length :]
    data[place : place + 12] = bytes(int(changed[bit : bit + 8], 2) for bit in range(0, 96, 8))
    for name, value in (("width", width), ("height", height)):
        at = data.find(name.encode() + b"\0")
        data[at + len(name) + 1 : at + len(name) + 9] = struct.pack(">d", value)
    path.write_bytes(data)
    return path


def test_a_clip_of_no_size_is_one_line_and_costs_no_other_its_result(tmp_path: Path, run_cli: RunCli) -> None:
    video_model(tmp_path / "model")
    (tmp_path / "clips").mkdir()
    _flv(tmp_path / "clips" / "a.flv", 0, 0)
    _rate(tmp_path / "clips" / "b.mp4", 12, 10**8)
    write_clip(tmp_path / "clips" / "c.mp4", numbered(12), fps=12)
    for options in (["--json"], ["--out", "found.jsonl"]):
        done = run_cli("predict", "clips", "--model", "model", *options)
        assert "Traceback" not in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [row["error"] is None for row in rows] == [False, True, True]
    assert rows[2]["clip"]["frames"] == 5
    with pytest.raises(InputError) as caught:
        mien.load(tmp_path / "model").predict(tmp_path / "clips" / "a.flv")
    assert len(str(caught.value).splitlines()) == 1


# ------------------------------------------------------------------------------------ lists of other files

_FIRST = (b"FLV\1\n", b"FLV\1\5", b"OggS\n", b"\0\0\1\xba\n", b"\0\0\0\x08free", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\n",
          b"RIFF\x10\0\0\0AVI ", b"\x1a\x45\xdf\xa3\n", b"")  # fmt: skip


def _lists(canary: Path) -> dict[str, bytes]:
    address, name = b"tcp://127.0.0.1:9/a.ts", str(canary).encode()
    return {
        "m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n%s\n#EXTINF:5,\n%s\n" % (name, address),
        "concat": b"ffconcat version 1.0\nfile '%s'\n" % name,
        "sdp": b"v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "mpd": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
        b'<Representation id="1"><BaseURL>%s</BaseURL></Representation></AdaptationSet></Period></MPD>' % name,
    }


_WATCHED = """
import sys
from mien.media.clips import ClipReader
from mien.errors import InputError
for path in sys.argv[1:]:
    try:
        list(ClipReader(path))
        print("read", path)
    except InputError:
        pass
"""


def test_a_list_behind_the_first_bytes_of_a_clip_opens_no_other_file(tmp_path: Path) -> None:
    canary = write_clip(tmp_path / "canary.ts", noisy(5))
    paths = []
    for number, first in enumerate(_FIRST):
        for kind, body in _lists(canary).items():
            paths.append(tmp_path / f"{number}.{kind}")
            paths[-1].write_bytes(first + body)
    trace = tmp_path / "trace"
    command = [sys.executable, "-c", _WATCHED, *paths]
    if _can_trace():
        command = ["strace", "-f", "-qq", "-e", "trace=open,openat,socket,connect", "-o", trace, *command]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=cli_env(), check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    if trace.exists():
        opened = [line for line in trace.read_text().splitlines() if "canary.ts" in line or "AF_INET" in line]
        assert not opened


def _can_trace() -> bool:
    try:
        return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
