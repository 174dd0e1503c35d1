"""The default method: an explicit velocity field V(x, t), trained on a good path and integrated.

Sang et al., Implicit Neural Surface Deformation with Explicit Velocity Fields, ICLR 2025 (INSD), with the losses of
Sang et al., 4Deform, CVPR 2025. Where and why this differs from the papers is argued in docs/METHODS.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from backend.device import choose_device
from backend.fields.sequence_velocity import SequenceVelocity
from backend.fields.velocity import VelocityField as Velocity
from backend.fields.velocity import VelocityShape
from backend.flow.advect import advect
from backend.flow.co_moving import CoMoving
from backend.flow.keyed_path import KeyedPath
from backend.flow.pace import Pace
from backend.geometry.repair import working_mesh
from backend.methods.method import Method, Morph, Pair
from backend.methods.sequence import leg_by_leg, pose_path, poses_of, through_poses, time_steps_of
from backend.methods.settings import setting
from backend.methods.surface_morph import Float, SurfaceMorph
from backend.methods.targets import landing_of
from backend.methods.velocity_motion import VelocityMotion
from backend.methods.velocity_paper import PaperPair, PaperTraining, fit_paper
from backend.methods.velocity_sequence import SequenceTraining, fit_sequence
from backend.training.path_fit import PathFit, fit_path
from backend.training.path_samples import vertex_normals
from backend.training.run import Run
from backend.training.schedule import Halving
from protocol.mesh import MeshData
from protocol.settings import SettingValue

PREVIEW_STEPS = 8  # of the integration, in live previews
ENDLESS = 1_000_000_000  # steps
MEASURED = 20_000  # pairs from which the error of the raw flow is measured


@dataclass(frozen=True)
class VelocitySettings:
    """Settings of the velocity field. Lengths are in the frame of the pair, whose box has a longest side of about 2."""

    supervision: str = setting(
        "path", "path: V learns the velocity of a good path; matching: the paper's unrolled matching of the ends",
        choices=("path", "matching"),
    )  # fmt: skip
    steps: int = setting(3000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(1024, "Points in every training step", minimum=16, maximum=1_000_000, unit="points")
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(3, "Hidden layers of the network", minimum=1, maximum=16)
    learning_rate: float = setting(5e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    space_frequency: float = setting(
        10.0,
        "Detail in space that the network starts with (path)",
        minimum=0.1,
        maximum=100.0,
        unit="radians per unit",
    )
    time_steps: int = setting(
        24, "Steps of the integration; half as many from pose to pose where there are stops",
        minimum=2, maximum=1000, unit="steps",
    )  # fmt: skip
    integrator: str = setting(
        "midpoint",
        "How the flow of the field is integrated",
        choices=("euler", "midpoint", "rk4"),
    )
    rest_at_ends: float = setting(
        0.5, "How far the motion comes to rest at both ends: 0 constant rate, 1 a smooth start and stop",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    rest_at_stops: float = setting(
        0.0, "How far the motion comes to rest at the poses between: 0 passes smoothly, 1 stands still for a moment",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    shell: float = setting(
        0.03,
        "Thickness of the space around the surface that is trained too (path)",
        minimum=0.0,
        maximum=1.0,
        unit="units",
    )
    smoothness: float = setting(0.0, "Weight of the smoothness loss", minimum=0.0, maximum=1e6)
    divergence: float = setting(0.0, "Weight of the divergence loss, which keeps volumes", minimum=0.0, maximum=1e6)
    distortion: float = setting(0.0, "Weight of the distortion loss, which keeps shapes", minimum=0.0, maximum=1e6)
    stretching: float = setting(
        0.0, "Weight of the stretching loss, which keeps lengths in the surface", minimum=0.0, maximum=1e6
    )
    match: float = setting(200.0, "Weight of the matching loss (matching)", minimum=0.0, maximum=1e6)


class VelocityField(Method):
    """A velocity field between the two shapes; everything in space, not only the surface, can ride on it."""

    name: ClassVar[str] = "velocity_field"
    label: ClassVar[str] = "Velocity field"
    doc: ClassVar[str] = "A trained flow between both shapes: natural in-betweens, exact ends, other objects ride along"
    needs_correspondence: ClassVar[bool] = True
    passes_stops: ClassVar[bool] = True
    settings_type: ClassVar[type] = VelocitySettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "draft": {"steps": 400, "time_steps": 12},
        "standard": {},
        "high": {"steps": 12000, "width": 192, "time_steps": 32},
        "paper": {
            "supervision": "matching",
            "steps": 4000,
            "batch": 4086,
            "width": 256,
            "depth": 8,
            "learning_rate": 1e-3,
            "time_steps": 10,
            "integrator": "euler",
            "rest_at_ends": 0.0,
            "smoothness": 20.0,
        },
        "sequence": {
            "supervision": "matching",
            "steps": 4000,
            "batch": 8192,
            "width": 256,
            "depth": 8,
            "learning_rate": 5e-4,
            "time_steps": 10,
            "integrator": "euler",
            "rest_at_ends": 0.0,
            "smoothness": 20.0,
            "divergence": 20.0,
            "distortion": 100.0,
            "stretching": 0.7,
            "match": 100.0,
        },
    }

    def fit(self, pair: Pair, settings: VelocitySettings, run: Run) -> Morph:
        landing = landing_of(pair)
        surface = pair.source_surface
        poses = poses_of(pair)
        legs = len(poses) - 1
        settings = replace(settings, time_steps=time_steps_of(settings.time_steps, legs))
        with run.phase("path"):
            frame = CoMoving.through(poses)
            pace = Pace(settings.rest_at_ends, settings.rest_at_stops, legs)
            path = _keyed_path(pair, poses, frame, pace, settings.time_steps, run)

        def morph(velocity: Velocity | SequenceVelocity, corrected: torch.Tensor) -> Morph:
            motion = VelocityMotion(surface, landing.positions, velocity, frame, pace, settings.integrator, corrected)
            return SurfaceMorph.of(pair, motion)

        still = Velocity(VelocityShape(8, 1)).to(run.device)
        run.preview(lambda: morph(still, path.positions))
        with run.phase("training"):
            velocity = _train(pair, settings, path, run, lambda v: morph(v, _so_far(v, path, settings, pace)))
        with run.phase("correcting"):
            if settings.supervision == "path":
                corrected = path.positions
            else:
                stops = path.positions[:: settings.time_steps // legs]
                corrected = leg_by_leg(
                    velocity, stops, steps=settings.time_steps, method=settings.integrator, pace=pace
                )
            run.facts["raw_flow_corr_error_t1"] = _raw_flow_error(pair, velocity, path, frame, settings)
        return morph(velocity, corrected)

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        surface = working_mesh(source, "source")
        motion = VelocityMotion.restore(surface, dict(arrays), dict(values), choose_device("cpu"))
        return SurfaceMorph.restored(source, surface, motion, arrays)


def _keyed_path(pair: Pair, poses: list[Float], frame: CoMoving, pace: Pace, steps: int, run: Run) -> KeyedPath:
    """The gradient-domain path in the co-moving frame, at the time steps of the integration."""
    whole = pose_path(pair.source_surface, poses[1:], frame)
    keys = []
    for step in range(steps + 1):
        run.progress(step, steps)
        progress = pace.progress(step / steps)
        keys.append(torch.as_tensor(frame.enter(whole.positions(progress), progress), dtype=torch.float32))
    return KeyedPath.through(torch.stack(keys).to(run.device))


def _train(
    pair: Pair, settings: VelocitySettings, path: KeyedPath, run: Run, preview: Any
) -> Velocity | SequenceVelocity:
    """V by the chosen supervision, leaving time to measure what it reached."""
    if settings.supervision == "matching" and (pair.stops or settings.distortion or settings.stretching):
        return _train_sequence(pair, settings, path, run, preview)
    if settings.supervision == "matching":
        return _train_by_matching(settings, path, run, preview)
    shape = VelocityShape(settings.width, settings.depth, "sine", space_frequency=settings.space_frequency)
    velocity = Velocity(shape, seed=run.seed).to(run.device)
    triangles = torch.as_tensor(pair.source_surface.triangles, device=run.device)
    fit = PathFit(
        steps=_steps(settings, run),
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
    outcome = fit_path(velocity, path, triangles, fit, run, reserve, preview)
    run.facts["training_steps"] = outcome.steps
    run.facts["training_loss"] = outcome.best_loss
    return velocity


def _steps(settings: VelocitySettings, run: Run) -> int:
    """Presets stop by steps; with a time budget, time alone ends the training."""
    return settings.steps if run.seconds is None else ENDLESS


def _train_by_matching(settings: VelocitySettings, path: KeyedPath, run: Run, preview: Any) -> Velocity:
    """The paper's own training, on the pairs as they landed."""
    start, end = path.positions[0], path.positions[-1]
    training = PaperTraining(
        steps=settings.time_steps,
        width=settings.width,
        depth=settings.depth,
        batch=settings.batch,
        updates=_steps(settings, run),
        schedule=Halving(first=settings.learning_rate),
        match_weight=settings.match,
        smooth_weight=settings.smoothness,
        divergence_weight=settings.divergence,
    )
    prepared = PaperPair(source=start, target=end, weights=torch.ones_like(start[:, 0]), surface=start)
    reserve = 0.05 * min(run.seconds_left(), 60.0)
    velocity, outcome = fit_paper(prepared, training, run, reserve=reserve, preview=preview)
    run.facts["training_steps"] = outcome.steps
    run.facts["training_loss"] = outcome.best_loss
    return velocity


