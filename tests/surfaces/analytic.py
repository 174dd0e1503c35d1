"""Fields whose truth is known, as networks: balls, a torus and octahedra, for the tests of what is asked of a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp
from backend.fields.distance_network import DistanceNetwork
from backend.geometry.shape import UnitFrame
from backend.surfaces.distance_field import DistanceField


class Balls(DistanceNetwork):
    """Exact distance outside the union of balls (discs in the plane); inside a lower bound of it."""

    family: ClassVar[str] = "test-balls"

    def __init__(self, centres: Tensor, radii: Tensor, steepness: float = 1.0, unsigned: bool = False) -> None:
        super().__init__()
        self.centres = torch.nn.Parameter(centres)  # [B, D]
        self.radii = torch.nn.Parameter(radii)  # [B]
        self.steepness = steepness
        self.unsigned = unsigned
        self.asked = 0  # points that the field was evaluated at

    def forward(self, points: Tensor) -> Tensor:
        self.asked += len(points)
        found = (torch.linalg.norm(points[:, None] - self.centres, dim=-1) - self.radii).min(dim=1).values
        return self.steepness * (found.abs() if self.unsigned else found)

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return _differentiated(self, points)

    def form(self) -> Mapping[str, Any]:
        return {}


class Torus(DistanceNetwork):
    """Exact distance to a torus around the z axis."""

    family: ClassVar[str] = "test-torus"

    def __init__(self, major: float, minor: float) -> None:
        super().__init__()
        self.sizes = torch.nn.Parameter(torch.tensor([major, minor]))
        self.asked = 0  # points that the field was evaluated at

    def forward(self, points: Tensor) -> Tensor:
        self.asked += len(points)
        around = torch.linalg.norm(points[:, :2], dim=1) - self.sizes[0]
        return torch.hypot(around, points[:, 2]) - self.sizes[1]

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return _differentiated(self, points)

    def form(self) -> Mapping[str, Any]:
        return {}


def _differentiated(network: DistanceNetwork, points: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        value = network(points)
        (gradient,) = torch.autograd.grad(value.sum(), points)
    return value.detach(), gradient


def balls(*spheres: tuple[float, ...], **facts: Any) -> DistanceField:
    """The field of balls or discs (centre..., radius) of object space."""
    table = np.array(spheres)
    centres, radii = table[:, :-1], table[:, -1]
    low, high = (centres - radii[:, None]).min(axis=0), (centres + radii[:, None]).max(axis=0)
    frame = UnitFrame.around(np.stack([low, high]))
    steepness, unsigned = facts.pop("steepness", 1.0), facts.get("signed") is False
    network = Balls(_float(frame.enter(centres)), _float(radii / frame.length), steepness, unsigned)
    return DistanceField(network, frame, low, high, **{"bounded": steepness <= 1.0, **facts})


def ring(major: float = 2.0, minor: float = 0.7, **facts: Any) -> DistanceField:
    """The field of a torus around the z axis of object space."""
    high = np.array([major + minor, major + minor, minor])
    frame = UnitFrame.around(np.stack([-high, high]))
    network = Torus(major / frame.length, minor / frame.length)
    return DistanceField(network, frame, -high, high, **{"bounded": True, **facts})


def diamonds(dimension: int) -> DistanceField:
    """Two octahedra (squares in the plane) with corners 1 from their middles at x = -2 and 2: a field that can be kept.

    ReLU layers that are (sum |x_i| over all axes, with | |x| - 2 | for the first, - 1) / sqrt(D): exact, gradient 1.
    """
    high = np.array([3.0, *[1.0] * (dimension - 1)])
    frame = UnitFrame.around(np.stack([-high, high]))
    network = DistanceMlp(dimension, 2 * dimension, 2, "relu", None)
    first, second, last = network.mlp.layer(0), network.mlp.layer(1), network.mlp.layer(-1)
    with torch.no_grad():
        for layer in (first, second, last):
            layer.weight.zero_()
            layer.bias.zero_()
        for axis in range(dimension):
            first.weight[2 * axis, axis], first.weight[2 * axis + 1, axis] = 1.0, -1.0
        second.weight[0, :2], second.bias[0] = 1.0, -2.0 / frame.length
        second.weight[1, :2], second.bias[1] = -1.0, 2.0 / frame.length
        second.weight[2:, 2:] = torch.eye(2 * dimension - 2)
        last.weight[0] = dimension**-0.5
        last.bias[0] = -(dimension**-0.5) / frame.length
    return DistanceField(network.at_rest(), frame, -high, high, bounded=True)


def _float(values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
