"""The match alone: seen as colours, taken away without a trace, refused in words; landmarks go with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import inside
import landmarks
import numpy as np
from inside import add_object, choose, failed_morph, morph, pump_until, session

from tests.shapes_to_match import creature, shuffled


def creatures(level: int = 2, **changes: Any) -> tuple[Any, Any, np.ndarray]:
    """Two objects of one shape in two vertex orders, and where each vertex of the source has gone [V]."""
    shape = creature(level)
    other, place = shuffled(shape)
    made = [
        add_object(name, mesh.positions(), mesh.face_indices.reshape(-1, 3).tolist())
        for name, mesh in (("A", shape), ("B", other))
    ]
    choose(*made, **({"correspondence": "spectral"} | changes))
    return *made, place


def looks(mesh: Any) -> tuple[Any, ...]:
    """Everything about a mesh's colours and lists that a preview could change."""
    layers = mesh.color_attributes
    values = []
    for layer in layers:
        colours = np.empty((len(layer.data), 4), np.float32)
        layer.data.foreach_get("color", colours.reshape(-1))
        values.append((layer.name, layer.data_type, layer.domain, colours.tobytes()))
    active = mesh.attributes.active.name if mesh.attributes.active is not None else None
    names = layers.active_color_name, layers.default_color_name
    return names, active, values, [attribute.name for attribute in mesh.attributes], sorted(mesh.keys())


def shadings() -> list[tuple[str, str]]:
    """Of every viewport of every screen."""
    spaces = [space for screen in bpy.data.screens for area in screen.areas for space in area.spaces]
    return [(space.shading.type, space.shading.color_type) for space in spaces if space.type == "VIEW_3D"]


def everything() -> tuple[Any, ...]:
    screens = [sorted(screen.keys()) for screen in bpy.data.screens]
    return inside.digest(), [looks(ob.data) for ob in bpy.data.objects], shadings(), screens


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    before = everything()
    yield
    assert everything() == before


def preview(seconds: float = 60.0) -> str:
    return inside.press("preview_match", seconds)


def failed_preview() -> str:
    return inside.failed("preview_match")


def colours(ob: Any) -> np.ndarray:
    layer = ob.data.color_attributes.active_color
    found = np.empty((len(layer.data), 4), np.float32)
    layer.data.foreach_get("color", found.reshape(-1))
    return found


def own_colours(ob: Any, *names: str) -> None:
    """Colour attributes of the artist's own, the last of them active and the first one rendered."""
    for index, name in enumerate(names):
        layer = ob.data.color_attributes.new(name, "BYTE_COLOR", "CORNER")
        layer.data.foreach_set("color", np.full(4 * len(ob.data.loops), 0.2 * index, np.float32))
    ob.data.color_attributes.active_color_name = names[-1]
    ob.data.color_attributes.default_color_name = names[0]


def spread(source: Any, count: int) -> list[int]:
    """Vertices far from each other."""
    positions = inside.coordinates(source.data)
    chosen = [0]
    while len(chosen) < count:
        gaps = np.linalg.norm(positions[:, None] - positions[chosen], axis=2).min(axis=1)
        chosen.append(int(gaps.argmax()))
    return chosen


def add_landmarks(source: Any, target: Any, place: np.ndarray, count: int) -> None:
    for vertex in spread(source, count):
        landmarks.add_pair(source, target, vertex, int(place[vertex]))


def check_preview_and_removal(facts: Any) -> None:
    source, target, place = creatures(3)
    own_colours(source, "Fur", "Eyes")
    with unchanged():
        facts.said = preview()
        assert facts.said.startswith("Match: Spectral")
        name = "Tweenfield Match"
        for ob in (source, target):
            assert ob.data.color_attributes.active_color_name == name
        assert source.data.color_attributes.default_color_name == "Fur"
        there, here = colours(target), colours(source)
        assert np.ptp(there[:, :3], axis=0).min() > 0.2
        gaps = np.linalg.norm(here - there[place], axis=1)
        facts.median_gap, facts.far = float(np.median(gaps)), float((gaps > 0.15).mean())
        assert np.median(gaps) < 0.05, gaps
        assert (gaps > 0.15).mean() < 0.1
        # Neighbours have nearly the same colour on both.
        for ob, values in ((source, here), (target, there)):
            ends = np.array([edge.vertices[:] for edge in ob.data.edges])
            assert np.median(np.linalg.norm(values[ends[:, 0]] - values[ends[:, 1]], axis=1)) < 0.15
        facts.windows = len(bpy.context.window_manager.windows)
        for window in bpy.context.window_manager.windows:
            spaces = [area.spaces.active for area in window.screen.areas if area.type == "VIEW_3D"]
            assert all((space.shading.type, space.shading.color_type) == ("SOLID", "VERTEX") for space in spaces)
        assert bpy.ops.tweenfield.remove_match_preview() == {"FINISHED"}
    assert not bpy.ops.tweenfield.remove_match_preview.poll()


