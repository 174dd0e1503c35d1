"""Outlines of objects and images as they are read, and what becomes of a result that is matched with them."""

from __future__ import annotations

from typing import Any

import bpy
import inside
import numpy as np
from inside import ball, choose, key_coordinates, morph
from mathutils import Euler, Matrix, Vector

SIZE = (160, 120)
FRAME = 5  # of the scene: the middle one of keys at 1, 3, 5, 7 and 9


def add_camera(place: tuple[float, float, float] = (0.0, -8.0, 0.0), at: Any = (0.0, 0.0, 0.0)) -> Any:
    """The scene's camera, which looks at a point, and a small render."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    camera.location = place
    camera.rotation_euler = (Vector(at) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    scene.camera = camera
    bpy.context.view_layer.update()
    return camera


def bar(wide: float = 1.9, high: float = 0.6) -> list[tuple[float, float, float]]:
    """The outline that is drawn: an ellipse in the plane y = 0."""
    angles = np.linspace(0.0, 2 * np.pi, 64, endpoint=False)
    return [(wide * np.cos(angle), 0.0, high * np.sin(angle)) for angle in angles]


def as_mesh(points: Any, filled: bool = True) -> Any:
    mesh = bpy.data.meshes.new("Drawing")
    count = len(points)
    edges = [] if filled else [(index, (index + 1) % count) for index in range(count)]
    mesh.from_pydata(points, edges, [list(range(count))] if filled else [])
    ob = bpy.data.objects.new("Drawing", mesh)
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.update()
    return ob


def as_curve(points: Any) -> Any:
    curve = bpy.data.curves.new("Drawing", "CURVE")
    curve.dimensions = "3D"
    spline = curve.splines.new("POLY")
    spline.points.add(len(points) - 1)
    for point, place in zip(spline.points, points, strict=True):
        point.co = (*place, 1.0)
    ob = bpy.data.objects.new("Drawing", curve)
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.update()
    return ob


def as_strokes(*strokes: Any) -> Any:
    """Grease pencil, as each version of Blender has it."""
    if bpy.app.version < (4, 3):
        data = bpy.data.grease_pencils.new("Drawing")
        frame = data.layers.new("Lines").frames.new(0)
        for points in strokes:
            stroke = frame.strokes.new()
            stroke.points.add(len(points))
            for point, place in zip(stroke.points, points, strict=True):
                point.co = place
    else:
        kind = bpy.data.grease_pencils if bpy.app.version >= (5, 0) else bpy.data.grease_pencils_v3
        data = kind.new("Drawing")
        drawing = data.layers.new("Lines").frames.new(0).drawing
        drawing.add_strokes([len(points) for points in strokes])
        for stroke, points in zip(drawing.strokes, strokes, strict=True):
            for point, place in zip(stroke.points, points, strict=True):
                point.position = place
    ob = bpy.data.objects.new("Drawing", data)
    bpy.context.scene.collection.objects.link(ob)
    bpy.context.view_layer.update()
    return ob


def as_image(mask: Any, alpha: bool = True) -> Any:
    """What a mask [H, W] covers, opaque or white."""
    height, width = mask.shape
    image = bpy.data.images.new("Drawing", width, height, alpha=alpha)
    pixels = np.zeros((height, width, 4), np.float32)
    pixels[..., :3] = 0.2 if alpha else mask[::-1, :, None]
    pixels[..., 3] = mask[::-1] if alpha else 1.0
    image.pixels.foreach_set(pixels.reshape(-1))
    return image


def outline(source: Any, **changes: Any) -> Any:
    """One more outline in the list."""
    item = bpy.context.scene.tweenfield_outline.items.add()
    if isinstance(source, bpy.types.Image):
        item.kind, item.image = "image", source
    else:
        item.kind, item.ob = "object", source
    for name, value in changes.items():
        setattr(item, name, value)
    return item


def read(item: Any) -> Any:
    return inside.part("outline.reading").read_outline(bpy.context, item).mask


def refused(item: Any) -> str:
    try:
        read(item)
    except inside.part("problem").Problem as problem:
        return str(problem.message)
    raise AssertionError("it was read")


def egg(name: str, *scale: float) -> Any:
    """A ball that is stretched."""
    ob = ball(name)
    ob.data.transform(Matrix.Diagonal((*scale, 1.0)))
    bpy.context.view_layer.update()
    return ob


def morphed(**changes: Any) -> Any:
    """Two eggs morphed, seen from the front, at a frame in the middle; the result's collection."""
    add_camera()
    choose(egg("A", 1.0, 1.0, 1.0), egg("B", 1.4, 1.0, 0.8), **changes)
    morph()
    for name in "AB":
        bpy.data.objects[name].hide_set(True)
    bpy.context.scene.frame_set(FRAME)
    return bpy.data.collections["A to B"]


