"""Errors, cancelling, undo and other files: the scene is left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import (
    add_object,
    choose,
    coordinates,
    failed_morph,
    grid,
    key_coordinates,
    morph,
    pump_until,
    result,
    session,
)

SHORT = {"preset_name": "draft", "keys": 5, "limit_time": True, "seconds": 3.0}


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    before = inside.digest()
    yield
    assert inside.digest() == before


def streaming() -> bool:
    """Whether some shape keys are there, and some are not."""
    job = session().job
    return job is not None and job.frames >= 3


def previewing() -> bool:
    return any(ob.get("tweenfield_preview") for ob in bpy.data.objects)


def start(until: Callable[[], object] = streaming, **changes: Any) -> None:
    """A job that is stopped in the middle: nothing comes in when nobody calls for it."""
    source, target = grid("A"), grid("B", lift=0.5)
    choose(source, target, **({"keys": 200} | changes))
    assert bpy.ops.tweenfield.morph() == {"FINISHED"}
    pump_until(until)


def training(**changes: Any) -> None:
    """A job of the default method that takes long, with a preview."""
    long = {"method_name": "velocity_field", "preset_name": "high", "live_preview": True}
    start(previewing, **(long | changes))


def check_what_the_button_refuses(facts: Any) -> None:
    why_not = inside.part("operators.morph").why_not
    source, target = grid("A"), grid("B")
    settings = choose(source, target)
    assert why_not(bpy.context) == ""
    settings.target = source
    assert "two different" in why_not(bpy.context)
    settings.target = None
    assert "Choose a source" in why_not(bpy.context)
    settings = choose(source, target, frame_start=20)
    assert "last frame" in why_not(bpy.context)
    settings = choose(source, target, frame_start=1, correspondence="table")
    assert "table" in why_not(bpy.context)
    assert not bpy.ops.tweenfield.morph.poll()


def check_bad_objects(facts: Any) -> None:
    """Found before anything is sent."""
    good = grid("Good")
    nan, infinite = grid("NaN"), grid("Infinite")
    for ob, value in ((nan, np.nan), (infinite, np.inf)):
        values = coordinates(ob.data)
        values[5, 1] = value
        ob.data.attributes["position"].data.foreach_set("vector", values.reshape(-1))
        ob.data.update()
    flat = grid("Squashed")
    flat.scale = (1.0, 0.0, 1.0)
    hidden = grid("Away")
    bpy.context.scene.collection.objects.unlink(hidden)
    other = bpy.data.scenes.new("Other")
    other.collection.objects.link(hidden)
    bpy.context.view_layer.update()
    cases = [
        (add_object("Empty", np.zeros((0, 3)), []), "'Empty' has no vertices"),
        (add_object("Points", np.eye(3), []), "'Points' has no faces, only 3 vertices"),
        (nan, "'NaN' has 1 vertices whose position is not a number (the first is vertex 5"),
        (infinite, "'Infinite' has 1 vertices"),
        (flat, "'Squashed' is scaled to nothing"),
        (hidden, "'Away' is not in the current view layer"),
    ]
    for ob, message in cases:
        for pair in ((ob, good), (good, ob)):
            choose(*pair)
            with unchanged():
                assert message in failed_morph(), message
    extras = bpy.data.collections.new("Extras")
    bpy.context.scene.collection.children.link(extras)
    extras.objects.link(nan)
    choose(good, grid("B"), carried=extras)
    with unchanged():
        assert "'NaN'" in failed_morph()


def check_edit_mode(facts: Any) -> None:
    source, target = grid("A"), grid("B")
    choose(source, target)
    bpy.context.view_layer.objects.active = source
    bpy.ops.object.mode_set(mode="EDIT")
    assert "'A' is in Edit Mode" in failed_morph()
    bpy.ops.object.mode_set(mode="OBJECT")
    morph()


def check_edit_mode_at_the_end(facts: Any) -> None:
    """Edit Mode has an undo history of its own, so the result waits."""
    choose(grid("A"), grid("B", lift=0.5))
    bpy.ops.tweenfield.morph()
    bpy.context.view_layer.objects.active = bpy.data.objects["A"]
    bpy.ops.object.mode_set(mode="EDIT")
    pump_until(lambda: "Object Mode" in session().bar.text)
    inside.pump_for(0.1)
    assert "A to B" not in bpy.data.collections
    bpy.ops.object.mode_set(mode="OBJECT")
    pump_until(lambda: not session().busy)
    assert len(result().data.shape_keys.key_blocks) == 5


def check_bad_tables(facts: Any) -> None:
    """Those that cannot be read, and those that the backend refuses."""
    source, target = grid("A"), grid("B", lift=0.5)
    folder = Path(bpy.app.tempdir)
    pairs = np.stack([np.arange(64), np.arange(64)], axis=1).astype(np.int32)
    weights = np.ones(64)
    weights[3] = np.nan
    np.save(folder / "three.npy", np.zeros((4, 3), np.int32))
    np.save(folder / "halves.npy", pairs + 0.5)
    np.save(folder / "beyond.npy", pairs + 1)
    np.save(folder / "short.npy", np.arange(10, dtype=np.int32))
    np.savez(folder / "nan.npz", pairs=pairs, weights=weights)
    np.savez(folder / "other.npz", something=pairs)
    (folder / "text.npy").write_text("0 1\n", encoding="utf-8")
    cases = {
        "three.npy": "4 x 3",
        "halves.npy": "whole numbers",
        "beyond.npy": "64",
        "short.npy": "10",
        "nan.npz": "weight",
        "other.npz": "no pairs",
        "text.npy": "is not a table",
        "missing.npy": "cannot be read",
    }
    for name, words in cases.items():
        choose(source, target, correspondence="table", table=str(folder / name))
        with unchanged():
            assert words in failed_morph(), name


def check_backend_errors(facts: Any) -> None:
    """What the backend finds out is shown with the objects' names, and the scene is as it was."""
    source, target = grid("A"), inside.ball("B")
    choose(source, target)
    with unchanged():
        message = failed_morph()
    assert session().outcome == ""
    facts.no_match = message
    assert "landmarks" in message
    assert "table" in message
    choose(source, grid("C", lift=0.5), method_name="unheard")
    with unchanged():
        assert "no method 'unheard'" in failed_morph()
    report = session().problem.report()
    assert "Blender" in report
    assert "unheard" in report
    choose(source, bpy.data.objects["C"])
    morph()
    assert session().problem is None


