"""Faces in pictures: find, align, read."""

from __future__ import annotations

from pathlib import Path


def names_picture(item: str) -> bool:
    """Whether a string means a picture file and is no text: it ends like one, and exists or has no space in it."""
    from mien.media import is_picture

    if "\0" in item or "\n" in item or not is_picture(item):
        return False
    if not any(character.isspace() for character in item):
        return True
    try:
        return Path(item).exists()
    except OSError:  # too long for a file name
        return False
