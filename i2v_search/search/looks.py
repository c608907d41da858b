"""Drawings and parts of pictures that were asked for last: a page asks for the same ones again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import ExampleKind
from i2v_search.images.crops import Box
from i2v_search.tags.vocabulary import Tag

#: Looks that are kept, of 16 kB each.
_MOST: Final = 64


class Look(NamedTuple):
    """What was looked at, and by whom.

    Attributes:
        makers: SHA-256 of the weights of the encoder and, if there is one, of the tagger.
        sha256: of the picture's file.
        kind, crop: as `i2v_search.search.examples.Example` has them.
    """

    makers: tuple[str, ...]
    sha256: str
    kind: ExampleKind
    crop: Box | None


class Seen(NamedTuple):
    """What the encoder made of it: vector (d,) and tags; and whether it looks like a drawing of lines."""

    vector: NDArray[np.floating]
    tags: tuple[Tag, ...]
    looks_like_sketch: bool


class RecentLooks:
    """The looks that were used last; several threads may share it.

    Example:
        >>> looks, look = RecentLooks(), Look(("0" * 64,), "1" * 64, "sketch", None)
        >>> looks.put(look, Seen(np.ones(3), (), looks_like_sketch=False))
        >>> looks.get(look).vector.tolist(), looks.get(look._replace(kind="picture"))
        ([1.0, 1.0, 1.0], None)
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Look, Seen] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, look: Look) -> Seen | None:
        """What was made of a look, if it is still kept."""
        with self._lock:
            if look in self._kept:
                self._kept.move_to_end(look)
            return self._kept.get(look)

    def put(self, look: Look, seen: Seen) -> None:
        """Keep a look; the one that was used least recently is dropped if there are too many."""
        with self._lock:
            self._kept[look] = seen
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
