"""``single-view dataset``: from a folder of meshes to one of training data, in the published layout."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from backend import __version__
from backend.commands.interrupt import Interrupt
from backend.commands.mesh_folder import mesh_files
from backend.commands.output import Kind, check_output, output_folder
from backend.commands.parser import CommandError, Parser, choice, whole_number
from backend.commands.progress import Progress

LISTING = "dataset.json"
VIEWS = Kind(LISTING, re.compile(r"dataset\.json\Z"), "single view")


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="meshes of one kind, upright and facing one way; sub-folders too")
    add("--out", type=Path, required=True, metavar="DIR", help="new folder for the dataset")
    add("--views", type=whole_number(1, 100), default=16, metavar="N", help="renders of each mesh; default 16")
    add("--side", type=whole_number(16, 1024), default=128, metavar="N", help="pixels of a render; default 128")
    add("--up", type=choice("y", "z"), default="y", metavar="AXIS", help="axis that points upwards: y (default) or z")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="default 0")


def run(arguments: argparse.Namespace) -> int:
    from backend.geometry.io import read_mesh
    from backend.geometry.repair import working_mesh
    from backend.single_view.making import Making, write_instance
    from protocol.mesh import MeshError

    out = arguments.out
    check_output(out, force=True)
    if out.is_dir() and any(out.iterdir()):
        raise CommandError(f"{out}: holds files already; --out names a new folder")
    files = mesh_files(arguments.folder, at_least=1)
    names = _names(arguments.folder, files)
    making = Making(arguments.views, arguments.side, arguments.up, arguments.seed)
    with (
        Progress() as progress,
        Interrupt(progress.note, at_once=True) as interrupt,
        output_folder(out, kind=VIEWS) as folder,
    ):
        for number, (name, path) in enumerate(zip(names, files, strict=True)):
            progress("rendering", number, len(files))
            surface = working_mesh(read_mesh(path), str(path))
            place = folder / arguments.folder.resolve().name
            try:
                write_instance(place, name, surface.positions, surface.triangles, making, number)
            except MeshError as error:
                raise CommandError(f"{path}: {error}") from error
        listing = {
            "result": VIEWS.result,
            "versions": {"tweenfield": __version__},
            "views": making.views,
            "side": making.side,
            "up": making.up,
            "seed": making.seed,
        }
        (folder / LISTING).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8", newline="\n")
        interrupt.next_part()  # from here on all of it is put in place
    sys.stdout.write(f"{len(files)} shapes with {making.views} renders each: {out}\n")
    return 0


def up_of(folder: Path) -> str:
    """The axis that pointed upwards in the meshes of a dataset; y where the dataset does not tell."""
    try:
        told = json.loads((folder / LISTING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "y"
    return "z" if isinstance(told, dict) and told.get("up") == "z" else "y"


def _names(folder: Path, files: list[Path]) -> list[str]:
    names = ["_".join(path.relative_to(folder).with_suffix("").parts) for path in files]
    for number, name in enumerate(names):
        if name in names[:number]:
            other = files[names.index(name)]
            raise CommandError(f"{files[number]}: would have the name of {other} in the dataset; rename one of them")
    return names
