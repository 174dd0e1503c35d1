"""``Handle``: a data-block by name and session id, looked up anew whenever it is needed.

Undo and the opening of a file free data-blocks, and a Python reference to a freed one is an error at best. A handle
stays valid: it finds the data-block again, or finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class Handle:
    """Where a data-block is: its list in ``bpy.data``, its name when the handle was made, and its session id."""

    kind: str  # name of the list: objects, meshes, scenes
    name: str
    uid: int

    def find(self) -> bpy.types.ID | None:
        """The data-block, if it still exists."""
        blocks: Mapping[str, bpy.types.ID] = getattr(bpy.data, self.kind)
        named = blocks.get(self.name)
        if named is not None and named.session_uid == self.uid:
            return named
        return next((block for block in blocks.values() if block.session_uid == self.uid), None)

    def find_object(self) -> bpy.types.Object | None:
        found = self.find()
        return found if isinstance(found, bpy.types.Object) else None

    def find_mesh(self) -> bpy.types.Mesh | None:
        found = self.find()
        return found if isinstance(found, bpy.types.Mesh) else None

    def find_scene(self) -> bpy.types.Scene | None:
        found = self.find()
        return found if isinstance(found, bpy.types.Scene) else None


def handle(block: bpy.types.Object | bpy.types.Mesh | bpy.types.Scene) -> Handle:
    """The handle of a data-block."""
    if isinstance(block, bpy.types.Object):
        return Handle("objects", block.name, block.session_uid)
    if isinstance(block, bpy.types.Mesh):
        return Handle("meshes", block.name, block.session_uid)
    return Handle("scenes", block.name, block.session_uid)
