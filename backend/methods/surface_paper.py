"""The implicit surface of the paper: f(x, t) trained after a velocity field, together with it, and finely.

Sang et al., Implicit Neural Surface Deformation with Explicit Velocity Fields, ICLR 2025 (INSD): the implicit stage,
the joint step and the fine-tune stage. Every term stands in ``backend/losses``; departures are in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from backend.fields.compiled import compiled
from backend.fields.implicit import ImplicitField
from backend.fields.velocity import VelocityField
from backend.losses.eikonal import eikonal
from backend.losses.level_set import level_set
from backend.losses.matching import matching
from backend.losses.normals import normals
from backend.losses.on_surface import manifold, on_surface
from backend.losses.smoothness import smoothness
from backend.losses.surface_area import surface_area
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import Halving
from backend.training.surface_samples import Around, Carried, Rows, SurfacePair, SurfaceSampler, carry, carry_all

if TYPE_CHECKING:
    from backend.methods.method import Morph

FINE_TUNE_SHARE = 0.25  # of a time budget
LONG, LONG_SECONDS = 2000, 600.0  # updates and seconds from which compiling pays


@dataclass(frozen=True)
class SurfaceTraining:
    """The numbers of the paper's shipped configuration, and what is ours to choose about it."""

    steps: int = 10  # time steps T
    integrator: str = "euler"
    width: int = 256
    depth: int = 8
    radius: float = 1.0  # of the sphere that f starts near, units
    batch: int = 4086  # pairs, and as many points of each surface
    updates: int = 8001  # of the implicit stage or, jointly, of both networks
    fine_tune_updates: int = 33_000  # 3,000 rounds of one update for each of 11 times
    mode: str = "separate"  # separate: V stays as it is; joint: V is trained on with f
    ramp: int = 4000  # joint: updates over which the weight of f's losses rises to 1
    schedule: Halving = field(default_factory=Halving)
    level_set_weight: float = 100.0
    stretch: float = 1.0  # lambda of the level-set equation
    manifold_weight: float = 100.0
    on_surface_weight: float = 100.0
    normal_weight: float = 100.0
    eikonal_weight: float = 10.0  # on the surface
    off_surface_weight: float = 10.0  # eikonal too
    area_weight: float = 30.0
    value_weight: float = 3000.0  # fine-tuning: of |f|
    match_weight: float = 200.0  # joint: V's own losses
    smooth_weight: float = 20.0
    compile: str = "auto"  # auto: where a compiler is and the training is long; off


def fit_surface_paper(
    velocity: VelocityField,
    pair: SurfacePair,
    training: SurfaceTraining,
    run: Run,
    *,
    reserve: float = 0.0,
    preview: Callable[[ImplicitField], Morph] | None = None,
) -> tuple[ImplicitField, Outcome]:
    """f for ``velocity``, which the velocity stage has trained; jointly, it is trained further in place.

    ``reserve`` seconds of the run's time are left over. The outcome counts all updates; its loss is the last stage's.
    """
    implicit = ImplicitField(training.width, training.depth, radius=training.radius, seed=run.seed).to(pair.source)
    if worth_compiling(training, run):
        implicit.evaluated_by(lambda function: compiled(function, run.device))
    shown = None if preview is None else (lambda: preview(implicit))
    generator = torch.Generator().manual_seed(run.seed)
    sampler = SurfaceSampler(pair, training.batch, training.steps, generator)
    later = reserve
    if training.fine_tune_updates and run.seconds is not None:
        later += FINE_TUNE_SHARE * max(run.seconds_left() - reserve, 0.0)
    stage = fit_joint if training.mode == "joint" else fit_implicit
    first = stage(velocity, implicit, sampler, training, run, later, shown)
    if not training.fine_tune_updates:
        return implicit, first
    second = fine_tune(velocity, implicit, sampler, training, run, reserve, shown, before=first.steps)
    return implicit, replace(
        second, steps=first.steps + second.steps, skipped=first.skipped + second.skipped,
        best_step=first.steps + second.best_step, seconds=first.seconds + second.seconds,
    )  # fmt: skip


def worth_compiling(training: SurfaceTraining, run: Run) -> bool:
    """Compiling takes half a minute once or more, and saves a twentieth to a quarter of every update."""
    return training.compile == "auto" and training.updates >= LONG and run.seconds_left() > LONG_SECONDS


