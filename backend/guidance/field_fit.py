"""The layer that brings a field's surface to the masks: its latent code first, then a warp, then what is added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch

from backend.geometry.arrays import Float64, Int64
from backend.geometry.isosurface import grid_over
from backend.geometry.triangles import box_around
from backend.guidance.added_fit import AddedFit
from backend.guidance.code_fit import fit_code
from backend.guidance.guided_field import GuidedField
from backend.guidance.lattice import Lattice
from backend.guidance.layer import Layer
from backend.guidance.view import View, close_up
from backend.guidance.warp import Warp
from backend.guidance.warp_fit import LEVELS, WarpFit
from backend.methods.field_morph import FieldMorph

BACK_CELLS = 28  # of the lattice of the backward displacement, along the longest side
AROUND = 0.25  # of the longest side: how far beyond the surface space is warped
BEYOND = 0.12  # of the longest side: how far beyond it the field is added to
BATCH = 20_000  # points asked for at once
CODE_CELLS = 40  # along the longest side while the latent code is looked for, at most

Watch = Callable[[Float64, Int64, float], bool]  # at every step: the mesh and the loss; whether to go on


@dataclass(frozen=True)
class FieldFit:
    """The fit of the frame of a morph at the time of a layer. Places are relative to the origin of the source."""

    morph: FieldMorph
    views: Sequence[View]
    side: int  # pixels
    steps: int
    device: torch.device
    watch: Watch
    check: Callable[[], None]  # called again and again; may raise to stop

    def fitted(self, empty: Layer, resolution: int) -> Layer:
        """The layer; the surface is looked at with ``resolution`` cells along its longest side."""
        code = self._code(empty.time, resolution)
        steered = self.morph if code is None else self.morph.with_field(self.morph.field.steered(code))
        frame = steered.at_resolution(resolution).checked(self.check).frame(empty.time)
        positions, triangles = frame.positions() - self.morph.source.origin, frame.triangles().astype(np.int64)
        warp = self._warp(positions, triangles)
        moved = warp.forth(positions)
        layer = replace(
            empty, code=code, back=backward(warp, np.concatenate([positions, moved]), self.check), added=_nothing(moved)
        )
        field = GuidedField(self.morph.field, layer)
        grid = grid_over(*box_around(moved, BEYOND), resolution).with_room()
        close_ups = [close_up(view, moved, self.side).to(self.device) for view in self.views]
        fit = AddedFit(lambda points: self._values(field, points, empty.time), grid, self.views, close_ups, self.device)
        last = [moved]

        def watch(places: Float64, faces: Int64, loss: float) -> bool:
            last[0] = places
            return self.watch(places, faces, loss)

        added = fit.fitted(self.steps, watch)
        everything = np.concatenate([moved, last[0]])
        return replace(layer, added=added, low=everything.min(axis=0), high=everything.max(axis=0))

    def _values(self, field: GuidedField, points: Float64, time: float) -> Float64:
        """The field [N] at points [N, 3], asked for in parts."""
        found = np.empty(len(points))
        for start in range(0, len(points), BATCH):
            self.check()
            part = slice(start, start + BATCH)
            found[part] = field.values(points[part], time)
        return found

    def _code(self, time: float, resolution: int) -> Float64 | None:
        """The shift of the latent code, of fields that have one; the box of the frame says where it is looked at."""
        corners = np.array(list(product(*zip(*self.morph.field.box(time), strict=True))))
        close_ups = [close_up(view, corners, self.side).to(self.device) for view in self.views]
        coarse = min(resolution, CODE_CELLS)
        return fit_code(self.morph.field, time, close_ups, coarse, self.steps, self.device, self.watch)

    def _warp(self, positions: Float64, triangles: Int64) -> Warp:
        close_ups = [close_up(view, positions, self.side).to(self.device) for view in self.views]

        def watch(places: Float64, loss: float) -> bool:
            return self.watch(places, triangles, loss)

        levels = LEVELS[:5]  # the finer ones are left to what is added
        return WarpFit(positions, triangles, close_ups, self.steps, self.device, watch).fitted(levels)


def backward(warp: Warp, points: Float64, check: Callable[[], None]) -> Lattice:
    """The displacement to where a place was before the warp, around points [N, 3]."""
    size = float(np.ptp(points, axis=0).max())
    lattice = Lattice.over(*box_around(points, AROUND), size / BACK_CELLS, 3)
    nodes = lattice.nodes()
    samples = (warp.back(nodes, check) - nodes).T.reshape(lattice.coefficients.shape)
    return lattice.through(samples)


def _nothing(points: Float64) -> Lattice:
    low, high = points.min(axis=0), points.max(axis=0)
    return Lattice.over(low, high, float((high - low).max()), 1)
