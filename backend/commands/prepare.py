"""``prepare``: a folder of published meshes becomes a numbered list of pairs, each with a table of its match."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backend import __version__
from backend.commands.output import LISTING, PREPARED, check_output, output_folder
from backend.commands.parser import CommandError, Parser, choice
from backend.commands.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MESHES: Final = (".ply", ".off", ".obj")
P2P: Final = "_p2p.npy"
VTS: Final = ".vts"


@dataclass(frozen=True)
class Shape:
    """A mesh of the data; its number is its place among all of them, sorted by name."""

    name: str
    file: str
    vertices: int
    faces: int


@dataclass(frozen=True)
class Entry:
    """A pair: ``index`` is the number of its source, ``subindex`` its own among the pairs of that source."""

    index: int
    subindex: int
    source: str
    target: str
    vertices: tuple[int, int]
    matches: int
    table: str | None  # a file of the same folder; None: the vertex order is the match


@dataclass(frozen=True, eq=False)
class _Match:
    """A pair before it has its numbers."""

    source: int
    target: int
    pairs: NDArray[np.int64] | None  # [K, 2]; None: the vertex order


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="folder with meshes (.ply, .off, .obj); sub-folders are looked at")
    add(
        "--type",
        type=choice("matching", "template"),
        required=True,
        metavar="T",
        help="matching: meshes with files <A>-<B>_p2p.npy or <A>.vts; template: meshes of one vertex order",
    )
    add("--matches", type=Path, metavar="FOLDER", help="folder with the files of the matches; default FOLDER")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for pairs.json and tables; earlier ones are replaced",
    )
    add("--force", action="store_true", help="put them into a folder that holds other files, too")


def run(arguments: argparse.Namespace) -> int:
    if arguments.type == "template" and arguments.matches is not None:
        raise CommandError("--matches belongs to --type matching; meshes of one template match by their vertex order")
    check_output(arguments.out, arguments.force, kind=PREPARED)
    files = _meshes(arguments.folder)
    with Progress() as progress:
        if arguments.type == "template":
            shapes = list(_shapes(files, progress, one_order=True))
            matches = _by_order(shapes)
        else:
            listed = _match_files(arguments.matches or arguments.folder, files)
            shapes = list(_shapes(files, progress))
            matches = _by_p2p(listed, shapes) if listed[0].name.endswith(P2P) else _by_vts(listed, shapes)
        with output_folder(arguments.out, arguments.force, PREPARED) as out:
            entries = list(_written(matches, shapes, out, progress))
            listing = {
                "versions": {"tweenfield": __version__},
                "type": arguments.type,
                "shapes": [asdict(shape) for shape in shapes],
                "pairs": [asdict(entry) for entry in entries],
            }
            (out / LISTING).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8", newline="\n")
    sys.stdout.write(table_of(entries) + f"{len(entries)} pairs of {len(shapes)} meshes: {arguments.out}\n")
    return 0


def table_of(entries: list[Entry]) -> str:
    """The pairs, one a line."""
    width = max(len(f"{entry.source} -> {entry.target}") for entry in entries)
    lines = [f"index  subindex  {'pair'.ljust(width)}  vertices         matches"]
    for entry in entries:
        names = f"{entry.source} -> {entry.target}".ljust(width)
        vertices = f"{entry.vertices[0]} -> {entry.vertices[1]}".ljust(15)
        lines.append(f"{entry.index:5d}  {entry.subindex:8d}  {names}  {vertices}  {entry.matches:7d}")
    return "\n".join(lines) + "\n"


def _meshes(folder: Path) -> list[Path]:
    """Every mesh file below ``folder``, sorted by name; names are unique."""
    if not folder.is_dir():
        raise CommandError(f"{folder}: is not a folder; name the one that holds the meshes")
    files = sorted((path for path in folder.rglob("*") if path.suffix.lower() in MESHES), key=lambda path: path.stem)
    for before, after in pairwise(files):
        if before.stem == after.stem:
            raise CommandError(
                f"{before} and {after} have one name, so it is not clear which of them the matches mean; name the "
                "folder of one set of meshes"
            )
    if len(files) < 2:
        raise CommandError(f"{folder}: holds {len(files)} meshes ({', '.join(MESHES)}); a pair needs two")
    return files


def _shapes(files: list[Path], progress: Progress, one_order: bool = False) -> Iterator[Shape]:
    """Reads every mesh; with ``one_order`` all of them must have the faces of the first."""
    from backend.geometry.io import read_mesh

    first = read_mesh(files[0])
    for number, path in enumerate(files):
        mesh = read_mesh(path)
        if one_order and not first.same_faces(mesh):
            raise CommandError(
                f"{path}: has {mesh.n_vertices} vertices and {mesh.n_faces} faces, and {files[0].name} has "
                f"{first.n_vertices} and {first.n_faces}"
                + (" on other vertices" if (mesh.n_vertices, mesh.n_faces) == (first.n_vertices, first.n_faces) else "")
                + "; the meshes of a template share vertices and faces (else take --type matching)"
            )
        progress("reading", number + 1, len(files))
        yield Shape(path.stem, str(path.resolve()), mesh.n_vertices, mesh.n_faces)


def _match_files(folder: Path, meshes: list[Path]) -> list[Path]:
    """The files of the matches, all of one kind."""
    if not folder.is_dir():
        raise CommandError(f"{folder}: is not a folder; --matches names the one with the files of the matches")
    p2p = sorted(path for path in folder.rglob("*") if path.name.endswith(P2P))
    vts = sorted(path for path in folder.rglob("*") if path.suffix.lower() == VTS)
    if p2p and vts:
        raise CommandError(
            f"{folder}: holds matches of both kinds, such as {p2p[0].name} and {vts[0].name}; name the folder of one "
            "kind with --matches"
        )
    if not p2p and not vts:
        raise CommandError(
            f"{folder}: holds no file <A>-<B>{P2P} and no <A>{VTS}; name the folder that does with --matches"
        )
    return p2p or vts


def _by_order(shapes: list[Shape]) -> Iterator[_Match]:
    for a in range(len(shapes)):
        yield from (_Match(a, b, None) for b in range(len(shapes)) if b != a)


def _by_p2p(files: list[Path], shapes: list[Shape]) -> Iterator[_Match]:
    from backend.correspondence.published import read_p2p

    number = {shape.name: k for k, shape in enumerate(shapes)}
    named = sorted((*_ends(path, number), path) for path in files)
    for (a, b, path), (c, d, other) in pairwise(named):
        if (a, b) == (c, d):
            raise CommandError(f"{path} and {other} match the same pair; leave one of them")
    for a, b, path in named:
        yield _Match(a, b, read_p2p(path, shapes[a].vertices, shapes[b].vertices))


def _ends(path: Path, number: dict[str, int]) -> tuple[int, int]:
    """The two meshes in the name of a match; their own names may have hyphens."""
    name = path.name.removesuffix(P2P)
    cuts = [(name[:k], name[k + 1 :]) for k, letter in enumerate(name) if letter == "-"]
    found = [(number[a], number[b]) for a, b in cuts if a in number and b in number]
    if len(found) != 1:
        what = "names no two of the meshes" if not found else "can be read as several pairs of meshes"
        raise CommandError(
            f"{path}: {what}; it must be <A>-<B>{P2P}, A and B being names of mesh files without their suffix"
        )
    return found[0]


def _by_vts(files: list[Path], shapes: list[Shape]) -> Iterator[_Match]:
    from backend.correspondence.published import read_vts, vts_pairs

    lists: dict[str, tuple[Path, NDArray[np.int64]]] = {}
    for path in files:
        shape = next((shape for shape in shapes if shape.name == path.stem), None)
        if shape is None:
            raise CommandError(f"{path}: there is no mesh of that name; its mesh must be {path.stem}.off, .ply or .obj")
        if path.stem in lists:
            raise CommandError(f"{path} and {lists[path.stem][0]} match the same mesh; leave one of them")
        lists[path.stem] = path, read_vts(path, shape.vertices)
    if len(lists) < 2:
        raise CommandError(f"{files[0]}: is the only match; a pair needs two")
    with_list = [k for k, shape in enumerate(shapes) if shape.name in lists]
    for a in with_list:
        for b in with_list:
            if a != b:
                (first, ours), (second, theirs) = lists[shapes[a].name], lists[shapes[b].name]
                yield _Match(a, b, vts_pairs(ours, theirs, (str(first), str(second))))


def _written(matches: Iterator[_Match], shapes: list[Shape], out: Path, progress: Progress) -> Iterator[Entry]:
    """Numbers the pairs, which come sorted by source and target, and writes their tables."""
    import numpy as np

    index, subindex = -1, 0
    for written, match in enumerate(matches):
        index, subindex = match.source, subindex + 1 if match.source == index else 0
        source, target = shapes[match.source], shapes[match.target]
        table = None
        if match.pairs is not None:
            table = f"table_{index:04d}_{subindex:04d}.npy"
            np.save(out / table, match.pairs.astype(np.int32))
        progress("writing", written, 0)
        known = source.vertices if match.pairs is None else len(match.pairs)
        yield Entry(index, subindex, source.name, target.name, (source.vertices, target.vertices), known, table)
