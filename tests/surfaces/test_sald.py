"""``sald``: the sign of a field that is told of none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from backend.losses.sald import either_side
from backend.surfaces.sald import Sald, SaldSettings, _started
from backend.training.run import Run
from tests.surfaces.labelled import ROD, TORUS, Labelled

SMALL: dict[str, Any] = {"steps": 400, "width": 48, "depth": 2, "batch": 256, "batch_on": 128}


def found(shape: Labelled, **changes: Any) -> tuple[Any, Any]:
    """Values at points, and the exact signed distances there."""
    network = Sald().fit(shape.dataset("sal"), True, SaldSettings(**(SMALL | changes)), Run())
    points, exact = shape.places()
    with torch.no_grad():
        return network(torch.as_tensor(points, dtype=torch.float32)).numpy(), exact


@pytest.mark.parametrize("activation", ["sine", "softplus"])
@pytest.mark.parametrize("shape", [ROD, TORUS])
def test_it_starts_as_a_ball(shape: Labelled, activation: str) -> None:
    settings = SaldSettings(activation=activation, radius=0.4)
    network = _started(shape.dimension, settings, torch.Generator().manual_seed(0))
    points = shape.places()[0]
    with torch.no_grad():
        values = network(torch.as_tensor(points, dtype=torch.float32)).numpy()
    ball = np.linalg.norm(points, axis=1) - 0.4
    clear = np.abs(ball) > 0.2
    assert (np.sign(values) == np.sign(ball))[clear].mean() > 0.97


@pytest.mark.parametrize("shape", [ROD, TORUS])
def test_what_the_ball_holds_beside_the_shape_comes_out_as_outside(shape: Labelled) -> None:
    values, exact = found(shape)
    assert (np.sign(values) == np.sign(exact)).mean() > 0.95
    assert np.abs(np.abs(values) - np.abs(exact))[np.abs(exact) < 0.1].mean() < 0.03


def test_labels_l0_tell_the_sides_apart() -> None:
    values, exact = found(ROD, label="l0", attach=10.0, grad=0.0)
    assert (np.sign(values) == np.sign(exact))[np.abs(exact) > 0.1].mean() > 0.9
    assert np.abs(values[np.abs(exact) > 0.2]).mean() > 0.5


def test_attachment_holds_the_field_to_the_surface() -> None:
    misses = []
    for weight in (0.0, 10.0):
        settings = SaldSettings(**(SMALL | {"attach": weight, "grad": 0.0, "steps": 150}))
        network = Sald().fit(ROD.dataset("sal"), True, settings, Run())
        points = torch.as_tensor(ROD.on(500, np.random.default_rng(2))[0], dtype=torch.float32)
        with torch.no_grad():
            misses.append(network(points).square().mean().sqrt().item())
    assert misses[1] < 0.8 * misses[0]


def test_the_weight_of_the_normals_turns_the_gradient_along_them() -> None:
    misses = []
    for weight in (0.0, 1.0):
        settings = SaldSettings(**(SMALL | {"grad": weight, "steps": 150}))
        network = Sald().fit(TORUS.dataset("sal"), True, settings, Run())
        points, normals = (
            torch.as_tensor(part, dtype=torch.float32) for part in TORUS.on(500, np.random.default_rng(2))
        )
        misses.append(either_side(network.value_and_gradient(points)[1], normals).item())
    assert misses[1] < 0.8 * misses[0]
