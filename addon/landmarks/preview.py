"""Preview and Remove Preview: the match alone, seen as colours on both meshes before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils.kdtree import KDTree

from ..bar import sentence
from ..handle import Handle, handle
from ..history import in_object_mode
from ..job import Job, Order, with_names
from ..ordering import StartsJob
from ..problem import Problem, allowed
from ..properties import settings_of
from ..protocol.match_colours import DOUBTED, match_colours
from ..protocol.mesh import Float32, Float64, MeshData
from ..protocol.messages import NO_MATCH, Finished, Matched, MatchRequest, Welcome
from ..read_mesh import read_positions, read_target
from ..running import current
from .paint import paint, painted, show_as_before, show_colours, wipe
from .picking import pair_of
from .sending import lacking, landmark_pairs, model_of
from .skin import counts_of

FEW = 0.005  # of the vertices: fewer that are grey are not worth a word


def why_no_match(context: bpy.types.Context) -> str:
    """Why Preview cannot be pressed now; empty when it can."""
    assert context.scene is not None
    settings = settings_of(context.scene)
    pair = pair_of(context)
    if current().busy:
        return "A job is being computed"
    if pair is None:
        return "Choose a source and a target"
    if settings.correspondence == "table":
        return "A table is a match already; Preview shows matches that are found"
    lacks = lacking(context)
    if lacks:
        return lacks
    linked = [ob.name for ob in pair if ob.data is None or not ob.data.is_editable]
    if linked:
        return f"The mesh of {linked[0]!r} belongs to another file and cannot be painted"
    if pair[0].data == pair[1].data:
        return "Both objects share one mesh, which cannot have two colours; the vertex order matches them"
    return ""


def remove_preview() -> bool:
    """Takes the colours off all meshes; whether there were any."""
    meshes = [mesh for mesh in painted() if not mesh.is_editmode]
    for mesh in meshes:
        wipe(mesh)
    show_as_before()
    return bool(meshes)


@dataclass
class MatchJob(Job):
    """A match alone: colours on both meshes."""

    id: str
    source: Handle
    target: Handle
    meshes: tuple[MeshData, MeshData]  # that were sent
    own: tuple[Any, Any]  # for each vertex of the two objects' own meshes, without modifiers, that of these; [N] each
    what: str = "match"
    button: str = "Preview"

    @property
    def frames(self) -> int:
        return 0

    def with_names(self, message: str) -> str:
        return with_names(message, self.source.name, self.target.name)

    def tick(self) -> None:
        pass

    def install(self, last: Finished | Matched) -> list[str]:
        assert isinstance(last, Matched)
        own = [_mesh_of(here, vertices) for here, vertices in zip((self.source, self.target), self.own, strict=True)]
        target = self.meshes[1]
        if len(last.vertices) != self.meshes[0].n_vertices:
            raise Problem("The backend's match is not one of this source. Press Preview again.")
        points = target.origin + target.scale * last.points.astype(np.float64)  # [V, 3], world
        known = last.vertices >= 0
        colours = match_colours(target, points, known, last.confidence.astype(np.float64))
        remove_preview()
        for mesh, vertices, values in zip(own, self.own, colours, strict=True):
            paint(mesh, values[vertices])
        show_colours()
        return _told(last)

    def discard(self) -> None:
        """Nothing is made before the match is here."""


def _mesh_of(here: Handle, own: Any) -> bpy.types.Mesh:
    """The object's mesh, which must have the vertices [N] still that it had."""
    ob = here.find_object()
    if ob is None or not isinstance(ob.data, bpy.types.Mesh):
        raise Problem(f"{here.name!r} was deleted while its match was computed. Bring it back and press Preview.")
    if len(ob.data.vertices) != len(own):
        raise Problem(f"{ob.name!r} was changed while its match was computed. Press Preview again.")
    return ob.data


