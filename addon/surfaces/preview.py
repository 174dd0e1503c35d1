"""``SurfacePreview``: the surface as fitted so far, as one object before everything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..build_mesh import Dress, Surface, build
from ..handle import Handle, handle
from ..protocol.mesh import Float64, MeshData
from ..protocol.messages import Frame, Preview
from ..results import PREVIEW, drop_previews, hide_behind, scene_of
from ..write_mesh import local_positions, remove_mesh
from .reading import turned_round
from .results import results_in, surface_home

PLAIN = Dress("UVMap", "Color", smooth=True)


class SurfacePreview:
    """Its mesh is exchanged with every revision. Older results are hidden meanwhile."""

    def __init__(self, scene: Handle, original: str, matrix: Float64, job: str, space: Float64 | None = None) -> None:
        """``matrix`` [4, 4] is where it is in the world, ``space`` where it was sent from, if that is elsewhere."""
        self._scene = scene
        self._original = original
        self._matrix = matrix
        self._space = matrix if space is None else space
        self._job = job
        self._object: Handle | None = None

    def show(self, message: Preview) -> Iterator[None]:
        """Takes a revision in."""
        for data in message.meshes[:1]:
            here = yield from build(
                surface_of(data, self._space), PLAIN, f"{self._original} Preview", (PREVIEW, self._job)
            )
            mesh = here.find_mesh() if here is not None else None
            if mesh is not None:
                self._put(mesh)

    def drop(self) -> None:
        """Takes the preview away, and shows the older results again."""
        drop_previews()
        self._object = None

    def _put(self, mesh: bpy.types.Mesh) -> None:
        ob = self._object.find_object() if self._object is not None else None
        if ob is not None:
            before: Any = ob.data
            ob.data = mesh
            if before.users == 0:
                remove_mesh(before)
            return
        home = surface_home(scene_of(self._scene), self._original)
        ob = bpy.data.objects.new(mesh.name, mesh)
        ob[PREVIEW] = self._job
        ob.matrix_world = matrix_of(self._matrix)
        ob.show_in_front = True  # the original lies in the same place
        hide_behind(ob, results_in(home))
        home.objects.link(ob)
        self._object = handle(ob)


def surface_of(data: MeshData | Frame, matrix: Float64) -> Surface:
    """What an object with this world matrix shows; where it is mirrored, faces that look outwards are turned round."""
    assert data.face_offsets is not None
    assert data.face_indices is not None
    positions = local_positions(matrix, data.vertices, data.origin, data.scale)
    faces = data.face_offsets, data.face_indices
    return Surface(positions, *(turned_round(*faces) if np.linalg.det(matrix) < 0.0 else faces), {})


def matrix_of(matrix: Float64) -> Any:
    """A matrix [4, 4] as Blender takes it."""
    return Matrix(matrix.tolist())
