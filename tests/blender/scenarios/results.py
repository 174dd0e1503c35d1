"""What a finished morph leaves in the scene."""

from __future__ import annotations

from typing import Any

import bpy
import inside
import numpy as np
from inside import add_object, choose, coordinates, dressed_grid, grid, key_coordinates, morph, result, shown_at


def check_shape_keys_and_their_positions(facts: Any) -> None:
    source, target = grid("A"), grid("B", lift=0.5)
    choose(source, target)
    before = inside.digest()
    morph()
    ob = result()
    keys = ob.data.shape_keys
    assert len(keys.key_blocks) == 5
    assert not keys.use_relative
    assert np.array_equal(key_coordinates(ob, 0), coordinates(source.data))  # bit for bit
    start, end = coordinates(source.data).astype(float), coordinates(target.data).astype(float)
    for frame in (1, 2, 3, 6, 9):
        share = (frame - 1) / 8
        assert np.abs(shown_at(ob, frame) - (start + share * (end - start))).max() < 2e-6, frame
    assert np.abs(shown_at(ob, 0) - start).max() == 0.0
    assert np.abs(shown_at(ob, 20) - end).max() < 2e-6
    mesh, action = ob.data, keys.animation_data.action
    bpy.data.objects.remove(ob)
    bpy.data.meshes.remove(mesh)
    bpy.data.actions.remove(action)
    bpy.data.collections.remove(bpy.data.collections["A to B"])
    assert inside.digest() == before  # nothing else was touched


def check_one_linear_curve(facts: Any) -> None:
    choose(grid("A"), grid("B", lift=0.5), frame_start=10, frame_end=30)
    morph()
    (curve,) = inside.part("write_mesh").curves_of(result().data.shape_keys.animation_data)
    assert curve.data_path == "eval_time"
    assert [point.interpolation for point in curve.keyframe_points] == ["LINEAR", "LINEAR"]
    assert [point.co[0] for point in curve.keyframe_points] == [10.0, 30.0]
    assert [ob.name for ob in bpy.data.collections["A to B"].objects] == ["A to B"]


def check_everything_the_source_has_is_kept(facts: Any) -> None:
    source = dressed_grid("A")
    choose(source, grid("B", lift=0.5))
    morph()
    ob = result()
    mesh, original = ob.data, source.data
    assert mesh is not original
    assert [material.name for material in mesh.materials] == ["A 0", "A 1"]
    assert [polygon.material_index for polygon in mesh.polygons] == [p.material_index for p in original.polygons]
    assert [group.name for group in ob.vertex_groups] == ["Left", "Right"]
    assert [(group.group, group.weight) for group in mesh.vertices[1].groups] == [(0, 0.25)]
    for name, field, size in (("heat", "value", 1), ("Col", "color", 4)):
        values = []
        for owner in (mesh, original):
            found = np.empty(size * len(owner.vertices), np.float32)
            owner.attributes[name].data.foreach_get(field, found)
            values.append(found)
        assert np.array_equal(*values), name
    uvs = []
    for owner in (mesh, original):
        found = np.empty(2 * len(owner.loops), np.float32)
        owner.uv_layers["Painted"].data.foreach_get("uv", found)
        uvs.append(found)
    assert np.array_equal(*uvs)


def check_materials_of_the_object_itself_are_kept(facts: Any) -> None:
    """A slot may hold a material of the object in the place of its mesh's."""
    source = dressed_grid("A")
    source.material_slots[1].link = "OBJECT"
    source.material_slots[1].material = bpy.data.materials.new("Own")
    choose(source, grid("B", lift=0.5))
    morph()
    assert [slot.material.name for slot in result().material_slots] == ["A 0", "Own"]
    assert [material.name for material in source.data.materials] == ["A 0", "A 1"]


def check_modifiers_are_applied(facts: Any) -> None:
    source, target = grid("A", 4), grid("B", 4, lift=0.5)
    for ob in (source, target):
        ob.modifiers.new("Subdivision", "SUBSURF").levels = 1
    choose(source, target)
    morph()
    assert len(result().data.vertices) == 49
    assert len(source.data.vertices) == 16
    assert len(result().modifiers) == 0


