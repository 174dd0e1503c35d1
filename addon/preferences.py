"""The add-on's preferences: where the backend is."""

from typing import Any

import bpy

from .running import ADDON, current


class TWEENFIELD_AP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADDON

    python: bpy.props.StringProperty(
        name="Backend's Python",
        subtype="FILE_PATH",
        description="The python program (or its environment's folder) that the backend was installed with. "
        "Empty: the program tweenfield on the PATH",
    )
    connection_file: bpy.props.StringProperty(
        name="Running Backend",
        subtype="FILE_PATH",
        description="Connection file of a backend that runs already, here or on another machine. Empty: start one",
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "python")
        layout.prop(self, "connection_file")
        layout.operator("tweenfield.check_backend", icon="VIEWZOOM")
        check = current().check
        if check is not None:
            box = layout.box().column(align=True)
            for line in check.lines:
                box.label(text=line)


def preferences_of(context: bpy.types.Context) -> Any:
    """The add-on's own preferences."""
    assert context.preferences is not None
    return context.preferences.addons[ADDON].preferences


def register() -> None:
    bpy.utils.register_class(TWEENFIELD_AP_preferences)


def unregister() -> None:
    bpy.utils.unregister_class(TWEENFIELD_AP_preferences)
