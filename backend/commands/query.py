"""``query``: surfaces, curves, samples, a skeleton, distances or a picture out of a fitted field."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backend.commands.aside import Aside
from backend.commands.interrupt import Interrupt
from backend.commands.output import check_file, naming_output
from backend.commands.parser import CommandError, Parser, choice, whole_number
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from backend.surfaces.distance_field import DistanceField

LEVELS: Final = ("level", "range")
# Every query with its formats and its options.
QUERIES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "isosurface": ((".ply", ".obj"), (*LEVELS, "resolution")),
    "contour": ((".svg", ".obj", ".npz", ".npy"), (*LEVELS, "resolution")),
    "iso-samples": ((".ply", ".xyz", ".npy"), (*LEVELS, "count", "seed")),
    "skeleton": ((".ply", ".xyz", ".npy", ".obj"), ("resolution", "gradient")),
    "distance": ((".npy", ".csv"), ("points",)),
    "sphere-trace": ((".png",), (*LEVELS, "resolution", "camera")),
}
OPTIONS: Final = ("level", "range", "resolution", "points", "count", "seed", "gradient", "camera")
FIELD_FILE: Final = "field.safetensors"
MOST_LEVELS: Final = 1000


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("field", type=Path, metavar="FIELD", help="field.safetensors of a fit, or the fit's folder")
    add("query", type=choice(*QUERIES), metavar="QUERY", help=", ".join(QUERIES))
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="what its name ends in is the format: "
        + "; ".join(f"{name}: {', '.join(formats)}" for name, (formats, _) in QUERIES.items())
        + "; the number and value of the level are added where there are several",
    )
    add("--force", action="store_true", help="replace earlier files of these names")
    add(
        "--level",
        type=number,
        action="append",
        metavar="L",
        help="value of the field, a length in the units of the input; may be repeated; default: the surface",
    )
    add("--range", nargs=3, metavar=("A", "B", "N"), help="N levels from A to B, both included")
    add(
        "--resolution",
        type=whole_number(4, 4096),
        metavar="R",
        help="cells along the longest side (default: isosurface 128, contour 512, skeleton 80, in the plane 256); "
        "sphere-trace: width of the picture in pixels (default 640)",
    )
    add("--points", type=Path, metavar="FILE", help="distance: where; any file of points or a mesh, by its vertices")
    add("--count", type=whole_number(1, 2_000_000), metavar="N", help="iso-samples: how many, default 5000")
    add("--seed", type=whole_number(0, 2**31 - 1), metavar="K", help="iso-samples: default 0")
    add("--gradient", type=number, metavar="G", help="skeleton: where the gradient is shorter; default 0.5")
    add(
        "--camera",
        nargs=2,
        type=number,
        metavar=("AZIMUTH", "ELEVATION"),
        help="sphere-trace: degrees from the front and above the horizon; default: where the shape is broad",
    )
    add("--device", default="auto", metavar="D", help="auto (default), cpu, cuda or mps")


def run(arguments: argparse.Namespace) -> int:
    levels = _checked(arguments)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("reading")
        field = _read(arguments)
        names = _names(arguments.out, levels)
        _check_out(arguments, names)
        from backend.commands.query_results import Asked, answer

        wanted = [field.level] if levels is None else levels
        with _put_in_place(arguments.out) as folder:
            paths = [folder / name for name in names]
            told = answer(Asked(field, wanted, paths, arguments), progress)
            interrupt.next_part()  # from here on all of it is put in place
    sys.stdout.write("".join(line + "\n" for line in told))
    return 0


def number(text: str) -> float:
    """An argument type: a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def _checked(arguments: argparse.Namespace) -> list[float] | None:
    """The levels that are asked for, None without any. Raises ``CommandError`` for what does not go together."""
    formats, taken = QUERIES[arguments.query]
    for name in OPTIONS:
        if getattr(arguments, name) is not None and name not in taken:
            having = ", ".join(query for query, (_, options) in QUERIES.items() if name in options)
            raise CommandError(f"--{name} belongs to {having}, not to {arguments.query}; leave it out")
    if arguments.out.suffix.lower() not in formats:
        raise CommandError(
            f"{arguments.out}: {arguments.query} writes {', '.join(formats)}; choose an --out that ends in one of them"
        )
    if arguments.query == "distance" and arguments.points is None:
        raise CommandError("distance needs --points FILE, the points to tell it at")
    levels = list(arguments.level or [])
    if arguments.range is not None:
        levels += _range(*arguments.range)
    return list(dict.fromkeys(levels)) or None


def _range(first: str, last: str, count: str) -> list[float]:
    try:
        low, high, n = float(first), float(last), int(count)
        sound = math.isfinite(low) and math.isfinite(high) and 1 <= n <= MOST_LEVELS
    except ValueError:
        sound = False
    if not sound:
        raise CommandError(
            f"--range {first} {last} {count}: it takes two numbers and how many levels, a whole number from 1 to "
            f"{MOST_LEVELS}, as in --range -0.1 0.1 21"
        )
    if n == 1:
        return [low]
    return [round(low + (high - low) * k / (n - 1), 12) for k in range(n)]


def _read(arguments: argparse.Namespace) -> DistanceField:
    from backend.device import choose_device, configure
    from backend.surfaces.distance_field import read_field

    configure()
    path = arguments.field
    if path.is_dir():
        path = path / FIELD_FILE
        if not path.is_file():
            raise CommandError(f"{arguments.field}: there is no {FIELD_FILE} in it; name a folder that `fit` left")
    field = read_field(path)
    field.network.to(choose_device(arguments.device.lower()))
    return field


def _names(out: Path, levels: Sequence[float] | None) -> list[str]:
    """Names of the files: that of ``out``, or one for every level."""
    if levels is None or len(levels) == 1:
        return [out.name]
    digits = max(2, len(str(len(levels) - 1)))
    return [f"{out.stem}_{k:0{digits}}_{level:.6g}{out.suffix}" for k, level in enumerate(levels)]


def _check_out(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    reads = [path.resolve() for path in (arguments.field, arguments.points) if path is not None]
    for name in names:
        path = arguments.out.with_name(name)
        check_file(path)
        if path.resolve() in reads:
            raise CommandError(f"{path}: would be replaced by what is made from it; choose another --out")
        if path.exists() and not arguments.force:
            raise CommandError(f"{path}: exists; add --force to replace it, or choose another --out")


@contextmanager
def _put_in_place(out: Path) -> Iterator[Path]:
    """A folder to write into; its files go beside ``out`` when the block ends well, and are deleted otherwise."""
    aside = Aside.new(out.absolute().parent)
    try:
        with naming_output(out):
            yield aside.folder
            for path in sorted(aside.folder.iterdir()):
                path.replace(out.absolute().parent / path.name)
    finally:
        aside.remove()
