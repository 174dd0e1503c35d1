"""A shape that lies beside an outline: it is moved there as a whole first, or the outline is not of this frame.

Where silhouette and mask have nothing in common, no small change makes them agree better: making the shape smaller is
all that lowers the squared difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.triangles import box_around
from backend.guidance.lattice import Lattice
from backend.guidance.layer import Layer
from backend.guidance.view import View, covered, iou, name_of
from backend.guidance.warp import STEEPEST
from protocol.settings import SettingError

MEETS = 0.01  # share of the smaller of mask and silhouette that lies in both, from which a displacement finds the way
FAR = 1.0  # gap between both, in longest sides of the silhouette's box: what is farther away is another shape's
ALIKE = 0.2  # intersection over union once the shape is there, at least
ROUNDS = 3  # of moving there: perspective changes with the place
WIDE = 0.1  # of the longest side of what is moved: the cells of the displacement, at least

MOVED = (
    "the outline lay beside the frame's shape, so the whole shape was moved there; if it should have stayed, check "
    "that the camera is that of the mask"
)
REMEDY = "check that camera and mask are of this frame; if the shape is to be there, draw the outline nearer to it"


def shift_to(views: Sequence[View], seen: Sequence[Flags], positions: Float64, triangles: Int64) -> Float64 | None:
    """The translation [3] of a mesh to the masks where it lies beside one; None where it meets all of them.

    ``seen`` [H, W] for each view: what the mesh covers. Raises ``SettingError`` for masks that are not of the mesh.
    """
    if all(_shared(view.inside, shape) >= MEETS for view, shape in zip(views, seen, strict=True)):
        return None
    for number, view in enumerate(views, 1):
        away = _apart(view, positions)
        if away > FAR:
            raise SettingError(
                f"{name_of(number, len(views))} lies far beside the shape, {away:.1f} times its size away; {REMEDY}"
            )
    shift = np.zeros(3)
    for _ in range(ROUNDS):
        rows, lengths = zip(*(_wanted(view, positions + shift) for view in views), strict=True)
        shift += np.linalg.lstsq(np.concatenate(rows), np.concatenate(lengths), rcond=None)[0]
    for number, view in enumerate(views, 1):
        found = iou(view.inside, covered(positions + shift, triangles, view.camera))
        if found < ALIKE:
            others = " where the others are" if len(views) > 1 else ""
            raise SettingError(
                f"{name_of(number, len(views))} lies beside the shape, and moved there{others} the two agree by "
                f"{found:.0%} only; {REMEDY}"
            )
    return shift


def moving_layer(empty: Layer, shift: Float64, positions: Float64, own_faces: bool) -> Layer:
    """The layer that moves a mesh with vertices [V, 3], and space around it, by ``shift`` [3]."""
    moved = positions + shift
    low, high = box_around(np.concatenate([positions, moved]), 0.5)
    length = float(np.linalg.norm(shift))
    cell = max(np.sqrt(3.0) * length / STEEPEST, WIDE * float((high - low).max()))
    lattice = Lattice.over(low - 0.6 * cell, high + 0.6 * cell, cell, 3)  # with all its weights inside of the box
    by = shift if own_faces else -shift
    lattice = lattice.with_coefficients(np.broadcast_to(by[:, None, None, None], lattice.coefficients.shape))
    if own_faces:
        return replace(empty, forth=(lattice,))
    nothing = Lattice.over(low, high, cell, 1)
    return replace(empty, back=lattice, added=nothing, low=moved.min(axis=0), high=moved.max(axis=0))


def _shared(first: Flags, second: Flags) -> float:
    """Share of the smaller of two sets of pixels that lies in both."""
    smaller = min(np.count_nonzero(first), np.count_nonzero(second))
    return np.count_nonzero(first & second) / smaller if smaller else 0.0


def _boxes(view: View, positions: Float64) -> tuple[Float64, Float64]:
    """Low and high corner [2, 2] of the mask and of a mesh with vertices [V, 3] on the image, pixels."""
    placed = view.camera.place(torch.as_tensor(positions))
    pixels = view.camera.project(placed)[0][placed[0, :, 2] > 0.0].numpy()
    rows, columns = np.nonzero(view.inside)
    mask = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], np.float64)
    return mask, np.stack([pixels.min(axis=0), pixels.max(axis=0)])


def _apart(view: View, positions: Float64) -> float:
    """How far mask and mesh are apart on the image, in longest sides of the mesh there; 0 where their boxes meet."""
    mask, mesh = _boxes(view, positions)
    gap = np.maximum(mask[0] - mesh[1], mesh[0] - mask[1]).max()
    return max(float(gap), 0.0) / max(float((mesh[1] - mesh[0]).max()), 1.0)


def _wanted(view: View, positions: Float64) -> tuple[Float64, Float64]:
    """Right and down of the camera [2, 3], and how far along them [2] the mesh has to go to lie upon the mask."""
    mask, mesh = _boxes(view, positions)
    matrix = view.camera.world_to_camera[0]
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    depth = float(matrix[2] @ np.append(middle, 1.0))
    return matrix[:2, :3], (mask.mean(axis=0) - mesh.mean(axis=0)) * depth / view.camera.focal[0]