def match() -> str:
    return inside.press("match_outline")


def failed() -> str:
    return inside.failed("match_outline")


def agreement() -> float:
    """Of the shape that is shown with the first outline."""
    overlay = inside.part("outline.difference").overlay
    overlay.refresh(bpy.context)
    assert overlay.differences[0] is not None, overlay.lines
    return float(overlay.differences[0].iou)


def keys_of(ob: Any) -> list[np.ndarray]:
    return [key_coordinates(ob, index) for index in range(len(ob.data.shape_keys.key_blocks))]


def check_what_is_drawn_is_seen_alike_however_it_is_drawn(facts: Any) -> None:
    camera = add_camera((3.0, -7.0, 2.0))
    camera.data.shift_x, camera.data.sensor_fit = 0.1, "VERTICAL"
    points = bar()
    wanted = read(outline(as_mesh(points)))
    assert wanted.shape == SIZE[::-1]
    facts.share = float(wanted.mean())
    assert 0.02 < facts.share < 0.5
    whole = [*points, points[0]]
    drawings = {
        "edges": as_mesh(points, filled=False),
        "curve": as_curve(points),
        "stroke": as_strokes(points),
        "strokes": as_strokes(whole[:20], whole[40:][::-1], whole[19:41]),
    }
    iou = inside.part("outline.raster").iou
    for name, ob in drawings.items():
        found = read(outline(ob))
        assert iou(wanted, found) > 0.999, (name, iou(wanted, found))
    for alpha in (True, False):
        found = read(outline(as_image(wanted, alpha)))
        assert np.abs(found - wanted).max() < 0.005, alpha
    assert np.abs(read(outline(as_image(1.0 - wanted), invert=True)) - wanted).max() < 0.005
    large = np.kron(wanted, np.ones((3, 3)))
    bpy.context.scene.render.resolution_percentage = 300
    assert read(outline(as_image(large))).shape == (360, 480)
    assert read(outline(as_image(wanted))).shape == wanted.shape


def check_a_moved_and_turned_drawing(facts: Any) -> None:
    add_camera()
    points = np.array(bar())
    turned = Matrix.Translation((0.4, 1.0, -0.3)) @ Euler((0.3, 0.2, 0.9)).to_matrix().to_4x4()
    placed = points @ np.array(turned)[:3, :3].T + np.array(turned)[:3, 3]
    wanted = read(outline(as_mesh(placed.tolist())))
    iou = inside.part("outline.raster").iou
    for ob in (as_mesh(points.tolist()), as_curve(points.tolist()), as_strokes(points.tolist())):
        ob.matrix_world = turned
        bpy.context.view_layer.update()
        assert iou(wanted, read(outline(ob))) > 0.999, ob.type


def check_a_line_within_another_is_a_hole(facts: Any) -> None:
    add_camera()
    ring = read(outline(as_strokes(bar(2.0, 1.5), bar(1.0, 0.75))))
    disc = read(outline(as_strokes(bar(2.0, 1.5))))
    assert abs(ring.sum() / disc.sum() - 0.75) < 0.01


