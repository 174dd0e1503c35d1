"""The interface of every way to fit a distance field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from backend.fields.distance_network import DistanceNetwork
from backend.surfaces.dataset import Dataset
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from protocol.settings import SettingValue


class SurfaceMethod(ABC):
    """A way to fit. Subclasses are final, stateless and registered in ``backend.surfaces.registry``."""

    name: ClassVar[str]
    label: ClassVar[str]
    doc: ClassVar[str]
    needs: ClassVar[Mapping[str, str]]  # mode of the fit (signed, unsigned) -> mode of the dataset it trains on
    bounded: ClassVar[bool] = False  # whether the gradient is nowhere longer than 1, whatever the weights
    settings_type: ClassVar[type]  # frozen dataclass whose fields are made by backend.methods.settings.setting
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]]  # "fast" first

    @abstractmethod
    def fit(
        self,
        data: Dataset,
        signed: bool,
        settings: Any,
        run: Run,
        checkpoints: Checkpoints | None = None,
    ) -> DistanceNetwork:
        """Trains in the unit frame.

        Calls ``run.progress`` every step, and ``run.preview`` with the network as it is; obeys ``run.seconds_left()``.
        """

    def level(self, signed: bool, settings: Any) -> float:
        """Value of the field on the surface, in units: 0 where signed, a small offset where not."""
        return 0.0
