"""What the scripts of this folder share; they run in Blender's Python, with bpy, numpy and the standard library."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import numpy as np

MODULE = "bl_ext.user_default.tweenfield"


def part(name: str) -> ModuleType:
    """A module of the installed extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def session() -> Any:
    return part("running").current()


def tick() -> float:
    """One tick, as a window's timer would make it; the seconds of computing that it took."""
    start = time.thread_time()
    session().pump()
    return time.thread_time() - start


def pump_until(condition: Callable[[], object], seconds: float = 60.0) -> list[float]:
    """Ticks until the condition holds; the seconds of computing that each tick took of the main thread."""
    ticks = []
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{session().backend}, {session().bar}, {session().problem}"
        ticks.append(tick())
        time.sleep(0.005)
    return ticks


def pump_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    pump_until(lambda: time.monotonic() > end, seconds + 5)


def empty_file() -> None:
    """A file without objects; the preferences stay as they are."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.connection_file = os.environ.get("TWEENFIELD_TEST_CONNECTION", "")
    preferences.python = os.environ["TWEENFIELD_TEST_PYTHON"]


def add_object(name: str, positions: Any, faces: Any, **extras: Any) -> bpy.types.Object:
    """A mesh object in the scene, at the origin."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(np.asarray(positions, np.float32), [], faces)
    ob = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.update()
    return ob


def grid(name: str, n: int = 8, lift: float = 0.0) -> bpy.types.Object:
    """A square of n x n vertices; the height of a sine hill is ``lift``."""
    axis = np.linspace(-1.0, 1.0, n)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    z = lift * np.cos(np.pi * x / 2) * np.cos(np.pi * y / 2)
    i, j = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    corner = (i * n + j).ravel()
    faces = np.stack([corner, corner + n, corner + n + 1, corner + 1], axis=1)
    return add_object(name, np.stack([x, y, z], axis=-1).reshape(-1, 3), faces.tolist())


def ball(name: str) -> bpy.types.Object:
    """A closed surface, which no match brings together with a grid."""
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=2)
    ob = bpy.context.object
    ob.name = ob.data.name = name
    return ob


def dressed_grid(name: str, n: int = 8) -> bpy.types.Object:
    """A grid with everything that an artist gives a mesh."""
    ob = grid(name, n)
    mesh = ob.data
    uv = mesh.uv_layers.new(name="Painted")
    uv.data.foreach_set("uv", np.linspace(0, 1, 2 * len(mesh.loops), dtype=np.float32))
    heat = mesh.attributes.new("heat", "FLOAT", "POINT")
    heat.data.foreach_set("value", np.arange(n * n, dtype=np.float32))
    colour = mesh.color_attributes.new("Col", "FLOAT_COLOR", "POINT")
    colour.data.foreach_set("color", np.linspace(0, 1, 4 * n * n, dtype=np.float32))
    for index in range(2):
        mesh.materials.append(bpy.data.materials.new(f"{name} {index}"))
    mesh.polygons.foreach_set("material_index", np.arange(len(mesh.polygons), dtype=np.int32) % 2)
    ob.vertex_groups.new(name="Left").add([0, 1, 2], 0.25, "REPLACE")
    ob.vertex_groups.new(name="Right").add([5], 1.0, "REPLACE")
    return ob


def choose(source: bpy.types.Object, target: bpy.types.Object, **changes: Any) -> Any:
    """Fills the panel in; the plain baseline is the quickest method."""
    settings = bpy.context.scene.tweenfield
    settings.source, settings.target = source, target
    wanted = {"method_name": "linear", "preset_name": "standard", "keys": 5, "frame_end": 9, "live_preview": False}
    for name, value in (wanted | changes).items():
        setattr(settings, name, value)
    return settings


def morph(seconds: float = 60.0) -> list[float]:
    """Presses Morph and waits for the result; the length of each tick."""
    assert bpy.ops.tweenfield.morph() == {"FINISHED"}
    ticks = pump_until(lambda: not session().busy, seconds)
    assert session().problem is None, session().problem.report()
    return ticks


