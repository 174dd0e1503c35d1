"""``SpaceNetwork``: one distance for every latent code, and the codes of the shapes it is trained on.

Gropp et al., ICML 2020, section 5.2 (Park et al., CVPR 2019, DeepSDF): an auto-decoder, whose codes are trained with
the network. A code and a point enter together, the code first, and once more in the middle of a deep softplus network.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from backend.fields.distance_mlp import DistanceMlp, geometric_
from backend.fields.mlp import Mlp, MlpShape, sine_
from backend.surfaces.space.settings import SpaceSettings


class SpaceNetwork(nn.Module):
    """The network and K codes. Points are in the frame of the space."""

    def __init__(self, settings: SpaceSettings, shapes: int) -> None:
        super().__init__()
        self.settings = settings
        inputs = settings.code + 3
        self.mlp = Mlp(
            MlpShape(inputs, 1, settings.width, settings.depth, settings.activation, settings.skip, narrow_before=True)
        )
        # Adam's steps are as long as its rate, so a code made of a scaled parameter has a rate of its own.
        self.raw_codes = nn.Parameter(torch.zeros(shapes, settings.code))

    def start_(self, generator: torch.Generator) -> None:
        """Weights as their activation wants them, and codes that differ a little.

        The published codes all begin at 0, where every shape asks for the same change of them.
        """
        settings = self.settings
        if settings.activation == "sine":
            frequencies = [settings.code_frequency] * settings.code + [settings.space_frequency] * 3
            sine_(self.mlp, torch.tensor(frequencies), generator)
        else:
            geometric_(self.mlp, 1.0, generator)
        with torch.no_grad():
            self.raw_codes.normal_(0.0, settings.code_spread / settings.code_rate, generator=generator)

    @property
    def codes(self) -> Tensor:
        """[K, C]"""
        return self.settings.code_rate * self.raw_codes

    def values(self, points: Tensor, codes: Tensor) -> Tensor:
        """f [S P] at points [S P, 3], equally many of each of the codes [S, C], one code's after the other's."""
        value: Tensor = self.mlp(_joined(points, codes))
        return value[:, 0]

    def values_and_gradients(self, points: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the gradients in space [S P, 3]."""
        value, gradient = self.mlp.value_and_gradient(_joined(points, codes))
        return value, gradient[:, codes.shape[1] :]

    def at(self, code: Tensor) -> DistanceMlp:
        """The distance of one code [C] as a network of space alone, exactly: what it says goes into the biases.

        Before a skip it has units that are nothing, since the code need not enter there any more.
        """
        form, count = self.mlp.shape, len(code)
        plain = DistanceMlp(3, form.width, form.depth, form.activation, form.skip).to(code.device)
        with torch.no_grad():
            for index in range(len(self.mlp.layers)):
                given, layer = self.mlp.layer(index), plain.mlp.layer(index)
                layer.weight.zero_()
                layer.bias.zero_()
                rows = given.out_features
                layer.bias[:rows] = given.bias
                if index not in (0, form.skip):
                    layer.weight[:rows, : given.in_features] = given.weight
                    continue
                before = given.in_features - count - 3  # columns of what the layer before gives
                layer.weight[:rows, :before] = given.weight[:, :before]
                layer.weight[:rows, -3:] = given.weight[:, -3:]
                said = given.weight[:, before : before + count] @ code
                layer.bias[:rows] += said / math.sqrt(2.0) if index == form.skip else said
        return plain


def _joined(points: Tensor, codes: Tensor) -> Tensor:
    return torch.cat([codes.repeat_interleave(len(points) // len(codes), dim=0), points], dim=1)
