"""The published velocity stage as the authors' code computes it: the slow, readable twin of ours, faults included.

Their field is a displacement per step and knows no time; a step is ``p + V(p)`` whatever the number of steps.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

ARRAYS = Path(__file__).parents[1] / "data" / "velocity_field.npz"


def arrays() -> dict[str, np.ndarray]:
    with np.load(ARRAYS) as stored:
        return dict(stored)


def parameters(which: str) -> list[Tensor]:
    """The authors' parameters of network ``which``, filled by formula: kernels as [in, out], biases as [out]."""
    described = json.loads(str(arrays()["params"]))
    gain = described[f"gain_{which}"]
    tensors = []
    for number, (_, shape) in enumerate(described[which]):
        index = np.arange(np.prod(shape), dtype=np.float64)
        z = np.sin(12.9898 * (index + 1) + 78.233 * (number + 1)) * 43758.5453
        scale = gain * np.sqrt(6.0 / shape[0]) if len(shape) == 2 else 0.1
        values = scale * (2.0 * (z - np.floor(z)) - 1.0)
        tensors.append(torch.from_numpy(values.reshape(shape).astype(np.float32)))
    return tensors


def load(mlp: nn.Module, which: str) -> None:
    """Copies the authors' parameters of ``which`` into one of our networks of the same form."""
    with torch.no_grad():
        for ours, theirs in zip(mlp.parameters(), parameters(which), strict=True):
            ours.copy_(theirs.T if theirs.ndim == 2 else theirs)


def displacement(points: Tensor) -> Tensor:
    """Their V: 8 ReLU layers, the input once more at the fourth; [N, 3] -> displacement of one step [N, 3]."""
    kernels, biases = parameters("velocity")[0::2], parameters("velocity")[1::2]
    hidden = points
    for layer, (kernel, bias) in enumerate(zip(kernels[:-1], biases[:-1], strict=True)):
        if layer == 3:
            hidden = torch.cat([hidden, points], dim=1) / np.sqrt(2.0)
        hidden = torch.relu(hidden @ kernel + bias)
    return hidden @ kernels[-1] + biases[-1]


def trajectory(points: Tensor, steps: int) -> list[Tensor]:
    """Fault 10: the step does not know how many there are, so more steps travel further."""
    positions = [points]
    for _ in range(steps):
        positions.append(positions[-1] + displacement(positions[-1]))
    return positions


def velocity_losses(points: Tensor, targets: Tensor, steps: int) -> dict[str, Tensor]:
    """The terms and the total of the velocity stage; ``targets`` are the partners of the first half of ``points``.

    Fault 1: the Laplacian of a ReLU network is 0, so smoothness is the kinetic energy of the displacement.
    """
    positions = trajectory(points, steps)
    energy = [displacement(p).square().sum(1).mean() for p in positions[:-1]]
    half = len(points) // 2
    laplacian = torch.stack(energy).mean()
    match = (positions[-1][:half] - targets[:half]).square().sum(1).mean()
    return {"laplacian": laplacian, "match": match, "loss": 20 * laplacian + 200 * match}
