"""Training the velocity field of a pair: a good path, V on it or by the papers' own losses, and what V misses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from backend.fields.sequence_velocity import Velocity
from backend.fields.velocity import VelocityField, VelocityShape
from backend.flow.advect import advect
from backend.flow.co_moving import CoMoving
from backend.flow.keyed_path import KeyedPath
from backend.flow.pace import Pace
from backend.geometry.triangles import diagonal
from backend.methods.method import Morph, Pair
from backend.methods.sequence import leg_by_leg, pose_path, poses_of, through_poses, time_steps_of
from backend.methods.surface_morph import Float
from backend.methods.targets import landing_of
from backend.methods.velocity_motion import VelocityMotion
from backend.methods.velocity_paper import PaperPair, PaperTraining, fit_paper
from backend.methods.velocity_sequence import SequenceTraining, fit_sequence
from backend.methods.velocity_settings import VelocitySettings
from backend.training.loop import Outcome
from backend.training.path_fit import PathFit, fit_path
from backend.training.path_samples import vertex_normals
from backend.training.run import Run
from backend.training.schedule import Halving

PREVIEW_STEPS = 8  # of the integration, in live previews
MEASURED = 20_000  # pairs from which the error of the raw flow is measured


def fit_motion(
    pair: Pair, settings: VelocitySettings, run: Run, share: float, shown: Callable[[VelocityMotion], Morph]
) -> VelocityMotion:
    """The trained motion of a pair, in ``share`` of the time that is left; ``shown`` makes the morph of a preview."""
    landing = landing_of(pair)
    surface = pair.source_surface
    poses = poses_of(pair)
    legs = len(poses) - 1
    settings = replace(settings, time_steps=time_steps_of(settings.time_steps, legs))
    with run.phase("path"):
        frame = CoMoving.through(poses)
        pace = Pace(settings.rest_at_ends, settings.rest_at_stops, legs)
        path = _keyed_path(pair, poses, frame, pace, settings.time_steps, run)

    def motion(velocity: Velocity, corrected: torch.Tensor) -> VelocityMotion:
        return VelocityMotion(surface, landing.positions, velocity, frame, pace, settings.integrator, corrected)

    still = VelocityField(VelocityShape(8, 1)).to(run.device)
    run.preview(lambda: shown(motion(still, path.positions)))
    with run.phase("training"), run.part(share):
        velocity, outcome = _train(
            pair, settings, path, run, lambda v: shown(motion(v, _so_far(v, path, settings, pace)))
        )
        run.facts |= outcome.facts("training")
    with run.phase("correcting"):
        if settings.supervision == "path":
            corrected = path.positions
        else:
            stops = path.positions[:: settings.time_steps // legs]
            corrected = leg_by_leg(velocity, stops, steps=settings.time_steps, method=settings.integrator, pace=pace)
        run.facts["raw_flow_corr_error_t1"] = _raw_flow_error(pair, velocity, path, frame, settings)
    return motion(velocity, corrected)


def _keyed_path(pair: Pair, poses: list[Float], frame: CoMoving, pace: Pace, steps: int, run: Run) -> KeyedPath:
    """The gradient-domain path in the co-moving frame, at the time steps of the integration."""
    whole = pose_path(pair.source_surface, poses[1:], frame)
    keys = []
    for step in range(steps + 1):
        run.progress(step, steps)
        progress = pace.progress(step / steps)
        keys.append(torch.as_tensor(frame.enter(whole.positions(progress), progress), dtype=torch.float32))
    return KeyedPath.through(torch.stack(keys).to(run.device))


def _train(pair: Pair, settings: VelocitySettings, path: KeyedPath, run: Run, preview: Any) -> tuple[Velocity, Outcome]:
    """V by the chosen supervision, leaving time to measure what it reached."""
    if settings.supervision == "matching" and (pair.stops or settings.distortion or settings.stretching):
        return _train_sequence(pair, settings, path, run, preview)
    if settings.supervision == "matching":
        return _train_by_matching(settings, path, run, preview)
    shape = VelocityShape(settings.width, settings.depth, "sine", space_frequency=settings.space_frequency)
    velocity = VelocityField(shape, seed=run.seed).to(run.device)
    triangles = torch.as_tensor(pair.source_surface.triangles, device=run.device)
    fit = PathFit(
        steps=run.steps(settings.steps),
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        shell=settings.shell,
        time_step=1.0 / settings.time_steps,
        smoothness=settings.smoothness,
        divergence=settings.divergence,
        distortion=settings.distortion,
        stretching=settings.stretching,
    )
    reserve = _seconds_to_measure(velocity, path, settings)
    return velocity, fit_path(velocity, path, triangles, fit, run, reserve, preview)


def _train_by_matching(settings: VelocitySettings, path: KeyedPath, run: Run, preview: Any) -> tuple[Velocity, Outcome]:
    """The paper's own training, on the pairs as they landed."""
    start, end = path.positions[0], path.positions[-1]
    training = PaperTraining(
        steps=settings.time_steps,
        width=settings.width,
        depth=settings.depth,
        batch=settings.batch,
        updates=run.steps(settings.steps),
        schedule=Halving(first=settings.learning_rate),
        match_weight=settings.match,
        smooth_weight=settings.smoothness,
        divergence_weight=settings.divergence,
    )
    prepared = PaperPair(source=start, target=end, weights=torch.ones_like(start[:, 0]), surface=start)
    return fit_paper(prepared, training, run, reserve=_little(run), preview=preview)


