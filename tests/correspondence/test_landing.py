"""Landing the source on the target: complete, partial, many-to-one and noisy correspondences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from backend.correspondence.landing import land
from backend.geometry.distance import closest_on_surface
from tests.meshes import icosphere, limbs, rotation


def nothing(step: int, steps: int) -> None:
    pass


def table(source, target, weights=None) -> Correspondence:
    weights = np.ones(len(source)) if weights is None else weights
    return Correspondence(np.asarray(source), np.asarray(target), weights, "table")


@pytest.fixture(scope="module")
def bent():
    """A sphere stretched to an egg, and the same bent, turned by 140 degrees and moved."""
    mesh = icosphere(3)
    source = mesh.positions() * np.array([1.0, 1.0, 2.0])
    angle = 0.5 * source[:, 2]
    x = (source[:, 0] + 1.5) * np.cos(angle) - 1.5
    z = (source[:, 0] + 1.5) * np.sin(angle)
    target = np.stack([x, source[:, 1], z], axis=1) @ rotation([1.0, 1.0, 0.0], 140.0).T + 4.0
    return source, mesh.triangles().astype(np.int64), target


def size(positions):
    return np.linalg.norm(np.ptp(positions, axis=0))


def test_a_complete_vertex_order_is_taken_as_it_is(bent):
    source, triangles, target = bent
    every = np.arange(len(source))
    order = Correspondence(every, every, np.ones(len(source)), "vertex-order")
    landing = land(source, triangles, target, triangles, order, nothing)
    assert np.array_equal(landing.positions, target)
    assert landing.on_surface.all()


def test_an_exact_table_is_met_within_a_thousandth(bent):
    source, triangles, target = bent
    every = np.arange(len(source))
    landing = land(source, triangles, target, triangles, table(every, every), nothing)
    error = np.linalg.norm(landing.positions - target, axis=1) / size(target)
    assert error.mean() < 1e-3
    assert landing.on_surface.mean() > 0.98


def test_a_fifth_of_the_pairs_is_enough(bent):
    source, triangles, target = bent
    some = np.random.default_rng(0).choice(len(source), len(source) // 5, replace=False)
    landing = land(source, triangles, target, triangles, table(some, some), nothing)
    error = np.linalg.norm(landing.positions - target, axis=1) / size(target)
    assert error.mean() < 0.01
    distance, _, _ = closest_on_surface(landing.positions, target, triangles)
    assert distance[landing.on_surface].max() < 1e-9 * size(target)


def test_one_wrong_pair_in_ten_does_not_tear(bent):
    source, triangles, target = bent
    rng = np.random.default_rng(1)
    partners = np.arange(len(source))
    wrong = rng.random(len(source)) < 0.1
    partners[wrong] = rng.integers(0, len(source), wrong.sum())
    landing = land(source, triangles, target, triangles, table(np.arange(len(source)), partners), nothing)
    error = np.linalg.norm(landing.positions - target, axis=1) / size(target)
    assert error.mean() < 3e-3
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    before = np.linalg.norm(target[edges[:, 0]] - target[edges[:, 1]], axis=1)
    after = np.linalg.norm(landing.positions[edges[:, 0]] - landing.positions[edges[:, 1]], axis=1)
    assert (after / before).max() < 4.0


def test_many_to_one_pairs_spread_over_the_surface(bent):
    source, triangles, target = bent
    coarse = np.arange(162)  # the vertices of the sphere before its last subdivision
    partners = coarse[np.linalg.norm(source[:, None] - source[None, coarse], axis=2).argmin(axis=1)]
    landing = land(source, triangles, target, triangles, table(np.arange(len(source)), partners), nothing)
    spacing = np.linalg.norm(target[triangles[:, 0]] - target[triangles[:, 1]], axis=1).mean()
    assert np.linalg.norm(landing.positions - target, axis=1).mean() < spacing
    assert len(np.unique(landing.positions.round(6), axis=0)) == len(source)


def test_vertices_without_counterpart_keep_off_the_border(bent):
    source, triangles, target = bent
    kept = (source[triangles][:, :, 2] < 0.3).all(axis=1)  # the target ends where z is 0.3
    matched = np.unique(triangles[kept])
    landing = land(source, triangles, target, triangles[kept], table(matched, matched), nothing)
    assert landing.on_surface[matched].mean() > 0.95
    beyond = source[:, 2] > 0.8
    assert not landing.on_surface[beyond].any()
    assert (np.linalg.norm(landing.positions - target, axis=1)[beyond] / size(target)).max() < 0.2


def test_a_limb_that_the_target_lacks_is_kept_or_drawn_in():
    mesh, ends = limbs(3)
    source, triangles = mesh.positions(), mesh.triangles()
    limb = icosphere(3).positions() @ ends[3] > 0.8
    target = np.where(limb[:, None], icosphere(3).positions(), source)
    matched = np.flatnonzero(~limb)
    pairs = table(matched, matched)
    kept, drawn = (
        land(source, triangles, target, triangles, replace(pairs, without=without), nothing)
        for without in (np.flatnonzero(limb), pairs.without)
    )
    assert not kept.on_surface[limb].any()
    assert np.linalg.norm(kept.positions - source, axis=1)[limb].max() / size(source) < 0.1
    assert drawn.on_surface[limb].mean() > 0.9


def test_pairs_that_lead_to_one_place_are_refused(bent):
    source, triangles, target = bent
    with pytest.raises(CorrespondenceError, match="one place"):
        land(source, triangles, target, triangles, table([1, 5, 9], [3, 3, 3]), nothing)
