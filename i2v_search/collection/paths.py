"""Ways through an open collection: morphs, and sets of images in their most gradual order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import SupportsIndex, Unpack

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import StoredImages, whole
from i2v_search.choices import MorphMethod
from i2v_search.collection.contents import Contents
from i2v_search.errors import QueryError
from i2v_search.morph.find import find_morph, needs_graph, require_method
from i2v_search.morph.gaps import Gap, find_gaps
from i2v_search.morph.ordering import GradualOrder, order_rows
from i2v_search.morph.plane import MORPH_NEIGHBOURS, MorphMap, map_morph
from i2v_search.morph.sequence import MOST_IN_SEQUENCE
from i2v_search.morph.stops import Morph
from i2v_search.search.examples import QueryImage, one_image, several_images
from i2v_search.search.filters import Filter, FilterShortcuts


class Paths(Contents):
    """The part of `Collection` that leads from one image to another; see there."""

    def morph(
        self,
        a: QueryImage | Sequence[float],
        b: QueryImage | Sequence[float],
        *,
        via: QueryImage | Sequence[QueryImage | float] = (),
        steps: SupportsIndex | None = 4,
        method: MorphMethod = "gradual",
        exclude: StoredImages = (),
        where: Filter | None = None,
        **shortcuts: Unpack[FilterShortcuts],
    ) -> Morph:
        """Find a morph: a path of real images that gradually connects A and B.

        Args:
            a: one end, in the collection or not. For a text the best result that is not an end already
                stands in; `Stop.text` says so.
            b: the other.
            via: waypoints, in order; the path goes through each of them.
            steps: number of images between A and B, the waypoints among them; None lets the method choose.
            method: ``"gradual"`` makes the largest hop as small as it can be with so many images, always
                nearer to B; ``"geodesic"`` walks the shortest way over the graph of neighbours;
                ``"minimax"`` the way over the graph with the smallest largest hop; ``"line"`` takes what is
                nearest to the straight way.
            exclude: ids or stored paths of images to go around.
            where: what every intermediate meets.
            **shortcuts: its attributes: ``tags="smile"``.

        Returns:
            The path with its quality. From B to A it is the reverse.

        Raises:
            MorphError: two ends that follow one another are the same image, or the collection has too few
                images.
            QueryError: an end, tag or option does not exist.
            IndexStaleError: the index is missing or older than the feature store.
        """
        require_method(method)
        count = None if steps is None else whole("steps", steps)
        state = self._state
        # First of all: to load the graph or the index may open the store again.
        network = state.network if needs_graph(method) or state.has_graph else None
        index, rows = state.index, state.rows
        chosen = Filter.of(where, shortcuts)
        allowed = state.allowed(chosen, exclude)
        ends = state.resolver.resolve_all([one_image(a), *several_images(via), one_image(b)])
        ends = state.searcher.best_of_texts(ends, chosen, index, allowed)
        return find_morph(index, rows, network, ends, steps=count, method=method, allowed=allowed)

    def morph_map(
        self,
        morph: Morph,
        *,
        neighbours: int = MORPH_NEIGHBOURS,
        exclude: StoredImages = (),
        where: Filter | None = None,
        **shortcuts: Unpack[FilterShortcuts],
    ) -> MorphMap:
        """Lay a morph out in two dimensions among the images most like those on it.

        Args:
            morph: from `morph`.
            neighbours: images to find for each of its stops.
            exclude: ids or stored paths of images not to show.
            where: what every neighbour meets.
            **shortcuts: its attributes: ``tags="smile"``.

        Returns:
            The stops and their neighbours with coordinates; `i2v_search.morph_map_picture` draws them.

        Raises:
            QueryError: an image of the morph is gone, or a tag or option does not exist.
            IndexStaleError: the index is missing or older than the feature store.
        """
        state, index = self._state, self._state.index
        # A path, and not a string: the label of an image that was no file would be taken for words.
        ends = state.resolver.resolve_all(
            [Path(stop.path) if stop.id is None else stop.id for stop in morph.stops]
        )
        allowed = state.allowed(Filter.of(where, shortcuts), exclude)
        count = whole("neighbours", neighbours)
        return map_morph(state.store, index, morph.stops, ends, neighbours=count, allowed=allowed)

    def gradual_order(self, images: StoredImages) -> list[int]:
        """Put images in an order in which each is as like the one before it as can be.

        Args:
            images: ids or stored paths, at most 5,000.

        Returns:
            Their ids, each once: a short open path through their vectors, by the angles that morphs go by
            (`i2v_search.morph.sequence`).

        Raises:
            QueryError: there is no such image, or there are too many.
            IndexStaleError: the index is missing or older than the feature store.

        Example:
            >>> from i2v_search import Collection
            >>> art = Collection.open("index/art")
            >>> order = art.gradual_order(["fruit/lemon.webp", "fruit/apple.webp"])
            >>> [art[image].path for image in order]
            ['fruit/lemon.webp', 'fruit/apple.webp']
        """
        return [int(image) for image in self.order(images).ids]

    def order(
        self,
        images: StoredImages | None = None,
        *,
        columns: SupportsIndex | None = None,
        where: Filter | None = None,
        **shortcuts: Unpack[FilterShortcuts],
    ) -> GradualOrder:
        """Put images in their most gradual order: each is as like the one before it as can be.

        Args:
            images: ids or stored paths, such as those of the hits of a search; None for all that meet the
                conditions. At most 5,000.
            columns: lays them out on a grid of so many columns, in which neighbours in rows and in columns
                are alike.
            where: what every image meets.
            **shortcuts: its attributes: ``paths="birds"``, ``board="Mood"``.

        Returns:
            The images in order, with their hops and with bounds that no order passes. Of the two directions
            that in which the first of `images` comes nearer to the beginning.

        Raises:
            QueryError: there is no such image, there are too many, or a condition does not exist.
            IndexStaleError: the index is missing or older than the feature store.

        Example:
            >>> from i2v_search import Collection
            >>> order = Collection.open("index/art").order(paths="fruit")
            >>> len(order.ids), order.quality.largest_hop >= order.quality.least_largest_hop > 0
            (7, True)
        """
        state = self._state
        rows = state.rows
        positions = self.store.live if images is None else self._in_turn(images)
        if (allowed := state.allowed(Filter.of(where, shortcuts), ())) is not None:
            positions = positions[allowed[positions]]
        if len(positions) > MOST_IN_SEQUENCE:
            raise QueryError(
                f"{len(positions):,} images; at most {MOST_IN_SEQUENCE:,} can be put in order: choose fewer "
                "by a folder, a board, tags or a search"
            )
        width = None if columns is None else whole("columns", columns)
        if width is not None and width < 1:
            raise QueryError(f"a grid has at least one column, got {width}")
        return order_rows(self.store, positions, rows.take(rows.numbers_of(positions)), width)

    def gaps(self, count: SupportsIndex = 10, *, smallest: SupportsIndex = 1) -> tuple[Gap, ...]:
        """Find what the collection lacks for its morphs.

        Args:
            count: gaps, at most.
            smallest: images that both sides of a gap have at least. With 1, an image that has nothing like it
                is on one side of a gap of its own.

        Returns:
            The gaps that images would have to fill for the largest hops of the best paths between all images
            to become smaller, the first most.

        Raises:
            QueryError: `count` or `smallest` is below 1.
            MorphError: there is no graph of neighbours.
            IndexStaleError: the index is missing or older than the feature store.

        Example:
            >>> from i2v_search import Collection
            >>> for gap in Collection.open("index/art").gaps(1):
            ...     print(*(side.paths[0] for side in gap.sides))
            fruit/bananas.webp birds/duck.webp
        """
        most, least = whole("count", count), whole("smallest", smallest)
        for name, number in (("count", most), ("smallest", least)):
            if number < 1:
                raise QueryError(f"{name} is at least 1, got {number}")
        state = self._state
        network, rows = state.network, state.rows
        return find_gaps(self.store, rows, network, count=most, smallest=least)

    def _in_turn(self, images: StoredImages) -> NDArray[np.int64]:
        """Positions of images, each once, in the order given."""
        positions, first = np.unique(self._state.positions(images), return_index=True)
        return positions[np.argsort(first)]
