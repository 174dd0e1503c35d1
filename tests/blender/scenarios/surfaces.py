"""Surfaces of meshes, points and curves: where they are, what lies around and in them, and what does not change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import bpy
import inside
import numpy as np
from inside import add_object, coordinates, digest, pump_until
from mathutils import Matrix

NAME = "A"
CENTRE, RADIUS = np.array([3.0, -2.0, 1.0]), 0.5


def sphere(count: int = 1500, radius: float = RADIUS) -> np.ndarray:
    """Points [N, 3] all over a ball's surface around the origin."""
    index = np.arange(count) + 0.5
    height = 1.0 - 2.0 * index / count
    angle = np.pi * (1.0 + 5.0**0.5) * index
    ring = np.sqrt(1.0 - height**2)
    return radius * np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)


def choose(*objects: Any, steps: int = 60, **changes: Any) -> Any:
    """Selects objects, the first of them active, and fills the sub-panel in; a small network is quick."""
    offered = inside.part("generated").offered
    if not offered.surfaces.specs:
        bpy.ops.tweenfield.start_backend()
        pump_until(lambda: offered.surfaces.specs)
    bpy.ops.object.select_all(action="DESELECT")
    for ob in objects:
        ob.select_set(True)
    bpy.context.view_layer.objects.active = objects[0]
    settings = bpy.context.scene.tweenfield_surface
    wanted = {"method_name": "igr", "preset_name": "fast", "resolution": 24, "live_preview": False}
    for name, value in (wanted | changes).items():
        setattr(settings, name, value)
    igr = offered.surfaces.group_of(bpy.context.scene, "igr")
    igr.steps, igr.width, igr.depth, igr.activation = steps, 64, 3, "softplus"
    return settings


def make(button: str = "surface") -> str:
    return inside.press(button)


def results(name: str = NAME) -> dict[str, Any]:
    """Every result of an object by its role."""
    return {ob["tweenfield_surface"]: ob for ob in bpy.data.collections[f"{name} Surfaces"].objects}


def world(ob: Any, points: np.ndarray | None = None) -> np.ndarray:
    """Positions [V, 3] of an object in the world."""
    local = coordinates(ob.data).astype(np.float64) if points is None else points
    matrix = np.array(ob.matrix_world)
    return local @ matrix[:3, :3].T + matrix[:3, 3]


def is_closed(mesh: Any) -> bool:
    """Whether every edge has exactly two faces."""
    return bool((np.bincount([loop.edge_index for loop in mesh.loops], minlength=len(mesh.edges)) == 2).all())


def off(points: np.ndarray, radius: float = RADIUS) -> float:
    """The mean distance of points [N, 3] from the ball."""
    return float(np.abs(np.linalg.norm(points - CENTRE, axis=1) - radius).mean())


@contextlib.contextmanager
def original_unchanged() -> Iterator[None]:
    before = digest()
    yield
    with_results = [ob for ob in bpy.data.objects if ob.get("tweenfield_surface") is not None]
    collections = {home for ob in with_results for home in ob.users_collection}
    for ob in with_results:
        data = ob.data
        bpy.data.objects.remove(ob)
        bpy.data.batch_remove([data])
    for home in collections:
        bpy.data.collections.remove(home)
    assert digest() == before


def ball_of_points(**extras: Any) -> Any:
    """Vertices alone, turned, scaled and moved by the object."""
    scale = 0.2
    ob = add_object(NAME, sphere() / scale, [])
    ob.matrix_world = Matrix.LocRotScale(CENTRE, Matrix.Rotation(0.7, 3, "X").to_quaternion(), (scale,) * 3)
    bpy.context.view_layer.update()
    return ob


def check_a_surface_of_points_with_shells_and_skeleton(facts: Any) -> None:
    ob = ball_of_points()
    normal = ob.data.attributes.new("normal", "FLOAT_VECTOR", "POINT")
    normal.data.foreach_set("vector", sphere().astype(np.float32).reshape(-1))
    choose(ob, shells=1, shell_step=0.1, shell_side="both", skeleton="points")
    assert inside.part("surfaces.operators").label(bpy.context) == "Surface from Points"
    with original_unchanged():
        facts.said = make()
        assert "% of its size on average" in facts.said
        found = results()
        assert set(found) == {"surface", "shell +0.1", "shell -0.1", "skeleton"}
        for role, radius in (("surface", 0.5), ("shell +0.1", 0.6), ("shell -0.1", 0.4)):
            made = found[role]
            assert is_closed(made.data), role
            assert (
                not any(made.data.attributes.get("sharp_face").data) if "sharp_face" in made.data.attributes else True
            )
            assert all(polygon.use_smooth for polygon in made.data.polygons[:50])
            assert off(world(made), radius) < 0.02, (role, off(world(made), radius))
            assert np.allclose(made.matrix_world, ob.matrix_world)
        # Faces look outwards.
        mesh = found["surface"].data
        outwards = [polygon.normal.dot(polygon.center) for polygon in mesh.polygons]
        assert min(outwards) > 0
        assert np.linalg.norm(world(found["skeleton"]) - CENTRE, axis=1).max() < 0.2
        assert ob.select_get()
        assert ob.visible_get()


