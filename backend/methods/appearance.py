"""Texture coordinates and colours of a frame that has faces of its own, from both ends of the morph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.methods.carried_pair import CarriedPair
from protocol.mesh import MeshData

Float = NDArray[np.float64]


class Appearance:
    """What both ends look like, looked up on the surfaces carried to the frame's time."""

    def __init__(self, source: MeshData, target: MeshData, carried: CarriedPair) -> None:
        self._source = source
        self._target = target
        self._carried = carried

    def attributes(self, positions: Float, triangles: NDArray[np.int64], t: float) -> dict[str, NDArray[np.generic]]:
        """Of a frame with ``positions`` [V, 3] (relative to the origin of the source) and ``triangles`` [T, 3]."""
        return {}
