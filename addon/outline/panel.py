"""The sub-panel "Outline" of the sidebar's tab: the list of outlines, the button, and the difference in words."""

from __future__ import annotations

from typing import Any

import bpy

from ..job import OUTLINE
from ..job_panel import draw_job, resting
from ..layout import InSidebar, NamedList, paragraph, split
from ..registering import of_classes
from .difference import overlay
from .operators import expected, why_not
from .properties import outlines_of, source_of


class TWEENFIELD_UL_outlines(NamedList, bpy.types.UIList):
    def draw_row(self, context: Any, layout: Any, item: Any) -> None:
        source = source_of(item)
        camera = item.camera or context.scene.camera
        names = layout.split(factor=0.55)
        symbol = "IMAGE_DATA" if item.kind == "image" else "GREASEPENCIL"
        names.label(text=source.name if source is not None else "Nothing chosen", icon=symbol)
        names.label(text=camera.name if camera is not None else "No camera", icon="CAMERA_DATA")


class TWEENFIELD_PT_outline(InSidebar, bpy.types.Panel):
    bl_label = "Outline"
    bl_parent_id = "TWEENFIELD_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        layout = self.layout
        assert layout is not None
        settings = outlines_of(context.scene)
        row = resting(layout).row()
        if len(settings.items):
            row.template_list("TWEENFIELD_UL_outlines", "", settings, "items", settings, "active", rows=2)
            buttons = row.column(align=True)
            buttons.operator("tweenfield.add_outline", icon="ADD", text="")
            buttons.operator("tweenfield.remove_outline", icon="REMOVE", text="")
        else:
            row.operator("tweenfield.add_outline", icon="ADD")
        column = resting(layout)
        if settings.active < len(settings.items):
            _draw_item(column, settings.items[settings.active])
        column.separator()
        column.prop(settings, "reach")
        column.prop(settings, "limit_time")
        if settings.limit_time:
            column.prop(settings, "seconds")
        shown = split(layout)
        shown.prop(settings, "show")
        if settings.show:
            for line in overlay.lines:
                paragraph(layout, context, line, "OVERLAY")

        def button(row: bpy.types.UILayout) -> None:
            row.operator("tweenfield.match_outline", icon="MOD_OUTLINE")

        draw_job(layout, context, OUTLINE, button, why_not(context), lambda: expected(context))


def _draw_item(column: bpy.types.UILayout, item: Any) -> None:
    column.prop(item, "kind")
    if item.kind == "image":
        column.template_ID(item, "image", open="image.open")
        column.prop(item, "invert")
    else:
        column.prop(item, "ob")
    column.prop(item, "camera")


_CLASSES = (TWEENFIELD_UL_outlines, TWEENFIELD_PT_outline)

register, unregister = of_classes(_CLASSES)
