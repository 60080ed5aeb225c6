"""Faces in pictures: find, align, read."""

from __future__ import annotations


def names_picture(item: str) -> bool:
    """Whether a string means a picture file and is no text: it ends like one, and exists or has no space in it."""
    from mien.media.images import is_picture, names_file

    return names_file(item, is_picture)
