"""Places in a space as a command names them: a shape it was trained on, a file to be encoded, or a stored code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.model_file import is_shipped
from backend.commands.parser import CommandError, Parser, whole_number
from backend.commands.shape_space.shapes import number_of, shape_of

if TYPE_CHECKING:
    from backend.geometry.arrays import Float64, Int64
    from backend.geometry.shape import Shape
    from backend.surfaces.space.model import ShapeSpace
    from backend.training.run import Run

MODEL_HELP = "file of shape-space train; or shipped: the one that comes with the program, of a running fox"
PLACE_HELP = "a shape by its name in training, a mesh or cloud to find the place of, or a code (.npy)"


@dataclass(frozen=True, eq=False)
class Place:
    """A code [C], where it comes from, and the shape that it was found for."""

    name: str
    code: Float64
    told: dict[str, Any]  # for the report
    shape: Shape | None = None


def add_model(parser: Parser) -> None:
    """The arguments of every command that uses a space."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    add("--checkpoint", metavar="N", help="the space as it was after N steps, or at the latest checkpoint")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="default 0")
    add("--device", default="cpu", metavar="D", help="cpu (default), cuda, mps or auto")


def add_output(parser: Parser) -> None:
    """The arguments of those that write surfaces into a folder."""
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the result; an earlier one is replaced")
    add("--force", action="store_true", help="put it into a folder that holds other files, too")
    add(
        "--resolution",
        type=whole_number(8, 1024),
        default=128,
        metavar="N",
        help="cells along the longest side of the box of all shapes; default 128",
    )


def space_at(arguments: argparse.Namespace) -> ShapeSpace:
    """The space that the arguments name, on their device."""
    from backend.device import choose_device, configure
    from backend.surfaces.space.model import read_space, shipped_space

    configure()
    device = choose_device(arguments.device)
    space = shipped_space() if is_shipped(arguments, "space") else read_space(arguments.model, arguments.checkpoint)
    space.network.to(device)
    return space


def place_of(text: str, space: ShapeSpace, work: Run) -> Place:
    """The place that ``text`` names."""
    from backend.surfaces.space.samples import NamedShape

    path = Path(text)
    if not path.is_file():
        if path.suffix or "/" in text:
            names = [*space.names, *(Path(name).stem for name in space.names)]
            if text not in names and not any(name.endswith(f"/{text}") for name in space.names):
                raise CommandError(f"{text}: there is no such file, and the space was trained on no shape of that name")
        number = number_of(text, space.names, "the space")
        return Place(space.names[number], space.codes[number], {"trained": space.names[number]})
    if path.suffix.lower() == ".npy" and (code := _stored(path, space)) is not None:
        return Place(path.stem, code, {"code": text})
    return encoded(NamedShape(text, shape_of(path)), space, work)


def encoded(named: Any, space: ShapeSpace, work: Run) -> Place:
    """The place of a shape that the space has not seen."""
    from backend.surfaces.space.encoding import encode
    from backend.surfaces.space.samples import samples_of

    with work.phase("sampling"):
        samples = samples_of([named], space.frame, space.box, work.seed, check=work.progress)[0]
    found = encode(space.network, samples, work)
    told = {
        "encoded": named.name,
        "loss": found.loss,
        "steps": found.steps,
        "start": None if found.start is None else space.names[found.start],
    }
    return Place(named.name, found.code.cpu().double().numpy(), told, named.shape)


def surface_at(space: ShapeSpace, code: Float64, resolution: int, work: Run) -> tuple[Float64, Int64]:
    """Positions [V, 3] and triangles [T, 3] of the surface of a code."""
    from backend.surfaces.queries.isosurface import isosurface

    return isosurface(space.field(code), 0.0, resolution, check=lambda: work.progress(0, 0))


def write_frames(
    folder: Path, name: str, space: ShapeSpace, codes: Sequence[Float64], resolution: int, work: Run
) -> int:
    """The surfaces of codes as PLYs with a contact sheet; how many of them are empty."""
    from backend.evaluation.contact_sheet import contact_sheet
    from backend.geometry.io import write_ply
    from protocol.mesh import MeshData

    meshes: list[MeshData] = []
    empty = 0
    with work.phase("extracting"):
        for number, code in enumerate(codes):
            work.progress(number, len(codes))
            surface = surface_at(space, code, resolution, work)
            if len(surface[1]):
                meshes.append(MeshData.from_triangles(*surface))
                write_ply(folder / f"{name}_{number:04d}.ply", meshes[-1])
            else:
                empty += 1
    if not meshes:
        raise CommandError("the space has no surface at any of these codes; train it longer")
    with work.phase("drawing"):
        last = max(len(meshes) - 1, 1)
        contact_sheet(meshes, [k / last for k in range(len(meshes))], folder / "contact_sheet.png")
    return empty


def _stored(path: Path, space: ShapeSpace) -> Float64 | None:
    """The code in a file; None where it holds something else, as a cloud."""
    from backend.geometry.array_format import read_array

    values = read_array(path, "name a code.npy of shape-space encode")
    if values.ndim != 1:
        return None
    wanted = space.codes.shape[1]
    if values.shape != (wanted,):
        raise CommandError(f"{path}: holds {len(values)} numbers; a code of this space has {wanted}")
    return values
