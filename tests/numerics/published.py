"""The published stages as the authors' code computes them: the slow, readable twin of ours, faults included.

Their field is a displacement per step and knows no time; a step is ``p + V(p)`` whatever the number of steps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tests.numerics.parity import DATA, described_in, filled

ARRAYS = DATA / "velocity_field.npz"


def arrays() -> dict[str, np.ndarray]:
    with np.load(ARRAYS) as stored:
        return dict(stored)


def parameters(which: str) -> list[Tensor]:
    """The authors' parameters of network ``which``, filled by formula: kernels as [in, out], biases as [out]."""
    described = described_in("velocity_field")
    gain = described[f"gain_{which}"]
    return [filled(shape, number, gain, shape[0]).float() for number, (_, shape) in enumerate(described[which])]


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


def signed_distance(points: Tensor, times: Tensor) -> Tensor:
    """Their f: 8 softplus layers (beta 100), (x, t) once more at the fourth; [N, 3], [N, 1] -> [N]."""
    kernels, biases = parameters("implicit")[0::2], parameters("implicit")[1::2]
    inputs = torch.cat([points, times], dim=1)
    hidden = inputs
    for layer, (kernel, bias) in enumerate(zip(kernels[:-1], biases[:-1], strict=True)):
        if layer == 3:
            hidden = torch.cat([hidden, inputs], dim=1) / np.sqrt(2.0)
        hidden = nn.functional.softplus(hidden @ kernel + bias, beta=100.0)
    return (hidden @ kernels[-1] + biases[-1])[:, 0]


def slopes(points: Tensor, time: float) -> tuple[Tensor, Tensor, Tensor]:
    """f [N], its gradient in space [N, 3] and its rate [N, 1]: one column more than f has, which is fault 22."""
    x, t = points.detach().requires_grad_(), torch.full((len(points), 1), time, requires_grad=True)
    value = signed_distance(x, t)
    gradient, rate = torch.autograd.grad(value.sum(), (x, t))
    return value.detach(), gradient, rate


def level_set(value: Tensor, gradient: Tensor, rate: Tensor, step: Tensor, jacobian: Tensor) -> Tensor:
    """Their level-set loss at one time step, ``step`` [N, 3] a displacement and ``jacobian`` [N, 3, 3] its own.

    Faults 2 (a displacement where a velocity is meant), 3 (the sign of the last term) and 22 (``rate`` [N, 1] added to
    [N] makes [N, N]: the rate of every point with the other terms of every other point).
    """
    normal = gradient / gradient.norm(dim=1, keepdim=True)
    stretch = torch.einsum("ni,nij,nj->n", normal, jacobian, normal)
    return (rate + (gradient * step).sum(1) + 0.1 * value * stretch).square().mean()


def implicit_losses(batch: dict[str, Tensor], steps: int) -> dict[str, Tensor]:
    """The terms and the total of the implicit stage.

    Faults 4 and 5 (nothing off the surface after time 0, divided by the steps all the same), 6 (one form of the normal
    loss at each end, two terms divided by three).
    """
    positions = trajectory(batch["batch_input_x"], steps)
    found = [slopes(points, k / steps) for k, points in enumerate(positions)]
    values = [value.abs().mean() for value, _, _ in found]
    target_value, target_gradient, _ = slopes(batch["batch_input_y"], 1.0)
    moving = []
    for points, (value, gradient, rate) in zip(positions, found, strict=True):
        jacobian = torch.func.vmap(torch.func.jacrev(lambda p: displacement(p[None])[0]))(points)
        moving.append(level_set(value, gradient, rate, displacement(points), jacobian))
    first = found[0][1]
    normal = (batch["batch_normal_x"] - first / first.norm(dim=1, keepdim=True)).square().sum(1).mean()
    normal = (normal + (target_gradient - batch["batch_normal_y"]).square().sum(1).mean()) / 3
    box = torch.stack(
        [(-100 * slopes(batch["batch_global"], k / steps)[0].abs()).exp().mean() for k in range(steps + 1)]
    )
    off = (1 - slopes(batch["batch_local_x"], 0.0)[1].norm(dim=1)).square().mean()
    terms = {
        "level_set": torch.stack(moving).sum() / steps,
        "manifold": values[0] + values[-1] + target_value.abs().mean(),
        "onsurf": torch.stack(values[1:-1]).sum() / (steps - 1),
        "normal": normal,
        "nonmanifold": off / steps,
        "eikonal": torch.zeros(()),
        "surf_area": box.sum() / steps,
    }
    weights = {"level_set": 100, "manifold": 50, "onsurf": 100, "normal": 100, "nonmanifold": 10, "surf_area": 30}
    return terms | {"loss": sum((w * terms[name] for name, w in weights.items()), torch.zeros(()))}
