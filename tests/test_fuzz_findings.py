"""What the fuzzer found, each in its smallest form."""

from __future__ import annotations

import re
import struct
import time
import unicodedata
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from filmed import noisy, numbered, write_clip
from mien.datasets.json_tables import VALUE_LIMIT
from mien.datasets.lines import DEPTH_LIMIT, ROW_LIMIT
from mien.datasets.table_file import COLUMN_LIMIT
from mien.datasets.tables import open_table
from mien.errors import DataError, InputError, MienError, ModelError, RecipeError
from mien.media.clips import ClipReader
from mien.media.images import MAX_PIXELS, picture_size, read_picture
from mien.media.pickles import LIMIT
from mien.modalities.text.preprocess import MAX_CHARACTERS, MAX_MARKS, clean
from mien.runtime import Session
from mien.serve.settings import ServeSettings
from mien.training.recipe import load_recipe

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


def test_a_message_is_one_line_whatever_it_quotes(tmp_path: Path) -> None:
    """Arrow's messages end in a line feed, and names in a pickle can be anything."""
    assert str(MienError("two\nlines \x1b]0;title\x07\u202e\n")) == r"two lines \x1b]0;title\x07\u202e"
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + bytes(40) + struct.pack("<I", 20) + b"PAR1")
    with pytest.raises(DataError) as parquet:
        open_table(path)
    path = tmp_path / "a.pkl"
    path.write_bytes(b"c\x1b[31m\0\nname\n.")
    with pytest.raises(DataError) as pickled:
        open_table(path)
    path.write_bytes(b"cpandas\nDataFrame\n)RI1\nR.")  # a table is called, with a number in place of arguments
    with pytest.raises(DataError) as noted:
        open_table(path)
    for error in (parquet, pickled, noted):
        assert str(error.value).isprintable()
        assert "object at 0x" not in str(error.value)


def test_every_sign_is_prepared_in_linear_time() -> None:
    """50,000 Tibetan vowel signs, which are no marks but consist of two, took 16 s."""
    odd = [chr(c) for c in range(0x110000) if unicodedata.combining(unicodedata.normalize("NFD", chr(c))[0])]
    rarest = sorted(odd, key=unicodedata.combining)
    for sign in (*rarest[:3], rarest[-1], "\u0344"):
        start = time.process_time()
        clean("a" + "\u0f71" * 40_000 + sign * 40_000)
        assert time.process_time() - start < 3, f"{ord(sign):x}"


@pytest.mark.parametrize(("kind", "count"), [(2, 4), (7, 4)])
def test_the_side_of_a_tile_is_a_number(kind: int, count: int) -> None:
    """A TIFF gave it as a text: a TypeError came through."""
    numbers = ((256, 4), (257, 3), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 3), (279, 12))
    entries = [struct.pack("<HHII", tag, 3, 1, value) for tag, value in numbers]
    entries.append(struct.pack("<HHI4s", 322, kind, count, b"abc\0"))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    with pytest.raises(InputError, match="tiles"):
        read_picture(b"II*\0" + struct.pack("<I", 20) + bytes(12) + directory)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP"])
def test_the_size_of_an_image_is_that_of_what_is_read(kind: str, tmp_path: Path) -> None:
    """Of TIFFs that are turned by their header, width and height were exchanged."""
    for orientation in range(1, 9):
        exif, path = Image.Exif(), tmp_path / "a.bin"
        exif[274] = orientation
        Image.new("RGB", (40, 30)).save(path, kind, exif=exif)
        height, width = read_picture(path).shape[:2]
        assert picture_size(path, shown=True) == (width, height) == ((30, 40) if orientation > 4 else (40, 30))
        assert picture_size(path) == (40, 30)


@pytest.mark.parametrize("box", [b"stsz", b"trun"])
@pytest.mark.parametrize("count", [2**24, 2**26, 2**32 - 1])
def test_an_mp4_cannot_state_more_frames_than_it_has_room_for(box: bytes, count: int, tmp_path: Path) -> None:
    """The decoder made a table of 2²⁶ frames: 860 MB for a clip of 14 kB."""
    path = write_clip(tmp_path / "a.mp4", numbered(10), muxer=FRAGMENTS if box == b"trun" else {})
    data = bytearray(path.read_bytes())
    place = data.index(box) + 8
    data[place : place + (8 if box == b"stsz" else 4)] = struct.pack(">II", 1, count)[-8 if box == b"stsz" else -4 :]
    path.write_bytes(data)
    with pytest.raises(InputError, match="more than the file has room for"):
        ClipReader(path)


def test_a_packed_header_of_an_mp4_is_not_unpacked(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(3))
    head = struct.pack(">I4sI4sI4s", 24, b"moov", 16, b"cmov", 8, b"dcom")
    path.write_bytes(path.read_bytes() + head)
    with pytest.raises(InputError, match="packed header"):
        ClipReader(path)


def test_frames_of_a_clip_are_not_months_apart(tmp_path: Path) -> None:
    """An FLV with a damaged time was 292 million years long."""
    path = write_clip(tmp_path / "a.mkv", numbered(3), times=[0, 0.04, 2e7], codec="mjpeg", fps=25)
    with pytest.raises(InputError, match="days"):
        ClipReader(path)


