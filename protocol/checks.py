"""What must hold inside a message beyond the types of its fields. Called on everything that comes in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.flow_control import MAX_CREDIT
from protocol.limits import Limits, WireError
from protocol.mesh import MeshData, MeshError, check_faces, check_structure
from protocol.messages import (
    CORRESPONDENCES,
    EASINGS,
    SIGNS,
    TOPOLOGIES,
    Bake,
    Cancel,
    Credit,
    Error,
    Finished,
    Frame,
    Gone,
    JobState,
    Match,
    Matched,
    MatchRequest,
    MorphRequest,
    Outline,
    Preview,
    PreviewSeen,
    Progress,
    Reconstruct,
    ReconstructRequest,
    Refine,
    RefineRequest,
    Resume,
    Stop,
    Submit,
    Surface,
    SurfaceRequest,
    Timeline,
)
from protocol.shape import ShapeData, check_shape_structure

JOB = re.compile(r"[0-9a-z-]{1,64}\Z")
MAX_FRAMES = 100_000  # of one timeline
MAX_LANDMARKS = 50
MAX_LEVELS = 64  # surfaces of one job
MAX_OUTLINES = 32  # of one frame
MAX_SIDE = 4096  # pixels of an image
RESOLUTIONS = (8, 1024)  # least and most cells along the longest side of an extracted frame
SHAPE_RESOLUTIONS = (8, 512)  # and of a shape from an image, for which all of them are looked at


def _require(holds: bool, code: str, text: str) -> None:
    if not holds:
        raise WireError(code, text)


def check_job(job: str, where: str) -> None:
    _require(JOB.match(job) is not None, "bad-message", f"{where}: a job id has 1 to 64 characters of 0-9, a-z and -")


def _check_size(n_vertices: int, n_faces: int, limits: Limits, where: str) -> None:
    for count, limit, noun in ((n_vertices, limits.vertices, "vertices"), (n_faces, limits.faces, "faces")):
        _require(count <= limit, "too-large", f"{where} has {count} {noun}; at most {limit} are taken: reduce the mesh")


def _check_points(points: NDArray[Any], where: str) -> None:
    shape = list(points.shape)
    _require(len(shape) == 2 and shape[1] == 3, "bad-message", f"{where} has shape {shape}; it must be [N, 3]")


def check_mesh(mesh: MeshData, limits: Limits, where: str) -> None:
    _check_size(len(mesh.vertices), len(mesh.face_offsets) - 1, limits, where)
    try:
        check_structure(mesh)
    except MeshError as problem:
        raise WireError("bad-mesh", f"{where}: {problem}") from None


def check_timeline(timeline: Timeline, limits: Limits, where: str) -> None:
    in_range = 2 <= timeline.frames <= MAX_FRAMES
    _require(in_range, "bad-setting", f"frames is {timeline.frames}; it must be from 2 to {MAX_FRAMES}")
    known = timeline.easing in EASINGS
    _require(known, "bad-setting", f"easing is {timeline.easing[:40]!r}; it must be one of {', '.join(EASINGS)}")
    _check_resolution(timeline.resolution)


def _check_resolution(cells: int, limits: tuple[int, int] = RESOLUTIONS) -> None:
    low, high = limits
    _require(low <= cells <= high, "bad-setting", f"resolution is {cells}; it must be from {low} to {high}")


def _check_effort(request: MorphRequest | SurfaceRequest | RefineRequest | ReconstructRequest) -> None:
    if request.seconds is not None:
        positive = math.isfinite(request.seconds) and request.seconds > 0
        _require(positive, "bad-setting", f"seconds is {request.seconds}; it must be above 0")
    _require(request.seed >= 0, "bad-setting", f"seed is {request.seed}; it must be at least 0")


def _check_match(pairs: NDArray[Any] | None, weights: NDArray[Any] | None, where: str) -> None:
    """Pairs [K, 2] and their weights [K], as far as that can be said without the meshes."""
    if pairs is not None:
        shape = list(pairs.shape)
        _require(
            len(shape) == 2 and shape[1] == 2, "bad-table", f"{where}: pairs have shape {shape}; it must be [K, 2]"
        )
    if weights is not None:
        fits = pairs is not None and weights.shape == (len(pairs),)
        _require(fits, "bad-table", f"{where}: weights have shape {list(weights.shape)}; one number per pair is needed")


def _check_landmarks(way: str, landmarks: NDArray[Any] | None, where: str) -> None:
    """Landmarks [L, 2] and the way that is to use them, as far as that can be said without the meshes."""
    count = 0
    if landmarks is not None:
        shape = list(landmarks.shape)
        pairs = len(shape) == 2 and shape[1] == 2
        _require(pairs, "bad-table", f"{where}: landmarks have shape {shape}; it must be [L, 2]")
        count = len(landmarks)
    _require(count <= MAX_LANDMARKS, "bad-table", f"there are {count} landmarks; at most {MAX_LANDMARKS} are taken")
    _require(count > 0 or way != "landmarks", "bad-table",
             "the way landmarks has no landmarks to go by: give some, or choose auto")  # fmt: skip
    _require(count == 0 or way not in ("vertex-order", "table"), "bad-table",
             f"landmarks do not go with {way}, which says it all: leave them out, or choose auto")  # fmt: skip


def _check_bytes(model: NDArray[Any], where: str) -> None:
    _require(model.ndim == 1, "bad-message", f"{where}: a model has shape {list(model.shape)}; it must be [B]")


def _check_model(way: str, model: NDArray[Any] | None, where: str) -> None:
    """The bytes [B] of a model and the way that is to use it."""
    if model is not None:
        _check_bytes(model, where)
        _require(way == "implicit-dense", "bad-setting",
                 f"a model does not go with {way}: leave it out, or choose implicit-dense")  # fmt: skip


def check_match_request(request: MatchRequest, limits: Limits, where: str) -> None:
    ways = [way for way in CORRESPONDENCES if way != "table"]
    named = request.way in ways
    _require(named, "bad-setting", f"way is {request.way[:40]!r}; it must be one of {', '.join(ways)}")
    _check_landmarks(request.way, request.landmarks, where)
    _check_model(request.way, request.model, where)


def check_stop(stop: Stop, limits: Limits, where: str) -> None:
    _check_match(stop.pairs, stop.weights, where)


def check_request(request: MorphRequest, limits: Limits, where: str) -> None:
    way = request.correspondence
    known = way in CORRESPONDENCES
    _require(known, "bad-setting", f"correspondence is {way[:40]!r}; it must be one of {', '.join(CORRESPONDENCES)}")
    _require((way == "table") == (request.pairs is not None), "bad-table",
             "pairs are given with correspondence = table, and only with it")  # fmt: skip
    _check_match(request.pairs, request.weights, where)
    _check_landmarks(way, request.landmarks, where)
    _check_model(way, request.model, where)
    named = request.topology in TOPOLOGIES
    _require(named, "bad-setting", f"topology is {request.topology[:40]!r}; it must be one of {', '.join(TOPOLOGIES)}")
    _check_effort(request)
    _require(0 <= request.preview_frames <= 64, "bad-setting",
             f"preview_frames is {request.preview_frames}; it must be from 0 to 64")  # fmt: skip


def check_shape(shape: ShapeData, limits: Limits, where: str) -> None:
    _check_size(len(shape.points), shape.n_faces, limits, where)
    lines = 0 if shape.segments is None else len(shape.segments)
    _require(lines <= limits.faces, "too-large", f"{where} has {lines} segments; at most {limits.faces} are taken")
    try:
        check_shape_structure(shape)
    except MeshError as problem:
        raise WireError("bad-mesh", f"{where}: {problem}") from None


def check_surface_request(request: SurfaceRequest, limits: Limits, where: str) -> None:
    named = request.mode in SIGNS
    _require(named, "bad-setting", f"mode is {request.mode[:40]!r}; it must be one of {', '.join(SIGNS)}")
    count = len(request.levels)
    _require(1 <= count <= MAX_LEVELS, "bad-setting", f"there are {count} levels; it must be 1 to {MAX_LEVELS}")
    for level in request.levels:
        _require(math.isfinite(level), "bad-setting", f"a level is {level}; it must be a distance")
        _require(level >= 0 or request.mode != "unsigned", "bad-setting",
                 f"a level is {level}, but unsigned fields have no inside: leave it out, or choose signed")  # fmt: skip
    _check_resolution(request.resolution)
    _check_effort(request)


def _check_image(image: NDArray[Any], channels: list[int], where: str) -> None:
    """An image [H, W, *channels] of at least one pixel and at most ``MAX_SIDE`` a side."""
    shape = list(image.shape)
    expected = ", ".join(["H", "W", *map(str, channels)])
    flat = len(shape) == 2 + len(channels) and shape[2:] == channels
    _require(flat, "bad-message", f"{where} has shape {shape}; it must be [{expected}]")
    _require(min(shape[:2]) > 0, "bad-setting", f"{where} has no pixels: {shape[1]} x {shape[0]}")
    _require(max(shape[:2]) <= MAX_SIDE, "too-large",
             f"{where} has {shape[1]} x {shape[0]} pixels; at most {MAX_SIDE} x {MAX_SIDE} are taken: use a "
             "smaller image")  # fmt: skip


def check_outline(outline: Outline, limits: Limits, where: str) -> None:
    _check_image(outline.mask, [], f"{where}.mask")
    shapes = outline.world_to_camera.shape, outline.focal.shape, outline.centre.shape
    _require(shapes == ((4, 4), (2,), (2,)), "bad-message",
             f"{where} needs world_to_camera [4, 4], focal [2] and centre [2]")  # fmt: skip
    numbers = (outline.world_to_camera, outline.focal, outline.centre)
    finite = all(bool(np.isfinite(values).all()) for values in numbers)
    _require(finite, "bad-setting", f"{where}: the numbers of a camera must be finite")
    last = bool((outline.world_to_camera[3] == (0.0, 0.0, 0.0, 1.0)).all())
    _require(last, "bad-setting", f"{where}: the last row of world_to_camera must be 0, 0, 0, 1")
    axes = outline.world_to_camera[:3, :3]
    volume = abs(float(np.linalg.det(axes)))
    spanned = volume > 1e-9 * float(np.prod(np.linalg.norm(axes, axis=0)))
    _require(spanned, "bad-setting", f"{where}: world_to_camera is flat; its three axes must span space")
    _require(bool((outline.focal > 0.0).all()), "bad-setting",
             f"{where}: focal is {outline.focal.tolist()}; both must be above 0")  # fmt: skip


def check_refine_request(request: RefineRequest, limits: Limits, where: str) -> None:
    last = request.timeline.frames - 1
    _require(last >= 2, "bad-setting", "a timeline of 2 frames has only its ends, which stay; ask for more frames")
    between = 0 < request.frame < last
    _require(between, "bad-setting", f"frame is {request.frame}; it must be from 1 to {last - 1}, since the ends stay")
    count = len(request.outlines)
    some = 1 <= count <= MAX_OUTLINES
    _require(some, "bad-setting", f"there are {count} outlines; it must be 1 to {MAX_OUTLINES}")
    _require(0.0 < request.reach <= 1.0, "bad-setting", f"reach is {request.reach}; it must be above 0 and at most 1")
    _check_effort(request)


def check_reconstruct_request(request: ReconstructRequest, limits: Limits, where: str) -> None:
    _check_image(request.image, [4], f"{where}.image")
    if request.model is not None:
        _check_bytes(request.model, where)
    _check_resolution(request.resolution, SHAPE_RESOLUTIONS)
    _check_effort(request)


def check_frame(frame: Frame, limits: Limits, where: str) -> None:
    check_job(frame.job, where)
    _require(0 <= frame.seq < frame.total, "bad-message", f"{where} is number {frame.seq} of {frame.total}")
    _require(0.0 <= frame.time <= 1.0, "bad-message", f"{where} has time {frame.time}; it must be in 0..1")
    _check_points(frame.vertices, f"{where}.vertices")
    n_faces = 0 if frame.face_offsets is None else len(frame.face_offsets) - 1
    _check_size(len(frame.vertices), n_faces, limits, where)
    placed = frame.origin.shape == (3,) and bool(np.isfinite(frame.origin).all())
    sized = math.isfinite(frame.scale) and frame.scale > 0.0
    _require(placed and sized, "bad-message", f"{where} needs a finite origin [3] and a scale above 0")
    both = (frame.face_offsets is None) == (frame.face_indices is None)
    _require(both, "bad-message", f"{where} needs both face_offsets and face_indices, or neither")
    if frame.face_offsets is not None and frame.face_indices is not None:
        try:
            check_faces(frame.face_offsets, frame.face_indices, len(frame.vertices))
        except MeshError as problem:
            raise WireError("bad-mesh", f"{where}: {problem}") from None
    _check_attributes(frame, where)
    for i, points in enumerate(frame.carried):
        _check_points(points, f"{where}.carried[{i}]")


def _check_attributes(frame: Frame, where: str) -> None:
    own = frame.face_indices is not None
    _require(own or not frame.attributes, "bad-message", f"{where} has attributes, but no faces that they belong to")
    counts = (len(frame.vertices), 0 if frame.face_indices is None else len(frame.face_indices))
    for name, values in frame.attributes.items():
        _require(len(values) in counts, "bad-mesh",
                 f"{where}: attribute {name[:40]!r} has shape {list(values.shape)}; its first number must be that of "
                 f"the vertices, {counts[0]}, or of the face corners, {counts[1]}")  # fmt: skip


def check_preview(preview: Preview, limits: Limits, where: str) -> None:
    check_job(preview.job, where)
    _require(preview.revision >= 0, "bad-message", f"{where}.revision is {preview.revision}")
    shape = preview.vertices.shape
    fits = len(shape) == 3 and shape[2] == 3 and preview.times.shape == shape[:1]
    _require(fits, "bad-message", f"{where} needs times [P] and vertices [P, V, 3]")
    _check_size(shape[1], 0, limits, where)
    alone = not preview.meshes or (len(preview.meshes) == shape[0] and shape[1] == 0)
    _require(alone, "bad-message", f"{where} needs a mesh for each of its {shape[0]} times and no vertices, or no mesh")


def check_matched(matched: Matched, limits: Limits, where: str) -> None:
    check_job(matched.job, where)
    count = len(matched.vertices)
    _check_size(count, 0, limits, where)
    shapes = matched.vertices.shape, matched.points.shape, matched.confidence.shape
    _require(shapes == ((count,), (count, 3), (count,)), "bad-message",
             f"{where} needs vertices [V], points [V, 3] and confidence [V]")  # fmt: skip
    low = int(matched.vertices.min(initial=0))
    _require(low >= -1, "bad-message", f"{where} names vertex {low}; where there is none, it must be -1")
    sure = bool(((matched.confidence >= 0) & (matched.confidence <= 1)).all())
    _require(sure and bool(np.isfinite(matched.points).all()), "bad-message",
             f"{where} needs finite points and a confidence in 0..1")  # fmt: skip


def check_credit(credit: Credit, limits: Limits, where: str) -> None:
    check_job(credit.job, where)
    fits = 1 <= credit.frames <= MAX_CREDIT
    _require(fits, "bad-message", f"{where}.frames is {credit.frames}; it must be from 1 to {MAX_CREDIT}")


def check_bake(bake: Bake | Refine, limits: Limits, where: str) -> None:
    check_job(bake.job, where)
    check_job(bake.base, f"{where}.base")


def _not_negative(name: str) -> Callable[[Any, Limits, str], None]:
    def check(message: Any, limits: Limits, where: str) -> None:
        check_job(message.job, where)
        value = getattr(message, name)
        _require(value >= 0, "bad-message", f"{where}.{name} is {value}; it must be at least 0")

    return check


def _job_only(message: Any, limits: Limits, where: str) -> None:
    check_job(message.job, where)


def _job_or_none(message: Error, limits: Limits, where: str) -> None:
    if message.job:
        check_job(message.job, where)


CHECKS: dict[type, Callable[[Any, Limits, str], None]] = {
    MeshData: check_mesh,
    Timeline: check_timeline,
    Stop: check_stop,
    MorphRequest: check_request,
    MatchRequest: check_match_request,
    ShapeData: check_shape,
    SurfaceRequest: check_surface_request,
    Outline: check_outline,
    RefineRequest: check_refine_request,
    ReconstructRequest: check_reconstruct_request,
    Submit: _job_only,
    Bake: check_bake,
    Match: _job_only,
    Surface: _job_only,
    Refine: check_bake,
    Reconstruct: _job_only,
    Cancel: _job_only,
    Resume: _not_negative("next_seq"),
    Credit: check_credit,
    PreviewSeen: _not_negative("revision"),
    JobState: _not_negative("total_frames"),
    Progress: _not_negative("step"),
    Preview: check_preview,
    Frame: check_frame,
    Finished: _job_only,
    Matched: check_matched,
    Error: _job_or_none,
    Gone: _job_only,
}
