"""``one_lipschitz`` on shapes whose distance is a formula: what it learns, and what holds however little it learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.fields.distance_network import DistanceNetwork
from backend.geometry.arrays import Float64
from backend.surfaces.dataset import Dataset
from backend.surfaces.distance_field import DistanceField, field_of
from backend.surfaces.known_shape import KnownShape
from backend.surfaces.labelled_points import labelled_points
from backend.surfaces.measures import lipschitz_constant
from backend.surfaces.one_lipschitz import OneLipschitzFit, OneLipschitzSettings, hinge_at
from backend.surfaces.queries.sphere_trace import sphere_trace
from backend.surfaces.registry import get_surface_method, surface_spec
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from tests.surfaces.labelled import RING, ROD, TORUS, Labelled

SMALL: dict[str, Any] = {"steps": 400, "width": 32, "depth": 4, "batch": 128, "learning_rate": 2e-2}


class Known(KnownShape):
    """What is known of a labelled shape: everything."""

    signed = exact = True
    said = ()

    def __init__(self, shape: Labelled) -> None:
        self.dimension, self._shape = shape.dimension, shape

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        return self._shape.on(count, rng)

    def distances(self, points: Float64) -> Float64:
        return self._shape.distances(points)


def data_of(shape: Labelled, signed: bool = True, known: bool = True) -> Dataset:
    points = np.random.default_rng(2).uniform(-1.0, 1.0, (12_000, shape.dimension))
    exact = shape.distances(points)
    on = shape.on(3000, np.random.default_rng(3))[0]
    arrays = {"on": on, "inside": points[exact < 0.0], "outside": points[exact > 0.0]}
    if not signed:
        arrays = {"on": on, "outside": points}
    return replace(
        shape.dataset("dist"), mode="signed" if signed else "unsigned", arrays=arrays,
        shape=Known(shape) if known else None,
    )  # fmt: skip


def fitted(
    shape: Labelled, signed: bool = True, known: bool = True, checkpoints: Checkpoints | None = None, **changes: Any
) -> DistanceNetwork:
    settings = OneLipschitzSettings(**(SMALL | changes))
    return OneLipschitzFit().fit(data_of(shape, signed, known), signed, settings, Run(), checkpoints)


def field(network: DistanceNetwork, shape: Labelled) -> DistanceField:
    data = data_of(shape)
    return DistanceField(network.at_rest(), data.frame, data.low, data.high, bounded=True)


def values(network: DistanceNetwork, shape: Labelled) -> tuple[Any, Any]:
    points, exact = shape.places()
    with torch.no_grad():
        return network(torch.as_tensor(points, dtype=torch.float32)).numpy(), exact


@pytest.fixture(scope="module")
def torus() -> DistanceField:
    return field(fitted(TORUS), TORUS)


def test_the_distance_is_learned(torus: DistanceField) -> None:
    found, exact = values(torus.network, TORUS)
    near = np.abs(exact) < 0.1
    assert np.abs(found - exact)[near].mean() < 0.03
    assert (np.sign(found) == np.sign(exact)).mean() > 0.95


@pytest.mark.parametrize("changes", [{}, {"layers": "orthogonal", "learning_rate": 5e-3, "steps": 200}])
def test_the_distance_is_learned_in_the_plane(changes: dict[str, Any]) -> None:
    found, exact = values(fitted(RING, **changes), RING)
    near = np.abs(exact) < 0.1
    assert np.abs(found - exact)[near].mean() < 0.03
    assert (np.sign(found) == np.sign(exact)).mean() > 0.95


def test_the_side_of_every_point_is_enough() -> None:
    """hKR, as of a dataset that was read from a folder; the steps are those of the first epochs of the schedule."""
    sides: dict[str, Any] = {"margin": 0.02, "depth": 5, "steps": 300, "learning_rate": 1e-2}
    found, exact = values(fitted(RING, known=False, **sides), RING)
    off = np.abs(exact) > 0.08
    assert (np.sign(found) == np.sign(exact))[off].mean() > 0.97
    assert np.corrcoef(found, exact)[0, 1] > 0.95
    asked, _ = values(fitted(RING, distances=False, **sides), RING)
    np.testing.assert_array_equal(asked, found)


@pytest.mark.parametrize("known", [True, False])
def test_a_field_without_sign_is_low_at_the_shape_alone(known: bool) -> None:
    found, exact = values(fitted(ROD, signed=False, known=known, margin=0.05), ROD)
    near, far = np.abs(exact) < 0.03, np.abs(exact) > 0.15
    assert np.median(found[near]) + 0.1 < np.median(found[far])
    if known:
        assert np.abs(found - np.abs(exact)).mean() < 0.06
        assert np.abs(found[near]).mean() < 0.04


def test_points_are_labelled_within_the_time_there_is() -> None:
    """And are the same ones, where there is time for all of them."""
    whole, hurried = (labelled_points(Known(RING), True, Run(seconds=seconds)) for seconds in (None, 1e-6))
    assert (whole.near, len(whole.points)) == (20 * hurried.near, 20 * len(hurried.points))
    assert torch.equal(whole.points[: hurried.near], hurried.points[: hurried.near])
    exact = RING.distances(hurried.points.double().numpy())
    np.testing.assert_allclose(hurried.distances.numpy(), exact, atol=1e-6)
    assert np.abs(exact[: hurried.near]).mean() < 0.05 < np.abs(exact[hurried.near :]).mean()


def test_the_level_is_an_offset_only_without_a_sign() -> None:
    method, settings = OneLipschitzFit(), OneLipschitzSettings(level=0.03)
    assert (method.level(True, settings), method.level(False, settings)) == (0.0, 0.03)


def test_a_trained_field_is_no_steeper_than_1_and_no_ray_steps_through_it(torus: DistanceField) -> None:
    assert 0.9 < lipschitz_constant(torus, 100_000) <= 1.0 + 1e-5
    rng = np.random.default_rng(5)
    points = rng.uniform(-50.0, 50.0, (3000, 3))
    apart = points[:1500] - points[1500:]
    rise = torus.values(points[:1500]) - torus.values(points[1500:])
    assert (np.abs(rise) <= (1.0 + 1e-5) * np.linalg.norm(apart, axis=1)).all()
    gradients = torus.values_and_gradients(rng.uniform(-1.0, 1.0, (3000, 3)))[1]
    assert 0.9 < np.linalg.norm(gradients, axis=1).max() <= 1.0 + 1e-5

    origins = rng.normal(size=(3000, 3))
    origins *= 2.0 / np.linalg.norm(origins, axis=1, keepdims=True)
    directions = TORUS.on(3000, rng)[0] - origins
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    trace = sphere_trace(torus, origins, directions)
    assert not trace.overstepped.any()
    assert trace.hit.mean() > 0.9
    ends = torus.values(origins + trace.distance[:, None] * directions)[trace.hit]
    assert 0.0 <= ends.min() <= ends.max() <= 1e-3


def test_rounding_is_far_below_what_a_ray_stops_at(torus: DistanceField) -> None:
    points = np.random.default_rng(6).uniform(-2.0, 2.0, (3000, 3))
    inward = torch.as_tensor(points, dtype=torch.float32)
    exact = field_of(torus.to_bytes(), "torus").network.double()
    with torch.no_grad():
        off = torus.network(inward).double() - exact(inward.double())
    assert float(off.abs().max()) < 2e-6


def test_a_field_comes_back_from_its_bytes(torus: DistanceField) -> None:
    points = np.random.default_rng(7).uniform(-1.0, 1.0, (500, 3))
    again = field_of(torus.to_bytes(), "torus")
    np.testing.assert_array_equal(again.values(points), torus.values(points))
    flat = field(fitted(RING, layers="orthogonal", steps=2), RING)
    np.testing.assert_array_equal(field_of(flat.to_bytes(), "ring").values(points[:, :2]), flat.values(points[:, :2]))


def test_the_paper_preset_is_the_published_configuration() -> None:
    method = get_surface_method("one-lipschitz")
    settings = OneLipschitzSettings(**surface_spec(method).resolve("paper", {}))
    assert (settings.layers, settings.depth, settings.width, settings.batch) == ("sll", 20, 128, 200)
    assert (settings.steps, settings.learning_rate, settings.final_rate) == (100_000, 5e-4, 5e-4)
    assert (settings.distances, settings.margin, settings.hinge) == (False, 0.01, 100.0)
    epochs = [hinge_at(500 * (epoch - 1), 200.0) for epoch in (1, 4, 5, 9, 10, 29, 30, 200)]
    assert epochs == [1.0, 1.0, 10.0, 10.0, 100.0, 100.0, 200.0, 200.0]
    assert method.bounded


def test_a_training_that_goes_on_ends_as_if_never_stopped(tmp_path: Path) -> None:
    fitted(RING, steps=60, checkpoints=Checkpoints(tmp_path / "whole", 20))
    start = tmp_path / "whole" / "step_000040.safetensors"
    fitted(RING, steps=60, checkpoints=Checkpoints(tmp_path / "again", 20, start))
    whole, again = (load_file(tmp_path / name / "step_000060.safetensors") for name in ("whole", "again"))
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name
