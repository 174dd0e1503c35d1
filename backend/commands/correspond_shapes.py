"""``correspond-shapes``: a folder of made shapes of one kind, each with the description that its truth follows from."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from backend import __version__
from backend.commands.output import Kind, check_output, output_folder
from backend.commands.parser import Parser, choice, whole_number
from backend.commands.progress import Progress

MOST = 10_000
COLLECTION = Kind("collection.json", re.compile(r"([a-z]+_\d{4,}\.(ply|json)|collection\.json)\Z"))


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("kind", type=choice("chair", "mug", "table"), metavar="KIND", help="chair, mug or table")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the meshes; earlier ones are replaced")
    add("--count", type=whole_number(1, MOST), default=64, metavar="N", help="number of shapes; default 64")
    add("--first", type=whole_number(0, MOST), default=0, metavar="N", help="number of the first; default 0")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="another seed, other shapes; default 0")
    add("--resolution", type=whole_number(16, 512), default=64, metavar="N", help="cells along a shape; default 64")
    add("--force", action="store_true", help="put them into a folder that holds other files, too")


def run(arguments: argparse.Namespace) -> int:
    from backend.collection.kinds import make
    from backend.geometry.io import write_ply
    from protocol.mesh import MeshData

    check_output(arguments.out, arguments.force, kind=COLLECTION)
    with Progress() as progress, output_folder(arguments.out, arguments.force, COLLECTION) as out:
        for number in range(arguments.first, arguments.first + arguments.count):
            progress("making", number - arguments.first + 1, arguments.count)
            solid = make(arguments.kind, arguments.seed, number)
            positions, triangles = solid.mesh(arguments.resolution)
            name = f"{arguments.kind}_{number:04d}"
            write_ply(out / f"{name}.ply", MeshData.from_triangles(positions, triangles))
            (out / f"{name}.json").write_text(solid.to_json(), encoding="utf-8", newline="\n")
        listing = {
            "versions": {"tweenfield": __version__},
            "kind": arguments.kind,
            "seed": arguments.seed,
            "first": arguments.first,
            "count": arguments.count,
        }
        (out / COLLECTION.marker).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8", newline="\n")
    sys.stdout.write(f"{arguments.count} shapes: {arguments.out}\n")
    return 0