def check_transforms(facts: Any) -> None:
    """Both meshes are morphed where they are in the world; the result has the source's place and pivot."""
    source, target = grid("A"), grid("B", lift=0.5)
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.rotation_euler = (0.1, 0.7, -0.3)
    source.parent = parent
    source.location, source.scale = (30.0, -2.0, 5.0), (2.0, -2.0, 2.0)
    target.location, target.rotation_euler = (-4.0, 0.5, 2.0), (1.0, 0.2, 0.1)
    bpy.context.view_layer.update()
    choose(source, target)
    morph()
    ob = result()
    assert np.allclose(np.array(ob.matrix_world), np.array(source.matrix_world), atol=1e-5)
    assert np.array_equal(key_coordinates(ob, 0), coordinates(source.data))
    for original, frame in ((source, 1), (target, 9)):
        matrix = np.array(original.matrix_world)
        world = coordinates(original.data) @ matrix[:3, :3].T + matrix[:3, 3]
        assert np.abs(shown_at(ob, frame) - world).max() < 2e-5, original.name


def check_shear_is_kept(facts: Any) -> None:
    """A turned child of an unevenly scaled parent is sheared, which an object's own transform cannot say."""
    source, target = grid("A"), grid("B", lift=0.5)
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.scale = (1.0, 3.0, 1.0)
    source.parent, source.rotation_euler = parent, (0.0, 0.0, 0.6)
    bpy.context.view_layer.update()
    choose(source, target)
    morph()
    matrix = np.array(source.matrix_world)
    world = coordinates(source.data) @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(shown_at(result(), 1) - world).max() < 2e-6


def check_a_second_run_replaces_its_own_result(facts: Any) -> None:
    source, target = grid("A"), grid("B", lift=0.5)
    choose(source, target)
    morph()
    first = result()
    first.modifiers.new("Mine", "SUBSURF")
    uid = first.session_uid
    counts = [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "collections", "actions", "shape_keys")]
    choose(source, target, keys=7, reverse=True)
    morph()
    second = result()
    assert second.session_uid == uid
    assert [modifier.name for modifier in second.modifiers] == ["Mine"]
    assert len(second.data.shape_keys.key_blocks) == 7
    assert np.abs(key_coordinates(second, 0) - coordinates(target.data)).max() < 1e-6
    assert np.array_equal(key_coordinates(second, 6), coordinates(source.data))
    again = [len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "collections", "actions", "shape_keys")]
    assert again == counts
    choose(source, grid("C", lift=1.0))
    morph()
    assert result("A", "C") != second
    assert len(bpy.data.collections) == 2


def check_other_objects_ride_along(facts: Any) -> None:
    source, target = grid("A", 5), grid("B", 5, lift=0.5)
    target.location = (0.0, 0.0, 3.0)
    extras = bpy.data.collections.new("Extras")
    bpy.context.scene.collection.children.link(extras)
    eye = add_object("Eye", [(0, 0, 0.1), (0.1, 0, 0.1), (0, 0.1, 0.1)], [(0, 1, 2)])
    curve = bpy.data.curves.new("Hair", "CURVE")
    curve.dimensions = "3D"
    spline = curve.splines.new("POLY")
    spline.points.add(2)
    for index, point in enumerate(spline.points):
        point.co = (0.1 * index, 0.0, 0.1, 1.0)
    hair = bpy.data.objects.new("Hair", curve)
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    for ob in (eye, hair, rig, bpy.data.objects.new("Empty", None)):
        extras.objects.link(ob)
    eye.location = (0.2, 0.2, 0.0)
    bpy.context.view_layer.update()
    choose(source, target, carried=extras)
    morph()
    made = {ob.get("tweenfield_original"): ob for ob in bpy.data.collections["A to B"].objects}
    assert sorted(made) == ["A", "Eye", "Hair"]
    for name in ("Eye", "Hair"):
        ob = made[name]
        assert len(ob.data.shape_keys.key_blocks) == 5
        moved = shown_at(ob, 9)[:, 2] - shown_at(ob, 1)[:, 2]
        assert (moved > 2.0).all(), (name, moved)
    assert np.array_equal(key_coordinates(made["Eye"], 0), coordinates(eye.data))
    assert hair.type == "CURVE"
    assert "Not carried along: 'Rig', 'Empty'. Only meshes" in inside.session().outcome


