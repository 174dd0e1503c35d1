"""``bake``: any number of frames from a trained morph, without training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import check_output, output_folder
from backend.commands.parser import Parser
from backend.commands.progress import Progress
from backend.commands.trained import HELP, morph_file, read_morph


def add_arguments(parser: Parser) -> None:
    from backend.commands.job import GLTF_HELP, TIMELINE_DEFAULTS, add_timeline_options

    parser.add_argument("morph", type=Path, metavar="MORPH", help=HELP)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the result")
    parser.add_argument("--force", action="store_true", help="put the result into a folder that holds other files, too")
    parser.add_argument("--gltf", action="store_true", help=GLTF_HELP)
    add_timeline_options(parser)
    parser.set_defaults(**TIMELINE_DEFAULTS)


def run(arguments: argparse.Namespace) -> int:
    arguments.morph = morph_file(arguments.morph)
    check_output(arguments.out, arguments.force, [arguments.morph, *arguments.carry])
    with Progress() as progress, Interrupt(progress.note) as interrupt:
        progress("starting")
        complete = _bake(arguments, progress, interrupt)
    sys.stdout.write(f"{complete['frames']} frames: {arguments.out}\n")
    return 130 if complete["interrupted"] else 0


def _bake(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    from backend.commands.job import timeline_of
    from backend.commands.local_job import bake_here
    from backend.commands.result import ResultFolder, carry_names, complete_report
    from backend.device import configure
    from backend.geometry.io import read_mesh
    from backend.pipeline import versions

    configure()
    morph, about = read_morph(arguments.morph)
    timeline = timeline_of(arguments)
    carry = tuple(read_mesh(path) for path in arguments.carry)
    warnings = []
    if morph.time_steps and timeline.frames > 2 * morph.time_steps:
        warnings.append(
            f"{timeline.frames} frames are more than twice the {morph.time_steps} time steps of the training; "
            "motion between the steps is interpolated, so train with more of them for finer motion "
            f"(morph --set time_steps={-(-timeline.frames // 2)})"
        )
        progress.note(f"warning: {warnings[0]}")
    with output_folder(arguments.out, arguments.force) as folder:
        result = ResultFolder(folder, timeline.frames, carry_names(arguments.carry), keep_all=arguments.gltf)
        done = bake_here(morph, timeline, carry, result, progress, interrupt)
        report = {"files": {"morph": str(arguments.morph)}, **about, "versions": versions(), "warnings": warnings}
        if arguments.gltf:
            report = result.with_gltf(report)
        return complete_report(result, timeline, report, None if done else "baking")
