"""Pictures of every kind and fault, written here; Pillow, another decoder, is the reference."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mien.errors import InputError
from mien.media import images as media
from mien.media.images import is_picture, picture_size, read_picture


def quarters(height: int = 40, width: int = 64) -> np.ndarray:
    """A picture that is different whichever way it is turned: red, green, blue and white quarters."""
    picture = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    picture[:top, :left], picture[:top, left:] = (220, 30, 40), (20, 200, 60)
    picture[top:, :left], picture[top:, left:] = (30, 60, 210), (250, 250, 250)
    return picture


def noise(height: int = 80, width: int = 90) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(picture: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refused(source: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_picture(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("BMP", "RGB", {}),
        ("BMP", "L", {}),
        ("BMP", "1", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "L", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("GIF", "P", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("PPM", "RGB", {}),
        ("PPM", "L", {}),
        ("PPM", "1", {}),
    ],
)
@pytest.mark.parametrize("size", [(40, 64), (1, 1)])
def test_kinds_that_lose_nothing(kind: str, mode: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    image = Image.fromarray(quarters(*size)).convert(mode)
    data = encoded(image, kind, **options)
    found = read_picture(data)
    assert (found.dtype, found.shape) == (np.uint8, (*size, 3))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"comment": b"\xff\xd9"}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg(mode: str, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(quarters()).convert(mode), "JPEG", quality=95, **options)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(read_picture(data) - reference).max() <= 3


def test_lossy_webp() -> None:
    assert np.abs(read_picture(encoded(quarters(), "WEBP", quality=95)).astype(int) - quarters()).mean() < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_turned_as_exif_says(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    data = encoded(quarters(), kind, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    found = read_picture(data)
    assert found.shape[:2] == ((64, 40) if 5 <= orientation <= 8 else (40, 64))
    assert np.abs(found.astype(int) - np.asarray(upright.convert("RGB"))).mean() < 2


def test_a_turned_picture_with_alpha() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.dstack([quarters(), np.full((40, 64), 255, np.uint8)])
    rgba[:20, :32, 3] = 0
    found = read_picture(encoded(rgba, "PNG", exif=exif))
    assert found.shape == (64, 40, 3)
    assert found[0, -1].tolist() == [255, 255, 255]  # the first quarter is now at the top right


def test_a_damaged_exif_block_turns_nothing() -> None:
    data = encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert read_picture(data).shape == (40, 64, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_lies_over_white(kind: str) -> None:
    rgba = np.zeros((2, 4, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 100, [0, 51, 204, 255]
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    found = read_picture(encoded(rgba, kind, **options))
    assert found[0, 0].tolist() == [255, 255, 255]
    if kind != "TIFF":  # there the decoder has multiplied by alpha before
        assert found[0].tolist() == [[255, 255, 255], [224, 204, 204], [131, 51, 51], [100, 0, 0]]
    np.testing.assert_array_equal(read_picture(rgba)[0, :, 0], [255, 224, 131, 100])


def test_transparent_palettes_gray_with_alpha_and_gif() -> None:
    image = Image.new("P", (4, 2), 0)
    image.putpalette([0, 0, 0, 200, 10, 20])
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        found = read_picture(encoded(image, kind, transparency=0))
        assert found[0, :2].tolist() == [[255, 255, 255], [200, 10, 20]], kind
    gray = np.array([[[0, 0], [0, 255], [100, 255]]], np.uint8)
    assert read_picture(encoded(Image.fromarray(gray, "LA"), "PNG"))[0, :, 0].tolist() == [255, 0, 100]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits(kind: str) -> None:
    values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    found = read_picture(encoded(values, kind))
    assert found[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert (found == found[..., :1]).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.fromarray(quarters()), Image.fromarray(255 - quarters())]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert np.abs(read_picture(data).astype(int) - quarters()).max() <= (30 if kind == "GIF" else 0)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_arrays(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = np.broadcast_to(array.reshape(5, 7, -1), (5, 7, 3))
    np.testing.assert_array_equal(read_picture(array), expected)
    np.testing.assert_array_equal(read_picture(np.asfortranarray(array)[::-1]), expected[::-1])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((4, 4), np.nan), "uint8 .* float64"),
        (np.zeros((4, 4, 3), np.float32), "uint8 .* float32"),
        (np.zeros((4, 4), np.int64), "uint8 .* int64"),
        (np.zeros((4, 4), bool), "uint8 .* bool"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"\(2, 4, 4, 3\)"),
        (np.zeros((3, 4, 5), np.uint8), r"\(3, 4, 5\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_picture(array)


def png_of(width: int, height: int) -> bytes:
    """A small file that says it is that large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def claims(kind: str, width: int, height: int) -> bytes:
    """A file of that kind that says it is that large."""
    low, wide = struct.pack("<HH", width, height), struct.pack("<II", width, height)
    if kind == "PNG":
        return png_of(width, height)
    data = bytearray(encoded(quarters(), {"VP8": "WEBP", "VP8L": "WEBP", "VP8X": "WEBP"}.get(kind, kind)))
    if kind == "JPEG":
        place = data.index(b"\xff\xc0")
        data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        data[6:10] = low
    elif kind == "BMP":
        data[18:26] = wide
    elif kind == "TIFF":
        for tag, side in ((b"\x00\x01", width), (b"\x01\x01", height)):
            place = data.index(tag + b"\x03\x00") if tag + b"\x03\x00" in data else data.index(tag + b"\x04\x00")
            data[place : place + 12] = tag + struct.pack("<HII", 4, 1, side)
    elif kind == "VP8":
        data[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    elif kind == "VP8L":
        data = bytearray(encoded(quarters(), "WEBP", lossless=True))
        data[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    elif kind == "VP8X":
        data = bytearray(encoded(quarters(), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"))
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "VP8", "VP8L", "VP8X"])
def test_refused_by_size_before_it_is_decoded(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = 16_000 if kind.startswith("VP8") else 20_000  # as large as WebP can be
    data = claims(kind, side, side)
    monkeypatch.setattr(media, "_decode", lambda data, name: pytest.fail("decoded"))
    path = tmp_path / "large.jpg"
    path.write_bytes(data)
    for source in (path, str(path), data):
        assert f"has {side} x {side} pixels" in refused(source)
    assert refused(path).startswith(str(path))
    with pytest.raises(InputError, match="at most 100000000"):
        picture_size(path)


def test_the_limit_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(quarters(), "PNG")
    assert "at most 2559" in refused(data, max_pixels=2559)
    assert read_picture(data, max_pixels=2560).shape == (40, 64, 3)
    monkeypatch.setenv("MIEN_MAX_PIXELS", "2559")
    assert "MIEN_MAX_PIXELS" in refused(data)
    assert read_picture(data, max_pixels=2560).shape == (40, 64, 3)
    monkeypatch.setenv("MIEN_MAX_PIXELS", "many")
    assert "'many'" in refused(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_cut_off(kind: str, share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(noise(), kind)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: int(len(data) * share)])
    assert refused(path).startswith(f"{path} ")
    assert capfd.readouterr().err == ""


def test_a_thumbnail_is_not_the_end() -> None:
    inner = encoded(quarters(8, 8), "JPEG")
    exif = b"Exif\0\0" + struct.pack("<2sHIHI", b"II", 42, 8, 0, 0) + inner
    data = encoded(noise(), "JPEG", exif=exif)
    assert read_picture(data).shape == (80, 90, 3)
    assert "is damaged or cut off" in refused(data[:-500])


def test_damaged_in_the_middle(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2] ^= 255
    assert "is damaged or cut off: broken PNG file (bad header checksum in b'IDAT')" in refused(bytes(data))
    assert "is damaged" in refused(claims("BMP", 0, 40))
    assert capfd.readouterr().err == ""


def test_chunks_that_decoders_warn_of(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(quarters(), "PNG", icc_profile=b"no profile" * 20)
    np.testing.assert_array_equal(read_picture(data), quarters())
    assert capfd.readouterr().err == ""


def test_no_pictures(tmp_path: Path) -> None:
    for name, content, said in [
        ("text.jpg", b"dear diary, today I was glad", "is no picture of the kinds that are read: JPEG, PNG"),
        ("empty.png", b"", "is empty"),
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "is damaged or cut off"),
        ("film.jpg", b"\0\0\0\x18ftypisom\0\0\0\0", "is no picture of the kinds that are read"),
        ("float.tif", encoded(np.full((4, 4), 0.5, np.float32), "TIFF"), "holds float32 numbers"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        message = refused(path)
        assert message.startswith(f"{path} ")
        assert said in message
    assert refused(tmp_path) == f"{tmp_path} is a folder; a picture is needed"
    assert refused(tmp_path / "none.jpg") == f"there is no file {tmp_path / 'none.jpg'}"
    assert refused(b"") == "the file is empty"
    assert refused("/dev/zero") == "/dev/zero is no file"
    assert "cannot be read: the name is too long" in refused("i feel " * 100)
    assert len(refused("i feel " * 100)) < 300
    assert refused("a\0b").startswith("there is no file")
    assert "not NoneType" in refused(None)
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10**10)  # no blocks of it are on the disk
    assert "huge.png is too large for a picture" in refused(tmp_path / "huge.png")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_nothing_but_a_picture_or_one_clear_error_comes_of_any_bytes(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"]))
    content = bytearray(encoded(quarters(8, 8), kind))
    for place in data.draw(st.lists(st.integers(0, min(len(content), 300) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        found = read_picture(bytes(content), max_pixels=10_000)
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert (found.dtype, found.ndim, found.shape[2]) == (np.uint8, 3, 3)


def test_a_size_that_stands_far_behind(tmp_path: Path) -> None:
    data = encoded(quarters(), "JPEG")
    path = tmp_path / "long.jpg"
    path.write_bytes(data[:2] + (b"\xff\xe2\xff\xfd" + bytes(0xFFFB)) * 3 + data[2:])
    assert picture_size(path) == (64, 40)
    assert read_picture(path).shape == (40, 64, 3)
    path.write_bytes(data[:300])
    with pytest.raises(InputError, match=r"long.jpg is damaged or cut off"):
        picture_size(path)


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA is not set")
def test_real_photographs() -> None:
    files = [file for file in sorted((Path(os.environ["MIEN_DATA"]) / "photos").iterdir()) if is_picture(file)]
    assert files
    for file in files:
        image = ImageOps.exif_transpose(Image.open(file)).convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        reference = np.asarray(Image.alpha_composite(white, image).convert("RGB"))
        found = read_picture(file)
        assert found.shape == reference.shape, file
        assert np.abs(found.astype(int) - reference).mean() < 1, file


def test_pictures_by_name() -> None:
    assert all(map(is_picture, ["a.jpg", "b/C.JPEG", Path("x.WebP"), "a.b.png"]))
    assert not any(map(is_picture, ["a.csv", "png", "clip.mp4", "a.jpg.gz", Path("x")]))


def test_pillow_is_loaded_only_to_decode() -> None:
    code = "import sys, mien, mien.media.images, mien.datasets.images; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_jpeg_that_goes_over_the_picture_again_and_again_is_refused() -> None:
    plain = encoded(np.zeros((80, 80, 3), np.uint8), "JPEG", progressive=True)
    assert read_picture(plain).shape == (80, 80, 3)
    start = plain.rindex(b"\xff\xda")
    scan, end = plain[start:-2], plain[-2:]
    assert 1 < plain.count(b"\xff\xda") < 20
    assert "more than 100 scans" in refused(plain[:start] + 120 * scan + end)


def test_a_png_that_does_not_inflate_is_refused_and_never_black() -> None:
    data = png_of(30, 20)
    start, end = data.index(b"IDAT") + 4, data.index(b"IEND") - 8
    content = bytes(end - start)
    data = data[:start] + content + struct.pack(">I", zlib.crc32(b"IDAT" + content)) + data[end + 4 :]
    assert "is damaged or cut off: broken data stream" in refused(data)


@pytest.mark.parametrize("interlaced", [0, 1])
def test_a_png_whose_rows_end_too_soon_is_refused_and_never_black(interlaced: int) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    def png(pixels: bytes) -> bytes:
        head = struct.pack(">IIBBBBB", 100, 80, 8, 2, 0, 0, interlaced)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + body

    # Adam7's passes of 100 x 80 pixels: columns and rows of each
    passes = [(13, 10), (12, 10), (25, 10), (25, 20), (50, 20), (50, 40), (100, 40)] if interlaced else [(100, 80)]
    full = b"".join((b"\0" + bytes(3 * wide)) * high for wide, high in passes)
    assert not read_picture(png(full)).any(), "a black one is read"
    last = 1 + 3 * passes[-1][0]
    for missing in (1, last, 20 * last):
        assert "is damaged or cut off" in refused(png(full[:-missing])), missing
