"""A small ray-cast renderer for pictures of meshes: soft light, ambient occlusion, a shadow on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from igl import embree
from PIL import Image
from scipy.ndimage import gaussian_filter

from backend.evaluation.camera import Camera
from backend.geometry.arrays import Float64, Int64

CREASE = 50.0  # degrees; sharper edges are drawn sharp
SHADOW_RAYS = 192
SHADOW_REACH = 0.55  # diagonals around the mesh in which its shadow is drawn
SHADOW_STEP = 4  # the ground's shadow is soft, so every fourth pixel is enough
LIFT = 2e-3  # start of occlusion rays above the surface, in diagonals

BACKGROUND_TOP = np.array([0.925, 0.935, 0.950])  # linear light
BACKGROUND_BOTTOM = np.array([0.800, 0.815, 0.840])


@dataclass(frozen=True)
class Quality:
    """How many rays a picture gets."""

    per_axis: int = 2  # per pixel and axis: smooth outlines
    occlusion: int = 48  # per surface point: smooth shade


@dataclass(frozen=True, eq=False)
class Scene:
    """One mesh of order-one size, with a colour at every vertex."""

    positions: Float64  # [V, 3]
    triangles: Int64  # [T, 3]
    colours: Float64  # [V, 3], linear light
    up: Float64  # [3]
    ground: float  # height of the ground along ``up``


def render(scene: Scene, camera: Camera, width: int, height: int, quality: Quality) -> Float64:
    """The picture [height, width, 3], linear light in 0..1."""
    n = quality.per_axis
    fine_width, fine_height = width * n, height * n
    rays = camera.rays(fine_width, fine_height)
    pixel = _candidates(scene, camera, fine_width, fine_height)
    solid = embree.EmbreeIntersector()
    solid.init(scene.positions.astype(np.float32), scene.triangles.astype(np.int32))
    picture = _background(scene, camera, solid, width, height).repeat(n, axis=0).repeat(n, axis=1)
    hits = embree.line_mesh_intersection(
        np.broadcast_to(camera.eye, (len(pixel), 3)).copy(), rays[pixel], scene.positions, scene.triangles
    )
    found = hits[:, 0] >= 0
    pixel, hits = pixel[found], hits[found]
    if len(pixel):
        face = hits[:, 0].astype(np.int64)
        weights = np.stack([1 - hits[:, 1] - hits[:, 2], hits[:, 1], hits[:, 2]], axis=1)  # [H, 3]
        flat = picture.reshape(-1, 3)
        coarse = _coarse(pixel, fine_width, n)
        flat[pixel] = _shade(scene, camera, solid, rays[pixel], face, weights, coarse, quality.occlusion)
    return np.asarray(picture.reshape(height, n, width, n, 3).mean(axis=(1, 3)))


def to_image(picture: Float64) -> Image.Image:
    """Linear light [h, w, 3] as an sRGB image (IEC 61966-2-1)."""
    light = np.clip(picture, 0.0, 1.0)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.round(encoded * 255).astype(np.uint8))


def _candidates(scene: Scene, camera: Camera, width: int, height: int) -> Int64:
    """Pixels inside the rectangle around the mesh."""
    left, right, bottom, top = camera.window
    flat = camera.project(scene.positions[np.unique(scene.triangles)])
    columns = (flat[:, 0] - left) / (right - left) * width
    rows = (top - flat[:, 1]) / (top - bottom) * height
    x0, x1 = (int(np.clip(v, 0, width)) for v in (columns.min() - 1, columns.max() + 2))
    y0, y1 = (int(np.clip(v, 0, height)) for v in (rows.min() - 1, rows.max() + 2))
    across, down = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
    return np.asarray((down * width + across).reshape(-1), np.int64)


def _coarse(pixel: Int64, fine_width: int, per_axis: int) -> tuple[Int64, Int64]:
    """One fine pixel of every whole pixel, as positions in ``pixel``, and the whole pixel of each fine one."""
    row, column = pixel // fine_width, pixel % fine_width
    block = row // per_axis * fine_width + column // per_axis
    _, chosen, group = np.unique(block, return_index=True, return_inverse=True)
    return chosen, group.reshape(-1)


def _shade(
    scene: Scene,
    camera: Camera,
    solid: embree.EmbreeIntersector,
    rays: Float64,  # [H, 3]
    face: Int64,  # [H]
    weights: Float64,  # [H, 3], barycentric
    coarse: tuple[Int64, Int64],
    n_occlusion: int,
) -> Float64:
    """Light [H, 3] that the rays see."""
    corners = scene.triangles[face]
    points = np.einsum("hk,hki->hi", weights, scene.positions[corners])
    colour = np.einsum("hk,hki->hi", weights, scene.colours[corners])
    crease = igl.per_corner_normals(scene.positions, scene.triangles, CREASE).reshape(-1, 3, 3)
    smooth = _unit(np.einsum("hk,hki->hi", weights, crease[face]))
    flat = np.cross(
        scene.positions[corners[:, 1]] - scene.positions[corners[:, 0]],
        scene.positions[corners[:, 2]] - scene.positions[corners[:, 0]],
    )
    away = np.einsum("hi,hi->h", flat, rays) > 0.0  # seen from behind
    smooth = np.where(away[:, None], -smooth, smooth)
    flat = _unit(np.where(away[:, None], -flat, flat))
    chosen, group = coarse
    covered = embree.ambient_occlusion(
        solid,
        np.ascontiguousarray(points[chosen] + LIFT * flat[chosen]),
        np.ascontiguousarray(flat[chosen]),
        n_occlusion,
    )
    open_sky = (1.0 - np.asarray(covered).reshape(-1))[group]
    return light(scene.up, camera, rays, smooth, colour, open_sky)


def light(up: Float64, camera: Camera, rays: Float64, normal: Float64, colour: Float64, open_sky: Float64) -> Float64:
    """Sky and ground light times occlusion, a warm key light, a cool fill, a thin rim and a soft highlight [H, 3].

    Of points with ``normal`` and ``colour`` [H, 3], seen along ``rays`` [H, 3]; ``open_sky`` [H] in 0..1.
    """
    key = _unit((-0.45 * camera.right + 0.75 * up - 0.75 * camera.forward)[None])[0]
    fill = _unit((0.8 * camera.right + 0.1 * up - 0.5 * camera.forward)[None])[0]
    sky = 0.5 + 0.5 * normal @ up
    occlusion = open_sky**1.3
    ambient = occlusion[:, None] * (
        sky[:, None] * np.array([0.50, 0.53, 0.58]) + (1 - sky)[:, None] * np.array([0.30, 0.27, 0.25])
    )
    wrapped = np.clip((normal @ key + 0.25) / 1.25, 0.0, 1.0) * (0.35 + 0.65 * occlusion)
    direct = wrapped[:, None] * np.array([0.86, 0.82, 0.76])
    side = np.clip(normal @ fill, 0.0, 1.0)[:, None] * np.array([0.13, 0.16, 0.20]) * occlusion[:, None]
    facing = np.clip(-np.einsum("hi,hi->h", normal, rays), 0.0, 1.0)
    rim = (1 - facing) ** 3 * np.clip(0.3 + normal @ up, 0.0, 1.0) * occlusion
    half = _unit(key - rays)
    gloss = 0.10 * np.clip(np.einsum("hi,hi->h", normal, half), 0.0, 1.0) ** 28 * occlusion
    return np.asarray(colour * (ambient + direct + side) + (0.22 * rim + gloss)[:, None])


def _background(scene: Scene, camera: Camera, solid: embree.EmbreeIntersector, width: int, height: int) -> Float64:
    """A quiet gradient with the mesh's soft shadow on the ground [height, width, 3]."""
    down = np.linspace(0.0, 1.0, height)[:, None, None]
    gradient = (1 - down) * BACKGROUND_TOP + down * BACKGROUND_BOTTOM
    columns, rows = -(-width // SHADOW_STEP), -(-height // SHADOW_STEP)
    rays = camera.rays(columns, rows)
    drop = rays @ scene.up
    reach = (scene.ground - camera.eye @ scene.up) / np.where(np.abs(drop) < 1e-9, 1e-9, drop)
    hits = (drop < 0.0) & (reach > 0.0)
    points = camera.eye + reach[hits, None] * rays[hits]
    shadow = np.zeros(rows * columns)
    if len(points):
        normals = np.tile(scene.up, (len(points), 1))
        shadow[hits] = np.asarray(embree.ambient_occlusion(solid, points, normals, SHADOW_RAYS)).reshape(-1)
        middle = scene.positions[np.unique(scene.triangles)].mean(axis=0)
        beside = points - middle - ((points - middle) @ scene.up)[:, None] * scene.up
        shadow[hits] *= np.exp(-((np.linalg.norm(beside, axis=1) / SHADOW_REACH) ** 2))
    soft = gaussian_filter(shadow.reshape(rows, columns), 2.0, mode="nearest")
    image = Image.fromarray(soft.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    darkness = np.clip(np.asarray(image, np.float64), 0.0, 1.0)[:, :, None]
    # The shadow fades towards the left and right edges, so that neighbouring pictures join.
    across = np.sin(np.pi * (np.arange(width) + 0.5) / width)[None, :, None]
    return np.asarray(gradient * (1.0 - 1.1 * np.minimum(1.6 * across, 1.0) * darkness))


def _unit(vectors: Float64) -> Float64:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-30))
