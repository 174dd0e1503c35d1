"""Frames matched to outlines: masks of known changed meshes, by one camera or two, and how far the frames agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.commands.bench.pairs import SHIPPED, BenchPair
from backend.commands.bench.table import markdown_table
from backend.geometry.arrays import Float64, Int64
from backend.geometry.io import read_mesh
from backend.guidance.refine import GOOD, Refined, RefineSettings, refine
from backend.guidance.view import View, covered
from backend.methods.method import Morph
from backend.pipeline import train
from backend.rendering.camera import OrbitCamera
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import MorphRequest, Timeline

TIME: Final = 0.4  # of the frame that is matched
LATER: Final = 0.65  # of the frame whose outline is asked for instead
SIDE: Final = 512  # pixels of a mask
AWAY: Final = 3.2  # of the cameras, in half diagonals of the shape
AZIMUTHS: Final = (0.0, 70.0)  # degrees, of the first camera and the second
BEND: Final = 0.15  # of the length, by which both ends of a bent shape are raised
STRETCH: Final = 1.1  # of a bent shape along its length
HEADINGS: Final = (
    "pair", "method", "faces", "outline", "views", "IoU before", "after", "ends as they were", "steps", "CPU s",
    "to reach",
)  # fmt: skip


@dataclass(frozen=True)
class Guided:
    """A morph and the outlines that one of its frames is matched to."""

    pair: BenchPair
    method: str
    topology: str
    wishes: tuple[tuple[str, int], ...]  # the outline, and in how many views


BOTH: Final = (("bent", 1), ("bent", 2))


def measure_outlines(pair: BenchPair, note: Callable[[str], None]) -> str:
    """The table, of the shipped fox with its own faces and of ``pair`` with faces of each frame's own."""
    cases = (
        Guided(SHIPPED, "velocity_field", "keep", BOTH),
        Guided(pair, "sdf_blend", "remesh", BOTH),
        Guided(pair, "mesh_sdf", "remesh", (*BOTH, ("later frame", 1))),
    )
    rows = []
    for case in cases:
        note(f"outlines: {case.pair.name}, {case.method}")
        rows += matched_rows(case, trained(case), RefineSettings(), note)
    return markdown_table(HEADINGS, rows)


def trained(case: Guided) -> Morph:
    """The morph as ``morph --preset draft`` makes it."""
    ends = read_mesh(case.pair.source), read_mesh(case.pair.target)
    request = MorphRequest(*ends, case.method, "", preset="draft", topology=case.topology)
    return train(request, Run()).morph.at_resolution(Timeline().resolution)


def matched_rows(case: Guided, morph: Morph, settings: RefineSettings, note: Callable[[str], None]) -> list[list[str]]:
    """A row for every outline."""
    rows = []
    for wish, count in case.wishes:
        wanted = bent(morph.frame(TIME)) if wish == "bent" else morph.frame(LATER)
        found = refine(morph, TIME, outlines(wanted, AZIMUTHS[:count]), settings, Run())
        rows.append(_row(case, wish, morph, found))
        note(", ".join(f"{what} {value}" for what, value in zip(HEADINGS, rows[-1], strict=True) if value))
    return rows


def bent(frame: MeshData) -> MeshData:
    """The frame stretched along its longest side, and bent: both its ends are raised along the next longest."""
    positions = frame.positions()
    low, high = positions.min(axis=0), positions.max(axis=0)
    middle, size = (low + high) / 2, high - low
    along, upwards = np.argsort(-size)[:2]
    share = 2.0 * (positions[:, along] - middle[along]) / size[along]  # -1..1
    moved = positions.copy()
    moved[:, along] = middle[along] + STRETCH * (positions[:, along] - middle[along])
    moved[:, upwards] += BEND * size[along] * share**2
    return frame.with_positions(moved)


def outlines(frame: MeshData, azimuths: Sequence[float]) -> list[View]:
    """What cameras around a frame see of it."""
    positions, triangles = frame.positions(), frame.triangles().astype(np.int64)
    low, high = positions.min(axis=0), positions.max(axis=0)
    middle, reach = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    return [_outline(positions - middle, triangles, azimuth, reach).relative_to(-middle) for azimuth in azimuths]


def _outline(positions: Float64, triangles: Int64, azimuth: float, reach: float) -> View:
    camera = OrbitCamera(azimuth, 15.0, AWAY * reach, SIDE, SIDE).camera()
    return View(covered(positions, triangles, camera).astype(np.float32), camera)


def _row(case: Guided, wish: str, morph: Morph, found: Refined) -> list[str]:
    views = found.report["views"]
    before, after = (" ".join(f"{view[name]:.3f}" for view in views) for name in ("iou_before", "iou"))
    kept = all(_as_it_was(morph.frame(t), found.morph.frame(t)) for t in (0.0, 1.0))
    return [
        case.pair.name,
        case.method,
        case.topology,
        wish,
        str(len(views)),
        before,
        after,
        "yes" if kept else "no",
        str(found.report["steps"]),
        f"{found.report['cpu_seconds']:.1f}",
        f"{GOOD:g}",
    ]


def _as_it_was(first: MeshData, second: MeshData) -> bool:
    return first.same_faces(second) and first.vertices.tobytes() == second.vertices.tobytes()
