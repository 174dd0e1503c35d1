"""Clicks on vertices, for the scripts that pick landmarks; runs in a Blender window, see ``run.py``."""

import sys
from typing import Any

import bpy
import driver
from bpy_extras import view3d_utils
from scene import MODULE, Steps, area, choose_foxes, set_the_scene, settings

APART = 22.0  # pixels between two landmarks, at least
TURN = 0.9  # radians; of the source, so that both are seen from the side


def part(name: str) -> Any:
    return sys.modules[f"{MODULE}.{name}"]


def landmarks() -> Any:
    return bpy.context.scene.tweenfield_landmarks.pairs


def picked() -> list[tuple[int, int]]:
    """The vertices of every landmark."""
    return [(landmark.first.vertex, landmark.second.vertex) for landmark in landmarks()]


def viewport() -> tuple[Any, Any]:
    here = area("VIEW_3D")
    return next(region for region in here.regions if region.type == "WINDOW"), here.spaces.active.region_3d


def pixel(ob: Any, vertex: int) -> tuple[float, float] | None:
    """Where a vertex is in the window; None where its own mesh hides it, or the sidebar is."""
    region, data = viewport()
    place = ob.matrix_world @ ob.data.vertices[vertex].co
    found = view3d_utils.location_3d_to_region_2d(region, data, place)
    sidebar = next(region for region in area("VIEW_3D").regions if region.type == "UI")
    if found is None or not (60 < found.y < region.height - 60 and 60 < found.x < sidebar.x - region.x - 20):
        return None
    view = part("landmarks.view")
    ray = view.View(region, data).ray(found.x, found.y)
    hit = part("landmarks.skin").under(bpy.context, ob, ray)
    seen = hit is not None and (hit[0] - place).length < 0.01
    return (region.x + found.x, region.y + found.y) if seen else None


def visible_vertices(count: int) -> list[int]:
    """Vertices that are seen on both foxes, not too near to each other."""
    source, target = settings().source, settings().target
    chosen: list[tuple[int, tuple[float, float]]] = []
    for vertex in range(len(source.data.vertices)):
        here, there = pixel(source, vertex), pixel(target, vertex)
        if here is None or there is None:
            continue
        if all((here[0] - x) ** 2 + (here[1] - y) ** 2 > APART**2 for _, (x, y) in chosen):
            chosen.append((vertex, here))
        if len(chosen) == count:
            return [vertex for vertex, _ in chosen]
    raise AssertionError(f"only {len(chosen)} vertices are seen on both")


def click_vertex(ob: Any, vertex: int) -> Steps:
    place = pixel(ob, vertex)
    assert place is not None
    driver.move(*place)
    yield 0.2
    driver.click(*place)
    yield 0.5


def open_landmarks() -> None:
    """The list is closed at first, and no script can open it but by making it anew."""
    panel = part("landmarks.panel").TWEENFIELD_PT_landmarks
    bpy.utils.unregister_class(panel)
    panel.bl_options = set()
    bpy.utils.register_class(panel)


def chosen_foxes() -> Any:
    """Both foxes seen from the side, chosen in the panel; its region, the source and the target."""
    open_landmarks()
    set_the_scene()
    bpy.data.objects["Fox"].rotation_euler.z = TURN
    yield 1.0
    region = yield from driver.open_sidebar("Tweenfield")
    yield from choose_foxes(region)
    bpy.ops.object.select_all(action="DESELECT")
    return region, settings().source, settings().target
