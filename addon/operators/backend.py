"""Start, stop and check the backend."""

import bpy

from ..job import MORPH
from ..preferences import preferences_of
from ..problem import Problem
from ..registering import of_classes
from ..running import current


class TWEENFIELD_OT_start_backend(bpy.types.Operator):
    """Start the process that computes morphs"""

    bl_idname = "tweenfield.start_backend"
    bl_label = "Start Backend"

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        preferences = preferences_of(context)
        current().panel = MORPH
        try:
            current().start_backend(bpy.path.abspath(preferences.python), bpy.path.abspath(preferences.connection_file))
        except Problem as problem:
            current().problem = problem
            self.report({"ERROR"}, problem.message)
            return {"CANCELLED"}
        return {"FINISHED"}


class TWEENFIELD_OT_stop_backend(bpy.types.Operator):
    """Stop the backend and free its memory; a morph that is being computed is cancelled"""

    bl_idname = "tweenfield.stop_backend"
    bl_label = "Stop Backend"

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        current().stop_backend()
        return {"FINISHED"}


class TWEENFIELD_OT_check_backend(bpy.types.Operator):
    """Run the backend's own examination: its versions, its devices, and what is missing"""

    bl_idname = "tweenfield.check_backend"
    bl_label = "Check Backend"

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        try:
            current().check_backend(bpy.path.abspath(preferences_of(context).python))
        except Problem as problem:
            self.report({"ERROR"}, problem.message)
            return {"CANCELLED"}
        return {"FINISHED"}


_CLASSES = (TWEENFIELD_OT_start_backend, TWEENFIELD_OT_stop_backend, TWEENFIELD_OT_check_backend)

register, unregister = of_classes(_CLASSES)
