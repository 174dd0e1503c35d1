"""Between codes: at mixtures of them a field stays within the envelope of the shapes that are mixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.losses.envelope import envelope
from backend.training.shape_samples import SharedSamples

SMALLEST = 1e-12  # a random number whose logarithm is taken


@dataclass(frozen=True, eq=False)
class Mixtures:
    """What is mixed."""

    between: SharedSamples  # points whose distance to every shape is known
    groups: Sequence[Sequence[int]]  # numbers of shapes whose codes are mixed, a group a step
    count: int  # points in every step
    weight: float = 10.0
    slack: float = 0.05  # units by which the envelope is wider

    def loss(
        self,
        values: Callable[[Tensor, Tensor], Tensor],  # points [N, 3] and codes [N, C] -> [N]
        codes: Tensor,  # [K, C], of all shapes
        step: int,
        generator: torch.Generator,
    ) -> Tensor:
        """The envelope loss at random mixtures of some of the codes, weighed; a scalar."""
        drawn = self.between.draw(self.count, generator)
        group = self.groups[step % len(self.groups)]
        some = torch.as_tensor(list(group), device=codes.device)
        shares = -torch.rand(self.count, len(group), generator=generator).clamp(min=SMALLEST).log().to(codes)
        shares = shares / shares.sum(dim=1, keepdim=True)  # uniform over the simplex
        distances = drawn.distances[:, some]
        found = values(drawn.points, shares @ codes[some])
        return self.weight * envelope(found, distances.amin(dim=1), distances.amax(dim=1), self.slack)
