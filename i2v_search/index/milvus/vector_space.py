"""The space that vectors on a server live in: how rows are compared, and what of them is sent.

It comes from the collection's own index if there is one, so that both backends give the same scores.
Without one it is learned from the rows, and again when they have doubled.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.index.index_files import load_space
from i2v_search.index.milvus.plan import MilvusPlan
from i2v_search.index.projection import Components, Form, Whole, learn_components
from i2v_search.index.similarity import Similarity
from i2v_search.progress import Report, silent
from i2v_search.store.feature_store import FeatureStore


@dataclass(frozen=True, eq=False)
class Space:
    """Conversion of rows to vectors on the server.

    Attributes:
        similarity: fitted to the collection.
        form: of the rows there.
        key: identifies both.
    """

    similarity: Similarity
    form: Form
    key: str

    @classmethod
    def of(cls, similarity: Similarity, form: Form) -> Space:
        """A space with its key."""
        digest = hashlib.sha256(similarity.name.encode())
        for values in similarity.arrays().values():
            digest.update(values.tobytes())
        for name, values in sorted(form.arrays().items()):
            if name != "explained_variance_ratio":
                digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        return cls(similarity, form, digest.hexdigest())

    def vectors(self, store: FeatureStore, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) positions of the store -> (n, D) float32, what the server gets."""
        return np.asarray(self.form.apply(self.similarity.embed_rows(store, positions)), np.float32)


def choose_space(
    store: FeatureStore,
    name: SimilarityName,
    plan: MilvusPlan,
    serving: Space | None,
    report: Report = silent,
) -> Space:
    """The space that rows are to be sent in.

    Args:
        store: the feature store.
        name: name of the similarity.
        plan: for the server.
        serving: what is there, if it still suits the number of rows; it is kept wherever it can be.
        report: called with the progress.
    """
    record = store.manifest.index
    indexed = record is not None and record.similarity == name
    own, form, _ = load_space(store) if indexed else (None, None, None)
    same = serving is not None and (own is None or _equal(own, serving.similarity))
    if serving is not None and same and serving.similarity.name == name and _fits(serving.form, plan):
        return serving
    similarity = own or Similarity.fit(name, store, report)
    if plan.whole:
        return Space.of(similarity, Whole())
    if form is not None and _fits(form, plan):
        return Space.of(similarity, form)
    return Space.of(similarity, learn_components(store, similarity, plan.dimensions, report=report))


def _equal(one: Similarity, other: Similarity) -> bool:
    ours, theirs = one.arrays(), other.arrays()
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def _fits(form: Form, plan: MilvusPlan) -> bool:
    if plan.whole or not isinstance(form, Components):
        return plan.whole and isinstance(form, Whole)
    return len(form.components) == plan.dimensions
