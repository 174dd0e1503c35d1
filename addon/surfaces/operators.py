"""Surface and Repair: what is read, and what is asked of the backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..generated import offered
from ..handle import handle
from ..job import SURFACE, Order
from ..ordering import StartsJob
from ..problem import Problem
from ..properties import settings_of
from ..protocol.messages import SurfaceRequest, Welcome
from ..protocol.shape import ShapeData
from ..registering import of_classes
from ..running import current
from .job import SurfaceJob, SurfacePlan
from .properties import levels_of, surface_settings
from .reading import READABLE, as_points, is_flat, read_shape

REPAIR = "full_information"  # the method of repairs: exact distances to what there is, and sides by winding numbers


def chosen(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected objects that can be read, the active one first."""
    selected = [ob for ob in context.selected_objects or () if ob.type in READABLE]
    active = context.active_object
    return sorted(selected, key=lambda ob: ob != active)


def kind_of(ob: bpy.types.Object) -> str:
    """What an object is to the artist: Mesh, Curves or Points. Modifiers may change that."""
    data: Any = ob.data
    if ob.type == "MESH" and not len(data.polygons):
        return "Curves" if len(data.edges) else "Points"
    return {"CURVE": "Curves", "CURVES": "Curves", "POINTCLOUD": "Points"}.get(ob.type, "Mesh")


def label(context: bpy.types.Context) -> str:
    """What the button says."""
    objects = chosen(context)
    return f"Surface from {kind_of(objects[0])}" if objects else "Surface from Selection"


def why_not(context: bpy.types.Context) -> str:
    """Why Surface cannot be pressed now; empty when it can."""
    if current().busy:
        return "A job is being computed"
    objects = chosen(context)
    if not objects:
        return "Select meshes, curves or point clouds"
    editing = next((ob.name for ob in objects if ob.mode != "OBJECT"), "")
    return f"Go back to Object Mode first: {editing!r} is being edited" if editing else ""


def why_no_repair(context: bpy.types.Context) -> str:
    """Why Repair cannot be pressed now; empty when it can."""
    reason = why_not(context)
    flat = next((ob.name for ob in chosen(context) if kind_of(ob) != "Mesh"), "")
    return reason or (f"{flat!r} has no faces to be repaired" if flat else "")


def expected(context: bpy.types.Context) -> str:
    """A word before the button is pressed: what becomes of several objects."""
    count = len(chosen(context))
    return f"{count} objects will be taken as one shape" if count > 1 else ""


class TWEENFIELD_OT_reset_surface_settings(bpy.types.Operator):
    """Set everything here to what the preset says"""

    bl_idname = "tweenfield.reset_surface_settings"
    bl_label = "Reset to Preset"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        assert context.scene is not None
        settings = surface_settings(context.scene)
        spec = offered.surfaces.specs.get(settings.method_name)
        if spec is None or settings.preset_name not in spec.presets:
            return {"CANCELLED"}
        offered.surfaces.apply_preset(context.scene, spec, settings.preset_name)
        return {"FINISHED"}


def make_order(context: bpy.types.Context, repair: bool = False) -> Order:
    """Reads the selection. Raises ``Problem``, and leaves nothing in the file. A repair is one closed surface alone."""
    assert context.scene is not None
    settings = surface_settings(context.scene)
    objects = chosen(context)
    mode = "signed" if repair else settings.mode
    levels = (0.0,) if repair else levels_of(settings)
    if mode == "unsigned" and min(levels) < 0.0:
        raise Problem("A thin skin has no inside, so no shells lie within it. Choose Side: Outside, or another Inside.")
    shape = read_shape(context, objects)
    # An object has location, rotation and scale only, so shear of its parents cannot be given to the results.
    matrix = Matrix.LocRotScale(*objects[0].matrix_world.decompose())
    plan = SurfacePlan(
        scene=handle(context.scene),
        original=handle(objects[0]),
        matrix=np.array(matrix, np.float64),
        levels=levels,
        skeleton="none" if repair else settings.skeleton,
    )
    way = (REPAIR, offered.surfaces.usual) if repair else (settings.method_name, settings.preset_name)
    make = _request_maker(plan, shape, mode, way, settings, settings_of(context.scene).device_name)
    return Order(make, lambda job: SurfaceJob(job, plan), SURFACE)


def _request_maker(
    plan: SurfacePlan, shape: ShapeData, mode: str, way: tuple[str, str], settings: Any, device: str
) -> Callable[[Welcome], SurfaceRequest]:
    """The request but for what the backend has to say first: its methods, and their settings."""
    method, preset = way
    fixed: dict[str, Any] = {
        "preset": preset,
        "levels": plan.levels,
        "resolution": settings.resolution,
        "skeleton": plan.skeleton != "none",
        "seconds": settings.seconds if settings.limit_time else None,
        "seed": settings.seed,
        "device": device,
        "preview": settings.live_preview,
    }

    def make(welcome: Welcome) -> SurfaceRequest:
        if welcome.surface_methods is None:
            raise Problem("The backend is older than this add-on and makes no surfaces. Update the backend.")
        spec = next((spec for spec in welcome.surface_methods if spec.name == method), None)
        if spec is None or preset not in spec.presets:
            raise Problem(f"The backend has no method {method!r} with a preset {preset!r}. Choose another one.")
        largest = welcome.limits.get("vertices", 0)
        if largest and len(shape.points) > largest:
            raise Problem(f"{plan.name!r} has {len(shape.points)} points; {largest} are the most. Reduce them first.")
        scene = plan.scene.find_scene()
        changed = offered.surfaces.changed_settings(scene, spec, preset) if scene is not None else {}
        # Lines have no inside: around them, or through points on them where that is wanted or all the method can do.
        able = [one.label for one in welcome.surface_methods if "unsigned" in one.topologies]
        if mode == "unsigned" and spec.label not in able:
            raise Problem(f"{spec.label} makes no thin skin. Choose {' or '.join(able)}, or another Inside.")
        through = shape.kind == "lines" and (mode == "signed" or spec.label not in able)
        if through and is_flat(shape):
            raise Problem(
                f"{plan.name!r} is flat, so no closed surface goes through it. For a tube around it choose "
                f"{' or '.join(able)}, and Inside: Automatic; or give it depth."
            )
        sent, sign = (as_points(shape), "signed") if through else (shape, mode)
        return SurfaceRequest(sent, method, spec.etag, sign, settings=changed, **fixed)

    return make


class TWEENFIELD_OT_surface(StartsJob):
    """Fit a closed surface to the selected points, curves or meshes; they stay as they are"""

    bl_idname = "tweenfield.surface"
    bl_label = "Surface from Selection"
    reason = staticmethod(why_not)
    order = staticmethod(make_order)


class TWEENFIELD_OT_repair_surface(StartsJob):
    """Make a watertight mesh of the selected meshes, whatever is wrong with them: holes, flipped faces, parts that go
    through each other"""

    bl_idname = "tweenfield.repair_surface"
    bl_label = "Repair as a Neural Surface"
    reason = staticmethod(why_no_repair)
    order = staticmethod(partial(make_order, repair=True))


_CLASSES = (TWEENFIELD_OT_surface, TWEENFIELD_OT_repair_surface, TWEENFIELD_OT_reset_surface_settings)

register, unregister = of_classes(_CLASSES)
