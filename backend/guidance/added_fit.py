"""What has to be added to a field so that its surface has the masks as silhouettes, holes and all.

The field is known at the nodes of a grid, and so is a cubic spline that is added to it. Vertices of the zero level move
by -ds / |grad s| along the gradient's direction where the field changes by ds (Remelli et al. 2020, theorem 1, with the
length of the gradient), which takes the gradient of the silhouettes' loss to the nodes. Inside of an outline it has
none, so a hole would never open: what lies on lines of sight beside a mask counts as well, with its volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from backend.geometry.arrays import Float64, Int64
from backend.geometry.dual_octree import CORNERS
from backend.geometry.isosurface import Grid
from backend.geometry.tracked_surface import TrackedSurface
from backend.guidance.descent import Pace, descend
from backend.guidance.lattice import Lattice
from backend.guidance.objective import ENOUGH, Objective
from backend.guidance.view import CloseUp, View, pixel_length

SPREADS = (0.18, 0.09, 0.045, 0.0)  # of the grid's longest side: over what steps are smoothed, one after the other
COARSER = 2.0  # cells of the grid in one of the lattice
FIRST, LAST = 1.0 / 64.0, 1.0 / 3200.0  # of the grid's longest side: the longest step, and the shortest
BESIDE = 2.0  # what volume beside the masks counts, for the share of the whole volume that it is
FLAT = 0.3  # slope of the field, at least, with which it moves
BAND = 4.0  # cells on either side of the surface where the field is asked for at every node

Values = Callable[[Float64], Float64]
Watch = Callable[[Float64, Int64, float], bool]  # at every step: the mesh and the loss; whether to go on


class AddedFit:
    """The fit on one grid."""

    def __init__(
        self,
        values: Values,  # the field, negative inside
        grid: Grid,
        views: Sequence[View],
        close_ups: Sequence[CloseUp],
        device: torch.device,
    ) -> None:
        self._grid = grid
        self._shape = tuple(count + 1 for count in grid.counts)
        self._done = False
        self._known = known_near(values, grid)
        self._close_ups = close_ups
        self._device = device
        self._surface = TrackedSurface(grid)
        high = grid.low + grid.cell * np.array(grid.counts)
        self.lattice = Lattice.over(grid.low, high, COARSER * grid.cell, 1)
        self._axes = [self.lattice.along(k, grid.low[k] + grid.cell * np.arange(n)) for k, n in enumerate(self._shape)]
        pixel = min(pixel_length([one], self._middle()) for one in close_ups)
        self._longest = grid.cell * max(grid.counts)
        self._step = min(FIRST * self._longest, 2.0 * pixel)
        self._beside = self._beside_masks(views)

    def fitted(self, steps: int, watch: Watch) -> Lattice:
        """What is added; ``steps`` at most for each of ``SPREADS``."""
        objective = Objective(self._close_ups)
        found = np.zeros(self.lattice.coefficients.size)
        for spread in SPREADS:

            def evaluate(c: Float64, spread: float = spread) -> tuple[float, Float64]:
                loss, gradient, agreement, mesh = self.evaluated(c, objective)
                self._done = not watch(*mesh, loss) or agreement >= ENOUGH
                return loss, self._smoothed(gradient, spread)

            def go_on(c: Float64, loss: float) -> bool:
                return not self._done

            pace = Pace(self._step, LAST * self._longest, steps)
            found = descend(found, evaluate, self._reach, pace, go_on)
            if self._done:
                break
        return self.lattice.with_coefficients(found)

    def _added(self, c: Float64) -> Float64:
        """The spline [X, Y, Z] at the nodes."""
        x, y, z = self._axes
        return np.asarray(
            np.einsum("ai,bj,ck,ijk->abc", x, y, z, c.reshape(self.lattice.coefficients.shape[1:]), optimize=True)
        )

    def _reach(self, c: Float64) -> float:
        """The largest change at a node near the surface."""
        return float(np.abs(self._added(c))[self._near].max(initial=0.0))

    def evaluated(self, c: Float64, objective: Objective) -> tuple[float, Float64, float, tuple[Float64, Int64]]:
        """Loss, gradient, agreement and mesh of the field with the spline."""
        field = self._known + self._added(c)
        self._near = np.abs(field) < BAND * self._grid.cell
        positions, triangles = self._surface.extract(lambda points: field[tuple(self._numbers(points).T)])
        points = torch.as_tensor(positions, device=self._device).requires_grad_()
        images = objective.images(points, torch.as_tensor(triangles, device=self._device))
        loss = objective(images)
        (pull,) = torch.autograd.grad(loss, points)
        agreement = objective.agreement([image.detach() for image in images])
        volume, slope = self._volume_beside(field)
        nodes = self._pulled(field, positions, pull.cpu().numpy()) + slope
        x, y, z = self._axes
        gradient = np.einsum("ai,bj,ck,abc->ijk", x, y, z, nodes, optimize=True).reshape(-1)
        return float(loss.detach()) + volume, gradient, agreement, (positions, triangles)

    def _pulled(self, field: Float64, positions: Float64, pull: Float64) -> Float64:
        """The gradient by the field at the nodes [X, Y, Z] of what has ``pull`` [V, 3] as that by the vertices."""
        place = (positions - self._grid.low) / self._grid.cell
        slopes = np.stack(
            [map_coordinates(part, place.T, order=1, mode="nearest") for part in np.gradient(field, self._grid.cell)], 1
        )
        squared = np.maximum((slopes * slopes).sum(axis=1), FLAT * FLAT)
        weight = -(pull * slopes).sum(axis=1) / squared
        first = np.minimum(np.floor(place).astype(np.int64), np.array(self._grid.counts) - 1)
        share = place - first
        total = np.zeros(field.size)
        for corner in CORNERS:
            part = np.prod(np.where(corner == 1, share, 1.0 - share), axis=1)
            number = np.ravel_multi_index(tuple((first + corner).T), self._shape)
            total += np.bincount(number, part * weight, field.size)
        return total.reshape(self._shape)

    def _volume_beside(self, field: Float64) -> tuple[float, Float64]:
        """Share of the volume that lies beside the masks, and its gradient by the field at the nodes."""
        cell = self._grid.cell
        inside = np.clip(0.5 - field / (2.0 * cell), 0.0, 1.0)
        whole = max(float(inside.sum()), 1.0)
        falling = np.where((inside > 0.0) & (inside < 1.0), -0.5 / cell, 0.0)
        share = BESIDE * float((self._beside * inside).sum()) / whole
        return share, BESIDE * self._beside * falling / whole

    def _beside_masks(self, views: Sequence[View]) -> Float64:
        """How far each node [X, Y, Z] is beside a mask: 0 up to half a cell, 1 from one and a half."""
        points = self._places()
        total = np.zeros(len(points))
        for view in views:
            away = distance_transform_edt(view.mask < 0.5)
            placed = view.camera.place(torch.as_tensor(points))
            pixels = view.camera.project(placed)[0].numpy()
            depth = placed[0, :, 2].numpy()
            seen = (depth > 0.0) & (pixels >= 0.0).all(axis=1)
            seen &= (pixels < [view.camera.width, view.camera.height]).all(axis=1)
            column, row = pixels[seen].astype(np.int64).T
            length = away[row, column] * depth[seen] / float(view.camera.focal.min())
            total[seen] = np.maximum(total[seen], np.clip(length / self._grid.cell - 0.5, 0.0, 1.0))
        return total.reshape(self._shape)

    def _smoothed(self, gradient: Float64, spread: float) -> Float64:
        if spread == 0.0:
            return gradient
        shaped = gradient.reshape(self.lattice.coefficients.shape[1:])
        return np.asarray(gaussian_filter(shaped, spread * self._longest / self.lattice.cell)).reshape(-1)

    def _numbers(self, points: Float64) -> Int64:
        return np.asarray(np.rint((points - self._grid.low) / self._grid.cell), np.int64)

    def _places(self) -> Float64:
        axes = [np.arange(n) for n in self._shape]
        return np.asarray(
            self._grid.low + self._grid.cell * np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        )

    def _middle(self) -> Float64:
        return np.stack([self._grid.low, self._grid.low + self._grid.cell * np.array(self._grid.counts)])


def known_near(values: Values, grid: Grid) -> Float64:
    """The field at the nodes [X, Y, Z] of a grid: exact near its surface, elsewhere between every other node."""
    shape = tuple(count + 1 for count in grid.counts)
    coarse = [np.minimum(np.arange(0, n + 1, 2), n - 1) for n in shape]
    places = np.stack(np.meshgrid(*coarse, indexing="ij"), -1)
    few = values(grid.low + grid.cell * places.reshape(-1, 3)).reshape(places.shape[:3])
    every = np.stack(np.meshgrid(*[np.arange(n) / 2.0 for n in shape], indexing="ij"))
    found = map_coordinates(few, every, order=1, mode="nearest")
    near = np.stack(np.nonzero(np.abs(found) < BAND * grid.cell), axis=1)
    found[tuple(near.T)] = values(grid.low + grid.cell * near)
    return np.asarray(found)
