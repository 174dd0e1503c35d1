"""Where results are: one collection for each pair, marked so that a second run finds and replaces its own."""

from __future__ import annotations

from typing import Any

import bpy

from .write_mesh import remove_mesh

# Custom properties; they stay in the file, so that it can be closed and opened between two runs.
SOURCE = "tweenfield_source"  # on the collection: name of the source
TARGET = "tweenfield_target"  # on the collection: name of the target
ORIGINAL = "tweenfield_original"  # on a result: name of the object that it was made from
PREVIEW = "tweenfield_preview"  # on a preview: id of its job
MAKING = "tweenfield_making"  # on an unlinked object that is given its shape keys: id of its job


def _mark(block: bpy.types.ID, name: str) -> Any:
    return block.get(name)


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
    """The older result made from the object called ``original``."""
    if collection is None:
        return None
    for ob in collection.objects:
        if _mark(ob, ORIGINAL) == original and _mark(ob, PREVIEW) is None:
            return ob
    return None


def install(
    collection: bpy.types.Collection, made: bpy.types.Object, original: str, name: str, matrix: Any
) -> bpy.types.Object:
    """Puts a finished object into the collection. An older result stays, with its modifiers, and gets the new mesh."""
    mesh = made.data
    assert isinstance(mesh, bpy.types.Mesh)
    del made[MAKING]
    old = find_result(collection, original)
    if old is None:
        made.name = name
        made[ORIGINAL] = original
        made.matrix_world = matrix
        collection.objects.link(made)
        mesh.name = made.name
        return made
    before = old.data
    old.data = mesh
    old.matrix_world = matrix
    bpy.data.objects.remove(made)
    if isinstance(before, bpy.types.Mesh) and before.users == 0:
        remove_mesh(before)
    mesh.name = old.name
    return old


def drop_leftovers(current: str = "") -> None:
    """Removes previews and half-made objects of all jobs but ``current``: an undo may bring some back."""
    for ob in [ob for ob in bpy.data.objects if _mark(ob, MAKING) not in (None, current)]:
        _remove_object(ob)
    drop_previews(except_of=current)


def drop_previews(except_of: str = "") -> None:
    """Removes previews, and the collections of pairs that are empty without them."""
    for ob in [ob for ob in bpy.data.objects if _mark(ob, PREVIEW) not in (None, except_of)]:
        homes = list(ob.users_collection)
        _remove_object(ob)
        for home in homes:
            if _mark(home, SOURCE) is not None and not home.all_objects and not home.children:
                bpy.data.collections.remove(home)


def _remove_object(ob: bpy.types.Object) -> None:
    mesh = ob.data
    bpy.data.objects.remove(ob)
    if isinstance(mesh, bpy.types.Mesh) and mesh.users == 0:
        remove_mesh(mesh)
