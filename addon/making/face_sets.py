"""Material slots of a mesh in an Alembic file, as what Blender writes and reads of them: face sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np

from ..protocol.mesh import Int32


@contextmanager
def face_sets(mesh: bpy.types.Mesh) -> Iterator[bool]:
    """Gives a mesh materials for as long as it is written; whether it has more slots in use than the first.

    Blender writes the faces of each material as a set, in the order of the materials' names, and gives the sets the
    slots 0, 1, ... when it reads them, whatever their names. A slot without faces has no set, and those after it would
    move up. So it gets one face: the smallest.
    """
    slots = np.zeros(len(mesh.polygons), np.int32)  # [F]
    mesh.polygons.foreach_get("material_index", slots)
    if not slots.any():
        yield False
        return
    made = [bpy.data.materials.new(f"{slot:05d}") for slot in range(int(slots.max()) + 1)]
    own: Any = mesh.materials
    try:
        for material in made:
            own.append(material)
        mesh.polygons.foreach_set("material_index", _without_gaps(mesh, slots))
        yield True
    finally:
        own.clear()
        bpy.data.batch_remove(made)
        mesh.polygons.foreach_set("material_index", slots)


def _without_gaps(mesh: bpy.types.Mesh, slots: Int32) -> Int32:
    """The slots [F], with one face in each of those that have none below the highest."""
    counts = np.bincount(slots)
    missing = np.flatnonzero(counts == 0)
    areas = np.zeros(len(slots), np.float32)
    mesh.polygons.foreach_get("area", areas)
    most = np.flatnonzero(slots == counts.argmax())
    filled = slots.copy()
    smallest = most[np.argsort(areas[most])][: len(missing)]
    filled[smallest] = missing[: len(smallest)]
    return filled
