"""Runs in a Blender window, see ``run.py``: picks landmarks with the mouse, and looks at the match."""

import bpy
import driver
from clicks import chosen_foxes, click_vertex, landmarks, part, picked, pixel, viewport, visible_vertices
from scene import Steps, area, connect, press, session, settings, wait_until


def drag(start: tuple[float, float], end: tuple[float, float]) -> Steps:
    """With the left button down."""
    driver.move(*start)
    yield 0.3
    _button("PRESS", "mousedown")
    yield 0.3
    for step in (0.3, 0.7, 1.0):
        driver.move(*(a + step * (b - a) for a, b in zip(start, end, strict=True)))
        yield 0.2
    _button("RELEASE", "mouseup")
    yield 0.5


def _button(value: str, word: str) -> None:
    if bpy.app.use_event_simulate:
        driver._simulate("LEFTMOUSE", value)
    else:
        driver._xdotool(word, 1)


def shading() -> tuple[str, str]:
    space = area("VIEW_3D").spaces.active
    return space.shading.type, space.shading.color_type


@driver.steps
def main() -> Steps:
    region, source, target = yield from chosen_foxes()
    yield from connect(region)
    settings().correspondence = "landmarks"
    region.tag_redraw()
    yield 1.0

    # Four landmarks by clicks, one after the other on both meshes.
    yield from press(region, "tweenfield.pick_landmarks")
    vertices = visible_vertices(5)
    for vertex in vertices[:4]:
        yield from click_vertex(source, vertex)
        yield from click_vertex(target, vertex)
    assert picked() == [(vertex, vertex) for vertex in vertices[:4]], (picked(), vertices)
    yield 1.0
    driver.screenshot("picking_1_four")

    # A marker moved, taken back, deleted, taken back.
    start, end = pixel(target, vertices[3]), pixel(target, vertices[4])
    assert start is not None
    assert end is not None
    yield from drag(start, end)
    assert picked()[3] == (vertices[3], vertices[4]), picked()
    yield 1.0
    driver.screenshot("picking_2_moved")
    driver.key("Z", ctrl=True)
    yield 0.5
    assert picked()[3] == (vertices[3], vertices[3])
    driver.move(*start)
    yield 0.3
    driver.key("X")
    yield 0.5
    assert len(picked()) == 3
    driver.key("Z", ctrl=True)
    yield 0.5
    assert len(picked()) == 4

    # A half-made one does not outlive the end; the view turned meanwhile; one undo takes all of it back.
    yield from click_vertex(source, vertices[4])
    assert len(landmarks()) == 5
    driver.key("ESC")
    yield 0.5
    assert picked() == [(vertex, vertex) for vertex in vertices[:4]]
    assert part("landmarks.pick").picking_in(driver.window()) is None
    with bpy.context.temp_override(window=driver.window(), area=area("VIEW_3D"), region=viewport()[0]):
        bpy.ops.ed.undo()
        yield 0.5
        assert len(landmarks()) == 0, picked()
        bpy.ops.ed.redo()
    yield 0.5
    assert len(landmarks()) == 4

    # The match, seen and taken away.
    before = shading()
    yield from press(region, "tweenfield.preview_match")
    yield from wait_until("the match", lambda: not session().busy, 90)
    assert session().problem is None, session().problem
    assert shading() == ("SOLID", "VERTEX")
    driver.move(viewport()[0].x + 300, viewport()[0].y + 100)  # a button that was grey stays so under the mouse
    yield 1.5
    driver.screenshot("picking_3_match")
    yield from press(region, "tweenfield.remove_match_preview")
    yield 1.0
    assert shading() == before
    assert all(not mesh.color_attributes for mesh in bpy.data.meshes)
    driver.screenshot("picking_4_removed")
    assert not driver.errors, driver.errors[0]
    driver.finish(True, "picked, moved, deleted, taken back, previewed")
