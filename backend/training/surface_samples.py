"""Where the implicit surface f(x, t) is trained: on the moving surface, in a shell around it, and in the box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from backend.device import flushed_denormals
from backend.fields.velocity import VelocityField
from backend.flow.integrate import STEPS, step_time

NEIGHBOUR = 50  # the shell at a point is as thick as this neighbour is far
MARGIN = 0.25  # of the box, units
CHUNK = 8_192  # points carried at once


@dataclass(frozen=True, eq=False)
class SurfacePair:
    """A prepared pair in frame units; normals have length 1 and point outwards."""

    source: Tensor  # [N, 3], matched source points
    source_normals: Tensor  # [N, 3]
    target: Tensor  # [N, 3], their partners
    target_normals: Tensor  # [N, 3]
    weights: Tensor  # [N], trust in each pair: training V only
    source_surface: Tensor  # [S, 3], points all over the source
    source_surface_normals: Tensor  # [S, 3]
    target_surface: Tensor  # [U, 3], points all over the target
    target_surface_normals: Tensor  # [U, 3]


@dataclass(frozen=True, eq=False)
class Carried:
    """M points on their way through T equal steps, with V where they are."""

    positions: Tensor  # [T + 1, M, 3]
    velocities: Tensor  # [T + 1, M, 3], units per unit of time
    jacobians: Tensor  # [T + 1, M, 3, 3]

    def rows(self, rows: Tensor) -> Carried:
        return Carried(self.positions[:, rows], self.velocities[:, rows], self.jacobians[:, rows])


@dataclass(frozen=True, eq=False)
class Rows:
    """What one update draws from the pair, by number."""

    pairs: Tensor  # [B]
    source: Tensor  # [B], of the source's surface points
    target: Tensor  # [B], of the target's surface points


@dataclass(frozen=True, eq=False)
class Around:
    """Points off the surface."""

    shell: Tensor  # [L, 3]
    shell_times: Tensor  # [L], multiples of 1 / T
    box: Tensor  # [G, 3]
    box_times: Tensor  # [G], anywhere in 0..1


def carry(velocity: VelocityField, points: Tensor, steps: int, method: str) -> Carried:
    """``points`` [M, 3] carried through all time, differentiable. Cost: 4 passes a step and one more time."""
    positions, velocities, jacobians = [points], [], []
    dt = 1.0 / steps
    for index in range(steps + 1):
        time = step_time(0.0, 1.0, steps, index)
        jets = velocity.jets(positions[-1], time)
        velocities.append(jets.value)
        jacobians.append(jets.jacobian)
        if index < steps:
            positions.append(STEPS[method](velocity, positions[-1], time, dt, jets.value))
    return Carried(torch.stack(positions), torch.stack(velocities), torch.stack(jacobians))


def carry_all(velocity: VelocityField, points: Tensor, steps: int, method: str) -> Carried:
    """The same of many points, without gradients."""
    with torch.no_grad(), flushed_denormals():
        parts = [carry(velocity, part, steps, method) for part in torch.split(points, CHUNK)]
    return Carried(
        torch.cat([part.positions for part in parts], dim=1),
        torch.cat([part.velocities for part in parts], dim=1),
        torch.cat([part.jacobians for part in parts], dim=1),
    )


class SurfaceSampler:
    """Draws the points of each update.

    The shell follows the surface: at every time step it lies around the carried points, and at the last around the
    target's. The thickness at a point is looked up among that point's own set, the noise is new for every point, and
    the box holds the whole way of the source and the target.
    """

    def __init__(self, pair: SurfacePair, batch: int, steps: int, generator: torch.Generator) -> None:
        self.pair = pair
        self._batch = batch
        self._steps = steps
        self._generator = generator
        self._spread = spread(pair.source_surface)  # [S]
        self._target_spread = spread(pair.target_surface)  # [U]

    def rows(self) -> Rows:
        """Up to a batch of each, none twice."""
        pair = self.pair
        return Rows(*(self._draw(len(points)) for points in (pair.source, pair.source_surface, pair.target_surface)))

    def around(self, rows: Rows, carried: Tensor, step: int | None = None) -> Around:
        """Points around ``carried`` [T + 1, B, 3], the drawn source surface points, at random times or at ``step``.

        The box gets a quarter of a batch for each of these times.
        """
        device, count = carried.device, carried.shape[1]
        steps, generator = self._steps, self._generator
        if step is None:
            numbers = torch.randint(steps + 1, (count,), generator=generator).to(device)
        else:
            numbers = torch.full((count,), step, device=device)
        at_target = rows.target[torch.arange(count, device=device) % len(rows.target)]
        last = numbers == steps
        base = torch.where(
            last[:, None],
            self.pair.target_surface[at_target],
            carried.detach()[numbers, torch.arange(count, device=device)],
        )
        reach = torch.where(last, self._target_spread[at_target], self._spread[rows.source])
        noise = torch.randn(count, 3, generator=generator).to(base)
        quarter = max(self._batch // 4, 1)
        many = quarter * (1 if step is not None else steps + 1)
        low, high = self._box(carried)
        box = low + (high - low) * torch.rand(many, 3, generator=generator).to(base)
        times = torch.rand(many, generator=generator).to(base) if step is None else box.new_full((many,), step / steps)
        return Around(base + reach[:, None] * noise, numbers / steps, box, times)

    def _box(self, carried: Tensor) -> tuple[Tensor, Tensor]:
        everything = torch.cat([carried.detach().reshape(-1, 3), self.pair.target_surface])
        return everything.amin(dim=0) - MARGIN, everything.amax(dim=0) + MARGIN

    def _draw(self, count: int) -> Tensor:
        rows = torch.randperm(count, generator=self._generator)[: self._batch]
        return rows.to(self.pair.source.device)


def spread(points: Tensor) -> Tensor:
    """Distance of each of ``points`` [N, 3] from its 50th neighbour [N]."""
    places = points.detach().cpu().double().numpy()
    rank = min(NEIGHBOUR + 1, len(places))  # the first is the point itself
    distance, _ = cKDTree(places).query(places, k=[rank])
    return torch.as_tensor(np.asarray(distance)[:, 0], dtype=points.dtype, device=points.device)
