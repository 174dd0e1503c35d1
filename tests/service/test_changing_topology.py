"""Morphs whose frames have faces of their own, through a real backend: frames, previews, baking again, old clients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgpack
import numpy as np
import pytest

from backend import pipeline
from backend.methods.registry import EXTRA_METHODS, methods
from backend.service.baking import frame_message
from backend.service.job_output import encoded_frame
from backend.service.job_run import PREVIEW_RESOLUTION
from backend.service.journal import REQUEST
from backend.service.parts_file import read_parts
from backend.training.run import Run
from protocol.limits import LIMITS, WireError
from protocol.mesh import MeshData
from protocol.messages import (
    Credit,
    Error,
    Finished,
    Frame,
    MorphRequest,
    Preview,
    Stop,
    Submit,
    Timeline,
    Welcome,
)
from protocol.wire import decode, encode
from tests.meshes import icosphere
from tests.service.harness import Backend, Follower, joined
from tests.service.older_client import client_of, hear


def request_of(follower: Follower, method: str = "growing", **changes: object) -> MorphRequest:
    source = replace(icosphere(1, 0.5), attributes={"uv": np.zeros((240, 2), np.float32)})
    values: dict[str, object] = {"timeline": Timeline(frames=3, resolution=16), "device": "cpu", **changes}
    return MorphRequest(source, icosphere(2, 0.5), method, follower.method(method).etag, **values)  # type: ignore[arg-type]


def radius(mesh: MeshData | Frame) -> float:
    return float(np.linalg.norm(mesh.vertices, axis=1).mean())


@pytest.fixture
def growing_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The method in this process, too."""
    monkeypatch.setenv(EXTRA_METHODS, "tests.service.growing:Growing")
    methods.cache_clear()
    yield
    methods.cache_clear()


@pytest.mark.usefixtures("growing_here")
def test_frames_with_faces_are_those_of_the_pipeline(follower: Follower) -> None:
    request = request_of(follower)
    job = follower.run(request)
    trained = pipeline.train(request, Run())
    here = pipeline.bake(trained.morph, request.timeline)
    expected = [joined(frame_message(job, seq, 3, frame, request.source)) for seq, frame in enumerate(here)]
    assert follower.result(job)[0] == expected
    frames = follower.of(Frame, job)
    for frame, size in zip(frames, (0.2, 0.35, 0.5), strict=True):
        assert frame.face_indices is not None
        assert abs(radius(frame) - size) < 0.01
    report = follower.of(Finished, job)[0].report
    assert report["topology"] == "remesh"
    assert report["topology_reason"]


def test_a_finer_bake_needs_no_training(follower: Follower) -> None:
    first = follower.run(request_of(follower))
    job = follower.client.bake(first, Timeline(frames=2, resolution=32))
    follower.first(Finished, job)
    coarse, fine = (len(follower.of(Frame, of)[-1].vertices) for of in (first, job))
    assert fine > 3 * coarse
    assert [radius(frame) for frame in follower.of(Frame, job)] == pytest.approx([0.2, 0.5], abs=0.005)


def test_previews_are_coarse_meshes(follower: Follower) -> None:
    request = request_of(follower, settings={"seconds": 1.0}, preview_frames=3)
    preview: Preview = follower.first(Preview, follower.client.submit(request))
    assert preview.vertices.shape == (3, 0, 3)
    assert [radius(mesh) for mesh in preview.meshes] == pytest.approx([0.2, 0.35, 0.5], abs=0.01)
    cells = np.ptp(preview.meshes[-1].vertices, axis=0).max() / (1.04 / PREVIEW_RESOLUTION)
    assert 0.8 * PREVIEW_RESOLUTION < cells <= PREVIEW_RESOLUTION


def test_what_a_method_cannot_make_is_refused_at_once(follower: Follower) -> None:
    for request, words in (
        (request_of(follower, topology="keep"), "method growing does not make topology 'keep'"),
        (request_of(follower, "linear", topology="remesh"), "method linear does not make topology 'remesh'"),
        (request_of(follower, stops=(Stop(icosphere(1)),)), "no poses between source and target"),
    ):
        error: Error = follower.first(Error, follower.client.submit(request))
        assert error.code == "bad-setting"
        assert words in error.message


def test_a_frame_beyond_the_limits_says_what_to_do() -> None:
    faces = np.zeros(3 * (LIMITS.faces + 1), np.int32)
    offsets = np.arange(0, len(faces) + 1, 3, dtype=np.int32)
    frame = Frame("job", 7, 9, 0.5, np.zeros((1, 3), np.float32), np.zeros(3), 1.0, offsets, faces)
    with pytest.raises(
        WireError, match=r"frame 7 has 1 vertices and 33554433 faces.*lower resolution than 900"
    ) as refused:
        encoded_frame(frame, 900)
    assert refused.value.code == "too-large"


def as_of_1_0(submit: Submit) -> list[bytes]:
    header, *arrays = (bytes(part) for part in encode(submit))
    plain = msgpack.unpackb(header)
    for name in ("topology", "stops"):
        del plain["body"]["request"][name]
    del plain["body"]["request"]["timeline"]["resolution"]
    return [msgpack.packb(plain), *arrays]


def test_a_client_of_version_1_0_keeps_its_faces(warm_backend: Backend, follower: Follower) -> None:
    """It cannot ask for a topology; auto would have given it faces it does not know what to do with."""
    with client_of(warm_backend, 0) as socket:
        welcome = hear(socket, Welcome)
        assert isinstance(welcome, Welcome)
        assert welcome.protocol == (1, 0)
        for name in ("linear", "growing"):
            source, target = icosphere(1, 0.5), icosphere(1, 0.4)
            request = MorphRequest(
                source, target, name, follower.method(name).etag, timeline=Timeline(2), device="cpu", preview_frames=2
            )
            socket.send_multipart(as_of_1_0(Submit(f"old-{name}", request)))
            socket.send_multipart(encode(Credit(f"old-{name}", 8)))
            frame = hear(socket, Frame)
            assert isinstance(frame, Frame)
            assert (frame.face_indices is None) == (name == "linear")
            finished = hear(socket, Finished)
            assert isinstance(finished, Finished)
            assert finished.report["topology"] == ("keep" if name == "linear" else "remesh")
    kept = decode(read_parts(warm_backend.journal / "job-old-linear" / REQUEST))
    assert isinstance(kept, Submit)
    assert kept.request.topology == "keep"
