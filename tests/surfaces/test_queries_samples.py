"""Samples of a level: on it, on all of it, and far more even than random ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from backend.geometry.sampling import sample_surface
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.iso_samples import iso_samples, project
from backend.surfaces.queries.isosurface import isosurface
from protocol.settings import SettingError
from tests.surfaces.analytic import balls, ring


def unevenness(points: np.ndarray) -> float:
    """Spread of the distances to the nearest point, relative to their mean; 0.52 for random points in a plane."""
    nearest = cKDTree(points).query(points, 2)[0][:, 1]
    return float(nearest.std() / nearest.mean())


@pytest.mark.parametrize("field", [ring(), balls((0, 0, 1.0), (3, 0, 0.5), (0, 2.5, 0.3))])
def test_they_are_on_the_level_and_even(field: DistanceField) -> None:
    for level in (0.0, 0.1):
        points, normals = iso_samples(field, level, 1000)
        assert points.shape == (1000, field.dimension)
        assert np.abs(field.values(points) - level).max() < 2e-5 * field.diagonal
        assert unevenness(points) < 0.08
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, rtol=1e-5)
        assert (field.values(points + 0.01 * normals) > level).all()


def test_random_points_are_not() -> None:
    """What the samples start from, and what the figure of unevenness says of it."""
    scattered = sample_surface(*isosurface(ring(), 0.1, 64), 1000, np.random.default_rng(0))[0]
    assert unevenness(scattered) > 0.45


def test_every_part_has_its_share() -> None:
    field = balls((0, 0, 0, 1.0), (3, 0, 0, 0.5))
    points, _ = iso_samples(field, 0.0, 2000)
    assert (points[:, 0] > 2.0).mean() == pytest.approx(0.2, abs=0.03)
    again, _ = iso_samples(field, 0.0, 2000)
    np.testing.assert_array_equal(points, again)
    other, _ = iso_samples(field, 0.0, 2000, seed=1)
    assert (points != other).any()


def test_projection_goes_to_the_level_and_says_what_did_not_arrive() -> None:
    field = balls((0, 0, 0, 1.0), steepness=0.4)
    points, arrived = project(field, np.array([[2.0, 0, 0], [0.1, 0.1, 0.0], [0, 0, -3.0]]), 0.03)
    assert arrived.all()
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.075, atol=1e-4)
    nowhere, arrived = project(field, np.array([[2.0, 0, 0]]), -1.0)
    assert not arrived.any()
    assert np.isfinite(nowhere).all()


def test_few_none_and_too_many() -> None:
    field = ring()
    assert iso_samples(field, 0.0, 1)[0].shape == (1, 3)
    assert iso_samples(field, 0.0, 2)[0].shape == (2, 3)
    assert len(iso_samples(field, -0.8, 100)[0]) == 0
    with pytest.raises(SettingError, match="0 points"):
        iso_samples(field, 0.0, 0)
