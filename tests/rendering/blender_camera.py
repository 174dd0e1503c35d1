"""Run by Blender's Python: places cameras, and writes where Blender sees points in their images.

``python blender_camera.py POINTS OUT.json``, POINTS as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Matrix, Vector

# sensor_fit, width, height, percentage, pixel aspect x and y, shift x and y, lens, sensor width and height
SETUPS = [
    ("AUTO", 640, 360, 100, 1.0, 1.0, 0.1, -0.07, 50.0, 36.0, 24.0),
    ("AUTO", 360, 640, 50, 1.0, 1.0, 0.1, -0.07, 35.0, 32.0, 18.0),
    ("AUTO", 300, 320, 100, 1.5, 1.0, 0.02, 0.2, 35.0, 32.0, 18.0),
    ("AUTO", 320, 300, 100, 1.0, 1.5, 0.02, 0.2, 35.0, 32.0, 18.0),
    ("HORIZONTAL", 200, 400, 100, 1.0, 2.0, -0.1, 0.3, 28.0, 40.0, 20.0),
    ("VERTICAL", 512, 256, 100, 2.0, 1.0, -0.1, 0.3, 80.0, 40.0, 22.0),
]


def main(points: list[list[float]], out: Path) -> None:
    scene = bpy.context.scene
    lens = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", lens)
    scene.collection.objects.link(camera)
    scene.camera = camera
    turned = Matrix.Translation((2.0, -2.5, 1.2)) @ Euler((1.2, 0.1, 0.6)).to_matrix().to_4x4()
    camera.matrix_world = turned @ Matrix.Diagonal((2.0, 0.5, 3.0, 1.0))
    found = []
    for fit, width, height, share, aspect_x, aspect_y, shift_x, shift_y, focal, sensor_width, sensor_height in SETUPS:
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, share
        render.pixel_aspect_x, render.pixel_aspect_y = aspect_x, aspect_y
        lens.sensor_fit, lens.lens, lens.shift_x, lens.shift_y = fit, focal, shift_x, shift_y
        lens.sensor_width, lens.sensor_height = sensor_width, sensor_height
        graph = bpy.context.evaluated_depsgraph_get()
        graph.update()
        size = {"width": width * share // 100, "height": height * share // 100}
        matrix = camera.calc_matrix_camera(graph, x=size["width"], y=size["height"], scale_x=aspect_x, scale_y=aspect_y)
        to_camera = camera.matrix_world.normalized().inverted()
        clip = [list(matrix @ to_camera @ Vector((*point, 1.0))) for point in points]
        facts = {
            "kind": "blender",
            **size,
            "lens": focal,
            "sensor_width": sensor_width,
            "sensor_height": sensor_height,
            "sensor_fit": fit,
            "shift_x": shift_x,
            "shift_y": shift_y,
            "pixel_aspect_x": aspect_x,
            "pixel_aspect_y": aspect_y,
            "matrix_world": [list(row) for row in camera.matrix_world],
        }
        view = [list(world_to_camera_view(scene, camera, Vector(point))) for point in points]
        found.append({"camera": facts, "clip": clip, "view": view})
    out.write_text(json.dumps(found))


main(json.loads(sys.argv[1]), Path(sys.argv[2]))
