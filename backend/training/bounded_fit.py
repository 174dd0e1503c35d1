"""Several shapes in one 1-Lipschitz network of space and time, each at a time of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backend.fields.evaluate import evaluated
from backend.fields.one_lipschitz import OneLipschitz
from backend.geometry.arrays import Float64
from backend.losses.envelope import envelope
from backend.losses.known_distance import known_distance
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import Schedule
from backend.training.shape_samples import Shape, SharedSamples, joined, sample_between, sample_shapes

if TYPE_CHECKING:
    from backend.methods.method import Morph

LEVELS = 16  # steps in time of the level, a leg
FEWEST = 30  # points inside, below which they do not tell a volume
SLACK = 0.02  # units by which the envelope is wider than the distances of both shapes


@dataclass(frozen=True)
class BoundedFit:
    """The numbers of a training."""

    steps: int
    schedule: Schedule
    width: int
    depth: int
    known: int  # points of every shape whose distance is known, in every step
    mixed: int  # points between the shapes in every step, kept within the envelope of both
    haste: float  # pace, in times what the distances of the shapes ask for


def fit_in_time(
    shapes: Sequence[Shape],
    fit: BoundedFit,
    run: Run,
    preview: Callable[[OneLipschitz, float], Morph] | None = None,
) -> tuple[OneLipschitz, float, Float64, Outcome]:
    """A network of (x, c t) that is the signed distance of shape k at t = k / K, its pace c, and ``levels_of`` it.

    The pace is such that the network can: where the distances of two shapes differ by D, and both are to be met within
    a leg of 1 / K, c must be K D at least, and the more it is above that, the nearer to 1 its slope in space can be.
    """
    rng = np.random.default_rng(run.seed)
    generator = torch.Generator().manual_seed(run.seed)

    def check() -> None:
        run.progress(0, 0)

    samples = sample_shapes(shapes, rng, run.device, labels=True, around=False, check=check)
    between = sample_between(shapes, rng, run.device, check=check)
    legs = len(shapes) - 1
    pace = fit.haste * legs * float(between.distances.diff(dim=1).abs().max())
    network = OneLipschitz(4, fit.width, fit.depth)
    network.start_(generator)
    network.to(run.device)
    ends = torch.arange(len(shapes), device=run.device) / legs

    def loss_of_step(step: int) -> Tensor:
        drawn = joined([part.draw(0, fit.known, generator) for part in samples])
        mixed = between.draw(fit.mixed, generator)
        moments = torch.rand(fit.mixed, generator=generator).to(run.device)
        points = torch.cat([drawn.points, mixed.points])
        times = torch.cat([ends.repeat_interleave(fit.known), moments])
        values = network(timed(points, times, pace))
        loss = len(shapes) * known_distance(values[: len(drawn.points)], drawn.distances, drawn.weights)
        leg = (moments * legs).long().clamp(max=legs - 1)[:, None]
        both = torch.cat([mixed.distances.gather(1, leg), mixed.distances.gather(1, leg + 1)], dim=1)
        return loss + envelope(values[len(drawn.points) :], both.amin(dim=1), both.amax(dim=1), SLACK)

    outcome = train(
        network,
        loss_of_step,
        steps=fit.steps,
        schedule=fit.schedule,
        run=run,
        preview=None if preview is None else lambda: preview(network, pace),
    )
    return network, pace, levels_of(network, pace, between), outcome


def levels_of(network: OneLipschitz, pace: float, between: SharedSamples) -> Float64:
    """At equal steps in time, the value below which the network has as much volume as it should.

    That goes in a line from the volume of each shape to the next. Volumes are shares of the points of all the box.
    """
    inside = (between.distances < 0.0).double().mean(dim=0).cpu().numpy()  # [K]
    legs = len(inside) - 1
    times = np.linspace(0.0, 1.0, LEVELS * legs + 1)
    levels = np.zeros(len(times))
    for index, (t, share) in enumerate(zip(times, np.interp(times * legs, range(legs + 1), inside), strict=True)):
        if share * len(between.points) >= FEWEST:
            points = timed(between.points, float(t), pace).cpu().double().numpy()
            levels[index] = np.quantile(
                evaluated(lambda x, _: network(x), points, 0.0, device=network.offset.device), share
            )
    return levels


def timed(points: Tensor, times: Tensor | float, pace: float) -> Tensor:
    """Points [N, 3] and their times, [N] or one for all, as inputs [N, 4] of the network."""
    moment = torch.as_tensor(times, dtype=points.dtype, device=points.device).expand(len(points))
    return torch.cat([points, (pace * (moment - 0.5))[:, None]], dim=1)
