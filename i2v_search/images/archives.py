"""Members of zip and tar archives, read as streams: an archive is never unpacked to disk.

Names that lead out of the archive, links, devices, encrypted members and repeated names are skipped with
a reason; what a damaged archive still gives is given. No member is read beyond `images.MAX_BYTES`, whatever
its header claims.
"""

import bz2
import calendar
import functools
import gzip
import lzma
import math
import os
import re
import stat
import struct
import tarfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

from i2v_search.errors import ImageError
from i2v_search.files import describe_special
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.formats import EXTENSIONS
from i2v_search.images.reading import MAX_BYTES, open_regular_file, read_bounded
from i2v_search.images.unread import Tally, is_service_folder

ARCHIVE_SEPARATOR: Final = "!/"
_DECOMPRESSORS: Final[dict[str, Callable[[BinaryIO], BinaryIO]]] = {
    "tar": lambda file: file,
    "gz": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    "bz2": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    "xz": lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115 - the caller closes it
}
_TAR_EXTENSIONS: Final = {
    **{".tar": "tar", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".tbz2": "bz2"},
    **{".tar.xz": "xz", ".txz": "xz"},
}
_ZIP_EXTENSIONS: Final = (".zip", ".cbz")
_MAX_TAR_READ: Final = 2**20
"""The most that is read from a tar at once: a header may claim gigabytes of attributes before its member."""

_ARCHIVE_ERRORS: Final = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AttributeError),
    *(MemoryError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
)


Content: TypeAlias = Callable[[str], bytes]
"""Gives a member's bytes; its argument is what errors call the member."""


@dataclass(frozen=True)
class Found:
    """A candidate, by absolute path (or the path of its archive, and the member's name)."""

    path: str
    size: int
    mtime_ns: int
    member: str | None = None
    prepare: Callable[[], Content] | None = None  # for a member: to be called while the walk stands at it


@dataclass(frozen=True)
class Passed:
    """Something skipped, and why; `member` where it is inside an archive."""

    path: str
    reason: str
    member: str | None = None


Item: TypeAlias = Found | Passed


def archive_extension(path: str) -> str | None:
    """The ending that makes a file an archive, None if it is none."""
    lower = path.lower()
    return next((ending for ending in (*_ZIP_EXTENSIONS, *_TAR_EXTENSIONS) if lower.endswith(ending)), None)


def is_zip(path: str) -> bool:
    """Whether the ending is that of a zip, read member by member; a tar has to be read through."""
    return archive_extension(path) in _ZIP_EXTENSIONS


def why(error: BaseException) -> str:
    """The reason of an error, in one short line."""
    if isinstance(error, PermissionError):
        return "permission denied"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:200] or type(error).__name__


def is_hidden(name: str) -> bool:
    """Whether a name begins with a dot."""
    return name.startswith(".")


def has_image_name(name: str) -> bool:
    """Whether a name ends as images do."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122


Wanted: TypeAlias = Callable[[str], bool]
"""Tells by a member's name whether it is one to look at."""

_Opened: TypeAlias = Callable[[], BinaryIO]


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is skipped: it is hidden, or holds thumbnails or deleted files."""
    return is_hidden(name) or is_service_folder(name)


def is_picture_name(name: str) -> bool:
    """Whether a member's name ends as images do, and no part of it is skipped."""
    return has_image_name(name) and not any(is_passed_over(part) for part in name.split("/") if part != "..")


def picture_members(archive: str, exclude: Sequence[str], tally: Tally) -> Wanted:
    """The pictures of an archive but for what is excluded, relative to it; what is left is counted."""
    rules = Exclusion(archive, exclude)

    def is_wanted(name: str) -> bool:
        if any(is_passed_over(part) for part in name.split("/") if part != ".."):
            return False
        if not has_image_name(name):
            tally.file(name)
            return False
        if rules and rules.excludes(f"{archive}/{name}"):
            tally.excluded(is_folder=False, is_image=True)
            return False
        return True

    return is_wanted


def walk_archive(
    path: str, wanted: Wanted = is_picture_name, opened: Callable[[], BinaryIO] | None = None
) -> Iterator[Item]:
    """Yield the wanted members of an archive in the order stored, and those that are skipped.

    `opened` opens the archive where `path` is not that of a file here.
    """
    opened = opened or functools.partial(open_regular_file, path)
    walk = _walk_zip if is_zip(path) else _walk_tar
    try:
        yield from walk(path, wanted, opened)
    except ImageError as error:
        yield Passed(path, error.reason)
    except _ARCHIVE_ERRORS as error:
        yield Passed(path, f"damaged archive: {why(error)}")


def _member_name(name: str) -> str:
    """Drop the `./` that tar puts in front; what is left is the name that gets stored."""
    return "/".join(part for part in name.split("/") if part != ".")


def _unsafe_name(name: str) -> str | None:
    if name.startswith("/") or re.match(r"[A-Za-z]:[\\/]|\\\\", name):
        return "the member's name is absolute"
    if ".." in re.split(r"[/\\]", name):
        return "the member's name points outside the archive"
    if "\0" in name or not name:
        return "the member's name is not valid"
    return None


