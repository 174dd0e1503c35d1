"""``CodedNetwork``: a network of points and a latent code, of either of two kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from backend.fields.deep_sdf import DeepSdf, DeepSdfShape
from backend.fields.mlp import Mlp, MlpShape
from protocol.settings import SettingError

DEEP_SDF = "deep_sdf"  # the kind of network, in facts


class CodedNetwork(Protocol):
    """N(x; z), at rest: no weight asks for a gradient, and nothing is left out at random.

    A ``code`` is that of all points, [C], or of each, [N, C].
    """

    @property
    def module(self) -> nn.Module:
        """What has the weights."""
        ...

    def __call__(self, points: Tensor, code: Tensor) -> Tensor:
        """Values [N] at points [N, 3]; they can be differentiated by points and code."""
        ...

    def value_and_gradient(self, points: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Values [N] and their gradients in space [N, 3]."""
        ...

    def facts(self) -> dict[str, Any]:
        """What, besides the weights, ``coded_from`` makes the same of; plain types."""
        ...


class CodedMlp:
    """An ``Mlp`` of (x, z)."""

    def __init__(self, network: Mlp) -> None:
        self.module = network.eval().requires_grad_(False)

    def __call__(self, points: Tensor, code: Tensor) -> Tensor:
        found: Tensor = self.module(_joined(points, code))
        return found[:, 0]

    def value_and_gradient(self, points: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self.module.value_and_gradient(_joined(points, code))
        return value, gradient[:, :3]

    def facts(self) -> dict[str, Any]:
        return asdict(self.module.shape)


class CodedDeepSdf:
    """A ``DeepSdf`` whose frame is ``length`` times as large: L s(x / L; z)."""

    def __init__(self, network: DeepSdf, length: float = 1.0) -> None:
        self.module = network.eval().requires_grad_(False)
        self._length = length

    def __call__(self, points: Tensor, code: Tensor) -> Tensor:
        found: Tensor = self.module(points / self._length, code)
        return self._length * found

    def value_and_gradient(self, points: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self.module.value_and_gradient(points / self._length, code)
        return self._length * value, gradient

    def facts(self) -> dict[str, Any]:
        return {"kind": DEEP_SDF, "length": self._length, "shape": asdict(self.module.shape)}


def coded_from(facts: Mapping[str, Any]) -> CodedNetwork:
    """The network whose ``facts()`` these were, its weights not set yet."""
    kind = facts.get("kind")
    if kind is None:  # an Mlp is told by the fields of its shape alone
        return CodedMlp(Mlp(MlpShape(**facts)))
    if kind == DEEP_SDF:
        return CodedDeepSdf(DeepSdf(DeepSdfShape(**facts["shape"])), facts["length"])
    raise SettingError(f"there is no network of the kind {kind!r}; the file is of a later version")


def _joined(points: Tensor, code: Tensor) -> Tensor:
    return torch.cat([points, code.expand(len(points), -1)], dim=1)
