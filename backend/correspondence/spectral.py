"""``spectral``: matches two shapes that are nearly the same but for their pose, by their vibrations.

Many coarse functional maps are tried: two for every likely way to pair the shapes' extremities, with and without regard
to orientation, some without any, and one that leaves the shapes as they lie over each other. All are grown on samples
and judged without knowing the truth; the best one is grown again on many vertices, both ways. Only the largest
connected part of either surface is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from backend.correspondence.alignment import coarse_alignment
from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.dense_map import DenseMap
from backend.correspondence.extremities import assignments, extremities_of
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
from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.geodesics import Geodesics
from backend.geometry.repair import WorkingMesh
from backend.geometry.spectrum import Spectrum, spectrum_of
from backend.geometry.triangles import part_areas

COUNT = 150  # eigenfunctions
FEWEST = 20  # vertices: shapes with less have no vibrations to speak of
FIRST = 15  # eigenfunctions of the maps fitted to descriptors
SAMPLED = 45  # to which all maps are grown on samples
STEP = 2  # eigenfunctions added at a time there
AGAIN = 10  # with which the best map begins anew on the surfaces: more of them keep what the samples got wrong
LYING = 0  # number of that map
MIRRORED = (
    0.6  # of the energy, without what the sides of faces count, up to which a map that turns them over is far better
)
TRIED = 12  # ways to pair the extremities
CLOSE = 1.15  # a map whose energy is within this factor of the best may be the right one
SAME = 0.1  # mean distance between two maps on the target, in square roots of its area, up to which they are one

Check = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class SpectralMatch:
    """The best map, and the best of those that lead elsewhere."""

    map: DenseMap
    energy: float
    runner_up: float | None  # energy of the second map, if there is one
    differs: Flags  # [V], source vertices that the second map leads elsewhere
    share: float  # of their area that the two largest parts have, the smaller of the two
    mirrored: bool  # a map that turns all faces over would be a far better one


@dataclass(frozen=True, eq=False)
class _Shape:
    """What is known of one of the two shapes; vertices and faces are those of its largest part."""

    vertices: Int64  # of the whole surface
    faces: Int64  # of the whole surface
    share: float  # of its area
    spectrum: Spectrum
    geodesics: Geodesics
    signature: Described

    @staticmethod
    def of(surface: WorkingMesh, role: str) -> _Shape:
        area, part = part_areas(surface.positions, surface.triangles)
        faces = np.flatnonzero(part == area.argmax())
        vertices, compact = np.unique(surface.triangles[faces], return_inverse=True)
        if len(vertices) < FEWEST:
            raise CorrespondenceError(
                f"the {role} has {len(vertices)} connected vertices, and a match by shape needs {FEWEST}; subdivide it "
                "or give a table of vertex pairs"
            )
        spectrum = spectrum_of(surface.positions[vertices], compact.reshape(-1, 3), COUNT)
        geodesics = Geodesics(spectrum.positions, spectrum.triangles)
        signature = described(spectrum, wave_kernel_signature(spectrum), FIRST)
        return _Shape(vertices, faces, float(area.max() / area.sum()), spectrum, geodesics, signature)

    def with_bells(self, distances: Float64) -> Described:
        """The signature and bells around landmarks, from their distances [L, V]."""
        return self.signature.beside(described(self.spectrum, landmark_bells(distances), FIRST))

    def alone(self) -> WorkingMesh:
        """The part as a surface of its own."""
        return WorkingMesh(self.spectrum.positions, self.spectrum.triangles, np.arange(len(self.vertices)), ())

    def place(self, vertices: Int64) -> Int64:
        """The numbers [L] of vertices of the whole surface in this part; -1 for those of other parts."""
        at = np.minimum(np.searchsorted(self.vertices, vertices), len(self.vertices) - 1)
        return np.where(self.vertices[at] == vertices, at, -1)


def spectral_match(
    source: WorkingMesh, target: WorkingMesh, landmarks: Int64, device: torch.device, check: Check
) -> SpectralMatch:
    """Maps the source's vertices onto the target's surface; ``landmarks`` [L, 2] are vertex pairs that are known."""
    a, b = _Shape.of(source, "source"), _Shape.of(target, "target")
    samples = Sampled(a.spectrum, device), Sampled(b.spectrum, device)
    top = min(a.spectrum.count, b.spectrum.count)
    known = np.stack([a.place(landmarks[:, 0]), b.place(landmarks[:, 1])], axis=1)
    known = known[(known >= 0).all(axis=1)]
    coarse = np.stack(list(_coarse_maps(a, b, known, check)))
    first = torch.as_tensor(coarse, dtype=torch.float32, device=device)
    maps, sampled = grown_on_samples(*samples, first, min(SAMPLED, top), STEP)
    judged = Judge(a.spectrum, b.spectrum, samples)(maps, sampled)
    points = sampled.cpu().numpy()
    energy = judged.total.cpu().numpy() + _missed(a, b, samples, points, known)
    order = np.argsort(energy)
    order = order[order != LYING]
    lying = _apart(points[[order[0], LYING]], b.spectrum.positions[samples[1].vertices])[1].mean()
    if lying > SAME and energy[LYING] <= CLOSE * energy[order[0]]:  # nobody turns a ball without need
        order = np.concatenate([[LYING], order])
    again = maps[order[0]][:AGAIN, :AGAIN]  # from the start, now both ways: what merged on the way comes apart
    final = grown(a.spectrum, b.spectrum, again, top, check)
    apart = _apart(points[order], b.spectrum.positions[samples[1].vertices])  # [B, S]
    others = np.flatnonzero(apart.mean(axis=1) > SAME)
    differs = np.zeros(len(source.positions), bool)
    if len(others):
        places = a.spectrum.positions
        nearest = cKDTree(places[samples[0].vertices]).query(places)[1]
        differs[a.vertices] = (apart[others[0]] > SAME)[nearest]
    found = points_of_map(a.spectrum, b.spectrum, final)
    runner_up = float(energy[order[others[0]]]) if len(others) else None
    whole = _on_whole(found, a, b, len(source.positions))
    share = min(a.share, b.share)
    return SpectralMatch(whole, float(energy[order[0]]), runner_up, differs, share, _mirrored(judged))


def _coarse_maps(a: _Shape, b: _Shape, landmarks: Int64, check: Check) -> Iterator[Float64]:
    """First guesses [k, k]; number ``LYING`` first. Where landmarks [L, 2] are known, all others are near to them."""
    yield _lying(a, b, check)
    here, there = a.geodesics.from_vertices(landmarks[:, 0]), b.geodesics.from_vertices(landmarks[:, 1])
    ends = extremities_of(a.spectrum, a.geodesics), extremities_of(b.spectrum, b.geodesics)
    pairings = assignments(*ends, TRIED)
    for number, pairing in enumerate(pairings):
        check(number, len(pairings))
        chosen = np.array(pairing.target)
        used = chosen >= 0
        bells = (
            a.with_bells(np.concatenate([here, ends[0].distances[used]])),
            b.with_bells(np.concatenate([there, ends[1].distances[chosen[used]]])),
        )
        for orientation in (0, 1):
            yield fitted_map(*bells, orientation)
    known = (a.with_bells(here), b.with_bells(there)) if len(landmarks) else (a.signature, b.signature)
    for orientation in (-1, 0, 1):
        yield fitted_map(*known, orientation)


def _lying(a: _Shape, b: _Shape, check: Check) -> Float64:
    """The map to the nearest vertices once one shape is laid over the other."""
    over = coarse_alignment(a.alone(), b.alone(), check).apply(b.spectrum.positions)
    nearest = cKDTree(over).query(a.spectrum.positions)[1]
    return a.spectrum.coefficients(b.spectrum.functions[nearest][:, :FIRST])[:FIRST]


def _missed(a: _Shape, b: _Shape, samples: tuple[Sampled, Sampled], points: Int64, landmarks: Int64) -> Float64:
    """Mean distance [B] between where maps ``points`` [B, S] lead landmarks [L, 2] and where they belong."""
    if not len(landmarks):
        return np.zeros(len(points))
    places = a.spectrum.positions[samples[0].vertices]
    nearest = cKDTree(places).query(a.spectrum.positions[landmarks[:, 0]])[1]
    led = b.spectrum.positions[samples[1].vertices][points[:, nearest]]  # [B, L, 3]
    return np.asarray(np.linalg.norm(led - b.spectrum.positions[landmarks[:, 1]], axis=2).mean(axis=1))


def _mirrored(judged: MapEnergy) -> bool:
    """Whether a map that turns all faces over is far better than any that does not, but for that."""
    kept, turned = (judged.unsided[side].cpu().numpy() for side in (judged.orientation > 0.0, judged.orientation < 0.0))
    return bool(turned.min(initial=np.inf) < MIRRORED * kept.min(initial=np.inf))


def _apart(points: Int64, places: Float64) -> Float64:
    """How far [B, S] from the first of the maps ``points`` [B, S] each leads."""
    at = places[points]
    return np.asarray(np.linalg.norm(at - at[0], axis=2))


def _on_whole(found: DenseMap, a: _Shape, b: _Shape, count: int) -> DenseMap:
    """The map of the largest parts as one of the whole surfaces, whose other vertices have no counterpart."""
    faces, weights, confidence = np.zeros(count, np.int64), np.zeros((count, 3)), np.zeros(count)
    faces[a.vertices], weights[a.vertices], confidence[a.vertices] = (
        b.faces[found.faces],
        found.weights,
        found.confidence,
    )
    return DenseMap(faces, weights, confidence, found.way)
