"""Activations with their first two derivatives, for derivatives of networks that are computed going forward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SOFTPLUS_BETA = 100.0  # nearly a ReLU, but with every derivative


@dataclass(frozen=True)
class Activation:
    """A function applied to every number of a layer."""

    value: Callable[[Tensor], Tensor]
    derivatives: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]  # x -> value, first and second derivative
    smooth: bool  # whether the second derivative is anything but 0


def _relu(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return functional.relu(x), (x > 0).to(x.dtype), torch.zeros_like(x)


def _softplus_value(x: Tensor) -> Tensor:
    return functional.softplus(x, beta=SOFTPLUS_BETA)


def _softplus(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    slope = torch.sigmoid(SOFTPLUS_BETA * x)
    return _softplus_value(x), slope, SOFTPLUS_BETA * slope * (1.0 - slope)


def _silu(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gate = torch.sigmoid(x)
    gate_slope = gate * (1.0 - gate)
    return x * gate, gate + x * gate_slope, gate_slope * (2.0 + x * (1.0 - 2.0 * gate))


def _sine(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    value = torch.sin(x)
    return value, torch.cos(x), -value


ACTIVATIONS: Mapping[str, Activation] = {
    "relu": Activation(functional.relu, _relu, smooth=False),
    "softplus": Activation(_softplus_value, _softplus, smooth=True),
    "silu": Activation(functional.silu, _silu, smooth=True),
    "sine": Activation(torch.sin, _sine, smooth=True),
}
