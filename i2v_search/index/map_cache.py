"""Data of maps, kept between runs: coordinates, and thumbnails of unchanged files.

An entry is a zip file that nothing needs: it may be deleted at any time, and one that cannot be read, or of
another version of the package, counts as not there.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from i2v_search.files import open_regular, write_atomically

#: All entries together take at most so many bytes; the one used longest ago goes first.
MOST_BYTES = 512 * 2**20
#: Of what is kept; a change of how maps or their pictures are made raises it.
_VERSION = "2"


class MapCache:
    """Named bytes by key, in a folder.

    Args:
        folder: folder of the entries; made when the first is kept.
        most_bytes: of all entries.

    Example:
        >>> import tempfile
        >>> cache = MapCache(Path(tempfile.mkdtemp()))
        >>> key = MapCache.key("pictures of", "birds")
        >>> cache.keep(key, {"owl": b"pixels"})
        >>> cache.find(key), cache.find(MapCache.key("others"))
        ({'owl': b'pixels'}, {})
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._most = folder, most_bytes

    @staticmethod
    def key(*parts: str | bytes) -> str:
        """A key that differs wherever one of the parts does."""
        digest = hashlib.sha256(_VERSION.encode())
        for part in parts:
            content = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            digest.update(len(content).to_bytes(8, "little") + content)
        return digest.hexdigest()

    def find(self, key: str) -> dict[str, bytes]:
        """The stored content of a key; nothing if it is missing or damaged."""
        path = self._path(key)
        try:
            with open_regular(path) as opened, zipfile.ZipFile(opened) as file:
                entries = {name: file.read(name) for name in file.namelist()}
            os.utime(path)
        except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error):
            return {}
        return entries

    def keep(self, key: str, entries: Mapping[str, bytes]) -> None:
        """Keep bytes by name under a key in place of what was there; a disk that is full keeps nothing."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as file:
            for name, value in entries.items():
                file.writestr(name, value)
        if content.tell() > self._most:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(key), content.getvalue())
            self._shrink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.zip"

    def _shrink(self) -> None:
        found = [(path, path.stat()) for path in self.folder.glob("*.zip")]
        left = sum(status.st_size for _, status in found)
        for path, status in sorted(found, key=lambda one: one[1].st_mtime_ns):
            if left <= self._most:
                break
            path.unlink(missing_ok=True)
            left -= status.st_size
