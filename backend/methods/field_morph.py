"""``FieldMorph``: a morph whose frames are the zero level of a field that moves, so that their topology may change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.isosurface import extract, grid_over, largest_part, without_fragments
from backend.methods.appearance import Appearance
from backend.methods.carried_pair import CarriedPair
from backend.methods.mesh_state import mesh_arrays, mesh_from_arrays
from backend.methods.method import Morph
from protocol.mesh import MeshData

Float = NDArray[np.float64]

RESOLUTION = 128  # cells along the longest side of the box, where none is asked for


class MovingField(ABC):
    """A function of space and time, negative inside. Positions are relative to the origin of the source.

    ``carried`` is what surrounds the field: both surfaces of the pair, carried to any time. It bounds the region that
    is searched, and everything that rides along, textures too, rides on it.
    """

    carried: CarriedPair
    slope: float  # the gradient of the field is nowhere in the box longer than this
    code_size: int = 0  # numbers in the latent code that its shapes come from; 0: it has none
    code_span: float = 0.0  # distance of the codes of neighbouring shapes

    def slope_at(self, t: float) -> float:
        """The same as ``slope``, at time ``t`` alone."""
        return self.slope

    @abstractmethod
    def values(self, points: Float, t: float) -> Float:
        """The field [N] at ``points`` [N, 3] and time ``t`` in 0..1, in lengths of object space."""

    @abstractmethod
    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values from which its method makes it again."""

    def steered(self, shift: Float) -> MovingField:
        """The field whose latent code is shifted by [C] at all times; itself where it has none."""
        return self

    def code_gradient(self, points: Float, t: float, weights: Float) -> Float:
        """By its latent code [C]: of the sum of the field at points [N, 3] and time ``t``, with weights [N]."""
        return np.zeros(self.code_size)

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        """Points [M, 3] where an extraction wants cells of half the size, of a quarter, and of an eighth."""
        return ()

    def smallest_part(self, t: float) -> float:
        """Share of a frame's area below which a part apart from the others is a fragment."""
        return self.carried.smallest_part

    def box(self, t: float) -> tuple[Float, Float]:
        """Low and high corner [3] of a box that holds the surface at time ``t``: both surfaces carried there."""
        both = np.concatenate(self.carried.at(t))
        low, high = both.min(axis=0), both.max(axis=0)
        margin = 0.02 * float((high - low).max())
        return low - margin, high + margin


class FieldMorph(Morph):
    """One closed surface a frame, the first and the last included."""

    def __init__(
        self,
        source: MeshData,
        target: MeshData,
        field: MovingField,
        resolution: int = RESOLUTION,
        largest_part: bool = False,
    ) -> None:
        self.source = source
        self.target = target
        self.field = field
        self.resolution = resolution
        self._largest_part = largest_part
        self.time_steps = field.carried.time_steps
        self._appearance = Appearance(source, target, field.carried)
        self._check: Callable[[], None] = lambda: None

    def at_resolution(self, resolution: int, *, largest_part: bool = False) -> FieldMorph:
        return FieldMorph(self.source, self.target, self.field, resolution, largest_part)

    def with_field(self, field: MovingField) -> FieldMorph:
        """The morph of the same meshes by another field."""
        return FieldMorph(self.source, self.target, field, self.resolution, self._largest_part)

    def checked(self, check: Callable[[], None]) -> FieldMorph:
        """The same morph, which calls ``check`` again and again while it extracts a frame; it may raise to stop."""
        changed = copy(self)
        changed._check = check
        return changed

    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        for t in times:
            yield self._extracted(t)

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        for moved in self.field.carried.carries(points - self.source.origin, times):
            yield moved + self.source.origin

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self.field.state()
        target_arrays, target_values = mesh_arrays(self.target)
        kept = {f"target.{name}": array for name, array in target_arrays.items()}
        return arrays | kept, {"field": values, "target": target_values, "resolution": self.resolution}

    @staticmethod
    def target_of(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> MeshData:
        """The target of the morph whose ``state()`` was ``arrays`` and ``values``."""
        own = {name.removeprefix("target."): array for name, array in arrays.items() if name.startswith("target.")}
        return mesh_from_arrays(own, values["target"])

    def _extracted(self, t: float) -> MeshData:
        grid = grid_over(*self.field.box(t), self.resolution).with_room()

        def values(points: Float) -> Float:
            self._check()
            return self.field.values(points, t)

        positions, triangles = extract(
            values,
            grid,
            slope=self.field.slope_at(t),
            finer=self.field.thin(t, self.resolution),
        )
        positions, triangles = without_fragments(positions, triangles, self.field.smallest_part(t))
        if self._largest_part:
            positions, triangles = largest_part(positions, triangles)
        attributes = self._appearance.attributes(positions, triangles, t)
        return MeshData.from_triangles(positions + self.source.origin, triangles, attributes)
