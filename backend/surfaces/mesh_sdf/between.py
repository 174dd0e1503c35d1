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
from functools import cached_property

import torch
from torch import Tensor

from backend.losses.clamped_difference import clamped_difference
from backend.surfaces.mesh_sdf.decoder import Decoder

BLEND = 0.2  # distance over which the two are rounded where they meet, so that what only comes near is joined
TILT = 0.5  # how much earlier a place is filled, and later emptied, for each unit that it lies deep inside
ONSET = 4.0  # both rise from 0 at the shapes themselves, by so much for each unit of the way
LEAST = 1e-6  # of lengths and shares that are divided by
BEYOND = 0.3  # of the way: so far beyond either end the shape is the one at the end
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
        count, number = settings.between, step % len(self.pairs)
        first, second = self.pairs[number]
        rows = torch.randint(len(self.points), (count,), generator=generator).to(self.points.device)
        share = torch.rand(count, generator=generator).to(self.points) * (1.0 + 2.0 * BEYOND) - BEYOND
        away = torch.randn(count, settings.latent, generator=generator).to(self.points)
        a, b = decoder.codes[first], decoder.codes[second]
        along = (b - a).detach()
        away = away - (away @ along)[:, None] * along / along.square().sum().clamp(min=1e-12)
        codes = a + share[:, None] * (b - a) + BESIDE * along.norm() * away
        wanted = on_the_way(
            self.distances[rows, first], self.distances[rows, second], share.clamp(0.0, 1.0), self._turns[number]
        )
        found = decoder.network(self.points[rows], codes)
        return settings.between_weight * clamped_difference(found, wanted, settings.clamp)

    @cached_property
    def _turns(self) -> list[Turn]:
        return [turn_of(self.distances[:, first], self.distances[:, second]) for first, second in self.pairs]


@dataclass(frozen=True)
class Turn:
    """Where on the way between two shapes all of both is inside, so that each step has about as much to change."""

    share: float  # of the way
    growing: float  # as far as any place inside of the second shape is from the first
    shrinking: float  # and inside of the first from the second


def turn_of(first: Tensor, second: Tensor) -> Turn:
    """By the distances to both shapes at many points [N]."""
    to_fill, to_empty = (second < 0.0) & (first > 0.0), (first < 0.0) & (second > 0.0)
    filled, emptied = int(to_fill.sum()), int(to_empty.sum())
    far = [float(torch.where(places, other, 0.0).amax()) for places, other in ((to_fill, first), (to_empty, second))]
    return Turn(filled / max(filled + emptied, 1), *far)


def on_the_way(first: Tensor, second: Tensor, share: Tensor, turn: Turn) -> Tensor:
    """What the field is to be [N] where the distances to both shapes are known [N], at shares 0..1 of the way [N].

    Before the turn it is the first shape and as much of the second as lies within some distance of the first, which
    rises from 0 until all of it does; then the same back from there to the second.
    """
    before = share < turn.share
    here, there = torch.where(before, first, second), torch.where(before, second, first)
    rising = turn.growing / max(turn.share, LEAST) * share
    falling = turn.shrinking / max(1.0 - turn.share, LEAST) * (1.0 - share)
    away = torch.where(before, rising, falling)
    deep = there.clamp(max=0.0) * (ONSET * away).clamp(max=TILT)
    part = torch.maximum(there, here + deep - away)
    blend = (ONSET * away).clamp(LEAST, BLEND)
    rounded = (1.0 - (here - part).abs() / blend).clamp(min=0.0)
    return torch.minimum(here, torch.minimum(here, part) - rounded.square() * blend / 4.0)