def check_a_second_run_takes_the_place_of_the_first(facts: Any) -> None:
    ob = ball_of_points()
    ob.data.materials.append(bpy.data.materials.new("Clay"))
    choose(ob, shells=2)
    make()
    first = results()["surface"]
    first.modifiers.new("Thin", "SOLIDIFY")
    first.data.materials.append(bpy.data.materials.new("Glaze"))
    assert set(results()) == {"surface", "shell +0.1", "shell +0.2"}
    assert [slot.name for slot in first.data.materials] == ["Clay", "Glaze"]
    meshes = len(bpy.data.meshes)
    choose(ob, shells=0, seed=1)
    make()
    assert set(results()) == {"surface"}
    assert results()["surface"] == first
    assert [modifier.name for modifier in first.modifiers] == ["Thin"]
    assert [slot.name for slot in first.data.materials] == ["Clay", "Glaze"]
    assert len(bpy.data.meshes) == meshes - 2


def broken_cube() -> Any:
    """A cube with a face missing, one turned round, one twice, and an edge with three faces."""
    corners = [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    faces = [[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [0, 1, 8]]
    return add_object(NAME, [*corners, [-2, -2, 0]], faces)


def check_repair(facts: Any) -> None:
    ob = broken_cube()
    assert not is_closed(ob.data)
    choose(ob, shells=3, skeleton="curve", mode="unsigned")
    full = inside.part("generated").offered.surfaces.group_of(bpy.context.scene, "full_information")
    full.steps, full.batch, full.width, full.network = 900, 512, 64, "mlp"
    with original_unchanged():
        facts.said = make("repair_surface")
        (made,) = results().values()
        assert is_closed(made.data)
        inner = np.array([[0, 0, 0], [0.6, 0.6, 0.6], [-0.6, 0.6, -0.6]])
        distance = [made.closest_point_on_mesh(point)[1].length for point in inner]
        assert min(distance) > 0.2, distance  # nothing within it
        facts.reach = float(np.abs(coordinates(made.data)).max())  # the wing, which has no inside, reaches to 2
        assert facts.reach < 1.7


def check_curves_become_tubes_or_bodies(facts: Any) -> None:
    """A ring, and a skin around it; a cage of rings, and a body through them."""
    bpy.ops.curve.primitive_bezier_circle_add(radius=1.0, location=CENTRE)
    ob = bpy.context.object
    ob.name = NAME
    choose(ob, method_name="full_information", resolution=48)
    full = inside.part("generated").offered.surfaces.group_of(bpy.context.scene, "full_information")
    full.steps, full.batch, full.width, full.level, full.network = 900, 512, 64, 0.06, "mlp"
    assert inside.part("surfaces.operators").label(bpy.context) == "Surface from Curves"
    with original_unchanged():
        facts.said = make()
        made = world(results()["surface"]) - CENTRE
        assert is_closed(results()["surface"].data)
        away = np.hypot(np.linalg.norm(made[:, :2], axis=1) - 1.0, made[:, 2])
        facts.tube = [float(away.min()), float(away.max())]
        assert away.max() < 0.15
        assert away.min() > 0.01
    bpy.data.objects.remove(ob)
    rings = []
    for index in range(8):
        bpy.ops.curve.primitive_bezier_circle_add(radius=RADIUS, location=CENTRE, rotation=(1.5708, 0, 0.3927 * index))
        rings.append(bpy.context.object)
    rings[0].name = NAME
    choose(*rings, steps=100)
    facts.body = make()
    assert is_closed(results()["surface"].data)
    facts.off = off(world(results()["surface"]))
    assert facts.off < 0.03


def check_the_skeleton_of_a_tube_is_a_curve(facts: Any) -> None:
    bpy.ops.mesh.primitive_torus_add(major_radius=1.0, minor_radius=0.3, major_segments=48, minor_segments=16)
    ob = bpy.context.object
    ob.name = NAME
    ob.scale.x = -1.0  # its faces look outwards none the less, and so do those of the result
    choose(ob, skeleton="curve", steps=200, resolution=32)
    assert inside.part("surfaces.operators").label(bpy.context) == "Surface from Mesh"
    facts.said = make()
    assert "inwards" not in facts.said
    assert sum(face.normal.dot(face.center) * face.area for face in results()["surface"].data.polygons) > 0.0
    curve = results()["skeleton"].data
    assert isinstance(curve, bpy.types.Curve)
    points = np.array([point.co[:3] for spline in curve.splines for point in spline.points])
    (spline,) = curve.splines
    assert spline.use_cyclic_u
    away = np.hypot(np.linalg.norm(points[:, :2], axis=1) - 1.0, points[:, 2])
    assert away.max() < 0.05, away.max()
    angles = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    assert np.diff(angles).max() < 0.2  # all around


def check_what_is_read(facts: Any) -> None:
    """The shape as it is sent: evaluated, in world space, of every kind of object."""
    read = inside.part("surfaces.reading").read_shape
    cube = add_object("Cube", [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2, 3]])
    cube.location.x = 2.0
    cube.modifiers.new("Twice", "ARRAY").count = 2
    wire = add_object("Wire", np.zeros((0, 3)), [])
    wire.data.from_pydata([[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 1], [1, 2]], [])
    wire.data.update()
    bpy.context.view_layer.update()
    shape = read(bpy.context, [cube])
    assert (shape.kind, len(shape.points), shape.n_faces) == ("mesh", 8, 2)
    assert shape.positions()[:, 0].min() == 2.0
    lines = read(bpy.context, [wire])
    assert (lines.kind, lines.segments.tolist()) == ("lines", [[0, 1], [1, 2]])
    points = inside.part("surfaces.reading").as_points(lines)
    assert points.kind == "cloud"
    assert 40 < len(points.points) < 100
    assert np.abs(points.positions()[:, 2]).max() == 0
    both = read(bpy.context, [cube, cube])
    assert both.face_offsets.tolist() == [0, 4, 8, 12, 16]
    assert both.face_indices.max() == 15
    try:
        read(bpy.context, [cube, wire])
    except inside.part("problem").Problem as problem:
        facts.mixed = problem.message
    assert "'Cube' has faces and 'Wire' has lines" in facts.mixed
    # A mirrored object's normals stay outside.
    cloud = add_object("Cloud", [[1, 0, 0], [0, 2, 0], [0, 0, 3]], [])
    normal = cloud.data.attributes.new("Normal", "FLOAT_VECTOR", "POINT")
    normal.data.foreach_set("vector", np.array([1, 0, 0, 0, 2, 0, 0, 0, 3], np.float32))
    cloud.scale = (-1.0, 1.0, 0.5)
    bpy.context.view_layer.update()
    shape = read(bpy.context, [cloud])
    np.testing.assert_allclose(shape.normals, [[-1, 0, 0], [0, 1, 0], [0, 0, 1]], atol=1e-6)


def point_cloud() -> Any:
    """A point cloud object; Blender 4.2 makes none but as an experiment."""
    inside.ball("Ball")
    if "POINTCLOUD" in bpy.ops.object.convert.get_rna_type().properties["target"].enum_items:
        bpy.ops.object.convert(target="POINTCLOUD")
    else:
        bpy.context.preferences.experimental.use_new_point_cloud_type = True
        bpy.ops.object.pointcloud_add()
    return bpy.context.object


def check_what_is_read_of_point_clouds_and_texts(facts: Any) -> None:
    read = inside.part("surfaces.reading").read_shape
    cloud = point_cloud()
    assert cloud.type == "POINTCLOUD"
    cloud.location.z = 4.0
    bpy.context.view_layer.update()
    shape = read(bpy.context, [cloud])
    assert shape.kind == "cloud"
    assert len(shape.points) == len(cloud.data.points) > 40
    places = np.array([point.co for point in cloud.data.points]) + np.array([0, 0, 4])
    np.testing.assert_allclose(shape.positions(), places, atol=1e-5)
    assert inside.part("surfaces.operators").kind_of(cloud) == "Points"
    bpy.ops.object.text_add()
    text = bpy.context.object
    text.data.extrude = 0.1
    bpy.context.view_layer.update()
    assert read(bpy.context, [text]).kind == "mesh"
    bpy.ops.curve.primitive_nurbs_path_add()
    path = bpy.context.object
    assert read(bpy.context, [path]).kind == "lines"


def check_settings_are_generated(facts: Any) -> None:
    offered = inside.part("generated").offered
    choose(ball_of_points())
    scene = bpy.context.scene
    settings = scene.tweenfield_surface
    assert "igr" in offered.surfaces.specs
    for spec in offered.surfaces.specs.values():
        settings.method = spec.name
        for preset in spec.presets:
            settings.preset = preset
            assert (settings.method_name, settings.preset_name) == (spec.name, preset)
            assert offered.surfaces.changed_settings(scene, spec, preset) == {}
    settings.method, settings.preset = "igr", "fast"
    spec = offered.surfaces.specs["igr"]
    offered.surfaces.group_of(scene, "igr").steps = 17
    assert offered.surfaces.changed_settings(scene, spec, "fast") == {"steps": 17}
    assert bpy.ops.tweenfield.reset_surface_settings() == {"FINISHED"}
    assert offered.surfaces.changed_settings(scene, spec, "fast") == {}
