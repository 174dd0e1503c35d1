"""Runs in a Blender window, see ``run.py``: picks a pair, morphs it by clicking, and takes pictures on the way."""

from typing import Any

import bpy
import driver
from scene import Steps, area, choose_foxes, connect, press, session, set_the_scene, settings, wait_until

TRAINING = 20.0  # seconds


def training() -> bool:
    return bool(session().bar.text.startswith("Training"))


def result() -> Any:
    collection = bpy.data.collections.get("Fox to Fox Leap")
    return collection.objects[0] if collection and collection.objects else None


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
    yield from choose_foxes(region)

    # The backend.
    yield from connect(region)
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
