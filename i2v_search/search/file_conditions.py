"""Conditions on a picture's file: parts of its name, shape and date; each gives the rows that meet it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import PictureShape
from i2v_search.errors import QueryError
from i2v_search.store.feature_file import storable_time
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.path_patterns import name_blocks

#: A picture whose longer side is up to so many times the shorter one is square; beyond the other, a strip.
SQUARE_RATIO: Final = 1.1
STRIP_RATIO: Final = 4
#: Parts names where many are folded as one string: no name has it.
_END: Final = "\0"


def match_names(store: FeatureStore, words: Sequence[str]) -> NDArray[np.bool_]:
    """Find the rows whose file name has all of some words, and none of those with a leading ``-``.

    A word may be any part of the name, which ends with the extension and has no folders; the case of letters
    does not count, nor how they are composed. A word that itself begins with ``-`` has a backslash before it.

    Args:
        store: the feature store.
        words: none is empty.

    Returns:
        (rows,) bool, dead rows included.
    """
    wanted = [
        (_folded(word.removeprefix("-").removeprefix("\\")), not word.startswith("-")) for word in words
    ]
    found = np.ones(store.rows, bool)
    for first, heap, starts, ends in name_blocks(store):
        content = heap.tobytes()
        paths = (content[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
        names = os.fsdecode(_END.encode().join(path[path.rfind(b"/") + 1 :] for path in paths))
        folded = names.casefold().split(_END)
        rows = found[first : first + len(folded)]
        for word, is_wanted in wanted:
            rows &= np.fromiter(((word in name) == is_wanted for name in folded), bool, len(folded))
    return found


def has_shape(
    widths: NDArray[np.integer], heights: NDArray[np.integer], shape: PictureShape
) -> NDArray[np.bool_]:
    """(n,) widths and heights in pixels -> (n,) bool: which pictures have a shape; each has exactly one.

    >>> has_shape(np.array([640, 100, 6000]), np.array([480, 100, 300]), "strip").tolist()
    [False, False, True]
    """
    longer, shorter = np.maximum(widths, heights), np.minimum(widths, heights)
    is_strip, is_square = longer > STRIP_RATIO * shorter, longer <= SQUARE_RATIO * shorter
    if shape == "strip":
        return np.asarray(is_strip)
    if shape == "square":
        return np.asarray(is_square)
    long_way = widths > heights if shape == "wide" else heights > widths
    return np.asarray(long_way & ~is_strip & ~is_square)


def read_day(name: str, given: str | date) -> str:
    """A day as ``YYYY-MM-DD``.

    Raises:
        QueryError: it is none.
    """
    try:
        return date.fromisoformat(str(given)).isoformat()
    except ValueError:
        raise QueryError(f"{name} must be a day as YYYY-MM-DD, not {str(given)[:40]!r}") from None


def day_start(day: str, *, days_later: int = 0) -> int:
    """When a day begins where this computer is, in nanoseconds since 1970, as far as 64 bits go."""
    try:
        moment = datetime.combine(date.fromisoformat(day) + timedelta(days_later), time.min).timestamp()
    except (OverflowError, ValueError, OSError):  # at the ends of the calendar
        return storable_time(2**70 if day > "1970" else -(2**70))
    return storable_time(int(moment) * 10**9)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
