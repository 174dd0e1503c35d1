"""The moving fields of ``sdf_blend``: distances blended at rest, blended on carried surfaces, or advected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

from backend.flow.level_set import BAND, LevelSet
from backend.geometry.isosurface import Grid, grid_over
from backend.geometry.sides import Sides
from backend.geometry.signed_distance import SignedSurface
from backend.methods.blended_distance import BlendedDistance
from backend.methods.carried_pair import CarriedPair, RigidPair
from backend.methods.field_morph import FieldMorph, MovingField
from backend.methods.method import Pair
from backend.methods.thin_pair import ThinPair
from backend.training.run import Run

Float = NDArray[np.float64]
Both = tuple[Sides, Sides]

STEPS = 32767  # of a kept distance, from 0 to the edge of the band
UNREACHED = 0.01  # share of the target's volume that the advected surface may miss without a word
LAST = 1.0 / 48  # time left, at least, for the last step from the grid to the exact target
BATCH = 65_536  # grid nodes whose distance is asked for at once


class BlendedField(MovingField):
    """phi = (1 - s) d_source + s d_target in the co-moving frame, in lengths of object space."""

    def __init__(self, carried: RigidPair, sides: Both) -> None:
        self.carried: CarriedPair = carried
        frame = carried.frame
        self.rest = frame.enter(carried.source.positions, 0.0), frame.enter(carried.target.positions, 1.0)
        self._blended = BlendedDistance(carried, sides)
        self.ends = tuple(
            SignedSurface(positions, surface.triangles, side.grown(1.0 / frame.length(end)))
            for positions, surface, side, end in zip(
                self.rest, (carried.source, carried.target), sides, (0.0, 1.0), strict=True
            )
        )
        self.slope = self._blended.slope
        self._thin = ThinPair(carried, sides, self.box)

    def values(self, points: Float, t: float) -> Float:
        s = self.carried.progress(t)
        return self.carried.frame.length(s) * self.blended(self.carried.frame.enter(points, s), s)

    def blended(self, points: Float, s: float) -> Float:
        """The blend [N] at points [N, 3] of the frame, in its lengths."""
        if s in (0.0, 1.0):
            return self.ends[int(s)](points)
        return (1.0 - s) * self.ends[0](points) + s * self.ends[1](points)

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        return self._thin.at(t, resolution)

    def box(self, t: float) -> tuple[Float, Float]:
        return self._blended.box(*super().box(t), t)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        thickness = [side.thickness for side in self._blended.sides]
        return {}, {"kind": "blended", "frame": self.carried.frame.state(), "thickness": thickness}


class CarriedField(MovingField):
    """phi = (1 - s) d_source + s d_target, both surfaces carried to the time asked for."""

    def __init__(self, carried: CarriedPair, sides: Both, end: Float) -> None:
        """``end`` [W, 3]: where the source's vertices land."""
        self.carried = carried
        self._blended = BlendedDistance(carried, sides)
        self._end = end
        self.slope = self._blended.slope
        self._thin = ThinPair(carried, sides, self.box)

    def values(self, points: Float, t: float) -> Float:
        return self._blended.at(t)(points).distances

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        return self._thin.at(t, resolution)

    def box(self, t: float) -> tuple[Float, Float]:
        return self._blended.box(*super().box(t), t)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        thickness = [side.thickness for side in self._blended.sides]
        return {"end": self._end}, {"kind": "carried", "frame": self.carried.frame.state(), "thickness": thickness}


