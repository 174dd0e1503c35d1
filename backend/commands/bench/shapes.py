"""Meshes of any size for measuring speed and memory: a torus and a bent one, in the same vertex order."""

from __future__ import annotations

import numpy as np

from protocol.mesh import MeshData


def torus_pair(around: int, along: int) -> tuple[MeshData, MeshData]:
    """A torus of ``around * along`` vertices and quads, and the same torus twisted and stretched."""
    u = np.arange(around) * (2 * np.pi / around)
    v = np.arange(along) * (2 * np.pi / along)
    first, second = np.repeat(u, along), np.tile(v, around)
    ring = 1.0 + 0.4 * np.cos(second)
    straight = np.stack([ring * np.cos(first), ring * np.sin(first), 0.4 * np.sin(second)], axis=1)
    turn = 0.8 * straight[:, 2]
    bent = np.stack(
        [
            1.3 * (np.cos(turn) * straight[:, 0] - np.sin(turn) * straight[:, 1]),
            np.sin(turn) * straight[:, 0] + np.cos(turn) * straight[:, 1],
            straight[:, 2] + 0.3 * straight[:, 0] ** 2,
        ],
        axis=1,
    )
    row, column = np.divmod(np.arange(around * along), along)
    below, right = (row + 1) % around, (column + 1) % along
    corners = np.stack([row, below, below, row], 1) * along + np.stack([column, column, right, right], 1)
    offsets = np.arange(0, 4 * len(corners) + 1, 4)
    source, target = (MeshData.from_positions(p, offsets, corners.reshape(-1)) for p in (straight, bent))
    return source, target
