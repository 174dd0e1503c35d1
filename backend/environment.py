"""The environment variables of this process, and of those that it starts."""

from __future__ import annotations

import os
from pathlib import Path

ALGEBRA = ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")  # threads of the linear algebra of numpy and SciPy
_HOME = Path(__file__).resolve().parents[1]  # the folder that holds the package


def environment() -> dict[str, str]:
    """This process's environment, in which the same ``backend`` package is found from any folder."""
    if {"site-packages", "dist-packages"}.intersection(_HOME.parts):
        return dict(os.environ)
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(_HOME)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_HOME), *others])}


def one_algebra_thread() -> None:
    """Gives numpy and SciPy one thread for linear algebra, unless the user's environment says otherwise.

    To be called before they are loaded. Our matrices are small: more threads mostly wait for each other, at three times
    the CPU time where a match is sought.
    """
    for name in ALGEBRA:
        os.environ.setdefault(name, "1")
