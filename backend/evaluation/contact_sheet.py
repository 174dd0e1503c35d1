"""The contact sheet: frames of a morph side by side, seen by one camera, coloured so that the eye can follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.evaluation.camera import CAPTION, choose_camera, choose_up
from backend.evaluation.render import BACKGROUND_TOP, Quality, Scene, render, to_image
from backend.geometry.arrays import Float64, Int64
from protocol.mesh import MeshData

FRAMES = 8  # shown when their times cannot be even; otherwise a number near it
TILE_AREA = 320 * 320  # pixels of one picture
MANY_FACES = 300_000  # above, pictures are drawn from a coarser mesh
CELLS = 400  # of its grid along the longest side
# Stops of the palette in sRGB, from one end of the shape's longest axis to the other.
PALETTE = ("#2f4b8f", "#2a8c9e", "#7fbf8e", "#f0cf7a", "#e8875c", "#b9456b")
CLAY = "#d8a47f"  # for surfaces whose vertices cannot be followed
INK = (60, 66, 78)
PAPER = to_image(BACKGROUND_TOP.reshape(1, 1, 3)).getpixel((0, 0))


def contact_sheet(
    meshes: Sequence[MeshData],
    times: Sequence[float],
    path: str | Path,
    *,
    tile_area: int = TILE_AREA,  # pixels
    quality: Quality | None = None,
    labels: Sequence[str] | None = None,  # of every mesh, in the place of its time; all of them are then drawn
) -> None:
    """Writes a PNG with some of the meshes, evenly picked, both ends included, and their times.

    Meshes without faces have an empty picture.
    """
    chosen = _picked(len(meshes), _frames(len(meshes)) if labels is None else len(meshes))
    shown = [meshes[k] for k in chosen]
    labels = [f"t = {times[k]:.2f}" for k in chosen] if labels is None else labels
    solid = [k for k, mesh in enumerate(shown) if mesh.n_faces]
    if not solid:
        raise ValueError("there are no surfaces to draw")
    drawn = dict(zip(solid, _tiles([shown[k] for k in solid], tile_area, quality or Quality()), strict=True))
    blank = Image.new("RGB", drawn[solid[0]].size, PAPER)
    tiles = [drawn.get(k, blank) for k in range(len(shown))]
    per_row = _columns(len(tiles), tiles[0].width / tiles[0].height)
    _sheet(tiles, labels, per_row).save(path, optimize=True)


def _picked(n: int, frames: int) -> list[int]:
    """At most ``frames`` of 0 .. n-1, evenly, with both ends."""
    if n == 0:
        raise ValueError("there are no meshes to draw")
    return sorted({round(k) for k in np.linspace(0, n - 1, min(n, max(frames, 1)))})


def _frames(n: int) -> int:
    """How many of ``n`` frames to show: 8, 9, 10 or 7 if their steps are then equal, else 8."""
    return next((k for k in (8, 9, 10, 7) if (n - 1) % (k - 1) == 0), FRAMES)


def _tiles(meshes: Sequence[MeshData], tile_area: int, quality: Quality) -> list[Image.Image]:
    origin = meshes[0].origin
    shapes = [mesh.scale * mesh.vertices.astype(np.float64) + (mesh.origin - origin) for mesh in meshes]
    faces = [mesh.triangles().astype(np.int64) for mesh in meshes]
    same = all(np.array_equal(f, faces[0]) and len(s) == len(shapes[0]) for f, s in zip(faces, shapes, strict=True))
    if same:
        faces = [coarser(shapes[0], faces[0])] * len(faces)
    else:
        faces = [coarser(shape, face) for shape, face in zip(shapes, faces, strict=True)]
    used = [shape[np.unique(face)] for shape, face in zip(shapes, faces, strict=True)]
    everything = np.concatenate([np.stack([points.min(axis=0), points.max(axis=0)]) for points in used])
    low, high = everything.min(axis=0), everything.max(axis=0)
    size = float(np.linalg.norm(high - low)) or 1.0
    shapes = [(shape - (low + high) / 2) / size for shape in shapes]
    used = [(points - (low + high) / 2) / size for points in used]
    upwards = choose_up(used)
    camera = choose_camera(used, upwards, same)
    ground = float(min((points @ upwards).min() for points in used))
    colours = _colours(shapes[0], used[0]) if same else None
    width = round(math.sqrt(tile_area * camera.aspect))
    height = round(tile_area / width)
    tiles = []
    for shape, face in zip(shapes, faces, strict=True):
        paint = np.tile(linear(CLAY), (len(shape), 1)) if colours is None else colours
        scene = Scene(np.ascontiguousarray(shape), face, paint, upwards, ground)
        tiles.append(to_image(render(scene, camera, width, height, quality)))
    return tiles


def coarser(points: Float64, triangles: Int64) -> Int64:
    """The triangles, or where there are far more than a picture can show, those between cells of a grid of vertices."""
    if len(triangles) <= MANY_FACES:
        return triangles
    low = points[np.unique(triangles)].min(axis=0)
    size = float((points[np.unique(triangles)].max(axis=0) - low).max()) or 1.0
    cell = np.clip((points - low) / size * CELLS, 0, CELLS).astype(np.int64)
    key = (cell[:, 0] * (CELLS + 1) + cell[:, 1]) * (CELLS + 1) + cell[:, 2]
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    merged = first[group.reshape(-1)][triangles]
    a, b, c = merged.T
    return np.asarray(merged[(a != b) & (b != c) & (c != a)], np.int64)


def _colours(points: Float64, used: Float64) -> Float64:
    """A smooth colour [V, 3] for every vertex, by its place along the longest axes of the first frame."""
    middle = used.mean(axis=0)
    _, _, axes = np.linalg.svd((used - middle)[:: max(1, len(used) // 20_000)], full_matrices=False)
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))  # the same way every time
    along = (used - middle) @ axes[0]
    low, high = np.quantile(along, [0.01, 0.99])
    place = np.clip(((points - middle) @ axes[0] - low) / max(high - low, 1e-12), 0.0, 1.0)
    across = (points - middle) @ axes[1] / max(np.abs((used - middle) @ axes[1]).max(), 1e-12)
    stops = np.array([linear(stop) for stop in PALETTE])
    spots = np.linspace(0.0, 1.0, len(PALETTE))
    colour = np.stack([np.interp(place, spots, stops[:, k]) for k in range(3)], axis=1)
    return np.asarray(colour * (1.0 + 0.18 * np.clip(across, -1.0, 1.0))[:, None])


def linear(colour: str) -> Float64:
    """``#rrggbb`` in linear light [3]."""
    encoded = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _columns(n: int, aspect: float) -> int:
    """Columns that make the sheet about twice as wide as high, without a nearly empty last row."""

    def badness(columns: int) -> float:
        rows = -(-n // columns)
        empty = rows * columns - n
        return abs(math.log(columns * aspect / rows / 2.0)) + 1.5 * empty

    return min(range(1, n + 1), key=badness)


def _sheet(tiles: Sequence[Image.Image], labels: Sequence[str], columns: int) -> Image.Image:
    width, height = tiles[0].size
    rows = -(-len(tiles) // columns)
    font = ImageFont.load_default(max(11, round(height * 0.052)))
    sheet = Image.new("RGB", (columns * width, rows * height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        x, y = k % columns * width, k // columns * height
        sheet.paste(tile, (x, y))
        draw.text((x + width / 2, y + height * (1 - CAPTION / 2)), label, fill=INK, font=font, anchor="mm")
    return sheet
