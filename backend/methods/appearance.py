"""Texture coordinates, colours and materials of a frame that has faces of its own, from both ends of the morph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.geometry.textured_surface import TexturedSurface
from backend.methods.carried_pair import CarriedPair
from protocol.mesh import MeshData

Float = NDArray[np.float64]


class Appearance:
    """What both ends look like, looked up at the nearest place of the surfaces carried to the frame's time.

    Where both ends have something the frame blends from the source's to the target's, linear in time. Blended texture
    coordinates suit one texture; to fade one texture into another, the frame has each end's own coordinates too.
    Material slots are not blended: they are the source's from the first frame to the last.
    """

    def __init__(self, source: MeshData, target: MeshData, carried: CarriedPair) -> None:
        self._ends = (
            TexturedSurface(source, carried.source.vertex_map, carried.source.positions),
            TexturedSurface(target, carried.target.vertex_map, carried.target.positions),
        )
        self._carried = carried

    def attributes(self, positions: Float, triangles: NDArray[np.int64], t: float) -> dict[str, NDArray[np.generic]]:
        """Of a frame with ``positions`` [V, 3] (relative to the origin of the source) and ``triangles`` [T, 3].

        ``uv`` [3 T, 2] of the corners, with ``uv_source`` and ``uv_target`` if both ends have coordinates, and
        ``color`` [V, 4] of the vertices; only what either end has. ``material`` [3 T], if the source has it, is for
        each corner the slot of its face.
        """
        wanted = [end.has_uv or end.has_color for end in self._ends]
        first = self._ends[0]
        if not len(triangles) or not (any(wanted) or first.has_materials):
            return {}
        carried = self._carried.at(t)
        source, target = (
            end.look_up(positions, triangles, at) if asked else (None, None)
            for end, at, asked in zip(self._ends, carried, wanted, strict=True)
        )
        found: dict[str, NDArray[np.generic]] = {}
        if first.has_materials:
            found["material"] = np.repeat(first.materials(positions, triangles, carried[0]), 3).astype(np.int32)
        uv = _blended(source[0], target[0], t)
        if uv is not None:
            found["uv"] = uv.astype(np.float32)
        if source[0] is not None and target[0] is not None:
            found |= {"uv_source": source[0].astype(np.float32), "uv_target": target[0].astype(np.float32)}
        color = _blended(source[1], target[1], t)
        if color is not None:
            found["color"] = color.astype(np.float32)
        return found


def _blended(source: Float | None, target: Float | None, t: float) -> Float | None:
    if source is None or target is None:
        return target if source is None else source
    return (1.0 - t) * source + t * target
