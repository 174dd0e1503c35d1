"""How good a map between two shapes is, judged without knowing the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.correspondence.zoomout import Sampled
from backend.geometry.spectrum import Spectrum
from backend.geometry.triangles import signed_volume, unit, vertex_normals

LOW = 20  # eigenfunctions that make the smoothed shapes of the orientation
WAVES = 30  # eigenfunctions of the biharmonic distance
EVERY = 4  # of the samples: those between which distances are compared
ORTHOGONAL_WEIGHT = 0.05
ORIENTATION_WEIGHT = 0.1


@dataclass(frozen=True, eq=False)
class MapEnergy:
    """Terms of ``B`` maps; the less the better, but for ``coverage`` and ``orientation``."""

    distortion: Tensor  # [B], mean change of the biharmonic distances over their mean
    orthogonality: Tensor  # [B], |C^T C - I| / sqrt(k): areas that do not stay
    orientation: Tensor  # [B] in -1..1: 1 keeps the side that the normals show, -1 turns every face over
    coverage: Tensor  # [B] in 0..1, share of the target's samples that are met

    @property
    def unsided(self) -> Tensor:
        """What does not look at the sides of faces [B]."""
        return self.distortion + ORTHOGONAL_WEIGHT * self.orthogonality

    @property
    def total(self) -> Tensor:
        """By which maps are compared [B]."""
        return self.unsided + ORIENTATION_WEIGHT * (1.0 - self.orientation)


class Judge:
    """Judges maps between two shapes; what does not depend on the map is found once."""

    def __init__(self, source: Spectrum, target: Spectrum, samples: tuple[Sampled, Sampled]) -> None:
        self._source, self._target, self._samples = source, target, samples
        device = samples[0].functions.device
        self._waves = [_biharmonic(shape, own) for shape, own in zip((source, target), samples, strict=True)]
        chosen = self._waves[0][::EVERY]
        self._distances = torch.cdist(chosen, chosen)
        self._low = min(LOW, source.count, target.count)
        self._smooth = torch.as_tensor(target.coefficients(target.positions)[: self._low], device=device)  # [low, 3]
        smoothed = target.functions[:, : self._low] @ self._smooth.cpu().numpy()
        normals = _outward(target) * unit(vertex_normals(smoothed, target.triangles)[samples[1].vertices])
        self._normals = torch.as_tensor(normals, device=device)
        self._outward = _outward(source)

    def __call__(self, maps: Tensor, points: Tensor) -> MapEnergy:
        """``maps`` [B, k, k] and the target sample [B, S] of every source sample."""
        k = maps.shape[-1]
        met = self._waves[1][points[:, ::EVERY]]
        distortion = (torch.cdist(met, met) - self._distances).abs().mean((1, 2)) / self._distances.mean()
        apart = maps.transpose(1, 2) @ maps - torch.eye(k, device=maps.device)
        coverage = torch.stack([torch.tensor(len(found.unique()) / len(found)) for found in points])
        orientation = torch.stack([self._orientation(*pair) for pair in zip(maps, points, strict=True)])
        return MapEnergy(distortion, apart.square().sum((1, 2)).sqrt() / k**0.5, orientation, coverage)

    def _orientation(self, functional: Tensor, points: Tensor) -> Tensor:
        """How far the normals of the source, laid onto the smoothed target by the map, agree with the target's."""
        low = min(self._low, functional.shape[-1])
        laid = self._source.functions[:, :low] @ (functional[:low, :low].double() @ self._smooth[:low]).cpu().numpy()
        normals = self._outward * vertex_normals(laid, self._source.triangles)[self._samples[0].vertices]
        ours = torch.as_tensor(normals, device=points.device)
        agree = (ours * self._normals[points]).sum() / ours.norm(dim=1).sum().clamp_min(1e-300)
        found: Tensor = agree.float()
        return found


def _biharmonic(shape: Spectrum, samples: Sampled) -> Tensor:
    """Places [S, K'] whose distances are the biharmonic ones (Lipman, Rustamov, Funkhouser, TOG 2010)."""
    count = min(WAVES, shape.count)
    values = torch.as_tensor(shape.values[1:count], dtype=torch.float32, device=samples.functions.device)
    places: Tensor = samples.functions[:, 1:count] / values.clamp_min(1e-3)
    return places


def _outward(shape: Spectrum) -> float:
    return 1.0 if signed_volume(shape.positions, shape.triangles) >= 0.0 else -1.0
