"""Finds the code at which a trained space is nearest to a shape that it has not seen.

Gropp et al., ICML 2020, section 5.2: the network stays as it is, and the code alone is trained by the same loss.
Published starts are random and near 0; this one is the code of the trained shape that fits best, or 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.objective import space_loss
from backend.surfaces.space.training import points_of
from backend.training.loop import train
from backend.training.run import Run
from backend.training.schedule import Cosine, Dropping, Schedule
from backend.training.shape_samples import ShapeSamples

PUBLISHED_DROP = (0.5, 0.1)  # share of the steps after which the rate is a tenth


@dataclass(frozen=True, eq=False)
class Encoded:
    """A shape in a space."""

    code: Tensor  # [C]
    loss: float
    start: int | None  # number of the trained shape whose code it began with; None: 0
    steps: int


class _Code(nn.Module):
    """The one thing that is trained."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.code = nn.Parameter(start.clone()[None])  # [1, C]


def encode(network: SpaceNetwork, samples: ShapeSamples, run: Run) -> Encoded:
    """The code of a shape by samples of it; the same again with the same seed. The network must be at rest."""
    settings = network.settings
    known, _ = points_of(settings, [samples])
    wanted = (settings.encode_points, 0) if known else (0, settings.encode_points)
    generator = torch.Generator().manual_seed(run.seed)
    samples = samples.to(run.device)

    def loss_at(code: Tensor) -> Tensor:
        drawn = samples.draw(wanted[1], wanted[0], generator)
        return space_loss(network, drawn, code, settings, generator)

    with run.phase("encoding"):
        start, number = _start(network, samples, wanted, run)
        module = _Code(start)
        outcome = train(
            module,
            lambda step: loss_at(module.code),
            steps=settings.encode_steps,
            schedule=_schedule(network),
            run=run,
        )
    return Encoded(module.code.detach()[0], outcome.best_loss, number, outcome.steps)


def _start(
    network: SpaceNetwork, samples: ShapeSamples, wanted: tuple[int, int], run: Run
) -> tuple[Tensor, int | None]:
    """The code among those of the trained shapes and 0 that fits best, all by the same points."""
    codes = network.codes.detach()
    candidates = torch.cat([torch.zeros_like(codes[:1]), codes])
    drawn = samples.draw(wanted[1], wanted[0], torch.Generator().manual_seed(run.seed))
    losses = []
    with torch.no_grad():
        for k in range(len(candidates)):
            run.progress(0, 0)
            same = torch.Generator().manual_seed(run.seed)
            losses.append(float(space_loss(network, drawn, candidates[k : k + 1], network.settings, same)))
    best = min(range(len(losses)), key=losses.__getitem__)
    return candidates[best], best - 1 if best else None


def _schedule(network: SpaceNetwork) -> Schedule:
    rate = network.settings.encode_rate
    return Dropping(rate, *PUBLISHED_DROP) if network.settings.halving else Cosine(rate, rate / 100.0)
