"""Finds pictures by their colours, and those that move, from what builds keep of them.

A picture has a colour if it takes at least `LEAST_SHARE` of it: colours of the picture nearer than
`COLOUR_DISTANCE` in CIELAB are taken for it. A picture that was not described yet has none, and neither moves
nor stands still.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import shown
from i2v_search.errors import QueryError
from i2v_search.images.colours import to_lab
from i2v_search.search.colour_codes import COLOUR_FORM, decode_colours
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.view_file import ViewFile, view_path

LEAST_SHARE: Final = np.float32(0.08)
COLOUR_DISTANCE: Final = np.float32(22)
#: Distance from grey at which a colour has a hue.
_LEAST_CHROMA: Final = np.float32(12)
#: Share that it takes at least to give a picture its hue.
_HUE_SHARE: Final = np.float32(0.04)
#: Share of a single colour from which a picture is blank.
_BLANK: Final = np.float32(0.99)
_RGB: Final = re.compile(r"#?([0-9a-f]{6})", re.IGNORECASE)

#: Which file of colours is there: another one is another file, or longer.
_Stamp: TypeAlias = tuple[int, int, int] | None
_OPEN: Final[WeakKeyDictionary[FeatureStore, tuple[_Stamp, PictureColours]]] = WeakKeyDictionary()


def read_colour(given: str) -> str:
    """A colour as ``#rrggbb``.

    Raises:
        QueryError: it is none.

    >>> read_colour("FF8800")
    '#ff8800'
    """
    found = _RGB.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise QueryError(f"colour must be written as #rrggbb, not {shown(given)}")
    return f"#{found[1].lower()}"


def colours_stamp(store: FeatureStore) -> _Stamp:
    """What tells one state of a collection's colours from another."""
    try:
        status = os.stat(view_path(store.directory, "colours"))  # noqa: PTH116 - one call, on every request
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def blank_rows(store: FeatureStore) -> NDArray[np.bool_]:
    """(rows,) bool: which rows are known to be of one colour."""
    try:
        return PictureColours.of(store).blank
    except QueryError:
        return np.zeros(store.rows, bool)


class PictureColours:
    """The colours of the rows of a feature store; 26 bytes a row.

    Args:
        store: the feature store.
    """

    def __init__(self, store: FeatureStore) -> None:
        self._codes = np.zeros((store.rows, COLOUR_FORM.size), np.int8)
        #: (rows,) bool, which are described.
        self.known = np.zeros(store.rows, bool)
        file = ViewFile.find(store.directory, COLOUR_FORM)
        if file is not None and len(file.intact):
            records = file.records[file.intact]
            lines, rows = Catalogue(store).match_contents(records["sha256"])
            self._codes[rows], self.known[rows] = records["code"][lines], True
        if not self.known[store.live].any() and len(store.live):
            raise QueryError(
                "the colours of this collection's pictures are not known yet, nor which of them move; run "
                f"i2v-search build with their folders and --collection {store.directory}"
            )

    @classmethod
    def of(cls, store: FeatureStore) -> PictureColours:
        """Those of a feature store, read again where a build has described more.

        Raises:
            QueryError: no picture is described.
        """
        stamp = colours_stamp(store)
        kept = _OPEN.get(store)
        if kept is None or kept[0] != stamp:
            kept = _OPEN[store] = stamp, cls(store)
        return kept[1]

    @property
    def moving(self) -> NDArray[np.bool_]:
        """(rows,) bool: whether a picture has several frames."""
        return np.asarray(self._codes[:, -2] != 0)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """(rows,) bool: whether a picture has nothing but one colour."""
        return np.asarray(self._decoded[1].max(axis=1) >= _BLANK)

    def shares(self, colour: str) -> NDArray[np.float32]:
        """(rows,) float32: the share of each picture that a colour, ``#rrggbb``, takes."""
        lab = to_lab(np.array([*bytes.fromhex(colour[1:])]) / 255).astype(np.float32)
        found, shares, _ = self._decoded
        near = ((found - lab) ** 2).sum(axis=2) <= COLOUR_DISTANCE**2
        return np.asarray((shares * near).sum(axis=1), np.float32)

    @cached_property
    def hues(self) -> NDArray[np.float32]:
        """(rows,) float32 to sort by: the angle of the most colourful colour from 0 to 360; for grey pictures
        1000 and the lightness; 2000 for one that is not described."""
        lab, shares, _ = self._decoded
        chroma = np.hypot(lab[:, :, 1], lab[:, :, 2])
        best = (chroma * (chroma >= _LEAST_CHROMA) * shares).argmax(axis=1)
        rows = np.arange(len(lab))
        angle = np.degrees(np.arctan2(lab[rows, best, 2], lab[rows, best, 1])) % 360
        lightness = (lab[:, :, 0] * shares).sum(axis=1)
        is_grey = (chroma[rows, best] < _LEAST_CHROMA) | (shares[rows, best] < _HUE_SHARE)
        hues = np.where(is_grey, 1000 + lightness, angle)
        return np.where(self.known, hues, np.float32(2000)).astype(np.float32)

    @property
    def _decoded(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        return decode_colours(self._codes)
