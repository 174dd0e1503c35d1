"""Draws the landmarks over the 3D viewports: a coloured disc and a name at each end; faint behind their own mesh."""

from __future__ import annotations

import math
from typing import Any

import blf
import gpu
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

from ..viewports import Viewport, drawn_over
from .store import landmarks_of
from .view import Marker, View, is_hidden, markers

RADIUS = 6.0  # pixels at a resolution scale of 1
RIM = 1.5  # pixels of the dark ring around a disc, which is white around the active one
AROUND = 20  # corners of a disc
TEXT = 13.0  # height of the letters, in pixels
DARK, LIGHT = (0.02, 0.02, 0.02), (1.0, 1.0, 1.0)
FAINT = 0.3  # opacity of what the mesh hides

Triangles = list[tuple[float, float, float]]


def draw(viewport: Viewport) -> None:
    """For every redraw of a viewport."""
    context, scale = viewport.context, viewport.scale
    if not landmarks_of(viewport.scene).show:
        return
    view = View(viewport.region, viewport.data)
    shown: list[tuple[Marker, Vector, float]] = []
    moving = context.screen is not None and context.screen.is_animation_playing
    for marker in markers(context):
        pixel = view.pixel(marker.place)
        if pixel is not None:  # while an animation plays the rays would cost too much
            hidden = not moving and is_hidden(context, view, marker, pixel)
            shown.append((marker, pixel, FAINT if hidden else 1.0))
    if shown:
        shown.sort(key=lambda entry: entry[2])  # what is hidden lies below
        _draw_discs(shown, scale)
        _draw_names(shown, scale)


def _draw_discs(shown: list[tuple[Marker, Vector, float]], scale: float) -> None:
    corners: Triangles = []
    colours: list[tuple[float, float, float, float]] = []
    for marker, pixel, opacity in shown:
        rim = LIGHT if marker.active else DARK
        for inner, outer, colour in ((0.0, RADIUS, marker.colour), (RADIUS, RADIUS + RIM, rim)):
            ring = _ring(pixel, inner * scale, outer * scale)
            corners += ring
            colours += [(*colour, opacity)] * len(ring)
    shader = gpu.shader.from_builtin("SMOOTH_COLOR")
    batch: Any = batch_for_shader(shader, "TRIS", {"pos": corners, "color": colours})
    gpu.state.blend_set("ALPHA")
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _ring(middle: Vector, inner: float, outer: float) -> Triangles:
    """Corners of triangles that fill the place between two circles; a disc where the inner one has no size."""
    angles = [math.tau * corner / AROUND for corner in range(AROUND + 1)]
    near, far = (
        [(middle.x + radius * math.cos(angle), middle.y + radius * math.sin(angle), 0.0) for angle in angles]
        for radius in (inner, outer)
    )
    sides = zip(near, far, near[1:], far[1:], strict=False)
    return [corner for a, b, c, d in sides for corner in (a, b, d, a, d, c)]


def _draw_names(shown: list[tuple[Marker, Vector, float]], scale: float) -> None:
    font = 0
    blf.size(font, TEXT * scale)
    blf.enable(font, blf.SHADOW)
    blf.shadow(font, 5, *DARK, 0.9)
    blf.shadow_offset(font, 0, 0)
    for marker, pixel, opacity in shown:
        blf.color(font, *LIGHT, opacity)
        blf.position(font, pixel.x + (RADIUS + 3.0) * scale, pixel.y + 3.0 * scale, 0.0)
        blf.draw(font, marker.name)
    blf.disable(font, blf.SHADOW)


register, unregister = drawn_over(draw)
