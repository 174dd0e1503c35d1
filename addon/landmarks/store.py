"""The landmarks of a scene, kept in the file: pairs of places, one on each of two objects.

A landmark belongs to the two objects that it was picked on, whichever of them is the source, and waits unseen while
others are chosen. An end remembers a vertex of the mesh with its modifiers, and the place of that vertex: while the
vertices are those of then, perhaps with others after them, it is the vertex that counts, wherever it has moved, and
otherwise the place.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from ..handle import Handle, handle
from ..registering import on_scene

ON_SCENE = "tweenfield_landmarks"  # name of the scene's property
GOLDEN = 0.618034  # of the circle of hues between two numbers: neighbours differ much
Objects = tuple[bpy.types.Object, bpy.types.Object]  # the source and the target


@dataclass(frozen=True)
class Place:
    """A vertex of an evaluated mesh."""

    vertex: int
    count: int  # vertices of that mesh
    point: tuple[float, float, float]  # object space


class TWEENFIELD_PG_mark(bpy.types.PropertyGroup):
    """One end of a landmark."""

    object: bpy.props.PointerProperty(type=bpy.types.Object)
    vertex: bpy.props.IntProperty(default=-1)
    count: bpy.props.IntProperty()
    point: bpy.props.FloatVectorProperty(size=3)


class TWEENFIELD_PG_landmark(bpy.types.PropertyGroup):
    """A pair of places that belong together; ``name`` stands beside its markers."""

    number: bpy.props.IntProperty()
    colour: bpy.props.FloatVectorProperty(name="Colour", subtype="COLOR_GAMMA", size=3, min=0.0, max=1.0)
    first: bpy.props.PointerProperty(type=TWEENFIELD_PG_mark)
    second: bpy.props.PointerProperty(type=TWEENFIELD_PG_mark)


class TWEENFIELD_PG_landmarks(bpy.types.PropertyGroup):
    """All landmarks of a scene, those of other objects included."""

    pairs: bpy.props.CollectionProperty(type=TWEENFIELD_PG_landmark)
    active: bpy.props.IntProperty(name="Landmark", description="Number and name; double-click to change the name")
    show: bpy.props.BoolProperty(
        name="Show Landmarks", description="Draw the landmarks on both meshes in the 3D viewports", default=True
    )


def landmarks_of(scene: bpy.types.Scene) -> Any:
    """The landmarks of a scene."""
    return getattr(scene, ON_SCENE)


def end_on(landmark: Any, ob: bpy.types.Object) -> Any:
    """The end on an object, or None."""
    return next((end for end in (landmark.first, landmark.second) if end.object == ob), None)


def is_whole(landmark: Any, objects: Objects) -> bool:
    """Whether it has an end on both objects."""
    return all(end_on(landmark, ob) is not None for ob in objects)


def belongs(landmark: Any, objects: Objects) -> bool:
    """Whether it is a landmark of these two objects; one that was begun has an end on one of them only."""
    held = [end.object for end in (landmark.first, landmark.second) if end.object is not None]
    return bool(held) and all(ob in objects for ob in held)


def indices(scene: bpy.types.Scene, objects: Objects) -> list[int]:
    """Which of the scene's landmarks belong to the two objects."""
    return [index for index, landmark in enumerate(landmarks_of(scene).pairs) if belongs(landmark, objects)]


def whole(scene: bpy.types.Scene, objects: Objects) -> Iterator[Any]:
    """The landmarks of the two objects that have both ends."""
    pairs = landmarks_of(scene).pairs
    return (pairs[index] for index in indices(scene, objects) if is_whole(pairs[index], objects))


def add(scene: bpy.types.Scene, objects: Objects, name: str = "") -> Any:
    """A landmark without ends, called by its number unless it has a name."""
    group = landmarks_of(scene)
    number = max((group.pairs[index].number for index in indices(scene, objects)), default=0) + 1
    landmark = group.pairs.add()
    landmark.number = number
    landmark.name = name or str(number)
    landmark.colour = colorsys.hsv_to_rgb(GOLDEN * number % 1.0, 0.75, 1.0)
    group.active = len(group.pairs) - 1
    return landmark


def set_end(landmark: Any, ob: bpy.types.Object, place: Place) -> None:
    """Gives the landmark an end on an object, or moves the one that it has there."""
    end = end_on(landmark, ob)
    if end is None:
        end = landmark.first if landmark.first.object is None else landmark.second
    end.object, end.vertex, end.count, end.point = ob, place.vertex, place.count, place.point


def add_pair(scene: bpy.types.Scene, objects: Objects, places: Iterable[Place], name: str = "") -> Any:
    """A landmark with both ends."""
    landmark = add(scene, objects, name)
    for ob, place in zip(objects, places, strict=True):
        set_end(landmark, ob, place)
    return landmark


def remove(scene: bpy.types.Scene, index: int) -> None:
    group = landmarks_of(scene)
    group.pairs.remove(index)
    group.active = min(group.active, max(len(group.pairs) - 1, 0))


def drop_half_made(scene: bpy.types.Scene) -> None:
    """Removes landmarks that have one end only: the other was never picked, or its object was deleted.

    An object that a landmark points to stays in the file when it is deleted, but in no scene.
    """
    pairs = landmarks_of(scene).pairs
    for index in reversed(range(len(pairs))):
        ends = pairs[index].first, pairs[index].second
        if any(end.object is None or not end.object.users_scene for end in ends):
            remove(scene, index)


# Steps back while picking -------------------------------------------------------------------------------------------

End = tuple[Handle | None, Place]
Saved = tuple[int, tuple[tuple[str, int, tuple[float, ...], End, End], ...]]


def save(scene: bpy.types.Scene) -> Saved:
    """All landmarks, as plain values."""
    group = landmarks_of(scene)
    kept = [(mark.name, mark.number, tuple(mark.colour), _kept(mark.first), _kept(mark.second)) for mark in group.pairs]
    return group.active, tuple(kept)


def restore(scene: bpy.types.Scene, saved: Saved) -> None:
    """The landmarks as they were when they were saved."""
    group = landmarks_of(scene)
    group.pairs.clear()
    for name, number, colour, *ends in saved[1]:
        landmark = group.pairs.add()
        landmark.name, landmark.number, landmark.colour = name, number, colour
        for here, place in ends:
            ob = here.find_object() if here is not None else None
            if ob is not None:
                set_end(landmark, ob, place)
    group.active = saved[0]


def _kept(end: Any) -> End:
    here = handle(end.object) if end.object is not None else None
    return here, Place(end.vertex, end.count, tuple(end.point))


register, unregister = on_scene(ON_SCENE, (TWEENFIELD_PG_mark, TWEENFIELD_PG_landmark, TWEENFIELD_PG_landmarks))
