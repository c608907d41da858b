"""Images selected together, kept in memory: what is downloaded of them has an address of its own."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

from i2v_search.web.guard.failures import Failure

_KEPT = 64


class Selections:
    """The last selections; the same images in the same order are the same selection."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, ids: Sequence[int]) -> str:
        """Keep images, each once, in their order; returns the key of the selection."""
        chosen = tuple(dict.fromkeys(ids))
        key = hashlib.sha256(",".join(map(str, chosen)).encode()).hexdigest()[:20]
        with self._lock:
            self._kept[key] = chosen
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> tuple[int, ...]:
        """Ids of a selection.

        Raises:
            Failure: it is not kept, or not any more.
        """
        with self._lock:
            if key not in self._kept:
                raise Failure("selection_gone")
            self._kept.move_to_end(key)
            return self._kept[key]
