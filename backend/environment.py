"""The environment of the processes that this one starts."""

from __future__ import annotations

import os
from pathlib import Path

_HOME = Path(__file__).resolve().parents[1]  # the folder that holds the package


def environment() -> dict[str, str]:
    """This process's environment, in which the same ``backend`` package is found from any folder."""
    if {"site-packages", "dist-packages"}.intersection(_HOME.parts):
        return dict(os.environ)
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(_HOME)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_HOME), *others])}
