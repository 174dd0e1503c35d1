"""Functional maps: where functions of the target go on the source, as a small matrix between two spectra.

A map T from source to target points pulls functions back: f on the target becomes f(T(x)) on the source. In the first k
eigenfunctions that is a matrix C [k, k] from coefficients on the target to coefficients on the source (Ovsjanikov et
al., *Functional Maps*, SIGGRAPH 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64
from backend.geometry.spectrum import Spectrum

ENERGIES = 100  # of the wave kernel signature
EVERY = 10  # of them is used
WIDTH = 7.0  # of an energy's window, in steps between energies
REACHES = (0.1, 0.2, 0.4)  # of the landmarks' bells, in square roots of the area
LAPLACE_WEIGHT = 5e-4  # a descriptor: commuting with the Laplacian
PRODUCT_WEIGHT = 0.1  # commuting with products by the descriptors
ORIENTATION_WEIGHT = 0.005  # commuting with the orientation operators
TINY = 1e-9


def wave_kernel_signature(shape: Spectrum) -> Float64:
    """Descriptors [V, D] of every vertex by its place in waves of rising energy (Aubry et al., ICCVW 2011)."""
    logs = np.log(np.maximum(shape.values[1:], 1e-6))
    energies = np.linspace(logs[0], logs[-1], ENERGIES)[::EVERY]
    width = max(WIDTH * (logs[-1] - logs[0]) / (ENERGIES - 1), 1e-3)
    weights = np.exp(-((energies[:, None] - logs) ** 2) / (2.0 * width * width))  # [D, K - 1]
    return np.asarray(shape.functions[:, 1:] ** 2 @ (weights / weights.sum(axis=1, keepdims=True)).T)


def landmark_bells(distances: Float64) -> Float64:
    """Descriptors [V, 3 L]: bells of three widths around every landmark, from distances [L, V] along the surface."""
    bells = [np.exp(-(distances**2) / (2.0 * reach * reach)) for reach in REACHES]
    return np.asarray(np.concatenate(bells).T)


@dataclass(frozen=True, eq=False)
class Described:
    """Descriptors of one shape in its first k eigenfunctions, with the operators that a map must commute with."""

    coefficients: Float64  # [k, D]
    products: Float64  # [D, k, k], multiplication by each descriptor
    orientations: Float64  # [D, k, k], n . (grad descriptor x grad f)
    top: float  # the last eigenvalue
    values: Float64  # [k]

    def beside(self, other: Described) -> Described:
        """Both sets of descriptors of the same shape."""
        return Described(
            np.concatenate([self.coefficients, other.coefficients], axis=1),
            np.concatenate([self.products, other.products]),
            np.concatenate([self.orientations, other.orientations]),
            self.top,
            self.values,
        )


def described(shape: Spectrum, descriptors: Float64, k: int) -> Described:
    """Descriptors [V, D] in the first ``k`` eigenfunctions of their shape, each scaled to a norm of 1."""
    waves = shape.functions[:, :k]
    norms = np.sqrt((shape.masses[:, None] * descriptors**2).sum(axis=0))
    scaled = descriptors / np.maximum(norms, TINY)
    weighted = shape.masses[:, None] * scaled
    squares = (waves[:, :, None] * waves[:, None, :]).reshape(len(waves), -1)
    products = (weighted.T @ squares).reshape(-1, k, k)
    a, b, c = shape.triangles.T
    mean = (waves[a] + waves[b] + waves[c]) / 3.0  # [T, k]
    first, second = waves[b] - waves[a], waves[c] - waves[a]
    # On a triangle of area A, n . (grad g x grad f) is (dg_1 df_2 - dg_2 df_1) / 2A, with differences from its corner.
    orientations = np.stack(
        [
            mean.T @ ((g[b] - g[a])[:, None] * second - (g[c] - g[a])[:, None] * first) / 2.0
            for g in np.ascontiguousarray(scaled.T)
        ]
    )
    values = shape.values[:k]
    return Described(waves.T @ weighted, products, orientations, float(values[-1]), values)


def fitted_map(source: Described, target: Described, orientation: int) -> Float64:
    """The map C [k, k] that carries the target's descriptors to the source's.

    ``orientation`` 1 asks for a map that keeps it, -1 for one that turns it over, 0 for neither (Ren et al.,
    *Continuous and Orientation-preserving Correspondences via Functional Maps*, SIGGRAPH Asia 2018). All terms are
    quadratic in C, so it is the solution of one linear system. Descriptors commute as in Nogneng and Ovsjanikov (2017).
    """
    k, n = source.coefficients.shape
    eye = np.eye(k)
    system = np.kron(eye, target.coefficients @ target.coefficients.T)  # of C row by row
    right = (source.coefficients @ target.coefficients.T).ravel()
    apart = (source.values[:, None] - target.values[None, :]) / max(source.top, target.top, TINY)
    system += LAPLACE_WEIGHT * n * np.diag((apart**2).ravel())
    system += PRODUCT_WEIGHT * _commuting(source.products, target.products)
    if orientation:
        size = np.sqrt((source.orientations**2).sum((1, 2)) + (target.orientations**2).sum((1, 2)))
        scale = (np.sqrt(2.0 * k) / np.maximum(size, TINY))[:, None, None]
        system += ORIENTATION_WEIGHT * _commuting(
            orientation * scale * source.orientations, scale * target.orientations
        )
    return np.asarray(np.linalg.solve(system + TINY * np.eye(k * k), right).reshape(k, k))


def _commuting(source: Float64, target: Float64) -> Float64:
    """The matrix [k k, k k] of sum_i |C Y_i - X_i C|^2 for operators X [D, k, k] of the source and Y of the target."""
    k = source.shape[1]
    eye = np.eye(k)
    mixed = np.einsum("iab,icd->acbd", source, target).reshape(k * k, k * k)
    squares = np.kron(np.einsum("iab,iac->bc", source, source), eye)
    squares += np.kron(eye, np.einsum("iab,icb->ac", target, target))
    return np.asarray(squares - mixed - mixed.T)
