"""Each measure against shapes whose value is known."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.metrics import (
    DistortionMeter,
    drift,
    p_rmse,
    sa_sigma,
    self_intersecting_faces,
    surface_distances,
    topology,
)
from tests.meshes import grid, icosphere, rotation, torus, triangle_mesh


def meter(mesh_name: str = "grid") -> tuple[DistortionMeter, np.ndarray]:
    mesh = grid(6) if mesh_name == "grid" else torus(24, 12)
    return DistortionMeter(mesh.positions(), mesh.triangles(), 1.0), mesh.positions()


@pytest.mark.parametrize("name", ["grid", "torus"])
def test_rigid_motion_and_scaling(name: str) -> None:
    measure, points = meter(name)
    rigid = measure.measure(points @ rotation([1, 2, 3], 150).T + 5)
    assert rigid.conformal == pytest.approx(1, abs=1e-6)
    assert rigid.area == pytest.approx(0, abs=1e-9)
    assert rigid.arap == pytest.approx(0, abs=1e-12)
    assert rigid.flipped == 0
    double = measure.measure(2 * points)
    assert double.conformal == pytest.approx(1, abs=1e-6)
    assert double.area == pytest.approx(np.log(4))
    assert double.flipped == 0


def test_stretch_along_one_axis() -> None:
    """x doubled: ratio of singular values 2, area ratio 2, and the rigidity energy of a unit Dirichlet stretch."""
    measure, points = meter()
    found = measure.measure(points * [2, 1, 1])
    assert found.conformal == pytest.approx(2)
    assert found.conformal_aw == pytest.approx(2)
    assert found.conformal_p95 == pytest.approx(2)
    assert found.area == pytest.approx(np.log(2))
    # Each edge's weight counts in both directions: sum w |e' - e|^2 = 2 * Dirichlet energy = 2 * area * 1.
    assert found.arap == pytest.approx(2 * 1.0)


def test_folded_faces_are_counted() -> None:
    ring = torus(24, 12)
    measure = DistortionMeter(ring.positions(), ring.triangles(), 3.0)
    points = ring.positions()
    points[100] += 0.9 * (points[102] - points[100]) + 0.9 * (points[124] - points[100])
    assert 1 <= measure.measure(points).flipped <= 6


def test_faces_without_area_are_left_out() -> None:
    square = grid(3)
    triangles = np.concatenate([square.triangles(), [[0, 0, 1], [0, 1, 2]]])
    measure = DistortionMeter(square.positions(), triangles, 1.0)
    assert measure.measure(square.positions() * [2, 1, 1]).conformal == pytest.approx(2)


def test_distances_of_known_sets() -> None:
    a = np.zeros((100, 3))
    a[:, 0] = np.arange(100)
    b = a + np.array([0, 0, 0.25])
    b[-1, 2] = 10.0
    found = surface_distances(a, b)
    assert found.hd_max == pytest.approx(10.0)
    assert found.hd95 == pytest.approx(0.25)
    last = np.hypot(1.0, 0.25)  # the last point of a is nearest to the second last of b
    assert found.chamfer == pytest.approx(((99 * 0.25 + last) / 100 + (99 * 0.25 + 10.0) / 100) / 2)


def test_drift_of_even_and_uneven_change() -> None:
    times = np.linspace(0, 1, 5)
    even = drift(3 + 2 * times, times)
    assert (even.std, even.max_dev) == pytest.approx((0, 0), abs=1e-15)
    uneven = drift(np.array([1.0, 1.0, 1.2, 1.0, 1.0]), times)
    assert uneven.max_dev == pytest.approx(0.2)
    assert uneven.std == pytest.approx(np.std([1, 1, 1.2, 1, 1]))
    eased = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    assert drift(3 + 2 * eased, eased).std == pytest.approx(0, abs=1e-15)
    flattened = drift(1 - times, times)  # a volume that ends at 0 has no ratio there
    assert np.isnan([flattened.std, flattened.max_dev]).all()


def test_topology_of_known_surfaces() -> None:
    sphere, ring, square = icosphere(2), torus(), grid()
    assert topology(sphere.n_vertices, sphere.triangles())["genus"] == 0
    assert topology(ring.n_vertices, ring.triangles())["genus"] == 1
    flat = topology(square.n_vertices, square.triangles())
    assert (flat["closed"], flat["components"], flat["genus"]) == (False, 1, None)
    two = np.concatenate([sphere.triangles(), sphere.triangles() + sphere.n_vertices])
    assert topology(2 * sphere.n_vertices + 3, two)["components"] == 2
    assert topology(4, np.zeros((0, 3), int))["components"] == 0


def test_self_intersections() -> None:
    points = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0.3, 0.3, -1], [0.4, 0.5, 1], [0.6, 0.3, 1.0]])
    crossing = triangle_mesh(points, np.array([[0, 1, 2], [3, 4, 5]]))
    assert self_intersecting_faces(crossing.positions(), crossing.triangles()) == 2
    sphere = icosphere(2)
    assert self_intersecting_faces(sphere.positions(), sphere.triangles()) == 0


def test_measures_of_4deform() -> None:
    truth = np.zeros((2, 4, 3))
    frames = truth.copy()
    frames[1, 0] = [0, 3, 4]
    assert p_rmse(frames, truth) == pytest.approx(np.sqrt(25 / 8))
    assert sa_sigma(np.array([2.0, 4.0])) == pytest.approx(0.5)
