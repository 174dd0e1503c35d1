"""What the scripts about frames with faces of their own share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import choose, dressed_grid, grid

OWN = {"method_name": "own_faces", "topology": "remesh", "resolution": 8}


def pair(**changes: Any) -> Any:
    source, target = dressed_grid("A"), grid("B", lift=0.5)
    source.data.shade_smooth()
    source.location = (0.0, 0.0, 1.0)
    bpy.context.view_layer.update()
    return choose(source, target, **(OWN | changes))


def frame_objects() -> list[Any]:
    """The keyed objects, in their order."""
    return sorted(bpy.data.collections["A to B frames"].objects, key=lambda ob: ob.name)


def visible(scene_frame: int) -> list[Any]:
    """The keyed objects that a viewport and a render show at a frame, which must be the same ones."""
    bpy.context.scene.frame_set(scene_frame)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    in_viewport = [ob for ob in frame_objects() if not ob.evaluated_get(depsgraph).hide_viewport]
    in_render = [ob for ob in frame_objects() if not ob.evaluated_get(depsgraph).hide_render]
    assert in_viewport == in_render
    shown = {instance.object.original for instance in depsgraph.object_instances}
    assert [ob for ob in frame_objects() if ob in shown] == in_viewport
    return in_viewport


def evaluated(ob: Any, scene_frame: int) -> dict[str, Any]:
    """What is seen of an object at a frame."""
    bpy.context.scene.frame_set(scene_frame)
    mesh = ob.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    colours = mesh.color_attributes.get("Col")
    found = {
        "vertices": len(mesh.vertices),
        "uv": sorted(layer.name for layer in mesh.uv_layers),
        "red": colours.data[0].color[0] if colours is not None and len(colours.data) else None,
        "smooth": all(polygon.use_smooth for polygon in mesh.polygons),
        "materials": [slot.material.name for slot in ob.material_slots],
    }
    if "Painted" in mesh.uv_layers and len(mesh.loops):
        uv = np.empty(2 * len(mesh.loops), np.float32)
        mesh.uv_layers["Painted"].data.foreach_get("uv", uv)
        found["u_range"] = [round(float(bound), 3) for bound in (uv[::2].min(), uv[::2].max())]
    ob.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh_clear()
    return found


def vertices_of(rings: int) -> int:
    return 2 + (rings - 1) * 2 * rings


def files() -> list[str]:
    """All files of frames that a test wrote, by folder and name."""
    roots = (Path.cwd(), Path(bpy.app.tempdir), inside.part("frame_files").user_folder())
    return sorted(f"{path.parent.name}/{path.name}" for root in roots for path in root.rglob("*.[ap][bc][c2]"))
