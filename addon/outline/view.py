"""``View``: what a camera of the scene sees, on an image in the aspect of the render."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..problem import Problem
from ..protocol.blender_camera import BlenderCamera, Pinhole
from ..protocol.mesh import Float64

LONGEST = 1024  # pixels of a mask's longer side
NEAR = 1e-3  # what is nearer to the camera's plane, or behind it, is not seen


@dataclass(frozen=True, eq=False)
class View:
    """A camera with its image; rows are counted from the top."""

    name: str  # of the camera
    pinhole: Pinhole  # from the world
    width: int
    height: int

    def finer(self, parts: int) -> View:
        """The same view on an image with so many pixels in the place of each, along either axis."""
        return View(self.name, self.pinhole.resized(parts, parts), parts * self.width, parts * self.height)

    def project(self, points: Float64) -> tuple[Float64, Float64]:
        """Points [N, 3] of the world on the image [N, 2], pixels, and their depths [N]; behind ``NEAR`` anywhere."""
        matrix = self.pinhole.world_to_camera
        placed = points @ matrix[:3, :3].T + matrix[:3, 3]
        depth = placed[:, 2]
        flat = placed[:, :2] / np.where(depth > NEAR, depth, 1.0)[:, None]
        return flat * self.pinhole.focal + self.pinhole.centre, depth

    def of(self, space: Float64) -> Float64:
        """From a space with the matrix [4, 4] to the world, to camera space [4, 4], in that space's lengths."""
        matrix = self.pinhole.world_to_camera @ space
        matrix[:3] /= np.abs(np.linalg.det(space[:3, :3])) ** (1.0 / 3.0)  # changes no pixel
        return matrix


def render_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """Pixels of a rendered image."""
    render = scene.render
    share = render.resolution_percentage
    return max(render.resolution_x * share // 100, 1), max(render.resolution_y * share // 100, 1)


def reduced(width: int, height: int, longest: int) -> tuple[int, int]:
    """A size in the same aspect whose longer side is at most ``longest``."""
    share = min(longest / max(width, height), 1.0)
    return max(round(width * share), 1), max(round(height * share), 1)


def _placed(context: bpy.types.Context, camera: bpy.types.Object) -> Float64:
    """From a camera to the world [4, 4], now. Of hidden objects, Blender looks after the scene's camera alone."""
    assert context.scene is not None
    assert camera.data is not None
    if camera.visible_get() or camera == context.scene.camera:
        return np.array(camera.evaluated_get(context.evaluated_depsgraph_get()).matrix_world, np.float64)
    if camera.parent is not None or len(camera.constraints) or camera.animation_data or camera.data.animation_data:
        raise Problem(
            f"The camera {camera.name!r} is hidden and moves with something, so where it is now is not known. Show it, "
            "or make it the camera of the scene."
        )
    return np.array(camera.matrix_basis, np.float64)


def view_of(context: bpy.types.Context, camera: bpy.types.Object, longest: int = LONGEST) -> View:
    """What a camera sees now, on an image at most so long. Raises ``Problem`` where that is no perspective."""
    assert context.scene is not None
    data = camera.evaluated_get(context.evaluated_depsgraph_get()).data
    if not isinstance(data, bpy.types.Camera):
        raise Problem(f"{camera.name!r} is no camera. Choose a camera for the outline.")
    if data.type != "PERSP":
        kind = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(data.type, data.type.lower())
        raise Problem(
            f"The camera {camera.name!r} is {kind}, and outlines are matched through perspective cameras alone. Set "
            "its Lens Type to Perspective."
        )
    placed = _placed(context, camera)
    width, height = render_size(context.scene)
    render = context.scene.render
    pinhole = BlenderCamera(
        matrix_world=tuple(map(tuple, placed.tolist())),
        width=width,
        height=height,
        lens=data.lens,
        sensor_width=data.sensor_width,
        sensor_height=data.sensor_height,
        sensor_fit=data.sensor_fit,
        shift_x=data.shift_x,
        shift_y=data.shift_y,
        pixel_aspect_x=render.pixel_aspect_x,
        pixel_aspect_y=render.pixel_aspect_y,
    ).pinhole()
    small = reduced(width, height, longest)
    return View(camera.name, pinhole.resized(small[0] / width, small[1] / height), *small)
