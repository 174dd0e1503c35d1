"""1-Lipschitz networks: CPU time of a training step beside one that computes what the formulas say as they stand."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from backend.commands.bench.table import Figure
from backend.device import flushed_denormals
from backend.fields.one_lipschitz import OneLipschitz
from backend.losses.hkr import hkr
from backend.training.adam import Adam

STEPS: Final = 40
CLASS: Final = 200  # points of each class, as published
MARGIN, WEIGHT = 0.01, 100.0  # of hKR
RATE: Final = 5e-4

LossOf = Callable[[Tensor, Tensor], Tensor]  # points inside and outside, each [N, 3] -> the loss


class PlainNetwork(nn.Module):
    """``OneLipschitz`` layer by layer: points padded with zeros, every diagonal computed where it is used."""

    def __init__(self, network: OneLipschitz) -> None:
        super().__init__()
        self.weights, self.biases, self.scales = (
            nn.ParameterList(nn.Parameter(layer.detach().clone()) for layer in stack)
            for stack in (network.weight, network.bias, network.scale)
        )
        self.last, self.offset = (nn.Parameter(part.detach().clone()) for part in (network.last, network.offset))

    def stacks(self) -> tuple[nn.ParameterList, ...]:
        """W, b and q of every layer."""
        return self.weights, self.biases, self.scales

    def forward(self, points: Tensor) -> Tensor:
        """[N, D] -> [N]."""
        x = torch.cat([points, points.new_zeros(len(points), len(self.last) - points.shape[1])], dim=1)
        for w, b, q in zip(*self.stacks(), strict=True):
            t = 1.0 / (torch.exp(-q)[:, None] * (w @ w.T) * torch.exp(q)).abs().sum(dim=1)
            x = x - 2.0 * (t * torch.relu(x @ w.T + b)) @ w
        values: Tensor = x @ (self.last / self.last.norm()) + self.offset
        return values


def plain_loss(network: PlainNetwork) -> LossOf:
    """A pass for each class."""
    return lambda inside, outside: hkr(-network(inside), MARGIN, WEIGHT) + hkr(network(outside), MARGIN, WEIGHT)


def joint_loss(network: OneLipschitz) -> LossOf:
    """One pass for both."""

    def loss(inside: Tensor, outside: Tensor) -> Tensor:
        values = network(torch.cat([inside, outside]))
        return hkr(torch.cat([-values[: len(inside)], values[len(inside) :]]), MARGIN, WEIGHT)

    return loss


def measure_one_lipschitz(steps: int = STEPS, depth: int = 20, width: int = 128) -> list[Figure]:
    """Steps of both in turn, on one thread, so that whatever else the machine does slows both."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = OneLipschitz(3, width, depth)
        plain = PlainNetwork(network)
        ours, theirs = _Trained(network, joint_loss(network)), _Trained(plain, plain_loss(plain))
        generator = torch.Generator().manual_seed(0)
        for _ in range(steps):
            inside, outside = 2.0 * torch.rand(2, CLASS, 3, generator=generator) - 1.0
            for trained in (ours, theirs):
                trained.step(inside, outside)
    finally:
        torch.set_num_threads(threads)
    fast, slow = statistics.median(ours.seconds), statistics.median(theirs.seconds)
    what = f"training step of an SLL network of {depth} x {width}, {CLASS} + {CLASS} points, beside the plain one"
    return [Figure(what, f"{fast / slow:.2f} ({1e3 * fast:.1f} of {1e3 * slow:.1f} ms CPU)", "0.55")]


class _Trained:
    """A network in training, and the CPU seconds of its steps."""

    def __init__(self, network: nn.Module, loss_of: LossOf) -> None:
        self.parameters = list(network.parameters())
        self.optimiser = Adam(self.parameters)
        self.loss_of = loss_of
        self.seconds: list[float] = []

    def step(self, inside: Tensor, outside: Tensor) -> None:
        started = time.process_time()
        with flushed_denormals():
            gradients = torch.autograd.grad(self.loss_of(inside, outside), self.parameters)
        self.optimiser.step(list(gradients), RATE)
        self.seconds.append(time.process_time() - started)
