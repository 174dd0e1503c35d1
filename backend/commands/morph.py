"""``morph``: a pair of meshes in, a folder with frames, picture, report and trained morph out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.naming import naming_files
from backend.commands.output import check_output, output_folder
from backend.commands.parser import CommandError, Parser
from backend.commands.prepared import add_data_options, prepared_pair
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from backend.commands.result import Job, ResultFolder
    from backend.methods.method import Morph
    from protocol.messages import MorphRequest


def add_arguments(parser: Parser) -> None:
    from backend.commands.job import (
        DEFAULTS,
        GLTF_HELP,
        TIMELINE_DEFAULTS,
        add_job_options,
        add_timeline_options,
        read_config,
    )

    add = parser.add_argument
    add("source", nargs="?", type=Path, metavar="SOURCE", help="mesh to start from (OBJ, PLY, OFF, STL, glTF)")
    add("target", nargs="?", type=Path, metavar="TARGET", help="mesh to end at")
    add_data_options(parser)
    add("--out", type=Path, metavar="DIR", help="folder for the result; an earlier result in it is replaced")
    add("--force", action="store_true", help="put the result into a folder that holds other files, too")
    add("--gltf", action="store_true", help=GLTF_HELP)
    add_job_options(parser)
    add_timeline_options(parser)
    add("--config", type=Path, metavar="FILE", help="TOML file with these options and a table [settings]")
    add("--connect", type=Path, metavar="FILE", help="run at the backend of this connection file, with the same result")
    add("--list-settings", action="store_true", help="tell the methods, presets and settings, and do nothing else")
    parser.set_defaults(**DEFAULTS, **TIMELINE_DEFAULTS)
    parser.config = read_config


def run(arguments: argparse.Namespace) -> int:
    if arguments.list_settings:
        return _list_settings()
    if pair := prepared_pair(arguments):
        arguments.source, arguments.target = pair.source, pair.target
        if arguments.correspondence == "auto":
            arguments.correspondence = "vertex-order" if pair.table is None else str(pair.table)
    if arguments.source is None or arguments.target is None or arguments.out is None:
        raise CommandError("morph needs SOURCE, TARGET and --out DIR (see tweenfield morph --help)")
    given = [arguments.source, arguments.target, *arguments.carry, *arguments.through]
    given += [arguments.landmarks] if arguments.landmarks is not None else []
    check_output(arguments.out, arguments.force, given)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        with naming_files(_files(arguments)):
            report = (_at_backend if arguments.connect else _here)(arguments, progress, interrupt)
        interrupted = report["interrupted"] or interrupt.asked
    sys.stdout.write(summary(arguments.out, report))
    return 130 if interrupted else 0


def _files(arguments: argparse.Namespace) -> dict[str, Path]:
    """The mesh files by the roles that faults are told of."""
    stops = {f"stop {number}": path for number, path in enumerate(arguments.through, 1)}
    return {"source": arguments.source, "target": arguments.target, **stops}


def _here(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    from backend.commands.job import request_of
    from backend.commands.local_job import bake_here, train_here
    from backend.commands.result import finish
    from backend.methods.registry import specs

    request = request_of(arguments, specs())
    with output_folder(arguments.out, arguments.force) as folder:
        morph, report = train_here(request, folder, progress, interrupt)
        stopped = "training" if interrupt.next_part() else None
        result = _result(arguments, request, folder)
        if not bake_here(morph, request.timeline, request.carry, result, progress, interrupt):
            stopped = "baking"
        interrupt.next_part()
        report = _named(arguments, report)
        if arguments.gltf:
            report = result.with_gltf(report)
        return finish(result, _job(request, report, stopped, morph), report, progress, interrupt)


def _at_backend(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    from backend.commands.job import request_of
    from backend.commands.remote_job import connect, run_job
    from backend.commands.result import finish
    from protocol.endpoint import read_connection_file

    client = connect(read_connection_file(arguments.connect))
    try:
        assert client.welcome is not None
        request = request_of(arguments, client.welcome.methods)
        with output_folder(arguments.out, arguments.force) as folder:
            result = _result(arguments, request, folder)
            outcome = run_job(client, request, result, progress, interrupt)
            (folder / "morph.safetensors").write_bytes(outcome.morph)
            morph = _restored(outcome.morph, outcome.report)
            job = _job(request, outcome.report, outcome.report.get("interrupted"), morph)
            report = _named(arguments, outcome.report)
            if arguments.gltf:
                report = result.with_gltf(report)
            return finish(result, job, report, progress, interrupt)
    finally:
        client.close()


def _result(arguments: argparse.Namespace, request: MorphRequest, folder: Path) -> ResultFolder:
    from backend.commands.result import ResultFolder, carry_names

    return ResultFolder(folder, request.timeline.frames, carry_names(arguments.carry), keep_all=arguments.gltf)


def _restored(data: bytes, report: dict[str, Any]) -> Morph | None:
    """The morph that a backend trained, where it is needed here and its method is known here."""
    if not _is_carried(report):
        return None
    from backend.checkpoint import morph_from_bytes
    from backend.device import configure
    from protocol.settings import SettingError

    configure()
    try:
        return morph_from_bytes(data)[0]
    except SettingError:
        return None


def _job(request: MorphRequest, report: dict[str, Any], stopped: str | None, morph: Morph | None) -> Job:
    from backend.commands.result import Job, vertex_order

    in_order = report.get("correspondence") == "vertex-order" and "matching" not in report
    pairs = vertex_order(request.source) if in_order else request.pairs
    carrying = morph if _is_carried(report) else None
    return Job(request.source, request.target, pairs, request.timeline, stopped, carrying)


def _is_carried(report: dict[str, Any]) -> bool:
    """Whether frames with faces of their own can be compared with the source, carried along by a known match."""
    return report.get("topology") == "remesh" and report.get("correspondence") is not None


def _named(arguments: argparse.Namespace, report: dict[str, Any]) -> dict[str, Any]:
    """The report with the files it is about."""
    files = {
        "source": str(arguments.source),
        "target": str(arguments.target),
        "carry": [str(path) for path in arguments.carry],
        "through": [str(path) for path in arguments.through],
        "table": str(arguments.correspondence) if report.get("correspondence") == "table" else None,
        "landmarks": None if arguments.landmarks is None else str(arguments.landmarks),
    }
    return {"files": files, **report}


def _list_settings() -> int:
    from backend.commands.settings_list import settings_text
    from backend.methods.registry import specs

    sys.stdout.write(settings_text(specs()))
    return 0


def summary(out: Path, report: dict[str, Any]) -> str:
    """What a person wants to know of a finished job."""
    lines = [f"warning: {warning}" for warning in report["warnings"]]
    lines += [f"match: {sentence}" for sentence in report.get("said", ())]
    if report["interrupted"]:
        lines.append(f"stopped while {report['interrupted']}; what was done is kept")
    seconds = sum(phase["seconds"] for phase in report["phases"].values())
    lines.append(f"{report['frames']} frames by {report['method']} in {seconds:.1f} s: {out}")
    if report.get("topology") == "remesh":
        lines.append(f"every frame has faces of its own: {report['topology_reason']}")
    endpoints = (report["metrics"] or {}).get("endpoints")
    if endpoints:
        above = max(endpoints["t1"]["chamfer"] - endpoints["t1"]["floor_chamfer"], 0.0)
        above *= report["metrics"]["diag"] / report["metrics"]["target_diag"]
        lines.append(f"the last frame lies {above:.2%} of the target's size off the target's surface")
    return "\n".join(lines) + "\n"
