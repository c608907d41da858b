"""Members of an archive read at random, again and again, as training does.

A zip stays open. A tar can only be read from its beginning, so its pictures are held in memory; one that is
larger than `MAX_TAR_BYTES` is refused with what to do about it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from i2v_search.errors import ImageError, SourceError
from i2v_search.images.archives import (
    ARCHIVE_SEPARATOR,
    Found,
    archive_extension,
    is_picture_name,
    walk_archive,
)
from i2v_search.images.captions import ENDINGS
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.images.metadata.beside import TABLES
from i2v_search.images.metadata.posts import may_hold_posts
from i2v_search.images.sources import open_stored

MAX_TAR_BYTES: Final = 2**30


@dataclass(frozen=True)
class Packed:
    """The pictures and annotation files of an archive: how to read each, by name."""

    members: dict[str, Callable[[str], bytes]]

    def named(self, *names: str) -> str | None:
        """The member with one of some names, without its folders, that is in the fewest folders."""
        found = [name for name in self.members if name.rpartition("/")[2] in names]
        return min(found, key=lambda name: (name.count("/"), name), default=None)

    def metadata(self) -> list[str]:
        """The names that may hold Danbooru's metadata."""
        return sorted(name for name in self.members if may_hold_posts(name.rpartition("/")[2]))

    def text(self, member: str) -> BinaryIO:
        """An annotation file, opened.

        Raises:
            SourceError: it cannot be read.
        """
        try:
            return io.BytesIO(self.members[member](member))
        except ImageError as error:
            raise SourceError(str(error)) from error


def open_packed(archive: Path) -> Packed:
    """List an archive's pictures and annotation files; the answer is kept as long as the file is the same.

    Raises:
        SourceError: it cannot be read, or is a tar with more than `MAX_TAR_BYTES` of pictures.
    """
    try:
        status = archive.stat()
    except OSError as error:
        raise SourceError(f"{archive} cannot be read ({error.strerror})") from error
    # A process forked from this one must not share the open file: the position in it is common to both.
    return _open(str(archive), status.st_mtime_ns, status.st_size, os.getpid())


def read_packed(root: Path, path: str) -> bytes:
    """Read a stored path as `open_stored` does, but without searching the archive every time.

    Raises:
        ImageError: as `open_stored`.
    """
    name, separator, member = path.partition(ARCHIVE_SEPARATOR)
    archive = root / name
    if not separator or "/" in name or archive_extension(name) is None or archive.is_symlink():
        return open_stored(root, path)
    try:
        read = open_packed(archive).members.get(member)
    except SourceError as error:
        raise ImageError(path, str(error)) from error
    if read is None:
        raise ImageError(path, "no such member in the archive")
    return read(path)


def _wanted(name: str) -> bool:
    file = name.rpartition("/")[2]
    beside = os.path.splitext(file)[1].lower() in ENDINGS or file in TABLES  # noqa: PTH122 - of an archive
    return is_picture_name(name) or file == FILE_NAME or may_hold_posts(file) or beside


@lru_cache(maxsize=4)
def _open(path: str, _mtime: int, _size: int, _process: int) -> Packed:
    members: dict[str, Callable[[str], bytes]] = {}
    is_zip = archive_extension(path) in {".zip", ".cbz"}
    held = 0
    for item in walk_archive(path, _wanted):
        if not isinstance(item, Found):
            if item.member is None:
                raise SourceError(f"{path}: {item.reason}")
            continue
        held += 0 if is_zip else item.size
        if held > MAX_TAR_BYTES:
            raise SourceError(
                f"{path} holds more than {MAX_TAR_BYTES} bytes of pictures, the limit of a tar, which is "
                "held in memory; unpack it, or pack it as a zip"
            )
        if item.prepare is not None and item.member is not None:
            members[item.member] = item.prepare()
    return Packed(members)