def _train_sequence(
    pair: Pair, settings: VelocitySettings, path: KeyedPath, run: Run, preview: Any
) -> tuple[Velocity, Outcome]:
    """The successor's training, on all legs together."""
    leg_steps = settings.time_steps // (len(pair.stops) + 1)
    training = SequenceTraining(
        leg_steps=leg_steps,
        width=settings.width,
        depth=settings.depth,
        batch=settings.batch,
        updates=run.steps(settings.steps),
        schedule=Halving(first=settings.learning_rate),
        match_weight=settings.match,
        smooth_weight=settings.smoothness,
        divergence_weight=settings.divergence,
        distortion_weight=settings.distortion,
        stretching_weight=settings.stretching,
    )
    poses = path.positions[::leg_steps]
    triangles = torch.as_tensor(pair.source_surface.triangles, device=poses.device)
    normals = vertex_normals(poses, triangles)
    return fit_sequence(poses, normals, training, run, reserve=_little(run), preview=preview)


def _little(run: Run) -> float:
    """Seconds of a time budget to leave over for what follows the training."""
    return 0.05 * min(run.seconds_left(), 60.0)


def _flow(velocity: Velocity, points: torch.Tensor, settings: VelocitySettings) -> torch.Tensor:
    """Where the field alone carries points [N, 3] given at time 0: [K + 1, N, 3]."""
    return advect(velocity, points, steps=settings.time_steps, method=settings.integrator).positions


def _so_far(velocity: Velocity, path: KeyedPath, settings: VelocitySettings, pace: Pace) -> torch.Tensor:
    """What the field does as it is, integrated coarsely, with the poses put right [K' + 1, W, 3]: for previews."""
    steps = min(max(PREVIEW_STEPS // pace.legs, 1) * pace.legs, settings.time_steps)
    flow = advect(velocity, path.positions[0], steps=steps, method=settings.integrator).positions
    return through_poses(flow, path.positions[:: settings.time_steps // pace.legs], pace)


def _seconds_to_measure(velocity: Velocity, path: KeyedPath, settings: VelocitySettings) -> float:
    """Measured on a few vertices: what must be left of a time budget for the error of the raw flow."""
    part = path.positions[0][:2048]
    started = time.monotonic()
    advect(velocity, part, steps=2, method=settings.integrator)
    once = time.monotonic() - started
    return 1.5 * once * settings.time_steps / 2 * min(MEASURED, path.positions.shape[1]) / len(part) + 0.1


def _raw_flow_error(
    pair: Pair, velocity: Velocity, path: KeyedPath, frame: CoMoving, settings: VelocitySettings
) -> float:
    """Mean distance of vertices carried by the field alone from their partners, in diagonals of the source.

    Of all pairs, or of ``MEASURED`` spread evenly over them.
    """
    assert pair.correspondence is not None
    every = np.arange(len(pair.correspondence.source))
    some = every if len(every) <= MEASURED else np.linspace(0, len(every) - 1, MEASURED).astype(np.int64)
    start = path.positions[0][torch.as_tensor(pair.correspondence.source[some], device=path.positions.device)]
    reached = frame.leave(_numpy(_flow(velocity, start, settings)[-1]), 1.0)
    wanted = pair.target_surface.positions[pair.correspondence.target[some]]
    size = diagonal(pair.source_surface.positions, pair.source_surface.triangles)
    return float(np.linalg.norm(reached - wanted, axis=1).mean() / size)


def _numpy(tensor: torch.Tensor) -> Float:
    return tensor.cpu().double().numpy()
