"""Runs in a Blender window, see ``run.py``: a frame of a morph matched with a drawn outline, by clicks.

The sub-panel lies below the others: ``--size 1280x1200`` shows all of it.
"""

import math
import sys
from typing import Any

import bpy
import driver
from mathutils import Matrix
from scene import MODULE, Steps, area, connect, press, session, set_the_scene, settings, wait_until

# The right half of a vase, from its foot to its rim: distance from the middle, and height.
VASE = [(0.55, -1.15), (0.62, -1.0), (0.95, -0.6), (1.1, -0.1), (0.95, 0.35), (0.55, 0.7), (0.42, 0.95), (0.7, 1.2)]
FRAME = 25
MATCHED = 0.97


def open_outline() -> None:
    """The sub-panel is closed at first, and no script can open it but by making it anew."""
    panel = sys.modules[f"{MODULE}.outline.panel"].TWEENFIELD_PT_outline
    bpy.utils.unregister_class(panel)
    panel.bl_options = set()
    bpy.utils.register_class(panel)


def ball(name: str, scale: tuple[float, float, float], colour: tuple[float, float, float, float]) -> Any:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32)
    ob = bpy.context.object
    ob.name = ob.data.name = name
    ob.data.transform(Matrix.Diagonal((*scale, 1.0)))
    ob.data.shade_smooth()
    material = bpy.data.materials.new(name)
    material.diffuse_color = colour
    ob.data.materials.append(material)
    return ob


def draw_vase() -> Any:
    """Two strokes of grease pencil, one for each side."""
    data = bpy.data.grease_pencils_v3.new("Vase")
    material = bpy.data.materials.new("Line")
    bpy.data.materials.create_gpencil_data(material)
    material.grease_pencil.color = (0.95, 0.85, 0.2, 1.0)
    data.materials.append(material)
    drawing = data.layers.new("Lines").frames.new(1).drawing
    drawing.add_strokes([len(VASE)] * 2)
    for stroke, side in zip(drawing.strokes, (-1.0, 1.0), strict=True):
        for point, (across, up) in zip(stroke.points, VASE, strict=True):
            point.position = (side * across, 0.0, up)
            point.radius = 0.015
    ob = bpy.data.objects.new("Vase", data)
    bpy.context.scene.collection.objects.link(ob)
    return ob


def overlay() -> Any:
    return sys.modules[f"{MODULE}.outline.difference"].overlay


def iou() -> float:
    """Of what is drawn and what is shown; 0 while that is not known."""
    found = overlay().differences
    return float(found[0].iou) if found and found[0] is not None else 0.0


def previewed() -> bool:
    return any(ob.get("tweenfield_preview") for ob in bpy.data.objects)


def prepared(region: Any) -> Steps:
    """A ball becomes a wide one; at the middle frame, the camera sees it with a vase drawn over it."""
    for ob in list(bpy.data.objects):
        bpy.data.objects.remove(ob)
    source = ball("Ball", (1.0, 1.0, 1.0), (0.8, 0.26, 0.05, 1.0))
    target = ball("Lens", (1.3, 1.3, 0.8), (0.1, 0.28, 0.55, 1.0))
    chosen = settings()
    chosen.source, chosen.target, chosen.correspondence, chosen.method_name = source, target, "vertex-order", "linear"
    yield from connect(region)
    yield from press(region, "tweenfield.morph")
    yield from wait_until("the morph", lambda: not session().busy, 60)
    assert session().problem is None, session().problem
    source.hide_set(True)
    target.hide_set(True)
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (0.0, -8.0, 0.0), (math.pi / 2, 0.0, 0.0)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = 800, 800
    scene.frame_set(FRAME)
    bpy.ops.object.select_all(action="DESELECT")
    vase = draw_vase()
    vase.select_set(True)
    bpy.context.view_layer.objects.active = vase


@driver.steps
def main() -> Steps:
    open_outline()
    set_the_scene()
    region = yield from driver.open_sidebar("Tweenfield")
    yield from prepared(region)
    space = area("VIEW_3D").spaces.active
    space.region_3d.view_perspective = "CAMERA"
    space.region_3d.view_camera_zoom = 12.0
    yield 1.0
    yield from press(region, "tweenfield.add_outline")
    outlines = bpy.context.scene.tweenfield_outline
    assert outlines.items[0].ob.name == "Vase"
    yield 1.0
    driver.screenshot("outline_1_drawn")

    # The difference, before anything is asked of the backend.
    outlines.show = True
    yield from wait_until("the difference", iou, 10)
    yield 1.5
    before = iou()
    driver.log("alike before", before)
    driver.screenshot("outline_2_difference")
    sys.modules[f"{MODULE}.history"].push_undo("Difference")

    # Cancelled by the key, with the mouse over the view.
    outlines.limit_time, outlines.seconds = True, 40.0
    yield from press(region, "tweenfield.match_outline")
    yield from wait_until("a preview", previewed, 60)
    yield 6.0
    driver.screenshot("outline_3_preview")
    driver.move(region.x - 200, region.y + region.height // 2)
    yield 0.5
    driver.key("ESC")
    yield from wait_until("cancelled", lambda: not session().busy, 10)
    assert session().outcome == "Cancelled", session().problem
    assert not previewed()
    yield from wait_until("the difference as before", lambda: iou() == before, 10)

    # Matched.
    outlines.limit_time = False
    yield from press(region, "tweenfield.match_outline")
    yield from wait_until("matched", lambda: not session().busy, 120)
    assert session().problem is None, session().problem
    yield from wait_until("the difference now", lambda: iou() > MATCHED, 10)
    driver.log("alike now", iou())
    yield 1.5
    driver.screenshot("outline_4_matched")

    # From another side, with the picture in the corner; and a neighbour in time.
    space.region_3d.view_perspective = "PERSP"
    yield 1.5
    driver.screenshot("outline_5_corner")
    bpy.context.scene.frame_set(FRAME - 10)
    yield 2.0
    driver.screenshot("outline_6_neighbour")
    bpy.context.scene.frame_set(FRAME)

    # One undo brings the older frames back.
    space.region_3d.view_perspective = "CAMERA"
    bpy.ops.ed.undo()
    yield from wait_until("the older frames", lambda: abs(iou() - before) < 0.01, 10)
    yield 1.0
    driver.screenshot("outline_7_undone")
    assert not driver.errors, driver.errors[0]
    driver.finish(True, "drawn, compared, cancelled, matched, undone")
