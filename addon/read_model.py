"""The bytes of a trained model's file, as they travel."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from .problem import Problem


def read_model(chosen: str) -> NDArray[np.uint8]:
    """Of the file at a path as Blender keeps it. Raises ``Problem``."""
    path = Path(bpy.path.abspath(chosen))
    try:
        return np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise Problem(f"The model {path} cannot be read: {error.strerror or error}.") from error
