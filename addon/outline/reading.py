"""An outline of the scene -> a mask of what it encloses, on the image of its camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..problem import Problem
from ..protocol.mesh import Float64
from ..read_image import read_pixels
from ..read_mesh import read_positions, world_matrix
from .loops import chains, closed_lines
from .properties import DRAWN, source_of
from .raster import averaged, loops_mask, triangles_mask
from .view import LONGEST, NEAR, View, render_size, view_of

FINE = 2  # parts of a pixel along each axis that a coverage counts
OPAQUE = 0.999  # an alpha that is nowhere less says nothing


@dataclass(frozen=True, eq=False)
class Drawn:
    """An outline as it is seen."""

    name: str  # of the object or image
    mask: Float64  # [H, W], coverage in 0..1; the first row is the top
    view: View


def read_outline(context: bpy.types.Context, item: Any, longest: int = LONGEST, parts: int = FINE) -> Drawn:
    """On an image at most ``longest`` long, by so many ``parts`` of a pixel. Raises ``Problem`` where it is empty."""
    assert context.scene is not None
    source = source_of(item)
    if source is None:
        raise Problem(f"Choose the {item.kind} that the outline is taken from.")
    camera = item.camera or context.scene.camera
    if camera is None:
        raise Problem("There is no camera to see the outline through. Add one, or choose one for the outline.")
    if isinstance(source, bpy.types.Image):
        longest = min(longest, max(*source.size, 1))  # a small image does not become finer
    view = view_of(context, camera, longest)
    if isinstance(source, bpy.types.Image):
        mask = _of_image(context.scene, source, view)
        mask = 1.0 - mask if item.invert else mask
    else:
        assert isinstance(source, bpy.types.Object)
        mask = object_mask(context, source, view, parts)
    half = mask >= 0.5
    if not half.any():
        raise Problem(
            f"{source.name!r} covers nothing of what the camera {camera.name!r} sees, so there is no outline."
        )
    if half.all():
        raise Problem(f"{source.name!r} covers all that the camera {camera.name!r} sees, so there is no outline.")
    return Drawn(source.name, mask, view)


def object_mask(context: bpy.types.Context, ob: bpy.types.Object, view: View, parts: int = FINE) -> Float64:
    """What an object covers [H, W]: its faces, or what its lines enclose. Raises ``Problem``."""
    fine = view.finer(parts)
    evaluated = ob.evaluated_get(context.evaluated_depsgraph_get())
    world = world_matrix(evaluated, ob.name)
    if ob.type in DRAWN:
        mask = _of_lines(ob.name, [(_moved(points, world), closed) for points, closed in _strokes(ob)], fine)
    else:
        mesh = evaluated.to_mesh()
        try:
            mask = (
                _of_mesh(ob.name, mesh, world, fine) if mesh is not None else np.zeros((fine.height, fine.width), bool)
            )
        finally:
            evaluated.to_mesh_clear()
    return averaged(mask, view.width, view.height)


def _of_mesh(name: str, mesh: bpy.types.Mesh, world: Float64, view: View) -> NDArray[np.bool_]:
    points = _moved(read_positions(mesh).astype(np.float64), world)
    mesh.calc_loop_triangles()
    if not len(mesh.loop_triangles):
        edges = np.empty((len(mesh.edges), 2), np.int32)
        if len(edges):
            mesh.edges.foreach_get("vertices", edges.reshape(-1))
        return _of_lines(name, [(points[run], closed) for run, closed in chains(edges)], view)
    triangles = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles.reshape(-1))
    pixels, depth = view.project(points)
    seen = triangles[(depth[triangles] > NEAR).all(axis=1)]
    return triangles_mask(pixels[seen], view.width, view.height)


def _of_lines(name: str, strokes: list[tuple[Float64, bool]], view: View) -> NDArray[np.bool_]:
    """What lines in the world enclose on the image."""
    flat = []
    for points, closed in strokes:
        pixels, depth = view.project(points)
        if not (depth > NEAR).all():
            raise Problem(
                f"{name!r} reaches behind the camera {view.name!r}, so what it encloses is not known. Move it before "
                "the camera, or choose another camera for it."
            )
        flat.append((pixels, closed))
    return loops_mask(closed_lines(flat), view.width, view.height)


def _moved(points: Float64, matrix: Float64) -> Float64:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def _strokes(ob: bpy.types.Object) -> Iterator[tuple[Float64, bool]]:
    """Points [N, 3] of the strokes that are shown now, in object space, each with whether it is closed."""
    data: Any = ob.data
    kind: str = ob.type
    for layer in data.layers:
        if layer.hide:
            continue
        if kind == "GPENCIL":  # Blender 4.2
            frame, matrix = layer.active_frame, layer.matrix_layer
            found = [(stroke.points, "co", stroke.use_cyclic) for stroke in frame.strokes] if frame is not None else []
        else:
            frame, matrix = layer.current_frame(), layer.matrix_local
            strokes = frame.drawing.strokes if frame is not None else ()
            found = [(stroke.points, "position", stroke.cyclic) for stroke in strokes]
        for points, field, closed in found:
            places = np.array([getattr(point, field) for point in points], np.float64).reshape(-1, 3)
            yield _moved(places, np.array(matrix, np.float64)), bool(closed)


def _of_image(scene: bpy.types.Scene, image: bpy.types.Image, view: View) -> Float64:
    """The opacity of an image, or where it is opaque all over its brightness, on the image of the camera [H, W]."""
    values = read_pixels(image)
    height, width = values.shape[:2]
    wide, high = render_size(scene)
    if abs(width * high - height * wide) > max(wide, high):
        raise Problem(
            f"The image {image.name!r} has {width} x {height} pixels and the render {wide} x {high}, which is another "
            "aspect. Draw the outline on a rendered image, or set the render's resolution to the image's."
        )
    if image.channels == 4 and values[..., 3].min() < OPAQUE:
        values = values[..., 3]
    else:
        values = values[..., : min(image.channels, 3)].mean(axis=2)
    return np.clip(averaged(values, view.width, view.height), 0.0, 1.0)
