"""Runs in a Blender window, see ``run.py``: the surface of points and the repair of a mesh, by clicks.

The sub-panel lies below the others: ``--size 1280x1100`` shows all of it.
"""

import sys
from typing import Any

import bpy
import driver
import numpy as np
from mathutils import Vector
from scene import MODULE, Steps, area, connect, press, session, set_the_scene, wait_until

SECONDS = 40.0  # of preparation and training, where there is a preview to be seen
BESIDE = 3.3  # Blender units from what is given to what is made of it, where both are shown
LOWER = 1.9  # Blender units that the view looks up, so that both are beside the sub-panel


def open_surfaces() -> None:
    """The sub-panel is closed at first, and no script can open it but by making it anew."""
    module = sys.modules[f"{MODULE}.surfaces.panel"]
    module.unregister()
    module.TWEENFIELD_PT_surfaces.bl_options = set()
    module.register()


def settings() -> Any:
    return bpy.context.scene.tweenfield_surface


def only(*objects: Any) -> None:
    """Selects objects, the first of them active."""
    bpy.ops.object.select_all(action="DESELECT")
    for ob in objects:
        ob.select_set(True)
    bpy.context.view_layer.objects.active = objects[0]


def monkey_of_points() -> Any:
    """The vertices of a smooth monkey, with normals, and nothing else."""
    bpy.ops.mesh.primitive_monkey_add(size=2.2, location=(-1.8, 0.4, 0.6))
    ob = bpy.context.object
    ob.modifiers.new("Round", "SUBSURF").levels = 2
    bpy.ops.object.convert(target="MESH")
    mesh = ob.data
    places = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", places)
    normals = np.empty_like(places)
    mesh.vertices.foreach_get("normal", normals)
    points = bpy.data.meshes.new("Scan")
    points.vertices.add(len(places) // 3)
    points.vertices.foreach_set("co", places)
    points.attributes.new("normal", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", normals)
    ob.data = points
    ob.name = "Scan"
    return ob


def broken_cube() -> Any:
    """A cube without two of its faces, with a wing on an edge."""
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (0, 2, 6, 4), (1, 0, 8)]
    mesh = bpy.data.meshes.new("Broken")
    mesh.from_pydata([*corners, (-2.0, -2.0, 0.0)], [], faces)
    ob = bpy.data.objects.new("Broken", mesh)
    bpy.context.scene.collection.objects.link(ob)
    ob.location = (-1.2, 0.6, 0.6)
    ob.scale = (0.8, 0.8, 0.8)
    return ob


def to_the_right() -> Any:
    """From what is given to what is made of it, as the view has it."""
    return area("VIEW_3D").spaces.active.region_3d.view_rotation @ Vector((BESIDE, 0.0, 0.0))


def results(name: str) -> dict[str, Any]:
    return {ob["tweenfield_surface"]: ob for ob in bpy.data.collections[f"{name} Surfaces"].objects}


def click_beside(region: Any, x: float, y: float, side: float) -> Steps:
    """Clicks Cancel (left, -1) or Finish Now (right, 1), which take the place of the button at ``x``, ``y``."""
    driver.move(x + side * region.width * 0.2, y)
    yield 1.0  # while training redraws the region, a click needs a mouse at rest
    driver.click(x + side * region.width * 0.2, y)


def previewed() -> bool:
    return any(ob.get("tweenfield_preview") for ob in bpy.data.objects)


@driver.steps
def main() -> Steps:
    open_surfaces()
    set_the_scene()
    for ob in list(bpy.data.objects):
        bpy.data.objects.remove(ob)
    scan = monkey_of_points()
    space = area("VIEW_3D").spaces.active
    space.shading.color_type = "OBJECT"
    space.shading.show_shadows = False  # of thin edges they fall in blots
    only(scan)
    sys.modules[f"{MODULE}.history"].push_undo("Scan")
    region = yield from driver.open_sidebar("Tweenfield")
    yield 1.0
    driver.screenshot("surfaces_1_points")
    yield from connect(region)
    yield 1.0

    # Cancelled while it grows: nothing is left.
    settings().limit_time, settings().seconds, settings().resolution = True, SECONDS, 96
    settings().shells, settings().shell_step, settings().skeleton = 1, 0.15, "curve"
    region.tag_redraw()
    yield 0.5
    x, y = yield from press(region, "tweenfield.surface")
    yield from wait_until("a preview", previewed, 90)
    yield 2.0
    driver.screenshot("surfaces_2_growing")
    yield from click_beside(region, x, y, -1)
    yield from wait_until("cancelled", lambda: not session().busy, 10)
    assert not previewed()
    assert [ob.name for ob in bpy.data.objects] == ["Scan"]
    yield 1.0
    driver.screenshot("surfaces_3_cancelled")

    # Ended early. The button is where it was.
    driver.click(x, y)
    yield from wait_until("a preview", previewed, 90)
    yield 15.0
    driver.screenshot("surfaces_4_training")
    yield from click_beside(region, x, y, 1)
    yield from wait_until("the result", lambda: not session().busy, 120)
    assert session().problem is None, session().problem
    made = results("Scan")
    assert set(made) == {"surface", "shell +0.15", "skeleton"}
    made["surface"].color = (0.80, 0.45, 0.25, 1.0)
    made["shell +0.15"].display_type = "WIRE"
    for role in ("shell +0.15", "skeleton"):
        made[role].hide_set(True)
    made["surface"].location += to_the_right()
    space.region_3d.view_location.z += LOWER
    yield 1.5
    driver.screenshot("surfaces_5_surface")
    space.region_3d.view_location.z -= LOWER
    made["surface"].location -= to_the_right()
    made["surface"].hide_set(True)
    scan.hide_set(True)
    made["skeleton"].hide_set(False)
    made["skeleton"].show_in_front = True
    only(made["skeleton"])
    yield 1.5
    driver.screenshot("surfaces_6_skeleton")
    made["skeleton"].hide_set(True)
    made["shell +0.15"].hide_set(False)
    made["surface"].hide_set(False)
    scan.hide_set(False)
    yield 1.5
    driver.screenshot("surfaces_7_shell")

    # One undo takes all of it away.
    bpy.ops.ed.undo()
    yield 1.0
    assert [ob.name for ob in bpy.data.objects] == ["Scan"], [ob.name for ob in bpy.data.objects]

    # A repair.
    bpy.data.objects["Scan"].hide_set(True)
    broken = broken_cube()
    only(broken)
    region.tag_redraw()
    yield 1.0
    settings().limit_time, settings().seconds, settings().resolution = True, 30.0, 96  # the undo took these, too
    yield from press(region, "tweenfield.repair_surface")
    yield from wait_until("the repair", lambda: not session().busy, 120)
    assert session().problem is None, session().problem
    results("Broken")["surface"].location += to_the_right()
    yield 1.5
    driver.screenshot("surfaces_8_repaired")
    assert not driver.errors, driver.errors[0]
    driver.finish(True, "grown, cancelled, finished, undone, repaired")
