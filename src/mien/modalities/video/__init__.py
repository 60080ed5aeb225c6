"""Faces in clips: find, follow, read over time."""

from __future__ import annotations


def names_clip(item: str) -> bool:
    """Whether a string means a clip and is no text: it ends like one, and exists or has no space in it."""
    from mien.media.clips import is_clip
    from mien.media.images import names_file

    return names_file(item, is_clip)
