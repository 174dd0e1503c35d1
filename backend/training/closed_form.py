"""The last layer of a velocity network in closed form: ridge regression on its features."""

from __future__ import annotations

import torch

from backend.fields.velocity import VelocityField
from backend.training.path_samples import PathSamples

RIDGE = 1e-5  # of the mean squared feature; with 1e-7 the integration of the result was seen to blow up


def solve_last_layer(velocity: VelocityField, samples: PathSamples, ridge: float = RIDGE, chunk: int = 16_384) -> None:
    """Sets weight and bias of the last layer to the least-squares fit of the samples' velocities.

    Normal equations in float64. Cost: one pass over the samples and one factorisation of [width + 1]^2.
    """
    last = velocity.mlp.layer(-1)
    width = last.in_features
    normal = torch.zeros(width + 1, width + 1, dtype=torch.float64)
    right = torch.zeros(width + 1, 3, dtype=torch.float64)
    with torch.no_grad():
        for first in range(0, len(samples.points), chunk):
            part = slice(first, first + chunk)
            features = velocity.features(samples.points[part], samples.times[part])
            constant = torch.full_like(features[:, :1], velocity.shape.output_scale)
            rows = torch.cat([features, constant], dim=1).cpu().double()
            normal += rows.T @ rows
            right += rows.T @ samples.velocities[part].cpu().double()
        normal.diagonal().add_(ridge * normal.diagonal().mean())
        solution = torch.linalg.solve(normal, right).to(last.weight)
        last.weight.copy_(solution[:-1].T)
        last.bias.copy_(solution[-1])
