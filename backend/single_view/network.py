"""``SingleViewNetwork``: the encoder of images and the decoder of its codes, trained together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backend.fields.deep_sdf import DeepSdf
from backend.single_view.encoder import Encoder
from backend.single_view.framing import Pixels
from backend.single_view.settings import SingleViewSettings


class SingleViewNetwork(nn.Module):
    """Images to codes and cameras, codes to distances."""

    def __init__(self, settings: SingleViewSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Encoder(
            settings.latent,
            settings.width,
            settings.blocks,
            settings.stem_stride,
            settings.pooled,
            view=settings.view_weight > 0.0,
        )
        self.decoder = DeepSdf(settings.decoder)

    def start_(self, seed: int) -> None:
        """Weights at their start, the same for the same seed."""
        self.encoder.start_(torch.Generator().manual_seed(seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.decoder.load_state_dict(DeepSdf(self.settings.decoder).state_dict())

    def shares(self) -> list[float]:
        """Learning rate of each parameter, in order, as a share of the decoder's."""
        mine = {id(parameter) for parameter in self.encoder.parameters()}
        return [self.settings.encoder_rate if id(p) in mine else 1.0 for p in self.parameters()]

    def seen(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes [B, latent] and cameras [B, 4] of images [B, S, S, 4] uint8."""
        found: tuple[Tensor, Tensor | None] = self.encoder(network_images(images))
        return found

    def values(self, points: Tensor, codes: Tensor) -> Tensor:
        """s [B, P] at points [B, P, 3], those of each of the codes [B, latent]."""
        each = codes[:, None].expand(-1, points.shape[1], -1)
        found: Tensor = self.decoder(points.flatten(0, 1), each.flatten(0, 1))
        return found.view(points.shape[:2])


def network_images(images: Tensor) -> Tensor:
    """Images [B, S, S, 4] uint8 as the encoder takes them, [B, 4, S, S] in 0..1."""
    return images.permute(0, 3, 1, 2).float() / 255.0


def as_batch(images: list[Pixels], device: torch.device) -> Tensor:
    """Images of one size as one tensor [B, S, S, 4]."""
    return torch.stack([torch.from_numpy(image) for image in images]).to(device)