def check_outlines_that_say_nothing_are_refused_in_words(facts: Any) -> None:
    item = outline(None)
    assert "Choose the object" in refused(item)
    item.ob = as_mesh(bar())
    assert "There is no camera" in refused(item)
    camera = add_camera()
    camera.rotation_euler.z += np.pi
    bpy.context.view_layer.update()
    assert "'Drawing' covers nothing of what the camera 'Camera' sees" in refused(item)
    item.ob = as_strokes(bar())
    assert "reaches behind the camera 'Camera'" in refused(item)
    camera.rotation_euler.z -= np.pi
    camera.data.type = "ORTHO"
    bpy.context.view_layer.update()
    assert "is orthographic" in refused(item)
    camera.data.type = "PERSP"
    item.ob = as_mesh([(x, 0, z) for x, z in ((-90, -90), (90, -90), (90, 90), (-90, 90))])
    assert "covers all that the camera" in refused(item)
    item.kind = "image"
    item.image = bpy.data.images.new("Square", 100, 100)
    assert "has 100 x 100 pixels and the render 160 x 120" in refused(item)
    item.image.source, item.image.filepath = "FILE", "//nowhere.png"
    assert "has no pixels" in refused(item)


def check_the_difference_in_words_and_colours(facts: Any) -> None:
    morphed()
    outline(as_mesh(bar(2.5, 0.5)))
    overlay = inside.part("outline.difference").overlay
    overlay.refresh(bpy.context)
    (line,) = overlay.lines
    facts.line = line
    assert line.startswith("Drawing: ")
    assert "% covered alike" in line
    difference = overlay.differences[0]
    assert 0.2 < difference.iou < 0.8
    picture = difference.picture(False)
    only_drawn = (difference.wanted > 0.99) & (difference.found < 0.01)
    only_covered = (difference.wanted < 0.01) & (difference.found > 0.99)
    assert only_drawn.any()
    assert only_covered.any()
    assert (picture[only_drawn][:, 0] > 0.9).all()
    assert (picture[only_covered][:, 2] > 0.9).all()
    assert (picture[(difference.wanted > 0.99) & (difference.found > 0.99)][:, 3] == 0.0).all()
    scene = bpy.context.scene
    items = scene.tweenfield_outline.items
    assert not overlay.outdated(scene)
    items[0].ob = None
    assert overlay.outdated(scene)
    overlay.refresh(bpy.context)
    assert overlay.differences == [None]
    bpy.ops.tweenfield.remove_outline()
    assert overlay.outdated(scene)
    overlay.refresh(bpy.context)
    assert overlay.differences == overlay.lines == []


def check_the_frame_that_is_shown(facts: Any) -> None:
    home = morphed()
    result = inside.part("outline.operators").chosen_result
    scene = bpy.context.scene
    for frame, key in ((1, 0), (3, 1), (4, 2), (5, 2), (9, 4), (20, 4)):
        scene.frame_set(frame)
        found = result(bpy.context)
        assert abs(found.frame(scene) - key) <= (frame == 4), (frame, found.frame(scene))
    outline(as_mesh(bar()))
    assert "between the first and the last" in inside.part("outline.operators").why_not(bpy.context)
    assert not bpy.ops.tweenfield.match_outline.poll()
    del home["tweenfield_made_by"]
    assert "Morph first" in inside.part("outline.operators").why_not(bpy.context)


def check_adding_and_removing_outlines(facts: Any) -> None:
    morphed()
    drawing = as_mesh(bar())
    bpy.context.view_layer.objects.active = inside.result()
    outlines = bpy.context.scene.tweenfield_outline
    assert bpy.ops.tweenfield.add_outline() == {"FINISHED"}
    assert outlines.items[0].ob is None  # the result is none
    bpy.context.view_layer.objects.active = drawing
    bpy.ops.tweenfield.add_outline()
    assert outlines.items[1].ob == drawing
    assert outlines.active == 1
    bpy.ops.tweenfield.remove_outline()
    bpy.ops.tweenfield.remove_outline()
    assert len(outlines.items) == 0
    assert not bpy.ops.tweenfield.remove_outline.poll()
    assert "Add an outline" in inside.part("outline.operators").why_not(bpy.context)
