"""``FramesOnDisk``: one object whose mesh is read from files, one for each frame, by Blender's own modifiers.

Where the faces change, Blender writes one Alembic file a frame, and the object has a Mesh Sequence Cache; where they
stay, one PC2 file holds all positions, and the object has a Mesh Cache.
"""

from __future__ import annotations

import contextlib
import struct
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import bpy
import numpy as np

from ..build_mesh import build
from ..frame_files import blend_path, discard, finish, new_folder
from ..handle import Handle, handle
from ..problem import Problem
from ..results import MAKING, find_result, install
from ..write_mesh import PLAYER, curves_of
from .face_sets import face_sets
from .making import Making, Shape, Span, Template, changed, set_keys, steps_of


class _OnDisk(Making):
    """What both ways share: the folder, and the object that reads it."""

    noun: ClassVar[str] = "frames on disk"

    def __init__(self, template: Template, job: str, span: Span, pair: str) -> None:
        super().__init__(template, job, span)
        self.folder = new_folder(pair)
        self._count = 0
        self._done = False

    def complete(self, count: int) -> bool:
        return self._count == count

    def install(self, collection: bpy.types.Collection, name: str) -> bpy.types.ID:
        original = self.template.reading.original.name
        made = bpy.data.objects.new(original, self._base())
        made[MAKING] = self.job
        self._done = True
        ob = install(collection, made, original, name, self.template.matrix())
        self._read(ob)
        finish(self.folder)
        return ob

    def update(self, collection: bpy.types.Collection) -> bpy.types.ID:
        original = self.template.reading.original.name
        older = find_result(collection, original)
        player = older.modifiers.get(PLAYER) if older is not None else None
        if older is None or player is None or not self._reread(player):
            raise changed(original)
        self._done = True
        finish(self.folder)
        self.template.drop()
        return older

    def drop(self) -> None:
        if not self._done:
            discard(self.folder)

    def told(self) -> list[str]:
        lines = [f"The frames are in {self.folder}. Keep that folder with the .blend file."]
        if not bpy.data.filepath:
            lines.append("Save the file and press Morph again to have them beside it.")
        return lines

    @abstractmethod
    def _base(self) -> bpy.types.Mesh:
        """The mesh that the object has by itself."""

    @abstractmethod
    def _read(self, ob: bpy.types.Object) -> None:
        """Gives the object the modifier that reads the files."""

    @abstractmethod
    def _reread(self, player: bpy.types.Modifier) -> bool:
        """Lets an older modifier read these files; whether it can."""

    def _failed(self, error: Exception | str) -> Problem:
        return Problem(f"The frames cannot be written to {self.folder}: {error}. Is the disk full?")


class AlembicFrames(_OnDisk):
    """Faces of any kind: one file a frame."""

    def __init__(self, template: Template, job: str, span: Span, pair: str) -> None:
        super().__init__(template, job, span, pair)
        self._name = f"frames-{job}"  # of the object in the files; the same in all of them
        self._first: Handle | None = None  # mesh of the first frame

    def take(self, shape: Shape) -> Iterator[None]:
        mark = (MAKING, self.job)
        here = yield from build(self.template.surface(shape), self.template.dress(), self._name, mark, "corners")
        mesh = here.find_mesh() if here is not None else None
        if mesh is None or self._count != shape.seq:
            self.lost = True
            return
        mesh.name = self._name
        self._export(mesh, shape.seq + 1)
        self._count += 1
        if self._first is None:
            mesh.name = self.template.reading.original.name
            self._first = handle(mesh)
        else:
            bpy.data.meshes.remove(mesh)
        yield

    def complete(self, count: int) -> bool:
        return super().complete(count) and self._first is not None and self._first.find_mesh() is not None

    def told(self) -> list[str]:
        return [*super().told(), *steps_of(self._count, self.span)]

    def _path(self, number: int) -> Path:
        return self.folder / f"frame_{number:04d}.abc"

    def _export(self, mesh: bpy.types.Mesh, number: int) -> None:
        """Writes one mesh from a scene of its own, which is gone again before anybody sees it."""
        scene = bpy.data.scenes.new(self._name)
        ob = bpy.data.objects.new(self._name, mesh)
        try:
            scene.collection.objects.link(ob)
            path = self._path(number)
            with _in_scene(scene), face_sets(mesh) as has_slots:
                bpy.ops.wm.alembic_export(
                    filepath=str(path), start=1, end=1, flatten=True, uvs=True, packuv=False, vcolors=True,
                    normals=not self.template.dress().smooth, face_sets=has_slots, export_hair=False,
                    export_particles=False, evaluation_mode="RENDER", as_background_job=False,
                )  # fmt: skip
            if not path.is_file():
                raise self._failed("Blender wrote no file")
        except RuntimeError as error:  # how an operator's error reaches a script
            raise self._failed(error) from error
        finally:
            bpy.data.objects.remove(ob)
            bpy.data.scenes.remove(scene)

    def _base(self) -> bpy.types.Mesh:
        mesh = self._first.find_mesh() if self._first is not None else None
        assert mesh is not None
        del mesh[MAKING]
        self.template.give_materials(mesh)
        self.template.drop()
        return mesh

    def _read(self, ob: bpy.types.Object) -> None:
        cache: Any = _open_cache(self._path(1))
        cache.name = ob.name
        cache.filepath = blend_path(self._path(1))
        cache.is_sequence = True
        # The number of the file that is read; the part behind the point is dropped, so half a frame more rounds it.
        cache.override_frame = True
        set_keys(cache, "frame", [(self.span.first, 1.5), (self.span.last, self._count + 0.5)])
        cache.animation_data.action.name = ob.name
        for curve in curves_of(cache.animation_data):
            for point in curve.keyframe_points:
                point.interpolation = "LINEAR"
        modifier: Any = _first_modifier(ob, "MESH_SEQUENCE_CACHE")
        modifier.cache_file = cache
        modifier.object_path = self._object_path
        modifier.read_data = {"VERT", "POLY", "UV", "COLOR"}

    def _reread(self, player: bpy.types.Modifier) -> bool:
        if not isinstance(player, bpy.types.MeshSequenceCacheModifier) or player.cache_file is None:
            return False
        player.cache_file.filepath = blend_path(self._path(1))
        player.object_path = self._object_path
        return True

    @property
    def _object_path(self) -> str:
        """Of the mesh in the files."""
        return f"/{self._name}/{self._name}"


