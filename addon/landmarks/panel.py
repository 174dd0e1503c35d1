"""The list of landmarks in the sidebar, and what can be done with it."""

from __future__ import annotations

from typing import Any

import bpy

from ..layout import InSidebar, NamedList, paragraph
from ..registering import of_classes
from .pick import HELP, picking_in
from .picking import pair_of
from .store import belongs, is_whole, landmarks_of


class TWEENFIELD_UL_landmarks(NamedList, bpy.types.UIList):
    def draw_row(self, context: Any, layout: Any, item: Any) -> None:
        row = layout.row(align=True)
        colour = row.row()
        colour.ui_units_x = 1.0
        colour.prop(item, "colour", text="")
        row.prop(item, "name", text="", emboss=False)
        pair = pair_of(context)
        if pair is not None and not is_whole(item, pair):
            row.label(text="", icon="ERROR")

    def filter_items(self, context: Any, data: Any, name: str) -> Any:
        """Only the landmarks of the chosen pair."""
        pair = pair_of(context)
        shown = [pair is not None and belongs(landmark, pair) for landmark in getattr(data, name)]
        return [self.bitflag_filter_item if one else 0 for one in shown], []


class TWEENFIELD_PT_landmarks(InSidebar, bpy.types.Panel):
    bl_label = "Landmarks"
    bl_parent_id = "TWEENFIELD_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        assert self.layout is not None
        group = landmarks_of(context.scene)
        icon: Any = "HIDE_OFF" if group.show else "HIDE_ON"
        self.layout.prop(group, "show", text="", icon=icon, emboss=False)

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        layout = self.layout
        assert layout is not None
        picking = picking_in(context.window) is not None
        layout.operator("tweenfield.pick_landmarks", icon="EYEDROPPER", depress=picking)
        if picking:
            lines = layout.column(align=True)
            lines.scale_y = 0.8
            for line in HELP.split("   |   "):
                paragraph(lines, context, line, "BLANK1")
        row = layout.row()
        group = landmarks_of(context.scene)
        row.template_list("TWEENFIELD_UL_landmarks", "", group, "pairs", group, "active", rows=3)
        column = row.column(align=True)
        column.operator("tweenfield.pick_landmarks", icon="ADD", text="")
        column.operator("tweenfield.remove_landmark", icon="REMOVE", text="")
        column.operator("tweenfield.clear_landmarks", icon="TRASH", text="")
        layout.operator("tweenfield.landmarks_from_groups", icon="GROUP_VERTEX")
        layout.operator_menu_enum("tweenfield.mirror_landmarks", "axis", text="Mirror", icon="MOD_MIRROR")


_CLASSES = (TWEENFIELD_UL_landmarks, TWEENFIELD_PT_landmarks)

register, unregister = of_classes(_CLASSES)
