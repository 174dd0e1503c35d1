"""What the artist chooses, kept on the scene and so in the file."""

from typing import Any

import bpy

from .choices import Items, index_of, kept, method_and_preset, title, with_chosen
from .generated import methods, offered
from .making.choice import MOST_BYTES, MOST_FRAMES
from .protocol.checks import RESOLUTIONS
from .protocol.messages import EASINGS, Timeline
from .registering import on_scene

DEFAULT_METHOD = "velocity_field"
ON_SCENE = "tweenfield"  # name of the scene's property

_METHOD, _PRESET = method_and_preset(
    methods,
    "How the way from the source to the target is found",
    "How much time is spent on quality; sets all settings under Advanced",
)


def _device_items(self: Any, context: Any) -> Items:
    labels = {"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA", "mps": "Metal"}
    names = ["auto", *(device for device in offered.devices if device != "auto")]
    items = [(name, labels.get(name, name), "") for name in names]
    return kept(with_chosen(items, self.device_name))


def _get_device(self: Any) -> int:
    return index_of(_device_items(self, None), self.device_name)


def _set_device(self: Any, index: int) -> None:
    self.device_name = _device_items(self, None)[index][0]


def _is_mesh(self: Any, ob: bpy.types.Object) -> bool:
    return ob.type == "MESH"


class TWEENFIELD_PG_morph(bpy.types.PropertyGroup):
    """One morph of a scene."""

    source: bpy.props.PointerProperty(
        name="Source",
        description="The mesh that the morph begins with; it stays as it is",
        type=bpy.types.Object,
        poll=_is_mesh,
    )
    target: bpy.props.PointerProperty(
        name="Target",
        description="The mesh whose shape the morph ends in; it stays as it is",
        type=bpy.types.Object,
        poll=_is_mesh,
    )
    correspondence: bpy.props.EnumProperty(
        name="Match",
        description="How it is known which point of the source becomes which point of the target",
        items=[  # the numbers are what is kept in files
            ("auto", "Automatic", "By vertex order where both meshes have the same faces; else a match is sought, "
             "with the landmarks if there are any. Without a match that can be trusted, new surfaces are made",
             "NONE", 0),
            ("landmarks", "Landmarks", "The source is bent onto the target by the landmarks: for shapes that differ "
             "by more than their pose. Ten, spread over the shape, make a good match", "NONE", 3),
            ("spectral", "Same Shape in Another Pose", "By the shapes alone, however they are posed; a few landmarks "
             "tell left from right", "NONE", 4),
            ("implicit-dense", "Learned Model", "By a model that correspond-train has learned from a folder of shapes "
             "of one kind, such as chairs: parts may be missing on one of the two", "NONE", 5),
            ("vertex-order", "Vertex order", "Vertex 1 becomes vertex 1, and so on", "NONE", 1),
            ("table", "Table", "Pairs of vertices from a file", "NONE", 2),
        ],
    )  # fmt: skip
    model: bpy.props.StringProperty(
        name="Model",
        description="A file that tweenfield correspond-train has written. Empty: the one that comes with the backend, "
        "for chairs",
        subtype="FILE_PATH",
    )
    table: bpy.props.StringProperty(
        name="Table", description="An .npy or .npz file with pairs of source and target vertices", subtype="FILE_PATH"
    )
    method_name: bpy.props.StringProperty(default=DEFAULT_METHOD)
    method: _METHOD
    preset_name: bpy.props.StringProperty(default=methods.usual)
    preset: _PRESET
    frame_start: bpy.props.IntProperty(
        name="First Frame", description="Frame of the scene that shows the source", default=1
    )
    frame_end: bpy.props.IntProperty(
        name="Last Frame", description="Frame of the scene that shows the target", default=49
    )
    topology: bpy.props.EnumProperty(
        name="Topology",
        description="Whether the faces stay the source's from the first frame to the last",
        items=[
            ("auto", "Automatic", "The source's faces where both meshes match and have the same parts, holes and "
             "handles, else new surfaces; the result says which, and why"),
            ("keep", "Keep", "The source's own faces, with everything on them. The meshes must match"),
            ("remesh", "New Surfaces", "A closed surface of its own in every frame: parts may merge and holes close. "
             "Texture coordinates, colours and the source's materials are carried over"),
        ],
    )  # fmt: skip
    resolution: bpy.props.IntProperty(
        name="Resolution",
        description="Of new surfaces: cells along the longest side. Twice as many take four times as long",
        default=Timeline().resolution,
        min=RESOLUTIONS[0],
        max=RESOLUTIONS[1],
        soft_min=32,
        soft_max=256,
    )
    largest_part: bpy.props.BoolProperty(
        name="Largest Part Only", description="Of new surfaces: leave out all but the part with the largest area"
    )
    frames_as: bpy.props.EnumProperty(
        name="Frames As",
        description="What the frames become. All of it renders on machines without Tweenfield",
        items=[
            ("auto", "Automatic", "Shape keys where the faces stay the source's. Where they change: keyed objects up "
             f"to {MOST_FRAMES} frames and {MOST_BYTES // 1_000_000} MB, beyond that one object that reads files"),
            ("shape_keys", "Shape Keys", "One object with a shape key for each frame; only where the faces stay"),
            ("keyed_objects", "Keyed Objects", "A mesh for each frame, all in the .blend file; keyframes show one at "
             "a time"),
            ("one_object", "One Object", "One object that reads its frames from files beside the .blend file: Alembic "
             "where the faces change, PC2 where they stay. Take these files along"),
        ],
    )  # fmt: skip
    keys: bpy.props.IntProperty(
        name="Keys",
        description="Number of shape keys, both ends included. Between two shape keys Blender interpolates; "
        "where every frame has a mesh of its own it does not, so have one for each frame of the scene",
        default=25,
        min=2,
        max=1000,
    )
    easing: bpy.props.EnumProperty(
        name="Easing",
        description="How the motion begins and ends",
        items=[(name, title(name), "") for name in EASINGS],
    )
    constant_speed: bpy.props.BoolProperty(
        name="Constant Speed", description="Space the keys so that the surface moves at one mean speed"
    )
    reverse: bpy.props.BoolProperty(name="Reverse", description="From the target back to the source")
    limit_time: bpy.props.BoolProperty(
        name="Set Time", description="Prepare and train this long, instead of the steps of the preset"
    )
    seconds: bpy.props.FloatProperty(
        name="Seconds",
        description="Seconds for preparation and training together",
        default=60.0,
        min=1.0,
        soft_max=3600.0,
    )
    carried: bpy.props.PointerProperty(
        name="Carry Along",
        description="Objects of this collection ride along with the source: eyes, clothes, curves",
        type=bpy.types.Collection,
    )
    live_preview: bpy.props.BoolProperty(
        name="Live Preview", description="Show the morph in the viewport while it is computed", default=True
    )
    seed: bpy.props.IntProperty(name="Seed", description="Another number gives a slightly different motion", min=0)
    device_name: bpy.props.StringProperty(default="auto")
    device: bpy.props.EnumProperty(
        name="Device", description="What the backend computes on", items=_device_items, get=_get_device, set=_set_device
    )


def settings_of(scene: bpy.types.Scene) -> Any:
    """The morph settings of a scene."""
    return getattr(scene, ON_SCENE)


register, unregister = on_scene(ON_SCENE, (TWEENFIELD_PG_morph,))
