"""``evaluate``: every number that is reported of a finished morph. Lengths are shares of the source's diagonal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry import metrics
from backend.geometry.arrays import Float64, Int64, Integers, Reals
from backend.geometry.edges import edges_of
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import areas, diagonal, signed_volume
from protocol.mesh import MeshData

LARGE = 200_000  # faces; above, distortion is measured in the middle and last frame, intersections not at all


@dataclass(frozen=True, eq=False)
class _Shape:
    """Positions relative to the source's origin, and triangles."""

    positions: Float64  # [V, 3]
    triangles: Int64  # [T, 3]

    @staticmethod
    def of(mesh: MeshData, origin: Float64) -> _Shape:
        positions = mesh.scale * mesh.vertices.astype(np.float64) + (mesh.origin - origin)
        return _Shape(positions, mesh.triangles().astype(np.int64))

    def same_faces(self, other: _Shape) -> bool:
        return len(self.positions) == len(other.positions) and np.array_equal(self.triangles, other.triangles)


@dataclass(eq=False)
class _Job:
    """What the parts of an evaluation share."""

    frames: list[_Shape]
    source: _Shape
    target: _Shape
    times: Float64  # [T]
    samples: int
    rng: np.random.Generator
    diagonal: float
    fixed: bool = field(init=False)
    faces_are_source: bool = field(init=False)

    def __post_init__(self) -> None:
        self.fixed = all(frame.same_faces(self.frames[0]) for frame in self.frames)
        self.faces_are_source = self.fixed and self.frames[0].same_faces(self.source)

    def sample(self, shape: _Shape) -> Float64:
        """Surface points [N, 3] in diagonals."""
        return sample_surface(shape.positions, shape.triangles, self.samples, self.rng)[0] / self.diagonal


def evaluate(
    frames: Sequence[MeshData],
    source: MeshData,
    target: MeshData,
    table: Integers | None = None,  # [K, 2] source and target vertex
    inbetween: Reals | None = None,  # [Y, V, 3] true positions on the source's faces, both ends included, object space
    inbetween_times: Sequence[float] | None = None,  # [Y]; uniform when not given
    *,
    times: Sequence[float] | None = None,  # [T] of the frames; uniform when not given
    carried: Iterable[Reals] | None = None,  # [T] times [V, 3]: the source's vertices as the morph carries them
    samples: int = 50_000,
    seed: int = 0,
    intersections: bool = True,
    per_frame: bool = False,
) -> dict[str, Any]:
    """Scores ``frames`` (in order, both ends included) of a morph; plain types only.

    endpoints.t0, .t1   first frame against source, last against target: chamfer, hd95, hd_max of samples uniform by
                        area, and floor_*: what two samplings of the reference itself score
    area_ratio_*        total area over the even change from first to last: standard deviation, largest deviation
    volume_ratio_*      the same of the volume, where all frames are closed
    topology            closed, components and genus of every frame, where the faces change; and area, of every frame
                        in areas of the source
    carried             with the source as it is carried: chamfer and area of every frame against it
    fixed               same faces in every frame: conformal, area, arap, flipped against the source (the first frame
                        when the faces are not the source's), evenness of the steps, and with a table corr_error_*
    inbetween           with true frames: chamfer, hausdorff, and with the source's vertices vertex_* and p_rmse
    papers              the figures that papers print, lengths in units in which the source has unit area
    """
    started = time.monotonic()
    shapes = [_Shape.of(frame, source.origin) for frame in frames]
    start, end = _Shape.of(source, source.origin), _Shape.of(target, source.origin)
    moments = np.linspace(0.0, 1.0, len(shapes)) if times is None else np.asarray(times, np.float64)
    size = diagonal(start.positions, start.triangles)
    job = _Job(shapes, start, end, moments, samples, np.random.default_rng(seed), size)
    bad = [k for k, s in enumerate(shapes) if not len(s.triangles) or not np.isfinite(s.positions).all()]
    result: dict[str, Any] = {
        "n_frames": len(shapes),
        "samples": samples,
        "diag": size,
        "target_diag": diagonal(end.positions, end.triangles),
        "bad_frames": bad,
    }
    if bad or not shapes:
        return result
    result["endpoints"] = {"t0": _endpoint(job, shapes[0], start), "t1": _endpoint(job, shapes[-1], end)}
    result["fixed_topology"] = job.fixed
    result["faces_are_source"] = job.faces_are_source
    result |= _sizes(job)
    if carried is not None:
        result["carried"] = _against_carried(job, carried, source.origin)
    if intersections and max(len(s.triangles) for s in shapes) <= LARGE:
        result["self_intersecting_faces"] = _intersections(job, per_frame)
    if job.fixed:
        result["fixed"] = _distortion(job, per_frame) | _steps(job)
        if table is not None and len(table):
            result["fixed"] |= _table_errors(job, np.asarray(table, np.int64))
    if inbetween is not None:
        truth = np.asarray(inbetween, np.float64) - source.origin
        moments = np.linspace(0, 1, len(truth)) if inbetween_times is None else np.asarray(inbetween_times, np.float64)
        result["inbetween"] = _inbetween(job, truth, moments)
    result["papers"] = _papers(job, result)
    result["seconds"] = round(time.monotonic() - started, 2)
    return result


