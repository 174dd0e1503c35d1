"""Frames with faces of their own while they arrive, and after: undo, cancel, another file, another run, the preview."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import inside
from inside import morph, pump_until, result, session
from own_frames import evaluated, files, frame_objects, pair, vertices_of, visible

KINDS = ("objects", "meshes", "collections", "actions", "shape_keys", "cache_files", "scenes")


def check_a_second_run_replaces_every_kind(facts: Any) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(Path.cwd() / "again.blend"))
    settings = pair()
    counts: dict[str, list[int]] = {}
    for way in ("keyed_objects", "one_object", "keyed_objects", "auto", "one_object", "one_object"):
        settings.frames_as, settings.topology = way, "keep" if way == "auto" else "remesh"
        morph()
        now = [len(getattr(bpy.data, kind)) for kind in KINDS]
        assert counts.setdefault(way, now) == now, way
        if way == "one_object" and len(result().modifiers) == 1:
            result().modifiers.new("Mine", "SUBSURF")
    assert [modifier.type for modifier in result().modifiers] == ["MESH_SEQUENCE_CACHE", "SUBSURF"]
    bpy.ops.wm.save_mainfile()
    for _ in range(5):  # the folder of the saved file stays; of the others the newest few
        morph()
    assert sorted(path.name for path in (Path.cwd() / "again_tweenfield").iterdir()) == [
        f"A to B {number:03d}" for number in (3, 6, 7, 8)
    ]


def check_undo_and_redo(facts: Any) -> None:
    for way in ("keyed_objects", "one_object"):
        inside.empty_file()
        pair(frames_as=way)
        bpy.ops.ed.undo_push(message="meshes")
        before = inside.digest()
        morph()
        after = inside.digest()
        bpy.ops.ed.undo()
        inside.pump_for(0.1)
        assert inside.digest() == before, way
        bpy.ops.ed.redo()
        inside.pump_for(0.1)
        assert inside.digest() == after, way
        if way == "one_object":
            assert evaluated(result(), 9)["vertices"] == vertices_of(16)
        else:
            assert len(visible(9)) == 1


def check_cancel_and_another_file(facts: Any) -> None:
    path = str(Path(bpy.app.tempdir) / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    for way in ("keyed_objects", "one_object"):
        inside.empty_file()
        pair(frames_as=way, keys=60)
        before, there = inside.digest(), files()
        bpy.ops.tweenfield.morph()
        pump_until(lambda: session().job is not None and session().job.frames >= 3)
        assert inside.digest() != before
        bpy.ops.tweenfield.cancel()
        inside.pump_for(0.2)
        assert inside.digest() == before, way
        assert files() == there
        bpy.ops.tweenfield.morph()
        pump_until(lambda: session().job is not None and session().job.frames >= 3)
        bpy.ops.wm.open_mainfile(filepath=path)
        inside.pump_for(0.2)
        assert not session().busy
        assert list(bpy.data.objects) == list(bpy.data.meshes) == list(bpy.data.cache_files) == []
        assert files() == there


def check_a_cancel_leaves_no_folder_behind(facts: Any) -> None:
    blend = Path(bpy.app.tempdir) / "cancelled.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    folder = blend.with_name("cancelled_tweenfield")
    settings = pair(frames_as="one_object", keys=60)
    for kept in (False, True):
        bpy.ops.tweenfield.morph()
        pump_until(lambda: session().job is not None and session().job.frames >= 3)
        assert folder.is_dir()
        bpy.ops.tweenfield.cancel()
        assert folder.exists() == kept
        if not kept:
            settings.keys = 5
            morph()  # the folder is needed from here on
            settings.keys = 60
    assert [path.name for path in folder.iterdir()] == ["A to B 001"]


def check_undo_while_frames_arrive(facts: Any) -> None:
    for way in ("keyed_objects", "one_object"):
        inside.empty_file()
        pair(frames_as=way, keys=150, frame_end=150)
        bpy.ops.ed.undo_push(message="meshes")
        bpy.ops.tweenfield.morph()
        pump_until(lambda: session().job is not None and session().job.frames >= 3)
        bpy.data.objects["B"].location.x = 1.0
        bpy.ops.ed.undo_push(message="moved")
        pump_until(lambda: session().job.frames > 10)
        bpy.ops.ed.undo()
        pump_until(lambda: not session().busy)
        assert session().problem is None, session().problem.report()
        if way == "keyed_objects":
            assert len(frame_objects()) == 150
            assert [frame_objects().index(visible(scene_frame)[0]) for scene_frame in (1, 70, 150)] == [0, 69, 149]
        else:
            assert evaluated(result(), 150)["vertices"] == vertices_of(16)
        assert [mesh.name for mesh in bpy.data.meshes if mesh.users == 0] == []
        assert [ob.name for ob in bpy.data.objects if not ob.users_collection] == []


def check_preview_of_new_surfaces(facts: Any) -> None:
    """One object, whose mesh is swapped; an older result is hidden meanwhile."""
    settings = pair()
    morph()
    assert visible(1) != []
    before = inside.digest()
    settings.preset_name, settings.live_preview = "slow", True
    bpy.ops.tweenfield.morph()
    pump_until(lambda: any(ob.get("tweenfield_preview") for ob in bpy.data.objects))
    (preview,) = (ob for ob in bpy.data.objects if ob.get("tweenfield_preview"))
    seen: set[int] = set()

    def swings() -> bool:
        seen.add(len(preview.data.vertices))
        return len(seen) >= 4

    pump_until(swings, 20)
    assert [material.name for material in preview.data.materials] == ["A 0", "A 1"]
    assert sum(mesh.get("tweenfield_preview") is not None for mesh in bpy.data.meshes) in range(5, 10)
    assert not frame_objects()[0].visible_get()
    bpy.ops.tweenfield.cancel()
    assert inside.digest() == before
    assert frame_objects()[0].visible_get()
