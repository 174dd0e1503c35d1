"""The two interfaces every method implements: ``Method`` makes a ``Morph`` of a pair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.correspondence.correspondence import Correspondence
from backend.correspondence.landing import Landing
from backend.geometry.repair import WorkingMesh
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue


@dataclass(frozen=True, eq=False)
class Pair:
    """The job as a method sees it: two checked meshes, the surfaces to compute on, and what is known of their match."""

    source: MeshData
    target: MeshData
    source_surface: WorkingMesh
    target_surface: WorkingMesh
    correspondence: Correspondence | None  # vertex numbers are those of the two surfaces
    end: NDArray[np.float64] | None = None  # [V, 3], object space: where each source vertex must end, if it is known
    landing: Landing | None = None  # the source surface posed on the target, where a correspondence is known
    topology: str = "keep"  # keep: the source's own faces; remesh: a surface of its own in every frame
    stops: tuple[Landing, ...] = ()  # poses of the source surface that the motion passes through, in order


class Morph(ABC):
    """A motion from a source mesh to a target mesh; time runs from 0 to 1.

    ``frame(0)`` of a morph that keeps the source's topology is the source bit for bit.
    """

    source: MeshData
    time_steps: int  # steps in time the motion was trained with; 0: any time is as good as another

    @abstractmethod
    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        """The mesh at each of ``times`` (in 0..1, in any order)."""

    @abstractmethod
    def carries(self, points: NDArray[np.float64], times: Sequence[float]) -> Iterator[NDArray[np.float64]]:
        """Points [N, 3] (object space, given at time 0) carried along to each of ``times``."""

    @abstractmethod
    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values from which ``Method.restore`` makes the same morph again."""

    def at_resolution(self, resolution: int, *, largest_part: bool = False) -> Morph:
        """The same morph with ``resolution`` cells along the longest side of what is extracted from a field.

        With ``largest_part`` only the connected part with the largest area is left of every frame.
        """
        return self

    @property
    def timed_by(self) -> Morph:
        """The morph whose speed says at which times frames of constant speed are."""
        return self

    def frame(self, t: float) -> MeshData:
        """The mesh at time ``t`` in 0..1."""
        return next(self.frames([t]))

    def carry(self, points: NDArray[np.float64], t: float) -> NDArray[np.float64]:
        """Points [N, 3] (object space, given at time 0) carried along to time ``t``."""
        return next(self.carries(points, [t]))


class Method(ABC):
    """A way to make a morph. Subclasses are final, stateless and registered in ``backend.methods.registry``."""

    name: ClassVar[str]
    label: ClassVar[str]
    doc: ClassVar[str]
    needs_correspondence: ClassVar[bool]
    topologies: ClassVar[tuple[str, ...]] = ("keep",)  # what it can make: keep, remesh, or both
    passes_stops: ClassVar[bool] = False  # whether its motion goes through ``Pair.stops``
    settings_type: ClassVar[type]  # frozen dataclass whose fields are made by backend.methods.settings.setting
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]]

    @abstractmethod
    def fit(self, pair: Pair, settings: Any, run: Run) -> Morph:
        """Trains. Calls ``run.progress`` every step, which also raises ``Cancelled``; obeys ``run.seconds_left()``."""

    @abstractmethod
    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        """The morph whose ``state()`` was ``arrays`` and ``values``."""
