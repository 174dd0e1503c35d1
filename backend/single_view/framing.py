"""Images as the encoder and the refinement see them: checked, cut to the shape, of one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.geometry.arrays import Float64
from backend.rendering.camera import Camera
from protocol.settings import SettingError

Pixels = NDArray[np.uint8]  # [H, W, 4], red, green, blue, alpha
SHARE = 0.85  # of a framed image's side that the shape's longer side takes
INSIDE = 128  # alpha from which a pixel counts as the shape's
SMALLEST = 16  # pixels of an image's shorter side
FEWEST = 24  # pixels of the shape


@dataclass(frozen=True)
class Frame:
    """A square of an image, and the size it is brought to."""

    left: float  # pixels of the image
    top: float
    length: float  # of the square's side
    side: int  # pixels that it becomes

    def cut(self, image: Pixels) -> Pixels:
        """The square [side, side, 4]; what lies beyond the image is empty. Colours are weighed by their alpha."""
        alpha = image[..., 3] / np.float32(255.0)
        planes = [self._resized(image[..., k] * alpha) for k in range(3)]
        return np.asarray(np.stack([*planes, self._resized(255.0 * alpha)], axis=2).round().clip(0, 255), np.uint8)

    def camera(self, camera: Camera) -> Camera:
        """Of the square, where ``camera`` is that of the image."""
        scale = self.side / self.length
        centre = (camera.centre - np.array([self.left, self.top])) * scale
        return Camera(camera.world_to_camera, camera.focal * scale, centre, self.side, self.side)

    def whole(self, camera: Camera, image: Pixels) -> Camera:
        """Of the whole image, where ``camera`` is that of the square: the inverse of ``camera``."""
        scale = self.length / self.side
        centre = camera.centre * scale + np.array([self.left, self.top])
        return Camera(camera.world_to_camera, camera.focal * scale, centre, image.shape[1], image.shape[0])

    def _resized(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """The square [side, side] of one channel [H, W]."""
        beyond = self.left + self.length - plane.shape[1], self.top + self.length - plane.shape[0]
        room = int(np.ceil(max(0.0, -self.left, -self.top, *beyond)))
        box = (self.left + room, self.top + room, self.left + room + self.length, self.top + room + self.length)
        padded = Image.fromarray(np.pad(plane, room))
        return np.asarray(padded.resize((self.side, self.side), Image.Resampling.BILINEAR, box=box))


def check_image(image: Pixels, name: str = "the image") -> None:
    """Raises ``SettingError`` where an image does not tell a shape from what is around it."""
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise SettingError(
            f"{name}: has no alpha channel; save it with a transparent background (PNG, RGBA), so that the shape can "
            "be told from what is around it"
        )
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST:
        raise SettingError(f"{name}: has {width} x {height} pixels; it takes {SMALLEST} x {SMALLEST} at least")
    inside = image[..., 3] >= INSIDE
    if not inside.any():
        raise SettingError(f"{name}: is transparent everywhere; the shape must be opaque in it")
    if inside.all():
        raise SettingError(f"{name}: is opaque everywhere; make what is around the shape transparent")
    if inside.sum() < FEWEST:
        raise SettingError(f"{name}: only {inside.sum()} pixels of it are opaque; show the shape larger")


def frame_of(image: Pixels, side: int, framed: bool = True) -> Frame:
    """The square around the shape of a checked image, or around the whole image."""
    height, width = image.shape[:2]
    if not framed:
        length = float(max(height, width))
        return Frame((width - length) / 2, (height - length) / 2, length, side)
    low, high = box_of(image[..., 3] >= INSIDE)
    length = float((high - low).max()) / SHARE
    left, top = (low + high) / 2 - length / 2
    return Frame(float(left), float(top), length, side)


def box_of(mask: NDArray[np.bool_]) -> tuple[Float64, Float64]:
    """Low and high corner [2] (x, y), pixels, of what is in a mask [H, W]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0]], np.float64), np.array([columns[-1], rows[-1]], np.float64) + 1.0
