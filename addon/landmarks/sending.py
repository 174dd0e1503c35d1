"""The landmarks of a pair in the vertex numbers of the two meshes that are sent."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ..protocol.mesh import Float64, Int32, MeshData
from .store import Objects, end_on, whole

WITHOUT = ("vertex-order", "table")  # ways to match that leave nothing for landmarks to say


def landmark_pairs(
    scene: bpy.types.Scene, objects: Objects, meshes: tuple[MeshData, MeshData], way: str
) -> Int32 | None:
    """Source and target vertex of each [L, 2]; None where there are none, or the way does not take them."""
    if way in WITHOUT:
        return None
    sent = [mesh.positions() for mesh in meshes]  # world
    worlds = [np.array(ob.matrix_world, np.float64) for ob in objects]
    pairs = [
        [_vertex(end_on(landmark, ob), *entry) for ob, *entry in zip(objects, sent, worlds, strict=True)]
        for landmark in whole(scene, objects)
    ]
    return np.array(pairs, np.int32) if pairs else None


def _vertex(end: Any, positions: Float64, world: Float64) -> int:
    """The end's vertex; where the mesh has changed since, the one nearest to the end's place."""
    if end.count == len(positions):
        return int(end.vertex)
    place = world[:3, :3] @ np.array(end.point, np.float64) + world[:3, 3]
    return int(((positions - place) ** 2).sum(axis=1).argmin())
