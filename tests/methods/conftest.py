"""Settings and meshes of the method tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import backend
from backend.correspondence.landing import Landing
from backend.geometry.io import read_mesh
from backend.geometry.repair import working_pair
from backend.methods.method import Pair
from protocol.mesh import MeshData
from protocol.messages import MorphRequest, Timeline
from tests.meshes import rotation, torus
from tests.one_thread import one_thread as one_thread


@pytest.fixture(scope="session")
def fox() -> tuple[MeshData, MeshData]:
    """The shipped pair."""
    folder = Path(backend.__file__).parent / "data" / "fox_run"
    return read_mesh(folder / "source.obj"), read_mesh(folder / "target.obj")


@pytest.fixture(scope="session")
def turned() -> tuple[MeshData, MeshData]:
    """A torus, and the same turned by 120 degrees, grown and moved."""
    source = torus(24, 12)
    turn = rotation([1.0, 2.0, 0.5], 120.0)
    return source, source.with_positions(1.5 * source.positions() @ turn.T + np.array([3.0, -1.0, 2.0]))


def request_for(pair: tuple[MeshData, MeshData], method: str = "velocity_field", **changes: object) -> MorphRequest:
    """A small request of a pair."""
    fields: dict[str, object] = {"preset": "draft", "timeline": Timeline(5)} | changes
    return MorphRequest(pair[0], pair[1], method, "", **fields)  # type: ignore[arg-type]


def pair_of(source: MeshData, target: MeshData, stops: tuple[np.ndarray, ...] = ()) -> Pair:
    """A pair of the same vertex order, so that nothing has to be aligned."""
    a, b = working_pair(source, target)
    everywhere = np.ones(len(a.positions), bool)
    return Pair(
        source, target, a, b, None, landing=Landing(b.positions, everywhere), topology="remesh",
        stops=tuple(Landing(stop - a.origin, everywhere) for stop in stops),
    )  # fmt: skip
