"""One morph in Blender: what was read for it, its preview, its shape keys as they come, and its result.

Nothing is linked into the scene before the last shape key is there, but the preview. What is done is done in small
steps: the functions are generators, and whoever runs them may stop after every ``yield``, because data-blocks are
looked up anew after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import bpy
from mathutils import Matrix

from .handle import Handle, handle
from .problem import Problem
from .protocol.messages import Frame, MorphRequest, Preview, Welcome
from .read_mesh import Reading, copy_again
from .results import MAKING, PREVIEW, drop_previews, find_result, install, pair_collection
from .write_mesh import add_key, animate, last_time, local_positions, make_absolute, remove_mesh, set_key


@dataclass(frozen=True, eq=False)
class Plan:
    """What was asked for when the button was pressed."""

    scene: Handle
    target: str  # name
    readings: tuple[Reading, ...]  # the source, then what rides along
    frame_start: int
    frame_end: int
    warnings: tuple[str, ...] = ()  # about what was asked for, told with the result

    @property
    def source(self) -> Reading:
        return self.readings[0]

    def with_names(self, message: str) -> str:
        """A backend's message, which knows a source and a target only, with the names of the objects."""
        for role, name in (("source", self.source.original.name), ("target", self.target)):
            if message.startswith(f"{role}:"):
                return f"{name!r} (the {role}):" + message.removeprefix(f"{role}:")
        return message[:1].upper() + message[1:]


@dataclass
class Order:
    """A job before it is sent: what is made of it in Blender, and the request, which needs the backend's methods."""

    plan: Plan
    request: Callable[[Welcome], MorphRequest]


@dataclass
class Making:
    """The object that one reading becomes: its mesh is the template, which gets one shape key after another."""

    reading: Reading
    template: Handle
    made: Handle | None = None


