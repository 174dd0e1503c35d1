"""What the artist chooses for a surface, kept on the scene and so in the file."""

from typing import Any

import bpy

from ..choices import method_and_preset
from ..generated import offered
from ..protocol.checks import MAX_LEVELS, RESOLUTIONS
from ..registering import on_scene

ON_SCENE = "tweenfield_surface"  # name of the scene's property
MOST_SHELLS = (MAX_LEVELS - 1) // 2  # on each side

_METHOD, _PRESET = method_and_preset(
    offered.surfaces,
    "How the surface is found",
    "How much time is spent on quality; sets all settings under Surface Settings",
)


class TWEENFIELD_PG_surface(bpy.types.PropertyGroup):
    """The surface of a scene's selection."""

    method_name: bpy.props.StringProperty(default="igr")
    method: _METHOD
    preset_name: bpy.props.StringProperty(default=offered.surfaces.usual)
    preset: _PRESET
    mode: bpy.props.EnumProperty(
        name="Inside",
        description="Whether the surface encloses something",
        items=[
            ("auto", "Automatic", "An inside where the objects have one: meshes, also with holes and faults, and "
             "points around something. Otherwise a thin skin"),
            ("signed", "Closed", "A surface through the points that encloses an inside; curves and wires are taken as "
             "points on it"),
            ("unsigned", "Thin Skin", "A surface around everything at a small distance: tubes around curves, plates "
             "around sheets"),
        ],
    )  # fmt: skip
    resolution: bpy.props.IntProperty(
        name="Resolution",
        description="Cells along the longest side. Twice as many give four times the faces",
        default=128,
        min=RESOLUTIONS[0],
        max=RESOLUTIONS[1],
        soft_min=32,
        soft_max=256,
    )
    shells: bpy.props.IntProperty(
        name="Shells",
        description="Further surfaces at equal distances from the first; on both sides, so many on each",
        min=0,
        max=MOST_SHELLS,
        soft_max=8,
    )
    shell_step: bpy.props.FloatProperty(
        name="Distance",
        description="From one shell to the next, in the units of the scene",
        default=0.1,
        min=1e-6,
        soft_max=10.0,
        subtype="DISTANCE",
        unit="LENGTH",
    )
    shell_side: bpy.props.EnumProperty(
        name="Side",
        description="Where the shells are",
        items=[
            ("outside", "Outside", "Around the surface"),
            ("inside", "Inside", "Within it; only where the surface is closed"),
            ("both", "Both", "Around it and within it"),
        ],
    )
    skeleton: bpy.props.EnumProperty(
        name="Skeleton",
        description="What runs through the middle of the shape; only where the surface is closed",
        items=[
            ("none", "None", "No skeleton"),
            ("curve", "Curve", "Lines from end to fork, as one curve object"),
            ("points", "Points", "Points, as an object with vertices alone"),
        ],
    )
    limit_time: bpy.props.BoolProperty(
        name="Set Time", description="Prepare and train this long, instead of the steps of the preset"
    )
    seconds: bpy.props.FloatProperty(
        name="Seconds",
        description="Seconds for preparation and training together",
        default=60.0,
        min=1.0,
        soft_max=3600,
    )
    image: bpy.props.PointerProperty(
        name="Image",
        description="What the shape looks like, with transparency around it",
        type=bpy.types.Image,
    )
    image_model: bpy.props.StringProperty(
        name="Model",
        description="A file that tweenfield single-view train has written. Empty: the one that comes with the backend",
        subtype="FILE_PATH",
    )
    image_refine: bpy.props.BoolProperty(
        name="Fit Outline", description="Bend the shape until it covers what is opaque in the image", default=True
    )
    live_preview: bpy.props.BoolProperty(
        name="Live Preview", description="Show the surface in the viewport while it is computed", default=True
    )
    seed: bpy.props.IntProperty(name="Seed", description="Another number gives a slightly different surface", min=0)


def surface_settings(scene: bpy.types.Scene) -> Any:
    """The surface settings of a scene."""
    return getattr(scene, ON_SCENE)


def levels_of(settings: Any) -> tuple[float, ...]:
    """The distances of all surfaces: that of the surface itself, 0, then those of the shells."""
    steps = [settings.shell_step * (index + 1) for index in range(settings.shells)]
    outside = steps if settings.shell_side != "inside" else []
    inside = steps if settings.shell_side != "outside" else []
    return (0.0, *outside, *(-step for step in inside))


register, unregister = on_scene(ON_SCENE, (TWEENFIELD_PG_surface,))
