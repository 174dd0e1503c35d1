"""A ball that becomes a torus, and what every method with one network for all shapes must do with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.geometry.metrics import topology
from backend.geometry.signed_distance import SignedSurface
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Method, Morph
from backend.pipeline import Trained, train
from backend.training.run import Cancelled, Run
from protocol.messages import MorphRequest
from protocol.settings import SettingValue
from tests.meshes import icosphere, torus
from tests.methods.conftest import pair_of, request_for

Ring = tuple[Trained, MorphRequest]


def trained_ring(method: str, settings: dict[str, SettingValue], told: bool = True, **changes: object) -> Ring:
    """A morph from the ball to the torus, and its request; where it is ``told`` which point goes where, it is quick."""
    ball, ring = icosphere(3), torus(32, 16, major=0.75, minor=0.3)
    if told:
        nearest = cKDTree(ring.positions()).query(ball.positions())[1]
        pairs = np.column_stack([np.arange(ball.n_vertices), nearest]).astype(np.int32)
        changes |= {"correspondence": "table", "pairs": pairs}
    request = request_for((ball, ring), method, settings=settings, **changes)
    return train(request, Run(seed=0)), request


def ends_are_exact(ring: Ring) -> None:
    trained, request = ring
    for t, mesh in ((0.0, request.source), (1.0, request.target)):
        frame = trained.morph.at_resolution(64).frame(t)
        off = SignedSurface(mesh.positions(), mesh.triangles().astype(np.int64))(frame.positions())
        assert np.abs(off).mean() < 1e-3
    assert trained.report["training_steps"] == request.settings["steps"]


def error_of_the_network_is_told(ring: Ring) -> None:
    report = ring[0].report
    assert all(0.0 < report[f"raw_chamfer_t{end}"] < 0.02 for end in (0, 1))
    assert report["topology"] == "remesh"


def hole_opens(ring: Ring, times: list[float], pieces: int | None = 1) -> list[int]:
    """The genus of each frame, from 0 to 1; all are closed, and of so many pieces where it is said."""
    genus = []
    for mesh in ring[0].morph.at_resolution(40).frames(times):
        looks = topology(mesh.n_vertices, mesh.triangles())
        assert looks["closed"]
        assert pieces in (None, looks["components"])
        genus.append(looks["genus"])
    assert (genus[0], genus[-1]) == (0, 1)
    return genus


def same_frames(first: Morph, second: Morph, times: tuple[float, ...], resolution: int) -> None:
    """Bit for bit."""
    for t in times:
        ours, theirs = (morph.at_resolution(resolution).frame(t) for morph in (first, second))
        assert ours.vertices.tobytes() == theirs.vertices.tobytes()
        assert ours.face_indices.tobytes() == theirs.face_indices.tobytes()


def comes_back_from_bytes(ring: Ring, times: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0)) -> dict[str, Any]:
    """The facts beside the morph."""
    trained, request = ring
    again, facts = morph_from_bytes(morph_to_bytes(trained, request))
    assert facts["method"] == request.method
    same_frames(trained.morph, again, times, 24)
    return facts


def passes_its_stop(method: Method, settings: Any) -> FieldMorph:
    """The morph of a ball through a longish shape."""
    source, target = icosphere(2, 0.5), icosphere(2, 0.6)
    stop = source.positions() * np.array([1.8, 0.7, 0.7])
    morph = method.fit(pair_of(source, target, (stop,)), settings, Run(seed=0))
    assert isinstance(morph, FieldMorph)
    off = SignedSurface(stop, source.triangles().astype(np.int64))(morph.at_resolution(32).frame(0.5).positions())
    assert np.abs(off).max() < 0.02
    return morph


def is_cancelled_ends_in_time_and_shows_itself(method: Method, settings: Any, seconds: float) -> None:
    pair = pair_of(icosphere(2), icosphere(2, 1.5))
    with pytest.raises(Cancelled):
        method.fit(pair, settings, Run(cancelled=lambda: True))
    shown: list[Morph] = []
    run = Run(seconds=seconds, on_preview=shown.append)
    morph = method.fit(pair, settings, run)  # without a budget it would be endless
    assert run.facts["training_steps"] > 0
    assert shown
    assert shown[0].frame(0.5).n_vertices < morph.frame(0.5).n_vertices
