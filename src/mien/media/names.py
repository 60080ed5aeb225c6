"""What a file is by the end of its name; apart from what reads it, as every text is asked whether it is such a name."""

from __future__ import annotations

from pathlib import Path

#: File names of images end in one of these, whatever the case.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm"),
)
#: File names of clips end in one of these, whatever the case. A GIF or WebP is taken for an image, unless it is
#: asked for as a clip.
CLIP_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".avi", ".divx", ".mkv", ".webm", ".wmv", ".asf", ".flv", ".ogv"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts"),
)


def is_picture(path: str | Path) -> bool:
    """Whether a file is an image by the end of its name; it is not opened."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def is_clip(path: str | Path) -> bool:
    """Whether a file is a clip by the end of its name; it is not opened."""
    return Path(path).suffix.lower() in CLIP_SUFFIXES
