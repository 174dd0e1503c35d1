"""Specks beside the closed surface of a shape go; the parts that it has stay, and so do shells as they are."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.shape_data import shape_of
from backend.geometry.triangles import parts
from backend.service.surface_run import surface_frames, surface_metrics
from backend.surfaces.fragments import speck_share
from protocol.messages import SurfaceRequest
from protocol.shape import ShapeData
from tests.meshes import icosphere
from tests.surfaces.analytic import balls

LARGE, SMALL, SPECK = (0.0, 0.0, 0.0, 1.0), (2.0, 0.0, 0.0, 0.25), (-1.4, 0.0, 0.0, 0.06)  # centre, radius


def shape(*spheres: tuple[float, ...], faces: bool = True) -> ShapeData:
    """Meshes of balls as one shape, or their vertices."""
    meshes = [icosphere(3, radius) for *_, radius in spheres]
    points = np.concatenate([m.positions() + ball[:3] for m, ball in zip(meshes, spheres, strict=True)])
    starts = np.cumsum([0] + [m.n_vertices for m in meshes[:-1]])
    triangles = np.concatenate([m.triangles() + start for m, start in zip(meshes, starts, strict=True)]).astype(
        np.int32
    )
    if not faces:
        return ShapeData.from_positions(points)
    offsets = np.arange(0, triangles.size + 1, 3, dtype=np.int32)
    return ShapeData.from_positions(points, face_offsets=offsets, face_indices=triangles.ravel())


def parts_of(given: ShapeData, levels: tuple[float, ...] = (0.0,)) -> list[int]:
    """Connected parts of each surface of the field of all three balls, were it fitted to a shape."""
    request = SurfaceRequest(given, "igr", "", levels=levels, resolution=128)
    frames = surface_frames(balls(LARGE, SMALL, SPECK), request, "job")
    faces = [frame.face_indices for frame in frames if frame.face_indices is not None]
    return [parts(int(corners.max()) + 1, corners.reshape(-1, 3))[0] for corners in faces]


def test_a_speck_goes_from_the_surface_of_a_mesh_and_from_nothing_else() -> None:
    assert parts_of(shape(LARGE, SMALL), (0.05, 0.0, -0.02)) == [3, 2, 3]


def test_a_part_as_small_as_a_speck_stays_where_the_mesh_has_one() -> None:
    assert parts_of(shape(LARGE, SMALL, SPECK)) == [3]


def test_a_speck_goes_from_the_surface_of_points_unless_points_lie_on_it() -> None:
    assert parts_of(shape(LARGE, SMALL, faces=False), (0.05, 0.0)) == [3, 2]
    assert parts_of(shape(LARGE, SMALL, SPECK, faces=False)) == [3]


@pytest.mark.parametrize("faces", [True, False])
def test_what_is_measured_is_what_is_sent(faces: bool) -> None:
    field, given = balls(LARGE, SMALL, SPECK), shape(LARGE, SMALL, faces=faces)
    sent, measured = parts_of(given), surface_metrics(field, shape_of(given), shape_of(given), 128)
    assert sent == [measured["components"]] == [2]
    if faces:
        assert measured["to_shape_largest_percent"] < 1.0  # the speck would lie 9 % of the diagonal away


def test_what_counts_as_a_speck_goes_by_the_smallest_part() -> None:
    def share(*radii: float) -> float:
        given = shape(*[(3.0 * index, 0.0, 0.0, radius) for index, radius in enumerate(radii)])
        triangles = np.asarray(given.face_indices, np.int64).reshape(-1, 3)
        apart = given.positions()[triangles].reshape(-1, 3)  # every triangle with corners of its own
        assert speck_share(apart, np.arange(len(apart)).reshape(-1, 3)) == pytest.approx(
            speck_share(given.positions(), triangles)
        )
        return speck_share(given.positions(), triangles)

    assert share(1.0) == share(1.0, 1.0) == 0.01
    assert share(1.0, 0.1) == pytest.approx(0.25 * 0.01 / 1.01, rel=1e-3)
