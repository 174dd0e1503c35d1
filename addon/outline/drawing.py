"""Draws where outline and shape differ over the 3D viewports: over the camera's frame, else small in the corner."""

from __future__ import annotations

import time
from typing import Any

import bpy
import gpu
import numpy as np
from bpy_extras import view3d_utils
from gpu_extras.presets import draw_texture_2d

from ..viewports import Viewport, drawn_over, redraw
from .difference import Difference, overlay
from .properties import outlines_of

CORNER = 0.3  # of the region's smaller side: the longer side of the picture in the corner
MARGIN = 16.0  # pixels at a resolution scale of 1
AGAIN = 0.25  # seconds between two looks at whether something has changed, at least
RATIO = 5.0  # of that time to the time that a comparison takes, so that Blender stays usable with large meshes


def draw(viewport: Viewport) -> None:
    """For every redraw of a viewport."""
    settings = outlines_of(viewport.scene)
    if not settings.show:
        return
    through = _camera_of(viewport)
    over = [
        one for one in overlay.differences if one is not None and through is not None and one.camera == through.name
    ]
    gpu.state.blend_set("ALPHA")
    if over and through is not None:
        left, bottom, width, height = _frame(viewport, through)
        for one in over:
            draw_texture_2d(_texture(one, False), (left, bottom), width, height)
    elif settings.active < len(overlay.differences):
        active = overlay.differences[settings.active]
        if active is not None:
            _draw_corner(viewport, active)
    gpu.state.blend_set("NONE")


def _draw_corner(viewport: Viewport, one: Difference) -> None:
    margin, region = MARGIN * viewport.scale, viewport.region
    height, width = one.wanted.shape
    share = CORNER * min(region.width, region.height) / max(width, height)
    tools = sum(other.width for other in _beside(viewport.context) if other.type == "TOOLS")
    draw_texture_2d(_texture(one, True), (tools + margin, margin), share * width, share * height)


def _beside(context: bpy.types.Context) -> list[bpy.types.Region]:
    return list(context.area.regions) if context.area is not None else []


def _camera_of(viewport: Viewport) -> Any:
    """The camera that a viewport is seen through, if it is."""
    if viewport.data.view_perspective != "CAMERA":
        return None
    return viewport.space.camera if viewport.space.use_local_camera else viewport.scene.camera


def _frame(viewport: Viewport, camera: bpy.types.Object) -> tuple[float, float, float, float]:
    """Where the camera's image is in the region: left, bottom, width and height in pixels."""
    assert isinstance(camera.data, bpy.types.Camera)
    placed = camera.matrix_world.normalized()
    corners = [placed @ corner for corner in camera.data.view_frame(scene=viewport.scene)]
    pixels: Any = [view3d_utils.location_3d_to_region_2d(viewport.region, viewport.data, corner) for corner in corners]
    across, up = [pixel.x for pixel in pixels], [pixel.y for pixel in pixels]
    return min(across), min(up), max(across) - min(across), max(up) - min(up)


def _texture(one: Difference, corner: bool) -> gpu.types.GPUTexture:
    if corner not in one.textures:
        picture = np.ascontiguousarray(one.picture(corner)[::-1])  # the graphics card's first row is the lowest
        height, width = picture.shape[:2]
        types: Any = gpu.types  # whose constructors have no signatures
        buffer = types.Buffer("FLOAT", picture.size, picture.reshape(-1))
        one.textures[corner] = types.GPUTexture((width, height), format="RGBA16F", data=buffer)
    texture: gpu.types.GPUTexture = one.textures[corner]
    return texture


def _changed(*_: Any) -> None:
    overlay.stale = True


def _loaded(*_: Any) -> None:
    overlay.forget()


def _tick() -> float:
    context = bpy.context
    playing = context.screen is not None and context.screen.is_animation_playing
    scene = context.scene
    if scene is not None and outlines_of(scene).show and overlay.outdated(scene) and not playing:
        begun = time.perf_counter()
        overlay.refresh(context)
        redraw()
        return max(AGAIN, RATIO * (time.perf_counter() - begun))
    return AGAIN


_begin, _end = drawn_over(draw)


def register() -> None:
    _begin()
    for handler in (_changed, _loaded):
        bpy.app.handlers.persistent(handler)
    bpy.app.handlers.depsgraph_update_post.append(_changed)
    bpy.app.handlers.frame_change_post.append(_changed)
    bpy.app.handlers.load_post.append(_loaded)
    bpy.app.timers.register(_tick, first_interval=1.0, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.handlers.load_post.remove(_loaded)
    bpy.app.handlers.frame_change_post.remove(_changed)
    bpy.app.handlers.depsgraph_update_post.remove(_changed)
    _end()
    overlay.forget()
