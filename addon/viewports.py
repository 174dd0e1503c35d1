"""What is drawn over the 3D viewports: when it is drawn, and how they are asked to be drawn again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy

from .registering import Pair


@dataclass(frozen=True)
class Viewport:
    """The one that is being drawn."""

    context: bpy.types.Context
    scene: bpy.types.Scene
    space: bpy.types.SpaceView3D
    region: bpy.types.Region
    data: bpy.types.RegionView3D
    scale: float  # of all that has a size in pixels


drawing: dict[Callable[[Viewport], None], Any] = {}  # what is drawn now, and Blender's handle of it


def drawn_over(draw: Callable[[Viewport], None]) -> Pair:
    """For what ``draw`` draws, in pixels, over every viewport whose overlays are shown."""

    def draw_one() -> None:
        context = bpy.context
        space, region, data = context.space_data, context.region, context.region_data
        if context.scene is None or not isinstance(space, bpy.types.SpaceView3D) or region is None or data is None:
            return
        if space.overlay.show_overlays:
            assert context.preferences is not None
            draw(Viewport(context, context.scene, space, region, data, context.preferences.system.ui_scale))

    def begin() -> None:
        drawing[draw] = bpy.types.SpaceView3D.draw_handler_add(draw_one, (), "WINDOW", "POST_PIXEL")

    def end() -> None:
        bpy.types.SpaceView3D.draw_handler_remove(drawing.pop(draw), "WINDOW")

    return begin, end


def redraw() -> None:
    """Asks all viewports to be drawn again."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
