"""What each query writes, and what it says of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.commands.parser import CommandError
from backend.commands.progress import Progress
from backend.geometry.level_formats import curves_bytes, lines_bytes, numbers_bytes, points_bytes, surface_bytes
from backend.geometry.metrics import topology
from backend.geometry.shape_file import read_shape
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.contour import contours_at
from backend.surfaces.queries.iso_samples import iso_samples
from backend.surfaces.queries.isosurface import isosurfaces
from backend.surfaces.queries.lattice import Check, range_of
from backend.surfaces.queries.skeleton import SHORT, skeleton
from backend.surfaces.skeleton_lines import skeleton_lines

SURFACE_CELLS = 128  # along the longest side
CURVE_CELLS = 512
SAMPLES = 5000
PIXELS = 640  # across a picture


@dataclass(frozen=True, eq=False)
class Asked:
    """A query with all that belongs to it."""

    field: DistanceField
    levels: Sequence[float]
    paths: Sequence[Path]  # one for every level
    arguments: argparse.Namespace


def answer(asked: Asked, progress: Progress) -> list[str]:
    """Writes the files; lines on what is in them. Raises ``CommandError`` where nothing is."""

    def check() -> None:
        progress(asked.arguments.query)

    check()
    told = ANSWERS[asked.arguments.query](asked, check)
    if all(words is None for words in told):
        raise _nowhere(asked)
    lines = []
    for level, path, words in zip(asked.levels, asked.paths, told, strict=True):
        at = f"level {level:.6g}: " if len(asked.levels) > 1 else ""
        out = asked.arguments.out.with_name(path.name)
        lines.append(f"{at}{words}: {out}" if words else f"{at}nothing, so there is no file of it")
    return lines


def _isosurface(asked: Asked, check: Check) -> list[str | None]:
    cells = asked.arguments.resolution or SURFACE_CELLS
    told: list[str | None] = []
    for (positions, triangles), path in zip(
        isosurfaces(asked.field, asked.levels, cells, check=check), asked.paths, strict=True
    ):
        facts = topology(len(positions), triangles)
        if len(triangles):
            path.write_bytes(surface_bytes(path.suffix.lower(), positions, triangles))
        parts = _count(facts["components"], "part")
        closed = "closed" if facts["closed"] else "not closed"
        told.append(f"{_count(len(triangles), 'face')}, {closed}, {parts}" if len(triangles) else None)
    return told


def _contour(asked: Asked, check: Check) -> list[str | None]:
    cells = asked.arguments.resolution or CURVE_CELLS
    told: list[str | None] = []
    for loops, path in zip(contours_at(asked.field, asked.levels, cells, check=check), asked.paths, strict=True):
        if loops:
            path.write_bytes(curves_bytes(path.suffix.lower(), loops))
        points = sum(len(loop) - 1 for loop in loops)
        told.append(f"{_count(len(loops), 'loop')}, {_count(points, 'point')}" if loops else None)
    return told


def _iso_samples(asked: Asked, check: Check) -> list[str | None]:
    count, seed = asked.arguments.count or SAMPLES, asked.arguments.seed or 0
    told: list[str | None] = []
    for level, path in zip(asked.levels, asked.paths, strict=True):
        points, normals = iso_samples(asked.field, level, count, seed=seed, check=check)
        if len(points):
            path.write_bytes(points_bytes(path.suffix.lower(), points, normals))
        told.append(_count(len(points), "point") if len(points) else None)
    return told


def _skeleton(asked: Asked, check: Check) -> list[str | None]:
    longest = SHORT if asked.arguments.gradient is None else asked.arguments.gradient
    points = skeleton(asked.field, longest=longest, resolution=asked.arguments.resolution, check=check)
    if not len(points):
        raise CommandError(
            f"there is no skeleton where the gradient is shorter than {longest:g}: the shape is thinner than three "
            "cells, or the field was trained too little; raise --resolution or --gradient"
        )
    (path,) = asked.paths
    if path.suffix.lower() != ".obj":
        path.write_bytes(points_bytes(path.suffix.lower(), points))
        return [_count(len(points), "point")]
    places, lines = skeleton_lines(points)
    path.write_bytes(lines_bytes(places, lines))
    return [f"{_count(len(lines), 'line')} through {_count(len(places), 'point')}"]


def _distance(asked: Asked, check: Check) -> list[str | None]:
    given = asked.arguments.points
    shape = read_shape(given, "cloud")
    dimension = asked.field.dimension
    if shape.dimension > dimension:
        raise CommandError(f"{given}: its points have different heights, and the field is of the plane; flatten them")
    points = np.pad(shape.points, ((0, 0), (0, dimension - shape.dimension)))
    values = asked.field.values(points)
    (path,) = asked.paths
    path.write_bytes(numbers_bytes(path.suffix.lower(), points, values))
    return [f"{_count(len(values), 'distance')} from {values.min():.6g} to {values.max():.6g}"]


def _sphere_trace(asked: Asked, check: Check) -> list[str | None]:
    from backend.evaluation.traced_picture import traced_picture

    width = asked.arguments.resolution or PIXELS
    view = None if asked.arguments.camera is None else tuple(asked.arguments.camera)
    told: list[str | None] = []
    for level, path in zip(asked.levels, asked.paths, strict=True):
        drawn = traced_picture(path, asked.field, level, width=width, view=view, check=check)
        told.append(f"picture {width} pixels wide" if drawn else None)
    return told


ANSWERS: dict[str, Callable[[Asked, Check], list[str | None]]] = {
    "isosurface": _isosurface,
    "contour": _contour,
    "iso-samples": _iso_samples,
    "skeleton": _skeleton,
    "distance": _distance,
    "sphere-trace": _sphere_trace,
}


def _nowhere(asked: Asked) -> CommandError:
    low, high = range_of(asked.field)
    levels = ", ".join(f"{level:.6g}" for level in asked.levels)
    return CommandError(
        f"{asked.arguments.field}: the field is nowhere at level {levels}; in the box of its shape it goes from about "
        f"{low:.6g} to {high:.6g}, so choose a --level between them"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
