"""Positions -> a mesh, or absolute shape keys and the curve that plays them."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from .protocol.mesh import Float32, Float64

PLAYER = "Tweenfield Frames"  # name of the modifier that reads the frames of a result from the disk


def local_positions(matrix: Float64, vertices: Float32, origin: Float64, scale: float) -> Float32:
    """Coordinates [V, 3] under a world matrix [4, 4] of ``vertices`` (relative to ``origin`` and ``scale``)."""
    if np.array_equal(matrix, np.eye(4)) and scale == 1.0 and not origin.any():
        return vertices
    inverse = np.linalg.inv(matrix)
    turn = inverse[:3, :3] * scale  # [3, 3]
    shift = inverse[:3, :3] @ origin + inverse[:3, 3]  # [3]
    return (vertices.astype(np.float64) @ turn.T + shift).astype(np.float32)


def set_positions(mesh: bpy.types.Mesh, positions: Float32) -> None:
    """Moves every vertex of a mesh to ``positions`` [V, 3]."""
    attribute: Any = mesh.attributes["position"]
    attribute.data.foreach_set("vector", np.ascontiguousarray(positions, np.float32).reshape(-1))
    mesh.update()


def add_key(ob: bpy.types.Object, name: str, positions: Float32) -> None:
    """Adds one shape key with the coordinates ``positions`` [V, 3]."""
    key = ob.shape_key_add(name=name, from_mix=False)
    set_key(key, positions)


def set_key(key: bpy.types.ShapeKey, positions: Float32) -> None:
    """``points`` takes a whole buffer at once; ``data`` would go through every vertex."""
    points: Any = key.points
    points.foreach_set("co", np.ascontiguousarray(positions, np.float32).reshape(-1))


def key_positions(key: bpy.types.ShapeKey) -> Float32:
    """The coordinates [V, 3] of a shape key."""
    points: Any = key.points
    found = np.empty((len(points), 3), np.float32)
    points.foreach_get("co", found.reshape(-1))
    return found


def make_absolute(mesh: bpy.types.Mesh) -> bpy.types.Key:
    """Lets ``eval_time`` choose among the mesh's shape keys, instead of a slider for each."""
    keys = mesh.shape_keys
    assert keys is not None
    keys.use_relative = False
    return keys


def last_time(keys: bpy.types.Key) -> float:
    """The ``eval_time`` of the last shape key."""
    return float(keys.key_blocks[-1].frame)


def animate(mesh: bpy.types.Mesh, name: str, frame_start: int, frame_end: int) -> None:
    """One linear curve that runs through all shape keys between two frames of the scene."""
    keys = make_absolute(mesh)
    for frame, value in ((frame_start, 0.0), (frame_end, last_time(keys))):
        keys.eval_time = value
        keys.keyframe_insert("eval_time", frame=frame)
    animation = keys.animation_data
    assert animation is not None
    assert animation.action is not None
    animation.action.name = name
    for curve in curves_of(animation):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"


def curves_of(animation: bpy.types.AnimData) -> Any:
    """The curves of a data-block's own action. Blender 5.0 has them only in its slot's channel bag."""
    action: Any = animation.action
    if hasattr(action, "fcurves"):
        return action.fcurves
    return action.layers[0].strips[0].channelbag(animation.action_slot).fcurves


def remove_mesh(mesh: bpy.types.Mesh) -> None:
    """Removes a mesh nobody uses, with the action of its shape keys."""
    action = _action_of(mesh.shape_keys)
    bpy.data.meshes.remove(mesh)
    _remove_unused(action)


def remove_object(ob: bpy.types.Object) -> None:
    """Removes an object with what only it uses: its mesh, its action, and the frames on disk that it reads."""
    mesh, action = ob.data, _action_of(ob)
    clear_player(ob)
    bpy.data.objects.remove(ob)
    if isinstance(mesh, bpy.types.Mesh) and mesh.users == 0:
        remove_mesh(mesh)
    _remove_unused(action)


def clear_player(ob: bpy.types.Object) -> None:
    """Takes away the modifier that reads an object's frames from the disk."""
    player = ob.modifiers.get(PLAYER)
    if player is None:
        return
    cache = player.cache_file if isinstance(player, bpy.types.MeshSequenceCacheModifier) else None
    ob.modifiers.remove(player)
    if cache is not None and cache.users == 0:
        action = _action_of(cache)
        bpy.data.batch_remove([cache])
        _remove_unused(action)


def _action_of(block: Any) -> bpy.types.Action | None:
    return block.animation_data.action if block is not None and block.animation_data is not None else None


def _remove_unused(action: bpy.types.Action | None) -> None:
    if action is not None and action.users == 0:
        bpy.data.actions.remove(action)
