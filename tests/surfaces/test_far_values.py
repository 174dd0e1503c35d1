"""A field far away from its shape, where its network was never trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp, sine_start_
from backend.fields.distance_network import DistanceNetwork
from backend.geometry.shape import UnitFrame
from backend.surfaces.beyond import ROOM, Around
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.isosurface import isosurface
from tests.geometry.test_isosurface import assert_closed
from tests.surfaces.analytic import balls, ring


class _Half(DistanceNetwork):
    """Half of another one, as a network that was trained too little."""

    family: ClassVar[str] = "test-half"

    def __init__(self, whole: DistanceNetwork) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, points: Tensor) -> Tensor:
        return 0.5 * self.whole(points)

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self.whole.value_and_gradient(points)
        return 0.5 * value, 0.5 * gradient

    def form(self) -> Mapping[str, Any]:
        return {}


def around(field: DistanceField) -> Around:
    """The box in which its network is asked."""
    return Around(field.frame.enter(field.low) - ROOM, field.frame.enter(field.high) + ROOM)


def sine_field() -> DistanceField:
    """A network as it starts: waves without end."""
    network = DistanceMlp(3, 32, 2, "sine", None)
    sine_start_(network.mlp, 8.0, torch.Generator().manual_seed(3))
    frame = UnitFrame(np.array([1.0, 2.0, 3.0]), 2.0)
    return DistanceField(network.at_rest(), frame, frame.leave(np.full(3, -0.9)), frame.leave(np.full(3, 0.9)))


def test_no_wave_of_it_is_a_surface_out_there() -> None:
    field = sine_field()
    points = np.random.default_rng(0).normal(0.0, 8.0, (2000, 3)) + field.frame.centre
    inward, box = field.frame.enter(points), around(field)
    away = field.frame.length * np.linalg.norm(inward - np.clip(inward, box.low, box.high), axis=1)
    assert (away > 0.0).mean() > 0.5
    assert (field.values(points) >= away - 1e-5)[away > 0.0].all()


@pytest.mark.parametrize("bounded", [True, False])
def test_its_gradient_is_that_of_its_values(bounded: bool) -> None:
    field = ring(bounded=bounded)
    points = np.random.default_rng(1).normal(0.0, 4.0, (1000, 3))
    values, gradients = field.values_and_gradients(points)
    np.testing.assert_allclose(values, field.values(points), atol=1e-5)
    step = 1e-2
    inward, box = field.frame.enter(points), around(field)
    sides = np.concatenate([inward - box.low, inward - box.high], axis=1)
    smooth = (np.abs(sides).min(axis=1) > step) & box.beyond(inward)
    slopes = [(field.values(points + move) - field.values(points - move)) / (2 * step) for move in step * np.eye(3)]
    off = np.linalg.norm(gradients - np.stack(slopes, axis=1), axis=1)[smooth]
    # Bounded, it may change from one of two fields to the other on the way; else the foot is held still.
    assert np.quantile(off, 0.99 if bounded else 0.5) < (0.01 if bounded else 0.2)


@pytest.mark.parametrize("field", [ring(), balls((0, 0, 0, 1.0), (3, 0, 0, 0.5))])
def test_bounded_it_stays_below_the_distance_and_1_lipschitz(field: DistanceField) -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(0.0, 6.0, (4000, 3))
    inward = torch.as_tensor(field.frame.enter(points), dtype=torch.float32)
    exact = field.network(inward).detach().double().numpy() * field.frame.length
    values = field.values(points)
    np.testing.assert_allclose(values, exact, atol=1e-5)
    half = replace(field, network=_Half(field.network))
    values = half.values(points)
    assert (values <= exact + 1e-5)[exact > 0.0].all()
    assert (values >= 0.5 * exact - 1e-5).all()
    beyond = around(field).beyond(field.frame.enter(points))
    assert values[beyond].mean() > 0.7 * exact[beyond].mean()
    near = points + rng.normal(0.0, 0.3, points.shape)
    assert (np.abs(half.values(near) - values) <= np.linalg.norm(near - points, axis=1) + 1e-5).all()


def test_unbounded_it_is_the_distance_where_the_cube_is_right() -> None:
    field = ring(bounded=False)
    positions, triangles = isosurface(field, 4.0, 32)
    assert_closed(positions, triangles)
    from_axis = np.hypot(positions[:, 0], positions[:, 1])  # on it no gradient leads to the ring
    off = np.abs(np.hypot(from_axis - 2.0, positions[:, 2]) - 0.7 - 4.0)
    assert off[from_axis > 5.4 / 32].max() < 0.1
    assert off.mean() < 0.05
