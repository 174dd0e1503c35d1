"""The far ends of a shape (hands, feet, a nose, a tail), and which of one shape may be which of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.geodesics import Geodesics
from backend.geometry.sampling import farthest_points
from backend.geometry.spectrum import Spectrum

BASE = 60  # points from which the mean distance of every vertex is measured
APART = 0.24  # between two extremities, in square roots of the area
MOST = 8
PEAKS = 40  # local maxima that are looked at
UNLIKE = 0.5  # logarithm of two distances' ratio from where the extremities cannot be the same
UNUSED = 0.03  # price of an extremity that is left out
LEAST = 4  # extremities that an assignment has, if both shapes have as many


@dataclass(frozen=True, eq=False)
class Extremities:
    """Vertices farther from everything else than their surroundings are."""

    vertices: Int64  # [E]
    distances: Float64  # [E, V], along the surface

    @property
    def apart(self) -> Float64:
        """Distances [E, E] between them."""
        return np.asarray(self.distances[:, self.vertices])


@dataclass(frozen=True)
class Assignment:
    """Which extremity of the target each of the source is; -1 for none."""

    target: tuple[int, ...]  # [E]
    cost: float  # mean logarithm of the ratio of distances, and the price of those left out


def extremities_of(shape: Spectrum, geodesics: Geodesics) -> Extremities:
    """Local maxima of the mean distance along the surface, at most ``MOST`` (Hilaga et al., SIGGRAPH 2001)."""
    base = farthest_points(shape.positions, BASE)
    reached = geodesics.from_vertices(base)
    mean = np.where(np.isfinite(reached), reached, 0.0).mean(axis=0)
    steps = geodesics.neighbours
    highest = np.maximum.reduceat(mean[steps.indices], steps.indptr[:-1]) if steps.nnz else np.zeros(0)
    peaks = np.flatnonzero(mean >= highest)
    peaks = peaks[np.argsort(-mean[peaks], kind="stable")][:PEAKS]
    chosen: list[int] = []
    distances: list[Float64] = []
    for peak in peaks:
        if any(away[peak] < APART for away in distances):
            continue
        away = geodesics.from_vertices(np.array([peak]))[0]
        if mean[peak] >= mean[away < APART / 2].max():
            chosen.append(int(peak))
            distances.append(away)
        if len(chosen) == MOST:
            break
    return Extremities(np.array(chosen, np.int64), np.stack(distances))


def assignments(source: Extremities, target: Extremities, most: int) -> list[Assignment]:
    """The ``most`` cheapest ways to pair extremities whose distances to each other agree, the cheapest first."""
    here, there = source.apart, target.apart
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.abs(np.log(here[:, :, None, None] / there[None, None]))  # [E, E, F, F]
    ratios = np.where(np.isfinite(ratios), ratios, np.inf)
    fewest = min(len(here), len(there))
    needed = min(LEAST, fewest)
    spare = max(len(here) - len(there), 0) + 1  # extremities of the source that may stay alone
    found: list[Assignment] = []

    def extend(chosen: tuple[int, ...], cost: float) -> None:
        i, used = len(chosen), sum(j >= 0 for j in chosen)
        if i == len(here):
            if used >= needed:
                pairs = max(used * (used - 1) // 2, 1)
                found.append(Assignment(chosen, cost / pairs + UNUSED * (fewest - used)))
            return
        for j in range(len(there)):
            if j in chosen:
                continue
            added = [ratios[i, other, j, k] for other, k in enumerate(chosen) if k >= 0]
            if max(added, default=0.0) <= UNLIKE:
                extend((*chosen, j), cost + sum(added))
        if i - used < spare:
            extend((*chosen, -1), cost)

    extend((), 0.0)
    return sorted(found, key=lambda assignment: assignment.cost)[:most]