def _own_vertices(ob: bpy.types.Object, sent: MeshData) -> Any:
    """For each vertex [N] of the object's mesh without modifiers that of the mesh that is sent."""
    assert isinstance(ob.data, bpy.types.Mesh)
    count = len(ob.data.vertices)
    if count in counts_of(ob, sent.n_vertices):
        return np.arange(count)
    world = np.array(ob.matrix_world, np.float64)
    return nearest_of(sent.positions(), read_positions(ob.data) @ world[:3, :3].T + world[:3, 3])


def nearest_of(positions: Float64, points: Float64 | Float32) -> Any:
    """For each point [N, 3] the number [N] of the nearest position [V, 3]."""
    tree = KDTree(len(positions))
    for index, position in enumerate(positions):
        tree.insert(position, index)
    tree.balance()
    return np.array([tree.find(point)[1] for point in points], np.int64)


def _told(match: Matched) -> list[str]:
    way = match.way.replace("-", " ").capitalize()
    first = "No match that can be trusted; a guess is shown" if match.way == NO_MATCH else f"Match: {way}"
    missing = match.vertices < 0
    doubtful = (match.confidence < DOUBTED[0]) & ~missing
    kinds = (("Grey", doubtful, "are doubtful"), ("Dark grey", missing, "have no counterpart"))
    grey = [
        f"{colour}: {of.mean():.0%} of the source's vertices {what}" for colour, of, what in kinds if of.mean() > FEW
    ]
    return [first, *map(sentence, match.said), *grey]


def make_match_order(context: bpy.types.Context) -> Order:
    """Reads what a match needs. Raises ``Problem``."""
    assert context.scene is not None
    pair, settings = pair_of(context), settings_of(context.scene)
    assert pair is not None
    meshes = read_target(context, pair[0]), read_target(context, pair[1])
    way = settings.correspondence
    landmarks = landmark_pairs(context.scene, pair, meshes, way)
    request = MatchRequest(*meshes, way, landmarks, settings.device_name, model_of(settings))
    source, target = map(handle, pair)
    own = _own_vertices(pair[0], meshes[0]), _own_vertices(pair[1], meshes[1])

    def make(welcome: Welcome) -> MatchRequest:
        largest = welcome.limits.get("vertices", 0)
        for ob, mesh in zip((source, target), meshes, strict=True):
            if largest and mesh.n_vertices > largest:
                raise Problem(f"{ob.name!r} has {mesh.n_vertices} vertices; {largest} are the most. Decimate it first.")
        return request

    return Order(make, lambda job: MatchJob(job, source, target, meshes, own))


class TWEENFIELD_OT_preview_match(StartsJob):
    """Find the match and paint both meshes with it: what has one colour belongs together, grey is doubtful"""

    bl_idname = "tweenfield.preview_match"
    bl_label = "Preview Match"
    reason = staticmethod(why_no_match)
    order = staticmethod(make_match_order)


class TWEENFIELD_OT_remove_match_preview(bpy.types.Operator):
    """Take the colours of the match away; both meshes and the viewports are as before"""

    bl_idname = "tweenfield.remove_match_preview"
    bl_label = "Remove Preview"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = "" if in_object_mode() else "Go back to Object Mode first"
        return allowed(cls, reason if painted() else "No match is shown")

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        remove_preview()
        current().outcome = ""  # it spoke of the colours
        return {"FINISHED"}


def _after_undo(*_: Any) -> None:
    """Undo takes colours away and brings them back; viewports are not part of it."""
    if painted():
        show_colours()
    else:
        show_as_before()


_CLASSES = (TWEENFIELD_OT_preview_match, TWEENFIELD_OT_remove_match_preview)
_HANDLERS = (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post)


def register() -> None:
    for operator in _CLASSES:
        bpy.utils.register_class(operator)
    bpy.app.handlers.persistent(_after_undo)
    for handlers in _HANDLERS:
        handlers.append(_after_undo)


def unregister() -> None:
    for handlers in _HANDLERS:
        handlers.remove(_after_undo)
    remove_preview()
    for operator in reversed(_CLASSES):
        bpy.utils.unregister_class(operator)
