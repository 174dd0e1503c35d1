"""Trains a decoder: the network and one code a shape, together (Park et al., CVPR 2019, eq. 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.losses.clamped_difference import clamped_difference
from backend.surfaces.mesh_sdf.between import Between
from backend.surfaces.mesh_sdf.decoder import Decoder
from backend.surfaces.mesh_sdf.samples import Samples, drawn
from backend.surfaces.mesh_sdf.settings import FEW, epoch
from backend.surfaces.mesh_sdf.training_data import TrainingData
from backend.training.adam import Adam
from backend.training.checkpoints import Checkpoints
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import halved_by_epochs

FLOOR = 1e-7  # of a learning rate that is halved


def train_decoder(
    decoder: Decoder,
    samples: Sequence[tuple[Samples, Samples]],  # of the K shapes, outside and inside
    run: Run,
    checkpoints: Checkpoints | None = None,
    *,
    between: Between | None = None,
    reserve: float = 0.0,  # seconds of the run's time to leave over
    preview: Callable[[], Any] | None = None,
) -> Outcome:
    """Trains in place, and leaves the decoder at rest."""
    settings, shapes = decoder.settings, len(samples)
    done = 0 if checkpoints is None else checkpoints.done
    rng, generator = np.random.default_rng((run.seed, done)), run.generator(done)
    at_once, per_epoch = min(settings.shapes, shapes), epoch(settings, shapes)

    def loss_of_step(step: int) -> Tensor:
        chosen = np.arange(shapes) if at_once == shapes else rng.permutation(shapes)[:at_once]
        known = np.concatenate([drawn(samples[k], settings.points, rng) for k in chosen])
        given = torch.from_numpy(known).to(run.device)  # [S P, 4]
        codes = decoder.codes[torch.from_numpy(chosen).to(run.device)]
        with torch.random.fork_rng(devices=[], enabled=settings.dropout > 0.0):
            if settings.dropout > 0.0:
                torch.manual_seed(int(rng.integers(2**31)))
            found = decoder.values(given[:, :3], codes)
            away = None if between is None else between.loss(decoder, step, generator)
        loss: Tensor = clamped_difference(found, given[:, 3], settings.clamp, published=settings.published_clamp)
        weight = settings.code_weight * min(1.0, step // per_epoch / settings.ramp)
        loss = loss + weight * codes.norm(dim=1).mean()
        return loss if away is None else loss + away

    decoder.train()
    try:
        with run.phase("training"):
            return train(
                decoder,
                loss_of_step,
                steps=run.steps(settings.steps),
                schedule=halved_by_epochs(settings.rate, settings.halving, per_epoch, FLOOR),
                run=run,
                reserve=reserve,
                preview=preview,
                checkpoints=checkpoints,
                optimiser_type=lambda parameters: Adam(parameters, decoder.shares()),
            )
    finally:
        decoder.eval()


@torch.no_grad()
def clamped_error(decoder: Decoder, samples: Sequence[tuple[Samples, Samples]]) -> list[float]:
    """Mean absolute difference of the clamped distances at samples of each shape; the decoder must be at rest."""
    reach, found = decoder.settings.clamp, []
    for number, sides in enumerate(samples):
        known = torch.from_numpy(np.concatenate(sides)).to(decoder.codes)
        values = [decoder.network(part, decoder.codes[number]) for part in torch.split(known[:, :3], 4096)]
        found.append(float(clamped_difference(torch.cat(values), known[:, 3], reach, published=True)))
    return found


def training_facts(decoder: Decoder, data: TrainingData, outcome: Outcome) -> dict[str, Any]:
    """What the file of a model says of its training; ``l1`` is the mean clamped error at samples not trained on."""
    errors = clamped_error(decoder, data.test)
    return {
        **outcome.model_facts(),
        "l1": float(np.mean(errors)) if errors else None,
        "l1_of_each": errors,
    }


def every_pair(shapes: int) -> list[tuple[int, int]]:
    """Each two of so many shapes, both ways the same; none where they are more than a few."""
    return list(combinations(range(shapes), 2)) if shapes <= FEW else []
