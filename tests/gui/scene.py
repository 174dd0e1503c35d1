"""What the scripts of this folder share; they run in a Blender window, see ``run.py``.

``driver`` is the window tool's own module: it clicks, finds buttons and takes pictures.
"""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import driver
from mathutils import Quaternion

HERE = Path(__file__).resolve().parent
MODULE = "bl_ext.user_default.tweenfield"
Steps = Iterator[float]
APART = 2.2  # Blender units between the source and the target
COLOURS = {"Fox": (0.80, 0.26, 0.05, 1.0), "Fox Leap": (0.10, 0.28, 0.55, 1.0)}


def session() -> Any:
    return sys.modules[f"{MODULE}.running"].current()


def settings() -> Any:
    return bpy.context.scene.tweenfield


def area(kind: str) -> Any:
    return next(area for area in driver.window().screen.areas if area.type == kind)


def import_fox(name: str, file: str, x: float) -> Any:
    bpy.ops.wm.obj_import(filepath=str(HERE / file), global_scale=0.02)
    ob = bpy.context.object
    ob.name = ob.data.name = name
    ob.location.x = x
    material = bpy.data.materials.new(name)
    material.diffuse_color = COLOURS[name]
    ob.data.materials.clear()
    ob.data.materials.append(material)
    return ob


def set_the_scene() -> None:
    """The two foxes side by side, seen from the front left, in the colours of their materials."""
    for ob in list(bpy.data.objects):
        bpy.data.objects.remove(ob)
    import_fox("Fox", "source.obj", -APART)
    import_fox("Fox Leap", "target.obj", APART)
    bpy.ops.object.select_all(action="DESELECT")
    space = area("VIEW_3D").spaces.active
    space.shading.color_type = "MATERIAL"
    space.shading.show_cavity = True
    space.shading.show_shadows = True
    space.overlay.show_floor = space.overlay.show_axis_x = space.overlay.show_axis_y = False
    space.overlay.show_cursor = False
    view = space.region_3d
    view.view_perspective = "PERSP"
    view.view_rotation = Quaternion((0, 0, 1), math.radians(-25)) @ Quaternion((1, 0, 0), math.radians(72))
    view.view_location = (1.0, 0.0, 0.5)  # the sidebar covers the right of the view
    view.view_distance = 7.5
    bpy.context.scene.frame_end = 49


def press(region: Any, operator: str) -> Any:
    """Presses an operator's button with the mouse, and returns where it is."""
    x, y = yield from driver.find_button(region, operator)
    driver.click(x, y)
    yield 0.5
    return x, y


def wait_until(what: str, holds: Any, seconds: float) -> Steps:
    for _ in range(int(seconds / 0.25)):
        if holds():
            return
        yield 0.25
    raise AssertionError(
        f"not within {seconds} s: {what}; the panel says {session().bar.text!r}, {session().problem!r}"
    )


def choose_foxes(region: Any) -> Any:
    """Takes the two foxes as the pair, with the button."""
    bpy.data.objects["Fox"].select_set(True)
    bpy.data.objects["Fox Leap"].select_set(True)
    bpy.context.view_layer.objects.active = bpy.data.objects["Fox Leap"]
    yield 0.5
    yield from press(region, "tweenfield.use_selection")
    assert (settings().source.name, settings().target.name) == ("Fox", "Fox Leap")


def connect(region: Any) -> Any:
    """Connects to the backend, with the button."""
    bpy.context.preferences.addons[MODULE].preferences.connection_file = str(HERE / "connection.json")
    yield from press(region, "tweenfield.start_backend")
    yield from wait_until("connected", lambda: session().backend == "ready", 20)
