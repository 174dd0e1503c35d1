"""Blender's undo history: when one step can be added, and how."""

from __future__ import annotations

import bpy


def in_object_mode() -> bool:
    """Whether no window shows a mode with an undo history of its own."""
    manager = bpy.context.window_manager
    layers = [window.view_layer for window in manager.windows] if manager is not None else []
    active = [layer.objects.active for layer in layers if layer is not None]
    return all(ob is None or ob.mode == "OBJECT" for ob in active)


def push_undo(message: str) -> None:
    """One step of the undo history. A timer's context has no window, and the operator wants one where there are any."""
    manager = bpy.context.window_manager
    if bpy.context.window is None and manager is not None and len(manager.windows):
        with bpy.context.temp_override(window=manager.windows[0]):
            bpy.ops.ed.undo_push(message=message)
    else:
        bpy.ops.ed.undo_push(message=message)
