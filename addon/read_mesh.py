"""Object -> ``MeshData``: evaluated, in world space, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from .handle import Handle, handle
from .problem import Problem
from .protocol.mesh import Float32, Float64, Int32, MeshData

CARRIED_TYPES = ("MESH", "CURVE", "SURFACE", "FONT")  # what can ride along; all but meshes become meshes


@dataclass(frozen=True, eq=False)
class Reading:
    """One object as it was read: what is sent, and what the result is made from."""

    original: Handle
    template: Handle  # an unlinked mesh: the object's own with modifiers applied; the result's mesh-to-be
    local: Float32  # [V, 3], the template's coordinates
    matrix: Float64  # [4, 4], world matrix that the result gets
    exact: bool  # whether ``local`` under ``matrix`` are the world positions that were sent
    data: MeshData  # world space


def read_object(context: bpy.types.Context, ob: bpy.types.Object) -> Reading:
    """Reads an object that the result will be a copy of. Leaves one unlinked mesh in the file: the template."""
    evaluated, depsgraph = evaluated_object(context, ob)
    template = _copy(ob, evaluated, depsgraph)
    try:
        world = world_matrix(evaluated, ob.name)
        local = read_positions(template)
        check_mesh(template, local, ob.name, ob.type == "MESH")
        # An object has location, rotation and scale only, so shear of its parents cannot be given to the result.
        matrix = np.array(Matrix.LocRotScale(*evaluated.matrix_world.decompose()), np.float64)
        exact = bool(np.allclose(matrix, world, rtol=1e-6, atol=1e-6 * float(np.abs(world[:3, :3]).max())))
        data = _mesh_data(template, local, world, with_materials=True)
        return Reading(handle(ob), handle(template), local, matrix, exact, data)
    except Problem:
        bpy.data.meshes.remove(template)
        raise


def read_target(context: bpy.types.Context, ob: bpy.types.Object) -> MeshData:
    """Reads an object without leaving anything in the file."""
    with shown_mesh(context, ob) as (mesh, local, world):
        return _mesh_data(mesh, local, world)


@contextmanager
def shown_mesh(context: bpy.types.Context, ob: bpy.types.Object) -> Iterator[tuple[bpy.types.Mesh, Float32, Float64]]:
    """A mesh object as it is shown, while the block runs: its mesh, its coordinates [V, 3] and world matrix [4, 4]."""
    evaluated, _ = evaluated_object(context, ob)
    world = world_matrix(evaluated, ob.name)
    mesh = evaluated.to_mesh()
    try:
        local = read_positions(mesh)
        check_mesh(mesh, local, ob.name, True)
        yield mesh, local, world
    finally:
        evaluated.to_mesh_clear()


def copy_again(context: bpy.types.Context, reading: Reading) -> bpy.types.Mesh:
    """The template once more, after an undo took it away. Raises ``Problem`` if the object is not what it was."""
    ob = reading.original.find_object()
    if ob is None:
        raise Problem(
            f"{reading.original.name!r} was deleted (or its making was undone) while the morph was computed. "
            "Bring it back and press Morph again."
        )
    evaluated, depsgraph = evaluated_object(context, ob)
    mesh = _copy(ob, evaluated, depsgraph)
    if not np.array_equal(read_positions(mesh), reading.local):
        bpy.data.meshes.remove(mesh)
        raise Problem(
            f"{ob.name!r} was changed while the morph was computed, and an undo took away the copy that was made of "
            "it. Press Morph again."
        )
    return mesh


def _copy(ob: bpy.types.Object, evaluated: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Mesh:
    """The object's mesh with modifiers applied, and with the materials that the object itself has in its slots."""
    mesh = bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=depsgraph)
    materials: Any = mesh.materials
    for index, slot in enumerate(ob.material_slots):
        if slot.link == "OBJECT" and index < len(materials):
            materials[index] = slot.material
    return mesh


def read_positions(mesh: bpy.types.Mesh) -> Float32:
    """Coordinates [V, 3] in object space."""
    local = np.empty((len(mesh.vertices), 3), np.float32)
    if len(local):
        _values(mesh, "position").foreach_get("vector", local.reshape(-1))
    return local


def read_faces(mesh: bpy.types.Mesh) -> tuple[Int32, Int32]:
    """Where each face begins [F + 1] among the corners, and the vertex of each corner [C]."""
    offsets = np.empty(len(mesh.polygons) + 1, np.int32)
    mesh.polygons.foreach_get("loop_start", offsets[:-1])
    offsets[-1] = len(mesh.loops)
    corners = np.empty(len(mesh.loops), np.int32)
    if len(corners):
        _values(mesh, ".corner_vert").foreach_get("value", corners)
    return offsets, corners


