"""Where pictures come from: folders, files, glob patterns and archives, streamed in one deterministic order.

- A folder is walked in depth, each directory sorted by the bytes of its names, so memory is bounded by the
  largest directory. Names beginning with a dot (and with them macOS's `._x`) are passed over, and only names
  ending in `images.EXTENSIONS` are considered. Symbolic links are followed, every linked folder once; a link
  to a folder above it is skipped. Archives inside a folder are left alone: name them, or match them by a
  glob.
- A glob pattern (`art/**/*.png`; `**` is any number of folders) is matched without following anything twice.
  A matched folder is walked as a folder; a matched file, like a file given by name, is tried whatever its
  ending. `*` and `?` do not match a leading dot.
- A `.zip` or `.tar` archive (also `.tar.gz`, `.tgz`, `.tar.bz2`, `.tbz2`, `.tar.xz`, `.txz`, `.cbz`) is read
  in the order stored and never unpacked to disk. What a damaged archive still gives is given; then it is
  reported.
- A file that an earlier source has given already is not given again (by its path: another hard or symbolic
  link to it is another file).

Bad data is a value here: a `Skipped` says what was passed over and why. Only a source that gives nothing at
all is an error (`SourceError`), raised before the first picture is yielded.
"""

import bz2
import calendar
import contextlib
import fnmatch
import functools
import glob
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

from i2v_search.errors import ImageError, SourceError
from i2v_search.images import (
    EXTENSIONS,
    MAX_BYTES,
    describe_special,
    open_regular_file,
    read_bounded,
    read_regular_file,
)

Source: TypeAlias = str | os.PathLike[str]

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


@dataclass(frozen=True)
class SourceImage:
    """A file that may be a picture.

    `path` is the name stored in a collection: relative to the image root, with `/` between its parts, or
    absolute for a file outside the root. A name that is not UTF-8 keeps the surrogates of `os.fsdecode`; a
    member of an archive is `pack/art.zip!/dir/a.png`. `size` is in bytes, `mtime_ns` in nanoseconds since
    1970 (0 where the archive gives no valid time).

    `read()` returns the whole file, at most `images.MAX_BYTES` of it, from any thread, and raises
    `ImageError`. A member of a tar is read when it is yielded, and held until its `SourceImage` is dropped.
    """

    path: str
    size: int
    mtime_ns: int
    read: Callable[[], bytes] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Skipped:
    """Something that was passed over, and why."""

    path: str
    reason: str


def image_root(sources: Sequence[Source]) -> Path:
    """Return the absolute, resolved folder that stored paths are relative to.

    It is the folder itself for one folder, otherwise what all folders, parents of files and archives, and
    fixed beginnings of glob patterns have in common. Raises `SourceError` for a source that does not exist.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> image_root([folder]) == folder.resolve()
    True
    """
    bases = [str(source.base) for source in _parse(sources)]
    try:
        return Path(os.path.commonpath(bases))
    except ValueError as error:
        raise SourceError(f"the sources have no folder in common: {', '.join(bases)}") from error


def iter_images(sources: Sequence[Source], root: Path) -> Iterator[SourceImage | Skipped]:
    """Yield every picture of the sources, in their order, with what had to be skipped in its place.

    Raises `SourceError` at the call, before anything is yielded, for a source that does not exist, a folder
    or archive without any picture, and a glob without any match.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"pixels")
    >>> [(image.path, image.read()) for image in iter_images([folder], image_root([folder]))]
    [('a.png', b'pixels')]
    """
    parsed = _parse(sources)
    for source in parsed:
        if next(source.walk(), None) is None:
            raise SourceError(source.nothing_found())
    return _stream(parsed, root.resolve())


def count_images(sources: Sequence[Source]) -> int:
    """Count what `iter_images` will yield as `SourceImage`: names only, nothing is decoded.

    Folders cost one pass over their names and zip archives one listing; a compressed tar has to be
    decompressed once. Raises `SourceError` for a source that does not exist.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"pixels")
    >>> count_images([folder])
    1
    """
    parsed = _parse(sources)
    return sum(
        isinstance(found, _Found)
        for number, source in enumerate(parsed)
        for found in source.walk()
        if not _given_before(found, parsed[:number])
    )


