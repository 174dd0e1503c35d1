"""A frame's surface -> a mesh of its own, in small steps: each hands a whole buffer to Blender.

Between two steps an undo may take the mesh away, so every step looks it up anew.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import bpy
import numpy as np
from numpy.typing import NDArray

from .handle import Handle, handle
from .protocol.mesh import Float32, Int32

UV_NAMES = ("uv_source", "uv_target")  # of both ends, unblended, beside the layer that the source's materials use
COLOUR, MATERIAL = "color", "material"  # attributes of a frame
Colours = Literal["points", "corners"]  # floats at the vertices, or bytes at the corners, as Alembic keeps them


@dataclass(frozen=True)
class Dress:
    """What a frame's mesh takes over from the source."""

    uv_name: str  # of the layer that the frame's texture coordinates become
    colour_name: str  # of the attribute that the frame's colours become
    smooth: bool

    @staticmethod
    def of(mesh: bpy.types.Mesh) -> Dress:
        smooth = np.empty(len(mesh.polygons), bool)
        mesh.polygons.foreach_get("use_smooth", smooth)
        layer, colours = mesh.uv_layers.active, mesh.color_attributes.active_color
        return Dress(
            uv_name=layer.name if layer is not None else "UVMap",
            # Blender's own name for a new one. Cycles finds no attribute that is called "color".
            colour_name=colours.name if colours is not None else "Color",
            smooth=bool(2 * smooth.sum() >= len(smooth)),
        )


@dataclass(frozen=True, eq=False)
class Surface:
    """A surface in the object space of the result."""

    positions: Float32  # [V, 3]
    face_offsets: Int32  # [F + 1]
    face_indices: Int32  # [C]
    attributes: Mapping[str, NDArray[np.generic]]  # [V, ...] or [C, ...]

    def at_corners(self, values: NDArray[np.generic], width: int) -> Float32:
        """The values [V, width] or [C, width] of an attribute at every corner [C, width]."""
        if len(values) != len(self.face_indices):
            values = values[self.face_indices]
        return np.ascontiguousarray(values.reshape(len(values), -1)[:, :width], np.float32)


def build(
    surface: Surface, dress: Dress, name: str, mark: tuple[str, str], colours: Colours = "points"
) -> Generator[None, None, Handle | None]:
    """Makes a mesh, unlinked and with the custom property ``mark``; None if an undo took it away meanwhile."""
    made = bpy.data.meshes.new(name)
    made[mark[0]] = mark[1]
    here = handle(made)
    for step in _steps(surface, dress, colours):
        mesh = here.find_mesh()
        if mesh is None:
            return None
        step(mesh)
        yield
    return here


def _steps(surface: Surface, dress: Dress, colours: Colours) -> list[Callable[[bpy.types.Mesh], None]]:
    if not len(surface.face_indices):  # an empty mesh has no attributes to set
        return []
    layers = [("uv", dress.uv_name), *((name, name) for name in UV_NAMES)]
    steps: list[Callable[[bpy.types.Mesh], None]] = [
        lambda mesh: _set_faces(mesh, surface),
        lambda mesh: mesh.update(calc_edges=True),
    ]
    for key, name in layers:
        if key in surface.attributes:
            uv = surface.at_corners(surface.attributes[key], 2)
            steps.append(lambda mesh, name=name, uv=uv: _set_uv(mesh, name, uv))
    if COLOUR in surface.attributes:
        steps.append(lambda mesh: _set_colour(mesh, surface, dress.colour_name, colours))
    if MATERIAL in surface.attributes:
        slots = np.ascontiguousarray(surface.attributes[MATERIAL][surface.face_offsets[:-1]], np.int32)
        steps.append(lambda mesh: _set_slots(mesh, slots))
    if not dress.smooth:
        steps.append(lambda mesh: mesh.shade_flat())
    return steps


def _set_faces(mesh: bpy.types.Mesh, surface: Surface) -> None:
    mesh.vertices.add(len(surface.positions))
    mesh.loops.add(len(surface.face_indices))
    mesh.polygons.add(len(surface.face_offsets) - 1)
    _set(mesh, "position", "vector", surface.positions)
    _set(mesh, ".corner_vert", "value", surface.face_indices)
    mesh.polygons.foreach_set("loop_start", np.ascontiguousarray(surface.face_offsets[:-1]))


def _set_uv(mesh: bpy.types.Mesh, name: str, uv: Float32) -> None:
    layer = mesh.uv_layers.new(name=name, do_init=False)
    _set(mesh, layer.name, "vector", uv)


def _set_colour(mesh: bpy.types.Mesh, surface: Surface, name: str, colours: Colours) -> None:
    values = surface.attributes[COLOUR]
    if colours == "corners":
        mesh.color_attributes.new(name, "BYTE_COLOR", "CORNER")
        values = surface.at_corners(values, 4)
    else:
        domain: Any = "POINT" if len(values) == len(surface.positions) else "CORNER"
        mesh.color_attributes.new(name, "FLOAT_COLOR", domain)
    _set(mesh, name, "color", np.ascontiguousarray(values, np.float32))


def _set_slots(mesh: bpy.types.Mesh, slots: Int32) -> None:
    mesh.attributes.new("material_index", "INT", "FACE")
    _set(mesh, "material_index", "value", slots)


def _set(mesh: bpy.types.Mesh, name: str, field: str, values: NDArray[Any]) -> None:
    attribute: Any = mesh.attributes[name]
    attribute.data.foreach_set(field, values.reshape(-1))


def memory_of(surface: Surface) -> int:
    """Bytes that Blender needs for the mesh of a surface: positions, edges, corners, faces and attributes."""
    n_vertices, n_corners, n_faces = len(surface.positions), len(surface.face_indices), len(surface.face_offsets) - 1
    per_corner = 8 * sum(name in surface.attributes for name in ("uv", *UV_NAMES))
    colour = 16 * len(surface.attributes.get(COLOUR, ()))
    return 12 * n_vertices + 8 * (n_corners // 2) + (8 + per_corner) * n_corners + 4 * n_faces + colour
