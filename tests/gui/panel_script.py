"""Runs in a Blender window, see ``run.py``: picks a pair, morphs it by clicking, and takes pictures on the way.

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
TRAINING = 20.0  # seconds
APART = 2.2  # Blender units between the source and the target
COLOURS = {"Fox": (0.80, 0.26, 0.05, 1.0), "Fox Leap": (0.10, 0.28, 0.55, 1.0)}


def session() -> Any:
    return sys.modules[f"{MODULE}.running"].current()


def settings() -> Any:
    return bpy.context.scene.tweenfield


def area(kind: str) -> Any:
    return next(area for area in driver.window().screen.areas if area.type == kind)


def training() -> bool:
    return bool(session().bar.text.startswith("Training"))


def result() -> Any:
    collection = bpy.data.collections.get("Fox to Fox Leap")
    return collection.objects[0] if collection and collection.objects else None


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


def scrub(frame: int) -> Steps:
    """Clicks into the timeline's ruler."""
    timeline = area("DOPESHEET_EDITOR")
    region = next(region for region in timeline.regions if region.type == "WINDOW")
    x, _ = region.view2d.view_to_region(frame, 0, clip=False)
    driver.click(region.x + x, region.y + region.height - 10)
    yield 1.0
    assert bpy.context.scene.frame_current == frame, (bpy.context.scene.frame_current, frame)


@driver.steps
def main() -> Steps:
    set_the_scene()
    yield 1.0
    region = yield from driver.open_sidebar("Tweenfield")
    yield 1.0
    driver.screenshot("1_stopped")

    # The pair.
    bpy.data.objects["Fox"].select_set(True)
    bpy.data.objects["Fox Leap"].select_set(True)
    bpy.context.view_layer.objects.active = bpy.data.objects["Fox Leap"]
    yield 0.5
    yield from press(region, "tweenfield.use_selection")
    assert (settings().source.name, settings().target.name) == ("Fox", "Fox Leap")

    # The backend.
    bpy.context.preferences.addons[MODULE].preferences.connection_file = str(HERE / "connection.json")
    yield from press(region, "tweenfield.start_backend")
    yield from wait_until("connected", lambda: session().backend == "ready", 20)
    yield 1.0
    driver.screenshot("2_ready")

    # Once cancelled. Cancel and Finish Now take the place of Morph.
    x, y = yield from press(region, "tweenfield.morph")
    yield from wait_until("the bar moves", lambda: training() and session().bar.fraction > 0.01, 90)
    yield 1.0
    driver.screenshot("3_computing")
    # Cancel is the left half of where Morph was. While training redraws the region, a click needs a mouse at rest.
    driver.move(x - region.width * 0.2, y)
    yield 1.0
    driver.click(x - region.width * 0.2, y)
    yield from wait_until("cancelled", lambda: not session().busy, 10)
    assert session().outcome == "Cancelled"
    assert result() is None
    yield 1.0
    driver.screenshot("4_cancelled")

    # Once finished.
    settings().limit_time, settings().seconds = True, TRAINING
    driver.click(x, y)
    yield from wait_until("a preview", lambda: result() is not None, 60)
    yield from wait_until("training", training, 60)
    yield 8.0
    driver.screenshot("5_preview")
    yield from wait_until("finished", lambda: not session().busy, 120)
    assert session().problem is None, session().problem
    assert len(result().data.shape_keys.key_blocks) == settings().keys
    yield 1.0
    driver.screenshot("6_finished")
    bpy.ops.object.select_all(action="DESELECT")
    for frame in (1, 13, 25, 37, 49):
        yield from scrub(frame)
        yield 0.5
        driver.screenshot(f"7_frame_{frame:02d}")

    # An error: these two do not match, and nothing says how they should.
    bpy.ops.mesh.primitive_monkey_add(location=(0.0, 2.0, 0.0))
    settings().target = bpy.context.object
    settings().topology = "keep"
    count = len(bpy.data.objects)
    yield 1.0
    yield from press(region, "tweenfield.morph")  # higher up now: faces that stay have no resolution
    yield from wait_until("the error", lambda: session().problem is not None, 20)
    yield 1.0
    assert len(bpy.data.objects) == count
    driver.screenshot("8_error")

    # New surfaces in every frame need no match.
    settings().method, settings().topology, settings().resolution = "sdf_blend", "remesh", 24
    settings().keys = 7
    region.tag_redraw()  # a script's changes do not draw the sidebar again
    yield 1.0
    driver.screenshot("9_new_surfaces")
    yield from press(region, "tweenfield.morph")
    yield from wait_until("new surfaces", lambda: not session().busy, 120)
    assert session().problem is None, session().problem
    frames = sorted(bpy.data.collections["Fox to Suzanne frames"].objects, key=lambda ob: ob.name)
    yield 1.0
    driver.screenshot("9_result")
    for index, frame in enumerate((1, 9, 17, 25, 33, 41, 49)):
        yield from scrub(frame)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        assert [ob for ob in frames if not ob.evaluated_get(depsgraph).hide_viewport] == [frames[index]]
        yield 0.5
        driver.screenshot(f"9_surface_{frame:02d}")

    # The same, read from files, if this Blender can: a timer's context has to do for the operator that writes them.
    settings().keys, settings().frames_as = 2, "one_object"
    yield from press(region, "tweenfield.morph")
    yield from wait_until("files", lambda: not session().busy, 120)
    if bpy.app.build_options.alembic:
        assert session().problem is None, session().problem
        (reader,) = bpy.data.collections["Fox to Suzanne"].all_objects
        assert [modifier.type for modifier in reader.modifiers] == ["MESH_SEQUENCE_CACHE"]
    else:
        assert "built without Alembic" in session().problem.message
        assert len(bpy.data.collections["Fox to Suzanne"].all_objects) == 7
    yield 1.0
    driver.screenshot("9_files")

    yield from press(region, "tweenfield.stop_backend")
    assert session().backend == "stopped"
    assert not driver.errors, driver.errors[0]
    driver.finish(True, "cancelled once, finished twice")
