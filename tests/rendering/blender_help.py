"""Run by Blender's Python: imports a frame, moves it, and writes cameras by the expression that ``refine --help`` has.

``python blender_help.py FOLDER EXPRESSION``: reads ``frame.ply``, writes ``cameras.json`` and ``N.npy``, the coverage
[H, W] of the image of each camera
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
import numpy as np
from blender_coverage import rendered, set_up_render
from blender_setups import set_up
from mathutils import Euler, Matrix


def main(folder: Path, expression: str) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.ply_import(filepath=str(folder / "frame.ply"), forward_axis="Y", up_axis="Z")
    frame = bpy.context.object
    frame.matrix_world = Matrix.Translation((0.3, -0.2, 0.1)) @ Euler((0.4, -0.3, 0.9)).to_matrix().to_4x4()
    set_up_render()
    cameras = []
    for number, (camera, facts) in enumerate(set_up()):
        facts["matrix_world"] = eval(expression, {"FRAME": frame, "CAMERA": camera})
        np.save(folder / f"{number}.npy", rendered(facts, folder / f"{number}.exr"))
        cameras.append(facts)
    (folder / "cameras.json").write_text(json.dumps(cameras))


main(Path(sys.argv[1]), sys.argv[2])
