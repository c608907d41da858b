"""Compares queries with the views of a collection's pictures: all of them, a block at a time.

Views are compared as vectors are: by the cosine of what is left of both after the mean of all views is
subtracted. Of several views of a picture the one that is most like the query counts.

====================  ============================================================
an example            is compared with
====================  ============================================================
of kind ``"sketch"``  ``lines``, the pictures drawn in lines
with a crop           ``details``, the pictures and parts of them
====================  ============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from i2v_search.images.crops import Box
from i2v_search.index.similarity import unit
from i2v_search.search.examples import Example
from i2v_search.search.resolved import Resolved
from i2v_search.search.view_forms import view_method
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import BOX_UNIT, VIEW_KINDS, ViewFile, ViewKind, view_path

#: Weight of views beside the similarity to the pictures as they are: docs/decisions/0021-second-vectors.md.
VIEW_WEIGHTS: Final[dict[ViewKind, float]] = {"lines": 0.7, "details": 0.9}
#: Bytes of views, as float32, that are compared at a time: what stays in a core's cache is ten times as fast.
_BLOCK_BYTES = 2**18
#: Contents that are looked up at a time.
_CONTENTS = 2**16


def count_viewed(store: FeatureStore) -> dict[ViewKind, int]:
    """Number of pictures with views, by kind, for the files of views that a collection has.

    0 where they were made another way than now, and are not searched: the next build makes them again.
    """
    counts: dict[ViewKind, int] = {}
    for kind in VIEW_KINDS:
        if view_path(store.directory, kind).exists():
            found = ViewFile.find(store.directory, view_method(kind, store.manifest.encoder).form)
            counts[kind] = 0 if found is None else len(found.records) // found.form.count
    return counts


class _Scale(NamedTuple):
    """What makes a product with the numbers of a view a cosine: ``(product * length - offset) * apart``.

    Attributes:
        mean: (k,) float32, of all views at unit length.
        length: (n,) float32, one over the length of each.
        apart: (n,) float32, one over how far each, at unit length, is from the mean.
    """

    mean: NDArray[np.float32]
    length: NDArray[np.float32]
    apart: NDArray[np.float32]


class ViewScores(NamedTuple):
    """What views say of a query.

    Attributes:
        scores: (rows,) float32 in [-1, 1].
        weight: of the scores beside the similarity.
        boxes: gives for some rows where the part is that was looked for; None where it is the whole picture.
    """

    scores: NDArray[np.float32]
    weight: float
    boxes: Callable[[NDArray[np.int64]], list[Box | None]]


class CollectionViews:
    """The views of a collection, opened when first needed.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store.
    """

    def __init__(self, store: FeatureStore, catalogue: Catalogue) -> None:
        self._store, self._catalogue = store, catalogue

    def scores(self, examples: Sequence[Example], found: Sequence[Resolved]) -> ViewScores | None:
        """What the views of pictures say of a query; None if it has no part that they are for."""
        wanted = [pair for pair in zip(examples, found, strict=True) if pair[0].weight > 0]
        total, weight = sum(example.weight for example, _ in wanted), 0.0
        scores, placed = np.zeros(self._store.rows, np.float32), _nowhere
        for example, item in wanted:
            kind = _kind_for(example)
            views = None if kind is None else self._found[kind]
            if kind is not None and views is not None:
                share, query = VIEW_WEIGHTS[kind] * example.weight / total, views.embed(item)
                scores += np.float32(share) * views.scores(query)
                weight += share
                if kind == "details" and placed is _nowhere:
                    placed = partial(views.boxes, query)
        return ViewScores(scores / np.float32(weight), weight, placed) if weight else None

    @cached_property
    def _found(self) -> dict[ViewKind, ViewSearch | None]:
        return {kind: ViewSearch.find(self._store, self._catalogue, kind) for kind in VIEW_KINDS}


def _kind_for(example: Example) -> ViewKind | None:
    if example.kind == "sketch":
        return "lines"
    return None if example.crop is None else "details"


def _nowhere(positions: NDArray[np.int64]) -> list[Box | None]:
    return [None] * len(positions)


class ViewSearch:
    """Scores of the rows of a feature store by their views of one kind.

    Memory is 24 bytes for each view, beside a block.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store.
        views: of its pictures.
    """

    def __init__(self, store: FeatureStore, catalogue: Catalogue, views: ViewFile) -> None:
        self._store, self._catalogue, self._file = store, catalogue, views
        self._method = view_method(cast(ViewKind, views.form.kind), store.manifest.encoder)

    @classmethod
    def find(cls, store: FeatureStore, catalogue: Catalogue, kind: ViewKind) -> ViewSearch | None:
        """The views of a collection; None if it has none of a kind."""
        found = ViewFile.find(store.directory, view_method(kind, store.manifest.encoder).form)
        searched = None if found is None else cls(store, catalogue, found)
        return searched if searched is not None and len(searched._rows) else None

    def embed(self, query: Resolved) -> NDArray[np.float32]:
        """(k,) float32: a query as views are compared, of unit length."""
        if query.position is not None:
            place = np.array([query.position])
            self._store.check(place)
            vector = self._store.take(place)
        else:
            assert query.vector is not None  # noqa: S101 - only texts have neither, and no view is for them
            vector = np.asarray(query.vector, np.float32)[None]
        return np.asarray(unit(self._method.reduce(vector) - self._scale.mean)[0])

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Similarity of an embedded query, (k,) float32, and the view of each row that is most like it.

        Returns:
            (rows,) float32 in [-1, 1]; 0 for rows that have no view.
        """
        similar = self._cosines(query, self._products(query), slice(None))[self._records]
        starts = np.flatnonzero(np.diff(self._rows, prepend=-1))
        scores = np.zeros(self._store.rows, np.float32)
        scores[self._rows[starts]] = np.maximum.reduceat(similar, starts)
        return scores

    def boxes(self, query: NDArray[np.float32], positions: NDArray[np.int64]) -> list[Box | None]:
        """For each of some rows the place of the view that is most like a query.

        None where that is the first view, which is the whole picture, or there is none.
        """
        first, last = (np.searchsorted(self._rows, positions, side) for side in ("left", "right"))
        found: list[Box | None] = []
        for start, end in zip(first.tolist(), last.tolist(), strict=True):
            chosen = self._records[start:end]
            codes = self._file.records["code"][chosen].astype(np.float32)
            best = int(np.argmax(self._cosines(query, codes @ query, chosen))) if len(chosen) else 0
            if best == 0:
                found.append(None)
                continue
            left, top, width, height = (self._file.records["box"][chosen[best]] * BOX_UNIT).tolist()
            found.append((left, top, width, height))
        return found

    def _cosines(
        self,
        query: NDArray[np.float32],
        products: NDArray[np.float32],
        chosen: NDArray[np.int64] | slice,
    ) -> NDArray[np.float32]:
        mean, length, apart = self._scale
        return np.clip((products * length[chosen] - mean @ query) * apart[chosen], -1, 1)

    def _products(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) float32: products of the numbers of all records with others."""
        products = np.empty(len(self._file.records), np.float32)
        for block, codes in self._blocks():
            np.vecdot(codes, query, out=products[block])
        return products

    def _blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The numbers of all records, block after block in the same memory."""
        codes, width = self._file.records["code"], self._file.form.size
        size = max(1, _BLOCK_BYTES // (4 * width))
        memory = np.empty((size, width), np.float32)
        for start in range(0, len(codes), size):
            block = slice(start, min(start + size, len(codes)))
            np.copyto(memory[: block.stop - start], codes[block])
            yield block, memory[: block.stop - start]

    @cached_property
    def _scale(self) -> _Scale:
        squares = np.empty(len(self._file.records), np.float32)
        for block, codes in self._blocks():
            np.vecdot(codes, codes, out=squares[block])
        length = np.asarray(1 / np.sqrt(np.maximum(squares, 1)), np.float32)
        shares, mean = np.zeros(len(length), np.float32), np.zeros(self._file.form.size)
        shares[self._file.intact] = length[self._file.intact] / len(self._file.intact)
        for block, codes in self._blocks():
            mean += np.vecdot(codes.T, shares[block])
        centre = mean.astype(np.float32)
        of_mean = self._products(centre) * length
        squared = (squares > 0) - 2 * of_mean + centre @ centre
        return _Scale(centre, length, np.asarray(1 / np.sqrt(np.maximum(squared, 1e-6)), np.float32))

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(p,) int64 each: live rows, ascending, and for each of its views its record."""
        found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        for start in range(0, len(self._file.intact), _CONTENTS):
            records = self._file.intact[start : start + _CONTENTS]
            lines, rows = self._catalogue.match_contents(self._file.records["sha256"][records])
            found.append((rows, records[lines]))
        rows, records = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(rows, kind="stable")
        return rows[order], records[order]

    @property
    def _rows(self) -> NDArray[np.int64]:
        return self._pairs[0]

    @property
    def _records(self) -> NDArray[np.int64]:
        return self._pairs[1]
