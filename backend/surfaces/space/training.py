"""Trains a shape space: the network and one code a shape, together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from backend.surfaces.space.model import ShapeSpace
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.objective import space_loss
from backend.surfaces.space.samples import NamedShape, means_of, samples_of
from backend.surfaces.space.settings import SpaceSettings, epoch
from backend.training.checkpoints import Checkpoints
from backend.training.loop import Outcome, train
from backend.training.mixtures import Mixtures
from backend.training.run import Run
from backend.training.schedule import halved_by_epochs
from backend.training.shape_samples import ShapeSamples, joined
from protocol.settings import SettingError

FLOOR = 5e-6  # of a learning rate that is halved, as published


def train_space(
    network: SpaceNetwork,
    samples: Sequence[ShapeSamples],  # of the K shapes, and then of what lies between two
    run: Run,
    checkpoints: Checkpoints | None = None,
    *,
    parents: Sequence[tuple[int, int]] = (),  # numbers of the two that each of these is the mean of
    mixtures: Mixtures | None = None,
    reserve: float = 0.0,  # seconds of the run's time to leave over
    preview: Callable[[], Any] | None = None,
) -> Outcome:
    """Trains in place. The codes are parameters like the weights, and go on with them from a checkpoint."""
    settings, shapes = network.settings, len(samples)
    alone = [(k, k) for k in range(shapes - len(parents))]
    ends = torch.tensor([*alone, *parents], device=run.device)  # [shapes, 2]
    known, batch = points_of(settings, samples)
    generator = run.generator(0 if checkpoints is None else checkpoints.done)
    samples = [part.to(run.device) for part in samples]
    drawn_at_once = min(settings.shapes, shapes)

    def loss_of_step(step: int) -> Tensor:
        if drawn_at_once == shapes:
            chosen = torch.arange(shapes)
        else:
            chosen = torch.randperm(shapes, generator=generator)[:drawn_at_once]
        drawn = joined([samples[k].draw(batch, known, generator) for k in chosen.tolist()])
        codes = network.codes
        there = codes[ends[chosen.to(run.device)]].mean(dim=1)  # the mean of a shape with itself is itself
        loss = space_loss(network, drawn, there, settings, generator)
        return loss if mixtures is None else loss + mixtures.loss(network.values, codes, step, generator)

    with run.phase("training"):
        return train(
            network,
            loss_of_step,
            steps=run.steps(settings.steps),
            schedule=halved_by_epochs(settings.learning_rate, settings.halving, epoch(settings, shapes), FLOOR),
            run=run,
            reserve=reserve,
            preview=preview,
            checkpoints=checkpoints,
        )


def prepared(
    space: ShapeSpace, shapes: Sequence[NamedShape], check: Callable[[int, int], None] = lambda step, steps: None
) -> tuple[list[ShapeSamples], list[tuple[int, int]]]:
    """Samples of the shapes of a space, in its order, and of those between with their parents."""
    means, parents = means_of(shapes) if space.network.settings.between else ([], [])
    return samples_of([*shapes, *means], space.frame, space.box, space.seed, check=check), parents


def points_of(settings: SpaceSettings, samples: Sequence[ShapeSamples]) -> tuple[int, int]:
    """How many points of each shape a step has whose distance is known, and how many on the shape.

    A point cloud has no known distances, so with one among the shapes all are trained by the published losses.
    """
    if not settings.known and not settings.batch:
        raise SettingError("a shape space is trained on known distances or on points of the shapes; both are set to 0")
    if all(len(part.points) for part in samples):
        return settings.known, settings.batch
    return 0, settings.batch or settings.known
