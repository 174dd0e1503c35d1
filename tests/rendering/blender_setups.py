"""For scripts in Blender's Python: a turned and scaled camera with settings of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
from mathutils import Euler, Matrix

# sensor_fit, width, height, percentage, pixel aspect x and y, shift x and y, lens, sensor width and height
SETUPS = [
    ("AUTO", 640, 360, 100, 1.0, 1.0, 0.1, -0.07, 50.0, 36.0, 24.0),
    ("AUTO", 360, 640, 50, 1.0, 1.0, 0.1, -0.07, 35.0, 32.0, 18.0),
    ("AUTO", 300, 320, 100, 1.5, 1.0, 0.02, 0.2, 35.0, 32.0, 18.0),
    ("AUTO", 320, 300, 100, 1.0, 1.5, 0.02, 0.2, 35.0, 32.0, 18.0),
    ("HORIZONTAL", 200, 400, 100, 1.0, 2.0, -0.1, 0.3, 28.0, 40.0, 20.0),
    ("VERTICAL", 512, 256, 100, 2.0, 1.0, -0.1, 0.3, 80.0, 40.0, 22.0),
]


def set_up() -> Iterator[tuple[bpy.types.Object, dict[str, Any]]]:
    """The scene's camera with one setup after the other, and what ``camera_from_facts`` takes of each."""
    scene = bpy.context.scene
    lens = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", lens)
    scene.collection.objects.link(camera)
    scene.camera = camera
    turned = Matrix.Translation((2.0, -2.5, 1.2)) @ Euler((1.2, 0.1, 0.6)).to_matrix().to_4x4()
    camera.matrix_world = turned @ Matrix.Diagonal((2.0, 0.5, 3.0, 1.0))
    for fit, width, height, share, aspect_x, aspect_y, shift_x, shift_y, focal, sensor_width, sensor_height in SETUPS:
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, share
        render.pixel_aspect_x, render.pixel_aspect_y = aspect_x, aspect_y
        lens.sensor_fit, lens.lens, lens.shift_x, lens.shift_y = fit, focal, shift_x, shift_y
        lens.sensor_width, lens.sensor_height = sensor_width, sensor_height
        bpy.context.evaluated_depsgraph_get().update()
        yield (
            camera,
            {
                "kind": "blender",
                "width": width * share // 100,
                "height": height * share // 100,
                "lens": focal,
                "sensor_width": sensor_width,
                "sensor_height": sensor_height,
                "sensor_fit": fit,
                "shift_x": shift_x,
                "shift_y": shift_y,
                "pixel_aspect_x": aspect_x,
                "pixel_aspect_y": aspect_y,
                "matrix_world": [list(row) for row in camera.matrix_world],
            },
        )
