"""One velocity network for every leg of a sequence: V(x, t, z), z the codes of the two shapes that the leg joins.

Sang et al., CVPR 2025 (4Deform): a code of 64 numbers a shape is learnt with the network; a leg from shape a to shape b
is conditioned on (z_a, z_b), in this order, and time runs from 0 to 1 on every leg.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.fields.mlp import Jets, Mlp, MlpShape, lecun_normal_
from backend.fields.velocity import VelocityField, VelocityShape

CODE = 64  # numbers a shape


@dataclass(frozen=True)
class SequenceShape:
    """The form of the network; with the weights it is all a checkpoint needs."""

    legs: int
    width: int = 256
    depth: int = 8
    activation: str = "relu"
    output_scale: float = 1.0  # the network's output times this is the velocity, in units per unit of the whole time

    def mlp(self) -> MlpShape:
        """The network of x, t and two codes; a wide and deep one sees them a second time at the fourth layer."""
        inputs = 4 + 2 * CODE
        skip = 3 if self.depth > 3 and 2 * self.width >= 3 * inputs else None
        return MlpShape(inputs, 3, self.width, self.depth, self.activation, skip)


class SequenceVelocity(nn.Module):
    """V(x, t) over the whole sequence, time from 0 to 1, made of its legs. Points are in unit coordinates."""

    def __init__(self, shape: SequenceShape, *, seed: int = 0, zero_last: bool = True) -> None:
        """``zero_last``: start with no motion at all."""
        super().__init__()
        self.shape = shape
        self.codes = nn.Embedding(shape.legs + 1, CODE)
        self.mlp = Mlp(shape.mlp())
        generator = torch.Generator().manual_seed(seed)
        lecun_normal_(self.mlp, generator)
        with torch.no_grad():
            self.codes.weight.normal_(0.0, 1.0 / math.sqrt(CODE), generator=generator)
            if zero_last:
                self.mlp.layer(-1).weight.zero_()

    def forward(self, points: Tensor, time: float | Tensor) -> Tensor:
        """Velocity [N, 3] at ``points`` [N, 3] and ``time``, one number or one a point ([N] or [N, 1]).

        At a pose it is that of the leg which begins there.
        """
        legs = self.shape.legs
        along = torch.as_tensor(time, dtype=points.dtype, device=points.device).reshape(-1) * legs
        leg = (along + 1e-5).long().clamp(0, legs - 1)
        share = (along - leg).clamp(0.0, 1.0)
        return self.between(points, share, leg, leg + 1)

    def between(self, points: Tensor, share: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """Velocity [N, 3] of the motion from shape ``first`` to shape ``last``, each [N] or [1].

        ``share`` [N] or [1]: how much of that motion is done, 0..1.
        """
        velocity: Tensor = self.mlp(self._inputs(points, share, first, last))
        return velocity * self.shape.output_scale

    def jets_between(self, points: Tensor, share: Tensor, first: Tensor, last: Tensor, *, second: bool) -> Jets:
        """The same with its Jacobian in space [N, 3, 3] and, with ``second``, its Laplacian [N, 3]."""
        jets = self.mlp.jets(self._inputs(points, share, first, last), 3, second=second)
        scale = self.shape.output_scale
        laplacian = None if jets.laplacian is None else jets.laplacian * scale
        return Jets(jets.value * scale, jets.jacobian * scale, laplacian)

    def _inputs(self, points: Tensor, share: Tensor, first: Tensor, last: Tensor) -> Tensor:
        row = torch.cat([share[:, None].to(points), *(self.codes(s).expand(len(share), -1) for s in (first, last))], 1)
        return torch.cat([points, row.expand(len(points), -1)], dim=1)


Velocity = VelocityField | SequenceVelocity


def field_of(shape: dict[str, Any]) -> Velocity:
    """An untrained field whose shape, as a dictionary, is ``shape``."""
    return SequenceVelocity(SequenceShape(**shape)) if "legs" in shape else VelocityField(VelocityShape(**shape))
