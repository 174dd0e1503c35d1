"""What is measured of a field, against figures that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.geometry.shape import Shape, UnitFrame
from backend.surfaces.dataset import Dataset
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.known_shape import KnownShape
from backend.surfaces.measures import lipschitz_constant, measure
from tests.meshes import icosphere
from tests.surfaces.analytic import balls


class KnownBall(KnownShape):
    """A ball or a disc around the origin of the unit frame."""

    signed = True
    exact = True
    said = ()

    def __init__(self, dimension: int, radius: float) -> None:
        self.dimension = dimension
        self._radius = radius

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        normals = rng.normal(size=(count, self.dimension))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return self._radius * normals, normals

    def distances(self, points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points, axis=1) - self._radius


def ball_data(field: DistanceField, radius: float, **more: Any) -> Dataset:
    """The dataset of a ball of object space around the origin."""
    frame = UnitFrame(np.zeros(field.dimension), 1.5)
    return Dataset("signed", frame, field.low, field.high, {}, shape=KnownBall(field.dimension, radius / 1.5), **more)


def test_a_ball_that_is_too_large_is_off_by_the_difference() -> None:
    field = balls((0, 0, 0, 1.0))
    diagonal = 2 * 3**0.5
    facts = measure(field, ball_data(field, 0.98), samples=4000, pairs=2000, resolution=96)
    for name in ("chamfer", "to_shape", "from_shape", "to_shape_largest", "from_shape_largest"):
        assert facts[f"{name}_percent"] == pytest.approx(100 * 0.02 / diagonal, rel=0.03), name
    assert facts["error_percent_near"] == pytest.approx(100 * 0.02 / diagonal, rel=1e-3)
    assert (facts["closed"], facts["components"], facts["genus"]) == (True, 1, 0)
    assert facts["gradient_near"]["mean"] == pytest.approx(1.0, abs=1e-5)
    # Signs are wrong between both radii: of a ball of radius r drawn around its points, that is the slab 0 .. h.
    h, r = 0.02, 0.02 * diagonal
    wrong = (3 * h * r**2 - h**3) / (4 * r**3)
    assert facts["sign_near"] == pytest.approx(1 - wrong, abs=0.02)
    side = 2 + 0.2 * diagonal
    assert facts["sign_box"] == pytest.approx(1 - 4 / 3 * np.pi * (1 - 0.98**3) / side**3, abs=0.01)


def test_a_disc_in_the_plane() -> None:
    field = balls((0, 0, 1.0))
    facts = measure(field, ball_data(field, 0.98), samples=4000, pairs=2000)
    assert facts["chamfer_percent"] == pytest.approx(100 * 0.02 / 8**0.5, rel=0.01)
    assert (facts["closed"], facts["components"]) == (True, 1)
    whole = measure(field, ball_data(field, 1.0), samples=4000, pairs=2000)
    assert whole["chamfer_percent"] < 0.001
    assert whole["sign_near"] == whole["sign_box"] == 1.0


def test_the_offset_of_an_unsigned_level_is_taken_off() -> None:
    field = balls((0, 0, 0, 1.0), signed=False, level=0.05)
    facts = measure(field, ball_data(field, 1.0), samples=2000, pairs=2000, resolution=96)
    assert facts["chamfer_percent"] < 0.02
    assert facts["sign_near"] is None
    assert facts["components"] == 2


def test_the_largest_slope_is_found() -> None:
    for steepness in (1.0, 1.3):
        field = balls((0, 0, 0, 1.0), (3, 0, 0, 0.5), steepness=steepness)
        found = lipschitz_constant(field, 20_000)
        assert steepness * 0.99 < found <= steepness * (1 + 1e-9)


def test_of_a_cloud_one_side_is_known() -> None:
    field = balls((0, 0, 0, 1.0))
    frame = UnitFrame(np.zeros(3), 1.5)
    rng = np.random.default_rng(0)
    cloud, _ = KnownBall(3, 0.98).on_surface(3000, rng)
    data = Dataset("signed", frame, field.low, field.high, {"on": cloud / 1.5})
    facts = measure(field, data, pairs=2000, resolution=96)
    assert facts["from_shape_percent"] == pytest.approx(100 * 0.02 / 12**0.5, rel=0.03)
    for name in ("chamfer_percent", "to_shape_percent", "sign_near", "sign_box", "error_percent_box"):
        assert facts[name] is None
    assert facts["gradient_near"]["mean"] == pytest.approx(1.0, abs=1e-5)

    points = rng.uniform(-1.2, 1.2, (4000, 3))
    exact = np.linalg.norm(points, axis=1) - 0.98
    tested = measure(
        field, replace(data, test_points=points / 1.5, test_distances=exact / 1.5), pairs=2000, resolution=48
    )
    assert tested["error_percent_box"] == pytest.approx(100 * 0.02 / 12**0.5, rel=1e-3)
    assert 0.6 < tested["sign_near"] < tested["sign_box"] == 1.0


def test_shapes_as_they_come() -> None:
    """A mesh, a loop and a cloud of object space, against fields that are too large by 0.02."""
    ball = icosphere(4, 0.98)
    facts = measure(
        balls((0, 0, 0, 1.0)),
        Shape(ball.positions(), triangles=ball.triangles().astype(np.int64)),
        samples=3000,
        pairs=1000,
        resolution=64,
    )
    assert facts["chamfer_percent"] == pytest.approx(100 * 0.02 / 12**0.5, rel=0.06)
    assert 0.97 < facts["sign_box"] < 1.0
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = 0.98 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    ring = np.stack([np.arange(400), np.roll(np.arange(400), -1)], axis=1)
    flat = measure(balls((0, 0, 1.0)), Shape(circle, segments=ring), samples=3000, pairs=1000)
    assert flat["chamfer_percent"] == pytest.approx(100 * 0.02 / 8**0.5, rel=0.02)
    assert 0.97 < flat["sign_box"] < 1.0
    cloud = measure(balls((0, 0, 0, 1.0)), Shape(ball.positions()), samples=3000, pairs=1000, resolution=64)
    assert cloud["from_shape_percent"] == pytest.approx(100 * 0.02 / 12**0.5, rel=0.05)
    assert cloud["chamfer_percent"] is cloud["sign_near"] is None


def test_a_level_that_is_nowhere_is_not_closed() -> None:
    field = replace(balls((0, 0, 0, 1.0)), level=-2.0)
    facts = measure(field, ball_data(field, 1.0), samples=500, pairs=500, resolution=32)
    assert facts["chamfer_percent"] is None
    assert facts["closed"] is False
    assert facts["components"] == 0