def check_preview_twice(facts: Any) -> None:
    source, target, _ = creatures()
    own_colours(target, "Paint")
    with unchanged():
        preview()
        first = colours(source)
        preview()
        assert np.array_equal(colours(source), first)
        assert len(target.data.color_attributes) == 2
        bpy.ops.tweenfield.remove_match_preview()


def check_the_artists_choice_meanwhile(facts: Any) -> None:
    """What was chosen while the preview was on stays."""
    source, *_ = creatures()
    own_colours(source, "Fur", "Eyes")
    preview()
    source.data.color_attributes.active_color_name = "Fur"
    source.data.color_attributes.default_color_name = "Eyes"
    bpy.ops.tweenfield.remove_match_preview()
    assert looks(source.data)[0] == ("Fur", "Eyes")


def check_shading_comes_back(facts: Any) -> None:
    """On screens that a file has, whether windows show them here or not."""
    paint = inside.part("landmarks.paint")
    shown = paint._shown_screens
    paint._shown_screens = lambda: list(bpy.data.screens)
    try:
        kinds = ("MATERIAL", "SOLID", "WIREFRAME")
        spaces = [space for screen in bpy.data.screens for space in paint._shadings(screen)]
        facts.viewports = len(spaces)
        for index, shading in enumerate(spaces):
            shading.type = kinds[index % 3]
            shading.color_type = ("MATERIAL", "RANDOM")[index % 2]
        creatures()
        with unchanged():
            preview()
            assert set(shadings()) == {("SOLID", "VERTEX")}
            path = str(Path(bpy.app.tempdir) / "seen.blend")
            bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
            bpy.ops.tweenfield.remove_match_preview()
        # A file that was saved meanwhile can still be put right.
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=True)
        assert bpy.ops.tweenfield.remove_match_preview() == {"FINISHED"}
        assert all(not mesh.color_attributes for mesh in bpy.data.meshes)
        assert ("SOLID", "VERTEX") not in shadings()
    finally:
        paint._shown_screens = shown


def check_undo(facts: Any) -> None:
    creatures()
    bpy.ops.ed.undo_push(message="meshes")
    before = everything()
    preview()
    bpy.ops.ed.undo()
    assert everything() == before
    bpy.ops.ed.redo()
    assert bpy.ops.tweenfield.remove_match_preview() == {"FINISHED"}
    assert everything() == before


def check_landmarks_lead(facts: Any) -> None:
    source, target, place = creatures(correspondence="landmarks")
    assert not bpy.ops.tweenfield.preview_match.poll()
    assert not bpy.ops.tweenfield.morph.poll()
    add_landmarks(source, target, place, 10)
    facts.said = preview()
    assert facts.said.startswith("Match: Nonrigid"), facts.said
    gaps = np.linalg.norm(colours(source) - colours(target)[place], axis=1)
    assert np.median(gaps) < 0.08
    # The morph takes the colours away, and goes by the landmarks, too.
    morph()
    assert all(not mesh.color_attributes for mesh in bpy.data.meshes)
    last = inside.key_coordinates(inside.result(), 4)
    off = np.linalg.norm(last - inside.coordinates(target.data)[place], axis=1)
    facts.off = float(np.median(off))
    assert np.median(off) < 0.1
    pairs = np.array(landmarks.sent())
    assert off[pairs[:, 0]].mean() < 0.05


def check_modifiers(facts: Any) -> None:
    """The match is one of the meshes as they are shown, the colours are on the meshes below."""
    source, target, place = creatures(correspondence="landmarks")
    subdivide = source.modifiers.new("Subdivide", "SUBSURF")
    subdivide.subdivision_type = "SIMPLE"
    subdivide.levels = 1
    weld = target.modifiers.new("Weld", "WELD")
    weld.merge_threshold = 0.0001
    bpy.context.view_layer.update()
    add_landmarks(source, target, place, 12)
    with unchanged():
        facts.said = preview()
        assert len(colours(source)) == len(place)
        gaps = np.linalg.norm(colours(source) - colours(target)[place], axis=1)
        facts.median_gap = float(np.median(gaps))
        assert np.median(gaps) < 0.1
        bpy.ops.tweenfield.remove_match_preview()
    target.modifiers.clear()
    target.modifiers.new("Fewer", "DECIMATE").ratio = 0.6
    bpy.context.view_layer.update()
    with unchanged():
        preview()
        seen = colours(target)
        assert len(seen) == len(place)
        bpy.ops.tweenfield.remove_match_preview()
    bpy.ops.tweenfield.preview_match()
    target.location.x += 5.0  # meanwhile
    bpy.context.view_layer.update()
    pump_until(lambda: not session().busy)
    assert np.array_equal(colours(target), seen)


