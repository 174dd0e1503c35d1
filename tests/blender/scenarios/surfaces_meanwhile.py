"""While a surface is computed: cancelled, finished early, undone, refused; and what the file keeps of all that."""

from __future__ import annotations

from typing import Any

import bpy
import inside
import numpy as np
from inside import add_object, digest, pump_until, session
from surfaces import CENTRE, NAME, ball_of_points, choose, is_closed, make, results, world


def failed() -> str:
    return inside.failed("surface")


def check_cancel_leaves_nothing(facts: Any) -> None:
    ob = ball_of_points()
    choose(ob, steps=100_000, live_preview=True)
    before = digest()
    bpy.ops.tweenfield.surface()
    bpy.ops.tweenfield.cancel()
    assert digest() == before
    bpy.ops.tweenfield.surface()
    pump_until(lambda: any(ob.get("tweenfield_preview") for ob in bpy.data.objects), 60.0)
    (shown,) = (ob for ob in bpy.data.objects if ob.get("tweenfield_preview"))
    assert len(shown.data.polygons) > 50
    assert shown.show_in_front
    assert np.linalg.norm(world(shown).mean(axis=0) - CENTRE) < 0.2
    assert bpy.ops.tweenfield.cancel() == {"FINISHED"}
    assert digest() == before
    inside.pump_for(0.5)
    assert digest() == before
    assert session().outcome == "Cancelled"


def check_the_preview_hides_what_was_made_before(facts: Any) -> None:
    ob = ball_of_points()
    choose(ob)
    make()
    older = results()["surface"]
    before = digest()
    choose(ob, steps=100_000, live_preview=True)
    bpy.ops.tweenfield.surface()
    pump_until(lambda: any(ob.get("tweenfield_preview") for ob in bpy.data.objects), 60.0)
    assert not older.visible_get()
    bpy.ops.tweenfield.cancel()
    assert older.visible_get()
    assert digest() == before


def check_finish_now_keeps_the_best_so_far(facts: Any) -> None:
    ob = ball_of_points()
    choose(ob, steps=100_000)
    bpy.ops.tweenfield.surface()
    assert not bpy.ops.tweenfield.finish.poll()
    pump_until(lambda: session().training and session().bar.text.startswith("Training"), 60.0)
    inside.pump_for(2.0)
    assert bpy.ops.tweenfield.finish() == {"FINISHED"}
    pump_until(lambda: not session().busy, 60.0)
    assert session().problem is None, session().problem.report()
    assert is_closed(results()["surface"].data)


def check_undo_is_one_step(facts: Any) -> None:
    ob = ball_of_points()
    choose(ob, shells=1)
    bpy.ops.ed.undo_push(message="points")
    before = digest()
    make()
    assert digest() != before
    bpy.ops.ed.undo()
    assert digest() == before
    bpy.ops.ed.redo()
    assert set(results()) == {"surface", "shell +0.1"}


def check_an_undo_in_the_middle(facts: Any) -> None:
    """What was made by then is gone, and made once more; the session goes on."""
    ball_of_points()
    bpy.ops.ed.undo_push(message="points")
    bpy.context.scene.frame_set(7)
    bpy.ops.ed.undo_push(message="something else")
    choose(bpy.data.objects[NAME], shells=2, live_preview=True)
    bpy.ops.ed.undo_push(message="settings")
    bpy.ops.tweenfield.surface()
    job = inside.part("surfaces.job").SurfaceJob
    pump_until(lambda: isinstance(session().job, job) and session().job.frames >= 2, 60.0)
    for _ in range(2):
        bpy.ops.ed.undo()
    pump_until(lambda: not session().busy, 60.0)
    assert session().problem is None, session().problem.report()
    assert set(results()) == {"surface", "shell +0.1", "shell +0.2"}
    assert all(is_closed(made.data) for made in results().values())
    marks = [block.name for block in (*bpy.data.objects, *bpy.data.meshes) if "tweenfield_making" in block]
    assert marks == []


def check_another_file_ends_the_job(facts: Any) -> None:
    choose(ball_of_points(), steps=100_000)
    bpy.ops.tweenfield.surface()
    pump_until(lambda: session().training, 60.0)
    inside.empty_file()
    assert not session().busy
    assert session().problem is None
    inside.pump_for(0.3)
    assert len(bpy.data.objects) == 0
    assert session().backend == "ready"


def check_what_the_buttons_refuse(facts: Any) -> None:
    operators = inside.part("surfaces.operators")
    assert "Select meshes, curves or point clouds" in operators.why_not(bpy.context)
    ob = ball_of_points()
    choose(ob)
    assert "has no faces" in operators.why_no_repair(bpy.context)
    assert not bpy.ops.tweenfield.repair_surface.poll()
    bpy.ops.object.mode_set(mode="EDIT")
    assert "Object Mode" in operators.why_not(bpy.context)
    bpy.ops.object.mode_set(mode="OBJECT")
    before = digest()
    empty = add_object("Empty", np.zeros((0, 3)), [])
    choose(empty)
    assert "'Empty' has no points" in failed()
    bpy.data.batch_remove([empty.data, empty])
    empty = bpy.data.objects.new("Empty", bpy.data.curves.new("Empty", "CURVE"))
    bpy.context.collection.objects.link(empty)
    choose(empty)
    assert "'Empty' has no points" in failed()
    bpy.data.batch_remove([empty.data, empty])
    nowhere = add_object("Nowhere", np.array([[0, 0, 0], [np.nan, 0, 0], [1, 1, 1]]), [])
    choose(nowhere)
    assert "'Nowhere' has 1 points whose position is not a number (the first is point 1" in failed()
    bpy.data.batch_remove([nowhere.data, nowhere])
    choose(ob, mode="unsigned")
    assert "makes no thin skin. Choose 1-Lipschitz network or Known distances" in failed()
    choose(ob, mode="unsigned", shells=1, shell_side="both")
    assert "no shells lie within it" in failed()
    assert digest() == before
    bpy.ops.curve.primitive_bezier_circle_add(rotation=(0.3, 0.2, 0.1))
    choose(bpy.context.object, shells=0, mode="auto")
    assert "is flat, so no closed surface goes through it" in failed()
    ring = add_object("Ring", [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2, 3]])
    choose(ring)
    facts.sheet = failed()
    assert "(IGR) makes signed fields only, and the shape has no inside; choose 1-Lipschitz network or" in facts.sheet
    choose(ring, shells=1, shell_step=2.9)
    assert "it can be 2 at most, twice the length of the shape" in failed()


def check_the_backend_refuses_in_words(facts: Any) -> None:
    ob = add_object(NAME, [[0, 0, 0], [1, 0, 0], [0, 1, 0]], [])
    choose(ob, method_name="no_such_method")
    before = digest()
    assert "no method 'no_such_method'" in failed()
    choose(ob)
    facts.three = failed()
    assert digest() == before
    assert session().panel == "surface"


def check_an_older_backend(facts: Any) -> None:
    """A connection that speaks 1.2, as with a backend that knows no more, refuses in words."""
    choose(ball_of_points())
    link = inside.part("protocol.link")
    newest = link.PROTOCOL
    session().stop_backend()
    pump_until(lambda: session().backend == "stopped")
    link.PROTOCOL = (1, 2)
    before = digest()
    try:
        facts.said = failed()
        assert "older" in facts.said
    finally:
        link.PROTOCOL = newest
        session().stop_backend()
        pump_until(lambda: session().backend == "stopped")
    assert digest() == before
