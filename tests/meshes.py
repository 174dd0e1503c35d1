"""Analytic meshes for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocol.mesh import MeshData


def triangle_mesh(positions: NDArray[np.floating], triangles: NDArray[np.integer]) -> MeshData:
    """``MeshData`` of triangles [T, 3]."""
    return MeshData.from_triangles(positions, np.asarray(triangles))


def icosphere(level: int = 3, radius: float = 1.0) -> MeshData:
    """A sphere of 20 * 4**level triangles, normals outwards."""
    golden = (1 + 5**0.5) / 2
    points = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    points += [(0, -1, golden), (0, 1, golden), (0, -1, -golden), (0, 1, -golden)]
    points += [(golden, 0, -1), (golden, 0, 1), (-golden, 0, -1), (-golden, 0, 1)]
    corners = "0b5 051 017 07a 0ab 159 5b4 ba2 a76 718 394 342 326 368 389 495 24b 62a 867 981"
    faces = np.array([[int(letter, 16) for letter in word] for word in corners.split()])
    positions = np.array(points, float)
    for _ in range(level):
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        ends, number = np.unique(edges, axis=0, return_inverse=True)
        middle = number.reshape(-1, 3) + len(positions)
        positions = np.concatenate([positions, positions[ends].mean(axis=1)])
        a, b, c = faces.T
        ab, bc, ca = middle.T
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    return triangle_mesh(radius * positions / np.linalg.norm(positions, axis=1, keepdims=True), faces)


def torus(around: int = 48, across: int = 24, major: float = 1.0, minor: float = 0.35) -> MeshData:
    """A torus of quads around the z axis, normals outwards."""
    u, v = np.meshgrid(2 * np.pi * np.arange(around) / around, 2 * np.pi * np.arange(across) / across, indexing="ij")
    ring = major + minor * np.cos(v)
    positions = np.stack([ring * np.cos(u), ring * np.sin(u), minor * np.sin(v)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    i2, j2 = (i + 1) % around, (j + 1) % across
    quads = np.stack([i * across + j, i2 * across + j, i2 * across + j2, i * across + j2], axis=-1).reshape(-1, 4)
    return MeshData.from_positions(positions, 4 * np.arange(len(quads) + 1), quads.reshape(-1))


def limbs(level: int = 4) -> tuple[MeshData, NDArray[np.float64]]:
    """A ball with four limbs of different lengths, without any symmetry; and their directions [4, 3]."""
    ends = np.array([[1.0, 0.0, 0.0], [-0.6, 0.8, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
    ball = icosphere(level)
    near = np.maximum(ball.positions() @ ends.T, 0.0) ** 12
    return ball.with_positions(ball.positions() * (1.0 + near @ [1.0, 1.4, 1.8, 2.2])[:, None]), ends


def grid(n: int = 8, size: float = 1.0) -> MeshData:
    """A flat square of n * n quads in the plane z = 0, with texture coordinates at its corners."""
    side = np.linspace(0.0, size, n + 1)
    x, y = np.meshgrid(side, side, indexing="ij")
    positions = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    first = (i * (n + 1) + j).reshape(-1)
    quads = np.stack([first, first + n + 1, first + n + 2, first + 1], axis=1)
    uv = (positions[quads.reshape(-1), :2] / size).astype(np.float32)
    return MeshData.from_positions(positions, 4 * np.arange(len(quads) + 1), quads.reshape(-1), {"uv": uv})


def rotation(axis: NDArray[np.floating] | list[float], degrees: float) -> NDArray[np.float64]:
    """Rotation matrix [3, 3] around ``axis`` (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
