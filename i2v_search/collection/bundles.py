"""Original files of a collection in one zip archive, made piece by piece.

The files are stored, not compressed: pictures are compressed already. One file is in memory at a time. What
cannot be read is listed in a text file of the archive, so that nothing is left out unseen.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from i2v_search.collection.contents import Contents
from i2v_search.errors import ImageError
from i2v_search.escapes import printable
from i2v_search.images.archives import ARCHIVE_SEPARATOR
from i2v_search.images.sources import Skipped

#: The file of the archive that lists what could not be read.
NOT_INCLUDED: Final = "NOT INCLUDED.txt"
_WHY: Final = "These files could not be read. If their disk is not connected, connect it and download again."
#: Bytes of a piece, about.
_PIECE: Final = 2**20
#: What no file system, or not every one, has in a name.
_NOT_IN_NAMES: Final = re.compile(r'[\x00-\x1f\x7f"*:<>?\\|\ud800-\udfff]')
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
#: The earliest date that the format knows, so that an archive is the same whenever it is made.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def zip_pieces(
    collection: Contents,
    images: Iterable[int] | Mapping[int, str],
    more: Mapping[str, bytes] = {},
    missing: list[Skipped] | None = None,
) -> Iterator[bytes]:
    """The bytes of a zip archive of the original files of images, in pieces.

    The files lie in the folders of their stored paths; names that a system refuses are made harmless, and a
    name that occurs twice gets a number.

    Args:
        collection: collection of the images.
        images: ids; or the name of each in the archive.
        more: further files of the archive, by name.
        missing: is given the files that cannot be read, which the archive lists as well.

    Raises:
        NoSuchImageError: the collection holds no such image; before anything is given.

    Example:
        >>> import zipfile, io
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> pieces = zip_pieces(art, [art["fruit/lemon.webp"].id])
        >>> zipfile.ZipFile(io.BytesIO(b"".join(pieces))).namelist()
        ['fruit/lemon.webp']
    """
    paths = {image: collection.stored_path(image) for image in images}
    names = {**paths, **images} if isinstance(images, Mapping) else paths
    return _pieces(collection, names, more, [] if missing is None else missing)


def _pieces(
    collection: Contents, paths: dict[int, str], more: Mapping[str, bytes], missing: list[Skipped]
) -> Iterator[bytes]:
    written = _Written()
    used = {NOT_INCLUDED.lower(), *map(str.lower, more)}
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for image, path in paths.items():
            try:
                content = collection.image_bytes(image)
            except ImageError as error:
                missing.append(Skipped(collection.stored_path(image), error.reason))
                continue
            with archive.open(zipfile.ZipInfo(_free_name(path, used), _DATE), "w") as member:
                for start in range(0, len(content), _PIECE):
                    member.write(content[start : start + _PIECE])
                    yield written.take()
        for name, content in more.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)
        if missing:
            archive.writestr(zipfile.ZipInfo(NOT_INCLUDED, _DATE), _listed(missing))
    yield written.take()


def _listed(missing: Iterable[Skipped]) -> str:
    return "\n".join([_WHY, "", *(f"{printable(file.path)}: {file.reason}" for file in missing), ""])


class _Written(io.RawIOBase):
    """A file that holds what was written to it until it is taken; it cannot be sought in."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        piece = memoryview(content)  # type: ignore[arg-type]
        self._held += piece
        return len(piece)

    def take(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held


def safe_name(path: str) -> str:
    """A stored path as a relative name that every system can write.

    >>> safe_name("/mnt/art/a?b.png"), safe_name("pack.zip!/con.png"), safe_name("../.. /a. ")
    ('mnt/art/a_b.png', 'pack.zip/_con.png', 'a')
    """
    parts = []
    for part in path.replace(ARCHIVE_SEPARATOR, "/").split("/"):
        name = _NOT_IN_NAMES.sub("_", part).rstrip(". ")
        if name:
            parts.append(f"_{name}" if _RESERVED.match(name) else name)
    return "/".join(parts) or "_"


def _free_name(path: str, used: set[str]) -> str:
    name = PurePosixPath(safe_name(path))
    free, number = str(name), 1
    while free.lower() in used:
        number += 1
        free = str(name.with_name(f"{name.stem} ({number}){name.suffix}"))
    used.add(free.lower())
    return free
