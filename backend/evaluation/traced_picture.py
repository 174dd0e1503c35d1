"""A picture of a level of a field without any mesh: every pixel is a ray that is traced to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, minimum_filter

from backend.evaluation.camera import Camera, camera_from, choose_camera, choose_up
from backend.evaluation.contact_sheet import CLAY, linear
from backend.evaluation.render import BACKGROUND_BOTTOM, BACKGROUND_TOP, light, to_image
from backend.geometry.arrays import Flags, Float64
from backend.geometry.triangles import unit
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.isosurface import isosurface
from backend.surfaces.queries.lattice import Check
from backend.surfaces.queries.sphere_trace import Trace, sphere_trace

WIDTH = 640  # pixels
CELLS = 32  # of the mesh that the camera is chosen by
BLOCK = 8  # pixels across and down a beam that goes ahead of their rays
NEAR = 0.35  # of a pixel: as near to the level as a ray ends
FINE = 2  # rays across and down a pixel at an edge
SHARP = 0.93  # cosine between the normals of neighbouring pixels: below, there is an edge
SKY = (0.02, 0.05, 0.10, 0.18)  # of the diagonal, above a point: how free it is there
SHADOW_STEP = 4  # the ground's shadow is soft, so every fourth pixel is enough
SHADOW_REACH = 0.55  # diagonals around the shape


def traced_picture(
    path: str | Path,
    field: DistanceField,
    level: float,
    *,
    width: int = WIDTH,
    view: tuple[float, float] | None = None,
    check: Check | None = None,
) -> bool:
    """Writes a PNG, or nothing and gives False where the field is ``level`` nowhere.

    ``view``: azimuth and elevation of the camera, degrees; by default where the shape is broad.
    """
    positions, triangles = isosurface(field, level, CELLS, check=check)
    if not len(triangles):
        return False
    up = choose_up([positions])
    camera = choose_camera([positions], up, False) if view is None else camera_from(positions, up, *view)
    scene = _Scene(field, level, camera, up, positions, width, check)
    height = max(round(width / camera.aspect), 1)
    rays = camera.rays(width, height)
    picture = scene.behind(width, height)
    start = scene.beams(rays.reshape(height, width, 3))
    colour, normals, hit = scene.seen(rays, start)
    behind = picture.copy()
    picture[hit] = colour[hit]
    rows = np.flatnonzero(_edges(hit, normals, width, height))
    if len(rows):
        fine = camera.rays(FINE * width, FINE * height).reshape(height, FINE, width, FINE, 3).swapaxes(1, 2)
        fine = fine.reshape(-1, FINE * FINE, 3)[rows]
        colour, _, hit = scene.seen(fine.reshape(-1, 3), _least_around(start, width, height)[rows].repeat(FINE * FINE))
        colour, hit = colour.reshape(fine.shape), hit.reshape(fine.shape[:2])
        picture[rows] = np.where(hit[:, :, None], colour, behind[rows][:, None]).mean(axis=1)
    to_image(picture.reshape(height, width, 3)).save(path, optimize=True)
    return True


def _edges(hit: Flags, normals: Float64, width: int, height: int) -> Flags:
    """Pixels [H * W] that differ from a neighbour: in being hit, or in the direction of the surface."""
    grid, facing = hit.reshape(height, width), normals.reshape(height, width, 3)
    found = np.zeros((height, width), bool)
    for axis in (0, 1):
        one, other = (np.moveaxis(grid, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
        turned = np.moveaxis(facing, axis, 0)
        differ = (one != other) | (one & other & ((turned[1:] * turned[:-1]).sum(axis=-1) < SHARP))
        view = np.moveaxis(found, axis, 0)
        view[1:] |= differ
        view[:-1] |= differ
    return found.reshape(-1)


def _least_around(start: Float64, width: int, height: int) -> Float64:
    """The least [H * W] of every pixel and its neighbours: rays beside its middle may belong to their blocks."""
    return np.asarray(minimum_filter(start.reshape(height, width), 3)).reshape(-1)


class _Scene:
    """What rays of one picture see."""

    def __init__(
        self,
        field: DistanceField,
        level: float,
        camera: Camera,
        up: Float64,
        positions: Float64,  # [V, 3] of a mesh of the level
        width: int,  # pixels
        check: Check | None,
    ) -> None:
        self._field, self._level, self._camera, self._up = field, level, camera, up
        self._ground, self._middle = float((positions @ up).min()), positions.mean(axis=0)
        self._width, self._check = width, check
        self._paint = linear(CLAY)

    def beams(self, rays: Float64) -> Float64:
        """How far rays [H, W, 3] can go at least [H * W], by one beam for a block; infinite: they hit nothing."""
        height, width = rays.shape[:2]
        row, column = (np.arange(count) // BLOCK for count in (height, width))
        block = (row[:, None] * (column[-1] + 1) + column).reshape(-1)  # [H * W]
        middle = [np.minimum(BLOCK * k[::BLOCK] + BLOCK // 2, len(k) - 1) for k in (row, column)]
        ahead = rays[np.ix_(*middle)].reshape(-1, 3)
        cosine = np.ones(len(ahead))
        np.minimum.at(cosine, block, (rays.reshape(-1, 3) * ahead[block]).sum(axis=1))
        trace = self._traced(ahead, None, np.arccos(np.clip(cosine, -1.0, 1.0)))
        passed = ~trace.hit & (trace.steps > 0)
        least = np.where(passed, np.inf, np.where(trace.hit, trace.distance, 0.0))
        return np.asarray(least[block])

    def _traced(self, rays: Float64, start: Float64 | None, spread: Float64 | float = 0.0) -> Trace:
        left, right, _, _ = self._camera.window
        away = float(np.linalg.norm(self._middle - self._camera.eye))
        close = NEAR * away * (right - left) / self._width / self._field.diagonal
        return sphere_trace(
            self._field,
            np.broadcast_to(self._camera.eye, rays.shape),
            rays,
            level=self._level,
            close=close,
            start=start,
            spread=spread,
            check=self._check,
        )

    def seen(self, rays: Float64, start: Float64) -> tuple[Float64, Float64, Flags]:
        """Light [N, 3], normals [N, 3] and hits [N] of rays [N, 3] from the camera, beginning at ``start`` [N]."""
        trace = self._traced(rays, start)
        colour, normals = np.zeros_like(rays), np.zeros_like(rays)
        rows = np.flatnonzero(trace.hit)
        if len(rows):
            points = self._camera.eye + trace.distance[rows, None] * rays[rows]
            normals[rows] = normal = unit(self._field.values_and_gradients(points)[1])
            paint = np.tile(self._paint, (len(rows), 1))
            colour[rows] = light(self._up, self._camera, rays[rows], normal, paint, self._open(points, normal))
        return colour, normals, trace.hit

    def behind(self, width: int, height: int) -> Float64:
        """A quiet gradient with the shape's soft shadow on the ground [height * width, 3]."""
        down = np.linspace(0.0, 1.0, height)[:, None, None]
        gradient = (1 - down) * BACKGROUND_TOP + down * BACKGROUND_BOTTOM
        columns, rows = -(-width // SHADOW_STEP), -(-height // SHADOW_STEP)
        rays = self._camera.rays(columns, rows)
        drop = rays @ self._up
        reach = (self._ground - self._camera.eye @ self._up) / np.where(np.abs(drop) < 1e-9, 1e-9, drop)
        hits = (drop < 0.0) & (reach > 0.0)
        points = self._camera.eye + reach[hits, None] * rays[hits]
        beside = points - self._middle
        beside -= (beside @ self._up)[:, None] * self._up
        away = np.linalg.norm(beside, axis=1) / (SHADOW_REACH * self._field.diagonal)
        shadow = np.zeros(rows * columns)
        covered = 1.0 - self._open(points, np.broadcast_to(self._up, points.shape))
        shadow[hits] = covered * np.exp(-(away**2))
        soft = gaussian_filter(shadow.reshape(rows, columns), 2.0, mode="nearest").astype(np.float32)
        darkness = np.asarray(Image.fromarray(soft).resize((width, height), Image.Resampling.BICUBIC), np.float64)
        return np.asarray(gradient * (1.0 - np.clip(darkness, 0.0, 1.0)[:, :, None])).reshape(-1, 3)

    def _open(self, points: Float64, normals: Float64) -> Float64:
        """How much of the sky [N] is open above points [N, 3], by how far away the shape is along the normal.

        Quilez, Rendering Worlds with Two Triangles, NVScene 2008.
        """
        open_sky = np.ones(len(points))
        for share in SKY if len(points) else ():
            height = share * self._field.diagonal
            free = (self._field.values(points + height * normals) - self._level) / height
            open_sky -= (1.0 - np.clip(free, 0.0, 1.0)) / len(SKY)
        return open_sky