def check_refused_by_the_backend(facts: Any) -> None:
    source, target, place = creatures(correspondence="landmarks")
    add_landmarks(source, target, place, 2)
    with unchanged():
        facts.message = failed_preview()
    assert "3 or more" in facts.message
    landmarks.add_pair(source, target, spread(source, 1)[0], 0)  # one source vertex twice
    with unchanged():
        facts.twins = failed_preview()
    assert "both name source vertex" in facts.twins


def check_what_the_button_refuses(facts: Any) -> None:
    source, target, _ = creatures(correspondence="table", table="x.npy")
    why = inside.part("landmarks.preview").why_no_match
    assert "table" in why(bpy.context)
    choose(source, source, correspondence="auto")
    assert "source and a target" in why(bpy.context)
    target.data = source.data
    choose(source, target)
    assert "share one mesh" in why(bpy.context)
    empty = add_object("Empty", np.zeros((0, 3)), [])
    choose(source, empty)
    with unchanged():
        assert "'Empty' has no vertices" in failed_preview()


def check_cancel(facts: Any) -> None:
    creatures(3)
    with unchanged():
        bpy.ops.tweenfield.preview_match()
        bpy.ops.tweenfield.cancel()
        inside.pump_for(0.3)
    with unchanged():
        bpy.ops.tweenfield.preview_match()
        pump_until(lambda: "atching" in session().bar.text or not session().busy)
        facts.caught = session().busy
        bpy.ops.tweenfield.cancel()
        inside.pump_for(0.5)
    assert session().outcome == "Cancelled" or not facts.caught


def check_a_deleted_source(facts: Any) -> None:
    source, target, _ = creatures()
    bpy.ops.tweenfield.preview_match()
    bpy.data.objects.remove(source)
    pump_until(lambda: not session().busy)
    assert "'A' was deleted" in session().problem.message
    assert not target.data.color_attributes


def check_an_older_backend(facts: Any) -> None:
    """A connection that speaks 1.1, as with a backend that knows no more, refuses in words."""
    source, target, place = creatures()
    link = inside.part("protocol.link")
    newest = link.PROTOCOL
    session().stop_backend()
    pump_until(lambda: session().backend == "stopped")
    link.PROTOCOL = (1, 1)
    try:
        with unchanged():
            facts.match = failed_preview()
        assert "older" in facts.match
        assert "update" in facts.match
        add_landmarks(source, target, place, 3)
        choose(source, target, correspondence="auto")
        with unchanged():
            facts.morph = failed_morph()
        assert "landmarks" in facts.morph
    finally:
        link.PROTOCOL = newest
        session().stop_backend()
        pump_until(lambda: session().backend == "stopped")
    choose(source, target, correspondence="auto")
    facts.said = preview()
    assert facts.said.startswith("Match")


def check_what_is_changed_while_a_match_is_sought(facts: Any) -> None:
    """Colours wait for Object Mode; a mesh that was changed in Edit Mode gets none."""
    source, target, _ = creatures()
    bpy.ops.tweenfield.preview_match()
    bpy.context.view_layer.objects.active = source
    bpy.ops.object.mode_set(mode="EDIT")
    pump_until(lambda: session().bar.text.startswith("Go back to Object Mode"))
    bpy.ops.object.mode_set(mode="OBJECT")
    pump_until(lambda: not session().busy)
    assert session().outcome.startswith("Match: Spectral")
    assert bpy.ops.tweenfield.remove_match_preview() == {"FINISHED"}
    bpy.ops.tweenfield.preview_match()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")
    pump_until(lambda: not session().busy)
    assert "'A' was changed while its match was computed" in session().problem.message
    assert not source.data.color_attributes
    assert not target.data.color_attributes


def check_the_morph_tells_of_its_match(facts: Any) -> None:
    """What was found on the way, and what would help where nothing was."""
    creatures(correspondence="auto")
    morph()
    assert "\nMatch: Spectral" in session().outcome
    ball = inside.ball("Ball")
    choose(inside.grid("Grid"), ball, correspondence="auto", method_name="sdf_blend", keys=2, resolution=16)
    morph()
    facts.said = session().outcome
    assert "pick" in facts.said.lower()


def check_fifty_landmarks_lead(facts: Any) -> None:
    source, target, place = creatures(3, correspondence="landmarks")
    add_landmarks(source, target, place, 50)
    facts.said = preview()
    gaps = np.linalg.norm(colours(source) - colours(target)[place], axis=1)
    assert np.median(gaps) < 0.03
