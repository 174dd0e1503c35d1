"""``KeyedObjects``: one object a frame, of which exactly one is visible at any frame of the scene."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import bpy

from ..build_mesh import build
from ..handle import Handle, handle
from ..results import MAKING, find_frames, frames_in, install_frames
from ..write_mesh import remove_mesh, remove_object, set_positions
from .making import Making, Shape, Span, Template, changed, set_keys, steps_of


class KeyedObjects(Making):
    """Everything is in the .blend file, and plain keyframes show it: any Blender can render it."""

    noun: ClassVar[str] = "meshes"

    def __init__(self, template: Template, job: str, span: Span) -> None:
        super().__init__(template, job, span)
        self._made: list[Handle] = []
        self._count = 0

    def take(self, shape: Shape) -> Iterator[None]:
        last = self._made[-1].find_object() if self._made else None
        if len(self._made) != shape.seq or (shape.seq > 0 and last is None):
            self.lost = True
            return
        name = f"{self.template.reading.original.name} {shape.seq + 1:04d}"
        if shape.frame is not None:
            here = yield from build(self.template.surface(shape), self.template.dress(), name, (MAKING, self.job))
            mesh = here.find_mesh() if here is not None else None
            if mesh is not None:
                self.template.give_materials(mesh)
        else:
            mesh = self.template.mesh().copy()
            mesh[MAKING] = self.job
            set_positions(mesh, shape.positions)
        if mesh is None:
            self.lost = True
            return
        ob = bpy.data.objects.new(name, mesh)
        ob[MAKING] = self.job
        ob.matrix_world = self.template.matrix()
        for path in ("hide_viewport", "hide_render"):
            set_keys(ob, path, visibility(shape.seq, shape.total, self.span))
        self._made.append(handle(ob))
        self._count += 1
        yield

    def complete(self, count: int) -> bool:
        return len(self._made) == count and all(made.find_object() is not None for made in self._made)

    def install(self, collection: bpy.types.Collection, name: str) -> bpy.types.ID:
        objects = [ob for ob in (made.find_object() for made in self._made) if ob is not None]
        scene = bpy.context.scene
        shown = self.span.shown(scene.frame_current if scene is not None else 0, len(objects))
        for index, ob in enumerate(objects):
            ob.hide_viewport = ob.hide_render = index != shown
        self._made = []
        self.template.drop()
        return install_frames(collection, objects, self.template.reading.original.name, name)

    def update(self, collection: bpy.types.Collection) -> bpy.types.ID:
        original = self.template.reading.original.name
        frames = find_frames(collection, original)
        older = frames_in(frames) if frames is not None else []
        made = [ob for ob in (one.find_object() for one in self._made) if ob is not None]
        if frames is None or len(older) != len(made):
            raise changed(original)
        for old, new in zip(older, made, strict=True):
            mesh, before = new.data, old.data
            assert mesh is not None
            del mesh[MAKING]
            old.data = mesh
            remove_object(new)
            if isinstance(before, bpy.types.Mesh) and before.users == 0:
                remove_mesh(before)
            mesh.name = old.name
        self._made = []
        self.template.drop()
        return frames

    def drop(self) -> None:
        """What was made bears the job's mark, and is removed by it."""
        self._made = []

    def told(self) -> list[str]:
        return steps_of(self._count, self.span)


def visibility(seq: int, total: int, span: Span) -> list[tuple[float, bool]]:
    """When shape ``seq`` of ``total`` is hidden: frames of the scene at which that changes, and to what.

    Keyframes of a switch hold until the next one, and the first holds before it, too.
    """
    begins, ends = (_begin(index, total, span) for index in (seq, seq + 1))
    if seq == 0:
        return [(float(span.first), False), (float(ends), True)]
    if seq == total - 1:
        return [(float(begins - 1), True), (float(begins), False)]
    if begins == ends:  # more shapes than frames: never shown
        return [(float(begins), True)]
    return [(float(begins - 1), True), (float(begins), False), (float(ends), True)]


def _begin(seq: int, total: int, span: Span) -> int:
    """The first frame of the scene at which shape ``seq`` or a later one is shown."""
    frame = math.floor(span.first + (seq - 0.5) * (span.last - span.first) / (total - 1)) - 1
    while span.shown(frame, total) < seq and frame < span.last:
        frame += 1
    return frame
