"""The sub-panel "Surfaces" of the sidebar's tab."""

from __future__ import annotations

import bpy

from ..generated import offered
from ..job import IMAGE, SURFACE
from ..job_panel import draw_job, resting
from ..layout import InSidebar
from ..properties import settings_of
from ..registering import of_classes
from .image import why_not as why_no_shape
from .operators import expected, label, why_no_repair, why_not
from .properties import surface_settings


class TWEENFIELD_PT_surfaces(InSidebar, bpy.types.Panel):
    bl_label = "Surfaces"
    bl_parent_id = "TWEENFIELD_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        layout = self.layout
        assert layout is not None
        settings = surface_settings(context.scene)
        column = resting(layout)
        for name in ("method", "preset", "mode", "resolution"):
            column.prop(settings, name)
        column.separator()
        column.prop(settings, "shells")
        if settings.shells:
            column.prop(settings, "shell_step")
            column.prop(settings, "shell_side")
        column.prop(settings, "skeleton")

        def buttons(row: bpy.types.UILayout) -> None:
            row.operator("tweenfield.surface", text=label(context), icon="OUTLINER_OB_META")

        draw_job(layout, context, SURFACE, buttons, why_not(context), lambda: expected(context))
        if not why_no_repair(context):
            layout.operator("tweenfield.repair_surface", icon="MODIFIER")


class TWEENFIELD_PT_surface_settings(InSidebar, bpy.types.Panel):
    bl_label = "Surface Settings"
    bl_parent_id = "TWEENFIELD_PT_surfaces"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        settings = surface_settings(context.scene)
        column = resting(self.layout)
        column.prop(settings, "live_preview")
        column.prop(settings_of(context.scene), "device")
        column.prop(settings, "seed")
        column.prop(settings, "limit_time")
        if settings.limit_time:
            column.prop(settings, "seconds")
        column.separator()
        spec = offered.surfaces.specs.get(settings.method_name)
        group = offered.surfaces.group_of(context.scene, settings.method_name)
        if spec is None or group is None:
            column.label(text="Start the backend to see the method's settings", icon="INFO")
            return
        for setting in spec.settings:
            column.prop(group, setting.name)
        column.operator("tweenfield.reset_surface_settings", icon="LOOP_BACK")


class TWEENFIELD_PT_shape_from_image(InSidebar, bpy.types.Panel):
    bl_label = "Shape from Image"
    bl_parent_id = "TWEENFIELD_PT_surfaces"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        assert context.scene is not None
        layout = self.layout
        assert layout is not None
        settings = surface_settings(context.scene)
        column = resting(layout)
        column.template_ID(settings, "image", open="image.open")
        column.prop(settings, "image_model", placeholder="Built In")
        column.prop(settings, "resolution")
        column.prop(settings, "image_refine")

        def buttons(row: bpy.types.UILayout) -> None:
            row.operator("tweenfield.shape_from_image", icon="IMAGE_REFERENCE")

        draw_job(layout, context, IMAGE, buttons, why_no_shape(context), lambda: "")


_CLASSES = (TWEENFIELD_PT_surfaces, TWEENFIELD_PT_surface_settings, TWEENFIELD_PT_shape_from_image)

register, unregister = of_classes(_CLASSES)
