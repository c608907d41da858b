"""A picture as a collection sees it, and a query image that was found: a row, or such a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.similarity import Similarity
from i2v_search.search.text import Text
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import Tag


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture as the encoder of a collection sees it: from `Collection.encode`, itself a query.

    Attributes:
        vector: (d,) floats, as the encoder gave them.
        tags: with their probabilities; for a picture of the collection those that it keeps.
        sha256: SHA-256 of its file's content, lower-case hex; None if there is no file. A collection that
            holds the same content takes its own image for it.
        label: for people.
        looks_like_sketch: whether it seems to be a drawing of lines: `SearchResult.looks_like_sketch`.
        picture: the file or a copy of it, for queries that crop it or take it for a sketch.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> lemon = art.encode("art/fruit/lemon.webp")
        >>> lemon.label, lemon.vector.shape, art.search(lemon, top=1).hits[0].path
        ('fruit/lemon.webp', (4096,), 'fruit/strawberry.webp')
    """

    vector: NDArray[np.floating] = field(repr=False)
    tags: tuple[Tag, ...] = ()
    sha256: str | None = None
    label: str = "image"
    looks_like_sketch: bool = False
    picture: bytes | None = field(default=None, repr=False)


class QueryVectors(NamedTuple):
    """Texts or drawings in the space of a collection's vectors.

    Attributes:
        rows: (n, d) float32.
        directions: whether they are directions from the mean of the collection, or vectors like its own.
    """

    rows: NDArray[np.float32]
    directions: bool


@dataclass(frozen=True)
class Resolved:
    """An example found: where it is, or what it is.

    One of position, vector and direction is given; of a drawing vector and direction, which is compared with
    pictures.

    Attributes:
        label: for people.
        position: position of its row in the feature store, None for an image from outside.
        vector: (d,) of the encoder, float64 where it was given as a vector.
        direction: (d,) float32, where from the mean of a collection the images of a text or a drawing lie;
            zeros where the encoder knows none of its words.
        text: what was searched for, where it is no image.
        sha256: SHA-256 of its file's content, None if there is no file.
        tags: that the encoder gives an image from outside; those of a row are in the feature store.
        looks_like_sketch: whether an image from outside, not given as a sketch, seems to be one.
    """

    label: str
    position: int | None = None
    vector: NDArray[np.floating] | None = None
    direction: NDArray[np.float32] | None = None
    text: Text | None = None
    sha256: str | None = None
    tags: tuple[Tag, ...] = ()
    looks_like_sketch: bool = False

    def embed(self, store: FeatureStore, similarity: Similarity) -> NDArray[np.float32]:
        """(d,) float32 in the search space."""
        if self.position is not None:
            return np.asarray(similarity.embed_rows(store, np.array([self.position]))[0])
        if self.direction is not None:
            # Words are fitted to their products with vectors; what a drawing shows is a vector less a mean.
            embed = similarity.embed_differences if self.text is None else similarity.embed_directions
            return np.asarray(embed(self.direction[None])[0])
        assert self.vector is not None  # noqa: S101 - one of the three is always there
        return np.asarray(similarity.embed(self.vector[None])[0])
