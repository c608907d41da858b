"""State of an open collection: the feature store, the index, and what is loaded on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from glob import has_magic
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import StoredImage, StoredImages, several
from i2v_search.choices import Backend
from i2v_search.collection.loaded_encoder import LoadedEncoder
from i2v_search.errors import CollectionDamagedError, IndexStaleError, MorphError, NoSuchImageError
from i2v_search.index.index_files import current_index, load_index
from i2v_search.index.protocol import SearchIndex
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph_file import load_network
from i2v_search.search.filters import Filter
from i2v_search.search.orders import CollectionOrders
from i2v_search.search.query import Resolver
from i2v_search.search.searcher import Searcher
from i2v_search.store.catalogue import Catalogue, find_image
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.path_patterns import match_paths


class OpenState:
    """A collection in one state. `index` and `network` may open a newer one, where another process has
    replaced their files: whoever needs them asks for them first.

    Args:
        directory: directory of the collection.
        backend: what proposes neighbours.
        milvus_uri: where that is.
        encoder: of queries.
        orders: orders of the collection's pictures.
    """

    def __init__(
        self,
        directory: Path,
        backend: Backend,
        milvus_uri: str | None,
        encoder: LoadedEncoder,
        orders: CollectionOrders,
    ) -> None:
        self.directory, self.backend, self.milvus_uri = directory, backend, milvus_uri
        self.encoder, self.orders = encoder, orders
        self.load()

    def load(self) -> None:
        """Open what is there now."""
        self.store = FeatureStore(self.directory)
        self.catalogue = Catalogue(self.store)
        root = Path(self.store.manifest.image_root)
        made_by = self.store.manifest
        self.resolver = Resolver(
            self.store,
            self.catalogue,
            root,
            encoder=lambda: self.encoder.of(made_by),
            text_vectors=lambda texts: self.encoder.text_vectors(texts, made_by),
            sketch_vectors=lambda vectors: self.encoder.sketch_vectors(vectors, made_by),
            looks=self.encoder.looks,
        )
        self.forget_copies()
        for name in ("index", "network", "rows"):
            self.__dict__.pop(name, None)

    def forget_copies(self) -> None:
        """Look again which images are copies of one another."""
        made_by = self.store.manifest
        self.searcher = Searcher(
            self.store,
            self.catalogue,
            self.resolver,
            self.orders,
            dials=lambda: self.encoder.dials(made_by),
        )

    @cached_property
    def index(self) -> SearchIndex:
        """Proposes neighbours.

        Raises:
            IndexStaleError: there is none, or it is older than the feature store.
            SearchServerError: the Milvus server does not respond, with that backend.
        """
        try:
            return self._open_index()
        except (CollectionDamagedError, IndexStaleError):
            if not self._load_newer():
                raise
            return self._open_index()

    @cached_property
    def rows(self) -> UnitRows:
        """The rows of the index, as morphs want them."""
        return UnitRows(self.index)

    @property
    def has_graph(self) -> bool:
        """Whether there is a graph of neighbours."""
        if self.backend == "milvus" and self.store.manifest.index is None:
            return False
        return len(self.store) > 1 and "graph" in current_index(self.store).files

    @cached_property
    def network(self) -> Network:
        """The graph of neighbours.

        Raises:
            MorphError: there is none.
        """
        if len(self.store) < 2:
            raise MorphError(
                f"the neighbour graph needs at least two images, the collection has {len(self.store)}; "
                "add more, or use method 'gradual' or 'line'"
            )
        try:
            return self._open_network()
        except CollectionDamagedError:
            if not self._load_newer():
                raise
            return self._open_network()

    def allowed(self, where: Filter, exclude: StoredImages = ()) -> NDArray[np.bool_] | None:
        """(rows,) bool: positions of the store that a filter allows, without some images; None for all."""
        allowed = where.allowed(self.store)
        positions = [self.position(image) for image in several(exclude)]
        if positions:
            allowed = np.ones(self.store.rows, bool) if allowed is None else allowed.copy()
            allowed[positions] = False
        return allowed

    def position(self, image: StoredImage) -> int:
        """Of an image in the feature store.

        Raises:
            NoSuchImageError: the collection holds no such image.
        """
        return find_image(self.store, self.catalogue, image)

    def positions(self, images: StoredImages | None) -> NDArray[np.int64]:
        """(n,) int64: of several images, None for all."""
        if images is None:
            return self.store.live
        return np.array([self.position(image) for image in several(images)], np.int64)

    def named(self, images: Sequence[StoredImage]) -> Iterator[StoredImage]:
        """Images as they were given, and the ids of those that globs of stored paths match.

        Raises:
            NoSuchImageError: a glob matches none.
        """
        for image in images:
            if (
                not isinstance(image, str)
                or not has_magic(image)
                or self.catalogue.find_path(image) is not None
            ):
                yield image
                continue
            ids = self.store.ids[self.store.live[match_paths(self.store, [image])[self.store.live]]]
            if not len(ids):
                raise NoSuchImageError(f"no image of the collection {self.directory} matches {image!r}")
            yield from ids.tolist()

    def _load_newer(self) -> bool:
        """Open the collection again if another process has changed it."""
        changed = Manifest.load(self.directory) != self.store.manifest
        if changed:
            self.load()
        return changed

    def _open_index(self) -> SearchIndex:
        if self.backend == "faiss":
            return load_index(self.store)
        # pymilvus takes a second to load, and only this backend needs it.
        from i2v_search.index.milvus.index import MilvusIndex

        return MilvusIndex.open(self.store, self.milvus_uri)

    def _open_network(self) -> Network:
        rows = self.rows
        file = current_index(self.store).files.get("graph")
        if file is None:
            raise MorphError(
                f"the graph of {len(self.store)} images has not been built; run: i2v-search index --graph "
                f"--collection {self.directory}"
            )
        return load_network(rows, self.directory, file)
