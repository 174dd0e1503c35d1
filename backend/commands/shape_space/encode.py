"""``shape-space encode``: the place of an unseen shape in a space, and the surface there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.commands.parser import CommandError, Parser
from backend.commands.shape_space.places import add_model, add_output, encoded, surface_at
from backend.commands.shape_space.reports import at_work
from backend.commands.shape_space.shapes import shape_of


def add_arguments(parser: Parser) -> None:
    add_model(parser)
    parser.add_argument("scan", type=Path, metavar="SCAN", help="a mesh or point cloud, lying as the trained ones do")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from backend.geometry.io import write_ply
    from backend.surfaces.space.errors import errors_of
    from backend.surfaces.space.samples import NamedShape
    from protocol.mesh import MeshData

    with at_work(arguments, [arguments.scan]) as task:
        named = NamedShape(str(arguments.scan), shape_of(arguments.scan))
        place = encoded(named, task.space, task.work)
        surface = surface_at(task.space, place.code, arguments.resolution, task.work)
        if not len(surface[1]):
            raise CommandError(
                f"{arguments.scan}: the space has no surface where it fits best; check that the scan lies as the "
                "trained shapes do, and train the space longer"
            )
        with task.work.phase("measuring"):
            errors = errors_of(surface, named.shape)
        np.save(task.folder / "code.npy", place.code.astype(np.float32))
        (task.folder / "field.safetensors").write_bytes(task.space.field(place.code).to_bytes())
        write_ply(task.folder / "surface.ply", MeshData.from_triangles(*surface))
        task.report = {
            **place.told,
            "from_scan_percent": errors.from_shape,
            "to_scan_percent": errors.to_shape,
            "chamfer_percent": errors.chamfer,
        }
    what = "from the scan to the surface" if errors.to_shape is None else "both ways"
    sys.stdout.write(f"encoded, mean distance {what} {errors.chamfer:.3g} % of the diagonal: {arguments.out}\n")
    return 0
