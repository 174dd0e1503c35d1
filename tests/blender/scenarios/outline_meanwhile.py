"""What an artist does while an outline is matched, and to what belongs to it: nothing is lost, nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import digest, pump_for, pump_until, result, session
from outline import add_camera, agreement, as_mesh, bar, keys_of, match, morphed, outline, read, refused
from outline_matched import FRAME, REACHED, changes, drawn, previewed


def started() -> None:
    """A match that runs for a minute, with its preview."""
    settings = bpy.context.scene.tweenfield_outline
    settings.limit_time, settings.seconds = True, 60.0
    bpy.context.scene.tweenfield.live_preview = True
    assert bpy.ops.tweenfield.match_outline() == {"FINISHED"}
    pump_until(previewed, 60.0)


def finished() -> None:
    pump_until(lambda: session().training or not session().busy)
    if session().busy:
        bpy.ops.tweenfield.finish()
    pump_until(lambda: not session().busy, 60.0)


def leftovers() -> list[str]:
    marks = "tweenfield_making", "tweenfield_preview"
    return [block.name for block in (*bpy.data.objects, *bpy.data.meshes) if any(mark in block for mark in marks)]


def check_saved_and_opened_in_the_middle(facts: Any) -> None:
    morphed()
    drawn()
    before = keys_of(result())
    started()
    assert not result().visible_get()
    path = str(Path("middle.blend").resolve())
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert not session().busy
    assert leftovers() == []
    assert result().visible_get()
    assert changes(before, keys_of(result())) == [0.0] * 5
    bpy.context.scene.tweenfield_outline.limit_time = False
    match()
    assert agreement() >= REACHED


def check_an_undo_into_the_middle(facts: Any) -> None:
    morphed()
    drawn()
    before = keys_of(result())
    started()
    bpy.ops.ed.undo_push(message="in the middle")
    finished()
    assert session().problem is None, session().problem.report()
    bpy.ops.ed.undo()
    pump_for(0.1)
    assert result().visible_get()
    assert changes(before, keys_of(result())) == [0.0] * 5
    assert leftovers() == []


def check_camera_and_drawing_deleted_in_the_middle(facts: Any) -> None:
    morphed()
    item = drawn()
    started()
    before = keys_of(result())
    bpy.data.objects.remove(bpy.context.scene.camera)
    bpy.data.objects.remove(item.ob)
    finished()
    assert session().problem is None, session().problem.report()
    assert changes(before, keys_of(result()))[2] > 0.05
    overlay = inside.part("outline.difference").overlay
    overlay.refresh(bpy.context)
    assert overlay.lines == ["Choose the object that the outline is taken from."]


def check_the_result_deleted_in_the_middle(facts: Any) -> None:
    morphed()
    drawn()
    started()
    bpy.data.objects.remove(result())
    finished()
    facts.said = session().problem.message
    assert "removed or changed while the outline was matched" in facts.said
    pump_for(0.1)
    assert leftovers() == []


def check_everything_renamed_in_the_middle(facts: Any) -> None:
    home = morphed()
    item = drawn()
    ob, before = result(), keys_of(result())
    started()
    for block in (ob, ob.data, item.ob, home, bpy.data.objects["A"], bpy.data.objects["B"], bpy.context.scene.camera):
        block.name = f"New {block.name}"
    finished()
    assert session().problem is None, session().problem.report()
    assert changes(before, keys_of(ob))[2] > 0.05
    assert ob.visible_get()
    assert leftovers() == []
    match()
    assert agreement() >= REACHED


def check_switched_off_in_the_middle(facts: Any) -> None:
    morphed()
    item = drawn()
    bpy.context.scene.tweenfield_outline.show = True
    before, name = digest(), item.ob.name
    started()
    drawing, tick = inside.part("viewports").drawing, inside.part("outline.drawing")._tick
    assert drawing
    bpy.ops.preferences.addon_disable(module=inside.MODULE)
    assert not drawing
    assert not bpy.app.timers.is_registered(tick)
    assert leftovers() == []
    assert digest() == before
    bpy.ops.preferences.addon_enable(module=inside.MODULE)
    assert bpy.context.scene.tweenfield_outline.items[0].ob.name == name


def check_cameras_that_are_hidden_moved_and_linked(facts: Any) -> None:
    camera = add_camera((3.0, -7.0, 2.0))
    item = outline(as_mesh(bar()))
    wanted = read(item)
    path = Path("camera.blend").resolve()
    bpy.data.libraries.write(str(path), {camera})
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    bpy.context.scene.collection.objects.link(other)
    bpy.context.scene.camera = other
    item.camera = camera
    for hide in (lambda: camera.hide_set(True), lambda: setattr(camera, "hide_viewport", True)):
        hide()
        assert np.array_equal(read(item), wanted)
    holder = bpy.data.objects.new("Holder", None)
    bpy.context.scene.collection.objects.link(holder)
    camera.location.x += 1.0
    moved = read(item)
    assert not np.array_equal(moved, wanted)
    camera.parent = holder
    assert "'Camera' is hidden and moves with something" in refused(item)
    camera.hide_viewport = False
    camera.hide_set(False)
    bpy.context.view_layer.update()
    assert np.array_equal(read(item), moved)
    with bpy.data.libraries.load(str(path), link=True) as (_, into):
        into.objects = ["Camera"]
    (linked,) = into.objects
    item.camera = linked
    assert np.array_equal(read(item), wanted)


def check_drawings_that_are_hidden(facts: Any) -> None:
    add_camera()
    ob = as_mesh(bar())
    taper = ob.modifiers.new("Taper", "SIMPLE_DEFORM")
    taper.deform_method, taper.deform_axis, taper.factor = "TAPER", "X", 1.0
    item = outline(ob)
    wanted = read(item)
    taper.show_viewport = False
    bpy.context.view_layer.update()
    assert not np.array_equal(read(item), wanted)
    taper.show_viewport = True
    ob.hide_set(True)
    bpy.context.view_layer.update()
    facts.off = float(np.abs(read(item) - wanted).max())
    assert np.array_equal(read(item), wanted)


def check_objects_of_every_kind(facts: Any) -> None:
    add_camera()
    for name, add in (
        ("font", lambda: bpy.ops.object.text_add(rotation=(np.pi / 2, 0, 0))),
        ("surface", bpy.ops.surface.primitive_nurbs_surface_sphere_add),
        ("meta", bpy.ops.object.metaball_add),
        ("curve", lambda: bpy.ops.curve.primitive_bezier_circle_add(rotation=(np.pi / 2, 0, 0))),
    ):
        add()
        setattr(facts, name, float(read(outline(bpy.context.object)).mean()))
        assert 0.005 < getattr(facts, name) < 0.5, name
    bpy.ops.object.metaball_add()
    facts.second = refused(outline(bpy.context.object))
    empty = bpy.data.objects.new("Text", bpy.data.curves.new("Text", "FONT"))
    bpy.context.scene.collection.objects.link(empty)
    assert "covers nothing" in refused(outline(empty))


def check_another_range_of_the_scene(facts: Any) -> None:
    morphed(frame_start=101, frame_end=141, keys=5)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 60
    operators = inside.part("outline.operators")
    drawn()
    for frame in (1, 60, 141, 500):
        scene.frame_set(frame)
        assert "between the first and the last" in operators.why_not(bpy.context)
    scene.frame_set(121)
    assert operators.expected(bpy.context) == "Frame 3 of the 5 of 'A to B' will be matched"


def check_a_linked_result(facts: Any) -> None:
    home = morphed()
    path = Path("result.blend").resolve()
    bpy.data.libraries.write(str(path), {home})
    inside.empty_file()
    add_camera()
    with bpy.data.libraries.load(str(path), link=True) as (_, into):
        into.collections = ["A to B"]
    bpy.context.scene.collection.children.link(into.collections[0])
    bpy.context.scene.frame_set(FRAME)
    drawn()
    facts.why = inside.part("outline.operators").why_not(bpy.context)
    assert "linked" in facts.why
