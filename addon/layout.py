"""What the panels of the sidebar share."""

from __future__ import annotations

import textwrap
from typing import Any

import bpy


class InSidebar:
    """The tab "Tweenfield" in the 3D viewport's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Tweenfield"


class NamedList:
    """A list of the sidebar, each of whose rows is drawn by ``draw_row``; mixed into ``bpy.types.UIList``."""

    def draw_item(
        self,
        context: Any,
        layout: Any,
        data: Any,
        item: Any,
        icon: Any,
        active_data: Any,
        active_property: Any,
        index: Any = 0,
        flt_flag: Any = 0,
    ) -> None:
        self.draw_row(context, layout, item)

    def draw_row(self, context: Any, layout: Any, item: Any) -> None:
        raise NotImplementedError


def split(layout: bpy.types.UILayout | None) -> bpy.types.UILayout:
    """A column of labels and values."""
    assert layout is not None
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def paragraph(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: Any) -> None:
    """Text in as many lines as the sidebar's width needs; labels do not wrap by themselves."""
    assert context.preferences is not None
    scale = context.preferences.system.ui_scale
    letters = int((context.region.width / scale - 60) / 6.2) if context.region is not None else 40
    column = layout.column(align=True)
    for line in text.splitlines():
        for part in textwrap.wrap(line, max(letters, 16)):
            column.label(text=part, icon=icon)
            icon = "BLANK1"
