"""The views of a shape that a dataset has, as they are published with it.

A line of ``rendering_metadata.txt`` tells one camera: azimuth, elevation and roll in degrees, and the distance as a
share of 1.75. DISN (Xu et al., NeurIPS 2019) writes brackets and commas, and goes on with lens and sensor in mm, the
1.75, and how the shape was shifted; 3D-R2N2 (Choy et al., ECCV 2016) writes blanks and the field of view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.geometry.arrays import Float64
from backend.rendering.camera import Camera, OrbitCamera
from protocol.settings import SettingError

METADATA = "rendering_metadata.txt"
FARTHEST = 1.75  # distance of a share of 1
LENS, SENSOR = 35.0, 32.0  # mm
TURNED = 90.0  # degrees from our azimuth, which looks along +z, to the published one
FEWEST = 4  # numbers in a line
WHOLE = 10  # numbers in a line of DISN
ELEVATIONS = (20.0, 30.0)  # degrees, of DISN's easier renders
SHARES = (0.65, 1.0)  # of the distance
JITTER = 5.0  # degrees of azimuth, either way


@dataclass(frozen=True)
class View:
    """One camera around a shape, y upwards."""

    azimuth: float  # degrees
    elevation: float  # degrees
    share: float  # of the farthest distance
    roll: float = 0.0  # degrees
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the shape, along the published renderer's x, y, z

    def camera(self, side: int) -> Camera:
        """For images of ``side`` pixels."""
        orbit = OrbitCamera(self.azimuth - TURNED, self.elevation, FARTHEST * self.share, side, side, LENS, SENSOR)
        camera = orbit.camera()
        turn, place = np.eye(4), np.eye(4)
        cosine, sine = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        turn[:2, :2] = [[cosine, -sine], [sine, cosine]]
        x, y, z = self.shift
        place[:3, 3] = x, z, -y
        matrices = turn @ camera.world_to_camera @ place
        return Camera(matrices, camera.focal, camera.centre, side, side)

    def told(self) -> Float64:
        """What an encoder is to tell of it [4]: cosine and sine of the azimuth, elevation in radians, share."""
        azimuth = np.radians(self.azimuth)
        return np.array([np.cos(azimuth), np.sin(azimuth), np.radians(self.elevation), self.share])

    @staticmethod
    def of_told(told: Float64) -> View:
        """The view of the four numbers that an encoder tells."""
        azimuth = float(np.degrees(np.arctan2(told[1], told[0])))
        return View(azimuth % 360.0, float(np.degrees(told[2])), float(np.clip(told[3], 0.3, 3.0)))


def views_around(count: int, rng: np.random.Generator) -> list[View]:
    """Views evenly around a shape, each a little off, as in DISN's easier renders."""
    chance = rng.random((count, 3))
    return [
        View(
            float((360.0 * (k + 1) / count + JITTER * (2.0 * chance[k, 0] - 1.0)) % 360.0),
            float(np.interp(chance[k, 1], (0.0, 1.0), ELEVATIONS)),
            float(np.interp(chance[k, 2], (0.0, 1.0), SHARES)),
        )
        for k in range(count)
    ]


def write_metadata(path: Path, views: Sequence[View]) -> None:
    """Writes DISN's form."""
    lines = []
    for view in views:
        numbers = (view.azimuth, view.elevation, view.roll, view.share, LENS, SENSOR, FARTHEST, *view.shift)
        lines.append(f"[{','.join(map(repr, numbers))}], \n")
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def read_metadata(path: Path) -> list[View]:
    """The views of a file of either form. Raises ``SettingError``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: cannot be read ({error}); the cameras of the renders must be there") from error
    return [_view(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def _view(line: str, path: Path, number: int) -> View:
    words = line.replace("[", " ").replace("]", " ").replace(",", " ").split()
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if len(found) < FEWEST or not np.isfinite(found).all() or found[3] <= 0.0:
        raise SettingError(
            f"{path}, line {number}: tells no camera; it must have azimuth, elevation, roll and distance, as numbers"
        )
    azimuth, elevation, roll, share = found[:4]
    if len(found) < WHOLE:
        return View(azimuth, elevation, share, roll)
    if found[4:6] != [LENS, SENSOR]:
        raise SettingError(
            f"{path}, line {number}: a lens of {found[4]} mm on {found[5]} mm; {LENS} on {SENSOR} are read"
        )
    shift = (found[7], found[8], found[9])
    return View(azimuth, elevation, share * (found[6] / FARTHEST), roll, shift)
