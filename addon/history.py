"""Blender's undo history: when one step can be added, and how."""

from __future__ import annotations

import bpy


def in_object_mode() -> bool:
    """Whether no window shows a mode with an undo history of its own, which would not know of a new object."""
    manager = bpy.context.window_manager
    windows = list(manager.windows) if manager is not None else []
    layers = [window.view_layer for window in windows] if windows else [bpy.context.view_layer]
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
