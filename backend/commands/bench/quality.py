"""Quality of a pair: ``morph`` runs as a process of its own with a time budget, and its frames are measured."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.commands.bench.pairs import BenchPair
from backend.commands.bench.process import Refused, run_morph
from backend.commands.bench.table import above_floor, markdown_table, number
from backend.correspondence.table import read_table
from backend.evaluation.evaluate import evaluate
from backend.geometry.io import read_mesh
from protocol.mesh import MeshData

FRAMES: Final = 17  # of pairs without truth
# Sang et al.'s own code after 60 s of training on two cores: matching error, area deviation, in-between error.
AUTHORS: Final = {"fox_run": (0.0023, 0.0102, 0.0292), "elephant_turn": (0.0180, 0.0152, 0.0606)}
HEADINGS: Final = (
    "pair", "matching error raw", "final", "authors'", "Chamfer above floor", "HD95 above floor", "area deviation",
    "of the truth", "authors'", "in-between error", "over linear", "authors'", "flipped faces", "more than truth",
    "seconds", "CPU seconds", "peak MB",
)  # fmt: skip


@dataclass(frozen=True)
class PairResult:
    """What was measured of one pair. Metrics are those of ``evaluate``; ``truth`` are those of the true sequence."""

    name: str
    report: dict[str, Any]
    metrics: dict[str, Any]
    truth: dict[str, Any] | None
    linear_error: float | None  # in-between vertex error of straight lines, in source diagonals
    faces: int
    refused: str = ""  # why there is nothing: the method needs what the pair does not have


def measure_pair(pair: BenchPair, seconds: float) -> PairResult:
    """Morphs a pair with a budget of ``seconds``, default method and preset, and measures the frames."""
    source, target = read_mesh(pair.source), read_mesh(pair.target)
    truth = np.load(pair.truth) if pair.truth else None
    table = read_table(pair.table, source.n_vertices)[0] if pair.table else None
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as folder:
        frame_count = FRAMES if truth is None else len(truth)
        options = ["--seconds", str(seconds), "--frames", str(frame_count)]
        done = run_morph(pair, Path(folder) / "out", options)
    if isinstance(done, Refused):
        return PairResult(pair.name, {}, {}, None, None, source.n_faces, done.why)
    report, frames = done.report, done.frames
    metrics = evaluate(frames, source, target, table, truth, intersections=False)
    if truth is None:
        return PairResult(pair.name, report, metrics, None, None, source.n_faces)
    return PairResult(
        pair.name, report, metrics, *_truth(source, target, truth.astype(np.float64)), len(source.triangles())
    )


def _truth(source: MeshData, target: MeshData, truth: np.ndarray[Any, Any]) -> tuple[dict[str, Any], float]:
    """The metrics of the true sequence, and the in-between error of straight lines between its ends."""
    meshes = [source.with_positions(positions) for positions in truth]
    found = evaluate(meshes, source, target, intersections=False, samples=1000)
    share = np.linspace(0.0, 1.0, len(truth))[1:-1, None, None]
    straight = (1 - share) * truth[0] + share * truth[-1]
    return found, float(np.linalg.norm(straight - truth[1:-1], axis=2).mean() / found["diag"])


def quality_table(results: list[PairResult], seconds: float) -> str:
    """The section of the document."""
    measured = [result for result in results if not result.refused]
    text = [
        f"## Quality after {seconds:g} s",
        "",
        "Preparation and training together take the time given; default method and preset. Lengths are shares of the "
        "source's diagonal. Matching error: mean distance at t = 1 to where the table says, before (raw) and after the "
        "end correction. Area deviation: standard deviation over the frames of the total area over its even change. "
        "In-between error: mean vertex distance to the true sequence, also as a multiple of that of straight lines. "
        "Flipped faces: the largest share in a frame. Authors': Sang et al.'s code, 60 s on two cores. Frames with "
        "faces of their own have no vertices to compare.",
        "",
        markdown_table(HEADINGS, [_row(result) for result in measured]),
    ]
    ratios = [ratio for result in measured if (ratio := _over_linear(result)) is not None]
    if ratios:
        mean = float(np.exp(np.mean(np.log(ratios))))
        text += ["", f"In-between error over linear, geometric mean: {number(mean)}; the worst: {number(max(ratios))}."]
    text += ["" for result in results if result.refused][:1]
    text += [f"{result.name} is not measured: {result.refused}" for result in results if result.refused]
    return "\n".join(text)


def _over_linear(result: PairResult) -> float | None:
    error: float | None = result.metrics.get("inbetween", {}).get("vertex_mean")
    return None if error is None or not result.linear_error else error / result.linear_error


def _row(result: PairResult) -> list[str]:
    metrics, report, truth = result.metrics, result.report, result.truth
    fixed, end = metrics.get("fixed", {}), metrics["endpoints"]["t1"]
    authors = AUTHORS.get(result.name, (None, None, None))
    flipped = fixed["flipped"]["max"] / result.faces if fixed else None
    flipped_truth = truth["fixed"]["flipped"]["max"] / result.faces if truth else None
    return [
        result.name,
        number(report.get("raw_flow_corr_error_t1")),
        number(fixed.get("corr_error_t1", {}).get("mean")),
        number(authors[0]),
        number(above_floor(end)),
        number(above_floor(end, "hd95")),
        number(metrics["area_ratio_std"]),
        number(truth["area_ratio_std"] if truth else None),
        number(authors[1]),
        number(metrics.get("inbetween", {}).get("vertex_mean")),
        number(_over_linear(result)),
        number(authors[2]),
        "" if flipped is None else f"{flipped:.2%}",
        "" if flipped is None or flipped_truth is None else f"{max(flipped - flipped_truth, 0.0):.2%}",
        f"{report['seconds']:.1f}",
        f"{report['cpu_seconds']:.1f}",
        f"{report['peak_memory_bytes'] / 1e6:.0f}",
    ]
