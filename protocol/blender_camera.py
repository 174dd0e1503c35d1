"""Blender's perspective camera as a pinhole camera, by its own rules, for the add-on and the backend alike.

Camera space has x to the right, y down and z along the view. Pixels are counted from the top left corner of the image;
the middle of the first one lies at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocol.mesh import Float64

SENSOR_FITS = ("AUTO", "HORIZONTAL", "VERTICAL")


@dataclass(frozen=True, eq=False)
class Pinhole:
    """One view, as an ``Outline`` has it."""

    world_to_camera: Float64  # [4, 4]
    focal: Float64  # [2], pixels across and down
    centre: Float64  # [2], principal point, pixels

    def resized(self, across: float, down: float) -> Pinhole:
        """The same view on an image that is so many times as wide and as high."""
        scale = np.array([across, down])
        return Pinhole(self.world_to_camera, self.focal * scale, self.centre * scale)


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

    def pinhole(self) -> Pinhole:
        """Blender leaves out the scale of the camera object, and so does this."""
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
        return Pinhole(matrix, np.array([focal, focal / stretch]), np.array(centre))
