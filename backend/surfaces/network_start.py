"""Networks as the fits on labels begin with them: a plain one, sines or one with bounded layers."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.fields.distance_lipschitz import DistanceLipschitz
from backend.fields.distance_mlp import DistanceMlp, geometric_, sine_start_
from backend.fields.distance_network import DistanceNetwork
from backend.fields.mlp import Mlp

NETWORKS = ("siren", "mlp", "lipschitz")
LOWEST = 2.0  # radians per unit that sines start with: about one wave over the box
REACH = 1.2  # of the box in which a start is a ball, from the middle
SOLVED = 20_000  # labels that a start is solved for
PLACES = 4096  # points at which it is fitted to one
RIDGE = 1e-6  # of the mean squared feature


def started(
    kind: str, points: Tensor, wanted: Tensor, width: int, depth: int, frequency: float, generator: torch.Generator
) -> DistanceNetwork:
    """One of ``NETWORKS``, on the CPU. Sines, up to ``frequency`` radians per unit, are already the rough shape.

    The last layer is solved for the first of the distances ``wanted`` [N] at ``points`` [N, D].
    """
    dimension = points.shape[1]
    some = points[:SOLVED].cpu(), wanted[:SOLVED].cpu()
    if kind == "mlp":
        plain = DistanceMlp(dimension, width, depth, "relu", None)
        geometric_(plain.mlp, 0.5, generator)
        return plain
    if kind == "siren":
        sines = DistanceMlp(dimension, width, depth, "sine", None)
        sine_start_(sines.mlp, frequency, generator, LOWEST)
        solve_last_(sines.mlp, *some)
        return sines
    bounded = DistanceLipschitz(dimension, width, depth, "sine")
    sine_start_(bounded.bounded.mlp, frequency, generator, LOWEST)
    solve_last_(bounded.bounded.mlp, *some)
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
