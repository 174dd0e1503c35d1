"""``LivePreview``: the morph as trained so far, as one object in the pair's collection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import bpy

from .build_mesh import Surface, build
from .handle import Handle, handle
from .making.making import Template
from .protocol.messages import Preview
from .results import (
    PREVIEW,
    drop_previews,
    find_frames,
    find_result,
    hide_behind,
    pair_collection,
    scene_of,
    shape_keys_of,
)
from .write_mesh import add_key, last_time, local_positions, make_absolute, remove_mesh, set_key

SWING = 3.0  # seconds that it takes from the source to the target and back
SWING_STEP = 0.08  # seconds between two of its pictures


@dataclass
class LivePreview:
    """Shape keys where the faces are the source's; otherwise meshes that take turns. An older result is hidden."""

    template: Template
    scene: Handle
    target: str  # name
    job: str  # id
    _object: Handle | None = None
    _meshes: list[Handle] = field(default_factory=list)
    _swung: float = 0.0  # when it last moved; monotonic seconds

    def show(self, message: Preview) -> Iterator[None]:
        """Takes coarse frames in."""
        if message.meshes:
            yield from self._show_meshes(message)
        else:
            yield from self._show_keys(message)

    def swing(self) -> None:
        """Swings between source and target, so that it moves without being played."""
        now = time.monotonic()
        if now - self._swung >= SWING_STEP:
            self._swung = now
            self.play(1.0 - abs(2.0 * (now % SWING) / SWING - 1.0))

    def play(self, phase: float) -> None:
        """Shows the morph at ``phase`` of 0..1 between source and target."""
        ob = self._find()
        if ob is None:
            return
        keys = shape_keys_of(ob)
        if keys is not None and not keys.use_relative:
            keys.eval_time = phase * last_time(keys)
        elif self._meshes:
            mesh = self._meshes[round(phase * (len(self._meshes) - 1))].find_mesh()
            if mesh is not None and ob.data != mesh:
                ob.data = mesh

    def drop(self) -> None:
        """Takes the preview away, and shows the older result again."""
        drop_previews()
        self._object = None
        self._meshes = []

    def _show_keys(self, message: Preview) -> Iterator[None]:
        count = len(message.times)
        reading = self.template.reading
        keys = shape_keys_of(self._find())
        if keys is None or len(keys.key_blocks) != count:
            self.drop()
            self._make(self.template.mesh().copy())
        for index in range(count):
            yield
            ob = self._find()
            if ob is None:
                return
            positions = local_positions(
                reading.matrix, message.vertices[index], reading.data.origin, reading.data.scale
            )
            keys = shape_keys_of(ob)
            if keys is not None and index < len(keys.key_blocks):
                set_key(keys.key_blocks[index], positions)
            else:
                add_key(ob, f"Preview {index}", positions)
        assert ob is not None
        assert isinstance(ob.data, bpy.types.Mesh)
        make_absolute(ob.data)
        ob.update_tag(refresh={"DATA"})

    def _show_meshes(self, message: Preview) -> Iterator[None]:
        if shape_keys_of(self._find()) is not None or self._find() is None:
            self.drop()
        made: list[Handle] = []
        for data in message.meshes:
            positions = local_positions(self.template.reading.matrix, data.vertices, data.origin, data.scale)
            surface = Surface(positions, data.face_offsets, data.face_indices, data.attributes)
            dress = self.template.dress()
            here = yield from build(surface, dress, f"{self.template.reading.original.name} Preview", self._mark)
            mesh = here.find_mesh() if here is not None else None
            if here is None or mesh is None:
                return
            self.template.give_materials(mesh)
            made.append(here)
        meshes = [mesh for mesh in (here.find_mesh() for here in made) if mesh is not None]
        if len(meshes) < len(made):  # an undo took some away; the next preview brings all of them
            return
        ob = self._find()
        if ob is None:
            self._make(meshes[0])
        else:
            ob.data = meshes[0]
        for old in self._meshes:
            mesh = old.find_mesh()
            if mesh is not None and mesh.users == 0:
                remove_mesh(mesh)
        self._meshes = made

    @property
    def _mark(self) -> tuple[str, str]:
        return (PREVIEW, self.job)

    def _find(self) -> bpy.types.Object | None:
        return self._object.find_object() if self._object is not None else None

    def _make(self, mesh: bpy.types.Mesh) -> None:
        original = self.template.reading.original.name
        mesh.name = f"{original} Preview"
        ob = bpy.data.objects.new(mesh.name, mesh)
        ob[PREVIEW] = self.job
        ob.matrix_world = self.template.matrix()
        collection = pair_collection(scene_of(self.scene), original, self.target)
        older = find_result(collection, original), find_frames(collection, original)
        hide_behind(ob, [block for block in older if block is not None])  # two shapes in one place look like neither
        collection.objects.link(ob)
        self._object = handle(ob)