def open_stored(root: Path, path: str, *, allow_outside: bool = False) -> bytes:
    """Read the bytes of a stored path again, also of a member of an archive.

    A stored path may come from a stranger's collection, so it must stay inside `root`: an absolute path, a
    `..` and a symbolic link that leads out are refused. With `allow_outside` absolute paths and such links
    are read too (for a user's own collection); `..` never is. A tar is searched from its beginning every
    time.

    Raises `ImageError`, with `path` as it was given.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"pixels")
    >>> open_stored(folder, "a.png")
    b'pixels'
    """
    parts = path.split("/")
    if not path or "\0" in path:
        raise ImageError(path, "not a stored path")
    if ".." in parts:
        raise ImageError(path, "refused: a stored path must not contain '..'")
    if os.path.isabs(path) and not allow_outside:  # noqa: PTH117
        raise ImageError(path, "refused: it is outside the image folder")
    whole = _inside(root, path, path, allow_outside)
    if ARCHIVE_SEPARATOR not in path or os.path.isfile(whole):  # noqa: PTH113 - False, where Path raises
        return read_regular_file(whole, path)
    for separator in re.finditer(re.escape(ARCHIVE_SEPARATOR), path):
        archive = path[: separator.start()]
        if _archive_extension(archive) is not None:
            located = _inside(root, archive, path, allow_outside)
            if os.path.isfile(located):  # noqa: PTH113
                return _read_member(located, path[separator.end() :], path)
    raise ImageError(path, "no such file")


