"""``MeshData``: exactness of positions, triangles, and the structure that every mesh on the wire must have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.mesh import MeshData, MeshError, check_structure, frame_for
from tests.protocol.samples import square


@settings(max_examples=50)
@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e9), st.integers(0, 2**32 - 1))
def test_positions_keep_float32_precision_of_their_extent(centre: float, size: float, seed: int) -> None:
    positions = centre + size * np.random.default_rng(seed).uniform(-1, 1, (20, 3))
    mesh = MeshData.from_positions(positions, np.array([0]), np.array([], np.int32))
    extent = (positions.max(axis=0) - positions.min(axis=0)).max()
    rounding = 4 * np.spacing(np.abs(positions).max())  # of float64 itself, far from the origin
    assert np.abs(mesh.positions() - positions).max() <= 64 * extent * 2.0**-24 + rounding
    assert np.frexp(mesh.scale)[0] == 0.5  # a power of two


def test_ordinary_meshes_keep_their_numbers() -> None:
    positions = np.array([[0.1, 0.2, 0.3], [1.0, -2.0, 3.0]])
    origin, scale = frame_for(positions)
    assert (origin.tolist(), scale) == ([0.0, 0.0, 0.0], 1.0)
    assert frame_for(np.full((3, 3), np.nan))[1] == 1.0
    assert frame_for(np.zeros((0, 3)))[1] == 1.0
    assert frame_for(np.full((1, 3), 5.0))[1] == 1.0


def test_triangles_are_fans() -> None:
    assert square().triangles().tolist() == [[0, 1, 2], [0, 2, 3], [1, 4, 2]]


def test_with_positions_keeps_faces_and_frame() -> None:
    mesh = square()
    moved = mesh.with_positions(mesh.positions() + 1.0)
    np.testing.assert_allclose(moved.positions() - mesh.positions(), 1.0, atol=1e-9)
    assert moved.scale == mesh.scale
    assert moved.face_indices is mesh.face_indices


BROKEN = {
    "shape [5, 2]": {"vertices": np.zeros((5, 2), np.float32)},
    "three finite numbers": {"origin": np.array([0.0, np.nan, 0.0])},
    "scale is 0.0": {"scale": 0.0},
    "scale is inf": {"scale": float("inf")},
    "must be lists": {"face_offsets": np.zeros(0, np.int32)},
    "run from 0 to 6; they must run from 0 to 7": {"face_offsets": np.array([0, 4, 6], np.int32)},
    "run from 1 to 7": {"face_offsets": np.array([1, 4, 7], np.int32)},
    "offset of face 2 is smaller": {"face_offsets": np.array([0, 9, 4, 7], np.int32)},
    "face 1 names vertex 5; the mesh has vertices 0 to 4": {"face_indices": np.array([0, 1, 2, 3, 1, 5, 2], np.int32)},
    "face 0 names vertex -1": {"face_indices": np.array([0, -1, 2, 3, 1, 4, 2], np.int32)},
    "attribute 'uv' has shape [6, 2]": {"attributes": {"uv": np.zeros((6, 2), np.float32)}},
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_structure_is_named(words: str) -> None:
    with pytest.raises(MeshError) as caught:
        check_structure(replace(square(), **BROKEN[words]))
    assert words in str(caught.value)


def test_sound_meshes_pass() -> None:
    check_structure(square())
    check_structure(MeshData(np.zeros((0, 3), np.float32), np.zeros(1, np.int32), np.zeros(0, np.int32)))
