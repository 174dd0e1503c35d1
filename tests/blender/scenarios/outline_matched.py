"""A frame of a morph matched with outlines by the backend: what changes in the scene, and what stays."""

from __future__ import annotations

from typing import Any

import bpy
import inside
import numpy as np
from inside import coordinates, digest, pump_for, pump_until, result, session, shown_at
from mathutils import Euler, Matrix
from outline import (
    FRAME,
    agreement,
    as_curve,
    as_image,
    as_mesh,
    as_strokes,
    bar,
    failed,
    keys_of,
    match,
    morphed,
    outline,
    read,
)

REACHED = 0.97  # of the union of what is drawn and what is covered
DRAWN = (1.35, 0.75)  # half axes; the middle frame has 1.2 and 0.9


def drawn() -> Any:
    return outline(as_mesh(bar(*DRAWN)))


def changes(before: list[np.ndarray], after: list[np.ndarray]) -> list[float]:
    """The largest move of a vertex in each key."""
    return [float(np.abs(b - a).max()) for a, b in zip(before, after, strict=True)]


def previewed() -> list[Any]:
    return [ob for ob in bpy.data.objects if ob.get("tweenfield_preview")]


def match_until_alike() -> None:
    """Presses Finish Now as soon as the preview agrees with the drawing; all that fields can have takes much longer."""
    bpy.context.scene.tweenfield.live_preview = True
    bpy.ops.tweenfield.match_outline()
    pump_until(lambda: not session().busy or (session().training and previewed() and agreement() > 0.96), 90.0)
    if session().busy:
        bpy.ops.tweenfield.finish()
    pump_until(lambda: not session().busy, 90.0)
    assert session().problem is None, session().problem.report()


def check_shape_keys_are_matched(facts: Any) -> None:
    morphed()
    ob = result()
    ob.modifiers.new("Mine", "EDGE_SPLIT").show_viewport = False
    material = bpy.data.materials.new("Mine")
    ob.data.materials.clear()
    ob.data.materials.append(material)
    action, mesh, before = ob.data.shape_keys.animation_data.action, ob.data, keys_of(ob)
    drawn()
    facts.before = agreement()
    assert facts.before < 0.9
    facts.said = match()
    facts.after = agreement()
    assert facts.after >= REACHED
    assert result() == ob
    assert ob.data == mesh
    assert ob.data.shape_keys.animation_data.action == action
    assert [modifier.name for modifier in ob.modifiers] == ["Mine"]
    assert list(ob.data.materials) == [material]
    facts.moved = changes(before, keys_of(ob))
    assert facts.moved[0] == facts.moved[4] == 0.0  # bit for bit
    assert facts.moved[2] > 0.1
    assert 0.0 < facts.moved[1] < facts.moved[2]
    assert 0.0 < facts.moved[3] < facts.moved[2]
    assert facts.said.startswith("A to B: ")
    assert "% now" in facts.said
    assert not previewed()


def check_another_frame_keeps_the_first(facts: Any) -> None:
    morphed(keys=9, frame_end=9)
    item = drawn()
    match()
    bpy.context.scene.frame_set(7)
    item.ob = as_mesh(bar(1.5, 0.7))
    match()
    facts.second = agreement()
    assert facts.second >= REACHED
    bpy.context.scene.frame_set(5)
    item.ob = bpy.data.objects["Drawing"]
    facts.first = agreement()
    assert facts.first >= REACHED - 0.01


def check_a_result_that_was_moved(facts: Any) -> None:
    """Mask, camera and result are where the artist has them now, and not where the meshes were sent from."""
    morphed()
    ob, before = result(), keys_of(result())
    move = Matrix.LocRotScale((0.5, 1.0, 0.2), Euler((0.0, 0.4, 0.0)), (1.5, 1.5, 1.5))
    ob.matrix_world = move
    drawing = as_mesh(bar(*DRAWN))
    drawing.matrix_world = move
    bpy.context.view_layer.update()
    outline(drawing)
    assert agreement() < 0.9
    match()
    facts.after = agreement()
    assert facts.after >= REACHED
    assert np.allclose(ob.matrix_world, move)
    assert changes(before, keys_of(ob))[::4] == [0.0, 0.0]


def check_a_mirrored_and_unevenly_scaled_result(facts: Any) -> None:
    morphed()
    result().scale = (-1.2, 0.8, 1.0)
    bpy.context.view_layer.update()
    outline(as_mesh(bar(1.6, 0.7)))
    match()
    facts.after = agreement()
    assert facts.after >= REACHED


