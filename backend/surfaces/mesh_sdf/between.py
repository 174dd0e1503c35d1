"""A way from each shape to each other: what the decoder is to say at mixtures of two codes. The project's own term.

The published decoder is trained at the codes alone, and between two of them its surface is whatever came to be, often
in pieces. Here the first shape grows into the union of both, and the union shrinks to the second: whatever the second
covers and the first does not is only ever filled on the way, and what it does not cover only ever emptied. So the
silhouette of a code on the way is nearer to that of the second shape from any side, the farther it is on the way, and
a descent finds no hump before it. At the same distance beside the way the field is to be the same, so that a descent
has nothing to gain there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.losses.clamped_difference import clamped_difference
from backend.surfaces.mesh_sdf.decoder import Decoder

BLEND = 0.1  # distance over which the union is rounded, so that what only touches is joined
BESIDE = 1.0  # deviation of the codes beside the way, in its length


@dataclass(frozen=True, eq=False)
class Between:
    """Points whose distances to every shape are known, and the pairs of shapes between which there is a way."""

    points: Tensor  # [N, 3]
    distances: Tensor  # [N, K], signed
    pairs: Sequence[tuple[int, int]]

    def loss(self, decoder: Decoder, step: int, generator: torch.Generator) -> Tensor:
        """The clamped difference at random places of one way, weighed; a scalar."""
        settings = decoder.settings
        count, (first, second) = settings.between, self.pairs[step % len(self.pairs)]
        rows = torch.randint(len(self.points), (count,), generator=generator).to(self.points.device)
        share = torch.rand(count, generator=generator).to(self.points)
        away = torch.randn(count, settings.latent, generator=generator).to(self.points)
        a, b = decoder.codes[first], decoder.codes[second]
        along = (b - a).detach()
        away = away - (away @ along)[:, None] * along / along.square().sum().clamp(min=1e-12)
        codes = a + share[:, None] * (b - a) + BESIDE * along.norm() * away
        wanted = on_the_way(self.distances[rows, first], self.distances[rows, second], share)
        found = decoder.network(self.points[rows], codes)
        return settings.between_weight * clamped_difference(found, wanted, settings.clamp)


def on_the_way(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """What the field is to be [N] where the distances to both shapes are known [N], at shares 0..1 of the way [N].

    Both halves are linear between distances; their pace makes each lose about as much of what it has to in any step.
    """
    rounded = (1.0 - (first - second).abs() / BLEND).clamp(min=0.0)
    union = torch.minimum(first, second) - rounded.square() * BLEND / 4.0
    growing = 1.0 - (1.0 - 2.0 * share).square()
    shrinking = (2.0 * share - 1.0).square()
    return torch.where(share < 0.5, torch.lerp(first, union, growing), torch.lerp(union, second, shrinking))