class PointFrames(_OnDisk):
    """The source's own faces: one file with all positions."""

    _HEADER = struct.Struct("<12siiffi")  # POINTCACHE2, version, vertices, first frame, frames a sample, samples

    def take(self, shape: Shape) -> Iterator[None]:
        path = self.folder / "frames.pc2"
        try:
            with path.open("r+b" if shape.seq else "w+b") as file:
                file.write(self._HEADER.pack(b"POINTCACHE2\0", 1, len(shape.positions), 0.0, 1.0, shape.seq + 1))
                file.seek(0, 2)
                file.write(np.ascontiguousarray(shape.positions, "<f4").tobytes())
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        self._count += 1
        yield

    def _base(self) -> bpy.types.Mesh:
        return self.template.mesh()

    def _read(self, ob: bpy.types.Object) -> None:
        modifier: Any = _first_modifier(ob, "MESH_CACHE")
        modifier.cache_format = "PC2"
        modifier.filepath = blend_path(self.folder / "frames.pc2")
        modifier.interpolation = "LINEAR"
        modifier.time_mode = "FRAME"
        modifier.play_mode = "SCENE"
        # Of the samples, the modifier shows number: frame of the scene * scale - start.
        modifier.frame_scale = (self._count - 1) / (self.span.last - self.span.first)
        modifier.frame_start = modifier.frame_scale * self.span.first

    def _reread(self, player: bpy.types.Modifier) -> bool:
        if not isinstance(player, bpy.types.MeshCacheModifier):
            return False
        player.filepath = blend_path(self.folder / "frames.pc2")
        return True


def _first_modifier(ob: bpy.types.Object, kind: Any) -> bpy.types.Modifier:
    """The modifier that plays the frames: before the artist's own."""
    modifier = ob.modifiers.new(PLAYER, kind)
    ob.modifiers.move(len(ob.modifiers) - 1, 0)
    return modifier


def _open_cache(path: Path) -> bpy.types.CacheFile:
    """Blender's data-block for a file of frames; only an operator makes one."""
    before = set(bpy.data.cache_files)
    with _in_scene(bpy.context.scene):
        bpy.ops.cachefile.open(filepath=str(path))
    (cache,) = set(bpy.data.cache_files) - before
    cache.user_clear()  # the operator counts a user that is not there
    return cache


@contextlib.contextmanager
def _in_scene(scene: bpy.types.Scene | None) -> Iterator[None]:
    """A context that operators accept: a timer's has no window."""
    assert scene is not None
    manager = bpy.context.window_manager
    where: dict[str, Any] = {"scene": scene, "view_layer": scene.view_layers[0]}
    if bpy.context.window is None and manager is not None and len(manager.windows):
        where["window"] = manager.windows[0]
    with bpy.context.temp_override(**where):
        yield
