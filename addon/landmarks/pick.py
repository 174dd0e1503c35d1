"""Pick Landmarks: clicks in a viewport, until Esc or Enter."""

from __future__ import annotations

from typing import Any

import bpy

from ..problem import Problem, allowed
from ..running import current
from ..viewports import redraw
from .picking import Picker, pair_of
from .store import drop_half_made
from .view import near, view_at

NAME = "TWEENFIELD_OT_pick_landmarks"
HELP = "Drag a marker: move it   |   X: delete   |   Ctrl Z: take back   |   Enter, Esc: done"
ENDS = {"ESC", "RET", "NUMPAD_ENTER"}
# What looks around, plays or hides; all other keys do nothing while picking.
PASSED = ("WHEEL", "MIDDLE", "TRACKPAD", "MOUSEROTATE", "MOUSESMARTZOOM", "NDOF", "NUMPAD", "TIMER", "WINDOW")
KEPT = {"HOME", "H", "N", "SLASH", "SPACE", "LEFT_ARROW", "RIGHT_ARROW", "Z"}


def why_not(context: bpy.types.Context) -> str:
    """Why landmarks cannot be worked on now; empty when they can."""
    pair = pair_of(context)
    if current().busy:
        return "Wait until the job is done"
    if pair is None:
        return "Choose a source and a target"
    gone = [ob.name for ob in pair if context.view_layer is None or ob.name not in context.view_layer.objects]
    if gone:
        return f"{gone[0]!r} is not in this view layer: choose another object"
    away = [ob.name for ob in pair if ob.mode != "OBJECT"]
    return f"{away[0]!r} is not in Object Mode" if away else ""


def picking_in(window: bpy.types.Window | None) -> Any:
    """The operator that has the clicks in a window, or None."""
    running = window.modal_operators if window is not None else ()
    return next((operator for operator in running if operator.bl_idname == NAME), None)


class TWEENFIELD_OT_pick_landmarks(bpy.types.Operator):
    """Click a place on the source, then the same on the target, and so on"""

    bl_idname = "tweenfield.pick_landmarks"
    bl_label = "Pick Landmarks"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return allowed(cls, why_not(context))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # type: ignore[override]
        running = picking_in(context.window)
        if running is not None:  # the button was pressed once more
            running.ended = True
        if running is not None or context.window_manager is None or context.scene is None:
            return {"CANCELLED"}
        drop_half_made(context.scene)
        self.ended = False
        self._picker = Picker()
        self._down = False
        context.window_manager.modal_handler_add(self)
        self._tell(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:  # type: ignore[override]
        if self.ended or pair_of(context) is None or current().busy:
            return self._end(context)
        try:
            return self._handle(context, event)
        except Problem as problem:
            self._picker.release()
            self._picker.told = problem.message
            self._tell(context)
            return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Another file is being opened, or Blender ends."""
        _say(context, None)

    def _handle(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        pressed = event.value in {"PRESS", "DOUBLE_CLICK"}
        view = view_at(context.window, event.mouse_x, event.mouse_y) if context.window is not None else None
        if event.type in ENDS and pressed:
            return self._end(context)
        if event.type == "Z" and (event.ctrl or event.oskey):
            if pressed:
                self._picker.undo(context)
                self._tell(context)
            return {"RUNNING_MODAL"}
        if self._down and event.type == "LEFTMOUSE" and event.value == "RELEASE":
            self._down = False
            self._picker.release()
            return {"RUNNING_MODAL"}
        if view is None:
            return {"PASS_THROUGH"}
        assert context.preferences is not None
        scale = context.preferences.system.ui_scale
        x, y = event.mouse_x - view.region.x, event.mouse_y - view.region.y
        if event.type == "LEFTMOUSE" and pressed and not event.alt:
            self._down = True
            self._picker.press(context, view.rays(x, y, scale), near(context, view, x, y))
        elif event.type == "MOUSEMOVE" and self._down:
            self._picker.drag(context, view.rays(x, y, scale))
        elif event.type in {"X", "DEL", "BACK_SPACE"} and pressed:
            self._picker.delete(context, near(context, view, x, y))
        else:
            looks = event.type.startswith(PASSED) or event.type in KEPT or "MOUSEMOVE" in event.type
            return {"PASS_THROUGH"} if looks or event.alt else {"RUNNING_MODAL"}
        self._tell(context)
        return {"RUNNING_MODAL"}

    def _tell(self, context: bpy.types.Context) -> None:
        expected = self._picker.expected(context)
        next_one = f"Click a place on {expected.name!r}" if expected is not None else ""
        _say(context, "   |   ".join(filter(None, (self._picker.told, next_one, HELP))))
        redraw()

    def _end(self, context: bpy.types.Context) -> set[str]:
        changed = self._picker.end(context)
        _say(context, None)
        redraw()
        return {"FINISHED"} if changed else {"CANCELLED"}


def _say(context: bpy.types.Context, text: str | None) -> None:
    """In the status bar; None: what is usually there."""
    workspace: Any = context.workspace
    if workspace is not None:
        workspace.status_text_set(text)


def register() -> None:
    bpy.utils.register_class(TWEENFIELD_OT_pick_landmarks)


def unregister() -> None:
    bpy.utils.unregister_class(TWEENFIELD_OT_pick_landmarks)
