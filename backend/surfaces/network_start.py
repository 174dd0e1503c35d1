"""Networks as the fits on labels begin with them: a plain one, sines or one with bounded layers."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.fields.distance_lipschitz import DistanceLipschitz
from backend.fields.distance_mlp import DistanceMlp, geometric_, sine_start_
from backend.fields.distance_network import DistanceNetwork
from backend.fields.mlp import Mlp

NETWORKS = ("siren", "mlp", "lipschitz")
REACH = 1.2  # of the box in which a start is a ball, from the middle
PLACES = 4096  # points at which it is fitted to one
RIDGE = 1e-6  # of the mean squared feature


def started(
    kind: str, dimension: int, width: int, depth: int, frequency: float, generator: torch.Generator
) -> DistanceNetwork:
    """One of ``NETWORKS``; ``frequency`` in radians per unit, for sine layers."""
    if kind == "mlp":
        plain = DistanceMlp(dimension, width, depth, "relu", None)
        geometric_(plain.mlp, 0.5, generator)
        return plain
    if kind == "siren":
        sines = DistanceMlp(dimension, width, depth, "sine", None)
        sine_start_(sines.mlp, frequency, generator)
        return sines
    bounded = DistanceLipschitz(dimension, width, depth, "sine")
    sine_start_(bounded.bounded.mlp, frequency, generator)
    bounded.bounded.bound_()
    return bounded


def round_(mlp: Mlp, radius: float, generator: torch.Generator) -> None:
    """Sets the last layer so that the network is |x| - ``radius`` in the box, as nearly as its features can.

    Ridge regression. What geometric weights do for ReLU layers (Atzmon and Lipman, CVPR 2020, theorem 1), for any.
    """
    points = REACH * (2.0 * torch.rand(PLACES, mlp.shape.inputs, generator=generator) - 1.0)
    wanted = points.norm(dim=1) - radius
    solve_last_(mlp, points, wanted)


def solve_last_(mlp: Mlp, points: Tensor, wanted: Tensor) -> None:
    """Sets the last layer so that the network is ``wanted`` [N] at ``points`` [N, D], by least squares, in float64."""
    with torch.no_grad():
        features = mlp.features(points).double()
        rows = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)
        normal = rows.T @ rows
        normal.diagonal().add_(RIDGE * normal.diagonal().mean())
        solution = torch.linalg.solve(normal, rows.T @ wanted.double())
        last = mlp.layer(-1)
        last.weight.copy_(solution[None, :-1])
        last.bias.copy_(solution[-1:])
