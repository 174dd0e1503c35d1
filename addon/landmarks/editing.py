"""What is done to the list of landmarks: from vertex groups, mirrored, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ..problem import Problem, allowed
from ..protocol.checks import MAX_LANDMARKS
from ..registering import of_classes
from ..viewports import redraw
from .pick import why_not
from .picking import pair_of
from .skin import group_places, skin_of
from .store import Objects, add_pair, end_on, indices, landmarks_of, remove, set_end, whole

AXES = [(axis, axis, f"Across the plane through the object's origin with {axis} = 0") for axis in "XYZ"]
Change = tuple[int, list[str]]  # how many landmarks were made, and what was left out


class _Editing:
    """What the operators of this file share."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return allowed(cls, why_not(context))  # type: ignore[arg-type]

    def add(self, context: bpy.types.Context, what: str, make: Callable[[Objects], Change]) -> set[str]:
        """Makes landmarks for the chosen pair, and tells what was made and what was not."""
        pair = pair_of(context)
        assert pair is not None
        report: Any = self.report  # type: ignore[attr-defined]
        try:
            made, left_out = make(pair)
        except Problem as problem:
            report({"ERROR"}, problem.message)
            return {"CANCELLED"}
        report({"INFO"} if made else {"WARNING"}, f"{made} {what}" + "".join(f"; {reason}" for reason in left_out))
        redraw()
        return {"FINISHED"} if made else {"CANCELLED"}


class TWEENFIELD_OT_landmarks_from_groups(_Editing, bpy.types.Operator):
    """Make a landmark of every vertex group that both meshes have: the vertex in its middle, by weight"""

    bl_idname = "tweenfield.landmarks_from_groups"
    bl_label = "From Vertex Groups"

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        return self.add(context, "landmarks from vertex groups", lambda pair: from_groups(context, pair))


class TWEENFIELD_OT_mirror_landmarks(_Editing, bpy.types.Operator):
    """Add to every landmark its mirror image on both meshes"""

    bl_idname = "tweenfield.mirror_landmarks"
    bl_label = "Mirror"

    axis: bpy.props.EnumProperty(name="Source Axis", description="Left and right of the source", items=AXES)
    target_axis: bpy.props.EnumProperty(
        name="Target Axis",
        description="Left and right of the target, in its own local axes",
        items=[("SAME", "Same", "The source's axis"), *AXES],
    )

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        chosen = self.axis, self.axis if self.target_axis == "SAME" else self.target_axis
        axes = "XYZ".index(chosen[0]), "XYZ".index(chosen[1])
        return self.add(context, "mirrored", lambda pair: mirror(context, pair, axes))


class TWEENFIELD_OT_remove_landmark(_Editing, bpy.types.Operator):
    """Remove the landmark that is chosen in the list"""

    bl_idname = "tweenfield.remove_landmark"
    bl_label = "Remove Landmark"

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        pair = pair_of(context)
        assert pair is not None
        assert context.scene is not None
        active = landmarks_of(context.scene).active
        if active not in indices(context.scene, pair):
            return {"CANCELLED"}
        remove(context.scene, active)
        redraw()
        return {"FINISHED"}


class TWEENFIELD_OT_clear_landmarks(_Editing, bpy.types.Operator):
    """Remove all landmarks of these two meshes"""

    bl_idname = "tweenfield.clear_landmarks"
    bl_label = "Clear"

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        pair = pair_of(context)
        assert pair is not None
        assert context.scene is not None
        for index in reversed(indices(context.scene, pair)):
            remove(context.scene, index)
        redraw()
        return {"FINISHED"}


def from_groups(context: bpy.types.Context, pair: Objects) -> Change:
    """A landmark for every name of a vertex group on both; one that has the name already is moved there."""
    assert context.scene is not None
    first, second = (group_places(context, ob) for ob in pair)
    known = {landmark.name: landmark for landmark in whole(context.scene, pair)}
    taken = _Taken(context, pair)
    made, twins, many = 0, 0, 0
    for name in (name for name in first if name in second):
        places = first[name], second[name]
        if name in known:
            for ob, place in zip(pair, places, strict=True):
                set_end(known[name], ob, place)
            made += 1
        elif taken.has(places):
            twins += 1
        elif taken.full:
            many += 1
        else:
            add_pair(context.scene, pair, places, name)
            taken.add(places)
            made += 1
    if not made and not twins:
        return 0, ["no vertex group with vertices in it has the same name on both meshes"]
    return made, _left_out(twins, many, 0)


def mirror(context: bpy.types.Context, pair: Objects, axes: tuple[int, int]) -> Change:
    """The mirror images of all landmarks that have one, across a local plane of each object."""
    assert context.scene is not None
    skins = [skin_of(context, ob) for ob in pair]
    taken = _Taken(context, pair)
    made, twins, many, lost = 0, 0, 0, 0
    names = {landmark.name for landmark in whole(context.scene, pair)}
    originals = [
        (landmark.name, [skin.now(end_on(landmark, ob)) for skin, ob in zip(skins, pair, strict=True)])
        for landmark in whole(context.scene, pair)
    ]
    for name, vertices in originals:
        found = [skin.across(*entry) for skin, *entry in zip(skins, vertices, axes, strict=True)]
        if None in found:
            lost += 1
            continue
        places = [skin.place(vertex) for skin, vertex in zip(skins, found, strict=True) if vertex is not None]
        if taken.has(places):
            twins += 1
        elif taken.full:
            many += 1
        else:
            flipped = bpy.utils.flip_name(name)
            add_pair(context.scene, pair, places, flipped if flipped not in names else "")
            taken.add(places)
            made += 1
    return made, _left_out(twins, many, lost)


class _Taken:
    """The vertices that landmarks have: none may have two."""

    def __init__(self, context: bpy.types.Context, pair: Objects) -> None:
        assert context.scene is not None
        skins = [skin_of(context, ob) for ob in pair]
        self._count = 0
        self._vertices: list[set[int]] = [set(), set()]
        for landmark in whole(context.scene, pair):
            self._count += 1
            for vertices, skin, ob in zip(self._vertices, skins, pair, strict=True):
                vertices.add(skin.now(end_on(landmark, ob)))

    @property
    def full(self) -> bool:
        return self._count >= MAX_LANDMARKS

    def has(self, places: Any) -> bool:
        return any(place.vertex in vertices for place, vertices in zip(places, self._vertices, strict=True))

    def add(self, places: Any) -> None:
        self._count += 1
        for place, vertices in zip(places, self._vertices, strict=True):
            vertices.add(place.vertex)


def _left_out(twins: int, many: int, lost: int) -> list[str]:
    reasons = [
        (twins, "left out, as their vertices have a landmark already"),
        (many, f"left out, as {MAX_LANDMARKS} landmarks are the most"),
        (lost, "left out, as nothing is at the mirrored place: the plane goes through the object's origin"),
    ]
    return [f"{count} {reason}" for count, reason in reasons if count]


_CLASSES = (
    TWEENFIELD_OT_landmarks_from_groups,
    TWEENFIELD_OT_mirror_landmarks,
    TWEENFIELD_OT_remove_landmark,
    TWEENFIELD_OT_clear_landmarks,
)

register, unregister = of_classes(_CLASSES)
