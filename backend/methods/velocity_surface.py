"""The surface that moves with a velocity field: one closed surface a frame, whose topology may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.device import choose_device
from backend.fields.implicit import ImplicitField
from backend.fields.residual import ResidualField, ResidualShape
from backend.fields.velocity import VelocityField
from backend.flow.co_moving import CoMoving
from backend.geometry.repair import WorkingMesh, working_pair
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import area_vectors, signed_volume, unit, vertex_normals
from backend.methods.blended_distance import BlendedDistance
from backend.methods.carried_labels import carried_labels, guessed_share
from backend.methods.carried_pair import CarriedPair, RigidPair
from backend.methods.corrected_field import CorrectedField
from backend.methods.field_morph import FieldMorph
from backend.methods.matched_pair import MatchedPair
from backend.methods.method import Pair
from backend.methods.network_field import NetworkField
from backend.methods.surface_morph import SurfaceMorph
from backend.methods.surface_paper import SurfaceTraining, fit_surface_paper
from backend.methods.targets import frame_of, landing_of
from backend.methods.velocity_fit import fit_motion
from backend.methods.velocity_motion import VelocityMotion
from backend.methods.velocity_settings import VelocitySettings
from backend.training.residual_fit import ResidualFit, fit_residual
from backend.training.run import Run
from backend.training.surface_samples import SurfacePair
from protocol.mesh import MeshData

MOTION_SHARE = 0.6  # of a time budget, for V; the rest is for f
LEARNING_RATE = 2e-3
ROUGH = 0.25  # share of the preset's steps under which the surface is hardly trained
STEEPER = 1.5  # the gradient of the network may be this many times longer than at any label
SURFACE_POINTS = 20_000  # of each surface, as the paper samples it


def fit_surface(pair: Pair, settings: VelocitySettings, run: Run) -> FieldMorph:
    """V first, where a match is known, and then the surface that moves with it."""
    carried: CarriedPair
    motion = None
    if pair.landing is None:
        carried = RigidPair(pair.source_surface, pair.target_surface, frame_of(pair, run))
    else:
        motion = fit_motion(pair, settings, run, MOTION_SHARE, lambda so_far: SurfaceMorph.of(pair, so_far))
        carried = _matched(pair.source_surface, pair.target_surface, motion)
    if settings.surface != "labels":
        if motion is not None and isinstance(motion.velocity, VelocityField):
            return _fit_as_published(pair, motion, motion.velocity, settings, run)
        run.warn(
            f"surface {settings.surface!r}, the paper's own training, needs a match of the two meshes, and a V of one "
            "pair (supervision matching has another with stops, distortion or stretching); the labels were used"
        )
    with run.phase("distances"):
        blended = BlendedDistance(carried)
        for sentence in blended.said():
            run.warn(sentence)
        guessed = guessed_share(carried, blended, run)
        run.facts["guessed_share"] = guessed
    shape = ResidualShape(settings.surface_width, settings.surface_depth)
    residual = ResidualField(shape, seed=run.seed).to(run.device)
    if not guessed:  # the distances know everything
        return FieldMorph(pair.source, pair.target, CorrectedField(carried, blended, residual, 0.0))
    with run.phase("distances"):
        labels = carried_labels(carried, blended, None if motion is None else motion.velocity, run)

    def morph(network: ResidualField) -> FieldMorph:
        with torch.no_grad():
            slopes = network.derivatives(labels.points, labels.times).gradient.norm(dim=1)
        field = CorrectedField(carried, blended, network, STEEPER * float(slopes.max()))
        return FieldMorph(pair.source, pair.target, field)

    run.preview(lambda: morph(residual))
    fit = ResidualFit(
        steps=run.steps(settings.surface_steps),
        batch=settings.surface_batch,
        learning_rate=LEARNING_RATE,
        eikonal=settings.eikonal,
        level_set=settings.level_set,
    )
    with run.phase("surface"):
        outcome = fit_residual(residual, labels, fit, run, 0.0, morph)
    run.facts |= outcome.facts("surface")
    if outcome.steps < ROUGH * settings.surface_steps:
        run.warn(
            f"the time was up after {outcome.steps} of {settings.surface_steps} steps of the surface, so it may shrink "
            "between the ends where the match says little; give it more time"
        )
    return morph(residual)


def restore_surface(source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> FieldMorph:
    """The morph whose ``state()`` was ``arrays`` and ``values``."""
    target = FieldMorph.target_of(arrays, values)
    surfaces = working_pair(source, target)
    own = values["field"]
    carried: CarriedPair
    if "motion" in own["carried"]:
        motion = VelocityMotion.restore(surfaces[0], dict(arrays), own["carried"]["motion"], choose_device("cpu"))
        carried = _matched(*surfaces, motion)
    else:
        carried = RigidPair(*surfaces, CoMoving.from_state(own["carried"]["frame"]))
    field = (NetworkField if "implicit" in own else CorrectedField).restored(carried, arrays, own)
    return FieldMorph(source, target, field, values["resolution"])


def _fit_as_published(
    pair: Pair, motion: VelocityMotion, velocity: VelocityField, settings: VelocitySettings, run: Run
) -> FieldMorph:
    """f by the paper's own losses, after V or together with it; the network alone is the surface."""
    carried = _matched(pair.source_surface, pair.target_surface, motion)

    def morph(implicit: ImplicitField) -> FieldMorph:
        return FieldMorph(pair.source, pair.target, NetworkField(carried, implicit))

    with run.phase("surface"):
        prepared = _in_frame(pair, motion, run)
        implicit, outcome = fit_surface_paper(
            velocity, prepared, surface_training(settings, motion.time_steps, run), run, preview=morph
        )
    run.facts |= outcome.facts("surface")
    if settings.surface == "joint":
        carried = _matched(pair.source_surface, pair.target_surface, motion.retrained())
    return morph(implicit)