def _walk_zip(path: str, wanted: Wanted, opened: _Opened) -> Iterator[Item]:
    archive = _Zip(opened())
    # Unpacking leaves the last of several members of one name.
    last = {_member_name(info.filename): info for info in archive.zip.infolist()}
    for info in archive.zip.infolist():
        name = _member_name(info.filename)
        if info.is_dir() or not wanted(name):
            continue
        later = None if last[name] is info else "a later member has the same name"
        if problem := _unsafe_name(name) or _zip_problem(info) or later:
            yield Passed(path, problem, name)
        else:
            content = functools.partial(archive.read, info)
            yield Found(path, info.file_size, _zip_time(info), name, functools.partial(_just, content))


def _just(content: Content) -> Content:
    return content


class _Zip:
    """A zip that stays open as long as anyone holds one of its members, which several threads may read at
    once.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            self.zip = zipfile.ZipFile(file)
        except BaseException:
            file.close()
            raise
        self._lock = threading.Lock()
        weakref.finalize(self, file.close)

    def read(self, info: zipfile.ZipInfo, label: str) -> bytes:
        if info.file_size > MAX_BYTES:
            raise ImageError(label, f"{info.file_size} bytes is over the limit of {MAX_BYTES} bytes")
        try:
            with self._lock:  # ZipFile counts its open members without one; reading them is safe
                member = self.zip.open(info)
            try:
                return read_bounded(cast(BinaryIO, member), label, MAX_BYTES)
            finally:
                with self._lock:
                    member.close()
        except _ARCHIVE_ERRORS as error:
            raise ImageError(label, f"damaged in its archive: {why(error)}") from error


def _zip_problem(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 0x1:
        return "encrypted"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind and kind != stat.S_IFREG:
        return f"{describe_special(kind)}, not a file"
    return None


def _zip_time(info: zipfile.ZipInfo) -> int:
    year, month, day, hour, minute, second = info.date_time
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return 0
    return calendar.timegm((year, month, day, hour, minute, second)) * 10**9


class _ForwardReader:
    """Stream for `tarfile`: forwards only, and in small reads.

    Both are what a hostile archive would use: a header of attributes claiming gigabytes, and a negative size
    that sends the reader back to where it was.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self.last_block = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_TAR_READ:
            raise tarfile.ReadError("a header of an impossible size")
        blocks: list[bytes] = []
        while size and (block := self._stream.read(size)):
            size -= len(block)
            self._position += len(block)
            blocks.append(block)
        self.last_block = b"".join(blocks)
        return self.last_block

    def seek(self, position: int) -> None:
        if position < self._position:
            raise tarfile.ReadError("a member that overlaps the one before")
        while self._position < position and self.read(min(position - self._position, _MAX_TAR_READ)):
            pass


def _tar_members(path: str, opened: _Opened) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    extension = archive_extension(path)
    if extension is None:
        raise tarfile.ReadError("not the name of an archive")
    with opened() as file, _DECOMPRESSORS[_TAR_EXTENSIONS[extension]](file) as stream:
        reader = _ForwardReader(stream)
        fileobj = cast(BinaryIO, reader)
        with tarfile.open(fileobj=fileobj, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                vars(archive)["members"] = []  # tarfile would keep every header it has seen
                yield archive, member
        if reader.last_block.strip(b"\0"):  # tarfile takes a header that is none for the end of the archive
            raise tarfile.ReadError("a header in the middle is not one")


def _walk_tar(path: str, wanted: Wanted, opened: _Opened) -> Iterator[Item]:
    seen: set[int] = set()
    for archive, info in _tar_members(path, opened):
        name = _member_name(info.name)
        if info.isdir() or not wanted(name):
            continue
        if problem := _unsafe_name(name) or _tar_problem(info):
            yield Passed(path, problem, name)
        elif (key := hash(name)) in seen:
            yield Passed(path, "an earlier member has the same name", name)
        else:
            seen.add(key)
            prepare = functools.partial(_read_tar_member, archive, info)
            yield Found(path, info.size, _tar_time(info), name, prepare)


def _tar_problem(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "a link, not a file"
    return None if info.isreg() else "a device or pipe, not a file"


def _tar_time(info: tarfile.TarInfo) -> int:
    seconds = info.mtime if math.isfinite(info.mtime) else 0
    return int(seconds * 10**9) if abs(seconds) < 2**33 else 0


def _read_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Content:
    """Read a member while the stream stands at it; what goes wrong comes out when its bytes are requested."""
    member = archive.extractfile(info)
    if member is None or info.size > MAX_BYTES:
        return _failing(f"{info.size} bytes is over the limit of {MAX_BYTES} bytes")
    try:
        data = read_bounded(cast(BinaryIO, member), info.name, MAX_BYTES)
    except ImageError as error:
        return _failing(error.reason)
    except _ARCHIVE_ERRORS as error:
        return _failing(f"damaged in its archive: {why(error)}")
    return lambda _label: data


def _failing(reason: str) -> Content:
    def read(label: str) -> bytes:
        raise ImageError(label, reason)

    return read


def read_member(archive: Path, member: str, label: str) -> bytes:
    """Read one member again; `label` is what errors call it.

    Raises:
        ImageError: there is no such member, or it cannot be read.
    """
    if _unsafe_name(member):
        raise ImageError(label, f"refused: {_unsafe_name(member)}")
    reason = "no such member in the archive"
    for item in walk_archive(str(archive)):
        if item.member == member and isinstance(item, Found) and item.prepare is not None:
            return item.prepare()(label)
        if item.member in {member, None} and isinstance(item, Passed):
            # Another member of the same name may follow, and be the one that counts.
            reason = item.reason
    raise ImageError(label, reason)
