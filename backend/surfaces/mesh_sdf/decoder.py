"""``Decoder``: the network of a DeepSDF and the codes of the shapes that it is trained on (its auto-decoder)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from backend.fields.deep_sdf import DeepSdf
from backend.surfaces.mesh_sdf.settings import DecoderSettings


class Decoder(nn.Module):
    """One network and K codes (Park et al., CVPR 2019, section 4.2)."""

    def __init__(self, settings: DecoderSettings, shapes: int) -> None:
        super().__init__()
        self.settings = settings
        self.network = DeepSdf(settings.form)
        self.codes = nn.Parameter(torch.zeros(shapes, settings.latent))  # [K, C]

    def start_(self, seed: int) -> None:
        """Weights as their layers begin, codes N(0, 1 / C): the same again with the same seed."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            self.network.load_state_dict(DeepSdf(self.settings.form).state_dict())
            self.codes.normal_(0.0, 1.0 / math.sqrt(self.settings.latent))

    def shares(self) -> list[float]:
        """Learning rate of each parameter, in order, as a share of the network's."""
        return [self.settings.code_rate if parameter is self.codes else 1.0 for parameter in self.parameters()]

    def values(self, points: Tensor, codes: Tensor) -> Tensor:
        """s [S P] at points [S P, 3], equally many of each of the codes [S, C], one code's after the other's."""
        found: Tensor = self.network(points, codes.repeat_interleave(len(points) // len(codes), dim=0))
        return found
