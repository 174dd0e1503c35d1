"""The tab "Tweenfield" in the 3D viewport's sidebar."""

from typing import Any

import bpy

from .generated import methods
from .job import MORPH
from .job_panel import draw_job, resting
from .landmarks.paint import painted
from .landmarks.pick import picking_in
from .layout import InSidebar
from .operators.morph import asked, expected, topologies, why_not
from .properties import settings_of
from .registering import of_classes
from .running import current
from .session import Session

LIGHTS = {
    "stopped": ("Backend stopped", "RADIOBUT_OFF"),
    "starting": ("Backend starting", "SORTTIME"),
    "ready": ("Backend ready", "RADIOBUT_ON"),
    "lost": ("Connecting again", "ERROR"),
    "stopping": ("Backend stopping", "SORTTIME"),
}


class TWEENFIELD_PT_main(InSidebar, bpy.types.Panel):
    bl_label = "Tweenfield"

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        settings = settings_of(context.scene)
        session = current()
        layout = self.layout
        assert layout is not None
        _draw_backend(layout, session)
        column = resting(layout)
        column.prop(settings, "source")
        column.prop(settings, "target")
        column.operator("tweenfield.use_selection", icon="RESTRICT_SELECT_OFF")
        column.separator()
        column.prop(settings, "correspondence")
        if settings.correspondence == "table":
            column.prop(settings, "table")
        elif settings.correspondence == "implicit-dense":
            column.prop(settings, "model", placeholder="Chairs")
        elif settings.correspondence == "landmarks":
            picking = picking_in(context.window) is not None
            column.operator("tweenfield.pick_landmarks", icon="EYEDROPPER", depress=picking)
        column.operator("tweenfield.preview_match", icon="COLOR")
        if painted():
            column.operator("tweenfield.remove_match_preview", icon="X")
        column.prop(settings, "method")
        column.prop(settings, "preset")
        made = topologies(settings)
        if len(made) > 1:
            column.prop(settings, "topology")
        if "remesh" in made and asked(settings) != "keep":
            column.prop(settings, "resolution")
            column.prop(settings, "largest_part")
        column.separator()
        frames = column.column(align=True)
        frames.prop(settings, "frame_start")
        frames.prop(settings, "frame_end")
        column.prop(settings, "keys")
        column.prop(settings, "frames_as")
        draw_job(layout, context, MORPH, _button, why_not(context), lambda: expected(settings))


class _Settings(InSidebar):
    """Settings that are seldom touched, below the rest; they rest while a job runs."""

    bl_parent_id = "TWEENFIELD_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    layout: bpy.types.UILayout

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        self.show(resting(self.layout), context.scene, settings_of(context.scene))

    def show(self, column: bpy.types.UILayout, scene: bpy.types.Scene, settings: Any) -> None:
        raise NotImplementedError


class TWEENFIELD_PT_motion(_Settings, bpy.types.Panel):
    bl_label = "Motion"
    bl_order = 1

    def show(self, column: bpy.types.UILayout, scene: bpy.types.Scene, settings: Any) -> None:
        column.prop(settings, "easing")
        column.prop(settings, "constant_speed")
        column.prop(settings, "reverse")
        column.prop(settings, "carried")


class TWEENFIELD_PT_advanced(_Settings, bpy.types.Panel):
    bl_label = "Advanced"
    bl_order = 2

    def show(self, column: bpy.types.UILayout, scene: bpy.types.Scene, settings: Any) -> None:
        column.prop(settings, "live_preview")
        column.prop(settings, "device")
        column.prop(settings, "seed")
        column.prop(settings, "limit_time")
        if settings.limit_time:
            column.prop(settings, "seconds")
        column.separator()
        spec = methods.specs.get(settings.method_name)
        group = methods.group_of(scene, settings.method_name)
        if spec is None or group is None:
            column.label(text="Start the backend to see the method's settings", icon="INFO")
            return
        for setting in spec.settings:
            column.prop(group, setting.name)
        column.operator("tweenfield.reset_settings", icon="LOOP_BACK")


def _button(row: bpy.types.UILayout) -> None:
    row.operator("tweenfield.morph", icon="MOD_DATA_TRANSFER")


def _draw_backend(layout: bpy.types.UILayout, session: Session) -> None:
    text, icon = LIGHTS[session.backend]
    row = layout.split(factor=0.62)  # the text is longer than the button's
    row.label(text=text, icon=icon)  # type: ignore[arg-type]
    if session.backend == "stopped":
        row.operator("tweenfield.start_backend", text="Start")
    else:
        row.operator("tweenfield.stop_backend", text="Stop")


_CLASSES = (TWEENFIELD_PT_main, TWEENFIELD_PT_motion, TWEENFIELD_PT_advanced)

register, unregister = of_classes(_CLASSES)