def check_every_kind_of_outline(facts: Any) -> None:
    morphed()
    settings = bpy.context.scene.tweenfield_outline
    settings.limit_time, settings.seconds = True, 4.0
    for name, ob in (("curve", as_curve(bar(*DRAWN))), ("pencil", as_strokes(bar(*DRAWN)))):
        item = outline(ob)
        match()
        setattr(facts, name, agreement())
        assert getattr(facts, name) >= 0.95, name
        bpy.ops.ed.undo_push(message="matched")
        settings.items.clear()
    drawing = drawn()
    mask = read(drawing)
    settings.items.clear()
    item = outline(as_image(mask))
    assert item.image is not None
    match()
    facts.image = agreement()
    assert facts.image >= 0.95


def check_finish_now_takes_the_best_so_far(facts: Any) -> None:
    morphed()
    drawn()
    settings = bpy.context.scene.tweenfield_outline
    settings.limit_time, settings.seconds = True, 600.0
    bpy.ops.tweenfield.match_outline()
    pump_until(lambda: session().training or not session().busy, 60.0)
    if session().busy:
        bpy.ops.tweenfield.finish()
    pump_until(lambda: not session().busy, 60.0)
    assert session().problem is None, session().problem.report()
    facts.after = agreement()
    assert facts.after >= 0.8


def check_a_reversed_morph(facts: Any) -> None:
    """The first key is the target, the last one the source; both stay."""
    morphed(reverse=True)
    before = keys_of(result())
    drawn()
    match()
    assert agreement() >= REACHED
    facts.moved = changes(before, keys_of(result()))
    assert facts.moved[0] == facts.moved[4] == 0.0


def check_two_views_at_once(facts: Any) -> None:
    morphed()
    side = bpy.data.objects.new("Side", bpy.data.cameras.new("Side"))
    bpy.context.scene.collection.objects.link(side)
    side.location, side.rotation_euler = (8.0, 0.0, 0.0), (np.pi / 2, 0.0, np.pi / 2)
    drawing = as_mesh(bar(0.8, DRAWN[1]))
    drawing.rotation_euler.z = np.pi / 2
    drawn()
    outline(drawing, camera=side)
    bpy.context.view_layer.update()
    facts.said = match()
    overlay = inside.part("outline.difference").overlay
    overlay.refresh(bpy.context)
    facts.after = [one.iou for one in overlay.differences]
    assert min(facts.after) >= 0.95
    assert "; outline 2 " in facts.said


def check_one_undo_brings_the_older_frames_back(facts: Any) -> None:
    morphed()
    drawn()
    bpy.ops.ed.undo_push(message="drawn")
    before, state = keys_of(result()), digest()
    job = bpy.data.collections["A to B"]["tweenfield_made_by"]
    match()
    after = keys_of(result())
    assert bpy.data.collections["A to B"]["tweenfield_made_by"] != job
    bpy.ops.ed.undo()
    assert changes(before, keys_of(result())) == [0.0] * 5
    assert digest() == state
    assert bpy.data.collections["A to B"]["tweenfield_made_by"] == job
    bpy.ops.ed.redo()
    assert changes(after, keys_of(result())) == [0.0] * 5


def check_cancel_leaves_everything_as_it_was(facts: Any) -> None:
    morphed(live_preview=True)
    drawn()
    bpy.context.view_layer.objects.active = result()
    before = digest()
    settings = bpy.context.scene.tweenfield_outline
    settings.limit_time, settings.seconds = True, 60.0
    bpy.ops.tweenfield.match_outline()
    bpy.ops.tweenfield.cancel_outline()
    assert digest() == before
    bpy.ops.tweenfield.match_outline()
    pump_until(previewed, 60.0)
    (shown,) = previewed()
    assert not result().visible_get()
    assert len(shown.data.vertices) == len(result().data.vertices)
    assert session().panel == "outline"
    assert bpy.ops.tweenfield.cancel_outline() == {"FINISHED"}
    assert digest() == before
    pump_for(0.5)
    assert digest() == before
    assert result().visible_get()
    assert session().outcome == "Cancelled"
    assert not bpy.ops.tweenfield.cancel_outline.poll()


def check_an_undo_in_the_middle(facts: Any) -> None:
    """What was made by then is gone; its frames are asked for once more."""
    morphed(keys=30)
    drawn()
    bpy.ops.ed.undo_push(message="drawn")
    bpy.context.scene.frame_start = 0
    bpy.ops.ed.undo_push(message="something else")
    bpy.ops.tweenfield.match_outline()
    pump_until(lambda: session().job is not None and session().job.frames >= 3, 60.0)
    bpy.ops.ed.undo()
    pump_until(lambda: not session().busy, 60.0)
    assert session().problem is None, session().problem.report()
    bpy.context.scene.frame_set(FRAME)
    assert agreement() >= REACHED
    marks = [block.name for block in (*bpy.data.objects, *bpy.data.meshes) if "tweenfield_making" in block]
    assert marks == []


