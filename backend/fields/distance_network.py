"""Networks whose output is a distance, by the name they are stored under."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn


class DistanceNetwork(nn.Module, ABC):
    """A function of D coordinates with one output. Subclasses are final and built again from ``form()``."""

    family: ClassVar[str]

    @abstractmethod
    def forward(self, points: Tensor) -> Tensor:
        """[N, D] -> [N]."""

    @abstractmethod
    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Value [N] and gradient [N, D]; one ordinary backward pass differentiates both."""

    @abstractmethod
    def form(self) -> Mapping[str, Any]:
        """Plain values with which the constructor makes a network of the same shape."""

    def at_rest(self) -> DistanceNetwork:
        """The same function as fast as it can be evaluated, no longer to be trained."""
        return self.requires_grad_(False)
