"""Queries of an open collection: searches, morphs, maps and duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex, Unpack

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import StoredImage, StoredImages, number, whole
from i2v_search.choices import DuplicateKind, MapMethod
from i2v_search.collection.paths import Paths
from i2v_search.errors import QueryError
from i2v_search.index.map_cache import MapCache
from i2v_search.index.mapping import MAP_IMAGES, CollectionMap, map_rows
from i2v_search.index.similarity import unit
from i2v_search.morph.sequence import MOST_IN_SEQUENCE
from i2v_search.progress import Report, silent
from i2v_search.search.duplicates.comparing import THRESHOLD, find_duplicates
from i2v_search.search.duplicates.groups import Duplicates
from i2v_search.search.duplicates.known import KnownCopies, known_group
from i2v_search.search.examples import Query, QueryImage, several_images
from i2v_search.search.filters import Filter, FilterShortcuts
from i2v_search.search.learning import OTHERS, learned_direction
from i2v_search.search.proven_copies import proven_when
from i2v_search.search.request import RankingOptions, Request, SearchOptions
from i2v_search.search.resolved import EncodedImage
from i2v_search.search.results import Hit, SearchResult

#: Rows that are scored at a time.
_BLOCK = 16384
#: Rows that the index proposes as suggestions, at least, and for each that is wanted.
_PROPOSED = 400
_PROPOSED_EACH = 8


class Answers(Paths):
    """The part of `Collection` that answers questions and changes nothing; see there."""

    def encode(self, image: QueryImage) -> EncodedImage:
        """Look at an image once, to use what is found in several queries.

        Args:
            image: whatever a query takes. An image of the collection is not encoded again.

        Returns:
            Its vector and tags, which every query takes in place of the image, with the same answer.

        Raises:
            QueryError: there is no such image.
            ImageError: it cannot be read.
            EncoderError: the encoder cannot be loaded.

        Example:
            >>> from i2v_search import Collection
            >>> sketch = Collection.open("index/art").encode("art/fruit/lemon.webp")
            >>> sketch.label, "fruit" in [tag.name for tag in sketch.tags]
            ('fruit/lemon.webp', True)
        """
        return self._state.resolver.encode(image)

    def size_of(self, image: QueryImage) -> tuple[int, int]:
        """Width and height in pixels, as displayed, of an image of a query: crops are shares of them.

        Args:
            image: whatever a query takes that has pixels; of an image of the collection the file is read.

        Raises:
            QueryError: there is no such image, or it is a text or a vector.
            ImageError: it cannot be read.

        Example:
            >>> from i2v_search import Collection
            >>> Collection.open("index/art").size_of("art/fruit/lemon.webp")
            (320, 264)
        """
        return self._state.resolver.size_of(image)

    def search(
        self,
        query: Query | None = None,
        *,
        top: SupportsIndex = 10,
        offset: SupportsIndex = 0,
        where: Filter | None = None,
        **ranking: Unpack[RankingOptions],
    ) -> SearchResult:
        """Find the images most like the query, or without one those that have the wanted tags most probably;
        or, with an `order`, all images.

        Args:
            query: an id, a path in the collection or the end of one, an image file, an image, its bytes, a
                (d,) vector (an array, a tensor, a list of floats) or a ``.npy`` file of one, an
                `EncodedImage`, a `Text` (or a string that is nothing of that and looks like no path), or
                several of those, each perhaps an `Example` with a weight (negative: unlike it), a crop, or
                the note that it is a drawing of lines. None ranks by the tags of `where`.
            top: how many hits.
            offset: how many better ones to skip. Pages of the same `top` never repeat an image or skip
                one.
            where: what every hit meets, exactly.
            **ranking: `i2v_search.search.request.RankingOptions`: ``min_score``, ``tag_weight``, ``diverse``,
                ``copies``, ``exclude_query``, ``order``, ``seed``; and the attributes of `where` as
                shortcuts: ``tags="smile"``.

        Returns:
            At most `top` hits, best first; fewer only where the collection has no more that qualify.

        Raises:
            QueryError: an example, tag or option does not exist, or options contradict each other.
            ImageError: an image cannot be read.
            IndexStaleError: there is no index; tags alone need none.
            SearchServerError: the Milvus server does not respond, with that backend.

        Example:
            >>> from i2v_search import Collection, Filter
            >>> art = Collection.open("index/art")
            >>> first, second = (art.search("fruit/lemon.webp", top=3, offset=start) for start in (0, 3))
            >>> [hit.rank for hit in first.hits + second.hits], second.more
            ([1, 2, 3, 4, 5, 6], True)
            >>> {hit.path[:6] for hit in art.search("fruit/lemon.webp", where=Filter(paths="fruit")).hits}
            {'fruit/'}
            >>> newest = art.search(order="newest", paths="fruit", top=2)
            >>> newest.total, len(newest.hits)
            (6, 2)
        """
        request = Request.of(where, top=top, offset=offset, **ranking)
        if query is None:
            request = request.without_query()
            if request.order != "likeness":
                return self._state.searcher.in_order(request)
        # First of all: to load the index may open the store again.
        index = None if query is None and request.diverse is None else self._state.index
        if query is None or index is None:
            return self._state.searcher.by_tags(request, index)
        return self._state.searcher.by_examples([query], request, index)[0]

    def search_each(
        self,
        queries: Query | Sequence[Query | float] | NDArray[np.floating],
        *,
        where: Filter | None = None,
        **options: Unpack[SearchOptions],
    ) -> tuple[SearchResult, ...]:
        """Search for several queries at once, much faster than one after the other.

        Args:
            queries: each as in `search`; or vectors, (m, d). A query alone is one.
            where: as in `search`, for all of them, like the other options.
            **options: those of `search`.

        Returns:
            A result for each query, in order. Errors are those of `search`.
        """
        asked, request, index = several_images(queries), Request.of(where, **options), self._state.index
        return self._state.searcher.by_examples(asked, request, index)

    def map(
        self,
        *,
        method: MapMethod = "auto",
        images: int = MAP_IMAGES,
        where: Filter | None = None,
        seed: int = 0,
        cache: MapCache | None = None,
        report: Report = silent,
        **shortcuts: Unpack[FilterShortcuts],
    ) -> CollectionMap:
        """Lay the collection out in two dimensions, similar images close together.

        Args:
            method: ``"tsne"`` parts groups best and needs openTSNE; ``"pca"`` needs nothing; ``"auto"`` takes
                the better one that is installed.
            images: the most to draw; of more an even sample is taken.
            where: what every image meets.
            seed: seed of t-SNE; the same seed gives the same map.
            cache: where the same map is looked for first, and kept: `i2v_search.index.map_cache`.
            report: called with the progress.
            **shortcuts: attributes of `where`: ``tags="smile"``.

        Returns:
            Where each image lies; `map_picture` and `map_page` draw it.

        Raises:
            QueryError: the method is not installed, or a tag or option does not exist.
            IndexStaleError: the index is missing or older than the feature store.
        """
        similarity = self._state.index.similarity
        chosen = Filter.of(where, shortcuts).rows(self.store)
        return map_rows(
            self.store,
            similarity,
            chosen,
            method=method,
            images=images,
            seed=seed,
            cache=cache,
            report=report,
        )

    def suggest(self, images: StoredImages, *, top: int = 24) -> tuple[Hit, ...]:
        """Find more images like several together, such as those of a board: a linear classifier learns what
        they have and others have not (`i2v_search.search.learning`).

        Args:
            images: ids or stored paths, at most 5,000.
            top: how many to find.

        Returns:
            Other images, without files of the same content, best first.

        Raises:
            QueryError: there is no such image, there are none or too many, or all images are given.
            IndexStaleError: the index is missing or older than the feature store.

        Example:
            >>> from i2v_search import Collection
            >>> art = Collection.open("index/art")
            >>> [hit.path[:6] for hit in art.suggest(["fruit/lemon.webp", "fruit/apple.webp"], top=2)]
            ['fruit/', 'fruit/']
        """
        state = self._state
        rows, chosen = state.rows, np.unique(state.positions(images))
        if not 0 < len(chosen) <= MOST_IN_SEQUENCE:
            raise QueryError(f"give at least one image and at most {MOST_IN_SEQUENCE:,}, not {len(chosen):,}")
        digests = self.store.column("sha256", chosen).reshape(-1, 32)
        left = np.ones(self.store.rows, bool)
        left[[row for found in state.catalogue.find_contents(digests) for row in found]] = False
        others = self.store.live[left[self.store.live]]
        if not len(others):
            raise QueryError("these are all images of the collection")
        sample = np.sort(np.random.default_rng(0).permutation(others)[:OTHERS])
        direction = learned_direction(*(rows.take(rows.numbers_of(each)) for each in (chosen, sample)))
        wanted = max(whole("top", top), 0)
        if not state.index.similarity.euclidean:  # by distance, rows of other lengths would be proposed
            count = max(_PROPOSED, _PROPOSED_EACH * wanted)
            others = state.index.search(unit(direction[None]), count, left)[1][0]
        scores = np.concatenate(
            [
                rows.take(rows.numbers_of(others[at : at + _BLOCK])) @ direction
                for at in range(0, len(others), _BLOCK)
            ]
        )
        best = np.lexsort((others, -scores))[:wanted]
        return tuple(
            Hit(rank, int(self.store.ids[row]), self.store.path(row), float(score))
            for rank, (row, score) in enumerate(
                zip(others[best].tolist(), scores[best].tolist(), strict=True), 1
            )
        )

    def duplicates(
        self, *, kind: DuplicateKind = "near", threshold: float = THRESHOLD, report: Report = silent
    ) -> Duplicates:
        """Find the images that are the same picture; nothing is changed.

        Args:
            kind: the loosest way of being the same that counts: ``"exact"``, the same file; ``"pixels"``, a
                file that shows the same, pixel by pixel, in all its frames; ``"near"``, the same picture
                re-encoded, resized, a little cut, or touched up; ``"variants"``, pictures that differ in one
                thing, such as a mouth or a word, which are never removable.
            threshold: least cosine of the vectors of two images whose pixels are compared, in (0, 1].
            report: called with the progress.

        Returns:
            Groups of images, in each the one to keep first. What is mirrored, turned or recoloured is not
            found. What was looked at and found is kept in the collection's files ``duplicates.cache`` and
            ``copies.cache``, which may be deleted; searches leave out what is known to be a copy.

        Raises:
            QueryError: the kind or the threshold does not exist.
            IndexStaleError: the index is missing or older than the feature store; ``"exact"`` needs none.
        """
        root, least = Path(self.store.manifest.image_root), number("threshold", threshold)
        found = find_duplicates(
            self.store, root, lambda: self._state.index, kind=kind, threshold=least, report=report
        )
        self._state.forget_copies()
        return found

    def known_copies(self, *, top: int = 60, offset: int = 0, of: StoredImage | None = None) -> KnownCopies:
        """List the copies that are known without looking at a picture: equal files, and what `duplicates`
        proved since the collection was made; without those that people say are none.

        Args:
            top: how many groups.
            offset: how many to skip.
            of: an image: from the multiple of `top` on where its group is, if it has one.

        Returns:
            The groups, and sums over all of them. Files are taken to be as they were when they were added.

        Raises:
            NoSuchImageError: the collection holds no such image.
        """
        groups = self._state.searcher.groups.several
        size, first = max(1, whole("top", top)), max(0, whole("offset", offset))
        if of is not None:
            position = self._state.position(of)
            first = next((at // size * size for at, rows in enumerate(groups) if position in rows), first)
        rest = np.concatenate([rows[1:] for rows in groups]) if groups else np.empty(0, np.int64)
        return KnownCopies(
            groups=tuple(known_group(self.store, rows) for rows in groups[first : first + size]),
            offset=first,
            total=len(groups),
            copies=len(rest),
            bytes=int(self.store.column("size", rest).sum()) if len(rest) else 0,
            looked=proven_when(self.store.directory),
        )
