"""Pinhole cameras, several views at once, from the conventions of the field and from Blender's own settings.

Camera space has x to the right, y down and z along the view. Pixels are counted from the top left corner of the image;
the middle of the first one lies at (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Flags, Float64
from protocol.blender_camera import BlenderCamera
from protocol.settings import SettingError

NEAR = 1e-3  # object space: what is nearer to the camera's plane is not seen


@dataclass(frozen=True, eq=False)
class Camera:
    """B views with images of one size."""

    world_to_camera: Float64  # [B, 4, 4], object space to camera space
    focal: Float64  # [B, 2], pixels
    centre: Float64  # [B, 2], principal point, pixels
    width: int  # pixels
    height: int

    def __len__(self) -> int:
        return len(self.world_to_camera)

    def place(self, points: Tensor) -> Tensor:
        """Points [V, 3] or, one set a view, [B, V, 3], in camera space [B, V, 3]."""
        matrix = points.new_tensor(self.world_to_camera)
        return points @ matrix[:, :3, :3].mT + matrix[:, None, :3, 3]

    def project(self, placed: Tensor) -> Tensor:
        """Points in camera space [B, V, 3] on the image [B, V, 2], pixels; those behind ``NEAR`` lie anywhere."""
        depth = placed[..., 2:]
        flat = placed[..., :2] / torch.where(depth > NEAR, depth, 1.0)
        return flat * placed.new_tensor(self.focal)[:, None] + placed.new_tensor(self.centre)[:, None]

    def in_view(self, points: Float64) -> Flags:
        """Whether any of a shape with vertices [V, 3] can be in the image of each view [B].

        No where all vertices are beyond the same side of the view's pyramid, or behind the camera.
        """
        matrix = self.world_to_camera
        x, y, z = np.moveaxis(points @ matrix[:, :3, :3].transpose(0, 2, 1) + matrix[:, None, :3, 3], -1, 0)  # [B, V]
        u = self.focal[:, :1] * x + self.centre[:, :1] * z  # pixels times depth
        v = self.focal[:, 1:] * y + self.centre[:, 1:] * z
        sides = np.stack([z - NEAR, u, self.width * z - u, v, self.height * z - v])  # [5, B, V]
        return np.asarray((sides > 0.0).any(axis=2).all(axis=0))

    def require_in_view(self, points: Float64) -> None:
        """Raises ``SettingError`` where a view cannot show any of a shape with vertices [V, 3]."""
        for view in np.flatnonzero(~self.in_view(points)):
            which = f"view {view + 1} of {len(self)}" if len(self) > 1 else "the camera"
            raise SettingError(
                f"{which} looks away from the shape: nothing of it is in the image; turn it to the shape"
            )

    def resized(self, width: int, height: int) -> Camera:
        """The same views in images of another size."""
        scale = np.array([width / self.width, height / self.height])
        return Camera(self.world_to_camera, self.focal * scale, self.centre * scale, width, height)


def stack(cameras: Sequence[Camera]) -> Camera:
    """All views of several cameras, whose images must have the same size."""
    sizes = {(camera.width, camera.height) for camera in cameras}
    if len(sizes) != 1:
        found = ", ".join(f"{width} x {height}" for width, height in sorted(sizes)) or "none"
        raise SettingError(f"cameras used together need images of one size; found {found}")
    width, height = sizes.pop()
    matrices = np.concatenate([camera.world_to_camera for camera in cameras])
    focal, centre = (np.concatenate([getattr(camera, name) for camera in cameras]) for name in ("focal", "centre"))
    return Camera(matrices, focal, centre, width, height)


@dataclass(frozen=True)
class OrbitCamera:
    """The field's camera: it looks at the origin from a distance, y upwards (Remelli et al. 2020, their demo).

    Azimuth 0 looks along +z. The published rotation is Rz(180°) · R_elevation · R_azimuth, each transposed; its focal
    length and sensor are in mm.
    """

    azimuth: float  # degrees, around y
    elevation: float  # degrees, above the plane y = 0
    distance: float  # object space
    width: int  # pixels
    height: int
    lens: float = 35.0  # mm
    sensor: float = 32.0  # mm, across the image's width

    def camera(self) -> Camera:
        """One view."""
        ca, sa = np.cos(np.radians(self.azimuth)), np.sin(np.radians(self.azimuth))
        ce, se = np.cos(np.radians(self.elevation)), np.sin(np.radians(self.elevation))
        around = np.array([[ca, 0.0, -sa], [0.0, 1.0, 0.0], [sa, 0.0, ca]])
        above = np.array([[1.0, 0.0, 0.0], [0.0, ce, se], [0.0, -se, ce]])
        matrix = np.eye(4)
        matrix[:3, :3] = np.diag([-1.0, -1.0, 1.0]) @ above @ around
        matrix[2, 3] = self.distance
        focal = self.lens / self.sensor * self.width
        middle = np.array([[self.width / 2, self.height / 2]])
        return Camera(matrix[None], np.full((1, 2), focal), middle, self.width, self.height)


def blender_view(settings: BlenderCamera) -> Camera:
    """The one view of a camera of Blender."""
    view = settings.pinhole()
    arrays = view.world_to_camera[None], view.focal[None], view.centre[None]
    return Camera(*arrays, settings.width, settings.height)
