"""A shape without any symmetry, and the same shape in another vertex order: their match is known and can be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from protocol.mesh import MeshData
from tests.meshes import icosphere, rotation

LIMBS = (((1.0, 0.2, 0.1), 1.6), ((-0.6, 0.8, 0.0), 0.9), ((-0.3, -0.7, 0.6), 0.6), ((0.1, -0.2, -1.0), 1.2))


def creature(level: int = 3) -> MeshData:
    """A ball that grew four limbs of different lengths."""
    ball = icosphere(level)
    positions = ball.positions()
    grown = positions.copy()
    for direction, length in LIMBS:
        tip = np.array(direction) / np.linalg.norm(direction)
        grown += length * np.exp(-(np.linalg.norm(positions - tip, axis=1) ** 2) / 0.12)[:, None] * tip
    return MeshData.from_positions(grown, ball.face_offsets, ball.face_indices)


def shuffled(mesh: MeshData, seed: int = 0) -> tuple[MeshData, NDArray[np.int64]]:
    """The mesh turned and with its vertices in another order, and where each vertex has gone [V]."""
    order = np.random.default_rng(seed).permutation(mesh.n_vertices)
    place = np.argsort(order)
    positions = (mesh.positions() @ rotation([0.2, 1.0, 0.1], 25.0).T)[order]
    other = MeshData.from_positions(positions, mesh.face_offsets, place[mesh.face_indices])
    return replace(other, attributes={}), place
