"""Runs in a Blender window, see ``run.py``: how landmarks look and behave where there is more than a plain mesh."""

from typing import Any

import bpy
import driver
from clicks import chosen_foxes, click_vertex, landmarks, part, picked, viewport, visible_vertices
from mathutils import Quaternion
from scene import Steps, area, press, settings


def picking() -> bool:
    return part("landmarks.pick").picking_in(driver.window()) is not None


def markers() -> list[Any]:
    return list(part("landmarks.view").markers(bpy.context))


def hidden() -> list[bool]:
    """Of every marker that is before the eye, whether its mesh hides it."""
    view = part("landmarks.view")
    seen = view.View(*viewport())
    pixels = [(marker, seen.pixel(marker.place)) for marker in markers()]
    return [view.is_hidden(bpy.context, seen, marker, pixel) for marker, pixel in pixels if pixel is not None]


def off_surface(marker: Any) -> float:
    """Blender units between a marker and what is shown of its mesh."""
    evaluated = marker.ob.evaluated_get(bpy.context.evaluated_depsgraph_get())
    local = evaluated.matrix_world.inverted() @ marker.place
    nearest = evaluated.matrix_world @ evaluated.closest_point_on_mesh(local)[1]
    return float((nearest - marker.place).length)


def full_area() -> Steps:
    """Makes the viewport the only area of the window, and the next time one of many again."""
    region = viewport()[0]
    driver.move(region.x + region.width * 0.3, region.y + region.height * 0.2)
    yield 0.5
    driver.key("SPACE", ctrl=True)
    yield 2.0


@driver.steps
def main() -> Steps:
    region, source, target = yield from chosen_foxes()

    # Picking goes on while the viewport has another size, and the button that began it ends it.
    yield from press(region, "tweenfield.pick_landmarks")
    assert picking()
    vertices = visible_vertices(6)
    for ob in (source, target):
        yield from click_vertex(ob, vertices[0])
    yield from full_area()
    wide = visible_vertices(6)
    for ob in (source, target):
        yield from click_vertex(ob, wide[-1])
    yield 1.0
    driver.screenshot("markers_1_full")
    yield from full_area()
    assert picked() == [(vertices[0],) * 2, (wide[-1],) * 2], picked()
    region = next(region for region in area("VIEW_3D").regions if region.type == "UI")
    yield from press(region, "tweenfield.pick_landmarks")
    yield 0.5
    assert not picking()
    assert len(landmarks()) == 2

    # From the other side they are faint, and cannot be grabbed.
    assert not any(hidden())
    data = viewport()[1]
    front = data.view_rotation.copy()
    data.view_rotation = Quaternion((0, 0, 1), 3.14159) @ front
    yield 1.5
    assert sum(hidden()) >= 3, hidden()
    driver.screenshot("markers_2_behind")
    data.view_rotation = front

    # Subdivided, by the graphics card too: on their vertices while those are there, and else on the surface.
    for ob in (source, target):
        ob.modifiers.new("Round", "SUBSURF").levels = 2
    yield 1.5
    assert max(map(off_surface, markers())) < 1e-4
    yield from press(region, "tweenfield.pick_landmarks")
    for ob in (source, target):
        yield from click_vertex(ob, visible_vertices(6)[3])
    driver.key("ESC")
    yield 0.5
    assert landmarks()[2].first.count > len(source.data.vertices), landmarks()[2].first.count
    before = {marker.index: marker.place.copy() for marker in markers() if marker.ob == source}
    source.shape_key_add(name="Basis")
    for point in source.shape_key_add(name="Up").data:
        point.co.y += 20.0
    source.data.shape_keys.key_blocks["Up"].value = 1.0
    yield 1.5
    for index, place in before.items():
        moved = next(marker.place for marker in markers() if marker.index == index and marker.ob == source)
        assert (moved - place).length > 0.2, (index, moved, place)
    assert max(map(off_surface, markers())) < 1e-4
    driver.screenshot("markers_3_subdivided")

    # As many as there can be.
    skin, store = part("landmarks.skin"), part("landmarks.store")
    skins = [skin.skin_of(bpy.context, ob) for ob in (source, target)]
    step = len(skins[0].positions) // 48
    for vertex in range(0, 47 * step, step):
        store.add_pair(bpy.context.scene, (source, target), [one.place(vertex) for one in skins])
    assert len(landmarks()) == 50
    yield 1.5
    driver.screenshot("markers_4_fifty")

    # Another way to match.
    settings().correspondence = "implicit-dense"
    region.tag_redraw()
    yield 1.5
    driver.screenshot("markers_5_model")
    assert not driver.errors, driver.errors[0]
    driver.finish(True, "seen from all sides")
