"""Principal components of any number of rows in bounded memory.

The covariance is summed block by block (d x d float64: 134 MB at d = 4,096, three times that while its
eigenvectors are computed).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

#: Rows multiplied at a time.
_ROWS = 2048


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
    blocks: Iterable[NDArray[np.float32]], n_components: int, *, centre: bool = True
) -> PrincipalComponents:
    """Fit principal components to a stream of rows.

    Args:
        blocks: (m, d) float32 blocks; at least one row in all.
        n_components: how many to keep, at most d.
        centre: subtract the mean. Without it the components are those of the second moment, which keep inner
            products best.

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
    for block in _gathered(blocks):
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
    moment /= count
    moment -= np.outer(mean, mean)
    trace = max(float(np.trace(moment)), np.finfo(np.float64).tiny)
    variances, vectors = leading_eigenvectors(moment, n_components)
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n_components)])
    return PrincipalComponents(
        (mean + shift).astype(np.float32),
        np.ascontiguousarray((vectors * signs).T, np.float32),
        (np.maximum(variances, 0) / trace).astype(np.float32),
    )


def leading_eigenvectors(
    matrix: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The k largest eigenvalues of a symmetric matrix and their eigenvectors.

    LAPACK computes only those that are asked for: at d = 4,096 and k = 256 that is exact, and several times
    as fast as iterating on a random subspace until it finds as much.

    Args:
        matrix: (d, d) float64; overwritten.
        k: at most d.

    Returns:
        (k,) eigenvalues, falling, and (d, k) orthonormal eigenvectors.
    """
    size = len(matrix)
    chosen = (size - k, size - 1)
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=chosen, overwrite_a=True, check_finite=False)
    return values[::-1], vectors[:, ::-1]


def _gathered(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same rows in blocks of at least `_ROWS`, but for the last: adding up large matrices takes time."""
    held: list[NDArray[np.float32]] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= _ROWS:
            yield np.concatenate(held)
            held = []
    if any(map(len, held)):
        yield np.concatenate(held)