def _endpoint(job: _Job, frame: _Shape, reference: _Shape) -> dict[str, float]:
    there = job.sample(reference)
    found = asdict(metrics.surface_distances(job.sample(frame), there))
    floor = asdict(metrics.surface_distances(job.sample(reference), there))
    return found | {f"floor_{name}": value for name, value in floor.items()}


def _sizes(job: _Job) -> dict[str, Any]:
    """Area and volume over time, and the topology where it changes."""
    total = np.array([areas(s.positions, s.triangles).sum() for s in job.frames])
    area = metrics.drift(total, job.times)
    result: dict[str, Any] = {
        "area_ratio_std": area.std,
        "area_ratio_max_dev": area.max_dev,
        "sa_sigma": metrics.sa_sigma(total),
    }
    different = job.frames[:1] if job.fixed else job.frames
    if all(edges_of(s.triangles).closed for s in different):
        volumes = np.array([signed_volume(s.positions, s.triangles) for s in job.frames])
        volume = metrics.drift(volumes, job.times)
        result |= {"volume_ratio_std": volume.std, "volume_ratio_max_dev": volume.max_dev}
    if not job.fixed:
        result["topology"] = [metrics.topology(len(s.positions), s.triangles) for s in job.frames]
        result["area"] = (total / areas(job.source.positions, job.source.triangles).sum()).tolist()
    return result


def _against_carried(job: _Job, carried: Iterable[Reals], origin: Float64) -> dict[str, Any]:
    """Every frame against the source's own faces, carried to its time."""
    chamfer, floor, area = [], [], []
    for frame, positions in zip(job.frames, carried, strict=True):
        there = _Shape(np.asarray(positions, np.float64) - origin, job.source.triangles)
        found = _endpoint(job, frame, there)
        chamfer.append(found["chamfer"])
        floor.append(found["floor_chamfer"])
        wanted = areas(there.positions, there.triangles).sum()
        area.append(float(areas(frame.positions, frame.triangles).sum() / wanted))
    return {
        "chamfer": chamfer,
        "floor_chamfer": floor,
        "largest_above_floor": max(max(c - f, 0.0) for c, f in zip(chamfer, floor, strict=True)),
        "area_ratio": area,
    }


def _intersections(job: _Job, per_frame: bool) -> dict[str, Any]:
    unit = 2.0 ** np.floor(np.log2(job.diagonal))  # a power of two keeps the exact predicates exact
    counts = [metrics.self_intersecting_faces(s.positions / unit, s.triangles) for s in job.frames]
    found: dict[str, Any] = {
        "mean": float(np.mean(counts)),
        "max": max(counts),
        "first": counts[0],
        "last": counts[-1],
    }
    return found | ({"per_frame": counts} if per_frame else {})


