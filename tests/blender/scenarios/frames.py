"""Frames with faces of their own: keyed objects, and one object that reads files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import choose, grid, morph, result, session, shown_at
from own_frames import OWN, evaluated, frame_objects, pair, vertices_of, visible

KEEP = {"method_name": "own_faces", "topology": "keep"}


def check_keyed_objects(facts: Any) -> None:
    pair()
    morph()
    assert "A to B frames: 5 meshes" in session().outcome, session().outcome
    assert "Topology: new surfaces" in session().outcome
    assert "5 meshes, about 1 MB: one object each" in session().outcome
    assert len(frame_objects()) == 5
    for scene_frame in (-100, 0, *range(1, 10), 10, 1000):
        (ob,) = visible(scene_frame)
        index = min(max((scene_frame - 1) // 2 + (scene_frame - 1) % 2, 0), 4)  # halves are rounded up
        assert frame_objects().index(ob) == index, scene_frame
    for index, ob in enumerate(frame_objects()):
        seen = evaluated(ob, 1 + 2 * index)
        assert seen["vertices"] == vertices_of(8 + 2 * index)
        assert seen["uv"] == ["Painted", "uv_target"]
        assert seen["u_range"] == [0.0, 1.0]
        assert abs(seen["red"] - index / 4) < 1e-6
        assert seen["smooth"]
        assert seen["materials"] == ["A 0", "A 1"]
        world = shown_at(ob, 1 + 2 * index)
        assert np.abs(np.linalg.norm(world, axis=1) - (0.5 + index / 4)).max() < 1e-5
        assert ob.data.color_attributes["Col"].data_type == "FLOAT_COLOR"
    assert [slot.name for slot in bpy.data.objects["A"].material_slots] == ["A 0", "A 1"]


def check_more_and_fewer_meshes_than_frames(facts: Any) -> None:
    for keys, last in ((2, 9), (3, 2), (9, 9), (12, 5), (4, 9)):
        inside.empty_file()
        pair(keys=keys, frame_end=last)
        morph()
        shown = [visible(scene_frame) for scene_frame in range(-1, last + 3)]
        assert all(len(objects) == 1 for objects in shown), (keys, last)
        order = [frame_objects().index(objects[0]) for objects in shown]
        assert order == sorted(order)
        assert (order[0], order[-1]) == (0, keys - 1)
        assert ("Set Keys to" in session().outcome) == (keys != last)


def check_a_frame_without_a_surface(facts: Any) -> None:
    settings = pair()
    morph()
    inside.part("generated").methods.group_of(bpy.context.scene, "own_faces").gap = True
    for way in ("keyed_objects", "one_object"):
        settings.frames_as = way
        morph()
        shown = [visible(frame)[0] if way == "keyed_objects" else result() for frame in (1, 5, 9)]
        found = [evaluated(ob, frame)["vertices"] for ob, frame in zip(shown, (1, 5, 9), strict=True)]
        assert found == [vertices_of(8), 0, vertices_of(16)]


def check_flat_and_bare_sources(facts: Any) -> None:
    source = grid("A")
    source.data.shade_flat()
    for way in ("keyed_objects", "one_object"):
        choose(source, bpy.data.objects.get("B") or grid("B"), **OWN, frames_as=way)
        morph()
        ob = frame_objects()[2] if way == "keyed_objects" else result()
        seen = evaluated(ob, 5)
        assert seen["uv"] == ["UVMap", "uv_target"]
        assert ob.data.color_attributes[0].name == "Color"
        assert seen["materials"] == []
        mesh = ob.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
        assert mesh.normals_domain == ("FACE" if way == "keyed_objects" else "CORNER")
        normals = np.array([mesh.corner_normals[corner].vector for corner in mesh.polygons[30].loop_indices])
        assert np.abs(normals - np.array(mesh.polygons[30].normal)).max() < 1e-3


def check_one_object_that_reads_files(facts: Any) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(Path.cwd() / "scene.blend"))
    pair(frames_as="one_object")
    morph()
    ob = result()
    assert [modifier.type for modifier in ob.modifiers] == ["MESH_SEQUENCE_CACHE"]
    assert ob.modifiers[0].cache_file.filepath == "//scene_tweenfield/A to B 001/frame_0001.abc"
    folder = Path.cwd() / "scene_tweenfield" / "A to B 001"
    assert sorted(path.name for path in folder.iterdir()) == [f"frame_{number:04d}.abc" for number in range(1, 6)]
    for scene_frame in (-50, 1, 3, 4, 5, 9, 400):
        index = min(max((scene_frame - 1) // 2 + (scene_frame - 1) % 2, 0), 4)
        seen = evaluated(ob, scene_frame)
        assert seen["vertices"] == vertices_of(8 + 2 * index), scene_frame
        assert seen["uv"] == ["Painted", "uv_target"]
        assert seen["u_range"] == [0.0, 1.0]
        assert abs(seen["red"] - index / 4) < 0.01  # a byte
        assert seen["smooth"]
        assert seen["materials"] == ["A 0", "A 1"]
        world = shown_at(ob, scene_frame)
        assert np.abs(np.linalg.norm(world, axis=1) - (0.5 + index / 4)).max() < 1e-5
    assert len(bpy.data.scenes) == 1
    assert bpy.data.cache_files[0].users == 1
    assert str(folder) in session().outcome


def check_materials_of_the_faces(facts: Any) -> None:
    """Each face is in the slot that the frame says, whichever way it is kept, and where a slot has no faces, too."""
    settings = pair()
    bpy.data.objects["A"].data.materials.append(bpy.data.materials.new("A 2"))
    known = sorted(material.name for material in bpy.data.materials)
    for way in ("keyed_objects", "one_object"):
        settings.frames_as = way
        morph()
        assert sorted(material.name for material in bpy.data.materials) == known
        for scene_frame, lower in ((1, 1), (5, 1), (9, 2)):
            ob = visible(scene_frame)[0] if way == "keyed_objects" else result()
            bpy.context.scene.frame_set(scene_frame)
            mesh = ob.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
            assert [material.name for material in mesh.materials] == known
            slots = np.array([polygon.material_index for polygon in mesh.polygons])
            low = np.array([polygon.center[2] < ob.matrix_world.inverted().translation.z for polygon in mesh.polygons])
            strays = way == "one_object" and scene_frame == 9  # there the second slot has to have a face
            assert (slots != np.where(low, lower, 0)).sum() == strays, (way, scene_frame)


def check_files_of_an_unsaved_scene(facts: Any) -> None:
    """They are in the user's own folder, and the message says where."""
    pair(frames_as="one_object")
    morph()
    folder = Path(result().modifiers[0].cache_file.filepath).parent
    assert folder.is_absolute()
    assert folder.parent.parent.parts[-2:] == ("tweenfield", "frames")
    assert str(folder) in session().outcome
    assert "Save the file" in session().outcome
    other = inside.part("frame_files").user_folder() / "of an earlier Blender"
    kept = other.with_name("of another one")
    for place in (other, kept):
        (place / "A to B 001").mkdir(parents=True)
    (kept / "A to B 001" / ".saved").touch()
    for age, left in ((86400.0, True), (40 * 86400.0, False)):
        for place in (other, kept):
            os.utime(place, (time.time() - age,) * 2)
        morph()
        assert other.exists() == left
        assert kept.exists()
        assert folder.exists()


