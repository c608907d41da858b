"""The files of a collection as they are now: which still stand, and what some of them look like."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from i2v_search.errors import ImageError
from i2v_search.images.archives import ARCHIVE_SEPARATOR
from i2v_search.images.lookahead import map_ahead
from i2v_search.images.sources import Skipped, open_stored
from i2v_search.search.duplicates.look_cache import LookCache
from i2v_search.search.duplicates.looks import Look, look
from i2v_search.store.feature_file import storable_time
from i2v_search.store.feature_store import FeatureStore

#: Looks held at a time, 150 MB.
HELD: Final = 2048
_AHEAD: Final = 8
_CHANGED: Final = "changed since it was added; run: i2v-search build"


class StoredPictures:
    """Looks at the image files of a feature store, and remembers what could not be used.

    Args:
        store: the feature store.
        root: the folder that stored paths are relative to.
    """

    def __init__(self, store: FeatureStore, root: Path) -> None:
        self._store = store
        self._root = root
        self._held: OrderedDict[int, Look] = OrderedDict()
        self._cache = LookCache(store.directory)
        self._problems: dict[int, str] = {}

    @property
    def problems(self) -> tuple[Skipped, ...]:
        """The files that are gone, changed or unreadable, in the order they were added."""
        return tuple(Skipped(self._store.path(at), reason) for at, reason in sorted(self._problems.items()))

    def usable(self, position: int) -> bool:
        """Whether nothing has been found wrong with a file so far."""
        return position not in self._problems

    def in_archive(self, position: int) -> bool:
        """Whether an image is a member of an archive, rather than a file of its own."""
        return ARCHIVE_SEPARATOR in self._store.path(position) and not _exists(self._location(position))

    def standing(self, positions: Iterable[int]) -> list[int]:
        """Those of some images whose files are there, each file under one name; no file is opened.

        A link to another of the files is left out, for it is no copy of it. A file that is gone, or that
        has another size than when it was added, becomes a problem.
        """
        found: dict[object, int] = {}
        for position in positions:
            location = self._location(position)
            try:
                status = os.stat(location)  # noqa: PTH116 - a path of bytes
            except (OSError, ValueError):
                if self._archive_stands(position):
                    found[position] = position
                else:
                    self._problems[position] = "no such file"
                continue
            if status.st_size != int(self._column("size", position)):
                self._problems[position] = _CHANGED
                continue
            identity = (status.st_dev, status.st_ino)
            if identity not in found or (self._is_link(found[identity]) and not self._is_link(position)):
                found[identity] = position
        return list(found.values())

    def looks(self, copies: Mapping[int, Sequence[int]]) -> dict[int, Look]:
        """Look at images, several at a time; what was looked at before is not read again.

        Args:
            copies: the positions to look at, each with the positions of all files of that content: the
                first of them that can be read serves, and those before it become problems.

        Returns:
            Looks by position, without those that no file could be read for.
        """
        missing = [position for position in copies if position not in self._held]
        for position, (one, problems) in zip(
            missing, map_ahead(self._look, (copies[at] for at in missing), _AHEAD), strict=True
        ):
            self._problems |= problems
            if one is not None:
                self._held[position] = one
        found = {}
        for position in copies:
            if position in self._held:
                self._held.move_to_end(position)
                found[position] = self._held[position]
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return found

    def save_looks(self) -> None:
        """Keep what was looked at for the next run."""
        live = self._store.column("sha256", self._store.live)
        self._cache.save(digest.tobytes() for digest in live)

    def _look(self, positions: Sequence[int]) -> tuple[Look | None, dict[int, str]]:
        """The look of the first file that can be read, and what is wrong with those before it."""
        problems: dict[int, str] = {}
        for position in positions:
            digest = self._column("sha256", position).tobytes()
            if self._is_untouched(position) and (known := self._cache.find(digest)) is not None:
                return known, problems
            path = self._store.path(position)
            try:
                one = look(open_stored(self._root, path, allow_outside=True), path)
            except ImageError as error:
                problems[position] = error.reason
                continue
            if one.fingerprint.content == digest:
                self._cache.add(one)
                return one, problems
            problems[position] = _CHANGED
        return None, problems

    def _is_untouched(self, position: int) -> bool:
        """Whether a file has the size and the time that it had when it was added."""
        try:
            status = os.stat(self._location(position))  # noqa: PTH116 - a path of bytes
        except (OSError, ValueError):
            return False
        recorded = int(self._column("size", position)), int(self._column("mtime_ns", position))
        return (status.st_size, storable_time(status.st_mtime_ns)) == recorded

    def _column(self, name: str, position: int) -> Any:
        return self._store.column(name, np.array([position], np.int64))[0]

    def _location(self, position: int) -> bytes:
        return os.fsencode(self._root / self._store.path(position))

    def _is_link(self, position: int) -> bool:
        """Whether a link leads to a file, or to a folder above it."""
        location = self._location(position)
        return os.path.realpath(location) != os.path.abspath(location)  # noqa: PTH100

    def _archive_stands(self, position: int) -> bool:
        archive, separator, _ = self._store.path(position).partition(ARCHIVE_SEPARATOR)
        return bool(separator) and _exists(os.fsencode(self._root / archive))


def _exists(location: bytes) -> bool:
    try:
        return os.path.exists(location)  # noqa: PTH110 - a path of bytes
    except ValueError:  # a NUL in the name
        return False
