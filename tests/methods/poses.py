"""Pairs with stops, made by hand from poses of one mesh."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.correspondence.correspondence import Correspondence
from backend.correspondence.landing import Landing
from backend.geometry.repair import working_mesh
from backend.methods.method import Pair
from protocol.mesh import MeshData
from tests.meshes import triangle_mesh

Float = NDArray[np.float64]


def pair_through(mesh: MeshData, poses: Sequence[Float]) -> Pair:
    """The pair from the first of ``poses`` [V, 3] to the last, with the others as stops. ``mesh`` gives the faces."""
    source, target = mesh.with_positions(poses[0]), mesh.with_positions(poses[-1])
    surface, there = working_mesh(source, "source"), working_mesh(target, "target")
    assert np.array_equal(surface.vertex_map, np.arange(mesh.n_vertices))
    every = np.arange(mesh.n_vertices)
    landings = [Landing(pose - surface.origin, np.ones(len(pose), bool)) for pose in poses[1:]]
    return Pair(
        source,
        target,
        surface,
        there,
        Correspondence(every, every, np.ones(len(every)), "vertex-order"),
        landing=landings[-1],
        stops=tuple(landings[:-1]),
    )


def bar(around: int = 8, along: int = 24) -> MeshData:
    """A thin tube of length 2 along x, closed by two points."""
    angle = 2 * np.pi * np.arange(around) / around
    rings = [
        np.stack([np.full(around, x), 0.2 * np.cos(angle), 0.2 * np.sin(angle)], 1)
        for x in np.linspace(-1, 1, along + 1)
    ]
    positions = np.concatenate([*rings, [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    i, j = np.meshgrid(np.arange(along), np.arange(around), indexing="ij")
    first, beside = i * around + j, i * around + (j + 1) % around
    sides = [(first, beside + around, beside), (first, first + around, beside + around)]
    triangles = [np.stack([corner.ravel() for corner in side], axis=1) for side in sides]
    k = np.arange(around)
    last = along * around
    caps = [
        (np.full(around, len(positions) - 2), k, (k + 1) % around),
        (np.full(around, len(positions) - 1), last + (k + 1) % around, last + k),
    ]
    triangles += [np.stack(cap, axis=1) for cap in caps]
    return triangle_mesh(positions, np.concatenate(triangles))


def bent(positions: Float, angle: float) -> Float:
    """The bar bent about z by ``angle`` radians; its middle line keeps its length."""
    if angle == 0.0:
        return positions.copy()
    radius = 2.0 / angle
    turn = positions[:, 0] / radius
    reach = radius - positions[:, 1]
    return np.stack([reach * np.sin(turn), radius - reach * np.cos(turn), positions[:, 2]], axis=1)
