"""Match This Outline, and the list of outlines."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ..handle import handle
from ..history import in_object_mode
from ..job import OUTLINE, Order
from ..ordering import StartsJob
from ..problem import Problem
from ..properties import settings_of
from ..protocol.messages import Outline, RefineRequest, Welcome
from ..registering import of_classes
from ..running import current
from ..write_mesh import PLAYER
from .job import BUTTON, OutlineJob, OutlinePlan
from .properties import DRAWN, FILLED, outlines_of, source_of
from .reading import Drawn, object_mask, read_outline
from .result import Result, result_of, template_of

NONE = "Morph first: an outline is matched by a frame of a result. One of an older Tweenfield has to be made again"


def chosen_result(context: bpy.types.Context) -> Result | None:
    """The morph whose frame is matched."""
    assert context.scene is not None
    settings = settings_of(context.scene)
    pair = tuple(ob.name if ob is not None else "" for ob in (settings.source, settings.target))
    return result_of(context, (pair[0], pair[1]))


def why_not(context: bpy.types.Context) -> str:
    """Why the button cannot be pressed now; empty when it can."""
    assert context.scene is not None
    if current().busy:
        return "A job is being computed"
    result = chosen_result(context)
    if result is None:
        return NONE
    if not result.objects():
        return f"{result.name!r} has no frames any more. Morph again"
    if not all(ob.is_editable and ob.data is not None and ob.data.is_editable for ob in result.objects()):
        return f"{result.name!r} is linked from another file, where it has to be matched"
    if not len(outlines_of(context.scene).items):
        return "Add an outline"
    if not in_object_mode():
        return "Go back to Object Mode first"
    last = result.made.timeline.frames - 1
    if not 0 < result.frame(context.scene) < last:
        return "Go to a frame between the first and the last, which stay as they are"
    return ""


def expected(context: bpy.types.Context) -> str:
    """Which frame of which morph would be matched."""
    assert context.scene is not None
    result = chosen_result(context)
    if result is None:
        return ""
    frames = result.made.timeline.frames
    return f"Frame {result.frame(context.scene) + 1} of the {frames} of {result.name!r} will be matched"


class TWEENFIELD_OT_add_outline(bpy.types.Operator):
    """Add an outline: the active object, if it is grease pencil, a curve or a mesh that is no result"""

    bl_idname = "tweenfield.add_outline"
    bl_label = "Add Outline"
    bl_options = {"UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        assert context.scene is not None
        outlines, active = outlines_of(context.scene), context.active_object
        item = outlines.items.add()
        outlines.active = len(outlines.items) - 1
        result = chosen_result(context)
        mine = set(result.collection.all_objects) if result is not None else set()
        pair = settings_of(context.scene)
        if active is not None and active.type in FILLED and active not in {*mine, pair.source, pair.target}:
            item.ob = active
        elif active is None or active.type not in DRAWN:
            drawings = [ob for ob in context.scene.objects if ob.type in DRAWN and ob.visible_get()]
            item.ob = drawings[0] if len(drawings) == 1 else None
        return {"FINISHED"}


class TWEENFIELD_OT_remove_outline(bpy.types.Operator):
    """Take the outline out of the list; what it was taken from stays"""

    bl_idname = "tweenfield.remove_outline"
    bl_label = "Remove Outline"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene is not None and len(outlines_of(context.scene).items) > 0

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        assert context.scene is not None
        outlines = outlines_of(context.scene)
        outlines.items.remove(min(outlines.active, len(outlines.items) - 1))
        outlines.active = max(min(outlines.active, len(outlines.items) - 1), 0)
        return {"FINISHED"}


class TWEENFIELD_OT_cancel_outline(bpy.types.Operator):
    """Stop matching the outline; the result stays as it was"""

    bl_idname = "tweenfield.cancel_outline"
    bl_label = "Cancel Match"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        session = current()
        playing = context.screen is not None and context.screen.is_animation_playing  # Esc stops that first
        return session.busy and session.panel == OUTLINE and not playing

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        current().cancel()
        return {"FINISHED"}


def make_order(context: bpy.types.Context) -> Order:
    """Reads the outlines and the result. Raises ``Problem``, and leaves nothing in the file then."""
    assert context.scene is not None
    settings, result = outlines_of(context.scene), chosen_result(context)
    reason = why_not(context)
    if result is None or reason:
        raise Problem(f"{reason}.")
    shown = result.shown(context.scene)
    assert shown is not None
    outlines = tuple(_outline(context, item, result, shown) for item in settings.items)
    templates = []
    try:
        for sent in result.made.sent:
            templates.append(template_of(result, sent))
    except Problem:
        for template in templates:
            template.drop()
        raise
    common = settings_of(context.scene)
    request = RefineRequest(
        timeline=result.made.timeline,
        frame=result.frame(context.scene),
        outlines=outlines,
        reach=settings.reach,
        seconds=settings.seconds if settings.limit_time else None,
        seed=common.seed,
        device=common.device_name,
        preview=common.live_preview,
    )
    plan = OutlinePlan(
        scene=handle(context.scene),
        source=result.source,
        target=result.target,
        made=result.made,
        templates=tuple(templates),
        way=result.way,
        warnings=_unseen(shown),
    )

    def ask(welcome: Welcome) -> RefineRequest:
        return request

    return Order(ask, lambda job: OutlineJob(job, plan), OUTLINE, base=result.made.job)


def _outline(context: bpy.types.Context, item: Any, result: Result, shown: bpy.types.Object) -> Outline:
    """What is drawn, in the space in which the source was sent: the result may have been moved since."""
    if source_of(item) == shown:
        raise Problem(f"{shown.name!r} is the result itself. Choose another object for the outline.")
    drawn = read_outline(context, item)
    if not object_mask(context, shown, drawn.view).any():
        raise Problem(
            f"Nothing of {shown.name!r} is seen by the camera {drawn.view.name!r}. Turn the camera to it, or choose "
            "another one."
        )
    return outline_of(drawn, result, shown)


def outline_of(drawn: Drawn, result: Result, shown: bpy.types.Object) -> Outline:
    """An outline as it is sent."""
    view = drawn.view
    moved = np.array(shown.matrix_world, np.float64) @ np.linalg.inv(result.made.sent[0].space)
    mask = np.ascontiguousarray(np.round(255.0 * drawn.mask), np.uint8)
    return Outline(mask, view.of(moved), view.pinhole.focal, view.pinhole.centre)


def _unseen(shown: bpy.types.Object) -> tuple[str, ...]:
    """The warning about modifiers, which change what is seen and of which the backend knows nothing."""
    own = [modifier.name for modifier in shown.modifiers if modifier.name != PLAYER and modifier.show_viewport]
    return (f"Matched without the modifiers of {shown.name!r}: {', '.join(own)}.",) if own else ()


class TWEENFIELD_OT_match_outline(StartsJob):
    """Pull the frame that is shown, and its neighbours, towards the outlines; the first and the last frame stay"""

    bl_idname = "tweenfield.match_outline"
    bl_label = BUTTON
    reason = staticmethod(why_not)
    order = staticmethod(make_order)


_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []
_register, _unregister = of_classes(
    (
        TWEENFIELD_OT_match_outline,
        TWEENFIELD_OT_add_outline,
        TWEENFIELD_OT_remove_outline,
        TWEENFIELD_OT_cancel_outline,
    )
)


def register() -> None:
    _register()
    manager = bpy.context.window_manager
    configuration = manager.keyconfigs.addon if manager is not None else None
    if configuration is not None:  # there is none without a window
        keymap = configuration.keymaps.new(name="3D View", space_type="VIEW_3D")
        _keys.append((keymap, keymap.keymap_items.new(TWEENFIELD_OT_cancel_outline.bl_idname, "ESC", "PRESS")))


def unregister() -> None:
    while _keys:
        keymap, item = _keys.pop()
        keymap.keymap_items.remove(item)
    _unregister()
