"""``DistanceLipschitz``: a network with a trainable Lipschitz bound a layer, as a distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp
from backend.fields.distance_network import DistanceNetwork
from backend.fields.lipschitz_mlp import LipschitzMlp
from backend.fields.mlp import MlpShape


class DistanceLipschitz(DistanceNetwork):
    """Liu et al., SIGGRAPH 2022. The bound is trained along with the weights."""

    family: ClassVar[str] = "lipschitz"

    def __init__(self, dimension: int, width: int = 128, depth: int = 4, activation: str = "sine") -> None:
        super().__init__()
        self._form: dict[str, Any] = {
            "dimension": dimension, "width": width, "depth": depth, "activation": activation
        }  # fmt: skip
        self.bounded = LipschitzMlp(MlpShape(dimension, 1, width, depth, activation))

    def forward(self, points: Tensor) -> Tensor:
        value: Tensor = self.bounded(points)
        return value[:, 0]

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.bounded.value_and_gradient(points)

    def form(self) -> Mapping[str, Any]:
        return self._form

    def at_rest(self) -> DistanceNetwork:
        """A plain network with the bounded weights."""
        plain = DistanceMlp(**self._form, skip=None)
        plain.mlp = self.bounded.normalised()
        return plain.requires_grad_(False)
