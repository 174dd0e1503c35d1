"""Landmarks: picked by rays, moved, taken back, mirrored, made of vertex groups, kept in the file, sent."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import choose, grid
from mathutils import Vector

N = 9  # vertices along a side of a grid, which reaches from -1 to 1


def store() -> Any:
    return inside.part("landmarks.store")


def group() -> Any:
    return bpy.context.scene.tweenfield_landmarks


def pair(apart: float = 4.0, **extras: Any) -> tuple[Any, Any]:
    """Two grids side by side, chosen."""
    source, target = grid("A", N), grid("B", N)
    target.location.x = apart
    bpy.context.view_layer.update()
    choose(source, target, **extras)
    return source, target


def number(i: int, j: int) -> int:
    return i * N + j


def above(ob: Any, vertex: int, off: float = 0.03) -> Any:
    """Rays, but one alone, from above, not quite on a vertex of the mesh as it is shown."""
    evaluated = ob.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    place = ob.matrix_world @ mesh.vertices[vertex].co
    evaluated.to_mesh_clear()
    inward = (ob.matrix_world.translation - place).normalized() * off
    origin = Vector((place.x + inward.x, place.y + inward.y, 10.0))
    return (inside.part("landmarks.skin").Ray(origin, Vector((0.0, 0.0, -1.0))),)


def picker() -> Any:
    return inside.part("landmarks.picking").Picker()


def pick(picking: Any, ob: Any, vertex: int) -> None:
    picking.press(bpy.context, above(ob, vertex), None)
    picking.release()


def add_pair(source: Any, target: Any, a: int, b: int, name: str = "") -> Any:
    skin = inside.part("landmarks.skin").skin_of
    places = skin(bpy.context, source).place(a), skin(bpy.context, target).place(b)
    return store().add_pair(bpy.context.scene, (source, target), places, name)


def sent(way: str = "auto") -> list[list[int]]:
    """The landmarks in the vertex numbers of the meshes that would be sent."""
    settings = bpy.context.scene.tweenfield
    objects = settings.source, settings.target
    read = inside.part("read_mesh").read_target
    meshes = tuple(read(bpy.context, ob) for ob in objects)
    pairs = inside.part("landmarks.sending").landmark_pairs(bpy.context.scene, objects, meshes, way)
    return [] if pairs is None else pairs.tolist()


def check_picking_alternates(facts: Any) -> None:
    source, target = pair()
    picking = picker()
    assert picking.expected(bpy.context) == source
    for a, b in ((number(1, 1), number(1, 7)), (number(7, 2), number(4, 4))):
        pick(picking, source, a)
        assert picking.expected(bpy.context) == target
        assert [a, b] not in sent()  # half made
        pick(picking, target, b)
    assert sent() == [[number(1, 1), number(1, 7)], [number(7, 2), number(4, 4)]]
    assert [landmark.name for landmark in group().pairs] == ["1", "2"]
    assert tuple(group().pairs[0].colour) != tuple(group().pairs[1].colour)
    assert picking.end(bpy.context)
    assert not picker().end(bpy.context)


def check_a_click_on_the_other_mesh(facts: Any) -> None:
    """The order of two clicks does not matter, a second one moves the first, and off the meshes nothing is picked."""
    source, target = pair()
    picking = picker()
    pick(picking, target, 5)
    assert picking.expected(bpy.context) == source
    pick(picking, target, 6)
    pick(picking, source, 7)
    assert sent() == [[7, 6]]
    off = inside.part("landmarks.skin").Ray(Vector((50.0, 0.0, 9.0)), Vector((0.0, 0.0, -1.0)))
    picking.press(bpy.context, (off,), None)
    assert "Neither" in picking.told
    pick(picking, source, 7)
    assert "already" in picking.told
    picking.press(bpy.context, (off, *above(source, 8)), None)  # beside the mesh, but not far
    picking.undo(bpy.context)
    assert picking.told == "Taken back"
    assert sent() == [[7, 6]]
    assert len(group().pairs) == 1


def check_meshes_in_one_place(facts: Any) -> None:
    source, target = pair(apart=0.0)
    target.location.z = 0.5  # over the source
    bpy.context.view_layer.update()
    picking = picker()
    pick(picking, source, number(2, 3))
    pick(picking, target, number(6, 5))
    assert sent() == [[number(2, 3), number(6, 5)]]
    source.hide_set(True)
    picking.press(bpy.context, above(target, number(3, 3)), None)
    assert store().end_on(group().pairs[1], target) is not None
    assert store().end_on(group().pairs[1], source) is None


def check_move_delete_and_take_back(facts: Any) -> None:
    source, target = pair()
    picking = picker()
    for vertex in (10, 20, 30):
        pick(picking, source, vertex)
        pick(picking, target, vertex + 1)
    picking.press(bpy.context, above(target, 21), (1, target))
    for vertex in (22, 40, 50, 31):  # the last has a landmark already: it stays where it was
        picking.drag(bpy.context, above(target, vertex))
    picking.release()
    picking.drag(bpy.context, above(target, 60))  # the button is up
    assert sent() == [[10, 11], [20, 50], [30, 31]]
    assert group().active == 1
    picking.delete(bpy.context, (0, source))
    assert sent() == [[20, 50], [30, 31]]
    picking.delete(bpy.context, None)  # the active one
    assert len(sent()) == 1
    for expected in ([[20, 50], [30, 31]], [[10, 11], [20, 50], [30, 31]], [[10, 11], [20, 21], [30, 31]]):
        picking.undo(bpy.context)
        assert sent() == expected
    picking.undo(bpy.context)  # the last target click
    assert sent() == [[10, 11], [20, 21]]
    assert picking.expected(bpy.context) == target
    picking.end(bpy.context)  # leaves nothing half made
    assert len(group().pairs) == 2
    for _ in range(9):
        picking.undo(bpy.context)
    assert sent() == []
    assert "Nothing" in picking.told


def check_at_most_fifty(facts: Any) -> None:
    source, target = pair()
    for vertex in range(50):
        add_pair(source, target, vertex, vertex)
    picking = picker()
    pick(picking, source, 60)
    assert "50" in picking.told
    assert len(group().pairs) == 50
    assert sent()[49] == [49, 49]
    assert sent("vertex-order") == sent("table") == []


def check_kept_in_the_file(facts: Any) -> None:
    source, target = pair()
    add_pair(source, target, 3, 4, "Nose")
    add_pair(source, target, 5, 6)
    path = str(Path(bpy.app.tempdir) / "landmarks.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    inside.empty_file()
    assert len(group().pairs) == 0
    bpy.ops.wm.open_mainfile(filepath=path)
    assert sent() == [[3, 4], [5, 6]]
    assert [landmark.name for landmark in group().pairs] == ["Nose", "2"]


def check_landmarks_belong_to_their_objects(facts: Any) -> None:
    """Those of another pair are not sent; where source and target change places, so do they."""
    source, target = pair()
    third = grid("C", N)
    add_pair(source, target, 3, 4)
    choose(source, third)
    assert sent() == []
    add_pair(source, third, 8, 9)
    assert sent() == [[8, 9]]
    choose(target, source)
    assert sent() == [[4, 3]]
    assert bpy.ops.tweenfield.clear_landmarks() == {"FINISHED"}
    assert sent() == []
    choose(source, third)
    assert sent() == [[8, 9]]


def check_modifiers_change_the_numbers(facts: Any) -> None:
    source, target = pair()
    for ob in (source, target):
        ob.modifiers.new("Subdivide", "SUBSURF").levels = 1
    bpy.context.view_layer.update()
    vertex = 100  # there is none in the mesh itself
    picking = picker()
    pick(picking, source, vertex)
    pick(picking, target, vertex)
    assert sent() == [[vertex, vertex]]
    skin = inside.part("landmarks.skin").skin_of(bpy.context, source)
    place = skin.positions[vertex]
    source.modifiers.clear()
    bpy.context.view_layer.update()
    ((near, same),) = sent()
    own = inside.coordinates(source.data)
    assert same == vertex
    assert near == np.linalg.norm(own - place, axis=1).argmin()
    # A mesh that only moves takes its landmarks along.
    source.modifiers.new("Wave", "CAST").factor = 0.7
    bpy.context.view_layer.update()
    landmark = add_pair(source, target, 0, 13)
    source.modifiers.clear()
    bpy.context.view_layer.update()
    assert [0, 13] in sent()
    assert np.linalg.norm(np.array(landmark.first.point) - own[0]) > 0.05


def check_mirror(facts: Any) -> None:
    source, target = pair()
    target.rotation_euler.z = np.pi / 2  # its left and right are still along its own x
    target.scale = (2.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    add_pair(source, target, number(1, 2), number(2, 3), "Hand.L")
    add_pair(source, target, number(4, 4), number(4, 5))  # on the plane
    assert bpy.ops.tweenfield.mirror_landmarks(axis="X") == {"FINISHED"}
    assert sent()[2:] == [[number(7, 2), number(6, 3)]]
    assert group().pairs[2].name == "Hand.R"
    assert bpy.ops.tweenfield.mirror_landmarks(axis="X") == {"CANCELLED"}  # all of them are there
    assert len(group().pairs) == 3
    assert bpy.ops.tweenfield.mirror_landmarks(axis="X", target_axis="Y") == {"CANCELLED"}
    assert bpy.ops.tweenfield.clear_landmarks() == {"FINISHED"}
    add_pair(source, target, number(1, 2), number(2, 3))
    assert bpy.ops.tweenfield.mirror_landmarks(axis="X", target_axis="Y") == {"FINISHED"}
    assert sent()[1] == [number(7, 2), number(2, 5)]
    source.data.transform(source.matrix_world.Translation((0.7, 0.0, 0.0)))  # no plane of symmetry any more
    bpy.context.view_layer.update()
    bpy.ops.tweenfield.clear_landmarks()
    add_pair(source, target, number(8, 2), number(2, 3))
    assert bpy.ops.tweenfield.mirror_landmarks(axis="X") == {"CANCELLED"}
    assert len(sent()) == 1


def check_from_vertex_groups(facts: Any) -> None:
    source, target = pair()
    for ob, middle in ((source, (2, 2)), (target, (6, 5))):
        around = [number(middle[0] + i, middle[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        ob.vertex_groups.new(name="Paw").add(around, 1.0, "REPLACE")
        ob.vertex_groups.new(name="Empty")
        ob.vertex_groups.new(name="Zero").add([3], 0.0, "REPLACE")
        ob.vertex_groups.new(name=f"Only {ob.name}").add([1], 1.0, "REPLACE")
        ob.vertex_groups.new(name="Tip").add([number(8, 8)], 0.5, "REPLACE")
        ob.vertex_groups.new(name="Twin").add([number(8, 8)], 0.5, "REPLACE")
    assert bpy.ops.tweenfield.landmarks_from_groups() == {"FINISHED"}
    assert sent() == [[number(2, 2), number(6, 5)], [number(8, 8), number(8, 8)]]
    assert [landmark.name for landmark in group().pairs] == ["Paw", "Tip"]
    target.vertex_groups["Paw"].remove(range(N * N))
    target.vertex_groups["Paw"].add([0], 1.0, "REPLACE")
    assert bpy.ops.tweenfield.landmarks_from_groups() == {"FINISHED"}  # those that are there follow their group
    assert sent()[0] == [number(2, 2), 0]
    assert len(group().pairs) == 2
    source.vertex_groups.clear()
    assert bpy.ops.tweenfield.landmarks_from_groups() == {"CANCELLED"}
    bpy.context.view_layer.objects.active = source
    bpy.ops.object.mode_set(mode="EDIT")
    assert not bpy.ops.tweenfield.landmarks_from_groups.poll()
    assert not bpy.ops.tweenfield.pick_landmarks.poll()
    bpy.ops.object.mode_set(mode="OBJECT")


def check_undo_and_removal(facts: Any) -> None:
    source, target = pair()
    add_pair(source, target, number(1, 2), number(2, 3))
    bpy.ops.ed.undo_push(message="picked")
    bpy.ops.tweenfield.mirror_landmarks("EXEC_DEFAULT", True, axis="X")
    assert len(sent()) == 2
    group().active = 0
    bpy.ops.tweenfield.remove_landmark("EXEC_DEFAULT", True)
    assert sent() == [[number(7, 2), number(6, 3)]]
    for left in (2, 1):
        bpy.ops.ed.undo()
        assert len(sent()) == left
    with contextlib.suppress(RuntimeError):
        bpy.ops.ed.redo()
    assert len(sent()) == 2


def check_a_deleted_object(facts: Any) -> None:
    """Its landmarks are nobody's, and break nothing."""
    source, target = pair()
    add_pair(source, target, 1, 2)
    bpy.data.objects.remove(target)
    other = grid("D", N)
    other.location.x = -4.0
    bpy.context.view_layer.update()
    choose(source, other)
    assert sent() == []
    picking = picker()
    assert not picking.end(bpy.context)
    assert len(group().pairs) == 0
    pick(picking, source, 9)
    pick(picking, other, 8)
    assert sent() == [[9, 8]]
    picking.end(bpy.context)


def check_markers_are_where_the_vertices_are(facts: Any) -> None:
    source, target = pair()
    add_pair(source, target, 11, 12)
    target.modifiers.new("Cast", "CAST").factor = 1.0
    bpy.context.view_layer.update()
    view = inside.part("landmarks.view")
    found = {marker.ob.name: marker.place for marker in view.markers(bpy.context)}
    read = inside.part("read_mesh").read_target
    for ob, vertex in ((source, 11), (target, 12)):
        position = read(bpy.context, ob).positions()[vertex]
        assert np.allclose(found[ob.name], position, atol=1e-6)
    source.hide_set(True)
    assert [marker.ob.name for marker in view.markers(bpy.context)] == ["B"]
    assert inside.part("landmarks.drawing").draw in inside.part("viewports").drawing