def check_one_object_with_the_faces_of_the_source(facts: Any) -> None:
    settings = pair(**KEEP, keys=3)
    morph()  # shape keys, to compare with
    wanted = [shown_at(result(), scene_frame) for scene_frame in range(-1, 12)]
    settings.frames_as = "one_object"
    morph()
    ob = result()
    assert [modifier.type for modifier in ob.modifiers] == ["MESH_CACHE"]
    assert ob.data.shape_keys is None
    assert [group.name for group in ob.vertex_groups] == ["Left", "Right"]
    assert [material.name for material in ob.data.materials] == ["A 0", "A 1"]
    for scene_frame, positions in zip(range(-1, 12), wanted, strict=True):
        assert np.abs(shown_at(ob, scene_frame) - positions).max() < 2e-6, scene_frame
    settings.frames_as = "keyed_objects"
    morph()
    assert len(frame_objects()) == 3
    for scene_frame in (1, 5, 9):
        (ob,) = visible(scene_frame)
        assert np.abs(shown_at(ob, scene_frame) - wanted[scene_frame + 1]).max() < 2e-6
        assert ob.data.uv_layers.active.name == "Painted"
        assert [material.name for material in ob.data.materials] == ["A 0", "A 1"]
    assert "A to B" not in bpy.data.objects


def check_what_automatic_chooses(facts: Any) -> None:
    pair(keys=101, frame_end=101, frames_as="auto")
    morph()
    assert [modifier.type for modifier in result().modifiers] == ["MESH_SEQUENCE_CACHE"]
    assert "one object reads them from disk" in session().outcome
    choose(bpy.data.objects["A"], bpy.data.objects["B"], **(OWN | {"topology": "auto", "resolution": 128}))
    morph()
    assert "Topology: the source's own faces (" in session().outcome, session().outcome
    assert len(result().data.shape_keys.key_blocks) == 5
    memory_of = inside.part("build_mesh").memory_of
    n = 50_176
    surface = inside.part("build_mesh").Surface(np.zeros((n, 3)), np.zeros(2 * n + 1), np.zeros(6 * n), {})
    assert 3.5e6 < memory_of(surface) < 6e6  # Blender takes 4.7 MiB for such a mesh


def check_a_blender_without_alembic(facts: Any) -> None:
    """As some distributions build it: the choice avoids files of changing faces, and asking for them says why."""
    choice = inside.part("making.choice")
    settings = pair(keys=101, frame_end=101)
    choice.ALEMBIC = False
    try:
        morph()
        assert len(frame_objects()) == 101
        assert "without Alembic" in session().outcome
        before = inside.digest()
        settings.frames_as = "one_object"
        assert "without Alembic" in inside.failed_morph()
        assert inside.digest() == before
        settings.topology = "keep"
        morph()
        assert [modifier.type for modifier in result().modifiers] == ["MESH_CACHE"]
    finally:
        choice.ALEMBIC = True