def check_cancel_while_training(facts: Any) -> None:
    with_before = grid("Z")
    before = inside.digest()
    training()
    bpy.ops.tweenfield.cancel()
    assert session().outcome == "Cancelled"
    assert not previewing()
    for name in ("A", "B"):
        ob = bpy.data.objects[name]
        mesh = ob.data
        bpy.data.objects.remove(ob)
        bpy.data.meshes.remove(mesh)
    assert inside.digest() == before
    assert with_before.name == "Z"
    inside.pump_for(0.5)
    assert inside.digest() == before


def check_finish_while_training(facts: Any) -> None:
    """What is trained so far becomes the result, long before the training would have ended."""
    assert not bpy.ops.tweenfield.finish.poll()
    training(keys=5)
    pump_until(lambda: session().training)
    for _ in range(2):
        assert bpy.ops.tweenfield.finish() == {"FINISHED"}
    assert session().finishing
    pump_until(lambda: not session().busy, 30)
    assert session().problem is None, session().problem.report()
    assert not session().finishing
    assert not bpy.ops.tweenfield.finish.poll()
    ob = result()
    assert len(ob.data.shape_keys.key_blocks) == 5
    assert np.abs(key_coordinates(ob, 4) - coordinates(bpy.data.objects["B"].data)).max() < 0.05


def check_cancel_while_frames_arrive(facts: Any) -> None:
    choose(grid("A"), grid("B", lift=0.5), keys=200)
    with unchanged():
        bpy.ops.tweenfield.morph()
        pump_until(streaming)
        bpy.ops.tweenfield.cancel()
    morph()
    assert len(result().data.shape_keys.key_blocks) == 200


def check_cancel_at_once(facts: Any) -> None:
    choose(grid("A"), grid("B", lift=0.5))
    with unchanged():
        bpy.ops.tweenfield.morph()
        bpy.ops.tweenfield.cancel()
        inside.pump_for(0.3)
    with unchanged():
        bpy.ops.tweenfield.morph()
        pump_until(lambda: session().job is not None)
        bpy.ops.tweenfield.cancel()
        inside.pump_for(0.3)
    assert not session().busy


def check_preview_moves_and_goes(facts: Any) -> None:
    training(**SHORT)
    (preview,) = (ob for ob in bpy.data.objects if ob.get("tweenfield_preview"))
    pump_until(lambda: not preview.data.shape_keys.use_relative)
    assert len(preview.data.shape_keys.key_blocks) == 5
    start_shape = coordinates(bpy.data.objects["A"].data)
    assert np.abs(key_coordinates(preview, 0) - start_shape).max() < 0.05
    times = set()

    def swings() -> bool:
        found = next((ob for ob in bpy.data.objects if ob.get("tweenfield_preview")), None)
        if found is not None:
            times.add(found.data.shape_keys.eval_time)
        return not session().busy

    pump_until(swings)
    assert len(times) > 3
    assert not previewing()
    assert len(result().data.shape_keys.key_blocks) == 5
    assert [ob.name for ob in bpy.data.collections["A to B"].objects] == ["A to B"]


