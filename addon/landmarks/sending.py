"""What is sent for a match to be found: the landmarks in the vertex numbers of the two meshes, and the model."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..properties import settings_of
from ..protocol.mesh import Float64, Int32, MeshData
from ..read_model import read_model
from .picking import pair_of
from .skin import counts_of
from .store import Objects, end_on, whole

WITHOUT = ("vertex-order", "table", "implicit-dense")  # ways to match that leave nothing for landmarks to say


def landmark_pairs(
    scene: bpy.types.Scene, objects: Objects, meshes: tuple[MeshData, MeshData], way: str
) -> Int32 | None:
    """Source and target vertex of each [L, 2]; None where there are none, or the way does not take them."""
    if way in WITHOUT:
        return None
    sent = [mesh.positions() for mesh in meshes]  # world
    pairs = [
        [_vertex(end_on(landmark, ob), ob, positions) for ob, positions in zip(objects, sent, strict=True)]
        for landmark in whole(scene, objects)
    ]
    return np.array(pairs, np.int32) if pairs else None


def lacking(context: bpy.types.Context) -> str:
    """What the chosen way to match needs and has not; empty where it has all."""
    assert context.scene is not None
    settings, pair = settings_of(context.scene), pair_of(context)
    if settings.correspondence == "table" and not settings.table.strip():
        return "Choose the table's file"
    without = pair is not None and next(whole(context.scene, pair), None) is None
    if settings.correspondence == "landmarks" and without:
        return "Pick landmarks first, or choose another Match"
    return ""


def model_of(settings: Any) -> NDArray[np.uint8] | None:
    """The bytes of the model, for the way that has one; None: the backend's own. Raises ``Problem``."""
    chosen = settings.model.strip()
    if settings.correspondence != "implicit-dense" or not chosen:
        return None
    return read_model(chosen)


def _vertex(end: Any, ob: bpy.types.Object, positions: Float64) -> int:
    """The end's vertex; where the mesh has changed since, the one nearest to the end's place."""
    if end.count in counts_of(ob, len(positions)):
        return int(end.vertex)
    world = np.array(ob.matrix_world, np.float64)
    place = world[:3, :3] @ np.array(end.point, np.float64) + world[:3, 3]
    return int(((positions - place) ** 2).sum(axis=1).argmin())
