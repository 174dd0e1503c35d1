"""What a carried pair knows of the distance around it: the labels that the implicit surface is trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from backend.fields.evaluate import evaluated
from backend.fields.sequence_velocity import Velocity
from backend.geometry.distance import closest_on_surface
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import box_around
from backend.methods.blended_distance import BlendAt, BlendedDistance
from backend.methods.carried_pair import CarriedPair
from backend.training.residual_fit import DistanceLabels
from backend.training.run import Run

Float = NDArray[np.float64]

LOOKS = 5  # times at which the share of guesses is measured
GUESSED = 0.5  # trust under which a distance is one
TIMES = 24  # moments, spread evenly with some chance
FEWEST = 6  # moments, however little time there is
LABEL_SHARE = 0.4  # of the time that is left, at most
POINTS = 2000  # at each of them
SHELL = 0.03  # spread of the points around both surfaces, frame units
DRIFT = 0.01  # and around the zero level of the blend
MARGIN = 0.05  # of the box around both, of its longest side
NEWTON = 2  # steps from the box to the zero level of the blend
FLATTEST = 0.05  # squared gradient under which those steps are shortened
MOMENT = 1e-3  # of time, over which the rate of the distance is measured
REACH = 0.25  # distance from the source's surface, frame units, at which half of V is still believed


def carried_labels(
    carried: CarriedPair,
    blended: BlendedDistance,
    velocity: Velocity | None,  # None: nothing is known of the motion
    run: Run,
) -> DistanceLabels:
    """Labels at random places and times between the ends."""
    rng = np.random.default_rng(run.seed)
    every: list[tuple[Float, ...]] = []
    with run.part(LABEL_SHARE):
        for step, k in enumerate(rng.permutation(TIMES)):
            run.progress(step, TIMES)
            if step >= FEWEST and run.seconds_left() <= 0.0:
                break
            every.append(_labels_at((k + rng.random()) / TIMES, carried, blended, velocity, rng))
    columns = (np.concatenate(column) for column in zip(*every, strict=True))
    return DistanceLabels(*(torch.as_tensor(c, dtype=torch.float32, device=run.device) for c in columns))


def guessed_share(carried: CarriedPair, blended: BlendedDistance, run: Run) -> float:
    """Share of the points around the two surfaces where the distance is a guess, at a few times."""
    rng = np.random.default_rng(run.seed)
    trust = []
    for k in range(LOOKS):
        run.progress(k, LOOKS)
        t = (k + 0.5) / LOOKS
        blend = blended.at(t)
        length = carried.frame.length(carried.progress(t))
        trust.append(blend(_points_at(t, carried, blend, length, rng)[::4]).trust)
    return float((np.concatenate(trust) < GUESSED).mean())


def _labels_at(
    t: float,
    carried: CarriedPair,
    blended: BlendedDistance,
    velocity: Velocity | None,
    rng: np.random.Generator,
) -> tuple[Float, ...]:
    """The columns of ``DistanceLabels`` at one time."""
    progress, frame = carried.progress(t), carried.frame
    length = frame.length(progress)
    blend = blended.at(t)
    points = _points_at(t, carried, blend, length, rng)
    found = blend(points)
    inward = frame.enter(points, progress)
    before, after = t - MOMENT / 2, t + MOMENT / 2
    if before < 0.0 or after > 1.0:
        before, after = (0.0, MOMENT) if before < 0.0 else (1.0 - MOMENT, 1.0)
    ends = [
        blended.at(moment)(frame.leave(inward, carried.progress(moment))).distances
        / frame.length(carried.progress(moment))
        for moment in (before, after)
    ]
    return (
        inward,
        np.full(len(points), t),
        found.distances / length,
        frame.enter_directions(found.gradients, progress),
        (ends[1] - ends[0]) / (after - before),
        found.trust,
        np.zeros_like(points) if velocity is None else _velocities(velocity, inward, points, t, length, carried),
    )


def _points_at(t: float, carried: CarriedPair, blend: BlendAt, length: float, rng: np.random.Generator) -> Float:
    """Half the points around both surfaces, a quarter in the box, a quarter at the zero level of the blend [N, 3]."""
    positions = carried.at(t)
    around = []
    for at, surface in zip(positions, (carried.source, carried.target), strict=True):
        on, _, _ = sample_surface(at, surface.triangles, POINTS // 4, rng)
        around.append(on + SHELL * length * rng.normal(size=on.shape))
    low, high = box_around(np.concatenate(positions), MARGIN)
    box = rng.uniform(low, high, (POINTS // 2, 3))
    half = len(box) // 2
    near = box[:half]
    for _ in range(NEWTON):
        found = blend(near)
        steep = np.maximum((found.gradients * found.gradients).sum(axis=1), FLATTEST)
        near = near - (found.distances / steep)[:, None] * found.gradients
    near = np.clip(near, low, high) + DRIFT * length * rng.normal(size=near.shape)
    return np.concatenate([*around, box[half:], near])


def _velocities(
    velocity: Velocity,
    inward: Float,
    points: Float,
    t: float,
    length: float,
    carried: CarriedPair,
) -> Float:
    """V [N, 3] in the frame, believed less with the distance from the surface that it was trained around."""
    found = evaluated(velocity, inward, t, device=next(velocity.parameters()).device)
    distance, _, _ = closest_on_surface(points, carried.at(t)[0], carried.source.triangles)
    return np.asarray(found / (1.0 + (distance / length / REACH) ** 2)[:, None])
