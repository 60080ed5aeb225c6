"""Pictures and clips of rare kinds, of which decoders differ in what they see."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from mien.errors import InputError
from mien.media.clips import ClipReader
from mien.media.images import picture_size, read_picture


def pattern() -> np.ndarray:
    """A picture of 16 bits that is different whichever way it is turned."""
    y, x = np.mgrid[:24, :40]
    return np.stack([1500 * x, 2500 * y, 60_000 - 900 * (x + y)], -1).astype(np.uint16)


def tiff(picture: np.ndarray, orientation: int) -> bytes:
    """A TIFF of 16 bits a channel, which Pillow does not write."""
    height, width, _ = picture.shape
    data = picture.astype("<u2").tobytes()
    short, long = 3, 4
    tags = [
        (256, short, 1, width), (257, short, 1, height), (258, short, 3, 146), (259, short, 1, 1), (262, short, 1, 2),
        (273, long, 1, 152), (274, short, 1, orientation), (277, short, 1, 3), (278, short, 1, height),
        (279, long, 1, len(data)), (284, short, 1, 1),
    ]  # fmt: skip
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head + struct.pack("<IHHH", 0, 16, 16, 16) + data


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
def test_a_tiff_of_16_bits_is_turned_once(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = io.BytesIO()
    Image.fromarray((pattern() // 257).astype(np.uint8)).save(plain, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(plain)))
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(pattern(), orientation))
    found = read_picture(path)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= 1
    assert picture_size(path, shown=True) == found.shape[1::-1]


def test_a_jpeg_2000_of_four_inks() -> None:
    image = Image.fromarray((pattern() // 257).astype(np.uint8)).convert("CMYK")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG2000")
    np.testing.assert_array_equal(read_picture(buffer.getvalue()), np.asarray(image.convert("RGB")))


def with_cover(path: Path, codec: str) -> Path:
    """A clip, or sound, with the picture of its cover in front."""
    with av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        other = out.add_stream(codec, rate=25 if codec == "mpeg4" else 16000)
        if codec == "mpeg4":
            other.width, other.height, other.pix_fmt = 96, 64, "yuv420p"
        for stream, size, count in ((cover, (48, 64), 1), (other, (64, 96), 25)):
            for number in range(count):
                if stream is other and codec != "mpeg4":
                    frame = av.AudioFrame.from_ndarray(np.zeros((1, 640), np.int16), "s16", "mono")
                    frame.sample_rate, frame.pts = 16000, 640 * number
                else:
                    shade = (0, 200, 0) if stream is other else (200, 0, 0)
                    frame = av.VideoFrame.from_ndarray(np.full((*size, 3), shade, np.uint8), format="rgb24")
                    frame.pts = number
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_the_cover_of_a_clip_is_not_the_clip(name: str, tmp_path: Path) -> None:
    with ClipReader(with_cover(tmp_path / name, "mpeg4")) as clip:
        frames = list(clip)
    assert (len(frames), clip.info.frames, clip.info.width, clip.problem) == (25, 25, 96, None)
    assert frames[0].picture[32, 48].argmax() == 1


def test_sound_with_a_cover_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no pictures, only sound"):
        ClipReader(with_cover(tmp_path / "song.mp4", "aac"))


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_the_last_frame_of_an_animation_counts_with_its_own_time(ending: str, tmp_path: Path) -> None:
    first, *rest = [Image.new("RGB", (32, 24), (shade,) * 3) for shade in (10, 130, 250)]
    path = tmp_path / f"a.{ending}"
    first.save(path, save_all=True, append_images=rest, duration=[100, 100, 2000])
    with ClipReader(path) as clip:
        assert [frame.time for frame in clip] == pytest.approx([0, 0.1, 0.2])
        assert clip.info.duration == pytest.approx(2.2)


def test_a_webp_whose_frames_state_no_time_takes_that_of_browsers(tmp_path: Path) -> None:
    first, *rest = [Image.new("RGB", (32, 24), (shade,) * 3) for shade in (10, 90, 170, 250)]
    path = tmp_path / "a.webp"
    first.save(path, save_all=True, append_images=rest, duration=0, lossless=True, minimize_size=False)
    with ClipReader(path) as clip:
        assert [frame.time for frame in clip] == pytest.approx([0, 0.1, 0.2, 0.3])
        assert clip.info.duration == pytest.approx(0.4)
