"""One message of every kind, and the meshes in them. The golden frames are made of these: only add at the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocol.mesh import MeshData
from protocol.messages import (
    Bake,
    Cancel,
    Credit,
    Error,
    Finish,
    Finished,
    Frame,
    Gone,
    Hello,
    JobState,
    Match,
    Matched,
    MatchRequest,
    Message,
    MorphRequest,
    Outline,
    Ping,
    Pong,
    Preview,
    PreviewSeen,
    Progress,
    Reconstruct,
    ReconstructRequest,
    Refine,
    RefineRequest,
    Refused,
    Resume,
    Shutdown,
    Stop,
    Submit,
    Surface,
    SurfaceRequest,
    Timeline,
    Welcome,
)
from protocol.settings import MethodSpec, SettingSpec
from protocol.shape import ShapeData


def square(height: float = 0.0) -> MeshData:
    """A quad and a triangle on five vertices, far from the origin, with attributes of vertices and corners."""
    return MeshData(
        vertices=np.array([[0, 0, height], [1, 0, height], [1, 1, height], [0, 1, height], [2, 0.5, height]], "f4"),
        face_offsets=np.array([0, 4, 7], np.int32),
        face_indices=np.array([0, 1, 2, 3, 1, 4, 2], np.int32),
        origin=np.array([1e6, -2.5, 0.125]),
        scale=0.5,
        attributes={
            "uv": np.arange(14, dtype=np.float32).reshape(7, 2),
            "mask": np.array([0, 1, 1, 0, 255], np.uint8),
            "id": np.array([0, 1, 2, 3, 2**32 - 1], np.uint32),
        },
    )


def method() -> MethodSpec:
    return MethodSpec(
        name="linear",
        label="Linear blend",
        doc="Straight lines, at even speed: ein Maßstab.",
        needs_correspondence=True,
        settings=(
            SettingSpec("steps", "int", 100, "Training steps", 1.0, 1000.0),
            SettingSpec("rate", "float", 0.01, "Learning rate", 0.0, None, unit="1/step"),
            SettingSpec("order", "choice", "rk4", "Integrator", choices=("euler", "rk4")),
            SettingSpec("exact", "bool", True, "Exact ends"),
        ),
        presets={"draft": {"steps": 10}, "standard": {}},
    )


def request() -> MorphRequest:
    return MorphRequest(
        source=square(),
        target=square(1.0),
        method="linear",
        etag=method().etag,
        preset="draft",
        settings={"steps": 5, "rate": 0.5, "order": "euler", "exact": False},
        correspondence="table",
        pairs=np.array([[0, 0], [1, 1], [2, 3]], np.int32),
        weights=np.array([1.0, 0.5, 0.25], np.float32),
        timeline=Timeline(5, "ease-in", True, True),
        carry=(square(2.0),),
        seconds=12.5,
        seed=7,
        device="cpu",
        preview_frames=3,
    )


def request_with_stops() -> MorphRequest:
    """What version 1.1 added to a request."""
    return replace(
        request(),
        topology="remesh",
        stops=(
            Stop(square(0.25), np.array([[0, 1], [2, 2]], np.int32), np.array([1.0, 0.5], np.float32)),
            Stop(square(0.75)),
        ),
        timeline=Timeline(5, resolution=64),
    )


def landmarks() -> np.ndarray:
    return np.array([[0, 4], [3, 1]], np.int32)


def match_request() -> MatchRequest:
    return MatchRequest(square(), square(1.0), "nonrigid", landmarks(), "cpu")


def request_with_landmarks() -> MorphRequest:
    """What version 1.2 added to a request."""
    return replace(request(), correspondence="spectral", pairs=None, weights=None, landmarks=landmarks())


def matched() -> Matched:
    return Matched(
        "job-6",
        vertices=np.array([4, 1, -1, 3, 0], np.int32),
        points=np.array([[2, 0.5, 1], [1, 0, 1], [0, 0, 0], [0, 0.75, 1], [0, 0, 1]], np.float32),
        confidence=np.array([1.0, 0.5, 0.0, 0.75, 0.25], np.float32),
        way="nonrigid",
        said=("registered by 2 landmarks", "one more landmark near vertex 2 would help: Maßstab"),
    )


def cloud() -> ShapeData:
    """Five points with normals, far from the origin."""
    square_ = square()
    normals = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0.6, 0.8], [0, 0, -2]], np.float32)
    return ShapeData(square_.vertices, normals, origin=square_.origin, scale=square_.scale)


def faced() -> ShapeData:
    return ShapeData(square().vertices, face_offsets=square().face_offsets, face_indices=square().face_indices)


def lines() -> ShapeData:
    return ShapeData(square().vertices, segments=np.array([[0, 1], [1, 4], [3, 2]], np.int32))


def surface_request() -> SurfaceRequest:
    return SurfaceRequest(
        cloud(),
        method="igr",
        etag=method().etag,
        mode="signed",
        preset="paper",
        settings={"steps": 5, "rate": 0.5},
        levels=(0.0, 0.25, -0.5),
        resolution=64,
        skeleton=True,
        seconds=12.5,
        seed=7,
        device="cpu",
        preview=True,
    )


def surface_methods() -> tuple[MethodSpec, ...]:
    return (replace(method(), name="igr", needs_correspondence=False, topologies=("signed", "unsigned")),)


def outline(shift: float = 0.0) -> Outline:
    """A wide image of a camera that stands off to the side."""
    matrix = np.array([[1, 0, 0, shift], [0, -1, 0, 0.5], [0, 0, -1, 2.5], [0, 0, 0, 1]], np.float64)
    mask = np.zeros((3, 5), np.uint8)
    mask[1, 1:4] = 64, 255, 128
    return Outline(mask, matrix, np.array([5.5, 5.0]), np.array([2.5, 1.5]))


def refine_request() -> RefineRequest:
    return RefineRequest(
        Timeline(5, resolution=64),
        frame=3,
        outlines=(outline(), outline(0.25)),
        reach=0.5,
        seconds=12.5,
        seed=7,
        device="cpu",
        preview=True,
    )


def picture() -> np.ndarray:
    """Red in front of nothing."""
    image = np.zeros((4, 3, 4), np.uint8)
    image[1:3, 1] = 200, 10, 10, 255
    return image


def reconstruct_request() -> ReconstructRequest:
    return ReconstructRequest(picture(), np.arange(11, dtype=np.uint8), 64, False, 12.5, 7, "cpu", True)


def messages() -> tuple[Message, ...]:
    vertices = square().vertices
    return (
        Hello((1, 0), "tweenfield-test 1.0", "client-session", "ab" * 32),
        Submit("job-1", request()),
        Bake("job-2", "job-1", Timeline()),
        Cancel("job-1"),
        Resume("job-1", 3),
        Credit("job-1", 4),
        PreviewSeen("job-1", 2),
        Ping(41),
        Shutdown(),
        Welcome((1, 0), "tweenfield 1.0", "server-session", (method(),), ("cpu", "cuda:0"), {"vertices": 1000000}),
        Refused("speaks protocol 2, this backend 1", (1, 0)),
        JobState("job-1", "running", 5),
        Progress("job-1", "training", 3, 10, 0.25, 1.5, 3.5),
        Progress("job-1", "starting", 0, 0, None, 0.0, None),
        Preview("job-1", 2, np.array([0.0, 1.0]), np.stack([vertices, vertices + 1])),
        Frame("job-1", 0, 5, 0.0, vertices, np.zeros(3), 1.0),
        Frame(
            "job-1",
            4,
            5,
            1.0,
            vertices,
            np.array([1.0, 2.0, 3.0]),
            0.25,
            square().face_offsets,
            square().face_indices,
            (vertices[:2].copy(), np.zeros((0, 3), np.float32)),
        ),
        Finished(
            "job-1", {"seed": 7, "warnings": [], "metrics": {"error": 0.5, "note": None}}, np.arange(9, dtype="u1")
        ),
        Error("bad-mesh", "The source has no faces.", "detail", False, "job-1"),
        Gone("job-1"),
        Pong(41, "server-session"),
        Finish("job-1"),
        # added by version 1.1
        Submit("job-3", request_with_stops()),
        Bake("job-4", "job-3", Timeline(12, resolution=256)),
        Welcome(
            (1, 1),
            "tweenfield 1.1",
            "server-session",
            (replace(method(), topologies=("keep", "remesh")),),
            ("cpu",),
            {"vertices": 1000000},
        ),
        Preview("job-3", 1, np.array([0.0, 1.0]), np.zeros((2, 0, 3), "f4"), (square(), square(1.0))),
        Frame(
            "job-3",
            2,
            5,
            0.5,
            vertices,
            np.zeros(3),
            1.0,
            square().face_offsets,
            square().face_indices,
            attributes=square().attributes,
        ),
        # added by version 1.2
        Submit("job-5", request_with_landmarks()),
        Match("job-6", match_request()),
        Match("job-7", MatchRequest(square(), square(1.0))),
        matched(),
        Matched("job-7", np.full(5, -1, "i4"), np.zeros((5, 3), "f4"), np.zeros(5, "f4"), "none", ()),
        # added by version 1.3
        Surface("job-8", surface_request()),
        Surface("job-9", SurfaceRequest(faced(), "igr", method().etag)),
        Surface("job-10", SurfaceRequest(lines(), "igr", method().etag, mode="unsigned")),
        Welcome(
            (1, 3),
            "tweenfield 1.3",
            "server-session",
            (replace(method(), topologies=("keep", "remesh")),),
            ("cpu",),
            {},
            surface_methods(),
        ),
        Frame(
            "job-8", 3, 4, 0.0, vertices, np.zeros(3), 1.0, np.array([0, 2, 5], "i4"), np.array([0, 1, 1, 2, 3], "i4")
        ),
        # added by version 1.4
        Refine("job-11", "job-1", refine_request()),
        Refine("job-12", "job-11", RefineRequest(Timeline(3), 1, (outline(),))),
        Reconstruct("job-13", reconstruct_request()),
        Reconstruct("job-14", ReconstructRequest(picture())),
    )
