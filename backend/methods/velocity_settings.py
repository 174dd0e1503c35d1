"""Settings and presets of the velocity field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.methods.settings import setting
from protocol.settings import SettingValue


@dataclass(frozen=True)
class VelocitySettings:
    """Settings of the velocity field. Lengths are in the frame of the pair, whose box has a longest side of about 2."""

    supervision: str = setting(
        "path", "path: V learns the velocity of a good path; matching: the paper's unrolled matching of the ends",
        choices=("path", "matching"),
    )  # fmt: skip
    steps: int = setting(3000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(1024, "Points in every training step", minimum=16, maximum=1_000_000, unit="points")
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(3, "Hidden layers of the network", minimum=1, maximum=16)
    learning_rate: float = setting(5e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    space_frequency: float = setting(
        10.0,
        "Detail in space that the network starts with (path)",
        minimum=0.1,
        maximum=100.0,
        unit="radians per unit",
    )
    time_steps: int = setting(
        24, "Steps of the integration; half as many from pose to pose where there are stops",
        minimum=2, maximum=1000, unit="steps",
    )  # fmt: skip
    integrator: str = setting(
        "midpoint",
        "How the flow of the field is integrated",
        choices=("euler", "midpoint", "rk4"),
    )
    rest_at_ends: float = setting(
        0.5, "How far the motion comes to rest at both ends: 0 constant rate, 1 a smooth start and stop",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    rest_at_stops: float = setting(
        0.0, "How far the motion comes to rest at the poses between: 0 passes smoothly, 1 stands still for a moment",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    shell: float = setting(
        0.03,
        "Thickness of the space around the surface that is trained too (path)",
        minimum=0.0,
        maximum=1.0,
        unit="units",
    )
    smoothness: float = setting(0.0, "Weight of the smoothness loss", minimum=0.0, maximum=1e6)
    divergence: float = setting(0.0, "Weight of the divergence loss, which keeps volumes", minimum=0.0, maximum=1e6)
    distortion: float = setting(0.0, "Weight of the distortion loss, which keeps shapes", minimum=0.0, maximum=1e6)
    stretching: float = setting(
        0.0, "Weight of the stretching loss, which keeps lengths in the surface", minimum=0.0, maximum=1e6
    )
    match: float = setting(200.0, "Weight of the matching loss (matching)", minimum=0.0, maximum=1e6)
    surface: str = setting(
        "labels",
        "labels: the distances to both carried surfaces, and the equations of motion where they differ; separate, "
        "joint: the paper's own training of f after V, or of both together (remesh)",
        choices=("labels", "separate", "joint"),
    )
    surface_steps: int = setting(
        1200, "Training steps of the implicit surface (remesh)", minimum=0, maximum=1_000_000, unit="steps"
    )
    fine_tune_steps: int = setting(
        0, "Steps of the paper's fine-tune stage (remesh; separate, joint)", minimum=0, maximum=1_000_000, unit="steps"
    )
    surface_width: int = setting(64, "Width of the implicit network (remesh)", minimum=8, maximum=2048)
    surface_depth: int = setting(3, "Hidden layers of the implicit network (remesh)", minimum=1, maximum=16)
    surface_batch: int = setting(
        2048, "Points in every step of the implicit surface (remesh)", minimum=16, maximum=1_000_000, unit="points"
    )
    compile: str = setting(
        "auto", "auto: the implicit network is compiled where that pays (remesh; separate, joint); off: never",
        choices=("auto", "off"),
    )  # fmt: skip
    eikonal: float = setting(
        0.1, "Weight of the eikonal loss where the distances differ (remesh)", minimum=0.0, maximum=1e6
    )
    level_set: float = setting(
        0.1, "Weight of the level-set equation where the distances differ (remesh)", minimum=0.0, maximum=1e6
    )


PRESETS: Mapping[str, Mapping[str, SettingValue]] = {
    "draft": {"steps": 400, "time_steps": 12, "surface_steps": 400},
    "standard": {},
    "high": {"steps": 12000, "width": 192, "time_steps": 32, "surface_steps": 4000, "surface_width": 96},
    "paper": {
        "supervision": "matching",
        "steps": 4000,
        "batch": 4086,
        "width": 256,
        "depth": 8,
        "learning_rate": 1e-3,
        "time_steps": 10,
        "integrator": "euler",
        "rest_at_ends": 0.0,
        "smoothness": 20.0,
        "surface": "separate",
        "surface_steps": 8001,
        "fine_tune_steps": 33_000,
        "surface_width": 256,
        "surface_depth": 8,
        "surface_batch": 4086,
    },
    "sequence": {
        "supervision": "matching",
        "steps": 4000,
        "batch": 8192,
        "width": 256,
        "depth": 8,
        "learning_rate": 5e-4,
        "time_steps": 10,
        "integrator": "euler",
        "rest_at_ends": 0.0,
        "smoothness": 20.0,
        "divergence": 20.0,
        "distortion": 100.0,
        "stretching": 0.7,
        "match": 100.0,
    },
}