class AdvectedField(MovingField):
    """States of a level set on a grid in the co-moving frame, with the exact distances of the ends before and after."""

    slope = 1.5  # the spline through the grid may be a little steeper than a distance

    def __init__(self, blend: BlendedField, grid: Grid, kept: NDArray[np.int16], times: Sequence[float]) -> None:
        self.carried = blend.carried
        self._blend = blend
        self._grid = grid
        self._kept = kept  # [K, X, Y, Z], distances in steps of the band
        self._times = [0.0, *times, 1.0]
        self._splines: dict[int, NDArray[np.float32]] = {}

    @staticmethod
    def restored(blend: BlendedField, arrays: Mapping[str, Any], values: Mapping[str, Any]) -> AdvectedField:
        x, y, z = (size - 1 for size in arrays["states"].shape[1:])
        grid = Grid(np.array(values["low"]), values["cell"], (x, y, z))
        return AdvectedField(blend, grid, np.asarray(arrays["states"], np.int16), values["times"])

    def values(self, points: Float, t: float) -> Float:
        s = self.carried.progress(t)
        inward = self.carried.frame.enter(points, s)
        after = min(int(np.searchsorted(self._times, s, side="right")), len(self._times) - 1)
        low, high = self._times[after - 1], self._times[after]
        share = (s - low) / (high - low)
        if share == 0.0:
            found = self._at(after - 1, inward)
        elif share == 1.0:
            found = self._at(after, inward)
        else:
            found = (1.0 - share) * self._at(after - 1, inward) + share * self._at(after, inward)
        return self.carried.frame.length(s) * found

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        """At both ends, which are exact; the grid between them knows nothing as thin."""
        return self._blend.thin(t, resolution) if t in (0.0, 1.0) else ()

    def box(self, t: float) -> tuple[Float, Float]:
        return self._blend.box(t)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        _, values = self._blend.state()
        own = {"kind": "advected", "low": self._grid.low.tolist(), "cell": self._grid.cell, "times": self._times[1:-1]}
        return {"states": self._kept}, values | own

    def _at(self, knot: int, points: Float) -> Float:
        """Distance [N] of the surface at one of the times, in lengths of the frame."""
        if knot in (0, len(self._times) - 1):
            return self._blend.ends[min(knot, 1)](points)
        if knot - 1 not in self._splines:
            if len(self._splines) > 1:
                del self._splines[next(iter(self._splines))]
            state = self._kept[knot - 1].astype(np.float32)
            self._splines[knot - 1] = spline_filter(state, order=3, output=np.float32, mode="nearest")
        places = ((points - self._grid.low) / self._grid.cell).T
        found = map_coordinates(self._splines[knot - 1], places, np.float64, 3, mode="nearest", prefilter=False)
        return np.asarray(found * (BAND * self._grid.cell / STEPS))


def advected(blend: BlendedField, resolution: int, pair: Pair, run: Run) -> AdvectedField:
    """Moves the source's surface until it is the target's."""
    both = np.concatenate(blend.rest)
    low, high = both.min(axis=0), both.max(axis=0)
    margin = (BAND + 1.0) * float((high - low).max()) / resolution
    grid = grid_over(low - margin, high + margin, resolution)
    shape = tuple(n + 1 for n in grid.counts)
    nodes = grid.low + grid.cell * np.indices(shape).reshape(3, -1).T
    source, target = (_everywhere(end, nodes, run).reshape(shape) for end in blend.ends)
    level_set = LevelSet(grid, target)
    kept: list[NDArray[np.int16]] = []
    times: list[float] = []
    values = source

    def field() -> AdvectedField:
        states = np.stack(kept) if kept else np.zeros((0, *shape), np.int16)
        return AdvectedField(blend, grid, states, times)

    for state in level_set.states(source, run.progress):
        values = state.values
        kept.append(np.round(values * (STEPS / level_set.width)).astype(np.int16))
        times.append((1.0 - LAST) * state.change)
        run.preview(lambda: FieldMorph(pair.source, pair.target, field()))
        if run.seconds_left() <= 0.0:
            run.warn("the time was up before the surface had come to the target; the rest of the way is a blend")
            break
    missing = level_set.missing(values)
    if missing > UNREACHED:
        run.warn(
            f"{100 * missing:.0f} % of the target cannot be reached by growth, since the source does not come near "
            "it; that appears by a blend at the end"
        )
    return field()


def _everywhere(surface: SignedSurface, nodes: Float, run: Run) -> Float:
    """Distances [N] at nodes [N, 3]."""
    found = []
    for start in range(0, len(nodes), BATCH):
        run.progress(0, 0)
        found.append(surface(nodes[start : start + BATCH]))
    return np.concatenate(found)
