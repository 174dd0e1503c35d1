"""What an artist can do about an error: copy it, and read the backend's log."""

import shutil
import sys
from pathlib import Path

import bpy

from ..problem import allowed
from ..registering import of_classes
from ..running import current


class TWEENFIELD_OT_copy_report(bpy.types.Operator):
    """Copy the error with all details, to send it to somebody"""

    bl_idname = "tweenfield.copy_report"
    bl_label = "Copy Report"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current().problem is not None

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        problem = current().problem
        assert problem is not None
        assert context.window_manager is not None
        context.window_manager.clipboard = problem.report()
        self.report({"INFO"}, "The report is in the clipboard")
        return {"FINISHED"}


class TWEENFIELD_OT_open_log(bpy.types.Operator):
    """Open the backend's log"""

    bl_idname = "tweenfield.open_log"
    bl_label = "Open Log"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return allowed(cls, "No backend was started from this Blender" if current().log is None else "")

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        log = current().log
        assert isinstance(log, Path)
        if sys.platform.startswith("linux") and shutil.which("xdg-open") is None:
            self.report({"ERROR"}, f"No program was found that opens the log. It is at {log}")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(log))
        return {"FINISHED"}


_CLASSES = (TWEENFIELD_OT_copy_report, TWEENFIELD_OT_open_log)

register, unregister = of_classes(_CLASSES)
