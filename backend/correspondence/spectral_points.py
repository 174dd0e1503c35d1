"""From a functional map to points: the nearest point of the target's triangles among its eigenfunctions."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from backend.correspondence.dense_map import DenseMap
from backend.correspondence.zoomout import nearest_rows
from backend.geometry.arrays import Float64, Int64
from backend.geometry.sampling import some_of
from backend.geometry.spectrum import Spectrum

MOST = 10_000  # vertices of the source that are looked for; the others go with the nearest of these
SURE = 0.03  # cycle error, in square roots of the area, at which half of the trust is left


def points_of_map(source: Spectrum, target: Spectrum, functional: Tensor) -> DenseMap:
    """The point of the target for each vertex of the source (Ezuz and Ben-Chen, SGP 2017).

    A vertex is trusted as far as going there and back leads to where it started.
    """
    k = functional.shape[0]
    a, b = (
        torch.as_tensor(s.functions[:, :k], dtype=torch.float32, device=functional.device) for s in (source, target)
    )
    some = some_of(len(a), MOST)
    there = nearest_rows(a[some] @ functional, b).cpu().numpy()
    back = nearest_rows(b[there] @ functional.T, a).cpu().numpy()
    faces, weights = _on_triangles(
        (a[some] @ functional).double().cpu().numpy(), target.functions[:, :k], target.triangles, there
    )
    cycle = np.linalg.norm(source.positions[back] - source.positions[some], axis=1)
    near = cKDTree(source.positions[some]).query(source.positions)[1]
    return DenseMap(faces[near], weights[near], np.exp2(-((cycle / SURE) ** 2))[near], "spectral")


def _on_triangles(rows: Float64, corners: Float64, triangles: Int64, nearest: Int64) -> tuple[Int64, Float64]:
    """For ``rows`` [V, k], the nearest point of the triangles around ``nearest`` [V]: face [V] and weights [V, 3]."""
    order = np.argsort(triangles.ravel(), kind="stable")
    counts = np.bincount(triangles.ravel(), minlength=len(corners))
    starts = np.concatenate([[0], np.cumsum(counts)])
    best = np.full(len(rows), np.inf)
    faces, weights = np.zeros(len(rows), np.int64), np.tile([1.0, 0.0, 0.0], (len(rows), 1))
    for number in range(int(counts[nearest].max(initial=0))):
        some = np.flatnonzero(counts[nearest] > number)
        face = order[starts[nearest[some]] + number] // 3
        a, b, c = (corners[triangles[face, j]] for j in range(3))
        found = _nearest_weights(rows[some] - a, b - a, c - a)
        apart = ((rows[some] - np.einsum("nj,njk->nk", found, np.stack([a, b, c], axis=1))) ** 2).sum(axis=1)
        better = apart < best[some]
        chosen = some[better]
        best[chosen], faces[chosen], weights[chosen] = apart[better], face[better], found[better]
    return faces, weights


def _nearest_weights(offset: Float64, u: Float64, v: Float64) -> Float64:
    """Barycentric coordinates [N, 3] of the point nearest to ``offset`` [N, k] in the triangle 0, ``u``, ``v``."""
    uu, vv, uv = (np.einsum("nk,nk->n", *pair) for pair in ((u, u), (v, v), (u, v)))
    pu, pv = np.einsum("nk,nk->n", offset, u), np.einsum("nk,nk->n", offset, v)
    determinant = np.maximum(uu * vv - uv * uv, 1e-300)
    s, t = (pu * vv - pv * uv) / determinant, (pv * uu - pu * uv) / determinant
    inside = (s >= 0.0) & (t >= 0.0) & (s + t <= 1.0)
    along_u = np.clip(pu / np.maximum(uu, 1e-300), 0.0, 1.0)
    along_v = np.clip(pv / np.maximum(vv, 1e-300), 0.0, 1.0)
    ww = np.maximum(uu + vv - 2.0 * uv, 1e-300)
    along_w = np.clip((pv - pu + uu - uv) / ww, 0.0, 1.0)
    zero = np.zeros_like(s)
    choices = np.stack(
        [np.stack(pair, 1) for pair in ((along_u, zero), (zero, along_v), (1.0 - along_w, along_w))]
    )  # [3, N, 2]
    x, y = choices[..., 0], choices[..., 1]
    apart = x * x * uu + y * y * vv + 2.0 * x * y * uv - 2.0 * (x * pu + y * pv)
    edge = choices[apart.argmin(axis=0), np.arange(len(s))]
    st = np.where(inside[:, None], np.stack([s, t], 1), edge)
    return np.concatenate([1.0 - st.sum(axis=1, keepdims=True), st], axis=1)
