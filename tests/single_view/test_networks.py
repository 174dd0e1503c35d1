"""The encoder as published, the presets, what training minimises."""

from __future__ import annotations

import pytest
import torch

from backend.fields.deep_sdf import SINGLE_VIEW
from backend.losses.clamped_difference import clamped_difference
from backend.single_view.encoder import Encoder
from backend.single_view.network import SingleViewNetwork
from backend.single_view.settings import epoch, preset
from backend.training.adam import Adam
from protocol.settings import SettingError
from tests.single_view.published_encoder import published


def test_the_encoder_is_the_published_one() -> None:
    """Against the same formulas written out; weights of norms moved away from 1 and 0, where mistakes hide."""
    encoder = Encoder(8, width=4, blocks=2).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in encoder.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    images = torch.rand(2, 4, 21, 21, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        codes, view = encoder(images)
        twin = published(images, encoder.state_dict(), blocks=2)
    assert view is None
    torch.testing.assert_close(codes, twin, rtol=1e-9, atol=1e-9)


def test_the_paper_preset_has_the_published_layers() -> None:
    settings = preset("paper", 4000)
    network = SingleViewNetwork(settings)
    shapes = {name: tuple(value.shape) for name, value in network.encoder.state_dict().items()}
    assert shapes["stem.weight"] == (64, 4, 3, 3)
    widths = [64] * 3 + [128] * 3 + [256] * 6
    assert [shapes[f"blocks.{k}.second.weight"] for k in range(12)] == [(w, w, 3, 3) for w in widths]
    around = [k for k in range(12) if f"blocks.{k}.around.0.weight" in shapes]
    assert around == [3, 6, 9]  # where the size changes, and nowhere else
    strides = [block.first.stride[0] for block in network.encoder.blocks]
    assert strides == [1, 1, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1]
    assert shapes["code.weight"] == (256, 256)
    assert network.decoder.shape == SINGLE_VIEW
    assert (settings.image, settings.points, settings.images, settings.clamp) == (224, 8192, 16, 0.1)
    assert (settings.rate, settings.rate * settings.encoder_rate) == (5e-4, 1e-3)
    assert settings.steps == 2001 * 250 == 2001 * epoch(settings, 4000)
    with torch.no_grad():
        assert network.encoder(torch.rand(1, 4, 64, 64))[0].shape == (1, 256)


def test_a_preset_that_is_not_there() -> None:
    with pytest.raises(SettingError, match="there are fast, paper"):
        preset("quick", 10)


def test_images_too_small_for_the_encoder_are_refused() -> None:
    for stride in (1, 2, 4):
        fewest = preset("fast", 10, {"image": 8 * stride + 1 if stride > 1 else 16, "stem_stride": stride})
        codes, _ = SingleViewNetwork(fewest).seen(torch.zeros(1, fewest.image, fewest.image, 4, dtype=torch.uint8))
        assert codes.shape == (1, fewest.latent)
    with pytest.raises(SettingError, match="raise image above 16, or lower stem_stride"):
        preset("fast", 10, {"image": 16})


def test_distances_count_up_to_the_clamp_and_teach_beyond_it() -> None:
    known = torch.tensor([0.3, 0.3, -0.3, 0.02, -0.3])
    found = torch.tensor([0.2, -0.2, -0.5, 0.5, 0.4], requires_grad=True)
    loss = clamped_difference(found, known, 0.1)
    assert loss.item() == pytest.approx((0.0 + 0.3 + 0.0 + 0.48 + 0.5) / 5)
    (slope,) = torch.autograd.grad(loss, found)
    assert (5 * slope).tolist() == pytest.approx([0.0, -1.0, 0.0, 1.0, 1.0])  # each to its own side


def test_each_parameter_has_its_own_share_of_the_rate() -> None:
    """Adam's first step is as long as its rate."""
    parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))]
    Adam(parameters, [1.0, 2.0]).step([torch.ones(3), -torch.ones(2)], 0.01)
    torch.testing.assert_close(parameters[0].data, torch.full((3,), -0.01))
    torch.testing.assert_close(parameters[1].data, torch.full((2,), 0.02))
    network = SingleViewNetwork(preset("paper", 16))
    shares = dict(zip([name for name, _ in network.named_parameters()], network.shares(), strict=True))
    assert {share for name, share in shares.items() if name.startswith("encoder.")} == {2.0}
    assert {share for name, share in shares.items() if name.startswith("decoder.")} == {1.0}
