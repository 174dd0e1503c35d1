"""ZoomOut: a coarse functional map grows, one frequency band after the other, into a map of points.

Melzi et al., *ZoomOut: Spectral Upsampling for Efficient Shape Correspondence*, SIGGRAPH Asia 2019. Phi_source C is
where the target's eigenfunctions go, so a source vertex belongs to the target vertex whose row of Phi_target is the
nearest.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backend.geometry.sampling import farthest_points
from backend.geometry.spectrum import Spectrum

CHUNK = 1 << 24  # distances held at once
DENSE = 2500  # vertices of each shape on which one map is grown
SAMPLES = 600  # vertices of each shape on which many maps are compared
FINE = 45  # eigenfunctions from where on they are added
STEPS = (2, 3)  # at a time, before and after that


def nearest_rows(points: Tensor, among: Tensor) -> Tensor:
    """For each row of ``points`` [..., N, k], the nearest row [..., N] of ``among`` [M, k]."""
    squares = among.square().sum(-1)
    step = max(CHUNK // max(len(among) * max(points[..., 0, 0].numel(), 1), 1), 1)
    found = [
        torch.addmm(squares, part.reshape(-1, part.shape[-1]), among.T, alpha=-2.0).argmin(-1).reshape(part.shape[:-1])
        for part in torch.split(points, step, dim=-2)
    ]
    return torch.cat(found, dim=-1)


class Sampled:
    """The eigenfunctions of one shape at samples far from each other."""

    def __init__(self, shape: Spectrum, device: torch.device) -> None:
        self.vertices = farthest_points(shape.positions, SAMPLES)  # [S]
        self.functions = torch.as_tensor(shape.functions[self.vertices], dtype=torch.float32, device=device)  # [S, K]
        self._inverses: dict[int, Tensor] = {}

    def inverse(self, k: int) -> Tensor:
        """The least-squares projection [k, S] onto the first ``k``."""
        if k not in self._inverses:
            self._inverses[k] = torch.linalg.pinv(self.functions[:, :k].double()).float()
        return self._inverses[k]


def grown_on_samples(source: Sampled, target: Sampled, maps: Tensor, k: int, step: int) -> tuple[Tensor, Tensor]:
    """Many maps [B, k0, k0] at once, grown to ``k``: [B, k, k] and the target sample [B, S] of each source sample."""
    while True:
        size = maps.shape[-1]
        points = nearest_rows(source.functions[:, :size] @ maps, target.functions[:, :size])
        if size >= k:
            return maps, points
        size = min(size + step, k)
        maps = source.inverse(size) @ target.functions[:, :size][points]


def grown(
    source: Spectrum,
    target: Spectrum,
    coarse: Tensor,  # [k0, k0]
    k: int,
    check: Callable[[int, int], None],  # (step, steps); may raise to stop
) -> Tensor:
    """One map, grown both ways at once to C [k, k], on at most ``DENSE`` vertices of each shape.

    C is the least-squares solution of Phi_s C = Phi_t[T] and Phi_s[U] C = Phi_t together, where T leads there and U
    back, so that what one way merges the other pulls apart (Ren et al., *MapTree*, SIGGRAPH Asia 2020).
    """
    a, b = (_rows(shape, coarse.device) for shape in (source, target))
    found, first = coarse, coarse.shape[-1]
    while (size := found.shape[-1]) < k:
        check(size - first, k - first)
        there = nearest_rows(a[:, :size] @ found, b[:, :size])
        back = nearest_rows(b[:, :size] @ found.T, a[:, :size])
        size = min(size + STEPS[size >= FINE], k)
        left = torch.cat([a, a[back]])[:, :size].double()
        right = torch.cat([b[there], b])[:, :size].double()
        found = torch.linalg.solve(left.T @ left, left.T @ right).float()
    return found


def _rows(shape: Spectrum, device: torch.device) -> Tensor:
    """The eigenfunctions [D, K] at vertices spread over the shape."""
    chosen = slice(None) if len(shape.positions) <= DENSE else farthest_points(shape.positions, DENSE)
    return torch.as_tensor(shape.functions[chosen], dtype=torch.float32, device=device)
