"""Training in stages: occupancy on finer and finer grids, then the inverse function, then across shapes.

The inverse function goes on from stage to stage with what it has learned. A training that is stopped knows how far it
came, and another run takes it up there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.correspondence.implicit_dense.data import Batch, Collection
from backend.correspondence.implicit_dense.networks import DenseNetworks
from backend.correspondence.implicit_dense.objective import dense_loss
from backend.correspondence.implicit_dense.settings import DenseSettings, Stage
from backend.training.loop import train
from backend.training.run import Run
from backend.training.schedule import Cosine, Schedule

MOST_STEPS = 1_000_000  # of a stage, so that no two have one seed
KEEP_SECONDS = 30.0  # between two states that are kept while the training goes on


@dataclass(frozen=True)
class Position:
    """How far a training has come."""

    stage: int = 0
    done: float = 0.0  # share of that stage
    seconds: float = 0.0  # spent so far, wall clock
    losses: tuple[float, ...] = ()  # of the stages that are done

    def finished(self, settings: DenseSettings) -> bool:
        return self.stage >= len(settings.stages)


@dataclass(frozen=True)
class _TakenUp:
    """A schedule that goes on where another run stopped."""

    schedule: Schedule
    before: float  # share that is behind

    def rate(self, update: int, done: float) -> float:
        return self.schedule.rate(update, self.before + (1.0 - self.before) * done)


def train_dense(
    networks: DenseNetworks,
    collection: Collection,
    settings: DenseSettings,
    run: Run,
    start: Position,
    keep: Callable[[Position], None],
) -> Position:
    """Trains from ``start`` to the end, or until the run's time is spent; returns how far it came.

    ``keep`` is called now and then, and after every stage.
    """
    at, started = start, time.monotonic()
    while not at.finished(settings) and run.seconds_left() > 0.0:
        stage = settings.stages[at.stage]
        ahead = sum(later.share for later in settings.stages[at.stage + 1 :])
        here = stage.share * (1.0 - at.done)
        with run.part(here / (here + ahead)), run.phase(_name(at.stage, stage)):
            at = _train_stage(networks, collection, settings, run, at, start.seconds - started, keep)
        keep(at)
    return at


def _train_stage(
    networks: DenseNetworks,
    collection: Collection,
    settings: DenseSettings,
    run: Run,
    at: Position,
    clock: float,  # added to the clock, the seconds spent in all runs
    keep: Callable[[Position], None],
) -> Position:
    stage = settings.stages[at.stage]
    steps = max(round(stage.steps * (1.0 - at.done)), 1)
    seed = (run.seed * len(settings.stages) + at.stage) * MOST_STEPS + round(at.done * stage.steps)
    generator = torch.Generator().manual_seed(seed)
    parts: list[nn.Module] = [networks.encoder, networks.implicit, *([networks.inverse] if stage.inverse else [])]
    began, left, timed = time.monotonic(), run.seconds_left(), run.seconds is not None
    last_kept = began

    def reached(step: int) -> float:
        share = (time.monotonic() - began) / left if timed else step / steps
        return at.done + (1.0 - at.done) * min(share, 1.0)

    def loss_of_step(step: int) -> Tensor:
        nonlocal last_kept
        if time.monotonic() - last_kept > KEEP_SECONDS:
            last_kept = time.monotonic()
            keep(Position(at.stage, reached(step), last_kept + clock, at.losses))
        batch, again = _draw(collection, stage, settings, generator)
        return dense_loss(networks, batch, again, stage, settings, generator)

    schedule = _TakenUp(Cosine(settings.learning_rate, settings.last_rate), at.done)
    outcome = train(nn.ModuleList(parts), loss_of_step, steps=run.steps(steps), schedule=schedule, run=run)
    stopped = run.seconds == 0.0  # asked to finish now
    seconds = time.monotonic() + clock
    if stopped:
        return Position(at.stage, reached(outcome.steps), seconds, at.losses)
    return Position(at.stage + 1, 0.0, seconds, (*at.losses, outcome.best_loss))


def _draw(
    collection: Collection, stage: Stage, settings: DenseSettings, generator: torch.Generator
) -> tuple[Batch, Batch | None]:
    """Random shapes, grown at random; where shapes are matched, the same once more, grown otherwise."""
    count = min(stage.shapes, collection.count)
    shapes = torch.randperm(collection.count, generator=generator)[:count]
    drawn = collection.draw(shapes, settings.cloud, settings.around, stage.resolution, generator)
    grown = collection.warp(shapes, settings.stretch, settings.knots, generator).batch(drawn)
    if not stage.cross or not settings.weights.known_pairs:
        return grown, None
    return grown, collection.warp(shapes, settings.stretch, settings.knots, generator).batch(drawn)


def _name(number: int, stage: Stage) -> str:
    what = "across shapes" if stage.cross else "inverse" if stage.inverse else "occupancy"
    return f"{what} {stage.resolution}\N{SUPERSCRIPT THREE}" if number < 3 else what
