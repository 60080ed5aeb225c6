"""The same application on Ray Serve: its settings. tests/cluster runs it."""

from __future__ import annotations

import importlib.util

import pytest

from mien.errors import MissingExtra
from mien.serve.scale import application

HAS_RAY = importlib.util.find_spec("ray") is not None


def test_settings_are_checked_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="colour"):
        application({"colour": "red"})
    with pytest.raises(ValueError, match="max_inputs"):
        application({"max_inputs": 0})


@pytest.mark.skipif(HAS_RAY, reason="Ray is here")
def test_without_ray_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match='this needs ray: install mien with the extra "scale"'):
        application({})
