"""The numbers of a training of implicit dense correspondence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backend.correspondence.implicit_dense.networks import Widths


@dataclass(frozen=True)
class Stage:
    """A part of the training."""

    resolution: int  # cells along each axis of the grid whose middles have a known occupancy
    share: float  # of the time, where time is what ends the training
    steps: int
    shapes: int  # in a batch
    inverse: bool = False  # whether g is trained, by the self-reconstruction
    cross: bool = False  # whether one shape's points are also laid onto another's


@dataclass(frozen=True)
class Weights:
    """Of the losses; the defaults are the paper's."""

    occupancy: float = 1.0
    self_reconstruction: float = 1.0
    chamfer: float = 10.0
    transport: float = 1.0
    normals: float = 0.01
    smoothness: float = 0.1
    known_pairs: float = 0.0


@dataclass(frozen=True)
class DenseSettings:
    """All of them; the defaults are the paper's for chairs."""

    widths: Widths = field(default_factory=Widths)
    stages: tuple[Stage, ...] = ()
    weights: Weights = field(default_factory=Weights)
    learning_rate: float = 1e-4
    last_rate: float = 1e-4
    around: int = 4096  # points of known occupancy, of every shape in a batch
    cloud: int = 4096  # surface points of every shape, for the encoder
    matched: int = 4096  # of these, in the reconstructions
    transported: int = 1024  # of these, in the transport loss
    leaning: int = 512  # of these, in the normal loss
    patches: int = 512
    members: int = 16  # of a patch
    radius: float = 0.1  # of a patch, in diagonals
    reach: float | None = None  # diagonals beyond which a part without counterpart pulls no more
    stretch: tuple[float, float] = (0.5, 1.5)  # random growth of every shape along each axis
    knots: int = 1  # pieces of every axis that grow by factors of their own

    def without_cross(self) -> DenseSettings:
        """The same training, only that no shape ever sees another."""
        return replace(self, stages=tuple(replace(stage, cross=False) for stage in self.stages))


def paper(shapes: int) -> DenseSettings:
    """As published, for a collection of so many shapes: 1,000 epochs in batches of 45, 25, 7, 4 and 2."""

    def stage(resolution: int, epochs: int, batch: int, inverse: bool = False, cross: bool = False) -> Stage:
        batch = max(min(batch, shapes), 2)
        return Stage(resolution, epochs / 1000, max(epochs * shapes // batch, 1), batch, inverse, cross)

    return DenseSettings(
        stages=(
            stage(16, 50, 45),
            stage(32, 50, 25),
            stage(64, 200, 7),
            stage(64, 200, 4, inverse=True),
            stage(64, 500, 2, inverse=True, cross=True),
        )
    )


def quick() -> DenseSettings:
    """What half an hour of one processor core is enough for."""
    return DenseSettings(
        widths=Widths(
            points=(32, 32, 32, 64, 256),
            cloud=128,
            code=64,
            implicit=(128, 128, 128),
            inverse=(128, 128, 128),
            inverse_after=(128, 128),
        ),
        stages=(
            Stage(16, 0.02, 500, 4),
            Stage(32, 0.03, 1000, 4),
            Stage(64, 0.1, 3000, 4),
            Stage(64, 0.13, 3000, 4, inverse=True),
            Stage(64, 0.72, 9000, 4, inverse=True, cross=True),
        ),
        weights=Weights(
            self_reconstruction=50.0, chamfer=1.0, transport=0.5, normals=0.01, smoothness=0.02, known_pairs=2.0
        ),
        learning_rate=2e-3,
        last_rate=5e-5,
        around=256,
        cloud=512,
        matched=256,
        transported=128,
        leaning=64,
        patches=64,
        members=8,
        reach=0.1,
        stretch=(0.5, 2.0),
        knots=3,
    )
