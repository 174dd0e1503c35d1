"""The variables that backends and Blenders of these tests are started with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.shared_data import shared_data

ROOT = Path(__file__).resolve().parents[2]
EXTRA = "tests.blender.own_faces:OwnFaces"  # a method of the tests


def backend_environment() -> dict[str, str]:
    """Variables with which a backend finds this source tree, whoever starts it."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TWEENFIELD_EXTRA_METHODS": EXTRA}


def bad_files() -> Path | None:
    """The folder of bad meshes, if the shared test data is here."""
    folder = shared_data()
    return folder / "bad" if folder is not None else None


def blender_environment(folder: Path, connection_file: Path | None) -> dict[str, str]:
    """Variables of a Blender with a profile of its own; without a connection file it starts its own backend."""
    return backend_environment() | {
        "BLENDER_USER_RESOURCES": str(folder / "profile"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_DATA_HOME": str(folder / "data"),
        "TWEENFIELD_TEST_PYTHON": sys.executable,
        "TWEENFIELD_TEST_CONNECTION": str(connection_file or ""),
        "TWEENFIELD_TEST_BAD": str(bad_files() or ""),
    }