def _distortion(job: _Job, per_frame: bool) -> dict[str, Any]:
    reference = job.source if job.faces_are_source else job.frames[0]
    meter = metrics.DistortionMeter(reference.positions, reference.triangles, job.diagonal)
    chosen = list(range(len(job.frames)))
    if len(reference.triangles) > LARGE:
        chosen = sorted({len(job.frames) // 2, len(job.frames) - 1})
    rows = [asdict(meter.measure(job.frames[k].positions)) for k in chosen]
    result: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        result[name] = {"mean": float(np.mean(values)), "max": float(max(values)), "last": float(values[-1])}
        if per_frame:
            result[name]["per_frame"] = values
    if len(chosen) < len(job.frames):
        result["measured_frames"] = chosen
    return result


def _steps(job: _Job) -> dict[str, float | None]:
    """Evenness (standard deviation over mean) and sum of the mean vertex steps."""
    pairs = zip(job.frames[:-1], job.frames[1:], strict=True)
    steps = np.array([np.linalg.norm(b.positions - a.positions, axis=1).mean() for a, b in pairs])
    still = not len(steps) or steps.mean() <= 0.0
    return {
        "step_cv": None if still else float(steps.std() / steps.mean()),
        "path_length": float(steps.sum() / job.diagonal),
    }


def _table_errors(job: _Job, table: Int64) -> dict[str, Any]:
    """Distances to the places that the table names, at both ends."""
    first, last = job.frames[0].positions, job.frames[-1].positions
    wanted_first, wanted_last = job.source.positions[table[:, 0]], job.target.positions[table[:, 1]]
    vertex = table[:, 0] if job.faces_are_source else cKDTree(first).query(wanted_first)[1]
    error_first = np.linalg.norm(first[vertex] - wanted_first, axis=1) / job.diagonal
    error_last = np.linalg.norm(last[vertex] - wanted_last, axis=1) / job.diagonal
    return {
        "corr_error_t0": float(error_first.mean()),
        "corr_error_t1": {
            "mean": float(error_last.mean()),
            "median": float(np.median(error_last)),
            "p95": float(np.quantile(error_last, 0.95)),
        },
    }


def _at(job: _Job, t: float) -> tuple[_Shape, float]:
    """The morph at time ``t`` and how far in time that is off: blended where topology is fixed, else the nearest."""
    after = int(np.clip(np.searchsorted(job.times, t - 1e-12), 1, max(len(job.times) - 1, 1)))
    if len(job.frames) == 1:
        return job.frames[0], abs(float(job.times[0]) - t)
    before = after - 1
    if not job.fixed:
        nearest = int(np.argmin(np.abs(job.times - t)))
        return job.frames[nearest], abs(float(job.times[nearest]) - t)
    share = (t - job.times[before]) / (job.times[after] - job.times[before])
    a, b = job.frames[before].positions, job.frames[after].positions
    return _Shape((1 - share) * a + share * b, job.frames[0].triangles), 0.0


def _inbetween(job: _Job, truth: Float64, times: Float64) -> dict[str, Any]:
    chamfer, hausdorff, offsets, mean_errors, largest, found = [], [], [], [], [], []
    for positions, t in zip(truth, times, strict=True):
        shape, offset = _at(job, float(t))
        there = _Shape(positions, job.source.triangles)
        gap = metrics.surface_distances(job.sample(shape), job.sample(there))
        chamfer.append(gap.chamfer)
        hausdorff.append(gap.hd_max)
        offsets.append(offset)
        if job.fixed and len(shape.positions) == len(positions):
            error = np.linalg.norm(shape.positions - positions, axis=1) / job.diagonal
            mean_errors.append(float(error.mean()))
            largest.append(float(error.max()))
            found.append(shape.positions)
    inside = slice(1, -1)
    result: dict[str, Any] = {
        "chamfer_mean": _mean(chamfer[inside]),
        "chamfer_max": max(chamfer[inside], default=math.nan),
        "chamfer": chamfer,
        "hausdorff_mean": _mean(hausdorff[inside]),
        "hausdorff": hausdorff,
        "largest_t_offset": float(max(offsets)),
    }
    if len(mean_errors) == len(truth):
        result |= {
            "vertex_mean": _mean(mean_errors[inside]),
            "vertex_worst_frame_mean": max(mean_errors[inside], default=math.nan),
            "vertex_max": max(largest[inside], default=math.nan),
            "vertex_error": mean_errors,
            "p_rmse": metrics.p_rmse(np.array(found[inside]), truth[inside]) / job.diagonal if found[inside] else None,
        }
    return result


def _papers(job: _Job, result: dict[str, Any]) -> dict[str, float | None]:
    """What the tables of 4Deform (CVPR 2025) show, and the conformal distortion; None where it cannot be measured.

    Its preparation scales shapes to unit area; the text does not define CD and HD, which are here the mean of both
    mean nearest distances, not squared, and the largest. Without true frames they are those of the last frame.
    """
    unit = job.diagonal / float(np.sqrt(areas(job.source.positions, job.source.triangles).sum()))
    truth, last = result.get("inbetween"), result["endpoints"]["t1"]
    p_rmse = truth.get("p_rmse") if truth else None
    return {
        "cd": unit * (truth["chamfer_mean"] if truth else last["chamfer"]),
        "hd": unit * (truth["hausdorff_mean"] if truth else last["hd_max"]),
        "sa_sigma": result["sa_sigma"],
        "p_rmse": None if p_rmse is None else unit * p_rmse,
        "conformal": result["fixed"]["conformal"]["mean"] if job.fixed else None,
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan
