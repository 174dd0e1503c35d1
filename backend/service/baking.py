"""From a morph to what is sent of it: its frames, and previews while it is made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend import pipeline
from backend.checkpoint import morph_from_bytes
from backend.methods.method import Morph
from backend.pipeline import BakedFrame
from backend.service.job_output import JobOutput
from protocol.mesh import MeshData
from protocol.messages import Finished, Frame, MorphRequest, Preview, Timeline


def morph_in(finished: Finished) -> Morph:
    """The morph that a Finished message carries."""
    return morph_from_bytes(finished.morph.tobytes())[0]


def bake(morph: Morph, request: MorphRequest, timeline: Timeline, out: JobOutput) -> None:
    """Makes the frames that are not there yet; ``request`` is the one that the morph goes back to."""
    total = timeline.frames
    there = out.frames_there(total)
    for seq, baked in enumerate(pipeline.bake(morph, timeline, request.carry, out.check)):
        if seq >= there:
            out.put(frame_message(out.job, seq, total, baked, request.source), timeline.resolution)
        out.progress("baking", seq + 1, total, None, None)


def show(out: JobOutput, times: NDArray[np.float64], meshes: tuple[MeshData, ...], source: MeshData | None) -> None:
    """Shows meshes at ``times`` [P] as a preview: without their faces where those are the source's."""
    vertices, own = np.zeros((len(times), 0, 3), np.float32), meshes
    if source is not None and all(mesh.same_faces(source) for mesh in meshes):
        vertices, own = np.stack([_relative_to(source, mesh) for mesh in meshes]), ()  # [P, V, 3]
    out.show(lambda revision: Preview(out.job, revision, times, vertices, own))


def frame_message(job: str, seq: int, total: int, baked: BakedFrame, source: MeshData) -> Frame:
    """A baked frame as the message that carries it: with faces only where they are not the source's."""
    mesh = baked.mesh
    own = not mesh.same_faces(source)
    return Frame(
        job=job,
        seq=seq,
        total=total,
        time=float(baked.time),
        vertices=mesh.vertices,
        origin=mesh.origin,
        scale=mesh.scale,
        face_offsets=mesh.face_offsets if own else None,
        face_indices=mesh.face_indices if own else None,
        carried=tuple(carried.vertices for carried in baked.carried),
        attributes=mesh.attributes if own else {},
    )


def shape_frame(job: str, seq: int, total: int, mesh: MeshData) -> Frame:
    """A mesh that belongs to no motion as the message that carries it."""
    return Frame(job, seq, total, 0.0, mesh.vertices, mesh.origin, mesh.scale, mesh.face_offsets, mesh.face_indices)


def _relative_to(source: MeshData, mesh: MeshData) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vertices [V, 3] in the source's origin and scale."""
    if mesh.scale == source.scale and np.array_equal(mesh.origin, source.origin):
        return mesh.vertices
    return source.with_positions(mesh.positions()).vertices
