"""Run by Blender's Python: renders a monkey from several cameras, and writes what of each image it covers.

``python blender_masks.py FOLDER``: ``cameras.json``, ``mesh.npz`` and ``N.npy``, the coverage [H, W] of each camera
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
import numpy as np
from blender_coverage import rendered, set_up_render
from blender_setups import set_up


def monkey() -> bpy.types.Mesh:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.mesh.primitive_monkey_add(size=1.3, rotation=(0.2, 0.1, 0.4))
    bpy.ops.object.transform_apply(rotation=True)
    bpy.ops.object.modifier_add(type="SUBSURF")
    bpy.ops.object.convert(target="MESH")
    return bpy.context.object.data


def main(folder: Path) -> None:
    mesh = monkey()
    mesh.calc_loop_triangles()
    positions = np.array([vertex.co for vertex in mesh.vertices])
    triangles = np.array([triangle.vertices for triangle in mesh.loop_triangles])
    np.savez(folder / "mesh.npz", positions=positions, triangles=triangles)
    set_up_render()
    cameras = []
    for number, (_, facts) in enumerate(set_up()):
        np.save(folder / f"{number}.npy", rendered(facts, folder / f"{number}.exr"))
        cameras.append(facts)
    (folder / "cameras.json").write_text(json.dumps(cameras))


main(Path(sys.argv[1]))
