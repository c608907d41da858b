"""Orders of a collection's pictures that no query decides.

==============  =============================================================================
order           pictures come
==============  =============================================================================
``varied``      spread over the collection, what shows well first: `i2v_search.search.varied`
``collection``  as they were added
``name``        by file name, numbers in it by their value (``page2`` before ``page10``), whatever
                the case; files of one name by their folder
``newest``      by the file's modification time, the latest first
``oldest``      the earliest first
``largest``     by their pixels, the most first; of as many the larger file
``smallest``    the fewest first; of as many the smaller file
``colour``      by the share of the colour that the filter asks for; without one by their hue, from
                red over yellow, green and blue, then greys from dark to light
``random``      shuffled by a seed; a picture that comes or goes leaves the others in their order
``board``       as they are on the board that the filter asks for, `i2v_search.search.annotated_rows`
``column``      by the values of a column, ascending, or with ``-`` before its name descending; what has
                none comes last
==============  =============================================================================

Pictures that are equal come as they were added.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SearchOrder
from i2v_search.search.colours import PictureColours, colours_stamp
from i2v_search.search.varied import scrambled, varied_order
from i2v_search.store.columns import Column, Columns
from i2v_search.store.feature_store import FeatureStore

#: Digits in a name that are read as one number: a longer row of them is compared as text.
_DIGITS: Final = re.compile(r"(\d{1,18})")

#: Makes the positions of the live rows of a store in an order, (n,) int64.
_Make: TypeAlias = Callable[[FeatureStore], NDArray[np.int64]]


class CollectionOrders:
    """The orders of a collection that take long to make; made when first needed, 8 bytes a row each.

    Several open collections of one directory, each of a thread, may share it: it knows the orders of the
    state that was asked for last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: object = None
        self._places: dict[str, NDArray[np.int64]] = {}

    def arrange(
        self,
        store: FeatureStore,
        rows: NDArray[np.int64],
        order: SearchOrder,
        *,
        seed: int = 0,
        colour: str | None = None,
        by: str = "",
    ) -> NDArray[np.int64]:
        """Put rows in an order.

        Args:
            store: the feature store.
            rows: (n,) int64, positions of live rows, ascending.
            order: any but ``"likeness"`` and ``"board"``.
            seed: of ``"random"``.
            colour: of ``"colour"``.
            by: of ``"column"``.

        Returns:
            The same positions.

        Raises:
            QueryError: the colours of the collection's pictures are not known, or there is no such column.
        """
        if order == "collection":
            return rows
        if order == "column":
            return rows[
                _by_column(Columns.of(store)[by.removeprefix("-")], rows, descending=by.startswith("-"))
            ]
        if order == "random":
            return rows[np.argsort(scrambled(store.ids[rows], seed), kind="stable")]
        if order == "colour":
            colours = PictureColours.of(store)
            values = colours.hues if colour is None else -colours.shares(colour)
            return rows[np.argsort(values[rows], kind="stable")]
        if order in ("newest", "oldest"):
            keys = [store.column("mtime_ns", rows)]
        elif order in ("largest", "smallest"):
            widths, heights = (store.column(side, rows).astype(np.int64) for side in ("width", "height"))
            keys = [store.column("size", rows), widths * heights]
        else:
            return rows[np.argsort(self._made(store, order, _MADE[order])[rows], kind="stable")]
        if order in ("newest", "largest"):
            keys = [~key for key in keys]  # the other way round, and unlike -key never too large
        return rows[np.lexsort(keys)]

    def _made(self, store: FeatureStore, order: str, make: _Make) -> NDArray[np.int64]:
        """(rows,) int64: the place of each live row in an order."""
        with self._lock:
            if self._state != (state := (store.manifest, colours_stamp(store))):
                self._state, self._places = state, {}
            if order not in self._places:
                places = np.zeros(store.rows, np.int64)
                positions = make(store)
                places[positions] = np.arange(len(positions))
                self._places[order] = places
            return self._places[order]


def natural_key(text: str) -> tuple[str | int, ...]:
    """What names are compared by, so that numbers in them go by their value.

    Text and numbers take turns, text first: two keys can always be compared.

    >>> sorted(["page10.png", "Page2.png", "page1b.png"], key=natural_key)
    ['page1b.png', 'Page2.png', 'page10.png']
    """
    parts = _DIGITS.split(text.casefold())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def _by_column(column: Column, rows: NDArray[np.int64], *, descending: bool) -> NDArray[np.int64]:
    """Places of rows by their values; equal ones as they are, those without a value last."""
    values, known = column.values[rows], column.known[rows]
    # Whole numbers are inverted, since the smallest has no negative.
    keys = values if not descending else -values if column.kind == "number" else ~values
    return np.asarray(np.lexsort([keys, ~known]))


def _by_name(store: FeatureStore) -> NDArray[np.int64]:
    keys: list[tuple[tuple[str | int, ...], ...]] = []
    for path in store.paths():
        folder, _, name = path.rpartition("/")
        keys.append((natural_key(name), natural_key(folder)))
    return np.array(sorted(store.live.tolist(), key=keys.__getitem__), np.int64)


_MADE: Final[dict[str, _Make]] = {"name": _by_name, "varied": varied_order}
