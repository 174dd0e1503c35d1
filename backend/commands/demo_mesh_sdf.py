"""``demo mesh-sdf``: one shape follows the silhouette of another, holes and all: MeshSDF's demonstration."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import REPORT, Kind, check_output, output_folder
from backend.commands.parser import CommandError, Parser, whole_number
from backend.commands.progress import Progress
from backend.commands.shape_space.shapes import number_of, shape_of

if TYPE_CHECKING:
    from backend.geometry.shape import Shape
    from backend.surfaces.mesh_sdf.descent import Descent
    from backend.surfaces.mesh_sdf.model import DecoderModel
    from backend.training.run import Run
    from protocol.mesh import MeshData

DECODER = "decoder.safetensors"
STRIP = "film_strip.png"
DEMONSTRATION = Kind(
    REPORT, re.compile(r"(step_\d{4,}\.ply|film_strip\.png|decoder\.safetensors|report\.json)\Z"), "mesh-sdf demo"
)


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="mesh to begin with")
    add(
        "target", type=Path, metavar="TARGET", help="mesh whose silhouette is followed; in shape space, nothing else is"
    )
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the result; an earlier one is replaced")
    add("--force", action="store_true", help="put it into a folder that holds other files, too")
    add("--full-grid", action="store_true", help="evaluate the whole grid in every step, not around the last surface")
    add("--model", type=Path, metavar="FILE", help="decoder of deep-sdf train that knows both; default: train one")
    add("--steps", type=whole_number(1, 1_000_000), metavar="N", help="steps of the training instead of its preset's")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="default 0")


def run(arguments: argparse.Namespace) -> int:
    from backend.device import configure
    from backend.training.run import Cancelled, Run

    reads = [arguments.source, arguments.target, *([arguments.model] if arguments.model else [])]
    check_output(arguments.out, arguments.force, reads, DEMONSTRATION)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        configure()
        work = Run(seed=arguments.seed, on_progress=progress, cancelled=lambda: interrupt.asked)
        try:
            with output_folder(arguments.out, arguments.force, DEMONSTRATION) as folder:
                report = _demonstrated(arguments, folder, work)
                interrupt.next_part()
        except Cancelled:
            raise KeyboardInterrupt from None
    sys.stdout.write(_summary(arguments.out, report))
    return 0


def _demonstrated(arguments: argparse.Namespace, folder: Path, work: Run) -> dict[str, Any]:
    from backend.evaluation.report import write_report
    from backend.pipeline import versions
    from backend.surfaces.mesh_sdf.descent import CAMERA, CELLS, STEPS, descend, euler_characteristic, silhouette_of
    from backend.surfaces.mesh_sdf.samples import frame_in_ball
    from protocol.mesh import MeshData

    with work.phase("reading"):
        source, target = shape_of(arguments.source), shape_of(arguments.target)
    for path, shape in ((arguments.source, source), (arguments.target, target)):
        if shape.triangles is None:
            raise CommandError(f"{path}: has no faces; name a mesh")
    assert target.triangles is not None
    camera = CAMERA.camera()
    placed = frame_in_ball(target.used()).enter(target.points), target.triangles
    wanted = silhouette_of(placed, camera)
    model, start, training = _decoder(arguments, source, target, work)
    (folder / DECODER).write_bytes(model.to_bytes())
    found = descend(model, start, wanted, camera, work, full_grid=arguments.full_grid)
    _write_steps(folder, found, MeshData.from_triangles(*placed))
    report = {
        "result": DEMONSTRATION.result,
        "versions": versions(),
        "files": {"source": str(arguments.source), "target": str(arguments.target)},
        "seed": arguments.seed,
        "full_grid": arguments.full_grid,
        "steps": STEPS,
        "cells": CELLS,
        "camera": {"kind": "orbit", **asdict(CAMERA)},
        "target_euler": euler_characteristic(target.triangles),
        "training": training,
        **found.report(),
    }
    write_report(folder / REPORT, report)
    return report


def _decoder(
    arguments: argparse.Namespace, source: Shape, target: Shape, work: Run
) -> tuple[DecoderModel, int, dict[str, Any]]:
    """The decoder, which of its shapes is the source, and what the report says of its training."""
    from backend.surfaces.mesh_sdf.model import DecoderModel, read_decoder
    from backend.surfaces.mesh_sdf.settings import preset
    from backend.surfaces.mesh_sdf.training import every_pair, train_decoder, training_facts
    from backend.surfaces.mesh_sdf.training_data import of_shapes

    if arguments.model is not None:
        try:
            model = read_decoder(arguments.model)
        except OSError as error:
            raise CommandError(
                f"{arguments.model}: cannot be read ({error.strerror}); name the decoder.safetensors in the folder of "
                "deep-sdf train"
            ) from error
        start = number_of(arguments.source.name, model.names, str(arguments.model))
        number_of(arguments.target.name, model.names, str(arguments.model))
        return model, start, {"model": str(arguments.model), **model.facts}
    began, cpu = time.monotonic(), time.process_time()
    with work.phase("sampling"):
        named = [(arguments.source.name, source), (arguments.target.name, target)]
        data = of_shapes(named, arguments.seed, check=work.progress)
    settings = preset("fast", 2, {} if arguments.steps is None else {"steps": arguments.steps})
    model = DecoderModel.begun(settings, data.names, data.frames, seed=arguments.seed)
    between = data.between(settings, every_pair(2), arguments.seed, work.device)
    outcome = train_decoder(model.decoder, data.samples, work, between=between)
    model.decoder.requires_grad_(False)
    spent = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu}
    facts = training_facts(model.decoder, data, outcome) | spent
    return replace(model, facts=facts), 0, dict(facts)


def _write_steps(folder: Path, found: Descent, target: MeshData) -> None:
    """A mesh for every iteration that is kept, and a picture of all of them with the target as the last."""
    from backend.evaluation.contact_sheet import contact_sheet
    from backend.geometry.io import write_ply

    for number, mesh in zip(found.iterations, found.meshes, strict=True):
        write_ply(folder / f"step_{number:04d}.ply", mesh)
    labels = [
        f"step {number}: loss {loss:.2g}, Euler {euler}"
        for number, loss, euler in zip(found.iterations, found.loss, found.euler, strict=True)
    ]
    contact_sheet([*found.meshes, target], [], folder / STRIP, labels=[*labels, "the target"])


def _summary(out: Path, report: dict[str, Any]) -> str:
    loss, euler, most = report["loss"], report["euler"], max(report["components"])
    pieces = "in one piece throughout" if most == 1 else f"in up to {most} pieces"
    return (
        f"{out}: difference of the silhouettes (mean square) {loss[0]:.3g} at first, {loss[-1]:.3g} after "
        f"{report['steps']} steps; Euler characteristic {euler[0]}, then {euler[-1]} (the target's: "
        f"{report['target_euler']}); {pieces}; {report['cpu_seconds']:.0f} s of processor time after training\n"
    )
