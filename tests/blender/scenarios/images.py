"""Shapes from images, by a model that knows balls alone: ``balls.safetensors`` in the working folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import coordinates, digest, pump_for, pump_until, session

MODEL = Path("balls.safetensors").resolve()
PLACE = (1.0, 2.0, 3.0)


def disc(name: str = "disc.png", size: int = 64, alpha: float = 1.0) -> Any:
    """An image of a disc, with as much alpha as is said around it."""
    image = bpy.data.images.new(name, size, size, alpha=True)
    across = (np.arange(size) + 0.5) / size - 0.5
    inside_it = np.hypot(*np.meshgrid(across, across)) < 0.35
    pixels = np.full((size, size, 4), 0.5, np.float32)
    pixels[..., 3] = np.where(inside_it, 1.0, 1.0 - alpha)
    image.pixels.foreach_set(pixels.reshape(-1))
    return image


def choose(image: Any, **changes: Any) -> Any:
    settings = bpy.context.scene.tweenfield_surface
    settings.image = image
    wanted = {"image_model": str(MODEL), "resolution": 24, "live_preview": False}
    for name, value in (wanted | changes).items():
        setattr(settings, name, value)
    bpy.context.scene.cursor.location = PLACE
    return settings


def make() -> str:
    return inside.press("shape_from_image")


def failed() -> str:
    return inside.failed("shape_from_image")


def shape() -> Any:
    (ob,) = bpy.data.collections["disc.png Surfaces"].objects
    return ob


def check_a_shape_and_a_second_one_in_its_place(facts: Any) -> None:
    choose(disc())
    facts.said = make()
    ob = shape()
    assert tuple(ob.location) == PLACE
    found = coordinates(ob.data)
    radius = np.linalg.norm(found, axis=1)
    facts.radius = [float(radius.min()), float(radius.max())]
    assert 0.2 < radius.min() < radius.max() < 0.6
    edges = np.bincount([loop.edge_index for loop in ob.data.loops], minlength=len(ob.data.edges))
    assert (edges == 2).all()
    assert min(polygon.normal.dot(polygon.center) for polygon in ob.data.polygons) > 0.0
    assert "% now" in facts.said
    ob.location.x = 9.0
    ob.modifiers.new("Mine", "SUBSURF")
    choose(bpy.data.images["disc.png"], resolution=16)
    make()
    assert shape() == ob
    assert ob.location.x == 9.0
    assert len(ob.modifiers) == 1
    assert len(ob.data.vertices) < len(found)


def check_what_is_upwards_is_upwards_in_blender(facts: Any) -> None:
    image, preview = inside.part("surfaces.image"), inside.part("surfaces.preview")
    mesh = inside.part("protocol.mesh").MeshData.from_triangles(
        np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), np.array([[0, 1, 2]])
    )
    found = preview.surface_of(mesh, image.Y_UP).positions
    np.testing.assert_allclose(found, [[0, 0, 2], [1, 0, 0], [0, -3, 0]], atol=1e-6)


def check_the_colours_are_those_that_are_seen(facts: Any) -> None:
    read = inside.part("surfaces.image").read_image
    seen = read(disc())
    assert seen.shape == (64, 64, 4)
    assert (seen[32, 32] == [128, 128, 128, 255]).all()
    assert seen[0, 0, 3] == 0
    linear = bpy.data.images.new("linear", 2, 2, alpha=True, float_buffer=True)
    linear.pixels.foreach_set(np.array([[0.2, 0.0, 1.0, 1.0]] * 2 + [[0.2, 0.0, 1.0, 0.0]] * 2, np.float32).reshape(-1))
    found = read(linear)
    assert found[1, 0].tolist() == [124, 0, 255, 255]  # the lower row is Blender's first
    assert found[0, 0, 3] == 0


def check_undo_and_cancel(facts: Any) -> None:
    choose(disc(), live_preview=True)
    bpy.ops.ed.undo_push(message="image")
    before = digest()
    bpy.ops.tweenfield.shape_from_image()
    pump_until(lambda: any(ob.get("tweenfield_preview") for ob in bpy.data.objects), 60.0)
    assert session().panel == "image"
    bpy.ops.tweenfield.cancel()
    assert digest() == before
    pump_for(0.3)
    assert digest() == before
    make()
    assert digest() != before
    bpy.ops.ed.undo()
    assert digest() == before
    bpy.ops.ed.redo()
    assert len(shape().data.polygons) > 50


def check_what_is_refused_in_words(facts: Any) -> None:
    assert "Choose an image" in inside.part("surfaces.image").why_not(bpy.context)
    assert not bpy.ops.tweenfield.shape_from_image.poll()
    choose(disc(alpha=0.0))
    assert "'disc.png' is opaque everywhere" in failed()
    image = bpy.data.images["disc.png"]
    image.pixels.foreach_set(np.zeros(64 * 64 * 4, np.float32))
    assert "'disc.png' is transparent everywhere" in failed()
    image.pixels.foreach_set(np.array([0.0, 0.0, 0.0, 1.0] + [0.0] * (64 * 64 * 4 - 4), np.float32))
    facts.small = failed()
    assert "'disc.png'" in facts.small
    assert "show the shape larger" in facts.small
    choose(disc("other"), image_model="/nowhere/model.safetensors")
    assert "The model /nowhere/model.safetensors cannot be read" in failed()
    other = MODEL.with_name("other.safetensors")
    other.write_bytes(b"no model at all")
    choose(bpy.data.images["other"], image_model=str(other))
    facts.model = failed()
    assert facts.model.startswith("The model 'other.safetensors': not a model of")
    assert not any((bpy.data.objects, bpy.data.meshes, bpy.data.collections))


def check_the_render_result_is_told_from_images(facts: Any) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    bpy.ops.render.render()
    choose(bpy.data.images["Render Result"])
    assert "'Render Result' cannot be read, it is only shown. Save it as a file" in failed()
