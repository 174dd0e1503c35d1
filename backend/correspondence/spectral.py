"""``spectral``: matches two shapes that are nearly the same but for their pose, by their vibrations.

Many coarse functional maps are tried: one for every likely way to pair the shapes' extremities, with and without regard
to orientation, and one for every sign of the first eigenfunctions where there are no extremities. All are grown on
samples and judged without knowing the truth; the best one is grown on the whole surfaces.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.correspondence.dense_map import DenseMap
from backend.correspondence.extremities import LEAST, assignments, extremities_of
from backend.correspondence.functional_map import (
    Described,
    described,
    fitted_map,
    landmark_bells,
    wave_kernel_signature,
)
from backend.correspondence.map_energy import Judge, MapEnergy
from backend.correspondence.spectral_points import points_of_map
from backend.correspondence.zoomout import Sampled, grown, grown_on_samples
from backend.geometry.arrays import Float64, Int64
from backend.geometry.geodesics import Geodesics
from backend.geometry.spectrum import Spectrum, spectrum_of

COUNT = 150  # eigenfunctions
FIRST = 15  # of the maps fitted to descriptors
SIGNED = 7  # eigenfunctions whose signs are tried
SAMPLED = 45  # to which all maps are grown on samples
STEPS = (2, 10)  # eigenfunctions added at a time, on samples and on the surfaces
TRIED = 12  # ways to pair the extremities
SAME = 0.1  # mean distance between two maps on the target, in square roots of its area, up to which they are one

Check = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Shape:
    """What is known of one of the two shapes."""

    spectrum: Spectrum
    geodesics: Geodesics
    signature: Described

    @staticmethod
    def of(positions: Float64, triangles: Int64) -> Shape:
        spectrum = spectrum_of(positions, triangles, COUNT)
        geodesics = Geodesics(spectrum.positions, spectrum.triangles)
        return Shape(spectrum, geodesics, described(spectrum, wave_kernel_signature(spectrum), FIRST))

    def bells(self, distances: Float64) -> Described:
        return self.signature.beside(described(self.spectrum, landmark_bells(distances), FIRST))


@dataclass(frozen=True, eq=False)
class SpectralMatch:
    """The best map and what was said for and against it."""

    map: DenseMap
    energy: float
    runner_up: float | None  # energy of the best map that leads elsewhere
    orientation: float  # of the best map


def spectral_match(
    source: tuple[Float64, Int64], target: tuple[Float64, Int64], landmarks: Int64, device: torch.device, check: Check
) -> SpectralMatch:
    """Maps the source's vertices onto the target's surface; ``landmarks`` [L, 2] are vertex pairs that are known."""
    a, b = Shape.of(*source), Shape.of(*target)
    samples = Sampled(a.spectrum, device), Sampled(b.spectrum, device)
    top = min(a.spectrum.count, b.spectrum.count)
    grown_maps = [
        grown_on_samples(*samples, torch.as_tensor(np.stack(list(maps)), dtype=torch.float32, device=device), min(SAMPLED, top), STEPS[0])
        for maps in (_coarse_maps(a, b, landmarks, check),)
    ]
    maps, points = (torch.cat(parts) for parts in zip(*grown_maps, strict=True))
    energy = Judge(a.spectrum, b.spectrum, samples)(maps, points)
    order = energy.total.argsort()
    best = int(order[0])
    final = grown(a.spectrum, b.spectrum, maps[best], top, STEPS[1], check)
    found = points_of_map(a.spectrum, b.spectrum, final)
    rival = _rival(points[order], b.spectrum.positions[samples[1].vertices])
    return SpectralMatch(
        found,
        float(energy.total[best]),
        None if rival is None else float(energy.total[order[rival]]),
        float(energy.orientation[best]),
    )


def _coarse_maps(a: Shape, b: Shape, landmarks: Int64, check: Check) -> Iterator[Float64]:
    """First guesses [FIRST, FIRST]."""
    if len(landmarks):
        bells = a.bells(a.geodesics.from_vertices(landmarks[:, 0])), b.bells(b.geodesics.from_vertices(landmarks[:, 1]))
        for orientation in (0, 1):
            yield fitted_map(*bells, orientation)
        return
    ends = extremities_of(a.spectrum, a.geodesics), extremities_of(b.spectrum, b.geodesics)
    pairings = assignments(*ends, TRIED)
    for number, pairing in enumerate(pairings):
        check(number, len(pairings))
        chosen = np.array(pairing.target)
        used = chosen >= 0
        bells = a.bells(ends[0].distances[used]), b.bells(ends[1].distances[chosen[used]])
        for orientation in (0, 1):
            yield fitted_map(*bells, orientation)
    for orientation in (-1, 0, 1):
        yield fitted_map(a.signature, b.signature, orientation)


def _rival(points: Tensor, places: Float64) -> int | None:
    """The first of the maps ``points`` [B, S] that leads elsewhere than the first one."""
    at = places[points.cpu().numpy()]
    apart = np.linalg.norm(at - at[0], axis=2).mean(axis=1)
    elsewhere = np.flatnonzero(apart > SAME)
    return int(elsewhere[0]) if len(elsewhere) else None
