"""What this server moved to the trash, kept in memory so that it can be undone."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from typing import Final

from i2v_search.build.upkeep.trashing import TrashedImage
from i2v_search.web.guard.failures import Failure

_KEPT: Final = 64


class Trashings:
    """The last moves to the trash, each under a key that nobody can guess."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[TrashedImage, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, images: tuple[TrashedImage, ...]) -> str:
        """Keep what was moved together; returns its key."""
        key = secrets.token_hex(16)
        with self._lock:
            self._kept[key] = images
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> tuple[TrashedImage, ...]:
        """What was moved under a key.

        Raises:
            Failure: this server moved nothing under it, or it was undone.
        """
        with self._lock:
            if key not in self._kept:
                raise Failure("not_found", "nothing that can be undone has this key")
            return self._kept[key]

    def undone(self, key: str, left: tuple[TrashedImage, ...] = ()) -> None:
        """Keep only what is still in the trash."""
        with self._lock:
            if left:
                self._kept[key] = left
            else:
                self._kept.pop(key, None)