def check_what_rides_along_follows(facts: Any) -> None:
    extras = bpy.data.collections.new("Extras")
    bpy.context.scene.collection.children.link(extras)
    cap = inside.ball("Cap")
    for home in list(cap.users_collection):
        home.objects.unlink(cap)
    extras.objects.link(cap)
    cap.scale = (1.02, 1.02, 1.02)
    bpy.context.view_layer.update()
    home = morphed(carried=extras)
    extras.hide_viewport = True
    (carried,) = (ob for ob in home.objects if ob["tweenfield_original"] == "Cap")
    before = keys_of(carried)
    carried.hide_set(True)
    drawn()
    match()
    facts.moved = changes(before, keys_of(carried))
    assert facts.moved[0] == 0.0
    assert facts.moved[2] > 0.05


def remeshed(way: str) -> Any:
    """The same morph with faces of its own in every frame, with few cells."""
    settings = bpy.context.scene.tweenfield_outline
    settings.limit_time, settings.seconds = True, 60.0
    return morphed(method_name="sdf_blend", preset_name="draft", topology="remesh", resolution=24, frames_as=way)


def check_meshes_of_every_frame_are_matched(facts: Any) -> None:
    home = remeshed("keyed_objects")
    (frames,) = home.children
    objects = inside.part("results").frames_in(frames)
    objects[2].modifiers.new("Mine", "EDGE_SPLIT").show_viewport = False
    before = [coordinates(ob.data) for ob in objects]
    counts = [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "collections", "actions")]
    drawn()
    facts.before = agreement()
    match_until_alike()
    facts.after = agreement()
    assert facts.after >= 0.95
    assert inside.part("results").frames_in(home.children[0]) == objects
    assert [modifier.name for modifier in objects[2].modifiers] == ["Mine"]
    for index in (0, 4):
        assert np.array_equal(coordinates(objects[index].data), before[index])
    again = [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "collections", "actions")]
    assert again == [counts[0] + 1, counts[1] + 1, *counts[2:]]  # the drawing
    assert [ob.hide_viewport for ob in objects] == [True, True, False, True, True]


def check_frames_on_disk_are_matched(facts: Any) -> None:
    """One file for the source's faces, and one for each frame where the faces change."""
    for name, make in (("points", lambda: morphed(frames_as="one_object")), ("faces", lambda: remeshed("one_object"))):
        make()
        if name == "faces" and not bpy.app.build_options.alembic:
            continue
        ob = result()
        first, last = shown_at(ob, 1), shown_at(ob, 9)
        modifiers = [modifier.name for modifier in ob.modifiers]
        bpy.context.scene.frame_set(FRAME)
        drawn()
        assert agreement() < 0.9
        match_until_alike()
        setattr(facts, name, agreement())
        assert getattr(facts, name) >= 0.95, name
        assert [modifier.name for modifier in ob.modifiers] == modifiers
        assert np.array_equal(shown_at(ob, 1), first)
        assert np.array_equal(shown_at(ob, 9), last)
        inside.empty_file()


def check_what_is_refused_changes_nothing(facts: Any) -> None:
    morphed()
    item = drawn()
    before = digest()
    camera = bpy.context.scene.camera
    turned = camera.rotation_euler.copy()
    camera.rotation_euler.z += np.pi
    bpy.context.view_layer.update()
    assert "covers nothing of what the camera 'Camera' sees" in failed()
    camera.rotation_euler = turned
    camera.location.x += 50.0
    item.ob.location.x += 50.0
    bpy.context.view_layer.update()
    assert "Nothing of 'A to B' is seen by the camera 'Camera'" in failed()
    camera.location.x -= 50.0
    item.ob.location.x -= 50.0
    bpy.context.view_layer.update()
    bpy.context.scene.camera = None
    assert "There is no camera" in failed()
    bpy.context.scene.camera = camera
    item.ob = result()
    assert "is the result itself" in failed()
    item.ob = bpy.data.objects["Drawing"]
    assert digest() == before
    home = bpy.data.collections["A to B"]
    there = home["tweenfield_made_by"]
    home["tweenfield_made_by"] = there.replace(inside.part("made_by").made_by(home).job, "gone")
    facts.forgotten = failed()
    assert "does not have this morph any more" in facts.forgotten
    assert "Press Morph for 'A' and 'B' again" in facts.forgotten
    home["tweenfield_made_by"] = there
    assert digest() == before


def check_a_result_that_is_changed_meanwhile(facts: Any) -> None:
    morphed()
    drawn()
    bpy.ops.tweenfield.match_outline()
    result().shape_key_add(name="Mine", from_mix=False)
    pump_until(lambda: not session().busy, 90.0)
    facts.said = session().problem.message
    assert "removed or changed while the outline was matched" in facts.said
    assert [key.name for key in result().data.shape_keys.key_blocks][-1] == "Mine"
