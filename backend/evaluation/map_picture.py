"""The picture of a match: both meshes side by side, each point in the colour of the one it belongs to."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.evaluation.camera import CAPTION, choose_camera, choose_up
from backend.evaluation.contact_sheet import INK, coarser
from backend.evaluation.render import BACKGROUND_BOTTOM, Quality, Scene, render, to_image
from backend.geometry.arrays import Float64, Int64
from backend.geometry.normalise import similarity_alignment
from protocol.mesh import MeshData

TILE_AREA = 480 * 480  # pixels of the picture of one mesh
QUALITY = Quality(occlusion=32)
DOUBTED = (0.15, 0.5)  # confidence up to which a vertex is grey, and from which it has all of its colour
GREY = 0.30  # linear light
NONE = 0.12  # of vertices without a counterpart
TURNED = math.radians(40.0)  # a target that lies over the source after a larger turn is shown turned
# Colours of the target in polar OKLab: hue along its longest axis, lightness across the second, and a little of both
# across the third. Everywhere colourful, so that nothing looks grey, and the ends of limbs differ from each other.
HUES = (math.radians(30.0), math.radians(300.0))
LIGHTNESS, SHADE = 0.68, 0.11
SIDES = (math.radians(22.0), 0.06)  # in hue and in lightness
CHROMA = 0.13


def map_picture(
    source: MeshData,
    target: MeshData,
    points: Float64,  # [V, 3], object space, of the source's vertices on the target; NaN without a counterpart
    confidence: Float64,  # [V] in 0..1
    caption: str,
    path: str | Path,
    *,
    tile_area: int = TILE_AREA,
    quality: Quality | None = None,
) -> None:
    """Writes a PNG: the target in colours by place, the source in those of its points, grey where they are doubtful."""
    here, there = source.positions(), target.positions()
    faces = [coarser(at, mesh.triangles().astype(np.int64)) for at, mesh in ((here, source), (there, target))]
    field = ColourField(there[np.unique(faces[1])])
    known = np.isfinite(points).all(axis=1)
    carried = field(np.where(known[:, None], points, there.mean(axis=0)))
    trust = np.clip((confidence - DOUBTED[0]) / (DOUBTED[1] - DOUBTED[0]), 0.0, 1.0)[:, None]
    colours = np.where(known[:, None], trust * carried + (1.0 - trust) * GREY, NONE)
    turned = there @ _turn(here[known], points[known], confidence[known]).T
    shapes = [_unit_size(here, faces[0]), _unit_size(turned, faces[1])]
    tiles = _tiles(shapes, faces, [colours, field(there)], tile_area, quality or QUALITY)
    _sheet(tiles, ("source", "target"), caption).save(path, optimize=True)


class ColourField:
    """A smooth colour at every place, told by the principal axes of points [N, 3]."""

    def __init__(self, points: Float64) -> None:
        self._middle = points.mean(axis=0)
        _, _, axes = np.linalg.svd((points - self._middle)[:: max(1, len(points) // 20_000)], full_matrices=False)
        self._axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
        along = (points - self._middle) @ self._axes.T
        self._low, self._high = np.quantile(along, [0.01, 0.99], axis=0)

    def __call__(self, points: Float64) -> Float64:
        """Linear light [N, 3]."""
        along = (points - self._middle) @ self._axes.T
        place = np.clip((along - self._low) / np.maximum(self._high - self._low, 1e-30), 0.0, 1.0)  # [N, 3]
        first, second, third = place.T
        hue = HUES[0] + (HUES[1] - HUES[0]) * first + SIDES[0] * (2.0 * third - 1.0)
        lightness = LIGHTNESS + SHADE * (2.0 * second - 1.0) + SIDES[1] * (2.0 * third - 1.0)
        return _from_oklab(np.stack([lightness, CHROMA * np.cos(hue), CHROMA * np.sin(hue)], axis=1))


def _from_oklab(colours: Float64) -> Float64:
    """OKLab [N, 3] as linear light (Ottosson, *A perceptual color space for image processing*, 2020)."""
    cones = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    light = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.asarray(np.clip((colours @ cones.T) ** 3 @ light.T, 0.0, 1.0))


def _turn(here: Float64, points: Float64, confidence: Float64) -> Float64:
    """The rotation [3, 3] of the target after which it is seen from the side that the source is seen from."""
    trusted = confidence > DOUBTED[1]
    if trusted.sum() <= len(trusted) / 2:
        return np.eye(3)
    rotation = similarity_alignment(here[trusted], points[trusted], confidence[trusted]).rotation
    angle = math.acos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0))
    return rotation if angle > TURNED else np.eye(3)


def _unit_size(positions: Float64, triangles: Int64) -> Float64:
    """The shape around 0 with a diagonal of 1."""
    used = positions[np.unique(triangles)]
    low, high = used.min(axis=0), used.max(axis=0)
    return np.ascontiguousarray((positions - (low + high) / 2) / (float(np.linalg.norm(high - low)) or 1.0))


def _tiles(
    shapes: list[Float64], faces: list[Int64], colours: list[Float64], tile_area: int, quality: Quality
) -> list[Image.Image]:
    used = [shape[np.unique(face)] for shape, face in zip(shapes, faces, strict=True)]
    upwards = choose_up(used)
    camera = choose_camera(used, upwards, same_vertices=False)
    width = round(math.sqrt(tile_area * camera.aspect))
    height = round(tile_area / width)
    tiles = []
    for shape, face, paint, points in zip(shapes, faces, colours, used, strict=True):
        scene = Scene(shape, face, paint, upwards, float((points @ upwards).min()))
        tiles.append(to_image(render(scene, camera, width, height, quality)))
    return tiles


def _sheet(tiles: list[Image.Image], labels: tuple[str, str], caption: str) -> Image.Image:
    width, height = tiles[0].size
    size = max(11, round(0.034 * math.sqrt(width * height)))
    background = to_image(BACKGROUND_BOTTOM.reshape(1, 1, 3)).getpixel((0, 0))
    sheet = Image.new("RGB", (2 * width, height + 2 * size), background)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size)
    for k, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        sheet.paste(tile, (k * width, 0))
        draw.text(((k + 0.5) * width, height * (1 - CAPTION / 2)), label, fill=INK, font=font, anchor="mm")
    fitting = min(1.0, 0.94 * sheet.width / max(draw.textlength(caption, font), 1.0))
    small = ImageFont.load_default(fitting * size)
    draw.text((width, height + 0.7 * size), caption, fill=INK, font=small, anchor="mm")
    return sheet
