"""Distance fields: ``fit`` of every method, as a process of its own, on one mesh, clouds of it, scans and polylines."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.commands.bench.pairs import find_pairs
from backend.commands.bench.process import run_command
from backend.commands.bench.table import markdown_table, number
from backend.geometry.arrays import Float64
from backend.geometry.io import read_mesh
from backend.geometry.sampling import sample_surface
from backend.geometry.shape_file import read_shape
from backend.geometry.triangles import area_vectors, unit
from backend.surfaces.distance_field import read_field
from backend.surfaces.measures import measure

POINTS: Final = 50_000  # of the cloud of the mesh
SHAPE: Final = "bob_spot"  # the pair whose target is the mesh, where there is one
SCANS: Final = ("milk_scan.npy", "bunny_unoriented.npy")
LINES: Final = (".obj", ".svg", ".npy")
HEADINGS: Final = (
    "input", "method", "seed", "CPU seconds", "Chamfer", "from the input", "sign near", "sign", "closed", "parts",
    "Lipschitz constant", "to reach",
)  # fmt: skip
HEADINGS_2D: Final = (
    "input", "mode", "method", "CPU seconds", "level", "curve to input", "largest", "input to curve", "largest",
    "loops", "sign near",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One fit."""

    name: str
    method: str
    path: Path
    truth: Path | None = None  # what it is measured against, where that is not the input
    mode: str = "auto"
    seed: int = 0
    reach: str = ""


def measure_distance_fields(data: Path | None, names: Sequence[str], seeds: int, note: Callable[[str], None]) -> str:
    """The section of the document. ``seeds``: how often the fit to points alone is repeated."""
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as name:
        folder = Path(name)
        found = [(case, _fitted(case, folder, note)) for case in _solid(data, names, seeds, folder)]
        curves = [(case, _fitted(case, folder, note)) for case in _lines(data)]
    return distance_fields_table(found, curves)


def _solid(data: Path | None, names: Sequence[str], seeds: int, folder: Path) -> Iterator[Case]:
    """A mesh, clouds of its surface with normals and without, and scans."""
    pairs = {pair.name: pair for pair in find_pairs(data, names)}
    mesh = pairs[SHAPE].target if SHAPE in pairs else next(iter(pairs.values())).source
    what = "spot" if SHAPE in pairs else next(iter(pairs))
    bare = folder / "bare.npy"
    points, normals = _cloud(mesh)
    np.save(folder / "normals.npy", np.concatenate([points, normals], axis=1))
    np.save(bare, points)
    yield Case(f"{what}, points with normals", "igr", folder / "normals.npy", mesh, reach="60 s: 0.03 %, 0.99")
    for seed in range(seeds):
        yield Case(f"{what}, points alone", "igr", bare, mesh, seed=seed, reach="90 s: 0.06 %, 0.985")
    yield Case(f"{what}, mesh", "full-information", mesh)
    yield Case(f"{what}, mesh", "sald", mesh)
    yield Case(f"{what}, mesh", "one-lipschitz", mesh, mode="signed", reach="300 s: 0.15 %, 0.97")
    for scan in SCANS:
        path = Path() if data is None else data / "point_clouds" / scan
        if path.is_file():
            yield Case(path.stem, "igr", path, reach="from the input 0.3 %, closed, 1 part")


def _cloud(path: Path) -> tuple[Float64, Float64]:
    """Points and normals [POINTS, 3] of a mesh."""
    mesh = read_mesh(path)
    positions, triangles = mesh.positions(), mesh.triangles()
    points, face, _ = sample_surface(positions, triangles, POINTS, np.random.default_rng(0))
    return points, unit(area_vectors(positions, triangles))[face]


def _lines(data: Path | None) -> Iterator[Case]:
    """Every file of polylines, with a sign and without."""
    folder = Path() if data is None else data / "polylines"
    for path in sorted(path for path in folder.glob("*") if data is not None and path.suffix in LINES):
        for mode in ("signed", "unsigned"):
            yield Case(path.name, "full-information", path, mode=mode)


def _fitted(case: Case, folder: Path, note: Callable[[str], None]) -> dict[str, Any]:
    """The report of one fit, measured against the truth."""
    note(f"{case.name}: {case.method}, {case.mode}, seed {case.seed}")
    out = folder / "out"
    options = ["--method", case.method, "--mode", case.mode, "--seed", str(case.seed), "--device", "cpu"]
    run_command("fit", case.path, *options, "--out", out)
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    if case.truth is not None:
        report["metrics"] = measure(read_field(out / "field.safetensors"), read_shape(case.truth))
    return report


def distance_fields_table(
    solid: Sequence[tuple[Case, dict[str, Any]]], curves: Sequence[tuple[Case, dict[str, Any]]]
) -> str:
    """The section, from what was measured."""
    text = (
        "`fit INPUT --method METHOD`, preset fast, on the processor; CPU seconds of preparation and training. Lengths "
        "are in percent of the diagonal. Chamfer: the mean of exact point-to-surface distances both ways; from the "
        "input: from its points to the surface, one way. Sign near: over points within 2 % of the diagonal; sign: over "
        f"the box around. Clouds are {POINTS:,} points of the mesh's surface, and are measured against the mesh."
    )
    lines = ["## Distance fields", "", text, "", markdown_table(HEADINGS, [_row(*one) for one in solid])]
    if curves:
        text = (
            "Polylines: the curve at the field's level against the input. Without a sign the level is positive, and "
            "that offset is taken off the distances; to reach: 0.5 %."
        )
        lines += ["", text, "", markdown_table(HEADINGS_2D, [_row_2d(*one) for one in curves])]
    return "\n".join(lines)


def _row(case: Case, report: dict[str, Any]) -> list[str]:
    found = report["metrics"]
    return [
        case.name,
        report["method"],
        str(case.seed),
        f"{report['cpu_seconds']:.0f}",
        number(found["chamfer_percent"]),
        number(found["from_shape_percent"]),
        number(found["sign_near"]),
        number(found["sign_box"]),
        "yes" if found["closed"] else "no",
        str(found["components"]),
        number(found["lipschitz"]),
        case.reach,
    ]


def _row_2d(case: Case, report: dict[str, Any]) -> list[str]:
    found = report["metrics"]
    return [
        case.name,
        case.mode,
        report["method"],
        f"{report['cpu_seconds']:.0f}",
        number(100.0 * found["level"] / found["diagonal"]),
        number(found["to_shape_percent"]),
        number(found["to_shape_largest_percent"]),
        number(found["from_shape_percent"]),
        number(found["from_shape_largest_percent"]),
        str(found["components"]),
        number(found["sign_near"]),
    ]
