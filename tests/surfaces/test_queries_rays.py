"""Rays: where they hit what is known, that they never step through a bounded field, and the picture they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.evaluation.traced_picture import traced_picture
from backend.surfaces.queries.sphere_trace import Trace, sphere_trace
from protocol.settings import SettingError
from tests.surfaces.analytic import balls, ring


def rays(count: int, reach: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """From a sphere around the shape towards points near it."""
    rng = np.random.default_rng(seed)
    origins = rng.normal(size=(count, 3))
    origins *= 4 * reach / np.linalg.norm(origins, axis=1, keepdims=True)
    directions = rng.uniform(-reach, reach, (count, 3)) - origins
    return origins, directions / np.linalg.norm(directions, axis=1, keepdims=True)


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_rays_at_a_ball_hit_where_they_must(level: float) -> None:
    origins, directions = rays(4000, 1.0)
    trace = sphere_trace(balls((0, 0, 0, 1.0)), origins, directions, level=level)
    along = -(origins * directions).sum(axis=1)
    past = (origins**2).sum(axis=1) - along**2  # squared distance from the middle
    radius = 1.0 + level
    graze = np.abs(np.sqrt(past) - radius) < 0.01
    np.testing.assert_array_equal(trace.hit[~graze], (past < radius**2)[~graze])
    sure = trace.hit & ~graze
    exact = along - np.sqrt(np.maximum(radius**2 - past, 0.0))
    assert np.abs(trace.distance - exact)[sure].max() < 0.01
    assert not trace.overstepped.any()
    assert 3 < np.median(trace.steps[sure]) < 20
    assert trace.steps.mean() < 25


def test_a_field_that_is_steeper_than_its_bound_oversteps() -> None:
    """What the guarantee is worth: without it the field has to say how steep it is."""
    origins, directions = rays(4000, 3.0)

    def traced(**facts: float) -> Trace:
        return sphere_trace(balls((0, 0, 0, 1.0), (3, 0, 0, 0.5), **facts), origins, directions)

    assert not traced().overstepped.any()
    assert traced(steepness=1.5).overstepped.mean() > 0.05
    assert not traced(steepness=1.5, slope=1.5).overstepped.any()


def test_rays_may_start_inside_beside_and_along_the_sides() -> None:
    field = balls((0, 0, 0, 1.0))
    origins = np.array([[0.2, 0, 0], [9.0, 9, 9], [-5.0, 0, 0], [-5.0, 5, 0], [5.0, 0, 0]])
    directions = np.array([[1.0, 0, 0], [0, 0, 1.0], [1.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0]])
    trace = sphere_trace(field, origins, directions)
    assert trace.hit.tolist() == [True, False, True, False, False]
    np.testing.assert_allclose(trace.distance[[0, 2]], [0.8, 4.0], atol=1e-3)
    assert trace.steps[[1, 3, 4]].max() == 0
    with pytest.raises(SettingError, match="in the plane"):
        sphere_trace(balls((0, 0, 1.0)), origins, directions)


def test_the_picture_shows_the_shape_and_its_smooth_edge(tmp_path: Path) -> None:
    traced_picture(tmp_path / "a.png", balls((0, 0, 0, 1.0)), 0.0, width=160)
    with Image.open(tmp_path / "a.png") as picture:
        image = np.asarray(picture.convert("RGB"), int)
    warm = image[:, :, 0] - image[:, :, 2] > 25
    rows, columns = np.nonzero(warm)
    assert abs(np.ptp(rows) - np.ptp(columns)) < 4  # round
    assert abs(warm.sum() / (np.pi / 4 * np.ptp(rows) * np.ptp(columns)) - 1) < 0.05
    top, bottom = image[rows.min() + 8, 80], image[rows.max() - 8, 80]
    assert top.sum() > bottom.sum() + 60  # light comes from above
    half = (image[:, :, 0] - image[:, :, 2] > 8) & ~warm
    assert half.sum() > 50


def test_the_camera_can_be_turned(tmp_path: Path) -> None:
    """The smaller ball is on the right seen from the front, and hidden from the side."""
    field = balls((0, 0, 0, 1.0), (3, 0, 0, 0.5))
    widths = []
    for azimuth in (0.0, 90.0):
        traced_picture(tmp_path / "a.png", field, 0.0, width=120, view=(azimuth, 0.0))
        with Image.open(tmp_path / "a.png") as picture:
            image = np.asarray(picture.convert("RGB"), int)
        columns = np.nonzero((image[:, :, 0] - image[:, :, 2] > 25).any(axis=0))[0]
        widths.append(np.ptp(columns) / image.shape[0])
    assert widths[0] > 1.3 * widths[1]


def test_a_level_that_is_nowhere_has_no_picture(tmp_path: Path) -> None:
    assert not traced_picture(tmp_path / "a.png", ring(), -0.8, width=64)
    assert list(tmp_path.iterdir()) == []


def test_beams_go_ahead_and_lose_nothing() -> None:
    """Rays that start where the beam around them ended hit what they hit alone, in fewer steps."""
    field = balls((0, 0, 0, 1.0), (3, 0, 0, 0.5))
    rng = np.random.default_rng(0)
    origins = np.broadcast_to([2.0, 0.5, 12.0], (400, 3))
    middles = np.concatenate([rng.uniform(-1.5, 4.0, (400, 1)), rng.uniform(-1.5, 1.5, (400, 1))], axis=1)
    towards = np.concatenate([middles, np.zeros((400, 1))], axis=1) - origins
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    beam = sphere_trace(field, origins, towards, spread=np.full(400, 0.02))
    beside = towards + 0.02 / 3**0.5 * rng.uniform(-1, 1, (400, 3))
    beside /= np.linalg.norm(beside, axis=1, keepdims=True)
    alone = sphere_trace(field, origins, beside)
    assert not (alone.hit & ~beam.hit).any()
    assert (beam.distance <= alone.distance + 1e-6)[alone.hit].all()
    after = sphere_trace(field, origins, beside, start=np.where(beam.hit, beam.distance, np.inf))
    np.testing.assert_array_equal(after.hit, alone.hit)
    np.testing.assert_allclose(after.distance[after.hit], alone.distance[after.hit], atol=2e-3)
    assert after.steps.sum() < 0.7 * alone.steps.sum()
