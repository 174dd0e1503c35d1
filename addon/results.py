"""Where results are: one collection for each pair, marked so that a second run finds and replaces its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import bpy

from .handle import Handle
from .problem import Problem
from .write_mesh import clear_player, remove_mesh, remove_object

# Custom properties; they stay in the file, so that it can be closed and opened between two runs.
SOURCE = "tweenfield_source"  # on the collection: name of the source
TARGET = "tweenfield_target"  # on the collection: name of the target
ORIGINAL = "tweenfield_original"  # on a result, an object or a collection: name of the object that it was made from
PREVIEW = "tweenfield_preview"  # on a preview and its meshes: id of its job
HIDDEN = "tweenfield_hidden"  # on a preview: the objects and collections that are hidden while it is there
NUMBER = "tweenfield_number"  # on an object that shows one frame: which, from 0
MAKING = "tweenfield_making"  # on unlinked objects and meshes that become a result: id of its job


def _mark(block: bpy.types.ID, name: str) -> Any:
    return block.get(name)


def scene_of(scene: Handle) -> bpy.types.Scene:
    """The scene that a morph was asked for in."""
    found = scene.find_scene()
    if found is None:
        raise Problem(f"The scene {scene.name!r} was deleted while the morph was computed.")
    return found


def find_collection(source: str, target: str) -> bpy.types.Collection | None:
    """The collection of a pair."""
    for collection in bpy.data.collections:
        if _mark(collection, SOURCE) == source and _mark(collection, TARGET) == target:
            return collection
    return None


def pair_collection(scene: bpy.types.Scene, source: str, target: str) -> bpy.types.Collection:
    """The collection of a pair, made and put into the scene if need be."""
    collection = find_collection(source, target)
    if collection is None:
        collection = bpy.data.collections.new(f"{source} to {target}")
        collection[SOURCE] = source
        collection[TARGET] = target
    if collection not in scene.collection.children_recursive:
        scene.collection.children.link(collection)
    return collection


def find_result(collection: bpy.types.Collection | None, original: str) -> bpy.types.Object | None:
    """The older result made from the object called ``original``, where it is one object."""
    if collection is None:
        return None
    for ob in collection.objects:
        if _mark(ob, ORIGINAL) == original and _mark(ob, PREVIEW) is None:
            return ob
    return None


def find_frames(collection: bpy.types.Collection, original: str) -> bpy.types.Collection | None:
    """The older result made from the object called ``original``, where it is one object a frame."""
    return next((child for child in collection.children if _mark(child, ORIGINAL) == original), None)


def install(
    collection: bpy.types.Collection, made: bpy.types.Object, original: str, name: str, matrix: Any
) -> bpy.types.Object:
    """Puts a finished object into the collection. An older result stays, with its modifiers, and gets the new mesh."""
    mesh = made.data
    assert isinstance(mesh, bpy.types.Mesh)
    del made[MAKING]
    _remove_frames(collection, original)
    old = find_result(collection, original)
    if old is None:
        made.name = name
        made[ORIGINAL] = original
        made.matrix_world = matrix
        collection.objects.link(made)
        mesh.name = made.name
        return made
    before = old.data
    clear_player(old)
    old.data = mesh
    old.matrix_world = matrix
    bpy.data.objects.remove(made)
    if isinstance(before, bpy.types.Mesh) and before.users == 0:
        remove_mesh(before)
    mesh.name = old.name
    return old


def install_frames(
    collection: bpy.types.Collection, made: Sequence[bpy.types.Object], original: str, name: str
) -> bpy.types.Collection:
    """Puts one object a frame into a collection of their own, in the place of an older result."""
    _remove_frames(collection, original)
    old = find_result(collection, original)
    if old is not None:
        remove_object(old)
    frames = bpy.data.collections.new(f"{name} frames")
    frames[ORIGINAL] = original
    for number, ob in enumerate(made, 1):
        assert ob.data is not None
        for block in (ob, ob.data):
            del block[MAKING]
            block.name = f"{name} {number:04d}"
        ob[NUMBER] = number - 1
        if ob.animation_data is not None and ob.animation_data.action is not None:
            ob.animation_data.action.name = ob.name
        frames.objects.link(ob)
    collection.children.link(frames)
    return frames


def frames_in(frames: bpy.types.Collection) -> list[bpy.types.Object]:
    """The objects of a result that is one object a frame, in their order."""
    found = [ob for ob in frames.objects if _mark(ob, NUMBER) is not None]
    return sorted(found, key=lambda ob: int(_mark(ob, NUMBER)))


def _remove_frames(collection: bpy.types.Collection, original: str) -> None:
    frames = find_frames(collection, original)
    if frames is None:
        return
    for ob in list(frames.objects):
        remove_object(ob)
    bpy.data.collections.remove(frames)


def drop_leftovers(current: str = "") -> None:
    """Removes previews and what is half made of all jobs but ``current``: an undo may bring some back."""
    _drop_made({job for block in (*bpy.data.objects, *bpy.data.meshes) if (job := _mark(block, MAKING))} - {current})
    drop_previews(except_of=current)


def drop_making(job: str) -> None:
    """Removes what is half made of a job."""
    _drop_made({job})


def _drop_made(jobs: set[str]) -> None:
    if not jobs:
        return
    for ob in [ob for ob in bpy.data.objects if _mark(ob, MAKING) in jobs]:
        remove_object(ob)
    for mesh in [mesh for mesh in bpy.data.meshes if _mark(mesh, MAKING) in jobs]:
        remove_mesh(mesh)


def hide_behind(preview: bpy.types.Object, older: Sequence[bpy.types.Object | bpy.types.Collection]) -> None:
    """Hides what lies in the same place, for as long as there is a preview; that is kept in the file and its undo."""
    hidden = [block for block in older if _hide(block, True)]
    preview[HIDDEN] = {str(number): block for number, block in enumerate(hidden)}


def _hide(block: bpy.types.Object | bpy.types.Collection, hidden: bool) -> bool:
    """Hides a block in the current view layer, or shows it; whether that changed anything."""
    if isinstance(block, bpy.types.Object):
        if block.visible_get() != hidden:
            return False
        with contextlib.suppress(RuntimeError):  # another view layer is shown now, where nothing was hidden
            block.hide_set(hidden)
        return True
    layers = [layer for layer in _layers_of(block) if layer.hide_viewport != hidden]
    for layer in layers:
        layer.hide_viewport = hidden
    return bool(layers)


def _layers_of(collection: bpy.types.Collection) -> Iterator[bpy.types.LayerCollection]:
    """The current view layer's entries for a collection."""
    view_layer = bpy.context.view_layer
    waiting = [view_layer.layer_collection] if view_layer is not None else []
    while waiting:
        layer = waiting.pop()
        if layer.collection == collection:
            yield layer
        waiting.extend(layer.children)


def drop_previews(except_of: str = "") -> None:
    """Removes previews, and the collections of pairs that are empty without them; shows what they had hidden."""
    for ob in [ob for ob in bpy.data.objects if _mark(ob, PREVIEW) not in (None, except_of)]:
        for block in dict(_mark(ob, HIDDEN) or {}).values():
            if block is not None:
                _hide(block, False)
        homes = list(ob.users_collection)
        remove_object(ob)
        for home in homes:
            if _mark(home, SOURCE) is not None and not home.all_objects and not home.children:
                bpy.data.collections.remove(home)
    for mesh in [mesh for mesh in bpy.data.meshes if _mark(mesh, PREVIEW) not in (None, except_of)]:
        remove_mesh(mesh)


def shape_keys_of(ob: bpy.types.Object | None) -> bpy.types.Key | None:
    return ob.data.shape_keys if ob is not None and isinstance(ob.data, bpy.types.Mesh) else None
