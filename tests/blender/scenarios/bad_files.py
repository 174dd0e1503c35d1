"""Bad meshes from files: a morph, or a sentence that names the object and a remedy; never a changed scene."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import choose, coordinates, pump_until, session, shown_at

MUST_MORPH = ("flipped_normals", "mixed_orientation", "duplicate_faces", "unreferenced_vertices", "unwelded", "quads")
MUST_MORPH += ("two_components", "nested_components", "zero_area_faces", "huge_offset", "tiny")


def import_file(path: Path) -> bpy.types.Object | None:
    """The object that Blender's importer makes of a file; it leaves out what Blender itself cannot hold."""
    operator = {".obj": "obj_import", ".ply": "ply_import"}[path.suffix]
    try:
        getattr(bpy.ops.wm, operator)(filepath=str(path))
    except RuntimeError:
        return None
    meshes = [ob for ob in bpy.data.objects if ob.type == "MESH"]
    if not meshes:
        return None
    meshes[0].name = path.stem
    return meshes[0]


def moved_copy(ob: bpy.types.Object) -> bpy.types.Object:
    """The same mesh elsewhere."""
    other = ob.copy()
    other.data = ob.data.copy()
    other.name = "Moved"
    other.location.x += float(np.ptp(coordinates(ob.data), axis=0).max(initial=0.0))
    bpy.context.scene.collection.objects.link(other)
    bpy.context.view_layer.update()
    return other


def outcome(source: bpy.types.Object, target: bpy.types.Object) -> str:
    """Empty after a morph that ends in the target; the message after an error that changed nothing."""
    choose(source, target, keys=3)
    before = inside.digest()
    try:
        bpy.ops.tweenfield.morph()
    except RuntimeError:
        assert session().problem is not None
    pump_until(lambda: not session().busy)
    if session().problem is not None:
        assert inside.digest() == before, source.name
        return str(session().problem.message)
    made = inside.result(source.name, target.name)
    assert np.array_equal(inside.key_coordinates(made, 0), coordinates(source.data)), source.name
    matrix = np.array(target.matrix_world)
    wanted = coordinates(target.data) @ matrix[:3, :3].T + matrix[:3, 3]
    size = float(np.ptp(wanted, axis=0).max(initial=1e-12))
    # Blender's own positions have single precision: at 1e6 that is a twentieth.
    close = 1e-3 * size + 4e-7 * float(np.abs(wanted).max())
    used = np.unique([vertex for polygon in target.data.polygons for vertex in polygon.vertices])
    assert np.abs(shown_at(made, 9)[used] - wanted[used]).max() < close, source.name
    return ""


def check_every_bad_file(facts: Any) -> None:
    folder = Path(os.environ["TWEENFIELD_TEST_BAD"])
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in (".obj", ".ply")]
    messages = {}
    for path in paths:
        inside.empty_file()
        ob = import_file(path)
        if ob is None:
            continue
        other = moved_copy(ob)
        for role, pair in (("source", (ob, other)), ("target", (other, ob))):
            message = outcome(*pair)
            messages[f"{path.stem} as {role}"] = message
            assert message == "" or path.stem not in MUST_MORPH, (path.name, message)
            assert message == "" or repr(pair[0].name) in message or repr(pair[1].name) in message, message
    facts.messages = messages
    assert {f"{name} as source" for name in MUST_MORPH} <= set(messages)
