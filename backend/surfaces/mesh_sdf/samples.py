"""Samples of the signed distance to one shape, outside and inside of it: made from a mesh, or as they are published.

A published file (DeepSDF, MeshSDF) is ``NAME.npz`` with arrays ``pos`` and ``neg`` [N, 4], a place and its distance.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.surfaces.known_shape import BATCH, KnownShape
from protocol.mesh import MeshError
from protocol.settings import SettingError

NEAR = 200_000  # points around a shape
SHARE = 20  # of them for one anywhere in the box, as Park et al. (CVPR 2019, section 5) draw them
SPREADS = (0.0025**0.5, 0.00025**0.5)  # their deviations from the shape, in equal shares
BALL = 1.0 / 1.03  # radius of the ball that a shape is put into, as its published preparation has it

Samples = NDArray[np.float32]  # [N, 4], place and signed distance


def frame_in_ball(points: Float64) -> UnitFrame:
    """The frame in which the box of points [N, 3] is centred and all of them are within ``BALL`` of its middle."""
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.linalg.norm(points - centre, axis=1).max())
    return UnitFrame(centre, reach / BALL if reach > 0.0 else 1.0)


def places_around(shape: KnownShape, rng: np.random.Generator, count: int = NEAR) -> Float64:
    """Where to know distances: ``count`` points around a shape in its frame, and some in the box -1..1, [N, 3]."""
    on = shape.on_surface(count, rng)[0]
    around = on + np.resize(SPREADS, len(on))[:, None] * rng.normal(size=on.shape)
    return np.concatenate([around, rng.uniform(-1.0, 1.0, (count // SHARE, 3))])


def samples_of(shape: KnownShape, points: Float64, check: Callable[[], None] = lambda: None) -> tuple[Samples, Samples]:
    """Exact samples at points [N, 3], outside and inside. Raises ``MeshError`` where one of the two has none."""
    if not shape.signed:
        raise MeshError("the shape has no inside (flat, one-sided or wide open); close it, so that it bounds a volume")
    found = []
    for part in np.array_split(points, max(len(points) // BATCH, 1)):
        check()
        found.append(np.column_stack([part, shape.distances(part)]).astype(np.float32))
    every = np.concatenate(found)
    outside, inside = every[every[:, 3] > 0.0], every[every[:, 3] <= 0.0]
    if not len(outside) or not len(inside):
        raise MeshError("the shape is so thin that no sample lies inside of it; thicken it")
    return outside, inside


def read_side(path: Path, side: str) -> Samples:
    """``pos`` or ``neg`` of a published file; samples that are no numbers are left out. Raises ``SettingError``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = np.asarray(file[side], np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SettingError(f"{path}: cannot be read as samples ({error}); it must have arrays pos and neg") from error
    if found.ndim != 2 or found.shape[1] != 4:
        raise SettingError(f"{path}: {side} has the shape {list(found.shape)}; it must be [N, 4], place and distance")
    found = np.asarray(found[np.isfinite(found).all(axis=1)], np.float32)
    if not len(found):
        raise SettingError(f"{path}: {side} holds no samples; a shape needs samples inside and outside of it")
    return found


def write_samples(path: Path, outside: Samples, inside: Samples) -> None:
    """The samples of a shape as a published file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, pos=outside, neg=inside)


def drawn(sides: Sequence[Samples], count: int, rng: np.random.Generator) -> Samples:
    """``count`` samples at random, half of them from each side."""
    halves = (count - count // 2, count // 2)
    found = [part[rng.integers(len(part), size=n)] for part, n in zip(sides, halves, strict=True)]
    return np.asarray(np.concatenate(found), np.float32)
