"""The interface of every way to fit a distance field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from backend.fields.distance_network import DistanceNetwork
from backend.surfaces.dataset import Dataset
from backend.training.adam import Adam
from backend.training.checkpoints import Checkpoints
from backend.training.loop import train
from backend.training.run import Run
from backend.training.schedule import Schedule
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


def trained(
    network: DistanceNetwork,
    loss_of_step: Callable[[int], Tensor],
    steps: int,
    schedule: Schedule,
    run: Run,
    checkpoints: Checkpoints | None,
    optimiser_type: type[Adam] = Adam,
) -> DistanceNetwork:
    """The network when its training has ended; it is shown as it is on the way, and the run keeps the facts."""
    with run.phase("training"):
        outcome = train(
            network,
            loss_of_step,
            steps=run.steps(steps),
            schedule=schedule,
            run=run,
            preview=lambda: network,
            checkpoints=checkpoints,
            optimiser_type=optimiser_type,
        )
    run.facts |= outcome.facts("training")
    return network
