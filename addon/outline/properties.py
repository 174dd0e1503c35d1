"""The outlines of a scene and what the artist chooses for them, kept on the scene and so in the file."""

from __future__ import annotations

from typing import Any

import bpy

from ..registering import on_scene

ON_SCENE = "tweenfield_outline"  # name of the scene's property
DRAWN = ("GPENCIL", "GREASEPENCIL")  # types of grease pencil objects, before Blender 4.3 and since
FILLED = (*DRAWN, "MESH", "CURVE", "FONT", "SURFACE", "META")  # objects whose outline can be taken


def _is_camera(self: Any, ob: bpy.types.Object) -> bool:
    return ob.type == "CAMERA"


def _can_be_filled(self: Any, ob: bpy.types.Object) -> bool:
    return ob.type in FILLED


class TWEENFIELD_PG_outline(bpy.types.PropertyGroup):
    """What the shape shall look like from one camera."""

    kind: bpy.props.EnumProperty(
        name="Drawn As",
        description="Where the outline comes from",
        items=[
            ("object", "Object", "Grease pencil strokes, a curve, or what a mesh covers", "GREASEPENCIL", 0),
            ("image", "Image", "An image in the aspect of the render: its transparency, or where it has none its "
             "brightness", "IMAGE_DATA", 1),
        ],
    )  # fmt: skip
    ob: bpy.props.PointerProperty(
        name="Object",
        description="Grease pencil, curve or mesh; its lines are closed and filled, a line within another is a hole",
        type=bpy.types.Object,
        poll=_can_be_filled,
    )
    image: bpy.props.PointerProperty(
        name="Image", description="What is opaque, or white, is the shape", type=bpy.types.Image
    )
    invert: bpy.props.BoolProperty(name="Invert", description="What is transparent, or black, is the shape")
    camera: bpy.props.PointerProperty(
        name="Camera",
        description="The camera that the outline is seen through. Empty: the scene's",
        type=bpy.types.Object,
        poll=_is_camera,
    )


class TWEENFIELD_PG_outlines(bpy.types.PropertyGroup):
    """All outlines of a scene, which are of one frame."""

    items: bpy.props.CollectionProperty(type=TWEENFIELD_PG_outline)
    active: bpy.props.IntProperty(name="Active Outline", options={"SKIP_SAVE"})
    reach: bpy.props.FloatProperty(
        name="Reach",
        description="How much of the way to the first and the last frame, or to the next frame that was matched, "
        "follows the change",
        default=1.0,
        min=0.01,
        max=1.0,
        subtype="FACTOR",
    )
    limit_time: bpy.props.BoolProperty(name="Set Time", description="Match this long, at most")
    seconds: bpy.props.FloatProperty(
        name="Seconds", description="Seconds for the matching", default=30.0, min=1.0, soft_max=600.0
    )
    show: bpy.props.BoolProperty(
        name="Difference",
        description="Draw over the view where the outline and the shape differ: through the outline's camera over its "
        "frame, else in the corner. Red: drawn, but not covered. Blue: covered, but not drawn",
    )


def outlines_of(scene: bpy.types.Scene) -> Any:
    """The outlines of a scene."""
    return getattr(scene, ON_SCENE)


def source_of(item: Any) -> bpy.types.ID | None:
    """The object or the image that an outline is taken from."""
    found: bpy.types.ID | None = item.image if item.kind == "image" else item.ob
    return found


register, unregister = on_scene(ON_SCENE, (TWEENFIELD_PG_outline, TWEENFIELD_PG_outlines))
