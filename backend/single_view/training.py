"""Trains encoder and decoder together: each image against samples of the signed distance of the shape in it.

MeshSDF (Remelli et al., NeurIPS 2020, section 4.2): the clamped distances' mean absolute difference, after Park et al.
(CVPR 2019, eq. 4), and a little of the codes' lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Float64
from backend.geometry.triangles import box_around
from backend.losses.clamped_difference import clamped_difference
from backend.single_view.layout import Instance
from backend.single_view.network import SingleViewNetwork, as_batch
from backend.single_view.settings import epoch
from backend.surfaces.mesh_sdf.samples import Samples, drawn
from backend.training.adam import Adam
from backend.training.checkpoints import Checkpoints
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import halved_by_epochs

FLOOR = 1e-7  # of a learning rate that is halved
ROOM = 0.05  # of the box of all shapes, in its longest side
GAIN = 0.3  # by which the colours of images are changed at random, either way, so that none counts for much


def train_single_view(
    network: SingleViewNetwork, instances: Sequence[Instance], run: Run, checkpoints: Checkpoints | None = None
) -> Outcome:
    """Trains in place."""
    settings = network.settings
    rng = np.random.default_rng((run.seed, 0 if checkpoints is None else checkpoints.done))
    at_once, per_epoch = min(settings.images, len(instances)), epoch(settings, len(instances))

    def loss_of_step(step: int) -> Tensor:
        chosen = [instances[k] for k in rng.permutation(len(instances))[:at_once]]
        views = [int(rng.integers(len(instance.views))) for instance in chosen]
        images = [one.image(view, settings.image, settings.framed) for one, view in zip(chosen, views, strict=True)]
        samples = np.stack([drawn(one.samples(), settings.points, rng) for one in chosen])
        told = np.stack([one.views[view].told() for one, view in zip(chosen, views, strict=True)])
        gains = 1.0 + GAIN * rng.uniform(-1.0, 1.0, (at_once, 1, 1, 3))
        return _loss(network, _tinted(as_batch(images, run.device), gains), samples, told)

    network.train()
    with run.phase("training"):
        outcome = train(
            network,
            loss_of_step,
            steps=run.steps(settings.steps),
            schedule=halved_by_epochs(settings.rate, settings.halving, per_epoch, FLOOR, settings.rate / 100.0),
            run=run,
            checkpoints=checkpoints,
            optimiser_type=lambda parameters: Adam(parameters, network.shares()),
        )
    network.eval()
    return outcome


def _loss(network: SingleViewNetwork, images: Tensor, samples: Samples, told: Float64) -> Tensor:
    """Of images [B, S, S, 4], samples [B, P, 4] of their shapes and what is to be told of their cameras [B, 4]."""
    settings = network.settings
    codes, views = network.seen(images)
    known = torch.from_numpy(samples).to(codes)
    found = network.values(known[..., :3], codes)
    loss: Tensor = clamped_difference(found, known[..., 3], settings.clamp, published=settings.clamp_both)
    loss = loss + settings.code_weight * codes.norm(dim=1).mean()
    if views is not None:
        loss = loss + settings.view_weight * (views - torch.from_numpy(told).to(views)).square().sum(dim=1).mean()
    return loss


def _tinted(images: Tensor, gains: Float64) -> Tensor:
    """Images [B, S, S, 4] with their colours times gains [B, 1, 1, 3]."""
    colours = images[..., :3].float() * torch.from_numpy(gains).to(images.device, torch.float32)
    return torch.cat([colours.clamp(0.0, 255.0).to(torch.uint8), images[..., 3:]], dim=3)


@torch.no_grad()
def codes_of(network: SingleViewNetwork, instances: Sequence[Instance], run: Run) -> Float64:
    """Code [K, latent] of every shape: the mean over its images."""
    settings = network.settings
    found = []
    with run.phase("encoding"):
        for number, one in enumerate(instances):
            images = [one.image(view, settings.image, settings.framed) for view in range(len(one.views))]
            found.append(network.seen(as_batch(images, run.device))[0].mean(dim=0))
            run.progress(number + 1, len(instances))
    return torch.stack(found).cpu().numpy().astype(np.float64)


def box_of_shapes(
    instances: Sequence[Instance], check: Callable[[int, int], None] = lambda step, steps: None
) -> tuple[Float64, Float64]:
    """Low and high corner [3] of the places inside of any shape, with some room."""
    corners = []
    for number, one in enumerate(instances):
        check(number, len(instances))
        inside = one.samples()[1][:, :3].astype(np.float64)
        corners += [inside.min(axis=0), inside.max(axis=0)]
    return box_around(np.stack(corners), ROOM)
