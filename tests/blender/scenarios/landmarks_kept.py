"""Landmarks while everything around them changes: objects moved, scaled, renamed, deleted, linked, in two scenes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import choose, grid
from landmarks import N, above, add_pair, group, number, pair, pick, picker, sent
from mathutils import Vector


def shown() -> dict[tuple[str, str], Vector]:
    """Where the markers are, by landmark and object."""
    markers = inside.part("landmarks.view").markers(bpy.context)
    return {(marker.name, marker.ob.name): marker.place.copy() for marker in markers}


def off_surface(ob: Any, place: Vector) -> float:
    """How far a place (world) is from what is shown of an object."""
    evaluated = ob.evaluated_get(bpy.context.evaluated_depsgraph_get())
    local = evaluated.matrix_world.inverted() @ place
    return float((evaluated.closest_point_on_mesh(local)[1] - local).length)


def check_a_moved_object(facts: Any) -> None:
    source, target = pair()
    add_pair(source, target, 3, 4)
    before = shown()["1", "B"]
    target.location = (9.0, -7.0, 5.0)
    target.rotation_euler = (0.3, 0.4, 0.5)
    target.scale = (2.0, 0.5, 3.0)
    bpy.context.view_layer.update()
    assert sent() == [[3, 4]]
    after = shown()["1", "B"]
    assert (after - before).length > 5.0
    assert np.allclose(after, target.matrix_world @ target.data.vertices[4].co, atol=1e-5)
    picking = picker()
    pick(picking, source, 40)
    pick(picking, target, 41)
    assert sent()[1] == [40, 41]


def check_tiny_and_huge_objects_in_small_units(facts: Any) -> None:
    bpy.context.scene.unit_settings.scale_length = 0.01
    source, target = pair()
    source.scale, source.location.x = (1e-3,) * 3, 3.0
    target.scale, target.location.x = (200.0,) * 3, 900.0
    bpy.context.view_layer.update()
    picking = picker()
    for a, b in ((number(1, 1), number(1, 7)), (number(7, 2), number(4, 4))):
        for ob, vertex, off in ((source, a, 3e-5), (target, b, 5.0)):
            picking.press(bpy.context, above(ob, vertex, off), None)
            picking.release()
    assert sent() == [[number(1, 1), number(1, 7)], [number(7, 2), number(4, 4)]]


def check_renamed_objects(facts: Any) -> None:
    source, target = pair()
    picking = picker()
    pick(picking, source, 3)
    source.name, target.name = "Wolf", "Dog"
    pick(picking, target, 4)
    picking.undo(bpy.context)
    assert picking.expected(bpy.context) == target
    pick(picking, target, 5)
    assert sent() == [[3, 5]]
    assert set(shown()) == {("1", "Wolf"), ("1", "Dog")}


def check_two_scenes(facts: Any) -> None:
    source, target = pair()
    add_pair(source, target, 3, 4)
    first, other = bpy.context.scene, bpy.data.scenes.new("Other")
    for ob in (source, target):
        other.collection.objects.link(ob)
    bpy.context.window.scene = other
    bpy.context.view_layer.update()
    choose(source, target)
    assert sent() == []
    add_pair(source, target, 7, 8)
    assert sent() == [[7, 8]]
    bpy.context.window.scene = first
    assert sent() == [[3, 4]]
    bpy.context.window.scene = other
    bpy.data.scenes.remove(first)
    assert sent() == [[7, 8]]


def check_deleted_as_an_artist_deletes(facts: Any) -> None:
    """The object leaves the scene, but stays in the file while a landmark points to it: the next picking lets it go."""
    source, target = pair()
    add_pair(source, target, 1, 2)
    bpy.ops.ed.undo_push(message="picked")
    bpy.ops.object.select_all(action="DESELECT")
    target.select_set(True)
    assert bpy.ops.object.delete("EXEC_DEFAULT", True) == {"FINISHED"}
    assert set(shown()) == {("1", "A")}
    assert "'B' is not in this view layer" in inside.part("landmarks.pick").why_not(bpy.context)
    bpy.ops.ed.undo()
    assert sent() == [[1, 2]]
    source, target = bpy.data.objects["A"], bpy.data.objects["B"]
    bpy.ops.object.select_all(action="DESELECT")
    target.select_set(True)
    bpy.ops.object.delete()
    other = grid("C", N)
    choose(source, other)
    picking = picker()
    picking.end(bpy.context)
    assert len(group().pairs) == 0
    bpy.data.orphans_purge()
    assert "B" not in bpy.data.objects


def check_a_linked_object_of_the_same_name(facts: Any) -> None:
    library = str(Path(bpy.app.tempdir) / "library.blend")
    there = grid("A", N)
    bpy.data.libraries.write(library, {there})
    inside.empty_file()
    source = grid("A", N)
    with bpy.data.libraries.load(library, link=True) as (_, loaded):
        loaded.objects = ["A"]
    (target,) = loaded.objects
    bpy.context.scene.collection.objects.link(target)
    source.location.x = 4.0
    bpy.context.view_layer.update()
    assert (source.name, source.library, target.library.name) == (target.name, None, "library.blend")
    choose(source, target)
    picking = picker()
    for a, b in ((10, 20), (30, 60)):
        pick(picking, source, a)
        pick(picking, target, b)
    assert sent() == [[10, 20], [30, 60]]
    assert "belongs to another file" in inside.part("landmarks.preview").why_no_match(bpy.context)


def check_markers_stay_on_what_is_shown(facts: Any) -> None:
    """On their vertex where it moves, and on the surface where a modifier that was added later draws it away."""
    source, target = pair()
    source.shape_key_add(name="Basis")
    lifted = source.shape_key_add(name="Lifted")
    for point in lifted.data:
        point.co.z += 2.0
    add_pair(source, target, number(0, 0), number(4, 4))
    lifted.value = 1.0
    bpy.context.view_layer.update()
    assert abs(shown()["1", "A"].z - 2.0) < 1e-5
    # Its own vertices are the first ones of a subdivided mesh, and of no other.
    round_ = source.modifiers.new("Round", "SUBSURF")
    round_.levels = 2
    bpy.context.view_layer.update()
    place = shown()["1", "A"]
    facts.off, facts.moved = off_surface(source, place), float((place - Vector((-1, -1, 2))).length)
    assert facts.off < 1e-5
    assert facts.moved < 0.2
    assert sent() == [[0, number(4, 4)]]
    source.modifiers.remove(round_)
    source.modifiers.new("Few", "DECIMATE").ratio = 0.3
    bpy.context.view_layer.update()
    assert off_surface(source, shown()["1", "A"]) < 1e-5
    ((near, _),) = sent()
    seen = source.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert near < len(seen.data.vertices)
    gaps = [(vertex.co - Vector((-1, -1, 0))).length for vertex in seen.data.vertices]
    assert gaps[near] == min(gaps)
    bpy.context.view_layer.objects.active = source
    bpy.ops.object.mode_set(mode="EDIT")
    assert set(shown()) == {("1", "A"), ("1", "B")}
    bpy.ops.object.mode_set(mode="OBJECT")


def check_groups_are_weighed(facts: Any) -> None:
    """The landmark is where most of the weight is."""
    source, target = pair()
    for ob in (source, target):
        paw = ob.vertex_groups.new(name="Paw")
        for i in range(N):
            paw.add([number(i, 4)], 0.01, "REPLACE")
        paw.add([number(7, 4)], 1.0, "REPLACE")
    target.vertex_groups["Paw"].add([number(1, 4)], 1.0, "REPLACE")
    assert bpy.ops.tweenfield.landmarks_from_groups() == {"FINISHED"}
    assert sent() == [[number(7, 4), number(4, 4)]]


def check_markers_of_fifty(facts: Any) -> None:
    """On meshes of 60 000 vertices they cost a redraw little."""
    source, target = grid("A", 245), grid("B", 245)
    target.location.x = 4.0
    bpy.context.view_layer.update()
    choose(source, target)
    for vertex in range(0, 50 * 1200, 1200):
        add_pair(source, target, vertex, vertex)
    shown()
    started = time.thread_time()
    for _ in range(10):
        assert len(shown()) == 100
    facts.seconds = (time.thread_time() - started) / 10
    assert facts.seconds < 0.02
    assert len({tuple(landmark.colour) for landmark in group().pairs}) == 50


def check_older_files_keep_their_match(facts: Any) -> None:
    """A file keeps the number of what was chosen: what was there before other ways came has its old number."""
    items = bpy.context.scene.tweenfield.bl_rna.properties["correspondence"].enum_items
    assert [items[name].value for name in ("auto", "vertex-order", "table")] == [0, 1, 2]
    assert len({item.value for item in items}) == len(items)