def check_an_older_result_survives_a_cancel(facts: Any) -> None:
    source, target = grid("A"), grid("B", lift=0.5)
    choose(source, target)
    morph()
    with unchanged():
        choose(source, target, method_name="velocity_field", preset_name="high", live_preview=True)
        bpy.ops.tweenfield.morph()
        pump_until(previewing)
        assert result().hide_get()
        bpy.ops.tweenfield.cancel()
    assert len(result().data.shape_keys.key_blocks) == 5


def check_undo_while_training(facts: Any) -> None:
    source, target = grid("A"), grid("B", lift=0.5)
    choose(source, target, method_name="velocity_field", live_preview=True, **SHORT)
    bpy.ops.ed.undo_push(message="meshes")
    before = inside.digest()
    bpy.ops.tweenfield.morph()
    pump_until(previewing)
    bpy.data.objects["A"].location.x = 1.0
    bpy.ops.ed.undo_push(message="moved")  # the preview is part of this step
    bpy.ops.ed.undo()
    assert not previewing()
    pump_until(lambda: not session().busy)
    assert session().problem is None, session().problem.report()
    assert len(result().data.shape_keys.key_blocks) == 5
    bpy.ops.ed.undo()
    inside.pump_for(0.1)
    assert inside.digest() == before


def check_undo_brings_no_preview_back(facts: Any) -> None:
    training(**SHORT)
    bpy.ops.ed.undo_push(message="during")
    pump_until(lambda: not session().busy)
    bpy.ops.ed.undo()
    inside.pump_for(0.1)
    assert not previewing()
    assert "A to B" not in bpy.data.collections


def check_undo_while_frames_arrive(facts: Any) -> None:
    """The half-made result is lost with its keys; the frames are sent once more."""
    source, target = grid("A"), grid("B", lift=0.5)
    choose(source, target, keys=60)
    bpy.ops.ed.undo_push(message="meshes")
    bpy.ops.tweenfield.morph()
    pump_until(streaming)
    bpy.data.objects["A"].location.x = 1.0
    bpy.ops.ed.undo_push(message="moved")
    pump_until(lambda: session().job.frames > 10)
    bpy.ops.ed.undo()
    pump_until(lambda: not session().busy)
    assert session().problem is None, session().problem.report()
    ob = result()
    assert len(ob.data.shape_keys.key_blocks) == 60
    assert np.array_equal(key_coordinates(ob, 0), coordinates(bpy.data.objects["A"].data))
    assert np.abs(key_coordinates(ob, 59) - coordinates(bpy.data.objects["B"].data)).max() < 1e-6
    made = [mesh.name for mesh in bpy.data.meshes if mesh.users == 0]
    assert made == []


def check_source_deleted_while_training(facts: Any) -> None:
    """The result is made from the copy that was read, so nothing is lost."""
    training(**SHORT)
    bpy.data.objects.remove(bpy.data.objects["A"])
    pump_until(lambda: not session().busy)
    assert session().problem is None, session().problem.report()
    assert len(result().data.shape_keys.key_blocks) == 5


def check_source_undone_while_training(facts: Any) -> None:
    """An undo that takes the source away ends the job with a reason, and nothing is left."""
    bpy.ops.ed.undo_push(message="empty")
    before = inside.digest()
    training(**SHORT)
    bpy.ops.ed.undo_push(message="meshes")
    bpy.ops.ed.undo()
    pump_until(lambda: not session().busy)
    assert "'A' was deleted" in session().problem.message
    assert inside.digest() == before


def check_another_file_during_a_job(facts: Any) -> None:
    path = str(Path(bpy.app.tempdir) / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    for begin in (training, start):
        inside.empty_file()
        begin()
        bpy.ops.wm.open_mainfile(filepath=path)
        assert not session().busy
        assert session().problem is None
        assert list(bpy.data.objects) == []
        inside.pump_for(0.5)
        assert list(bpy.data.objects) == []
        assert session().backend == "ready"


def check_a_saved_preview_is_no_result(facts: Any) -> None:
    path = str(Path(bpy.app.tempdir) / "during.blend")
    training()
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert sorted(ob.name for ob in bpy.data.objects) == ["A", "B"]
    assert len(bpy.data.meshes) == 2
    assert "A to B" not in bpy.data.collections


def check_switching_off_during_a_job(facts: Any) -> None:
    training()
    (folder,) = [path for path in (bpy.data.objects["A"].name,) if path]
    bpy.ops.preferences.addon_disable(module=inside.MODULE)
    assert sorted(ob.name for ob in bpy.data.objects) == ["A", "B"]
    assert folder == "A"
    bpy.ops.preferences.addon_enable(module=inside.MODULE)
    inside.empty_file()
    choose(grid("A"), grid("B", lift=0.5))
    morph()
