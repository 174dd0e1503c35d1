"""``full_information`` on shapes whose distance is a formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.fields.distance_network import DistanceNetwork
from backend.surfaces.full_information import FullInformation, FullInformationSettings
from backend.surfaces.networks import network_of
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from tests.surfaces.labelled import RING, TORUS, Labelled

SMALL: dict[str, Any] = {"steps": 300, "width": 48, "depth": 2, "batch": 256, "frequency_2d": 4.0}


def fitted(
    shape: Labelled, signed: bool = True, checkpoints: Checkpoints | None = None, count: int = 6000, **changes: Any
) -> DistanceNetwork:
    settings = FullInformationSettings(**(SMALL | changes))
    return FullInformation().fit(shape.dataset("dist", count), signed, settings, Run(), checkpoints)


def values(network: DistanceNetwork, shape: Labelled) -> tuple[Any, Any]:
    points, exact = shape.places()
    with torch.no_grad():
        return network(torch.as_tensor(points, dtype=torch.float32)).numpy(), exact


@pytest.mark.parametrize(("shape", "network"), [(TORUS, "siren"), (RING, "siren"), (TORUS, "lipschitz"), (RING, "mlp")])
def test_the_distance_is_learned(shape: Labelled, network: str) -> None:
    found, exact = values(fitted(shape, network=network), shape)
    near = np.abs(exact) < 0.1
    assert np.abs(found - exact)[near].mean() < 0.03
    assert (np.sign(found) == np.sign(exact)).mean() > 0.9


def test_a_field_without_sign_is_nowhere_negative_but_for_its_error() -> None:
    found, exact = values(fitted(RING, signed=False, steps=600), RING)
    assert np.abs(found - np.abs(exact)).mean() < 0.03
    assert found.min() > -0.03
    method, settings = FullInformation(), FullInformationSettings(level=0.03)
    assert (method.level(True, settings), method.level(False, settings)) == (0.0, 0.03)


def test_the_eikonal_loss_brings_gradients_to_length_1() -> None:
    """Where few distances are known."""
    lengths = []
    for weight in (0.0, 0.1):
        network = fitted(RING, count=60, eikonal=weight)
        points = torch.as_tensor(RING.places()[0], dtype=torch.float32)
        lengths.append((network.value_and_gradient(points)[1].norm(dim=1) - 1.0).abs().mean().item())
    assert lengths[1] < 0.25 * lengths[0]


def test_the_lipschitz_network_rests_as_a_plain_one_and_is_stored_as_such() -> None:
    network = fitted(TORUS, network="lipschitz", steps=5)
    rest = network.at_rest()
    points = torch.as_tensor(TORUS.places()[0], dtype=torch.float32)
    assert rest.family == "mlp"
    torch.testing.assert_close(rest(points), network(points), atol=1e-5, rtol=1e-5)
    for one in (rest, network):
        again = network_of(one.family, one.form())
        again.load_state_dict(one.state_dict())
        assert torch.equal(again(points), one(points))


def test_gradients_are_those_of_autograd() -> None:
    for kind in ("siren", "mlp", "lipschitz"):
        network = fitted(TORUS, network=kind, steps=5)
        points = torch.as_tensor(TORUS.places()[0][:50], dtype=torch.float32).requires_grad_()
        slow = torch.autograd.grad(network(points).sum(), points)[0]
        torch.testing.assert_close(network.value_and_gradient(points)[1], slow, atol=1e-5, rtol=1e-4)


def test_a_training_that_goes_on_ends_as_if_never_stopped(tmp_path: Path) -> None:
    fitted(RING, steps=60, checkpoints=Checkpoints(tmp_path / "whole", 20))
    start = tmp_path / "whole" / "step_000040.safetensors"
    fitted(RING, steps=60, checkpoints=Checkpoints(tmp_path / "again", 20, start))
    whole, again = (load_file(tmp_path / name / "step_000060.safetensors") for name in ("whole", "again"))
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name