def press(button: str, seconds: float = 90.0) -> str:
    """Presses a button and waits for its job; what the panel says then."""
    assert getattr(bpy.ops.tweenfield, button)() == {"FINISHED"}
    pump_until(lambda: not session().busy, seconds)
    assert session().problem is None, session().problem.report()
    return str(session().outcome)


def failed(button: str, seconds: float = 90.0) -> str:
    """Presses a button and waits for the error of its job; the message."""
    with contextlib.suppress(RuntimeError):  # how an operator's error reaches a script
        getattr(bpy.ops.tweenfield, button)()
    pump_until(lambda: not session().busy, seconds)
    assert session().problem is not None, session().outcome
    return str(session().problem.message)


def failed_morph() -> str:
    return failed("morph")


def result(source: str = "A", target: str = "B") -> bpy.types.Object:
    """The one result of a pair."""
    (ob,) = (
        ob for ob in bpy.data.collections[f"{source} to {target}"].objects if ob.get("tweenfield_original") == source
    )
    return ob


def coordinates(mesh: bpy.types.Mesh) -> np.ndarray:
    values = np.empty((len(mesh.vertices), 3), np.float32)
    if len(values):
        mesh.attributes["position"].data.foreach_get("vector", values.reshape(-1))
    return values


def key_coordinates(ob: bpy.types.Object, index: int) -> np.ndarray:
    values = np.empty((len(ob.data.vertices), 3), np.float32)
    ob.data.shape_keys.key_blocks[index].points.foreach_get("co", values.reshape(-1))
    return values


def shown_at(ob: bpy.types.Object, frame: int) -> np.ndarray:
    """World positions [V, 3] of what a render of that frame would show."""
    bpy.context.scene.frame_set(frame)
    evaluated = ob.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    local = coordinates(mesh).astype(np.float64)
    evaluated.to_mesh_clear()
    matrix = np.array(ob.matrix_world)
    return local @ matrix[:3, :3].T + matrix[:3, 3]


def digest() -> str:
    """Changes with anything in the file that a morph could touch."""
    parts: list[object] = []
    kinds = (
        "objects",
        "meshes",
        "collections",
        "actions",
        "shape_keys",
        "materials",
        "scenes",
        "images",
        "cache_files",
    )
    for kind in kinds:
        parts += [(kind, block.name, block.users) for block in sorted(getattr(bpy.data, kind), key=lambda b: b.name)]
    for ob in sorted(bpy.data.objects, key=lambda block: block.name):
        homes = sorted(home.name for home in ob.users_collection)
        parts.append((ob.name, np.array(ob.matrix_basis).tolist(), ob.data and ob.data.name, homes, ob.hide_get()))
    for mesh in sorted(bpy.data.meshes, key=lambda block: block.name):
        keys = mesh.shape_keys.key_blocks if mesh.shape_keys else ()
        parts.append((mesh.name, coordinates(mesh).tobytes(), [key.name for key in keys]))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def main() -> None:
    """``python inside.py SCENARIO ZIP RESULT``: installs the extension and runs every ``check_`` of a scenario."""
    name, archive, out = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parent))
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    assert MODULE in bpy.context.preferences.addons, "the extension is not enabled"
    scenario = importlib.import_module(name)
    outcomes = {}
    for check in [check for check in dir(scenario) if check.startswith("check_")]:
        started = time.monotonic()
        facts = SimpleNamespace()
        try:
            empty_file()
            getattr(scenario, check)(facts)
            outcome = ""
        except BaseException:
            outcome = traceback.format_exc()
        finally:
            session().cancel()
        outcomes[check] = {"error": outcome, "seconds": time.monotonic() - started, "facts": vars(facts)}
        Path(out).write_text(json.dumps(outcomes), encoding="utf-8")
    bpy.ops.preferences.addon_disable(module=MODULE)
    sys.stdout.flush()
    # Some versions of bpy crash when the interpreter ends in its own way.
    os._exit(0)


if __name__ == "__main__":
    sys.modules["inside"] = sys.modules["__main__"]
    main()