def fit_implicit(
    velocity: VelocityField,
    implicit: ImplicitField,
    sampler: SurfaceSampler,
    training: SurfaceTraining,
    run: Run,
    reserve: float,
    preview: Callable[[], Morph] | None,
) -> Outcome:
    """The implicit stage: f alone, V frozen. Where V brings the points is found once for all updates."""
    pairs, surface = _ways(velocity, sampler.pair, training)

    def loss_of_step(step: int) -> Tensor:
        rows = sampler.rows()
        carried = _joined(pairs.rows(rows.pairs), surface.rows(rows.source))
        around = sampler.around(rows, carried.positions[:, len(rows.pairs) :])
        with torch.no_grad():
            shell = _shell(velocity, around)
        return implicit_loss(implicit, sampler.pair, rows, carried, around, shell, training)

    return train(
        implicit, loss_of_step, steps=training.updates, schedule=training.schedule, run=run, reserve=reserve,
        preview=preview,
    )  # fmt: skip


def fit_joint(
    velocity: VelocityField,
    implicit: ImplicitField,
    sampler: SurfaceSampler,
    training: SurfaceTraining,
    run: Run,
    reserve: float,
    preview: Callable[[], Morph] | None,
) -> Outcome:
    """Both networks at once: V's own losses at full weight, f's rising; f's losses move V too."""
    pair = sampler.pair

    def loss_of_step(step: int) -> Tensor:
        rows = sampler.rows()
        points = torch.cat([pair.source[rows.pairs], pair.source_surface[rows.source]])
        carried = carry(velocity, points, training.steps, training.integrator)
        matched = len(rows.pairs)
        loss = training.match_weight * matching(
            carried.positions[-1, :matched], pair.target[rows.pairs], pair.weights[rows.pairs]
        )
        displacements = carried.velocities[:-1].reshape(-1, 3) / training.steps
        loss = loss + training.smooth_weight * smoothness(displacements, None)
        share = min(step / max(training.ramp, 1), 1.0)
        if share == 0.0:
            return loss
        around = sampler.around(rows, carried.positions[:, matched:])
        shell = _shell(velocity, around)
        return loss + share * implicit_loss(implicit, pair, rows, carried, around, shell, training)

    return train(
        nn.ModuleList([velocity, implicit]), loss_of_step, steps=training.updates, schedule=training.schedule, run=run,
        reserve=reserve, preview=preview,
    )  # fmt: skip


def fine_tune(
    velocity: VelocityField,
    implicit: ImplicitField,
    sampler: SurfaceSampler,
    training: SurfaceTraining,
    run: Run,
    reserve: float,
    preview: Callable[[], Morph] | None,
    *,
    before: int = 0,  # updates of f so far
) -> Outcome:
    """The fine-tune stage: no motion any more, one update for each time step in turn, each term at its own time."""
    pair, times = sampler.pair, training.steps + 1
    pairs, surface = _ways(velocity, pair, training)
    rows = sampler.rows()

    def loss_of_step(step: int) -> Tensor:
        nonlocal rows
        index = step % times
        if index == 0:
            rows = sampler.rows()
        carried = _joined(pairs.rows(rows.pairs), surface.rows(rows.source))
        around = sampler.around(rows, carried.positions[:, len(rows.pairs) :], index)
        return fine_tune_loss(implicit, pair, rows, carried.positions[index], around, index, training)

    return train(
        implicit, loss_of_step, steps=training.fine_tune_updates, run=run, reserve=reserve, preview=preview,
        schedule=replace(training.schedule, before=before), check_every=5 * times,
    )  # fmt: skip


