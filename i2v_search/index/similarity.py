"""Similarity of two vectors: the space of the index, the queries and the morph.

============  ==============================================  ================================
name          row in the search space                         score of two rows
============  ==============================================  ================================
cosine        ``u``, the unit vector                          inner product
centred       ``(u - m) / |u - m|``, m the collection's mean  inner product
standardised  ``s (u - m) / |s (u - m)|``, number by number   inner product
hamming       ``sign(u - m) / sqrt(d)``                       inner product = 1 - 2 h / d
l2            ``u * norm``, the encoder's own vector          1 / (1 + Euclidean distance)
============  ==============================================  ================================

``h`` is the Hamming distance of the d-bit codes; ``s`` is the inverse of the standard deviation of each
number in the collection, to the power of `POWER`. Centring raised the mAP of retrieval by label on four sets
(docs/decisions/0002-default-encoder.md), and standardising raised that of centring, with `lite`
(docs/decisions/0023-standardised.md). Mean and deviations belong to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.errors import QueryError
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore

#: Float32 rows worked on at a time: larger blocks leave the cache, and cost page faults besides.
BLOCK_BYTES = 8 * 2**20
#: Unit rows whose mean is this long are all the same up to float16 rounding (a single one always is):
#: centred on it, nothing would be left to compare.
ALL_ALIKE = 1 - 1e-6
#: What the deviations are raised to, and the least that one counts for, as a share of their root mean square:
#: a number that hardly varies in the collection may be anything in a picture from outside.
POWER = 1.25
LEAST_DEVIATION = 0.1
#: Below this share of |x|^2 + |y|^2 a squared distance is computed again without cancellation.
CANCELLED = 0.01
#: Rows whose largest number is beyond 2 to this power, or below its inverse, are scaled before their length
#: is taken.
_FAR_EXPONENT = 30
#: In a query vector that distances are taken to: sums of the squares of larger numbers overflow.
_LARGEST = 1e16
#: Of the sum of all weights, what the rounding of a sum of them may leave where it should be 0.
_TIED = 1e-9


@dataclass(frozen=True)
class Similarity:
    """A named similarity, fitted to one collection.

    Attributes:
        name: see the table above.
        mean: (d,) float32, the mean of the live unit rows; zeros where the similarity does not centre.
        scale: (d,) float32, what the numbers of a row less the mean are multiplied by; None: they are not.
    """

    name: SimilarityName
    mean: NDArray[np.float32]
    scale: NDArray[np.float32] | None = None

    @classmethod
    def fit(cls, name: SimilarityName, store: FeatureStore, report: Report = silent) -> Similarity:
        """Compute what the similarity needs from the live rows, in bounded memory."""
        blocks = (scale_to_unit(store.take(block)) for block in position_blocks(store))
        return cls.of_rows(name, blocks, len(store), store.dimension, report)

    @classmethod
    def of_rows(
        cls,
        name: SimilarityName,
        blocks: Iterable[NDArray[np.float32]],
        count: int,
        dimension: int,
        report: Report = silent,
    ) -> Similarity:
        """Compute what the similarity needs from unit rows.

        Args:
            name: name of the similarity.
            blocks: (m, dimension) float32 unit rows; not read where nothing is needed.
            count: how many there are in all.
            dimension: length of a row.
            report: called with the progress.
        """
        mean, squares, done = np.zeros(dimension), np.zeros(dimension), 0
        if name in {"standardised", "centred", "hamming"}:
            for block in blocks:
                mean += block.sum(axis=0, dtype=np.float64) / count
                if name == "standardised":
                    squares += np.square(block).sum(axis=0, dtype=np.float64) / count
                done += len(block)
                report(Progress("averaging", done, count))
        alike = np.linalg.norm(mean) > ALL_ALIKE
        scale: NDArray[np.float32] | None = None
        if name == "standardised":
            known = count > 0 and not alike
            scale = _inverse_deviations(squares - mean**2) if known else np.ones(dimension, np.float32)
        if alike:
            mean[:] = 0
        return cls(name, mean.astype(np.float32), scale)

    @classmethod
    def pooled(cls, fitted: Sequence[Similarity], counts: Sequence[int]) -> Similarity:
        """One similarity for rows of several collections, each with one of the same name fitted to it.

        The mean is that of all their rows. The scale is the geometric mean of theirs, weighted alike: how far
        the collections lie apart is not counted as deviation.

        Args:
            fitted: of each collection.
            counts: number of rows of each.

        Returns:
            Of one collection, its own.
        """
        shares = np.array(counts, np.float64) / max(sum(counts), 1)
        mean = sum(share * one.mean.astype(np.float64) for share, one in zip(shares, fitted, strict=True))
        scales = [one.scale for one in fitted if one.scale is not None]
        scale = None
        if len(scales) == len(fitted):
            scale = np.exp(shares @ np.log(np.stack(scales).astype(np.float64))).astype(np.float32)
        return cls(fitted[0].name, np.asarray(mean, np.float32), scale)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What was fitted, by name."""
        return {"mean": self.mean} if self.scale is None else {"mean": self.mean, "scale": self.scale}

    @property
    def euclidean(self) -> bool:
        """Whether rows are compared by distance rather than by inner product."""
        return self.name == "l2"

    def embed(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map an encoder's vectors into the search space.

        Args:
            vectors: (m, d) float32 or float64, finite, of any length.

        Returns:
            (m, d) float32; unit rows except for l2. A row equal to the mean stays zero: it is like nothing.

        Raises:
            QueryError: one is so long that no distance to it can be told from another, with l2.
        """
        if not self.euclidean:
            return self._embed_in_place(_in_range(vectors))
        if (peak := float(np.abs(vectors).max(initial=0))) > _LARGEST:
            raise QueryError(
                f"the query vector holds {peak:.3g}, too large to compare distances; similarity "
                f"{self.name} needs vectors like those of the collection's encoder"
            )
        return vectors.astype(np.float32)

    def embed_directions(self, directions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map directions from the mean, as texts have them, into the search space.

        Args:
            directions: (m, d) float32, finite, of any length; a row of zeros is like nothing.

        Returns:
            (m, d) float32, unit rows. Their products with rows less the mean stay in proportion, whatever
            these are multiplied by.

        Raises:
            QueryError: distances are compared, with l2: a direction ends nowhere.
        """
        if self.euclidean:
            raise QueryError(
                "text cannot be compared by similarity l2; run: i2v-search index --similarity centred"
            )
        if self.name == "hamming":
            return np.asarray(np.where(directions > 0, 1, -1) / np.sqrt(directions.shape[1]), np.float32)
        return unit(directions if self.scale is None else directions / self.scale)

    def embed_differences(self, differences: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map vectors less a mean other than the collection's into the search space, as its rows are.

        Args and errors are those of `embed_directions`.
        """
        return self.embed_directions(differences if self.scale is None else differences * self.scale**2)

    def embed_rows(self, store: FeatureStore, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of the feature store in the search space, (m, d) float32."""
        rows = store.take(positions)
        if self.euclidean:
            rows *= store.norms(positions)[:, None]
            return rows
        return self._embed_in_place(rows)

    def _embed_in_place(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        scale_to_unit(rows)
        if self.name == "cosine":
            return rows
        rows -= self.mean
        if self.name == "hamming":
            return np.asarray(np.where(rows > 0, 1, -1) / np.sqrt(rows.shape[1]), np.float32)
        if self.scale is not None:
            rows *= self.scale
        return scale_to_unit(rows)

    def scores(self, queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of embedded queries (m, d) against embedded rows (n, d): (m, n) float32, at most 1."""
        products = queries @ rows.T
        if not self.euclidean:
            return np.asarray(np.clip(products, -1, 1))
        lengths = (queries**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1)
        squared = lengths - 2 * products
        for number, near in enumerate(squared < CANCELLED * lengths):
            squared[number, near] = ((rows[near] - queries[number]) ** 2).sum(axis=1)
        return self.score_distances(squared)

    def score_distances(self, squared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of squared Euclidean distances."""
        return (1 / (1 + np.sqrt(np.maximum(squared, 0)))).astype(np.float32)

    def combine(self, embedded: NDArray[np.float32], weights: NDArray[np.floating]) -> NDArray[np.float32]:
        """One query out of several embedded examples: their weighted sum, whatever their order.

        Only the ratios of the weights count. Of a Hamming code each bit is that of the weightier side; where
        both sides weigh the same, every other bit is set, so that no side gets them all.

        Args:
            embedded: (m, d) float32 examples in the search space.
            weights: (m,) finite, not all 0; negative ones are turned around.

        Returns:
            (1, d) float32 in the search space.

        Raises:
            QueryError: the examples cancel one another out.
        """
        shares = weights.astype(np.float64) / np.abs(weights).max()
        # Sums of floats depend on their order: there is one for the same examples.
        order = sorted(range(len(shares)), key=lambda line: (shares[line], embedded[line].tobytes()))
        shares, embedded = shares[order], embedded[order]
        total = shares @ embedded.astype(np.float64)
        if self.euclidean:
            return np.asarray(total / np.abs(shares).sum(), np.float32)[None]
        if self.name == "hamming":
            scale = np.sqrt(len(total))
            tied = np.abs(total) * scale <= _TIED * np.abs(shares).sum()
            signs = np.where(tied, np.arange(len(total)) % 2 == 0, total > 0)
            return np.asarray(np.where(signs, 1, -1)[None] / scale, np.float32)
        if embedded.any() and np.linalg.norm(total) <= _TIED * np.abs(shares).sum():
            raise QueryError("the examples cancel each other out; remove one, or change the weights")
        return unit(total[None])


def _in_range(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """A copy as float32; rows whose length would overflow or vanish are scaled by a power of 2."""
    _, exponents = np.frexp(np.abs(vectors).max(axis=1, initial=0))
    far = np.where(np.abs(exponents) > _FAR_EXPONENT, -exponents, 0)
    return (np.ldexp(vectors, far[:, None]) if far.any() else vectors).astype(np.float32)


def _inverse_deviations(variances: NDArray[np.float64]) -> NDArray[np.float32]:
    """(d,) what numbers with these variances are multiplied by, 1 on a (geometric) average."""
    least = LEAST_DEVIATION**2 * variances.mean()
    logarithms = -POWER / 2 * np.log(np.maximum(variances, least))
    return np.asarray(np.exp(logarithms - logarithms.mean()), np.float32)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; rows of length zero stay zero.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return scale_to_unit(rows.astype(np.float32))


def scale_to_unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """`unit` in place; returns its argument."""
    lengths = np.sqrt(np.vecdot(rows, rows))
    rows /= np.maximum(lengths, np.float32(1e-12))[:, None]
    return rows


def position_blocks(
    store: FeatureStore, positions: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Positions, by default of the live rows, in blocks whose float32 vectors take at most `BLOCK_BYTES`."""
    size = max(1, BLOCK_BYTES // (4 * store.dimension))
    chosen = store.live if positions is None else positions
    for start in range(0, len(chosen), size):
        yield chosen[start : start + size]