def check_table_and_scripts(facts: Any) -> None:
    """A table from a file, and a script that waits."""
    source, ordered = grid("A"), grid("Ordered", lift=0.5)
    order = np.random.default_rng(0).permutation(64)
    back = np.argsort(order).astype(np.int32)
    faces = [[int(back[vertex]) for vertex in polygon.vertices] for polygon in ordered.data.polygons]
    target = add_object("B", coordinates(ordered.data)[order], faces)
    end = coordinates(ordered.data)
    path = f"{bpy.app.tempdir}table.npy"
    np.save(path, np.stack([np.arange(64, dtype=np.int32), back], axis=1))
    choose(source, target, correspondence="table", table=path)
    assert bpy.ops.tweenfield.morph(wait=True) == {"FINISHED"}
    # A table may be noisy, so its ends are smoothed; without it the vertices would end all over the target.
    assert np.abs(shown_at(result(), 9) - end).mean() < 0.02
    np.save(path, back)
    assert bpy.ops.tweenfield.morph(wait=True) == {"FINISHED"}
    assert np.abs(shown_at(result(), 9) - end).mean() < 0.02


def check_one_undo_step(facts: Any) -> None:
    bpy.ops.ed.undo_push(message="start")
    choose(grid("A"), grid("B", lift=0.5))
    bpy.ops.ed.undo_push(message="meshes")
    before = inside.digest()
    morph()
    after = inside.digest()
    bpy.ops.ed.undo()
    inside.pump_for(0.1)
    assert inside.digest() == before
    bpy.ops.ed.redo()
    inside.pump_for(0.1)
    assert inside.digest() == after


def check_far_and_tiny(facts: Any) -> None:
    for place, size in ((1e6, 1.0), (0.0, 1e-6)):
        inside.empty_file()
        source, target = grid("A", 6), grid("B", 6, lift=0.5)
        for ob in (source, target):
            ob.location, ob.scale = (place, 0.0, 0.0), (size, size, size)
        bpy.context.view_layer.update()
        choose(source, target)
        morph()
        assert np.array_equal(key_coordinates(result(), 0), coordinates(source.data))
        assert np.abs(key_coordinates(result(), 4) - coordinates(target.data)).max() < 1e-5


def check_generated_settings(facts: Any) -> None:
    """The advertised settings become properties; what was changed by hand is sent, and the preset's values are not."""
    generated = inside.part("generated")
    choose(grid("A"), grid("B", lift=0.5))
    morph()  # the backend has introduced itself by now
    methods = generated.methods.specs
    assert {"velocity_field", "linear", "arap"} <= set(methods)
    scene = bpy.context.scene
    settings = scene.tweenfield
    for spec in methods.values():
        untouched = generated.methods.group_of(bpy.data.scenes.new(spec.name), spec.name)
        for name, value in spec.resolve("standard", {}).items():
            shown = getattr(untouched, name)
            assert np.float32(shown) == np.float32(value) if isinstance(value, float) else shown == value, name
        group = generated.methods.group_of(scene, spec.name)
        assert {setting.name for setting in spec.settings} == set(group.bl_rna.properties.keys()) - {"rna_type", "name"}
        for preset in spec.presets:
            settings.method = spec.name
            settings.preset = preset
            assert (settings.method_name, settings.preset_name) == (spec.name, preset)
            assert bpy.types.UILayout.enum_item_name(settings, "method", spec.name) == spec.label
            assert bpy.types.UILayout.enum_item_name(settings, "preset", preset) == preset.capitalize()
            assert generated.methods.changed_settings(scene, spec, preset) == {}
    spec = methods["velocity_field"]
    settings.method, settings.preset = "velocity_field", "draft"
    number = next(setting for setting in spec.settings if setting.type == "float")
    wanted = (number.minimum or 0.0) + 0.3 if number.maximum is None or number.maximum > 0.3 else number.maximum
    setattr(generated.methods.group_of(scene, "velocity_field"), number.name, wanted)
    changed = generated.methods.changed_settings(scene, spec, "draft")
    assert set(changed) <= {number.name}
    assert spec.resolve("draft", changed)[number.name] == wanted
    bpy.ops.tweenfield.reset_settings()
    assert generated.methods.changed_settings(scene, spec, "draft") == {}