def implicit_loss(
    implicit: ImplicitField,
    pair: SurfacePair,
    rows: Rows,
    carried: Carried,  # the drawn pairs and source surface points, M in all
    around: Around,
    shell: tuple[Tensor, Tensor],  # V [L, 3] and its Jacobian [L, 3, 3] at the points of the shell
    training: SurfaceTraining,
) -> Tensor:
    """Weighted sum of the terms of the implicit stage; a scalar. All derivatives of f come from one evaluation."""
    steps, count = training.steps, carried.positions.shape[1]
    target, target_normals = target_points(pair, rows)
    some = max(len(around.box) // (steps + 1), 1)
    ticks = torch.arange(steps + 1, dtype=target.dtype, device=target.device) / steps
    places = [carried.positions.reshape(-1, 3), around.shell, target, around.box[:some]]
    times = [ticks.repeat_interleave(count), around.shell_times, target.new_ones(len(target)), around.box_times[:some]]
    found = implicit.derivatives(torch.cat(places), torch.cat(times))
    sizes = [len(part) for part in places]
    value, gradient, rate = (torch.split(part, sizes) for part in (found.value, found.gradient, found.rate))
    values = value[0].reshape(steps + 1, count)
    box = torch.cat([value[3], implicit(around.box[some:], around.box_times[some:])])
    slopes = gradient[0].reshape(steps + 1, count, 3)
    loss = training.level_set_weight * level_set(
        torch.cat(value[:2]),
        torch.cat(gradient[:2]),
        torch.cat(rate[:2]),
        torch.cat([carried.velocities.reshape(-1, 3), shell[0]]),
        torch.cat([carried.jacobians.reshape(-1, 3, 3), shell[1]]),
        training.stretch,
    )
    loss = loss + training.manifold_weight * manifold(values[0], values[-1], value[2])
    loss = loss + training.on_surface_weight * on_surface(values[1:-1])
    ends = normals(slopes[0], source_normals(pair, rows)) + normals(gradient[2], target_normals)
    loss = loss + training.normal_weight * ends / 2
    loss = loss + training.eikonal_weight * eikonal(torch.cat([gradient[0], gradient[2]]))
    loss = loss + training.off_surface_weight * eikonal(torch.cat([gradient[1], gradient[3]]))
    return loss + training.area_weight * surface_area(box)


def fine_tune_loss(
    implicit: ImplicitField,
    pair: SurfacePair,
    rows: Rows,
    positions: Tensor,  # [M, 3], the carried points at the time step
    around: Around,
    index: int,  # of the time step
    training: SurfaceTraining,
) -> Tensor:
    """Weighted sum of the terms of the fine-tune stage at one time step; a scalar."""
    time = index / training.steps
    wanted = source_normals(pair, rows) if index == 0 else None
    if index == training.steps:
        positions, wanted = target_points(pair, rows)
    places = [positions, around.shell, around.box]
    found = implicit.derivatives(torch.cat(places), time)
    sizes = [len(part) for part in places]
    value, gradient = torch.split(found.value, sizes), torch.split(found.gradient, sizes)
    loss = training.value_weight * value[0].abs().mean()
    if wanted is not None:
        loss = loss + training.normal_weight * normals(gradient[0], wanted)
    loss = loss + training.eikonal_weight * eikonal(gradient[0])
    loss = loss + training.off_surface_weight * eikonal(torch.cat(gradient[1:]))
    return loss + training.area_weight * surface_area(value[2])


def source_normals(pair: SurfacePair, rows: Rows) -> Tensor:
    """Of the drawn source points [M, 3]."""
    return torch.cat([pair.source_normals[rows.pairs], pair.source_surface_normals[rows.source]])


def target_points(pair: SurfacePair, rows: Rows) -> tuple[Tensor, Tensor]:
    """The drawn target points and their normals [M', 3]."""
    return (
        torch.cat([pair.target[rows.pairs], pair.target_surface[rows.target]]),
        torch.cat([pair.target_normals[rows.pairs], pair.target_surface_normals[rows.target]]),
    )


def _ways(velocity: VelocityField, pair: SurfacePair, training: SurfaceTraining) -> tuple[Carried, Carried]:
    """The way of every matched point and of every source surface point through V as it is."""
    pairs, surface = (
        carry_all(velocity, points, training.steps, training.integrator)
        for points in (pair.source, pair.source_surface)
    )
    return pairs, surface


def _shell(velocity: VelocityField, around: Around) -> tuple[Tensor, Tensor]:
    jets = velocity.jets(around.shell, around.shell_times)
    return jets.value, jets.jacobian


def _joined(one: Carried, other: Carried) -> Carried:
    return Carried(
        torch.cat([one.positions, other.positions], dim=1),
        torch.cat([one.velocities, other.velocities], dim=1),
        torch.cat([one.jacobians, other.jacobians], dim=1),
    )
