"""Colours on meshes that can be taken away without a trace: the attribute, and what was switched to show it.

What was there before is kept beside it, on the mesh and on the screen, so that it survives saving and undo.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np

from ..protocol.mesh import Float64

NAME = "Tweenfield Match"  # of the attribute, unless the mesh has one that is called so
BEFORE = "tweenfield_before_match"  # custom property of a painted mesh, and of a screen that shows it
SHOWING = ("SOLID", "VERTEX")  # shading that shows colour attributes


def painted() -> list[bpy.types.Mesh]:
    """The meshes that have match colours."""
    return [mesh for mesh in bpy.data.meshes if mesh.get(BEFORE) is not None]


def paint(mesh: bpy.types.Mesh, colours: Float64) -> None:
    """Adds colours [V, 3] (linear light) at the vertices as the active colour attribute."""
    layers: Any = mesh.color_attributes
    before = {
        "active": _name(layers.active_color_name),
        "default": _name(layers.default_color_name),
        "listed": mesh.attributes.active.name if mesh.attributes.active is not None else "",
    }
    made = layers.new(name=NAME, type="FLOAT_COLOR", domain="POINT")
    before["name"] = made.name
    opaque = np.insert(colours.astype(np.float32), 3, 1.0, axis=1)  # [V, 4]
    made.data.foreach_set("color", opaque.reshape(-1))
    layers.active_color_name = before["name"]
    mesh[BEFORE] = json.dumps(before)
    mesh.update()


def wipe(mesh: bpy.types.Mesh) -> None:
    """Takes the colours away; those that were active before are again, unless others were made so meanwhile."""
    before = json.loads(str(mesh[BEFORE]))
    layers: Any = mesh.color_attributes
    ours = before["name"]
    active, default = _name(layers.active_color_name), _name(layers.default_color_name)
    listed = mesh.attributes.active.name if mesh.attributes.active is not None else ""
    made = layers.get(ours)
    if made is not None:
        layers.remove(made)
    layers.active_color_name = before["active"] if active == ours else active
    layers.default_color_name = before["default"] if default == ours else default
    if mesh.attributes:
        index = mesh.attributes.find(before["listed"] if listed == ours else listed)
        if index >= 0:
            mesh.attributes.active_index = index
    del mesh[BEFORE]
    mesh.update()


def _name(name: Any) -> str:
    return str(name or "")


def show_colours() -> None:
    """Switches the viewports of all windows to colour attributes, and remembers what they had."""
    for screen in _shown_screens():
        if screen.get(BEFORE) is not None:
            continue
        before = []
        for shading in _shadings(screen):
            before.append((shading.type, shading.color_type))
            shading.type, shading.color_type = SHOWING
        screen[BEFORE] = json.dumps(before)


def show_as_before() -> None:
    """Gives viewports back what they had; those that were switched otherwise meanwhile stay so."""
    for screen in bpy.data.screens:
        if screen.get(BEFORE) is None:
            continue
        for shading, (kind, colour) in zip(_shadings(screen), json.loads(str(screen[BEFORE])), strict=False):
            if shading.color_type == SHOWING[1]:
                shading.color_type = colour
            if shading.type == SHOWING[0]:
                shading.type = kind
        del screen[BEFORE]


def _shown_screens() -> list[bpy.types.Screen]:
    manager = bpy.context.window_manager
    return [window.screen for window in manager.windows] if manager is not None else []


def _shadings(screen: bpy.types.Screen) -> Iterator[Any]:
    """The shading of every 3D viewport."""
    for area in screen.areas:
        for space in area.spaces:
            if isinstance(space, bpy.types.SpaceView3D):
                yield space.shading
