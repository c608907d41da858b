"""Principal components of any number of rows in bounded memory.

The covariance is summed block by block (d x d float64: 134 MB at d = 4,096); its leading eigenvectors come
from subspace iteration with a Rayleigh-Ritz step (Halko, Martinsson & Tropp, "Finding structure with
randomness", SIAM Review 2011).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERSAMPLING = 32
TOLERANCE = 1e-7
MAX_ITERATIONS = 60


@dataclass(frozen=True)
class PrincipalComponents:
    """A fitted PCA.

    Attributes:
        mean: (d,) float32; zeros where the fit was not centred.
        components: (k, d) float32, orthonormal rows, the strongest first.
        explained_variance_ratio: (k,) float32, share of the total variance along each component.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    explained_variance_ratio: NDArray[np.float32]

    def transform(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project (m, d) float32 rows to (m, k) float32."""
        return np.asarray((rows - self.mean) @ self.components.T, np.float32)


def fit_pca(
    blocks: Iterable[NDArray[np.float32]], n_components: int, *, centre: bool = True, seed: int = 0
) -> PrincipalComponents:
    """Fit principal components to a stream of rows.

    Args:
        blocks: (m, d) float32 blocks; at least one row in all.
        n_components: how many to keep, at most d.
        centre: subtract the mean. Without it the components are those of the second moment, which keep inner
            products best.
        seed: of the random start.

    Returns:
        The components; each one's sign makes its largest entry positive.

    Raises:
        ValueError: there are no rows, or fewer dimensions than components.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
        >>> fit_pca([rows[:250], rows[250:]], 2).components.shape
        (2, 8)
    """
    count, total, moment, shift = 0, np.zeros(0), np.zeros((0, 0)), np.zeros(0, np.float32)
    for block in blocks:
        if not len(block):
            continue
        if not count:
            total, moment = np.zeros(block.shape[1]), np.zeros((block.shape[1],) * 2)
            # Far from the origin the square of the mean would drown the variance in float32.
            shift = (block.mean(axis=0, dtype=np.float64) * centre).astype(np.float32)
        count += len(block)
        shifted = block - shift
        total += shifted.sum(axis=0, dtype=np.float64)
        moment += shifted.T @ shifted
    if not count or not 1 <= n_components <= len(total):
        raise ValueError(f"cannot fit {n_components} components to {count} rows of {len(total)} dimensions")
    mean = total / count if centre else np.zeros_like(total)
    covariance = moment / count - np.outer(mean, mean)
    variances, vectors = leading_eigenvectors(covariance, n_components, seed=seed)
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n_components)])
    trace = max(float(np.trace(covariance)), np.finfo(np.float64).tiny)
    return PrincipalComponents(
        (mean + shift).astype(np.float32),
        np.ascontiguousarray((vectors * signs).T, np.float32),
        (np.maximum(variances, 0) / trace).astype(np.float32),
    )


def leading_eigenvectors(
    matrix: NDArray[np.float64], k: int, *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The k largest eigenvalues of a symmetric positive semi-definite matrix and their eigenvectors.

    Args:
        matrix: (d, d) float64.
        k: at most d.
        seed: of the random start.

    Returns:
        (k,) eigenvalues, falling, and (d, k) orthonormal eigenvectors.
    """
    size = len(matrix)
    width = min(size, k + OVERSAMPLING)
    if width * 2 >= size:
        values, vectors = np.linalg.eigh(matrix)
        return values[::-1][:k], vectors[:, ::-1][:, :k]
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, width)))[0]
    captured = 0.0
    for _ in range(MAX_ITERATIONS):
        image = matrix @ basis
        previous, captured = captured, float(np.einsum("ij,ij->", basis[:, :k], image[:, :k]))
        values, rotation = np.linalg.eigh(basis.T @ image)
        basis = np.linalg.qr(image @ rotation[:, ::-1])[0]
        if abs(captured - previous) <= TOLERANCE * captured:
            break
    values, rotation = np.linalg.eigh(basis.T @ (matrix @ basis))
    return values[::-1][:k], (basis @ rotation)[:, ::-1][:, :k]
