"""What a drawn outline says of a frame, and how much of it is looked at while the frame is matched to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Flags, Float32, Float64, Int64
from backend.geometry.sides import INSIDE, winding_numbers
from backend.rendering.camera import NEAR, Camera
from backend.rendering.silhouette import silhouette
from protocol.settings import SettingError

ROOM = 0.15  # of the longer side of what is looked at, around the mask and the shape
AROUND = 0.9  # share of the image's rim that a mask of what is around the shape covers, at least
SAME = 0.5  # and intersection over union with the shape that is left out, at least


@dataclass(frozen=True, eq=False)
class View:
    """A mask, and the camera that it is seen by."""

    mask: Float32  # [H, W], coverage in 0..1
    camera: Camera  # one view, with images of W x H

    @property
    def inside(self) -> Flags:
        """The pixels [H, W] that it covers by half or more."""
        return np.asarray(self.mask >= 0.5)

    def relative_to(self, origin: Float64) -> View:
        """The same for places relative to ``origin`` [3]."""
        matrix = self.camera.world_to_camera.copy()
        matrix[:, :3, 3] += matrix[:, :3, :3] @ origin
        return replace(self, camera=replace(self.camera, world_to_camera=matrix))


@dataclass(frozen=True, eq=False)
class CloseUp:
    """The part of a view around the mask and the shape, in pixels of a working size."""

    mask: Tensor  # [h, w], coverage in 0..1
    camera: Camera  # one view, with images of w x h

    def image(self, positions: Tensor, triangles: Tensor) -> Tensor:
        """The silhouette [h, w] of a mesh with vertices [V, 3], with gradients to them."""
        return silhouette(positions, triangles, self.camera)[0]

    def to(self, device: torch.device) -> CloseUp:
        """The same with its mask on a device."""
        return CloseUp(self.mask.to(device), self.camera)


def check_views(views: Sequence[View], low: Float64, high: Float64) -> None:
    """Raises ``SettingError`` for a view that cannot guide a shape in the box from ``low`` to ``high`` [3]."""
    if not views:
        raise SettingError("there is no outline to match; give at least one mask with its camera")
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    for number, view in enumerate(views, 1):
        which = name_of(number, len(views))
        height, width = view.mask.shape
        camera = view.camera
        if len(camera) != 1:
            raise SettingError(f"{which}: its camera has {len(camera)} views; give one camera for each mask")
        if (camera.width, camera.height) != (width, height):
            raise SettingError(
                f"{which}: the mask has {width} x {height} pixels and its camera {camera.width} x {camera.height}; "
                "draw the mask on an image of the camera's size"
            )
        if not np.isfinite(view.mask).all() or view.mask.min() < 0.0 or view.mask.max() > 1.0:
            raise SettingError(f"{which}: the mask has values that are no coverage in 0 to 1")
        inside = view.inside
        if not inside.any():
            raise SettingError(f"{which}: the mask is empty; fill the outline that the shape shall have")
        if inside.all():
            raise SettingError(f"{which}: the mask covers the whole image; leave what is not the shape unfilled")
        if not camera.in_view(corners)[0]:
            raise SettingError(f"{which}: the camera looks away from the shape; turn it so that it sees the shape")


def check_outside(views: Sequence[View], positions: Float64, triangles: Int64) -> None:
    """Raises ``SettingError`` for a camera within a mesh, or before which its middle does not lie."""
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    for number, view in enumerate(views, 1):
        matrix = view.camera.world_to_camera[0]
        place = np.linalg.solve(matrix[:3, :3], -matrix[:3, 3])
        within = abs(float(winding_numbers(place[None], positions, triangles)[0])) > INSIDE
        if within or matrix[2] @ np.append(middle, 1.0) <= NEAR:
            where = "inside of the shape" if within else "beside the shape, with its middle behind it"
            raise SettingError(
                f"{name_of(number, len(views))}: the camera stands {where}; move it back until the whole shape lies "
                "before it"
            )


def check_sides(views: Sequence[View], seen: Sequence[Flags]) -> None:
    """Raises ``SettingError`` for a mask that is black where the shape is and white around it.

    ``seen`` [H, W] for each: what the shape covers now.
    """
    for number, (view, shape) in enumerate(zip(views, seen, strict=True), 1):
        mask = view.inside
        rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        if rim.mean() > AROUND and iou(shape, ~mask) > max(iou(shape, mask), SAME):
            raise SettingError(
                f"{name_of(number, len(views))}: the mask covers what is around the shape and leaves the shape out; "
                "invert it, white is the shape"
            )


def name_of(number: int, count: int) -> str:
    """What one of several outlines is called, counted from 1."""
    return f"outline {number} of {count}" if count > 1 else "the outline"


def covered(positions: Float64, triangles: Int64, camera: Camera) -> Flags:
    """Which pixels [H, W] of a camera's one view a mesh covers by half or more."""
    with torch.no_grad():
        image = silhouette(torch.as_tensor(positions), torch.as_tensor(triangles), camera)[0]
    return np.asarray(image.numpy() >= 0.5)


def iou(first: Flags, second: Flags) -> float:
    """Intersection over union of two sets of pixels; 1 where both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0


def close_up(view: View, positions: Float64, side: int) -> CloseUp:
    """What is looked at of a view: mask and shape with some room, no more than ``side`` pixels wide and high."""
    camera = view.camera
    points = torch.as_tensor(positions)
    placed = camera.place(points)
    pixels = camera.project(placed)[0][placed[0, :, 2] > 0.0].numpy()
    rows, columns = np.nonzero(view.mask > 0.0)
    low = np.array([columns.min(), rows.min()], np.float64)
    high = np.array([columns.max(), rows.max()], np.float64) + 1.0
    if len(pixels):
        low, high = np.minimum(low, pixels.min(axis=0)), np.maximum(high, pixels.max(axis=0))
    whole = np.array([camera.width, camera.height])
    low, high = np.clip(low, 0, whole), np.clip(high, 0, whole)
    room = ROOM * float((high - low).max())
    left, top = (int(edge) for edge in np.clip(np.floor(low - room), 0, whole - 1))
    right, bottom = (int(edge) for edge in np.clip(np.ceil(high + room), [left + 1, top + 1], whole))
    width, height = right - left, bottom - top
    shrink = min(1.0, side / max(width, height))
    small = max(round(width * shrink), 1), max(round(height * shrink), 1)
    seen = Camera(camera.world_to_camera, camera.focal, camera.centre - [[left, top]], width, height).resized(*small)
    cut = torch.as_tensor(np.ascontiguousarray(view.mask[top:bottom, left:right]), dtype=torch.float64)
    mask = torch.nn.functional.interpolate(cut[None, None], size=(small[1], small[0]), mode="area")[0, 0]
    return CloseUp(mask, seen)


def pixel_length(close_ups: Sequence[CloseUp], positions: Float64) -> float:
    """Object-space length of a pixel at the depth of the shape's middle, in the view where it is longest."""
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    lengths = []
    for one in close_ups:
        depth = float(one.camera.world_to_camera[0, 2] @ np.append(middle, 1.0))
        lengths.append(max(depth, 0.0) / float(one.camera.focal[0].min()))
    return max(lengths)
