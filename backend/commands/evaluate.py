"""``evaluate``: measures a folder of frames against its source, its target, and the truth where it is known."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.parser import CommandError, Parser, whole_number
from backend.commands.prepared import add_data_options, prepared_pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from protocol.mesh import MeshData

FRAME = re.compile(r"frame_\d+\.(ply|obj|off|stl|glb|gltf)\Z", re.IGNORECASE)


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("frames", type=Path, metavar="FRAMES", help="folder with frame_0000.ply and so on, even in time, both ends")
    add("--source", type=Path, metavar="S", help="the source mesh")
    add("--target", type=Path, metavar="T", help="the target mesh")
    add_data_options(parser)
    add("--table", type=Path, metavar="FILE", help="correspondence table (.npy or .npz), for the matching error")
    add("--in-between", type=Path, metavar="FILE", help="true positions [T, V, 3] (.npy) on the source's faces")
    add("--samples", type=whole_number(100, 10_000_000), default=50_000, help="surface points; default 50000")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, help="seed of the surface points; default 0")
    add("--no-intersections", action="store_true", help="do not look for self-intersections")
    add("--per-frame", action="store_true", help="list distortions of every frame")
    add("--out", type=Path, metavar="FILE", help="write the JSON there instead of to standard output")


def run(arguments: argparse.Namespace) -> int:
    from backend.commands.progress import Progress
    from backend.commands.result import vertex_order
    from backend.correspondence.table import check_pairs, read_table
    from backend.evaluation.evaluate import evaluate
    from backend.evaluation.report import plain
    from backend.geometry.io import read_mesh

    pair = prepared_pair(arguments)
    if pair is not None:
        arguments.source, arguments.target = pair.source, pair.target
        arguments.table = arguments.table or pair.table
    if arguments.source is None or arguments.target is None:
        raise CommandError("evaluate needs --source S and --target T, or --data DIR (see tweenfield evaluate --help)")
    source, target = read_mesh(arguments.source), read_mesh(arguments.target)
    in_order = pair is not None and arguments.table is None
    pairs: NDArray[np.integer[Any]] | None = vertex_order(source) if in_order else None
    if arguments.table:
        pairs, weights = read_table(arguments.table, source.n_vertices)
        check_pairs(pairs, weights, source.n_vertices, target.n_vertices, str(arguments.table))
    truth = _true_positions(arguments.in_between, source.n_vertices) if arguments.in_between else None
    with Progress() as progress:
        frames = _frames(arguments.frames, progress)
        progress("measuring")
        found = evaluate(
            frames,
            source,
            target,
            pairs,
            truth,
            samples=arguments.samples,
            seed=arguments.seed,
            intersections=not arguments.no_intersections,
            per_frame=arguments.per_frame,
        )
    text = json.dumps(plain(found), indent=1) + "\n"
    if arguments.out:
        _write(arguments.out, text)
    else:
        sys.stdout.write(text)
    return 0


def _write(path: Path, text: str) -> None:
    """All of the text or nothing: an earlier file stays where there is no room for it."""
    aside = path.with_name(f".{path.name}.part") if path.is_file() or not path.exists() else path
    try:
        aside.write_text(text, encoding="utf-8")
        if aside != path:
            aside.replace(path)
    except OSError as error:
        if aside != path:
            aside.unlink(missing_ok=True)
        raise CommandError(
            f"{path}: cannot be written ({error.strerror}); free some space there, or choose another --out"
        ) from error


def _frames(folder: Path, progress: Any) -> list[MeshData]:
    from backend.geometry.io import read_mesh

    if not folder.is_dir():
        raise CommandError(f"{folder}: is not a folder; name the one that holds frame_0000.ply and so on")
    paths = sorted(path for path in folder.iterdir() if FRAME.match(path.name))
    if len(paths) < 2:
        raise CommandError(f"{folder}: holds {len(paths)} frames named frame_0000.ply and so on; two are the least")
    meshes = []
    for path in paths:
        meshes.append(read_mesh(path))
        progress("reading", len(meshes), len(paths))
    return meshes


def _true_positions(path: Path, n_vertices: int) -> NDArray[np.float64]:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is not an .npy file"
        raise CommandError(f"{path}: cannot be read ({reason})") from error
    wanted = (
        array.ndim == 3 and len(array) >= 2 and array.shape[1:] == (n_vertices, 3) if hasattr(array, "ndim") else False
    )
    if not wanted or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise CommandError(
            f"{path}: in-betweens are finite numbers [T, {n_vertices}, 3], one row for every source vertex"
        )
    positions: NDArray[np.float64] = array.astype(np.float64)
    return positions
