"""Run by Blender's Python: places cameras, and writes where Blender sees points in their images.

``python blender_camera.py POINTS OUT.json``, POINTS as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
from blender_setups import set_up
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector


def main(points: list[list[float]], out: Path) -> None:
    scene = bpy.context.scene
    found = []
    for camera, facts in set_up():
        graph = bpy.context.evaluated_depsgraph_get()
        aspect = {"scale_x": facts["pixel_aspect_x"], "scale_y": facts["pixel_aspect_y"]}
        matrix = camera.calc_matrix_camera(graph, x=facts["width"], y=facts["height"], **aspect)
        to_camera = camera.matrix_world.normalized().inverted()
        clip = [list(matrix @ to_camera @ Vector((*point, 1.0))) for point in points]
        view = [list(world_to_camera_view(scene, camera, Vector(point))) for point in points]
        found.append({"camera": facts, "clip": clip, "view": view})
    out.write_text(json.dumps(found))


main(json.loads(sys.argv[1]), Path(sys.argv[2]))
