"""Shape spaces: over sequences, one frame in four held out, and over a collection that the project makes itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from backend.collection.kinds import make
from backend.commands.bench.pairs import BenchPair
from backend.commands.bench.table import markdown_table
from backend.commands.shape_space.evaluate import measured
from backend.commands.shape_space.shapes import shapes_in, split
from backend.geometry.shape import Shape
from backend.surfaces.space.model import ShapeSpace
from backend.surfaces.space.samples import NamedShape
from backend.surfaces.space.settings import preset
from backend.surfaces.space.training import prepared, train_space
from backend.training.run import Run

HELD_OUT: Final = 4  # one in so many
CELLS: Final = 96
KIND, COUNT, FINE = "mug", 16, 48  # of the collection: its kind, how many, cells along each shape
HEADINGS: Final = (
    "shapes", "trained on", "held out", "CPU s of sampling", "of training", "error in training, mean", "largest",
    "held out, mean", "largest", "of the mean", "CPU s of an encoding",
)  # fmt: skip


def measure_spaces(pairs: Sequence[BenchPair], note: Callable[[str], None]) -> str:
    """The section of the document."""
    families = {pair.name: shapes_in(pair.source.parent, lambda *_: None) for pair in pairs if pair.truth is not None}
    families[f"{COUNT} {KIND}s"] = _collection()
    rows = []
    for name, shapes in families.items():
        note(f"shape space of {name}")
        rows.append(_row(name, shapes))
        note(", ".join(f"{what}: {value}" for what, value in zip(HEADINGS[1:], rows[-1][1:], strict=True)))
    text = (
        f"`shape-space train FOLDER --hold-out {HELD_OUT}` with the preset `fast`, then `evaluate`. Errors are Chamfer "
        "distances, the mean of exact distances from points to surfaces both ways, in percent of the shape's diagonal, "
        f"of surfaces extracted with {CELLS} cells. Shapes held out are encoded: their codes alone are searched. To "
        "reach over a sequence: 0.5 in training, held out at most twice that."
    )
    return f"## Shape spaces\n\n{text}\n\n" + markdown_table(HEADINGS, rows)


def _collection() -> list[NamedShape]:
    found = []
    for number in range(COUNT):
        positions, triangles = make(KIND, 0, number).mesh(FINE)
        found.append(NamedShape(f"{KIND}_{number:04d}", Shape(positions, triangles=triangles)))
    return found


def _row(name: str, shapes: list[NamedShape]) -> list[str]:
    names = [named.name for named in shapes]
    train, test = split(names, None, HELD_OUT)
    points = np.concatenate([named.shape.used() for named in shapes])
    settings = preset("fast", len(train))
    space = ShapeSpace.begun(settings, [names[k] for k in train], [names[k] for k in test], points)
    marks = [time.process_time()]
    samples, parents = prepared(space, [shapes[k] for k in train])
    marks.append(time.process_time())
    train_space(space.network, samples, Run(), parents=parents)
    marks.append(time.process_time())
    space.network.requires_grad_(False)
    errors, encoding = _errors(space, shapes)
    trained, held = list(errors["trained"].values()), list(errors["held_out"].values())
    return [
        name,
        str(len(trained)),
        str(len(held)),
        f"{marks[1] - marks[0]:.0f}",
        f"{marks[2] - marks[1]:.0f}",
        f"{np.mean(trained):.3f}",
        f"{max(trained):.3f}",
        f"{np.mean(held):.3f}",
        f"{max(held):.3f}",
        f"{np.mean(held) / np.mean(trained):.1f} times",
        f"{encoding:.0f}",
    ]


def _errors(space: ShapeSpace, shapes: list[NamedShape]) -> tuple[dict[str, Any], float]:
    """Chamfer distances by group and name, and the processor seconds of one encoding."""
    run = Run()
    errors = measured(space, shapes, run, CELLS)
    spent = sum(run.phase_seconds[name][1] for name in ("sampling", "encoding"))
    return errors, spent / max(len(errors["held_out"]), 1)
