"""Where and how fast space moves along a known path of a surface: samples that a velocity field is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.flow.keyed_path import KeyedPath, hermite, hermite_velocity

ON_SURFACE = 3  # every so many-th sample lies on the surface itself, the others in a shell around it


@dataclass(frozen=True, eq=False)
class PathSamples:
    """M places in space and time with the velocity wanted there, in the frame's units."""

    points: Tensor  # [M, 3]
    times: Tensor  # [M], in 0..1
    velocities: Tensor  # [M, 3]
    normals: Tensor  # [M, 3], unit


class PathSampler:
    """Draws samples from the surface on its path, and from the shell around it, which moves with its normals.

    Without the shell, points that have drifted off the surface would meet velocities nobody asked for.
    """

    def __init__(self, path: KeyedPath, triangles: Tensor, shell: float, generator: torch.Generator) -> None:
        """``triangles`` [T, 3]; ``shell``: standard deviation of the distance from the surface, frame units."""
        self._path = path
        self._normals = KeyedPath.through(vertex_normals(path.positions, triangles))
        self._triangles = triangles
        self._shell = shell
        self._generator = generator
        # By the root of the area: small triangles are where the detail is.
        first = path.positions[0][triangles]
        areas = torch.linalg.cross(first[:, 1] - first[:, 0], first[:, 2] - first[:, 0]).norm(dim=-1)
        self._reach = torch.cumsum(areas.cpu().double().sqrt(), 0)

    def draw(self, count: int) -> PathSamples:
        """``count`` samples."""
        generator, device = self._generator, self._path.positions.device
        picks = torch.rand(count, generator=generator, dtype=torch.float64) * self._reach[-1]
        faces = torch.searchsorted(self._reach, picks).clamp_max(len(self._triangles) - 1).to(device)
        u, v = torch.rand(2, count, generator=generator).to(device)
        root = u.sqrt()
        shares = torch.stack([1 - root, root * (1 - v), root * v], dim=1)[:, :, None]  # [M, 3, 1]
        times = torch.rand(count, generator=generator).to(device)
        offset = torch.randn(count, 1, generator=generator).to(device) * self._shell
        offset[::ON_SURFACE] = 0.0
        steps = len(self._path.positions) - 1
        index = (times * steps).long().clamp_max(steps - 1)
        s = (times * steps - index)[:, None]
        corners = self._triangles[faces]  # [M, 3]

        def two(values: Tensor) -> Tensor:  # [K + 1, W, 3] -> [2, M, 3]
            return torch.stack([(values[index[:, None] + k, corners] * shares).sum(dim=1) for k in (0, 1)])

        normals = two(self._normals.positions)
        positions = two(self._path.positions) + offset * normals
        velocities = two(self._path.velocities) + offset * two(self._normals.velocities)
        normal = (1 - s) * normals[0] + s * normals[1]
        return PathSamples(
            points=hermite(s, 1.0 / steps, positions, velocities),
            times=times,
            velocities=hermite_velocity(s, 1.0 / steps, positions, velocities),
            normals=normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-12),
        )


def vertex_normals(positions: Tensor, triangles: Tensor) -> Tensor:
    """Unit vertex normals [K + 1, W, 3], area-weighted means of the triangles'."""
    normals = torch.zeros_like(positions)
    for key in range(len(positions)):
        a, b, c = (positions[key][triangles[:, k]] for k in range(3))
        face = torch.linalg.cross(b - a, c - a)
        for k in range(3):
            normals[key].index_add_(0, triangles[:, k], face)
    unit: Tensor = normals / normals.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return unit