def check_meshes_that_differ(facts: Any) -> None:
    """Nothing is refused for lack of a match, and the panel says beforehand what comes of it."""
    asked, expected = inside.part("operators.morph").asked, inside.part("operators.morph").expected
    settings = choose(grid("A"), inside.ball("B"), method_name="own_faces", topology="auto", resolution=8)
    assert "new surfaces" in expected(settings)
    morph()
    assert len(frame_objects()) == 5
    assert "Topology: new surfaces in every frame (" in session().outcome, session().outcome
    settings.frames_as = "shape_keys"
    assert asked(settings) == "keep"
    assert "match will be sought" in expected(settings)
    assert "new surfaces" not in expected(settings)
    assert "vert" in inside.failed_morph(), session().problem
    settings.topology = "remesh"
    assert "Shape keys cannot" in inside.part("operators.morph").why_not(bpy.context)
    settings.method_name = "linear"  # it keeps the faces, whatever was chosen for another method
    settings.target = grid("C", lift=0.5)
    morph()
    assert len(result("A", "C").data.shape_keys.key_blocks) == 5


def check_others_ride_along_as_shape_keys(facts: Any) -> None:
    settings = pair()
    extras = bpy.data.collections.new("Extras")
    bpy.context.scene.collection.children.link(extras)
    eye = inside.add_object("Eye", [(0, 0, 0.1), (0.1, 0, 0.1), (0, 0.1, 0.1)], [(0, 1, 2)])
    extras.objects.link(eye)
    settings.carried = extras
    morph()
    assert len(frame_objects()) == 5
    (carried,) = bpy.data.collections["A to B"].objects
    assert carried.name == "Eye carried"
    assert len(carried.data.shape_keys.key_blocks) == 5
    assert abs((shown_at(carried, 9) - shown_at(carried, 1))[:, 2].mean() - 2.0) < 1e-5


def check_files_to_render(facts: Any) -> None:
    """Saved for a Blender without the extension, which another test opens; the colour is the frame's own."""
    for way in ("keyed_objects", "one_object"):
        inside.empty_file()
        scene = bpy.context.scene
        path = Path.cwd() / "to_render" / f"{way}.blend"
        path.parent.mkdir(exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(path))
        settings = pair(frames_as=way)
        material = bpy.data.materials["A 0"]
        material.use_nodes = True
        nodes, links = material.node_tree.nodes, material.node_tree.links
        nodes.clear()
        colour, glow, out = (nodes.new(f"ShaderNode{kind}") for kind in ("Attribute", "Emission", "OutputMaterial"))
        colour.attribute_name = "Col"
        links.new(colour.outputs["Color"], glow.inputs["Color"])
        links.new(glow.outputs["Emission"], out.inputs["Surface"])
        for name in ("A", "B"):
            bpy.data.objects[name].hide_render = True
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        camera.data.type, camera.data.ortho_scale = "ORTHO", 4.0
        camera.location = (0.0, 0.0, 10.0)
        scene.collection.objects.link(camera)
        scene.camera = camera
        assert settings.frames_as == way
        morph()
        bpy.ops.wm.save_mainfile()


def check_a_ring_that_becomes_a_ball(facts: Any) -> None:
    """With a method of the backend's own, which needs no match: every frame is a closed surface."""
    bpy.ops.mesh.primitive_torus_add(major_segments=24, minor_segments=12, minor_radius=0.4)
    ring = bpy.context.object
    bpy.ops.mesh.primitive_uv_sphere_add(segments=20, ring_count=12, radius=1.0)
    ball = bpy.context.object
    ring.name, ball.name = "A", "B"
    for ob, domain, colour in ((ring, "POINT", (1.0, 0.0, 0.0, 1.0)), (ball, "CORNER", (0.0, 0.0, 1.0, 1.0))):
        attribute = ob.data.color_attributes.new("Paint", "FLOAT_COLOR", domain)
        attribute.data.foreach_set("color", np.tile(np.array(colour, np.float32), len(attribute.data)))
    choose(ring, ball, method_name="sdf_blend", topology="auto", resolution=24, keys=3, frame_end=3)
    morph()
    assert len(frame_objects()) == 3
    characteristics, reds = [], []
    for ob in frame_objects():
        mesh = ob.data
        uses = np.zeros(len(mesh.edges), int)
        edge_of_corner = np.empty(len(mesh.loops), np.int32)
        mesh.loops.foreach_get("edge_index", edge_of_corner)
        np.add.at(uses, edge_of_corner, 1)
        assert (uses == 2).all()
        characteristics.append(len(mesh.vertices) - len(mesh.edges) + len(mesh.polygons))
        assert mesh.uv_layers.active.name == ring.data.uv_layers.active.name
        reds.append(mesh.color_attributes["Paint"].data[0].color[0])
    facts.characteristics = characteristics
    assert (characteristics[0], characteristics[-1]) == (0, 2)
    assert np.allclose(reds, (1.0, 0.5, 0.0), atol=1e-3)
