"""Where surfaces are: one collection for each original, whose objects a second run finds and gives new data."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Any

import bpy
import numpy as np

from ..protocol.mesh import Float32
from ..results import ORIGINAL, PREVIEW, SOURCE, TARGET
from ..write_mesh import remove_mesh, remove_object

ROLE = "tweenfield_surface"  # on a result: which of the surfaces it is


def find_home(original: str) -> bpy.types.Collection | None:
    """The collection of the surfaces of the object called ``original``."""
    for collection in bpy.data.collections:
        if collection.get(SOURCE) == original and collection.get(TARGET) is None:
            return collection
    return None


def surface_home(scene: bpy.types.Scene, original: str) -> bpy.types.Collection:
    """The collection of the surfaces of an object, made and put into the scene if need be."""
    home = find_home(original)
    if home is None:
        home = bpy.data.collections.new(f"{original} Surfaces")
        home[SOURCE] = original
    if home not in scene.collection.children_recursive:
        scene.collection.children.link(home)
    return home


def results_in(home: bpy.types.Collection) -> list[bpy.types.Object]:
    """The results of an earlier run."""
    return [ob for ob in home.objects if ob.get(ROLE) is not None and ob.get(PREVIEW) is None]


def place(home: bpy.types.Collection, role: str, data: Any, original: str, matrix: Any) -> bpy.types.Object:
    """Puts a surface into the collection. An older one of its role stays, with its modifiers, and gets the new data."""
    old = next((ob for ob in results_in(home) if ob[ROLE] == role), None)
    if old is not None and type(old.data) is not type(data):
        remove_result(old)
        old = None
    if old is None:
        ob = bpy.data.objects.new(data.name, data)
        ob[ROLE] = role
        ob[ORIGINAL] = original
        home.objects.link(ob)
    else:
        ob, before = old, old.data
        slots: Any = data.materials
        slots.clear()
        for material in before.materials:  # type: ignore[union-attr]
            slots.append(material)
        ob.data = data
        _remove_data(before)
    ob.matrix_world = matrix
    return ob


def remove_others(home: bpy.types.Collection, roles: Collection[str]) -> None:
    """Removes the surfaces of an earlier run that were not asked for again."""
    for ob in results_in(home):
        if ob[ROLE] not in roles:
            remove_result(ob)


def remove_result(ob: bpy.types.Object) -> None:
    data = ob.data
    remove_object(ob)
    if isinstance(data, bpy.types.Curve):
        _remove_data(data)


def _remove_data(data: Any) -> None:
    if data.users == 0:
        if isinstance(data, bpy.types.Mesh):
            remove_mesh(data)
        else:
            bpy.data.curves.remove(data)


def curve_of(name: str, points: Float32, offsets: Any, corners: Any) -> bpy.types.Curve:
    """A curve with a straight spline through the points [N, 3] of each line; one that ends where it began is closed."""
    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions = "3D"
    for start, end in pairwise(offsets):
        line = corners[start:end]
        ring = len(line) > 2 and line[0] == line[-1]
        line = line[:-1] if ring else line
        spline = curve.splines.new("POLY")
        spline.points.add(len(line) - 1)  # there is one from the beginning
        places = np.ones((len(line), 4), np.float32)
        places[:, :3] = points[line]
        values: Any = spline.points
        values.foreach_set("co", places.reshape(-1))
        spline.use_cyclic_u = bool(ring)
    return curve


def points_of(name: str, points: Float32) -> bpy.types.Mesh:
    """A mesh of vertices alone."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(points))
    position: Any = mesh.attributes["position"]
    position.data.foreach_set("vector", np.ascontiguousarray(points, np.float32).reshape(-1))
    mesh.update()
    return mesh
