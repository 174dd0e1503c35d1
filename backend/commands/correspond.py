"""``correspond``: which point of the target belongs to each vertex of the source, as arrays and as a picture."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.naming import naming_files
from backend.commands.output import MATCH, REPORT, check_output, output_folder
from backend.commands.parser import CommandError, Parser, choice
from backend.commands.progress import Progress
from protocol.messages import MATCHINGS, NO_MATCH, MatchRequest

if TYPE_CHECKING:
    from backend.mesh_match import MeshMatch
    from backend.training.run import Run

WAYS = ("auto", "vertex-order", *MATCHINGS)


def add_arguments(parser: Parser) -> None:
    from backend.commands.job import LANDMARKS_HELP

    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="mesh to start from (OBJ, PLY, OFF, STL, glTF)")
    add("target", type=Path, metavar="TARGET", help="mesh to end at")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the match; an earlier one is replaced")
    add("--force", action="store_true", help="put the match into a folder that holds other files, too")
    add("--method", type=choice(*WAYS), default="auto", metavar="WAY", help=f"{', '.join(WAYS)}; default auto")
    add("--landmarks", type=Path, metavar="FILE", help=LANDMARKS_HELP)
    add(
        "--model",
        type=Path,
        metavar="MODEL",
        help="for implicit-dense: a file of correspond-train; default the shipped one, of chairs",
    )
    add("--truth", type=Path, metavar="TABLE", help="vertex pairs that are right (.npy, .npz): tell the error to them")
    add("--device", default="auto", metavar="D", help="auto (default), cpu, cuda or mps")


def run(arguments: argparse.Namespace) -> int:
    given = [arguments.source, arguments.target, arguments.landmarks, arguments.model, arguments.truth]
    check_output(arguments.out, arguments.force, [path for path in given if path is not None], MATCH)
    if arguments.model is not None and arguments.method != "implicit-dense":
        raise CommandError("--model belongs to --method implicit-dense; add that, or leave out the model")
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        with naming_files({"source": arguments.source, "target": arguments.target}):
            report = _matched(arguments, progress, interrupt)
    sys.stdout.write(summary(arguments.out, report))
    return 0


def _matched(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    """Finds the match and writes everything of it; the report."""
    from backend.device import choose_device, configure
    from backend.evaluation.map_picture import map_picture
    from backend.mesh_match import match_meshes
    from backend.training.run import Run

    configure()
    request = _request(arguments)
    truth = _truth(arguments.truth, request)
    work = Run(device=choose_device(request.device), on_progress=progress, cancelled=lambda: interrupt.asked)
    with output_folder(arguments.out, arguments.force, MATCH) as folder:
        started = time.monotonic(), time.process_time()
        found = match_meshes(request, work, arguments.model)
        spent = time.monotonic() - started[0], time.process_time() - started[1]
        _write_arrays(folder, found)
        report = _report(arguments, found, work, spent)
        if truth is not None:
            from backend.evaluation.map_accuracy import map_accuracy

            progress("measuring")
            report["truth"] = map_accuracy(truth, found.points, found.confidence, request.target).plain()
        progress("drawing")
        map_picture(
            request.source, request.target, found.points, found.confidence, _caption(report), folder / "map.png"
        )
        from backend.evaluation.report import write_report

        write_report(folder / REPORT, report)
        interrupt.next_part()  # from here on all of it is put in place
    return report


def _write_arrays(folder: Path, found: MeshMatch) -> None:
    """The match with an entry for every vertex of the source; one to be trusted also as a table of those matched."""
    import numpy as np

    vertices = found.vertices.astype(np.int32)
    confidence = np.clip(found.confidence, 0.0, 1.0).astype(np.float32)
    np.save(folder / "map.npy", vertices)
    np.save(folder / "points.npy", found.points.astype(np.float32))
    np.save(folder / "confidence.npy", confidence)
    if found.way == NO_MATCH:
        return
    known = np.flatnonzero((vertices >= 0) & (confidence > 0))
    pairs = np.stack([known, vertices[known]], axis=1).astype(np.int32)
    np.savez(folder / "table.npz", pairs=pairs, weights=confidence[known])


def _request(arguments: argparse.Namespace) -> MatchRequest:
    """Reads the meshes and the landmarks."""
    import numpy as np

    from backend.correspondence.landmark_file import read_landmarks
    from backend.geometry.io import read_mesh
    from protocol.checks import check_match_request
    from protocol.limits import LIMITS, WireError

    source, target = read_mesh(arguments.source), read_mesh(arguments.target)
    landmarks = None
    if arguments.landmarks is not None:
        landmarks = read_landmarks(arguments.landmarks, source, target).astype(np.int32)
    request = MatchRequest(source, target, arguments.method, landmarks, arguments.device.lower())
    try:
        check_match_request(request, LIMITS, "the match")
    except WireError as error:
        raise CommandError(error.message) from error
    return request


def _truth(path: Path | None, request: MatchRequest) -> Any:
    """The pairs [K, 2] of the table, if there is one."""
    import numpy as np

    from backend.correspondence.table import check_pairs, read_table

    if path is None:
        return None
    counts = request.source.n_vertices, request.target.n_vertices
    known = check_pairs(*read_table(path, counts[0]), *counts, str(path))
    return np.stack([known.source, known.target], axis=1)


def _report(arguments: argparse.Namespace, found: MeshMatch, work: Run, spent: tuple[float, float]) -> dict[str, Any]:
    from backend.memory import peak_memory
    from backend.pipeline import versions

    known = found.vertices >= 0
    files = {name: getattr(arguments, name) for name in ("source", "target", "landmarks", "model", "truth")}
    return {
        "result": MATCH.result,
        "versions": versions(),
        "files": {name: None if path is None else str(path) for name, path in files.items()},
        "method": arguments.method,
        "way": found.way,
        "said": list(found.said),
        "facts": {**work.facts, **found.facts},
        "warnings": list(work.warnings),
        "vertices": len(known),
        "without_counterpart": int((~known).sum()),
        "mean_confidence": float(found.confidence.mean()),
        "seconds": spent[0],
        "cpu_seconds": spent[1],
        "peak_memory_bytes": peak_memory(),
        "device": str(work.device),
    }


def _caption(report: dict[str, Any]) -> str:
    """The line below the picture."""
    way = "no match that can be trusted" if report["way"] == NO_MATCH else str(report["way"])
    text = f"{way}, mean confidence {report['mean_confidence']:.2f}; grey: little confidence"
    return text + (", dark: no counterpart" if report["without_counterpart"] else "")


def summary(out: Path, report: dict[str, Any]) -> str:
    """What a person wants to know of a match."""
    lines = [f"warning: {warning}" for warning in report["warnings"]]
    lines += [f"match: {sentence}" for sentence in report["said"]]
    if truth := report.get("truth"):
        lines.append(f"against the truth: {_told(truth)}")
    lost = report["without_counterpart"]
    lost_text = f", {lost} of {report['vertices']} vertices without a counterpart" if lost else ""
    way = "found nothing to be trusted" if report["way"] == NO_MATCH else report["way"]
    confidence = f"mean confidence {report['mean_confidence']:.2f}"
    lines.append(f"{way} in {report['seconds']:.1f} s, {confidence}{lost_text}: {out}")
    return "\n".join(lines) + "\n"


def _told(truth: dict[str, Any]) -> str:
    """The error in words."""
    if truth["mean_geodesic_error_x100"] is None:
        return "no vertex of the table has a counterpart here"
    text = (
        f"mean geodesic error {truth['mean_geodesic_error_x100']:.2f} hundredths of the square root of the area, "
        f"{truth['share_over_0.1']:.1%} of the vertices off by more than ten"
    )
    doubted = truth["of_those_in_lowest_fifth_of_confidence"]
    return text if doubted is None else f"{text} ({doubted:.0%} of these in the lowest fifth of the confidence)"
