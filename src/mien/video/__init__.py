"""Faces in clips: find, follow, read over time."""

from __future__ import annotations
