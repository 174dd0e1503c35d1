"""Pictures of a fitted field: its surface beside a cut through the field, or its curves on the field in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from backend.evaluation.camera import choose_camera, choose_up
from backend.evaluation.contact_sheet import CLAY, coarser, linear
from backend.evaluation.render import Quality, Scene, render, to_image
from backend.geometry.arrays import Float64, Int64
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.measures import Level

AREA = 520 * 520  # pixels of one picture
QUALITY = Quality(occlusion=32)
ROOM = 0.12  # of the longest side, around the shape
BANDS = 20.0  # along the diagonal
BELOW, ABOVE = "#e8875c", "#8fb3cc"
FADED = 0.55  # of the colour, far away
LINE = (40, 48, 63)
LINE_WIDTH = 2.2  # pixels
FINE = 2  # lines are drawn on a picture so many times larger


def write_field_picture(
    path: str | Path, field: DistanceField, surface: Level, *, area: int = AREA, quality: Quality = QUALITY
) -> None:
    """Writes a PNG. In 3D: the surface, and a cut through the field in bands of equal distance. In 2D: loops on it."""
    if not isinstance(surface, tuple):
        window = _Window.around(field, (0, 1), np.zeros(2), area)
        lines = [window.pixels(loop) for loop in surface]
        window.drawn(field.values(window.points()), field, lines).save(path, optimize=True)
        return
    cut = _cut_through(field, area)
    if len(surface[1]):
        solid = surface_picture(*surface, area=area, quality=quality)
        size = round(cut.width * solid.height / cut.height), solid.height
        sheet = Image.new("RGB", (solid.width + size[0], solid.height))
        sheet.paste(solid, (0, 0))
        sheet.paste(cut.resize(size, Image.Resampling.LANCZOS), (solid.width, 0))
        cut = sheet
    cut.save(path, optimize=True)


def surface_picture(
    positions: Float64, triangles: Int64, *, area: int = AREA, quality: Quality = QUALITY
) -> Image.Image:
    """A mesh as the contact sheet shows one, ``area`` pixels."""
    triangles = coarser(positions, triangles)
    used = positions[np.unique(triangles)]
    low, high = used.min(axis=0), used.max(axis=0)
    size = float(np.linalg.norm(high - low)) or 1.0
    positions, used = ((points - (low + high) / 2) / size for points in (positions, used))
    upwards = choose_up([used])
    camera = choose_camera([used], upwards, same_vertices=False)
    paint = np.tile(linear(CLAY), (len(positions), 1))
    scene = Scene(np.ascontiguousarray(positions), triangles, paint, upwards, float((used @ upwards).min()))
    width = round(math.sqrt(area * camera.aspect))
    return to_image(render(scene, camera, width, round(area / width), quality))


@dataclass(frozen=True, eq=False)
class _Window:
    """A rectangle of a plane through the field, and the pixels on it."""

    origin: Float64  # [D], of the upper left corner
    across: Float64  # [D], one pixel to the right
    down: Float64  # [D], one pixel down
    width: int
    height: int

    @staticmethod
    def around(field: DistanceField, axes: tuple[int, int], middle: Float64, area: int) -> _Window:
        """The shape's box, seen along the axes that are not ``axes``: horizontal and vertical."""
        room = ROOM * float((field.high - field.low).max())
        low, high = field.low - room, field.high + room
        side = high - low
        pixel = math.sqrt(side[axes[0]] * side[axes[1]] / area)
        width, height = (max(round(side[axis] / pixel), 2) for axis in axes)
        corner = middle.copy()
        corner[axes[0]], corner[axes[1]] = low[axes[0]], high[axes[1]]
        steps = pixel * np.eye(field.dimension)
        return _Window(corner, steps[axes[0]], -steps[axes[1]], width, height)

    def points(self) -> Float64:
        """The middles [H * W, D] of all pixels, row by row."""
        row, column = np.divmod(np.arange(self.width * self.height), self.width)
        return np.asarray(self.origin + (column[:, None] + 0.5) * self.across + (row[:, None] + 0.5) * self.down)

    def pixels(self, points: Float64) -> Float64:
        """Places [K, 2] of points [K, D], from the left and from above."""
        offset = points - self.origin
        return np.stack([offset @ axis / (axis @ axis) for axis in (self.across, self.down)], axis=1)

    def drawn(self, values: Float64, field: DistanceField, lines: Sequence[Float64]) -> Image.Image:
        """The field's values [H * W] in bands, with lines [K, 2] in pixels on them."""
        image = to_image(_banded(values - field.level, field.diagonal).reshape(self.height, self.width, 3))
        image = image.resize((FINE * self.width, FINE * self.height), Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(image)
        for line in lines:
            places = [(float(x), float(y)) for x, y in FINE * line]
            draw.line(places, fill=LINE, width=round(FINE * LINE_WIDTH), joint="curve")
        return image.resize((self.width, self.height), Image.Resampling.LANCZOS)


def _cut_through(field: DistanceField, area: int) -> Image.Image:
    """The field on the plane through the middle of the shape's box, across its shortest side."""
    corners = np.stack(np.meshgrid(*zip(field.low, field.high, strict=True), indexing="ij"), -1).reshape(-1, 3)
    upright = int(choose_up([corners]).argmax())
    sides = field.high - field.low
    others = [axis for axis in range(3) if axis != upright]
    window = _Window.around(field, (others[int(sides[others].argmax())], upright), (field.low + field.high) / 2, area)
    values = field.values(window.points())
    loops = find_contours(values.reshape(window.height, window.width), field.level)  # type: ignore[no-untyped-call]
    return window.drawn(values, field, [loop[:, ::-1] + 0.5 for loop in loops])


def _banded(values: Float64, diagonal: float) -> Float64:
    """Linear light [N, 3]: one colour below 0 and one above, in bands, paler with the distance."""
    away = np.abs(values) / diagonal
    colour = np.where((values < 0.0)[:, None], linear(BELOW), linear(ABOVE))
    colour = 1.0 - (1.0 - colour) * (FADED + (1.0 - FADED) * np.exp(-6.0 * away))[:, None]
    phase = away * BANDS
    return np.asarray(colour * (1.0 - 0.10 * (np.floor(phase) % 2.0))[:, None])
