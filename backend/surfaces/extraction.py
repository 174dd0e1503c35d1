"""Makes the datasets: from a shape to the points a field is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.arrays import Float64
from backend.geometry.check import count as counted
from backend.geometry.shape import Shape, UnitFrame
from backend.geometry.shape_file import check_shape
from backend.surfaces.dataset import MODES, Dataset
from backend.surfaces.known_cloud import KnownCloud
from backend.surfaces.known_mesh import KnownMesh
from backend.surfaces.known_polyline import KnownPolyline
from backend.surfaces.known_shape import KnownShape
from backend.surfaces.samples import Samples
from backend.training.run import Run
from protocol.mesh import MeshError
from protocol.settings import SettingError

LEAST = {2: 5, 3: 10}  # distinct points of a cloud, by the dimension: fewer could mean anything
SAME = 1e-6  # units: points in the same cell of this size are one
STRAY = 0.1  # units: a point with no other within this, and ten times what is usual, is told
THIN = 1e-6  # of a cloud's longest extent: thinner is a line or a plane


@dataclass(frozen=True)
class Counts:
    """How many points a dataset has."""

    train: int = 50_000  # on the shape, or labelled
    sides: int = 25_000  # inside, and as many outside
    test: int = 12_000


STANDARD = Counts()
PAPER = Counts(train=100_000, sides=100_000)


def known_shape(shape: Shape, run: Run) -> KnownShape:
    """What is known of a shape, in its unit frame. What the artist should know of it is told to the run.

    Raises ``MeshError`` for a shape without points, without extent, or with too few points to mean a surface.
    """
    check_shape(shape, "the shape")
    frame = UnitFrame.around(shape.used())
    inward = shape.entered(frame)
    known: KnownShape
    if inward.triangles is not None:
        known = KnownMesh(inward.points, inward.triangles)
    elif inward.segments is not None:
        if not np.ptp(inward.used(), axis=0).any():
            raise MeshError("the shape: all its points lie in one place, so no line has a length; choose another one")
        known = KnownPolyline(inward.points, inward.segments)
    else:
        known = KnownCloud(*_distinct(inward, run), run)
    for sentence in known.said:
        if sentence not in run.said:
            run.said.append(sentence)
    return known


def dataset_of(
    known: KnownShape, shape: Shape, mode: str, run: Run, counts: Counts = STANDARD, *, importance: bool = True
) -> Dataset:
    """The dataset of a mode, in memory, with the run's seed.

    ``importance`` draws most points near the shape, as densely as exp(-30 |d| / side). Distances are labels of the
    shape's own kind: signed where it has an inside; absolute in ``sal``. Raises ``SettingError`` for a mode that the
    shape does not have, ``MeshError`` where it is so thin that no point is inside.
    """
    if mode not in MODES:
        raise SettingError(f"there is no dataset of mode {mode!r}; there are {', '.join(MODES)}")
    if mode == "signed" and not known.signed:
        raise SettingError(
            "the shape has no inside (open curves or sheets, or curves in space), so it has no dataset of mode signed; "
            "choose unsigned or dist"
        )
    if mode == "unsigned":
        known = known.without_inside()
    used = shape.used()
    frame = UnitFrame.around(used)
    low, high = used.min(axis=0), used.max(axis=0)
    samples = Samples(known, frame.enter(low), frame.enter(high), run, importance)
    arrays = _ARRAYS[mode](samples, counts)
    test_points = test_distances = None
    if known.exact and counts.test:
        test_points, test_distances = samples.test(counts.test)
        if mode == "sal":
            test_distances = np.abs(test_distances)
    facts: dict[str, Any] = {
        "kind": shape.kind,
        "signed": known.signed,
        "exact": known.exact,
        "importance": importance,
        "seed": run.seed,
        "said": list(known.said),
    }
    return Dataset(mode, frame, low, high, arrays, test_points, test_distances, known, facts)


def _signed(samples: Samples, counts: Counts) -> dict[str, Float64]:
    on, normals = samples.on(counts.train)
    inside, outside = samples.sides(counts.sides)
    return _with_normals({"on": on, "inside": inside, "outside": outside}, normals)


def _unsigned(samples: Samples, counts: Counts) -> dict[str, Float64]:
    shares = (0.5, 0.35, 0.15) if samples.importance else (0.0, 0.5, 0.5)
    return {"on": samples.on(counts.train)[0], "outside": samples.drawn(counts.train, shares, samples.FAR)}


def _dist(samples: Samples, counts: Counts) -> dict[str, Float64]:
    points, distances = _labelled(samples, counts.train)
    on = samples.on(max(counts.train // 10, 1))[0]
    return {
        "points": np.concatenate([points, on]),
        "distances": np.concatenate([distances, np.zeros(len(on))]),
    }


def _sal(samples: Samples, counts: Counts) -> dict[str, Float64]:
    on, normals = samples.on(counts.train)
    points, distances = _labelled(samples, counts.train)
    return _with_normals({"on": on, "points": points, "distances": np.abs(distances)}, normals)


_ARRAYS = {"signed": _signed, "unsigned": _unsigned, "dist": _dist, "sal": _sal}


def _labelled(samples: Samples, count: int) -> tuple[Float64, Float64]:
    """Points and their distances; a tenth of them far away."""
    points = samples.drawn(count, (0.5, 0.4, 0.1) if samples.importance else (0.0, 0.9, 0.1), samples.VERY_FAR)
    return points, samples.distances(points)


def _with_normals(arrays: dict[str, Float64], normals: Float64 | None) -> dict[str, Float64]:
    return arrays if normals is None else arrays | {"normals": normals}


def _distinct(cloud: Shape, run: Run) -> tuple[Float64, Float64 | None]:
    """Points and normals of a cloud, each place once. Raises ``MeshError`` where they cannot mean a surface."""
    _, first = np.unique(np.round(cloud.points / SAME), axis=0, return_index=True)
    first = np.sort(first)
    points = cloud.points[first]
    least = LEAST[cloud.dimension]
    if len(points) < least:
        raise MeshError(
            f"the shape: its cloud has {counted(len(points), 'distinct point', 'distinct points')}; a surface takes "
            f"{least} at least; choose a denser cloud, or read the points as a polyline"
        )
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if extents[1] <= THIN * extents[0]:
        raise MeshError("the shape: all its points lie on a line, so there is no surface; choose another cloud")
    if cloud.dimension == 3 and extents[2] <= THIN * extents[0]:
        raise MeshError(
            "the shape: all its points lie on a plane, so there is no inside; choose another cloud, or give x and y "
            "alone for a curve"
        )
    apart = cKDTree(points).query(points, k=2)[0][:, 1]
    stray = int((apart > max(STRAY, 10.0 * float(np.median(apart)))).sum())
    if 0 < stray <= len(points) // 100:
        run.warn(
            f"{counted(stray, 'point lies', 'points lie')} far from all others; "
            f"remove {'it if it is' if stray == 1 else 'them if they are'} no part of the surface"
        )
    return points, None if cloud.normals is None else cloud.normals[first]
