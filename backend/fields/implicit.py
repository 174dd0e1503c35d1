"""The time-varying implicit surface f(x, t): its zero level at time t is the surface at that time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.fields.mlp import Mlp, MlpShape


@dataclass(frozen=True)
class ImplicitValue:
    """f and its first derivatives at N points."""

    value: Tensor  # [N]
    gradient: Tensor  # [N, 3], in space
    rate: Tensor  # [N], df / dt, t from 0 to 1


class ImplicitField(nn.Module):
    """INSD's implicit network: 8 layers of 256, softplus (beta 100), (x, t) again at the fourth."""

    def __init__(self, width: int = 256, depth: int = 8) -> None:
        super().__init__()
        self.mlp = Mlp(MlpShape(4, 1, width, depth, "softplus", skip=3))

    def forward(self, points: Tensor, time: float | Tensor) -> Tensor:
        """f [N] at ``points`` [N, 3] and ``time``, one number or one a point."""
        value: Tensor = self.mlp(self._inputs(points, time))
        return value[:, 0]

    def derivatives(self, points: Tensor, time: float | Tensor) -> ImplicitValue:
        """f with its gradient and its rate of change in time. Cost: 2 passes."""
        value, gradient = self.mlp.value_and_gradient(self._inputs(points, time))
        return ImplicitValue(value, gradient[:, :3], gradient[:, 3])

    def _inputs(self, points: Tensor, time: float | Tensor) -> Tensor:
        column = torch.as_tensor(time, dtype=points.dtype, device=points.device).reshape(-1, 1)
        return torch.cat([points, column.expand(len(points), 1)], dim=1)
