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
from protocol.settings import SettingError

NEAR = 1e-3  # object space: what is nearer to the camera's plane is not seen
SENSOR_FITS = ("AUTO", "HORIZONTAL", "VERTICAL")


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


@dataclass(frozen=True)
class BlenderCamera:
    """A perspective camera with the settings that Blender shows, in Blender's units."""

    matrix_world: tuple[tuple[float, ...], ...]  # 4 rows of 4; it looks along its own -z, y upwards
    width: int  # pixels, the resolution with its percentage
    height: int
    lens: float = 50.0  # mm
    sensor_width: float = 36.0  # mm
    sensor_height: float = 24.0  # mm; counts for sensor_fit VERTICAL alone
    sensor_fit: str = "AUTO"
    shift_x: float = 0.0  # of the side that the sensor is fitted to
    shift_y: float = 0.0
    pixel_aspect_x: float = 1.0
    pixel_aspect_y: float = 1.0

    def camera(self) -> Camera:
        """One view. Blender leaves out the scale of the camera object, and so does this."""
        stretch = self.pixel_aspect_y / self.pixel_aspect_x  # height of a pixel over its width
        fit = self.sensor_fit
        if fit == "AUTO":
            fit = "HORIZONTAL" if self.width >= self.height * stretch else "VERTICAL"
        fitted = self.width if fit == "HORIZONTAL" else self.height * stretch  # widths of a pixel
        sensor = self.sensor_height if self.sensor_fit == "VERTICAL" else self.sensor_width
        focal = self.lens / sensor * fitted
        placed = np.array(self.matrix_world, np.float64)
        placed[:3, :3] /= np.linalg.norm(placed[:3, :3], axis=0)
        matrix = np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(placed)
        centre = [self.width / 2 - self.shift_x * fitted, self.height / 2 + self.shift_y * fitted / stretch]
        return Camera(matrix[None], np.array([[focal, focal / stretch]]), np.array([centre]), self.width, self.height)
