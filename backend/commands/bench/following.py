"""Following a surface: CPU seconds of its extractions over a path of codes, beside those of the whole grid."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from backend.commands.bench.table import Figure
from backend.geometry.arrays import Float64
from backend.geometry.isosurface import Function
from backend.geometry.metrics import topology
from backend.geometry.tracked_surface import TrackedSurface
from backend.surfaces.mesh_sdf.descent import Surface, box

PATHS: Final = ((64, 10, "8 times, the same mesh, 0 ghosts"), (128, 25, "more than at 64"))  # cells, looks, reach
SAME: Final = 1e-3  # cells: vertices so near are the same but for rounding


@dataclass
class Following:
    """What was measured; CPU seconds of every extraction."""

    followed: list[float] = field(default_factory=list)  # around the last surface alone
    refreshed: list[float] = field(default_factory=list)  # with a look at the whole grid
    whole: list[float] = field(default_factory=list)
    ghosts: int = 0  # parts of a followed surface that the whole grid has not, at most
    same: bool = False  # whether the last mesh is that of the whole grid

    @property
    def ratio(self) -> float:
        """How much faster an extraction is, those with a refresh included."""
        every = self.followed + self.refreshed
        return float(np.mean(self.whole) / np.mean(every))

    @property
    def ratio_apart(self) -> float:
        """The same without them."""
        return float(np.mean(self.whole) / np.mean(self.followed))


def measure_following(
    values_of: Callable[[Float64], Function], codes: Float64, paths: Sequence[tuple[int, int, str]] = PATHS
) -> list[Figure]:
    """Along a path of codes [N, C], at each resolution. ``values_of``: the field of a code [C]."""
    figures = []
    for cells, every, reach in paths:
        found = follow(values_of, codes, cells, every)
        value = (
            f"{found.ratio:.1f} times faster ({1e3 * np.mean(found.whole):.0f} CPU ms for the whole grid); without "
            f"the {len(found.refreshed)} refreshes {found.ratio_apart:.1f} times "
            f"({1e3 * np.mean(found.followed):.0f} CPU ms); {found.ghosts} ghosts; the last mesh "
            f"{'the same' if found.same else 'another'}"
        )
        figures.append(Figure(f"{len(codes)} extractions at {cells} cells, followed", value, reach))
    return figures


def follow(values_of: Callable[[Float64], Function], codes: Float64, cells: int, every: int) -> Following:
    """One path. The whole grid is extracted at every ``every``-th code and at the last."""
    grid = box(cells)
    tracked, truth, found = TrackedSurface(grid), TrackedSurface(grid), Following()
    nodes = int(np.prod([count + 1 for count in grid.counts]))
    for number, code in enumerate(codes):
        values = values_of(code)
        before, started = tracked.evaluations, time.process_time()
        surface = tracked.extract(values)
        spent = time.process_time() - started
        (found.refreshed if tracked.evaluations - before >= nodes else found.followed).append(spent)
        if number % every == 0 or number == len(codes) - 1:
            started = time.process_time()
            whole = truth.whole(values)
            found.whole.append(time.process_time() - started)
            found.ghosts = max(found.ghosts, _components(surface) - _components(whole))
            found.same = _same(surface, whole, SAME * grid.cell)
    return found


def path_of(iterations: Sequence[int], codes: Sequence[Sequence[float]]) -> Float64:
    """A code for every iteration [N, C], straight between those that are known."""
    known, wanted = np.asarray(codes), np.arange(iterations[0], iterations[-1] + 1)
    return np.stack([np.interp(wanted, iterations, known[:, k]) for k in range(known.shape[1])], axis=1)


def _components(surface: Surface) -> int:
    return int(topology(len(surface[0]), surface[1])["components"])


def _same(first: Surface, second: Surface, close: float) -> bool:
    return np.array_equal(first[1], second[1]) and bool(np.abs(first[0] - second[0]).max(initial=0.0) <= close)
