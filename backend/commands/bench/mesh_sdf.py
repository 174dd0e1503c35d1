"""MeshSDF: the decoder of two shapes, the demonstration, what a step of it takes, and frames matched to outlines."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from backend.commands.bench.adjoint import measure_adjoint, measure_trained
from backend.commands.bench.following import measure_following, path_of
from backend.commands.bench.outlines import BEND, LATER, STRETCH, TIME, measure_outlines
from backend.commands.bench.pairs import BenchPair
from backend.commands.bench.process import run_command
from backend.commands.bench.silhouettes import measure_silhouettes
from backend.commands.bench.table import Figure, figures_table
from backend.commands.demo_mesh_sdf import DECODER
from backend.commands.output import REPORT
from backend.commands.shape_space.shapes import shape_of
from backend.device import configure
from backend.surfaces.mesh_sdf.model import read_decoder
from backend.surfaces.mesh_sdf.samples import frame_in_ball

SHAPES: Final = "bob_spot"  # the pair whose meshes they are, where there is one


def measure_mesh_sdf(pairs: Sequence[BenchPair], note: Callable[[str], None]) -> str:
    """The section of the document."""
    configure()
    pair = next((pair for pair in pairs if pair.name == SHAPES), pairs[0])
    start = shape_of(pair.target)
    assert start.triangles is not None
    note("MeshSDF: silhouettes, adjoint")
    placed = frame_in_ball(start.used()).enter(start.points)
    figures = [*measure_silhouettes(placed, start.triangles), *measure_adjoint()]
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as name:
        folder = Path(name)
        note(f"MeshSDF: the decoder of {pair.name}, and the demonstration")
        demo = run_demo(pair, folder / "fast")
        decoder = folder / "fast" / DECODER
        model = read_decoder(decoder)
        figures.append(measure_trained(model, torch.tensor(demo["codes"][len(demo["codes"]) // 2])))
        figures += [_training(demo), _descent(demo, "around the last surface", reached=True)]
        note("MeshSDF: the demonstration over the whole grid")
        full = run_demo(pair, folder / "full", "--full-grid", "--model", str(decoder))
        figures.append(_descent(full, "over the whole grid", reached=False))
    note("MeshSDF: following a surface")
    figures += measure_following(
        lambda code: model.values_at(torch.as_tensor(code, dtype=torch.float32)),
        path_of(demo["iterations"], demo["codes"]),
    )
    text = (
        f"One thread. The meshes are those of {pair.name}. `demo mesh-sdf`: from the shape of its target to the "
        "silhouette of its source, 100 steps; loss: the mean squared difference of the silhouettes; Euler "
        "characteristic and components of extractions over the whole grid, at every tenth step and at the end. "
        "Extractions are along the codes of that way; ghosts: parts that the whole grid does not have. Differences "
        "are central, of the volume of surfaces of 64 cells a side that are extracted anew."
    )
    guided = (
        f"A frame (t = {TIME:g}) matched to masks of known shapes: itself bent by {BEND:g} of its length and "
        f"{STRETCH:g} times as long, or the frame at t = {LATER:g}. Morphs of the preset `draft`, default settings of "
        "`refine`; agreement with each mask, at its own 512 x 512 pixels."
    )
    table = figures_table("MeshSDF", figures).partition("\n\n")
    return f"{table[0]}\n\n{text}\n\n{table[2]}\n\n{guided}\n\n{measure_outlines(pair, note)}"


def run_demo(pair: BenchPair, out: Path, *options: str) -> dict[str, Any]:
    """The report of the demonstration, from the pair's target to its source."""
    run_command("demo", "mesh-sdf", pair.target, pair.source, "--out", out, *options)
    report: dict[str, Any] = json.loads((out / REPORT).read_text(encoding="utf-8"))
    return report


def _training(report: dict[str, Any]) -> Figure:
    training = report["training"]
    value = f"{training['cpu_seconds']:.0f} CPU s, L1 {training['l1']:.4f} ({training['steps']:,} steps, samples made)"
    return Figure("decoder of both shapes, samples and training", value, "L1 0.004 in 180 CPU s")


def _descent(report: dict[str, Any], how: str, *, reached: bool) -> Figure:
    loss, euler, components = report["loss"], report["euler"], report["components"]
    value = (
        f"loss {loss[0]:.2g} to {loss[-1]:.2g} ({loss[0] / loss[-1]:.0f}-fold), Euler {euler[0]} to {euler[-1]}, "
        f"components {' '.join(map(str, np.unique(components)))}; {report['seconds']:.0f} s "
        f"({report['cpu_seconds']:.0f} CPU s)"
    )
    reach = f"100-fold, Euler {report['target_euler']}, components 1, 60 s" if reached else ""
    return Figure(f"demonstration, extracted {how}", value, reach)