def _train_sequence(
    pair: Pair, settings: VelocitySettings, path: KeyedPath, run: Run, preview: Any
) -> SequenceVelocity:
    """The successor's training, on all legs together."""
    leg_steps = settings.time_steps // (len(pair.stops) + 1)
    training = SequenceTraining(
        leg_steps=leg_steps,
        width=settings.width,
        depth=settings.depth,
        batch=settings.batch,
        updates=_steps(settings, run),
        schedule=Halving(first=settings.learning_rate),
        match_weight=settings.match,
        smooth_weight=settings.smoothness,
        divergence_weight=settings.divergence,
        distortion_weight=settings.distortion,
        stretching_weight=settings.stretching,
    )
    poses = path.positions[::leg_steps]
    triangles = torch.as_tensor(pair.source_surface.triangles, device=poses.device)
    reserve = 0.05 * min(run.seconds_left(), 60.0)
    normals = vertex_normals(poses, triangles)
    velocity, outcome = fit_sequence(poses, normals, training, run, reserve=reserve, preview=preview)
    run.facts["training_steps"] = outcome.steps
    run.facts["training_loss"] = outcome.best_loss
    return velocity


def _flow(velocity: Velocity | SequenceVelocity, points: torch.Tensor, settings: VelocitySettings) -> torch.Tensor:
    """Where the field alone carries points [N, 3] given at time 0: [K + 1, N, 3]."""
    return advect(velocity, points, steps=settings.time_steps, method=settings.integrator).positions


def _so_far(
    velocity: Velocity | SequenceVelocity, path: KeyedPath, settings: VelocitySettings, pace: Pace
) -> torch.Tensor:
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
    pair: Pair, velocity: Velocity | SequenceVelocity, path: KeyedPath, frame: CoMoving, settings: VelocitySettings
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
    diagonal = float(np.linalg.norm(np.ptp(pair.source_surface.positions, axis=0)))
    return float(np.linalg.norm(reached - wanted, axis=1).mean() / diagonal)


def _numpy(tensor: torch.Tensor) -> Float:
    return tensor.cpu().double().numpy()