def surface_training(settings: VelocitySettings, time_steps: int, run: Run) -> SurfaceTraining:
    """The paper's training of f with these settings; without fine-tune steps there is no such stage."""
    return SurfaceTraining(
        steps=time_steps,
        integrator=settings.integrator,
        width=settings.surface_width,
        depth=settings.surface_depth,
        batch=settings.surface_batch,
        updates=run.steps(settings.surface_steps),
        fine_tune_updates=run.steps(settings.fine_tune_steps) if settings.fine_tune_steps else 0,
        mode=settings.surface,
        match_weight=settings.match,
        smooth_weight=settings.smoothness,
        compile=settings.compile,
    )


def _in_frame(pair: Pair, motion: VelocityMotion, run: Run) -> SurfacePair:
    """The pair as the paper's losses see it: matched points and points all over both surfaces, with their normals."""
    landing = landing_of(pair)
    rng = np.random.default_rng(run.seed)
    columns = []
    ends = (pair.source_surface, pair.source_surface.positions), (pair.target_surface, landing.positions)
    for progress, (surface, matched) in zip((0.0, 1.0), ends, strict=True):
        triangles = pair.source_surface.triangles
        outward = np.sign(signed_volume(surface.positions, surface.triangles)) or 1.0
        face_normals = outward * unit(area_vectors(surface.positions, surface.triangles))
        own = outward * unit(vertex_normals(matched, triangles))
        on, faces, _ = sample_surface(surface.positions, surface.triangles, SURFACE_POINTS, rng)
        columns.append(
            (
                motion.frame.enter(matched[landing.on_surface], progress),
                motion.frame.enter_directions(own[landing.on_surface], progress),
                motion.frame.enter(on, progress),
                motion.frame.enter_directions(face_normals[faces], progress),
            )
        )
    tensors = [[torch.as_tensor(c, dtype=torch.float32, device=run.device) for c in column] for column in columns]
    (a, a_normals, on_a, on_a_normals), (b, b_normals, on_b, on_b_normals) = tensors
    return SurfacePair(a, a_normals, b, b_normals, torch.ones_like(a[:, 0]), on_a, on_a_normals, on_b, on_b_normals)


def _matched(source: WorkingMesh, target: WorkingMesh, motion: VelocityMotion) -> MatchedPair:
    return MatchedPair(source, target, motion, motion.frame, motion.pace)
