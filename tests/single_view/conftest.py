"""What the tests of single views share: a dataset of ellipsoids, and a small model of all but one of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.single_view.layout import Instance, instances_in
from backend.single_view.making import Making, write_instance
from backend.single_view.model import SingleViewModel
from backend.single_view.settings import SingleViewSettings
from backend.single_view.training import box_of_shapes, codes_of, train_single_view
from backend.training.run import Run
from tests.meshes import icosphere

AXES = ((1.0, 1.0, 1.0), (1.0, 0.5, 1.0), (0.5, 1.0, 0.5), (0.6, 0.8, 1.0), (1.0, 1.0, 0.6), (1.0, 0.7, 0.7))
HELD_OUT = "balls/samples/ball_3"
SETTINGS = SingleViewSettings(
    **{"image": 32, "width": 8, "latent": 4, "decoder_width": 48, "decoder_depth": 3, "degree": 1, "points": 128},
    **{"images": 5, "steps": 300, "rate": 4e-3, "clamp": 0.2},
    **{"refine_steps": 30, "refine_rate": 0.1, "refine_cells": 24, "refine_image": 48},
)


@pytest.fixture(scope="package")
def ellipsoids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in the published layout."""
    folder = tmp_path_factory.mktemp("ellipsoids")
    ball = icosphere(3)
    for number, axes in enumerate(AXES):
        place, triangles = ball.positions() * axes, ball.triangles().astype(np.int64)
        write_instance(folder / "balls", f"ball_{number}", place, triangles, Making(views=8, side=64), number)
    return folder


@pytest.fixture(scope="package")
def instances(ellipsoids: Path) -> list[Instance]:
    return instances_in(ellipsoids)


@pytest.fixture(scope="package")
def model(instances: list[Instance]) -> SingleViewModel:
    """Trained on five ellipsoids."""
    known = [one for one in instances if one.name != HELD_OUT]
    begun = SingleViewModel.begun(SETTINGS, [one.name for one in known], [HELD_OUT], box_of_shapes(known))
    train_single_view(begun.network, known, Run())
    begun.network.requires_grad_(False)
    return replace(begun, codes=codes_of(begun.network, known, Run()))