def _inside(root: Path, path: str, label: str, allow_outside: bool) -> Path:
    try:
        base = root.resolve()
        located = (base / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ImageError(label, "its links lead in a circle") from error
    if not allow_outside and not located.is_relative_to(base):
        raise ImageError(label, "refused: a link leads outside the image folder")
    return located


# What the kinds of sources have in common: absolute paths inside, stored paths only at the very end.


_Content: TypeAlias = Callable[[str], bytes]
"""Gives a member's bytes; its argument is what errors call the member."""


@dataclass(frozen=True)
class _Found:
    """A candidate, by absolute path (or the path of its archive, and the member's name)."""

    path: str
    size: int
    mtime_ns: int
    member: str | None = None
    prepare: Callable[[], _Content] | None = None  # for a member: to be called while the walk stands at it


@dataclass(frozen=True)
class _Passed:
    path: str
    reason: str
    member: str | None = None


_Item: TypeAlias = _Found | _Passed


@dataclass(frozen=True)
class _File:
    path: str

    @property
    def base(self) -> Path:
        return Path(self.path).parent

    def covers(self, path: str) -> bool:
        return path == self.path

    def walk(self) -> Iterator[_Item]:
        yield _look_at(self.path)

    def nothing_found(self) -> str:
        return f"{self.path} is empty"


@dataclass(frozen=True)
class _Archive(_File):
    def walk(self) -> Iterator[_Item]:
        return _walk_archive(self.path)

    def nothing_found(self) -> str:
        return f"{self.path} holds no picture: looked for members ending in {_extensions_text()}"


@dataclass(frozen=True)
class _Folder:
    path: str

    @property
    def base(self) -> Path:
        return Path(self.path)

    def covers(self, path: str) -> bool:
        inner = _below(path, self.path)
        return bool(inner) and _has_image_name(inner[-1]) and not any(_hidden(part) for part in inner)

    def walk(self) -> Iterator[_Item]:
        return _walk_folder(self.path, ())

    def nothing_found(self) -> str:
        return (
            f"{self.path} holds no picture: looked everywhere below for names ending in {_extensions_text()}"
        )


@dataclass(frozen=True)
class _Glob:
    pattern: str
    prefix: str
    parts: tuple[str, ...]

    @property
    def base(self) -> Path:
        return Path(self.prefix)

    def covers(self, path: str) -> bool:
        states = _start(self.parts)
        inner = _below(path, self.prefix)
        for depth, part in enumerate(inner):
            states = _advance(self.parts, states, part)
            if len(self.parts) in states and len(states) == 1 and depth + 1 < len(inner):
                return _Folder(str(Path(self.prefix, *inner[: depth + 1]))).covers(path)
        return len(self.parts) in states

    def walk(self) -> Iterator[_Item]:
        return _walk_folder(self.prefix, self.parts)

    def nothing_found(self) -> str:
        return f"nothing matches {self.pattern}: in a shell, quote it, and use ** for folders in folders"


_AnySource: TypeAlias = _File | _Folder | _Glob


def _parse(sources: Sequence[Source]) -> list[_AnySource]:
    if isinstance(sources, str | os.PathLike):
        sources = [sources]  # a string is a sequence of strings, and never what was meant
    if not sources:
        raise SourceError("no sources given: name a folder, a file, a glob pattern or an archive")
    return [_parse_one(os.fsdecode(source)) for source in sources]


def _parse_one(source: str) -> _AnySource:
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116 - Path would drop a trailing slash
    except (OSError, ValueError) as error:
        if glob.has_magic(source) and "\0" not in source:
            return _parse_glob(source)
        problem = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise SourceError(f"{source!r} {problem}") from error
    path = Path(source)
    if stat.S_ISDIR(mode):
        folder = str(path.resolve())
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise SourceError(f"{source!r} cannot be listed: {_why(error)}") from error
        return _Folder(folder)
    if not stat.S_ISREG(mode):
        raise SourceError(f"{source!r} is {describe_special(mode)}, not a folder or file")
    located = str(path.parent.resolve() / path.name)  # the name as given, even when it is a link
    return _File(located) if _archive_extension(located) is None else _Archive(located)


def _parse_glob(pattern: str) -> _Glob:
    parts = Path(pattern).parts
    fixed = 0
    while (
        not glob.has_magic(parts[fixed]) or Path(*parts[: fixed + 1]).is_dir()
    ):  # a folder may be called "art [2]"
        fixed += 1
    prefix = Path(*parts[:fixed])
    if not prefix.is_dir():
        raise SourceError(f"{pattern!r} matches nothing: {str(prefix)!r} is not a folder")
    return _Glob(pattern, str(prefix.resolve()), parts[fixed:])


def _stream(parsed: list[_AnySource], root: Path) -> Iterator[SourceImage | Skipped]:
    for number, source in enumerate(parsed):
        earlier = parsed[:number]
        for item in source.walk():
            if _given_before(item, earlier):
                continue
            path = _stored(item.path, root)
            if item.member is not None:
                path += ARCHIVE_SEPARATOR + item.member
            if isinstance(item, _Passed):
                yield Skipped(path, item.reason)
            else:
                content = item.prepare() if item.prepare else _file_content(item.path)
                yield SourceImage(path, item.size, item.mtime_ns, functools.partial(content, path))


def _given_before(item: _Item, earlier: Sequence[_AnySource]) -> bool:
    """Tell by the path alone whether an earlier source gave it: no set of seen paths has to be kept."""
    return any(source.covers(item.path) for source in earlier)


def _file_content(location: str) -> _Content:
    return lambda label: read_regular_file(location, label, MAX_BYTES)


def _stored(path: str, root: Path) -> str:
    inner = _below(path, str(root))
    return "/".join(inner) if inner else Path(path).as_posix()


def _below(path: str, folder: str) -> list[str]:
    """Return the parts of `path` below `folder`; none when it is not below it."""
    start = folder if folder.endswith(os.sep) else folder + os.sep
    return path.removeprefix(start).split(os.sep) if path.startswith(start) else []  # noqa: PTH206


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _has_image_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122


def _extensions_text() -> str:
    return " ".join(sorted(EXTENSIONS))


def _archive_extension(path: str) -> str | None:
    lower = path.lower()
    return next((ending for ending in (*_ZIP_EXTENSIONS, *_TAR_EXTENSIONS) if lower.endswith(ending)), None)


def _why(error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return "permission denied"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:200] or type(error).__name__


# Folders and globs: one walk. A glob is a set of positions in its parts, moved on by every name on the way
# down; a plain folder is a glob whose last part has been matched already.


def _start(parts: tuple[str, ...]) -> frozenset[int]:
    return _with_empty_stars(parts, {0})


def _with_empty_stars(parts: tuple[str, ...], states: set[int]) -> frozenset[int]:
    for state in sorted(states):
        following = state
        while following < len(parts) and parts[following] == "**":
            following += 1
            states.add(following)
    return frozenset(states)


def _advance(parts: tuple[str, ...], states: frozenset[int], name: str) -> frozenset[int]:
    moved: set[int] = set()
    for state in states:
        if state == len(parts):
            continue
        if parts[state] == "**":
            if not _hidden(name):
                moved.add(state)
        elif _part_matches(parts[state], name):
            moved.add(state + 1)
    return _with_empty_stars(parts, moved)


def _part_matches(part: str, name: str) -> bool:
    return (not _hidden(name) or _hidden(part)) and fnmatch.fnmatchcase(name, part)


_Identity: TypeAlias = tuple[int, int]
"""Device and inode: what a folder is, whatever it is called."""


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


@dataclass
class _Level:
    """One directory on the way down: what is left of it, and how far the glob had got on entering it."""

    entries: Iterator[os.DirEntry[str]]
    identity: _Identity
    states: frozenset[int]
    as_folder: bool


def _walk_folder(top: str, parts: tuple[str, ...]) -> Iterator[_Item]:
    """Walk in depth with a list, not by recursion: a directory tree may be deeper than Python's stack."""
    above = _identities_above(top)
    followed: set[_Identity] = set()
    levels: list[_Level] = []

    def enter(path: str, states: frozenset[int], as_folder: bool) -> _Passed | None:
        try:
            status = os.stat(path)  # noqa: PTH116
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            return _Passed(path, f"folder cannot be listed: {_why(error)}")
        levels.append(_Level(iter(entries), _identity(status), states, as_folder))
        return None

    if problem := enter(top, _start(parts), as_folder=not parts):
        yield problem
    while levels:
        level = levels[-1]
        entry = next(level.entries, None)
        if entry is None:
            levels.pop()
            continue
        states = level.states if level.as_folder else _advance(parts, level.states, entry.name)
        if (level.as_folder and _hidden(entry.name)) or not states:
            continue
        matched = len(parts) in states
        if not _is_directory(entry):
            if level.as_folder:
                if _has_image_name(entry.name):
                    yield _look_at(entry.path)
            elif matched:
                item = _look_at(entry.path)
                is_archive = isinstance(item, _Found) and _archive_extension(entry.name) is not None
                yield from _walk_archive(entry.path) if is_archive else (item,)
            continue
        if entry.is_symlink() and (problem := _refuse_link(entry, above, levels, followed)):
            yield problem
            continue
        as_folder = level.as_folder or (matched and len(states) == 1)
        if problem := enter(entry.path, states, as_folder):
            yield problem


def _identities_above(folder: str) -> set[_Identity]:
    identities = set()
    for upper in Path(folder).parents:
        with contextlib.suppress(OSError):
            identities.add(_identity(upper.stat()))
    return identities


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def _refuse_link(
    entry: os.DirEntry[str], above: set[_Identity], levels: list[_Level], followed: set[_Identity]
) -> _Passed | None:
    """Follow every linked folder once, so that links among folders cannot multiply them without end."""
    try:
        status = entry.stat()
    except OSError as error:
        return _Passed(entry.path, _why(error))
    identity = _identity(status)
    if identity in above or any(identity == level.identity for level in levels):
        return _Passed(entry.path, "a symbolic link to a folder above it")
    if identity in followed:
        return _Passed(entry.path, "a symbolic link to a folder that another link has led to")
    followed.add(identity)
    return None


def _look_at(path: str) -> _Item:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        broken = isinstance(error, FileNotFoundError) and os.path.islink(path)  # noqa: PTH114
        return _Passed(path, "a broken symbolic link" if broken else _why(error))
    if not stat.S_ISREG(status.st_mode):
        return _Passed(path, f"{describe_special(status.st_mode)}, not a file")
    return _Found(path, status.st_size, status.st_mtime_ns)


# Archives


def _walk_archive(path: str) -> Iterator[_Item]:
    walk = _walk_zip if _archive_extension(path) in _ZIP_EXTENSIONS else _walk_tar
    try:
        yield from walk(path)
    except ImageError as error:
        yield _Passed(path, error.reason)
    except _ARCHIVE_ERRORS as error:
        yield _Passed(path, f"damaged archive: {_why(error)}")


def _member_name(name: str) -> str:
    """Drop the `./` that tar puts in front; what is left is the name that gets stored."""
    return "/".join(part for part in name.split("/") if part != ".")


def _unsafe_name(name: str) -> str | None:
    if name.startswith("/") or re.match(r"[A-Za-z]:[\\/]|\\\\", name):
        return "the member's name is absolute"
    if ".." in re.split(r"[/\\]", name):
        return "the member's name leads out of the archive"
    if "\0" in name or not name:
        return "the member's name is not a name"
    return None


def _is_candidate(name: str) -> bool:
    return _has_image_name(name) and not any(_hidden(part) for part in name.split("/") if part != "..")


def _walk_zip(path: str) -> Iterator[_Item]:
    archive = _Zip(path)
    for info in archive.zip.infolist():
        name = _member_name(info.filename)
        if info.is_dir() or not _is_candidate(name):
            continue
        if problem := _unsafe_name(name) or _zip_problem(archive.zip, info):
            yield _Passed(path, problem, name)
        else:
            content = functools.partial(archive.read, info)
            yield _Found(path, info.file_size, _zip_time(info), name, functools.partial(_just, content))


def _just(content: _Content) -> _Content:
    return content


class _Zip:
    """A zip that stays open as long as anyone holds one of its members, which several threads may read at
    once.
    """

    def __init__(self, path: str) -> None:
        file = open_regular_file(path)
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
            raise ImageError(label, f"damaged in its archive: {_why(error)}") from error


def _zip_problem(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 0x1:
        return "encrypted"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind and kind != stat.S_IFREG:
        return f"{describe_special(kind)}, not a file"
    if archive.NameToInfo.get(info.filename) is not info:
        return "a later member has the same name"
    return None


def _zip_time(info: zipfile.ZipInfo) -> int:
    year, month, day, hour, minute, second = info.date_time
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return 0
    return calendar.timegm((year, month, day, hour, minute, second)) * 10**9


class _ForwardReader:
    """What `tarfile` reads from: forwards only, and never much at once.

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
            raise tarfile.ReadError("a header that claims to be absurdly large")
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


def _tar_members(path: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    extension = _archive_extension(path)
    if extension is None:
        raise tarfile.ReadError("not the name of an archive")
    with open_regular_file(path) as file, _DECOMPRESSORS[_TAR_EXTENSIONS[extension]](file) as stream:
        reader = _ForwardReader(stream)
        fileobj = cast(BinaryIO, reader)
        with tarfile.open(fileobj=fileobj, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                vars(archive)["members"] = []  # tarfile would keep every header it has seen
                yield archive, member
        if reader.last_block.strip(b"\0"):  # tarfile takes a header that is none for the end of the archive
            raise tarfile.ReadError("a header in the middle is not one")


def _walk_tar(path: str) -> Iterator[_Item]:
    seen: set[int] = set()
    for archive, info in _tar_members(path):
        name = _member_name(info.name)
        if info.isdir() or not _is_candidate(name):
            continue
        if problem := _unsafe_name(name) or _tar_problem(info):
            yield _Passed(path, problem, name)
        elif (key := hash(name)) in seen:
            yield _Passed(path, "an earlier member has the same name", name)
        else:
            seen.add(key)
            prepare = functools.partial(_read_tar_member, archive, info)
            yield _Found(path, info.size, _tar_time(info), name, prepare)


def _tar_problem(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "a link, not a file"
    return None if info.isreg() else "a device or pipe, not a file"


def _tar_time(info: tarfile.TarInfo) -> int:
    seconds = info.mtime if math.isfinite(info.mtime) else 0
    return int(seconds * 10**9) if abs(seconds) < 2**33 else 0


def _read_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Content:
    """Read a member while the stream stands at it; what goes wrong comes out when its bytes are asked for."""
    member = archive.extractfile(info)
    if member is None or info.size > MAX_BYTES:
        return _failing(f"{info.size} bytes is over the limit of {MAX_BYTES} bytes")
    try:
        data = read_bounded(cast(BinaryIO, member), info.name, MAX_BYTES)
    except ImageError as error:
        return _failing(error.reason)
    except _ARCHIVE_ERRORS as error:
        return _failing(f"damaged in its archive: {_why(error)}")
    return lambda _label: data


def _failing(reason: str) -> _Content:
    def read(label: str) -> bytes:
        raise ImageError(label, reason)

    return read


def _read_member(archive: Path, member: str, label: str) -> bytes:
    if _unsafe_name(member):
        raise ImageError(label, f"refused: {_unsafe_name(member)}")
    for item in _walk_archive(str(archive)):
        if item.member == member and isinstance(item, _Found) and item.prepare is not None:
            return item.prepare()(label)
        if item.member in {member, None} and isinstance(item, _Passed):
            raise ImageError(label, item.reason)
    raise ImageError(label, "no such member in the archive")
