"""A camera that is chosen by itself: it looks where the shape is broad and its motion is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from backend.geometry.arrays import Float64

DISTANCE = 3.5  # from the middle, in diagonals: a long lens
ELEVATION = 14.0  # degrees above the horizon
TURN = 24.0  # degrees away from the broadest side, so that depth is seen
STANDING = 0.1  # share of the shape seen from above that its lowest slab has, at least, if that is what it stands on
DIRECTIONS = 24  # azimuths tried
MARGIN = 0.06  # of the larger side
CAPTION = 0.09  # of the height, below, for the time
POINTS = 3000  # looked at per frame


@dataclass(frozen=True, eq=False)
class Camera:
    """Perspective camera; the window is given on the plane at distance 1."""

    eye: Float64  # [3]
    right: Float64  # [3], unit
    up: Float64  # [3], unit
    forward: Float64  # [3], unit
    window: tuple[float, float, float, float]  # left, right, bottom, top

    @property
    def aspect(self) -> float:
        left, right, bottom, top = self.window
        return (right - left) / (top - bottom)

    def project(self, points: Float64) -> Float64:
        """Points [N, 3] on the plane at distance 1 [N, 2]."""
        offset = points - self.eye
        depth = offset @ self.forward
        return np.asarray(np.stack([offset @ self.right, offset @ self.up], axis=1) / depth[:, None])

    def rays(self, width: int, height: int) -> Float64:
        """Direction of the ray through every pixel, row by row from the top [height * width, 3], unit length."""
        left, right, bottom, top = self.window
        x = left + (np.arange(width) + 0.5) / width * (right - left)
        y = top - (np.arange(height) + 0.5) / height * (top - bottom)
        across, down = np.meshgrid(x, y)
        rays = self.forward + across.reshape(-1, 1) * self.right + down.reshape(-1, 1) * self.up
        return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))


def choose_up(frames: Sequence[Float64]) -> Float64:
    """The axis [3] that points upwards: y, unless the first and last shape plainly stand on a broad base along z."""
    ends = [frames[0], frames[-1]]
    base_y, base_z = (np.mean([_base(frame, axis) for frame in ends]) for axis in (1, 2))
    standing = base_z > STANDING and base_z > 2.0 * base_y
    return np.array([0.0, 0.0, 1.0]) if standing else np.array([0.0, 1.0, 0.0])


def _base(points: Float64, axis: int) -> float:
    """How broad the lowest slab along ``axis`` is, compared with the whole shape seen from there."""
    extent = np.ptp(points, axis=0)
    if extent[axis] < 0.05 * extent.max():
        return 0.0  # a flat shape lies on nothing; it is looked at from its face
    height = points[:, axis]
    low = points[height <= height.min() + 0.04 * max(np.ptp(height), 1e-12)]
    others = [k for k in range(3) if k != axis]
    whole = np.prod(np.maximum(np.ptp(points[:, others], axis=0), 1e-12))
    return float(np.prod(np.ptp(low[:, others], axis=0)) / whole)


def choose_camera(frames: Sequence[Float64], up: Float64, same_vertices: bool) -> Camera:
    """A camera that holds all ``frames`` ([V, 3] each).

    Among directions around ``up``, the one in which the outline is largest and, where vertices can be followed, the
    motion longest; then turned a little, so that no view is flat.
    """
    few = [_thinned(frame) for frame in frames]
    front = np.array([0.0, 0.0, 1.0]) if up[1] > 0.5 else np.array([0.0, -1.0, 0.0])
    side = np.cross(up, front)
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    outlines, motions = [], []
    for angle in angles:
        right, high, _ = _axes(angle, up, front, side)
        flat = [np.stack([points @ right, points @ high], axis=1) for points in few]
        outlines.append(np.mean([_outline(points) for points in flat]))
        if same_vertices:
            motions.append(np.sum([np.linalg.norm(b - a, axis=1).mean() for a, b in pairwise(flat)]))
        else:
            motions.append(0.0)
    score = np.array(outlines) / max(max(outlines), 1e-12)
    score += 0.5 * np.array(motions) / max(max(motions), 1e-12) + 0.05 * np.cos(angles)
    best = angles[int(np.argmax(score))]
    turned = best + np.radians(TURN) * (-1.0 if np.sin(best) > 0.0 else 1.0)
    return _framed(np.concatenate(few), *_axes(turned, up, front, side))


def camera_from(points: Float64, up: Float64, azimuth: float, elevation: float) -> Camera:
    """A camera that holds points [N, 3] and looks from ``azimuth`` (0: in front) and ``elevation``, degrees."""
    front = np.array([0.0, 0.0, 1.0]) if up[1] > 0.5 else np.array([0.0, -1.0, 0.0])
    return _framed(points, *_axes(np.radians(azimuth), up, front, np.cross(up, front), elevation))


def _thinned(points: Float64) -> Float64:
    """At most about ``POINTS`` of the points, evenly picked."""
    return points[:: max(1, len(points) // POINTS)]


def _axes(
    angle: float, up: Float64, front: Float64, side: Float64, elevation: float = ELEVATION
) -> tuple[Float64, Float64, Float64]:
    """Right, up and forward of a camera at this azimuth (0: in front)."""
    lift = np.radians(elevation)
    towards = np.cos(lift) * (np.cos(angle) * front + np.sin(angle) * side) + np.sin(lift) * up
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    return right, np.cross(towards, right), -towards


def _outline(flat: Float64) -> float:
    """Area of the convex outline of points [N, 2]; 0 when they lie on a line."""
    try:
        return float(ConvexHull(flat).volume)
    except (QhullError, ValueError):
        return 0.0


def _framed(points: Float64, right: Float64, high: Float64, forward: Float64) -> Camera:
    low, top = points.min(axis=0), points.max(axis=0)
    size = float(np.linalg.norm(top - low)) or 1.0
    eye = (low + top) / 2 - DISTANCE * size * forward
    flat = Camera(eye, right, high, forward, (0.0, 1.0, 0.0, 1.0)).project(points)
    (left, bottom), (right_edge, top_edge) = flat.min(axis=0), flat.max(axis=0)
    pad = MARGIN * max(right_edge - left, top_edge - bottom)
    half_x = (right_edge - left) / 2 + pad
    half_y = (top_edge - bottom) / 2 + pad
    half_x, half_y = max(half_x, 0.62 * half_y), max(half_y, 0.5 * half_x)  # no extreme formats
    middle_x, middle_y = float(left + right_edge) / 2, float(bottom + top_edge) / 2
    window = (middle_x - half_x, middle_x + half_x, middle_y - (1 + 2 * CAPTION) * half_y, middle_y + half_y)
    return Camera(eye, right, high, forward, window)
