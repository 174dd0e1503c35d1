"""``single-view reconstruct``: the shape in an image, by the encoder and then by its silhouette."""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import REPORT, Kind, check_output, output_folder
from backend.commands.parser import Parser, seconds
from backend.commands.progress import Progress
from backend.commands.single_view.models import add_model, model_at

SHAPE = Kind(REPORT, re.compile(r"((surface|raw)\.ply|camera\.json|comparison\.png|report\.json)\Z"), "single view")
CAMERA_HELP = (
    "camera that the image was made by, JSON as refine --help says, of the shape with the middle of its box at the "
    "origin and the diagonal of that box 1 long; default: it is found"
)


def add_arguments(parser: Parser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("image", type=Path, metavar="IMAGE", help="the shape alone, what is around it transparent (PNG)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the result; an earlier one is replaced")
    add("--camera", type=Path, metavar="FILE", help=CAMERA_HELP)
    add("--no-refine", action="store_true", help="leave the shape as the encoder tells it")
    add("--seconds", type=seconds, metavar="S", help="time until the refinement ends; default: when its steps are done")
    add("--force", action="store_true", help="put it into a folder that holds other files, too")


def run(arguments: argparse.Namespace) -> int:
    from backend.evaluation.report import write_report
    from backend.geometry.io import write_ply
    from backend.pipeline import versions
    from backend.rendering.camera_file import read_camera, write_camera
    from backend.single_view.layout import read_image
    from backend.single_view.picture import write_comparison
    from backend.single_view.reconstruct import reconstruct
    from backend.training.run import Cancelled, Run
    from protocol.mesh import MeshData

    reads = [arguments.image, *([arguments.camera] if arguments.camera else [])]
    check_output(arguments.out, arguments.force, reads, SHAPE)
    started, cpu = time.monotonic(), time.process_time()
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        image = read_image(arguments.image)
        camera = None if arguments.camera is None else read_camera(arguments.camera)
        model = model_at(arguments)
        work = Run(
            model.device,
            arguments.seed,
            arguments.seconds,
            on_progress=progress,
            cancelled=lambda: interrupt.asked,
        )
        try:
            with output_folder(arguments.out, arguments.force, SHAPE) as folder:
                found = reconstruct(
                    model, image, work, resolution=arguments.resolution, refine=not arguments.no_refine, camera=camera
                )
                write_ply(folder / "surface.ply", MeshData.from_triangles(found.positions, found.triangles))
                if not arguments.no_refine:
                    write_ply(folder / "raw.ply", MeshData.from_triangles(*found.raw))
                write_camera(folder / "camera.json", found.camera)
                write_comparison(folder / "comparison.png", image, found)
                report: dict[str, Any] = {
                    "result": SHAPE.result,
                    "versions": versions(),
                    "model": str(arguments.model),
                    "image": str(arguments.image),
                    **found.report,
                    "vertices": len(found.positions),
                    "faces": len(found.triangles),
                    "seconds": time.monotonic() - started,
                    "cpu_seconds": time.process_time() - cpu,
                    "device": str(model.device),
                }
                write_report(folder / REPORT, report)
                interrupt.next_part()  # from here on all of it is put in place
        except Cancelled:
            raise KeyboardInterrupt from None
    before, after = found.report["iou_before"], found.report["iou"]
    change = f", from {before:.3f} before the refinement" if not arguments.no_refine else ""
    sys.stdout.writelines(f"warning: {warning}\n" for warning in found.report["warnings"])
    sys.stdout.write(f"silhouettes agree to an IoU of {after:.3f}{change}: {arguments.out}\n")
    return 0
