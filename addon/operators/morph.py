"""Morph, Cancel and Finish Now, and the choice of the pair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from ..generated import methods
from ..handle import handle
from ..job import MorphJob, Order, Plan
from ..landmarks.preview import remove_preview
from ..landmarks.sending import lacking, landmark_pairs, model_of
from ..ordering import StartsJob
from ..problem import Problem, allowed
from ..properties import settings_of
from ..protocol.mesh import MeshData
from ..protocol.messages import MorphRequest, Timeline, Welcome
from ..read_mesh import CARRIED_TYPES, Reading, read_object, read_target
from ..read_table import read_table
from ..registering import of_classes
from ..running import current
from ..write_mesh import remove_mesh

PREVIEW_FRAMES = 5
NO_KEYS = "Shape keys cannot show faces that change: choose another Frames As, or another topology or method"


def why_not(context: bpy.types.Context) -> str:
    """Why Morph cannot be pressed now; empty when it can."""
    assert context.scene is not None
    settings = settings_of(context.scene)
    if current().busy:
        return "A job is being computed"
    if settings.source is None or settings.target is None:
        return "Choose a source and a target"
    if settings.source == settings.target:
        return "Choose two different objects"
    lacks = lacking(context)
    if lacks:
        return lacks
    if settings.frame_end <= settings.frame_start:
        return "The last frame must come after the first"
    if settings.frames_as == "shape_keys" and asked(settings) == "remesh":
        return NO_KEYS
    return ""


def topologies(settings: Any) -> tuple[str, ...]:
    """What the chosen method can make; nothing is known before the backend has introduced itself."""
    spec = methods.specs.get(settings.method_name)
    return spec.topologies if spec is not None else ()


def asked(settings: Any) -> str:
    """The topology that Morph would ask for now."""
    return asked_topology(settings.topology, settings.frames_as, topologies(settings))


def asked_topology(chosen: str, frames_as: str, made: tuple[str, ...]) -> str:
    """The topology to ask for: what was chosen, as far as a method that can make ``made`` leaves a choice."""
    if len(made) == 1:
        return made[0]
    return "keep" if frames_as == "shape_keys" and chosen == "auto" else chosen


def expected(settings: Any) -> str:
    """A word before the button is pressed: what becomes of meshes that differ."""
    if settings.correspondence != "auto" or _alike(settings.source.data, settings.target.data):
        return ""
    told = "The two meshes differ, so a match will be sought: Preview Match shows it"
    if asked(settings) == "keep" or "remesh" not in topologies(settings):
        return told
    return f"{told}. Without one, new surfaces will be made for every frame"


def _alike(source: Any, target: Any) -> bool:
    """Whether both meshes have as many vertices, corners and faces."""
    return all(len(getattr(source, name)) == len(getattr(target, name)) for name in ("vertices", "loops", "polygons"))


class TWEENFIELD_OT_cancel(bpy.types.Operator):
    """Stop computing; the scene is as it was before Morph"""

    bl_idname = "tweenfield.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current().busy

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        current().cancel()
        return {"FINISHED"}


class TWEENFIELD_OT_finish(bpy.types.Operator):
    """Stop training and make the frames of the best so far"""

    bl_idname = "tweenfield.finish"
    bl_label = "Finish Now"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current().training

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        current().finish()
        return {"FINISHED"}


class TWEENFIELD_OT_use_selection(bpy.types.Operator):
    """Take the two selected meshes: the active one, selected last, is the target"""

    bl_idname = "tweenfield.use_selection"
    bl_label = "Use Selected Pair"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        none = "Select two meshes, first the source, then the target"
        return allowed(cls, none if _selected_pair(context) is None else "")

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        pair = _selected_pair(context)
        assert pair is not None
        assert context.scene is not None
        settings = settings_of(context.scene)
        settings.source, settings.target = pair
        return {"FINISHED"}


class TWEENFIELD_OT_reset_settings(bpy.types.Operator):
    """Set everything here to what the preset says"""

    bl_idname = "tweenfield.reset_settings"
    bl_label = "Reset to Preset"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        assert context.scene is not None
        settings = settings_of(context.scene)
        spec = methods.specs.get(settings.method_name)
        if spec is None or settings.preset_name not in spec.presets:
            return {"CANCELLED"}
        methods.apply_preset(context.scene, spec, settings.preset_name)
        return {"FINISHED"}


def _selected_pair(context: bpy.types.Context) -> tuple[bpy.types.Object, bpy.types.Object] | None:
    """The other selected mesh, and the active one."""
    selected = [ob for ob in context.selected_objects or () if ob.type == "MESH"]
    active = context.active_object
    if len(selected) != 2 or active not in selected:
        return None
    return next(ob for ob in selected if ob != active), active


def make_order(context: bpy.types.Context) -> Order:
    """Reads everything that a job needs. Raises ``Problem``, and leaves nothing in the file then."""
    assert context.scene is not None
    settings = settings_of(context.scene)
    target = read_target(context, settings.target)
    chosen = list(settings.carried.all_objects) if settings.carried else []
    carried = [ob for ob in chosen if ob.type in CARRIED_TYPES]
    readings: list[Reading] = []
    model = model_of(settings)
    try:
        for ob in (settings.source, *(ob for ob in carried if ob not in (settings.source, settings.target))):
            readings.append(read_object(context, ob))
        table = None
        if settings.correspondence == "table":
            table = read_table(Path(bpy.path.abspath(settings.table)), readings[0].data.n_vertices)
    except Problem:
        for reading in readings:
            mesh = reading.template.find_mesh()
            assert mesh is not None
            remove_mesh(mesh)
        raise
    plan = Plan(
        scene=handle(context.scene),
        target=settings.target.name,
        readings=tuple(readings),
        frame_start=settings.frame_start,
        frame_end=settings.frame_end,
        timeline=_timeline(settings),
        frames_as=settings.frames_as,
        warnings=_left_out([ob.name for ob in chosen if ob.type not in CARRIED_TYPES]),
    )
    objects, meshes = (settings.source, settings.target), (readings[0].data, target)
    landmarks = landmark_pairs(context.scene, objects, meshes, settings.correspondence)
    return Order(_request_maker(plan, target, settings, table, landmarks, model), lambda job: MorphJob(job, plan))


def _timeline(settings: Any) -> Timeline:
    motion = settings.easing, settings.constant_speed, settings.reverse
    return Timeline(settings.keys, *motion, settings.resolution, settings.largest_part)


def _left_out(names: list[str]) -> tuple[str, ...]:
    """The warning about objects under Carry Along that cannot ride along."""
    if not names:
        return ()
    listed = ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (f"Not carried along: {listed}. Only meshes, curves, surfaces and texts ride along.",)


def _request_maker(
    plan: Plan, target: MeshData, settings: Any, table: Any, landmarks: Any, model: Any
) -> Callable[[Welcome], MorphRequest]:
    """The request but for what the backend has to say first: its methods, and their settings."""
    method, preset = settings.method_name, settings.preset_name
    chosen = settings.topology
    fixed: dict[str, Any] = {
        "source": plan.source.data,
        "target": target,
        "preset": preset,
        "correspondence": settings.correspondence,
        "pairs": table[0] if table else None,
        "weights": table[1] if table else None,
        "landmarks": landmarks,
        "model": model,
        "timeline": plan.timeline,
        "carry": tuple(reading.data for reading in plan.readings[1:]),
        "seconds": settings.seconds if settings.limit_time else None,
        "seed": settings.seed,
        "device": settings.device_name,
        "preview_frames": PREVIEW_FRAMES if settings.live_preview else 0,
    }

    def make(welcome: Welcome) -> MorphRequest:
        spec = next((spec for spec in welcome.methods if spec.name == method), None)
        if spec is None or preset not in spec.presets:
            raise Problem(f"The backend has no method {method!r} with a preset {preset!r}. Choose another one.")
        largest = welcome.limits.get("vertices", 0)
        for name, mesh in ((plan.source.original.name, plan.source.data), (plan.target, target)):
            if largest and mesh.n_vertices > largest:
                raise Problem(f"{name!r} has {mesh.n_vertices} vertices; {largest} are the most. Decimate it first.")
        topology = asked_topology(chosen, plan.frames_as, spec.topologies)
        if topology == "remesh" and plan.frames_as == "shape_keys":
            raise Problem(f"{NO_KEYS}.")
        scene = plan.scene.find_scene()
        changed = methods.changed_settings(scene, spec, preset) if scene is not None else {}
        return MorphRequest(method=method, etag=spec.etag, settings=changed, topology=topology, **fixed)

    return make


class TWEENFIELD_OT_morph(StartsJob):
    """Morph the source into the target; the result is in a collection of its own"""

    bl_idname = "tweenfield.morph"
    bl_label = "Morph"
    reason = staticmethod(why_not)
    order = staticmethod(make_order)

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        remove_preview()  # its colours are none of the source's
        return super().execute(context)


_CLASSES = (
    TWEENFIELD_OT_morph,
    TWEENFIELD_OT_cancel,
    TWEENFIELD_OT_finish,
    TWEENFIELD_OT_use_selection,
    TWEENFIELD_OT_reset_settings,
)

register, unregister = of_classes(_CLASSES)
