"""``ShapeKeys``: the frames as absolute shape keys of one object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import bpy

from ..handle import Handle, handle
from ..results import MAKING, find_result, install, shape_keys_of
from ..write_mesh import add_key, animate, key_positions, set_key
from .making import Making, Shape, changed


class ShapeKeys(Making):
    """The template gets one shape key after another."""

    noun: ClassVar[str] = "shape keys"
    _made: Handle | None = None

    def take(self, shape: Shape) -> Iterator[None]:
        made = self._object(shape.seq)
        if made is None:
            self.lost = True
            return
        add_key(made, f"{shape.seq:04d}", shape.positions)
        yield

    def complete(self, count: int) -> bool:
        return self._object(count) is not None

    def install(self, collection: bpy.types.Collection, name: str) -> bpy.types.ID:
        made = self._made.find_object() if self._made is not None else None
        assert made is not None
        assert isinstance(made.data, bpy.types.Mesh)
        animate(made.data, name, self.span.first, self.span.last)
        return install(collection, made, self.template.reading.original.name, name, self.template.matrix())

    def update(self, collection: bpy.types.Collection) -> bpy.types.ID:
        original = self.template.reading.original.name
        made = self._made.find_object() if self._made is not None else None
        older = find_result(collection, original)
        new, old = shape_keys_of(made), shape_keys_of(older)
        if older is None or new is None or old is None or _shape(new) != _shape(old):
            raise changed(original)
        for key, values in zip(old.key_blocks, new.key_blocks, strict=True):
            set_key(key, key_positions(values))
        older.update_tag(refresh={"DATA"})
        self.drop()
        return older

    def drop(self) -> None:
        made = self._made.find_object() if self._made is not None else None
        if made is not None:
            bpy.data.objects.remove(made)
        self._made = None
        self.template.drop()

    def _object(self, count: int) -> bpy.types.Object | None:
        """The object in the making, with ``count`` shape keys; None if an undo took it or some of its keys away."""
        if self._made is None:
            if count != 0:
                return None
            ob = bpy.data.objects.new(self.template.reading.original.name, self.template.mesh())
            ob[MAKING] = self.job
            self._made = handle(ob)
            return ob
        made = self._made.find_object()
        keys = shape_keys_of(made)
        return made if (0 if keys is None else len(keys.key_blocks)) == count else None


def _shape(keys: bpy.types.Key) -> list[int]:
    """How many points each shape key has."""
    points: list[Any] = [key.points for key in keys.key_blocks]
    return [len(each) for each in points]
