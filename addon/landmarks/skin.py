"""``Skin``: an object's surface as it is shown, to find vertices on: under a ray, near a place, across a plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from ..problem import Problem
from ..protocol.mesh import Float32, Int32
from ..read_mesh import evaluated_object, read_faces, shown_mesh
from .store import Place

# Modifiers after which the mesh's own vertices are not the first ones.
REORDERING = {"BEVEL", "BOOLEAN", "BUILD", "DECIMATE", "EDGE_SPLIT", "EXPLODE", "FLUID", "MASK", "MESH_SEQUENCE_CACHE"}
REORDERING |= {"NODES", "OCEAN", "PARTICLE_INSTANCE", "REMESH", "SCREW", "SKIN", "VOLUME_TO_MESH", "WELD", "WIREFRAME"}
MIRRORED = 0.05  # of the mesh's diagonal: a mirrored place so far from every vertex has no counterpart


@dataclass(frozen=True)
class Ray:
    """From the eye into the scene, in the world."""

    origin: Vector
    direction: Vector


@dataclass(frozen=True, eq=False)
class Skin:
    """The mesh of an object with its modifiers, as it is sent."""

    positions: Float32  # [V, 3], object space
    offsets: Int32  # [F + 1]
    corners: Int32  # [C]
    counts: tuple[int, ...]  # see ``counts_of``

    @property
    def diagonal(self) -> float:
        """Of the box around it, object space."""
        return float(np.linalg.norm(np.ptp(self.positions, axis=0)))

    def place(self, vertex: int) -> Place:
        x, y, z = map(float, self.positions[vertex])
        return Place(vertex, len(self.positions), (x, y, z))

    def nearest(self, point: Any) -> int:
        """The vertex nearest to a place in object space."""
        return int(((self.positions - np.asarray(point, np.float32)) ** 2).sum(axis=1).argmin())

    def on_face(self, point: Any, face: int) -> int:
        """The corner of a face that is nearest to a place."""
        if not 0 <= face < len(self.offsets) - 1:
            return self.nearest(point)
        corners = self.corners[self.offsets[face] : self.offsets[face + 1]]
        gaps = ((self.positions[corners] - np.asarray(point, np.float32)) ** 2).sum(axis=1)
        return int(corners[gaps.argmin()])

    def now(self, end: Any) -> int:
        """The vertex that an end of a landmark means."""
        return int(end.vertex) if end.count in self.counts else self.nearest(end.point)

    def across(self, vertex: int, axis: int) -> int | None:
        """The vertex on the other side of the plane through the object's origin; None where there is none."""
        mirrored = self.positions[vertex].copy()
        mirrored[axis] *= -1.0
        found = self.nearest(mirrored)
        gap = float(np.linalg.norm(self.positions[found] - mirrored))
        return found if gap <= MIRRORED * self.diagonal else None


def counts_of(ob: bpy.types.Object, count: int) -> tuple[int, ...]:
    """The sizes of meshes whose vertex numbers hold for the object as it is shown, with ``count`` vertices.

    That of its own mesh is one of them where its modifiers only move vertices and add others after them.
    """
    own = len(ob.data.vertices) if isinstance(ob.data, bpy.types.Mesh) else count
    return (count, own) if own <= count and not any(map(_reorders, ob.modifiers)) else (count,)


def _reorders(modifier: Any) -> bool:
    if not modifier.show_viewport:
        return False
    if modifier.type == "SOLIDIFY":
        return bool(modifier.solidify_mode != "EXTRUDE")
    return modifier.type in REORDERING or (modifier.type == "MIRROR" and any(modifier.use_bisect_axis))


def skin_of(context: bpy.types.Context, ob: bpy.types.Object) -> Skin:
    """Raises ``Problem`` where the object has no surface now."""
    return _read(context, ob)[0]


def _read(
    context: bpy.types.Context, ob: bpy.types.Object, groups: bool = False
) -> tuple[Skin, list[dict[int, float]]]:
    with shown_mesh(context, ob) as (mesh, positions, _):
        weights = _weights(mesh, len(ob.vertex_groups)) if groups else []
        return Skin(positions, *read_faces(mesh), counts_of(ob, len(positions))), weights


def _weights(mesh: bpy.types.Mesh, count: int) -> list[dict[int, float]]:
    """For each of the vertex groups the vertices that have a weight in it."""
    found: list[dict[int, float]] = [{} for _ in range(count)]
    for vertex in mesh.vertices:
        for entry in vertex.groups:
            if entry.weight > 0.0 and entry.group < count:
                found[entry.group][vertex.index] = entry.weight
    return found


def group_places(context: bpy.types.Context, ob: bpy.types.Object) -> dict[str, Place]:
    """For each vertex group that is not empty the one of its vertices nearest to its weighted centre."""
    skin, weights = _read(context, ob, groups=True)
    places = {}
    for group in ob.vertex_groups:
        members = weights[group.index]
        if members:
            vertices = np.fromiter(members, np.int64, len(members))
            shares = np.fromiter(members.values(), np.float64, len(members))
            centre = shares @ skin.positions[vertices] / shares.sum()
            gaps = ((skin.positions[vertices] - centre) ** 2).sum(axis=1)
            places[group.name] = skin.place(int(vertices[gaps.argmin()]))
    return places


def under(context: bpy.types.Context, ob: bpy.types.Object, ray: Ray) -> tuple[Vector, int] | None:
    """Where a ray first meets the object's surface (world), and the face."""
    try:
        evaluated, _ = evaluated_object(context, ob)
        into = evaluated.matrix_world.inverted_safe()
        direction = into.to_3x3() @ ray.direction
        if direction.length == 0.0:
            return None
        hit, place, _, face = evaluated.ray_cast(into @ ray.origin, direction)
    except (Problem, RuntimeError):  # the latter where it has no mesh now
        return None
    return (evaluated.matrix_world @ place, face) if hit else None


def places_of(context: bpy.types.Context, ob: bpy.types.Object, ends: Sequence[Any]) -> list[Vector]:
    """Where ends of landmarks are on the object's surface as it is shown (world)."""
    try:
        evaluated, _ = evaluated_object(context, ob)
    except Problem:
        return [ob.matrix_world @ Vector(end.point) for end in ends]
    mesh = evaluated.to_mesh()  # what ``evaluated.data`` is not where the graphics card subdivides
    try:
        position: Any = mesh.attributes["position"]
        counts = counts_of(ob, len(position.data))
        local = [position.data[end.vertex].vector.copy() if end.count in counts else None for end in ends]
    finally:
        evaluated.to_mesh_clear()
    return [
        ob.matrix_world @ (_on_surface(evaluated, Vector(end.point)) if place is None else place)
        for end, place in zip(ends, local, strict=True)
    ]


def _on_surface(evaluated: bpy.types.Object, point: Vector) -> Vector:
    """The place of the surface nearest to a point; object space."""
    try:
        found, place, _, _ = evaluated.closest_point_on_mesh(point)
    except RuntimeError:  # it has no mesh now
        return point
    return place if found else point
