"""Fixtures that several folders of tests share."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

import build_addon
from backend.environment import one_algebra_thread

one_algebra_thread()  # as every process of the backend, so that all compute the same bytes; before numpy is loaded

# The same examples every time, and no time limit of each: machines differ.
settings.register_profile("tweenfield", deadline=None, derandomize=True, database=None)
settings.load_profile("tweenfield")


@pytest.fixture(scope="session")
def addon_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension for this platform, built once."""
    return build_addon.build(tmp_path_factory.mktemp("addon"), build_addon.this_platform())


@pytest.fixture(scope="session")
def blender_python() -> Path:
    """The Python that scripts importing bpy are run with; ``python -m tests.blender.versions`` sets another one."""
    chosen = os.environ.get("TWEENFIELD_BLENDER_PYTHON")
    if chosen:
        return Path(chosen)
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("bpy is not installed")
    return Path(sys.executable)