def _values(mesh: bpy.types.Mesh, name: str) -> Any:
    """The values of an attribute, which are read as a whole; the mesh's vertices would be read one by one."""
    attribute: Any = mesh.attributes[name]
    return attribute.data


def evaluated_object(context: bpy.types.Context, ob: bpy.types.Object) -> tuple[bpy.types.Object, bpy.types.Depsgraph]:
    """The object with its modifiers, as it is shown. Raises ``Problem`` where there is no such thing now."""
    if ob.mode != "OBJECT":
        raise Problem(f"{ob.name!r} is in {ob.mode.replace('_', ' ').title()} Mode. Go back to Object Mode first.")
    if context.view_layer is None or ob.name not in context.view_layer.objects:
        raise Problem(
            f"{ob.name!r} is not in the current view layer. Switch its collection on, or pick another object."
        )
    depsgraph = context.evaluated_depsgraph_get()
    return ob.evaluated_get(depsgraph), depsgraph


def world_matrix(evaluated: bpy.types.Object, name: str) -> Float64:
    """From object space to the world [4, 4]."""
    matrix = np.array(evaluated.matrix_world, np.float64)
    size = float(np.abs(matrix[:3, :3]).max())
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) <= 1e-9 * size**3:
        raise Problem(f"{name!r} is scaled to nothing along an axis. Give it a scale other than 0.")
    return matrix


def check_mesh(mesh: bpy.types.Mesh, local: Float32, name: str, needs_faces: bool) -> None:
    """Raises ``Problem`` for what cannot be a source or a target."""
    if not len(local):
        raise Problem(f"{name!r} has no vertices. Pick an object with a surface.")
    if needs_faces and not len(mesh.polygons):
        raise Problem(
            f"{name!r} has no faces, only {len(local)} vertices. Add faces, or pick an object with a surface."
        )
    bad = np.flatnonzero(~np.isfinite(local).all(axis=1))
    if len(bad):
        raise Problem(
            f"{name!r} has {len(bad)} vertices whose position is not a number (the first is vertex {bad[0]}, counted "
            "from 0). Delete or move them and press Morph again."
        )


def _mesh_data(mesh: bpy.types.Mesh, local: Float32, world: Float64, with_materials: bool = False) -> MeshData:
    offsets, corners = read_faces(mesh)
    attributes: dict[str, NDArray[Any]] = {}
    uv_layer = mesh.uv_layers.active
    if uv_layer is not None:
        uv = np.empty((len(corners), 2), np.float32)
        _values(mesh, uv_layer.name).foreach_get("vector", uv.reshape(-1))
        attributes["uv"] = uv
    colours = mesh.color_attributes.active_color
    if colours is not None:
        attributes["color"] = _vertex_colours(colours, corners, len(local))
    slots = _slots(mesh) if with_materials else None
    if slots is not None:
        attributes["material"] = np.repeat(slots, np.diff(offsets))
    identity = np.array_equal(world, np.eye(4))
    positions = local.astype(np.float64)  # [V, 3]
    if not identity:
        positions = positions @ world[:3, :3].T + world[:3, 3]
    return MeshData.from_positions(positions, offsets, corners, attributes)


def _slots(mesh: bpy.types.Mesh) -> Int32 | None:
    """Material slots [F] of the faces; ``None`` if all are in the first one."""
    if "material_index" not in mesh.attributes:
        return None
    slots = np.zeros(len(mesh.polygons), np.int32)
    _values(mesh, "material_index").foreach_get("value", slots)
    slots = np.clip(slots, 0, max(len(mesh.materials) - 1, 0))  # Blender shows the last one for those beyond it
    return slots if slots.any() else None


def _vertex_colours(colours: bpy.types.Attribute, corners: Int32, n_vertices: int) -> Float32:
    """Colours [V, 4] of the vertices; where every corner has one, their mean."""
    data: Any = colours.data  # type: ignore[attr-defined]
    found = np.empty((len(data), 4), np.float32)
    data.foreach_get("color", found.reshape(-1))
    if colours.domain == "POINT":
        return found
    counts = np.bincount(corners, minlength=n_vertices)
    sums = [np.bincount(corners, channel, minlength=n_vertices) for channel in found.T]
    return np.ascontiguousarray((np.stack(sums) / np.maximum(counts, 1)).T, np.float32)
