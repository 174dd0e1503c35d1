"""The spectral way to match: its parts against slow twins, and whole matches against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.extremities import Extremities, assignments, extremities_of
from backend.correspondence.functional_map import _commuting, described, fitted_map, wave_kernel_signature
from backend.correspondence.matching import ACCEPTED, match
from backend.correspondence.spectral import spectral_match
from backend.correspondence.spectral_points import _nearest_weights
from backend.correspondence.zoomout import nearest_rows
from backend.geometry.geodesics import Geodesics
from backend.geometry.io import read_mesh
from backend.geometry.repair import WorkingMesh, working_mesh, working_pair
from backend.geometry.spectrum import spectrum_of
from backend.geometry.triangles import areas
from backend.training.run import Run
from tests.meshes import icosphere, limbs, torus
from tests.shared_data import shared_data

NO_LANDMARKS = np.zeros((0, 2), np.int64)


def test_commuting_operators_are_one_quadratic_form() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 3, 5, 5))
    functional = rng.normal(size=(5, 5))
    truth = sum(((functional @ y - x @ functional) ** 2).sum() for x, y in zip(source, target, strict=True))
    flat = functional.ravel()
    assert flat @ _commuting(source, target) @ flat == pytest.approx(truth)


def test_the_orientation_operators_are_those_of_gradients() -> None:
    mesh = icosphere(3)
    shape = spectrum_of(mesh.positions(), mesh.triangles(), 9)
    found = described(shape, shape.positions[:, :1], 9)  # the descriptor is x
    normals = shape.positions / np.linalg.norm(shape.positions, axis=1, keepdims=True)
    # On a sphere n . (grad x x grad z) is the part of n along -y.
    turned = shape.functions.T @ (shape.masses * -normals[:, 1])
    norm = np.sqrt((shape.masses * shape.positions[:, 0] ** 2).sum())
    z = shape.coefficients(shape.positions[:, 2:])[:, 0]
    np.testing.assert_allclose(found.orientations[0] @ z * norm, turned, atol=0.03 * abs(turned).max())


def test_a_shape_maps_to_itself_whatever_its_numbers() -> None:
    mesh, _ = limbs(3)
    order = np.random.default_rng(0).permutation(mesh.n_vertices)
    shapes = [
        spectrum_of(mesh.positions(), mesh.triangles(), 12),
        spectrum_of(mesh.positions()[order], np.argsort(order)[mesh.triangles()], 12),
    ]
    both = [
        described(shape, np.concatenate([wave_kernel_signature(shape), shape.positions], 1), 12) for shape in shapes
    ]
    functional = fitted_map(*both, 1)
    truth = shapes[0].functions.T @ (shapes[0].masses[:, None] * shapes[1].functions[np.argsort(order)])
    np.testing.assert_allclose(functional, truth, atol=0.05)


def test_nearest_rows_and_points_of_triangles_are_the_nearest() -> None:
    generator = torch.Generator().manual_seed(0)
    points, among = torch.randn(2, 50, 7, generator=generator), torch.randn(40, 7, generator=generator)
    assert torch.equal(nearest_rows(points, among), torch.cdist(points, among).argmin(-1))
    rng = np.random.default_rng(1)
    offset, u, v = rng.normal(size=(3, 200, 6))
    found = _nearest_weights(offset, u, v)
    assert (found >= -1e-12).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    apart = np.linalg.norm(offset - found[:, 1:2] * u - found[:, 2:] * v, axis=1)
    s, t = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 1, 41))
    tried = np.stack([s.ravel(), t.ravel()], 1)[(s + t).ravel() <= 1.0]
    places = tried[:, :1, None] * u + tried[:, 1:, None] * v
    assert (apart <= np.linalg.norm(offset - places, axis=2).min(axis=0) + 1e-9).all()


def test_extremities_are_the_ends_of_the_limbs() -> None:
    mesh, ends = limbs()
    shape = spectrum_of(mesh.positions(), mesh.triangles(), 20)
    found = extremities_of(shape, Geodesics(shape.positions, shape.triangles))
    leads = icosphere(4).positions()[found.vertices] @ ends.T
    assert sorted(leads.argmax(axis=1)) == [0, 1, 2, 3]
    assert leads.max(axis=1).min() > 0.97


def test_assignments_keep_distances() -> None:
    places = np.array([[0, 0], [4, 0], [0, 7], [9, 9], [5, -6.0]])
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    order = np.array([3, 0, 4, 1, 2])
    source = Extremities(np.arange(5), apart)
    target = Extremities(np.arange(5), apart[order][:, order])
    best = assignments(source, target, 3)[0]
    assert best.target == tuple(np.argsort(order))
    assert best.cost == 0.0


@pytest.mark.parametrize("name", ["michael_remeshed", "elephant_decimated"])
def test_two_remeshed_poses_are_matched(name: str) -> None:
    """Mean geodesic error in hundredths of the square root of the area; doubts are where the errors are."""
    data = shared_data()
    if data is None:
        pytest.skip("the test data are not here")
    source, target = (read_mesh(data / name / f"{end}.obj") for end in ("source", "target"))
    a, b = working_pair(source, target)
    found = match(a, b, "auto", NO_LANDMARKS, Run())
    assert found.way == "spectral"
    assert found.said == ()
    truth = np.load(data / name / "corr.npy")
    chosen = np.random.default_rng(0).permutation(len(truth))[:200]
    starts, ends = a.vertex_map[truth[chosen, 0]], b.vertex_map[truth[chosen, 1]]
    reached = found.map.vertices(b.triangles)[starts]
    apart = Geodesics(b.positions, b.triangles).from_vertices(ends)[np.arange(200), reached]
    assert 100.0 * apart.mean() / np.sqrt(areas(b.positions, b.triangles).sum()) < 2.0


def test_unlike_shapes_are_not_matched_in_secret() -> None:
    a, b = working_mesh(torus(), "source"), working_mesh(icosphere(3), "target")
    found = match(a, b, "auto", NO_LANDMARKS, Run())
    assert found.way == "none"
    assert found.facts["map_energy"] > ACCEPTED  # type: ignore[operator]
    assert "landmarks" in found.said[0]
    assert match(a, b, "spectral", NO_LANDMARKS, Run()).map.confidence.max() < 0.9


def test_few_vertices_are_refused_in_words() -> None:
    ball = icosphere(0)
    tiny = working_mesh(ball, "source")
    with pytest.raises(CorrespondenceError, match="12 connected vertices"):
        match(tiny, tiny, "spectral", NO_LANDMARKS, Run())


def test_vertices_of_other_parts_have_no_counterpart_of_their_own() -> None:
    mesh, _ = limbs(3)
    speck = icosphere(1, 0.05)
    positions = np.concatenate([mesh.positions(), speck.positions() + 2.0])
    faces = np.concatenate([mesh.triangles(), speck.triangles() + mesh.n_vertices]).astype(np.int64)
    whole = WorkingMesh(positions, faces, np.arange(len(positions)), ())
    found = spectral_match(whole, whole, NO_LANDMARKS, torch.device("cpu"), lambda step, steps: None)
    assert (found.map.confidence[mesh.n_vertices :] == 0.0).all()
    assert not found.map.weights[mesh.n_vertices :].any()
    assert found.map.confidence[: mesh.n_vertices].mean() > 0.5
