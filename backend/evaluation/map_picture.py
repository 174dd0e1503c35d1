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
from protocol.match_colours import DOUBTED, match_colours
from protocol.mesh import MeshData

TILE_AREA = 480 * 480  # pixels of the picture of one mesh
QUALITY = Quality(occlusion=32)
TURNED = math.radians(40.0)  # a target that lies over the source after a larger turn is shown turned


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
    known = np.isfinite(points).all(axis=1)
    colours = match_colours(target, points, known, confidence)
    turned = there @ _turn(here[known], points[known], confidence[known]).T
    shapes = [_unit_size(here, faces[0]), _unit_size(turned, faces[1])]
    tiles = _tiles(shapes, faces, list(colours), tile_area, quality or QUALITY)
    _sheet(tiles, ("source", "target"), caption).save(path, optimize=True)


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
