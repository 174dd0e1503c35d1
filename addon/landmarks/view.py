"""Landmarks as they lie in a 3D viewport: where their markers are on the screen, and what is under the mouse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
from bpy_extras import view3d_utils
from mathutils import Vector

from .picking import Grip, Rays, pair_of
from .skin import Ray, places_of, under
from .store import end_on, indices, landmarks_of

REACH = 12.0  # pixels from a marker in which the mouse grabs it, at a resolution scale of 1
MISSES = (3.0, 6.0, 9.0)  # pixels by which a click may miss a mesh
AROUND = 8  # places that are tried at each of these
# A surface hides a marker that lies behind it by more than these: of the mesh's size, and of the way from the eye.
THICK, FAR = 0.005, 0.0005


@dataclass(frozen=True)
class Marker:
    """One end of a landmark."""

    index: int  # of the landmark among the scene's
    ob: bpy.types.Object
    place: Vector  # world
    colour: tuple[float, float, float]
    name: str
    active: bool


@dataclass(frozen=True)
class View:
    """A viewport."""

    region: bpy.types.Region
    data: bpy.types.RegionView3D

    def ray(self, x: float, y: float) -> Ray:
        """Through a pixel of the region."""
        origin = view3d_utils.region_2d_to_origin_3d(self.region, self.data, (x, y))
        direction = view3d_utils.region_2d_to_vector_3d(self.region, self.data, (x, y))
        return Ray(origin, direction)

    def rays(self, x: float, y: float, scale: float) -> Rays:
        """Through a pixel, and then around it: the end of a limb is missed easily."""
        steps = [math.tau * step / AROUND for step in range(AROUND)]
        near = [
            (radius * scale * math.cos(step), radius * scale * math.sin(step)) for radius in MISSES for step in steps
        ]
        return (self.ray(x, y), *(self.ray(x + aside, y + up) for aside, up in near))

    def pixel(self, place: Vector) -> Vector | None:
        """Where a place in the world is in the region; None behind the eye."""
        found: Vector | None = view3d_utils.location_3d_to_region_2d(self.region, self.data, place)
        return found


def view_at(window: bpy.types.Window, x: float, y: float) -> View | None:
    """The viewport at a place of the window, unless a sidebar or a header lies over it there."""
    for area in window.screen.areas:
        if area.type != "VIEW_3D":
            continue
        here = [region for region in area.regions if _holds(region, x, y)]
        if here and all(region.type == "WINDOW" for region in here):
            data: Any = here[0].data
            return View(here[0], data)
    return None


def _holds(region: bpy.types.Region, x: float, y: float) -> bool:
    inside = region.x <= x < region.x + region.width and region.y <= y < region.y + region.height
    return inside and region.width > 1 and region.height > 1


def markers(context: bpy.types.Context) -> Iterator[Marker]:
    """The ends of the chosen pair's landmarks on objects that are shown."""
    pair = pair_of(context)
    if pair is None or context.scene is None:
        return
    group = landmarks_of(context.scene)
    known = indices(context.scene, pair)
    for ob in (ob for ob in pair if ob.visible_get()):
        ends = {index: end for index in known if (end := end_on(group.pairs[index], ob)) is not None}
        for index, place in zip(ends, places_of(context, ob, list(ends.values())), strict=True):
            landmark = group.pairs[index]
            yield Marker(index, ob, place, tuple(landmark.colour), landmark.name, index == group.active)


def is_hidden(context: bpy.types.Context, view: View, marker: Marker, pixel: Vector) -> bool:
    """Whether the marker's own mesh is before it."""
    ray = view.ray(pixel.x, pixel.y)
    hit = under(context, marker.ob, ray)
    if hit is None:
        return False
    far = (marker.place - ray.origin).length
    eye = far if view.data.is_perspective else view.data.view_distance
    return (hit[0] - ray.origin).length < far - THICK * marker.ob.dimensions.length - FAR * eye


def near(context: bpy.types.Context, view: View, x: float, y: float) -> Grip | None:
    """The visible marker that the mouse is on."""
    assert context.preferences is not None
    reach = REACH * context.preferences.system.ui_scale
    found: list[tuple[float, Marker, Vector]] = []
    for marker in markers(context):
        pixel = view.pixel(marker.place)
        if pixel is not None:
            found.append(((pixel - Vector((x, y))).length, marker, pixel))
    for gap, marker, pixel in sorted(found, key=lambda entry: entry[0]):
        if gap > reach:
            return None
        if not is_hidden(context, view, marker, pixel):
            return marker.index, marker.ob
    return None
