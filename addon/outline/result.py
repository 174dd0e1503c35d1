"""Which result of a morph is meant, which of its frames is shown, and what new frames of it are made from."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..handle import Handle, handle
from ..made_by import MadeBy, Sent, made_by
from ..making.making import Span, Template
from ..problem import Problem
from ..protocol.mesh import MeshData
from ..read_mesh import Reading, read_faces, read_positions
from ..results import SOURCE, TARGET, find_collection, find_frames, find_result, frames_in, shape_keys_of
from ..write_mesh import PLAYER, key_positions, last_time, set_positions


@dataclass(frozen=True, eq=False)
class Result:
    """A morph in the scene, as it is now."""

    collection: bpy.types.Collection
    made: MadeBy

    @property
    def source(self) -> str:
        return str(self.collection[SOURCE])

    @property
    def target(self) -> str:
        return str(self.collection[TARGET])

    @property
    def name(self) -> str:
        return f"{self.source} to {self.target}"

    @property
    def span(self) -> Span:
        return Span(self.made.frame_start, self.made.frame_end)

    def objects(self) -> list[bpy.types.Object]:
        """The one object of the morph, or one for each frame; none where they were deleted."""
        one = find_result(self.collection, self.source)
        frames = find_frames(self.collection, self.source)
        return [one] if one is not None else frames_in(frames) if frames is not None else []

    def frame(self, scene: bpy.types.Scene) -> int:
        """Which frame of the timeline is shown now; of two that are blended, the nearer one."""
        count = self.made.timeline.frames
        objects = self.objects()
        keys = shape_keys_of(objects[0]) if objects else None
        if keys is not None and len(keys.key_blocks) > 1:
            return min(max(round(keys.eval_time / last_time(keys) * (count - 1)), 0), count - 1)
        shown = [index for index, ob in enumerate(objects) if not ob.hide_viewport]
        if len(objects) == count and len(shown) == 1:
            return shown[0]
        return self.span.shown(scene.frame_current, count)

    def shown(self, scene: bpy.types.Scene) -> bpy.types.Object | None:
        """The object that shows the current frame."""
        objects = self.objects()
        return objects[min(self.frame(scene), len(objects) - 1)] if objects else None

    @property
    def way(self) -> str:
        """How it keeps its frames, as one of ``making.choice.WAYS``."""
        objects = self.objects()
        if not objects:
            return ""
        if find_result(self.collection, self.source) is None:
            return "keyed_objects"
        return "one_object" if PLAYER in objects[0].modifiers else "shape_keys"


def result_of(context: bpy.types.Context, chosen: tuple[str, str]) -> Result | None:
    """The morph that the active object belongs to, else that of the chosen pair, else the only one of the file."""
    active = context.active_object
    homes = [home for home in bpy.data.collections if home.get(TARGET) is not None]
    mine = [home for home in homes if active is not None and active.name in home.all_objects]
    pair = find_collection(*chosen)
    if not mine and pair is not None:
        mine = [pair]
    if not mine and len(homes) == 1:
        mine = homes
    made = made_by(mine[0]) if mine else None
    return Result(mine[0], made) if made is not None else None


def template_of(result: Result, sent: Sent) -> Template:
    """What new frames of an object of the morph are made from: its older result. Raises ``Problem``."""
    collection, name = result.collection.name, result.name
    first = sent is result.made.sent[0]
    objects = result.objects() if first else [find_result(result.collection, sent.original)]

    def copy() -> bpy.types.Mesh:
        home = bpy.data.collections.get(collection)
        older = _older(home, sent.original) if home is not None else None
        if older is None:
            raise Problem(
                f"{name!r} was deleted (or its making was undone) while the outline was matched. Bring it back and "
                "press the button again."
            )
        return _copy(older, result.made.timeline.reverse)

    older = objects[0] if objects else None
    if older is None or not isinstance(older.data, bpy.types.Mesh):
        raise Problem(f"The result of {sent.original!r} was deleted. Bring it back, or press Morph again.")
    mesh = _copy(older, result.made.timeline.reverse)
    local = read_positions(mesh)
    offsets, corners = read_faces(mesh)
    space = sent.space
    world = local.astype(np.float64) @ space[:3, :3].T + space[:3, 3]
    origin = np.array(sent.origin, np.float64)
    data = MeshData(((world - origin) / sent.scale).astype(np.float32), offsets, corners, origin, sent.scale)
    # The morph's first time is the source itself, as the result has it.
    reading = Reading(_named(sent.original), handle(mesh), local, space, True, data)
    return Template(reading, copy, older.matrix_world.copy())


def _older(home: bpy.types.Collection, original: str) -> bpy.types.Object | None:
    frames = find_frames(home, original)
    return find_result(home, original) or (next(iter(frames_in(frames)), None) if frames is not None else None)


def _named(original: str) -> Handle:
    """Results are found by the name of their original, which need not exist any more."""
    ob = bpy.data.objects.get(original)
    return handle(ob) if ob is not None else Handle("objects", original, 0)


def _copy(older: bpy.types.Object, reverse: bool) -> bpy.types.Mesh:
    """The result's mesh without its shape keys, in the shape of the source."""
    assert isinstance(older.data, bpy.types.Mesh)
    keys = shape_keys_of(older)
    if keys is None:
        return older.data.copy()
    mesh = bpy.data.meshes.new_from_object(older)  # a copy would bring copies of the keys, which cannot be removed
    set_positions(mesh, key_positions(keys.key_blocks[-1 if reverse else 0]))
    return mesh
