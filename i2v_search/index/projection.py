"""The scanned form of rows: all numbers, one bit per number, or principal components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.pca import fit_pca
from i2v_search.index.planner import PCA_ROWS, IndexPlan
from i2v_search.index.similarity import Similarity, position_blocks, scale_to_unit
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore


class Form(Protocol):
    """Conversion of rows of the search space to their scanned form."""

    def apply(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """(m, d) float32 -> what a scanner takes."""
        ...

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The arrays to keep in a file."""
        ...


@dataclass(frozen=True)
class Whole:
    """Rows are scanned as they are."""

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the rows."""
        return rows

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Nothing."""
        return {}


@dataclass(frozen=True, eq=False)
class Signs:
    """A bit for each dimension: whether a row exceeds a (d,) float32 centre there."""

    centre: NDArray[np.float32]

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(m, d) float32 -> (m, d / 8) uint8."""
        return np.packbits(rows > self.centre, axis=1)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The centre."""
        return {"centre": self.centre}


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components: `i2v_search.index.pca`.

    Scaled to unit length they rank as the whole rows do with half as many candidates
    (docs/decisions/0012-index-engine.md): what a row has in other dimensions says little about its
    neighbours, but makes its components shorter.

    Attributes:
        mean: (d,) float32.
        components: (k, d) float32.
        explained_variance_ratio: (k,) float32.
        scaled: whether rows are scaled to unit length, as those of an inner product are.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    explained_variance_ratio: NDArray[np.float32]
    scaled: bool

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(m, d) float32 -> (m, k) float32."""
        reduced = self.project(rows)
        return scale_to_unit(reduced) if self.scaled else reduced

    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(m, d) float32 -> (m, k) float32, the components as they are."""
        return np.asarray(rows @ self.components.T - self._shift)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """All three."""
        return {
            "pca_mean": self.mean,
            "components": self.components,
            "explained_variance_ratio": self.explained_variance_ratio,
        }

    @cached_property
    def _shift(self) -> NDArray[np.float32]:
        return self.components @ self.mean


def learn_form(
    store: FeatureStore,
    similarity: Similarity,
    plan: IndexPlan,
    held_back: NDArray[np.int64] | None,
    report: Report,
) -> Form:
    """The form that a plan scans, learned from a sample of the live rows without those held back."""
    if similarity.name == "hamming":
        return Signs(np.zeros(store.dimension, np.float32))
    if plan.kind == "exact":
        return Whole()
    if plan.kind != "codes":
        return learn_components(store, similarity, plan.dimensions, held_back=held_back, report=report)
    sample = sample_positions(store, PCA_ROWS, held_back)
    # Centred rows are halved by zero in every dimension; uncentred ones hardly at all.
    blocks = _sampled(store, similarity, sample, report)
    total = sum((block.sum(axis=0, dtype=np.float64) for block in blocks), np.zeros(store.dimension))
    return Signs((total / max(1, len(sample))).astype(np.float32))


def learn_components(
    store: FeatureStore,
    similarity: Similarity,
    dimensions: int,
    *,
    held_back: NDArray[np.int64] | None = None,
    report: Report = silent,
) -> Components:
    """Principal components of the live rows, learned from a sample of them without those held back."""
    blocks = _sampled(store, similarity, sample_positions(store, PCA_ROWS, held_back), report)
    fitted = fit_pca(blocks, dimensions, centre=similarity.euclidean)
    report(Progress("solving for components", 1, 1))
    return Components(
        fitted.mean, fitted.components, fitted.explained_variance_ratio, scaled=not similarity.euclidean
    )


def _sampled(
    store: FeatureStore, similarity: Similarity, sample: NDArray[np.int64], report: Report
) -> Iterator[NDArray[np.float32]]:
    """The rows of a sample in the search space, in blocks."""
    done = 0
    for block in position_blocks(store, sample):
        yield similarity.embed_rows(store, block)
        done += len(block)
        report(Progress("computing components", done, len(sample)))
    # Whoever requested the rows has all of them, and works on them now: half a minute for 4,096 dimensions.
    report(Progress("solving for components", 0, None))


def sample_positions(
    store: FeatureStore, size: int, held_back: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Positions of at most `size` live rows, evenly spread, without those held back."""
    live = store.live
    if held_back is not None and len(held_back) * 2 < len(live):
        live = live[~np.isin(live, held_back)]
    if len(live) <= size:
        return live
    return live[np.linspace(0, len(live) - 1, size).astype(np.int64)]
