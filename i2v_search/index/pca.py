"""Principal components of any number of rows in bounded memory.

The covariance is summed block by block (d x d float64: 134 MB at d = 4,096, three times that while its
eigenvectors are computed). Fewer rows than dimensions, as most collections have, are decomposed themselves,
which takes no time that anybody notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
import scipy
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
    gathered = _gathered(blocks)
    first, second = next(gathered, None), next(gathered, None)
    count, dimension = (0, 0) if first is None else first.shape
    if first is None or not 1 <= n_components <= dimension:
        raise ValueError(f"cannot fit {n_components} components to {count} rows of {dimension} dimensions")
    if second is None and count < dimension:
        mean, variances, vectors, whole = _decompose_rows(first, n_components, centre=centre)
    else:
        later = (block for block in (first, second) if block is not None)
        mean, variances, vectors, whole = _decompose_sum(chain(later, gathered), n_components, centre=centre)
    signs = np.sign(vectors[np.arange(n_components), np.abs(vectors).argmax(axis=1)])
    return PrincipalComponents(
        mean.astype(np.float32),
        np.ascontiguousarray(vectors * signs[:, None], np.float32),
        (np.maximum(variances, 0) / max(whole, np.finfo(np.float64).tiny)).astype(np.float32),
    )


_Decomposed: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]
"""Mean (d,), variances (k,), falling, components (k, d), and the whole variance."""


def _decompose_rows(rows: NDArray[np.float32], k: int, *, centre: bool) -> _Decomposed:
    """Of fewer rows than dimensions, by their singular values."""
    exact = rows.astype(np.float64)
    mean = exact.mean(axis=0) if centre else np.zeros(exact.shape[1])
    exact -= mean
    _, singular, vectors = scipy.linalg.svd(exact, full_matrices=False, overwrite_a=True, check_finite=False)
    variances = np.pad(singular**2 / len(rows), (0, max(0, k - len(singular))))
    if k > len(vectors):  # any directions that no row has
        filling = np.random.default_rng(0).standard_normal((k - len(vectors), exact.shape[1]))
        vectors = scipy.linalg.qr(np.vstack([vectors, filling]).T, mode="economic")[0].T
    return mean, variances[:k], vectors[:k], float(variances.sum())


def _decompose_sum(blocks: Iterable[NDArray[np.float32]], k: int, *, centre: bool) -> _Decomposed:
    """Of any number of rows, by the eigenvectors of their covariance."""
    count, total, moment, shift = 0, np.zeros(0), np.zeros((0, 0)), np.zeros(0, np.float32)
    for block in blocks:
        if not count:
            total, moment = np.zeros(block.shape[1]), np.zeros((block.shape[1],) * 2)
            # Far from the origin the square of the mean would drown the variance in float32.
            shift = (block.mean(axis=0, dtype=np.float64) * centre).astype(np.float32)
        count += len(block)
        shifted = block - shift
        total += shifted.sum(axis=0, dtype=np.float64)
        moment += shifted.T @ shifted
    mean = total / count if centre else np.zeros_like(total)
    moment /= count
    moment -= np.outer(mean, mean)
    whole = float(np.trace(moment))
    variances, vectors = leading_eigenvectors(moment, k)
    return mean + shift, variances, vectors.T, whole


def neighbours_kept(rows: NDArray[np.float32], pca: PrincipalComponents, *, queries: int = 100) -> float:
    """Share of the ten nearest rows that are the same by the components as by the rows, less their mean.

    Both are compared by the cosine: the similarity ``"centred"``.

    Args:
        rows: (n, d) float32, n > 1, a sample of those that were fitted.
        pca: their components.
        queries: rows that are asked for, spread over all.
    """
    asked = np.unique(np.linspace(0, len(rows) - 1, min(queries, len(rows))).astype(np.int64))
    top = min(10, len(rows) - 1)
    found = []
    for compared in (rows - pca.mean, pca.transform(rows)):
        units = compared / np.maximum(np.linalg.norm(compared, axis=1, keepdims=True), 1e-30)
        scores = units[asked] @ units.T
        scores[np.arange(len(asked)), asked] = -np.inf  # not the row itself
        found.append(np.argpartition(-scores, top - 1, axis=1)[:, :top])
    shared = [len(np.intersect1d(a, b)) for a, b in zip(*found, strict=True)]
    return float(np.mean(shared) / top)


def leading_eigenvectors(
    matrix: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The k largest eigenvalues of a symmetric matrix and their eigenvectors.

    LAPACK computes only those that are requested: at d = 4,096 and k = 256 that is exact, and several times
    as fast as iterating on a random subspace until it finds as much.

    Args:
        matrix: (d, d) float64; overwritten.
        k: at most d.

    Returns:
        (k,) eigenvalues, descending, and (d, k) orthonormal eigenvectors.
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