@dataclass
class MorphJob:
    """The Blender side of one job."""

    id: str  # of the job at the backend
    plan: Plan
    keys: int = 0  # shape keys that were taken in
    lost: bool = False  # an undo took the half-made object away: the frames are needed once more
    _makings: list[Making] = field(default_factory=list)
    _preview: Handle | None = None
    _hidden: Handle | None = None

    def __post_init__(self) -> None:
        self._makings = [Making(reading, reading.template) for reading in self.plan.readings]

    # live preview

    def show_preview(self, message: Preview) -> Iterator[None]:
        """Fills the preview object with coarse frames."""
        count = len(message.times)
        source = self.plan.source
        ob = self._find_preview()
        keys = _shape_keys(ob)
        if ob is None or keys is None or len(keys.key_blocks) != count:
            self._drop_preview_object()
            self._make_preview_object()
        for index in range(count):
            yield
            ob = self._find_preview()
            if ob is None:
                return
            positions = local_positions(source, message.vertices[index], source.data.origin, source.data.scale)
            keys = _shape_keys(ob)
            if keys is not None and index < len(keys.key_blocks):
                set_key(keys.key_blocks[index], positions)
            else:
                add_key(ob, f"Preview {index}", positions)
        assert ob is not None
        assert isinstance(ob.data, bpy.types.Mesh)
        make_absolute(ob.data)
        ob.update_tag(refresh={"DATA"})

    def play_preview(self, phase: float) -> None:
        """Shows the preview at ``phase`` of 0..1 between source and target."""
        ob = self._find_preview()
        keys = _shape_keys(ob)
        if keys is not None and not keys.use_relative:
            keys.eval_time = phase * last_time(keys)

    def _find_preview(self) -> bpy.types.Object | None:
        return self._preview.find_object() if self._preview is not None else None

    def _make_preview_object(self) -> None:
        source = self.plan.source
        mesh = self._template(self._makings[0]).copy()
        mesh.name = f"{source.original.name} Preview"
        ob = bpy.data.objects.new(mesh.name, mesh)
        ob[PREVIEW] = self.id
        ob.matrix_world = _matrix(source)
        collection = pair_collection(self._scene(), source.original.name, self.plan.target)
        self._hide_older(find_result(collection, source.original.name))
        collection.objects.link(ob)
        self._preview = handle(ob)

    def _drop_preview_object(self) -> None:
        drop_previews()
        self._preview = None

    def _hide_older(self, older: bpy.types.Object | None) -> None:
        """Two shapes in one place cannot be told apart, so an older result is hidden while there is a preview."""
        if older is not None and older.visible_get():
            older.hide_set(True)
            self._hidden = handle(older)

    # frames

    def insert(self, frame: Frame) -> Iterator[None]:
        """Gives the objects in the making one more shape key each."""
        if frame.face_indices is not None:
            raise Problem("This method changes the faces, which shape keys cannot show. Choose another one.")
        if self.lost:
            return
        carried = tuple(zip(frame.carried, self._makings[1:], strict=True))
        shapes = [(frame.vertices, frame.origin, frame.scale, self._makings[0])]
        shapes += [(vertices, m.reading.data.origin, m.reading.data.scale, m) for vertices, m in carried]
        for vertices, origin, scale, making in shapes:
            made = self._made(making, frame.seq)
            if made is None:
                self.lost = True
                return
            at_start = frame.time == 0.0 and making.reading.exact
            positions = making.reading.local if at_start else local_positions(making.reading, vertices, origin, scale)
            add_key(made, f"{frame.seq:04d}", positions)
            yield
        self.keys += 1

    def restart(self, job: str) -> None:
        """Begins the shape keys again, for the frames of another job: the same morph, baked once more."""
        self._drop_makings()
        self.id = job
        self.keys = 0
        self.lost = False

    def _made(self, making: Making, seq: int) -> bpy.types.Object | None:
        """The object in the making, with ``seq`` shape keys; None if an undo took it or some of its keys away."""
        if making.made is None:
            if seq != 0:
                return None
            ob = bpy.data.objects.new(making.reading.original.name, self._template(making))
            ob[MAKING] = self.id
            making.made = handle(ob)
            return ob
        made = making.made.find_object()
        keys = _shape_keys(made)
        return made if (0 if keys is None else len(keys.key_blocks)) == seq else None

    def _template(self, making: Making) -> bpy.types.Mesh:
        mesh = making.template.find_mesh()
        if mesh is None:
            mesh = copy_again(bpy.context, making.reading)
            making.template = handle(mesh)
        return mesh

    # the end

    def install(self) -> list[bpy.types.Object]:
        """Puts the result into the scene in one go, so that no undo can come between. The objects of the result."""
        self._drop_preview_object()
        self._show_older()
        source, target = self.plan.source.original.name, self.plan.target
        collection = pair_collection(self._scene(), source, target)
        installed = []
        for index, making in enumerate(self._makings):
            made = making.made.find_object() if making.made is not None else None
            assert made is not None
            assert isinstance(made.data, bpy.types.Mesh)
            original = making.reading.original.name
            name = f"{source} to {target}" if index == 0 else f"{original} carried"
            animate(made.data, name, self.plan.frame_start, self.plan.frame_end)
            installed.append(install(collection, made, original, name, _matrix(making.reading)))
        self._makings = []
        return installed

    def complete(self) -> bool:
        """Whether every object in the making is still there, with all its shape keys."""
        return self.keys > 1 and all(self._made(making, self.keys) is not None for making in self._makings)

    def discard(self) -> None:
        """Removes everything that is not a result: as if the button had never been pressed."""
        self._drop_preview_object()
        self._show_older()
        self._drop_makings()
        self._makings = []

    def _drop_makings(self) -> None:
        for making in self._makings:
            made = making.made.find_object() if making.made is not None else None
            if made is not None:
                bpy.data.objects.remove(made)
            making.made = None
            mesh = making.template.find_mesh()
            if mesh is not None and mesh.users == 0:
                remove_mesh(mesh)

    def _show_older(self) -> None:
        older = self._hidden.find_object() if self._hidden is not None else None
        if older is not None:
            with contextlib.suppress(RuntimeError):  # it is in another view layer now, where nothing was hidden
                older.hide_set(False)
        self._hidden = None

    def _scene(self) -> bpy.types.Scene:
        scene = self.plan.scene.find_scene()
        if scene is None:
            raise Problem(f"The scene {self.plan.scene.name!r} was deleted while the morph was computed.")
        return scene


def _shape_keys(ob: bpy.types.Object | None) -> bpy.types.Key | None:
    return ob.data.shape_keys if ob is not None and isinstance(ob.data, bpy.types.Mesh) else None


def _matrix(reading: Reading) -> Matrix:
    return Matrix(reading.matrix.tolist())