def test_what_onnx_runtime_says_is_shortened(tmp_path: Path) -> None:
    """It named functions and lines of its own source, 500 characters."""
    network = onnx.ModelProto.FromString(_network())
    network.graph.node[0].input[1] = "nothing"
    with pytest.raises(ModelError, match="cannot be run") as caught:
        Session(network.SerializeToString(), name="model.onnx")
    assert len(str(caught.value)) < 200
    assert "[ONNX" not in str(caught.value)


def _network() -> bytes:
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in ("x", "y"))
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["y"])]
    graph = helper.make_graph(nodes, "mean", [given], [made], [axes])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mkv", {}), ("a.webm", {"codec": "libvpx"}), ("a.mp4", {"muxer": FRAGMENTS}), ("a.avi", {"codec": "mpeg4"})],
)
def test_a_clip_cut_anywhere_says_so(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, noisy(10), key_every=4, **options)
    whole = path.read_bytes()
    for size in range(len(whole) // 8, len(whole) * 7 // 8, len(whole) // 12):
        path.write_bytes(whole[:size])
        try:
            with ClipReader(path) as clip:
                shown = len(list(clip))
        except InputError:
            continue
        assert shown == 10 or clip.problem or clip.skipped, size


def test_a_clip_in_an_unknown_codec_is_one_line(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", numbered(5), codec="mjpeg")
    path.write_bytes(path.read_bytes().replace(b"V_MJPEG", b"V_NSUCH"))
    with pytest.raises(InputError, match="cannot be decoded"):
        ClipReader(path)


def test_a_clip_that_leads_before_its_start_is_one_line(tmp_path: Path) -> None:
    """A seek that PyAV passes on to the file: an OSError came through."""
    path = write_clip(tmp_path / "a.wmv", numbered(5), codec="wmv2", container="asf")
    data, faults = bytearray(path.read_bytes()), 0
    for place in range(30, 400, 8):
        data[place : place + 8], kept = b"\xff" * 8, data[place : place + 8]
        path.write_bytes(data)
        data[place : place + 8] = kept
        try:
            with ClipReader(path) as clip:
                list(clip)
        except InputError:
            faults += 1
    assert faults


def test_a_first_frame_without_a_time_is_at_the_start(tmp_path: Path) -> None:
    """It was a second before it."""
    path = write_clip(tmp_path / "a.mpg", numbered(10), fps=25, codec="mpeg1video", container="mpeg")
    data = bytearray(path.read_bytes())
    place = data.index(b"\0\0\1\xe0") + 6
    place = next(place for place in range(place, place + 20) if data[place] >> 4 in (2, 3))
    size = 5 if data[place] >> 4 == 2 else 10
    data[place : place + size] = b"\xff" * (size - 1) + b"\x0f"
    path.write_bytes(data)
    with ClipReader(path) as clip:
        times = [frame.time for frame in clip]
    assert times[0] == 0
    assert times == sorted(set(times))


def test_frames_at_one_time_and_odd_turns_are_read(tmp_path: Path) -> None:
    """Numbers rose and times did not; a clip turned by 179 degrees was shown as by 90."""
    path = write_clip(tmp_path / "a.mp4", numbered(6), fps=25, rotation=90)
    data = bytearray(path.read_bytes())
    place = data.index(b"stts") + 12
    for entry in range(struct.unpack(">I", data[place - 4 : place])[0]):
        data[place + 8 * entry + 4 : place + 8 * entry + 8] = bytes(4)
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 8] = struct.pack(">ii", 0x4000, 0xFD00)  # by 76 degrees or so, in place of 90
    path.write_bytes(data)
    with ClipReader(path) as clip:
        frames = list(clip)
        assert {frame.picture.shape for frame in frames} == {(clip.info.height, clip.info.width, 3)}
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))


def test_the_limits_that_are_promised_are_those_of_the_code() -> None:
    text = (Path(__file__).parent.parent / "SECURITY.md").read_text("utf-8")
    settings = ServeSettings()
    for what, *limits in (
        ("pixels of an image", MAX_PIXELS, round(settings.max_megapixels * 1e6), settings.max_live_pixels),
        ("characters of a text", MAX_CHARACTERS),
        ("combining marks", MAX_MARKS),
        ("bytes of a row", ROW_LIMIT),
        ("columns of a table", COLUMN_LIMIT),
        ("values in a line", VALUE_LIMIT),
        ("lists within lists", DEPTH_LIMIT),
        ("bytes that a pickle", LIMIT),
        ("inputs, megabytes", settings.max_inputs, round(settings.max_body_mb), round(settings.max_json_mb)),
        ("seconds of a clip", round(settings.max_clip_s), round(settings.max_clip_work_s)),
    ):
        line = next(line for line in text.splitlines() if line.startswith(f"| {what}"))
        assert [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\b", line.split("|")[2])] == limits, what


@pytest.mark.parametrize("modality", ["[a]", "{a: 1}", "null", "2001-01-01"])
def test_a_modality_that_is_no_word_is_one_line(modality: str, tmp_path: Path) -> None:
    """With a short setting beside it, it was looked up before it was checked: a TypeError."""
    path = tmp_path / "recipe.yaml"
    path.write_text(f"name: a\nmodality: {modality}\nnetwork: {{kind: gru}}\n")
    with pytest.raises(RecipeError, match="modality"):
        load_recipe(path, ["epochs=3"])
