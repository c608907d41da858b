"""Sources of pictures: folders, files, glob patterns and archives, streamed in one deterministic order.

- A folder is walked in depth, each directory sorted by the bytes of its names, so memory is bounded by the
  largest directory. Names beginning with a dot (and with them macOS's `._x`) are skipped, as are folders
  of thumbnails and deleted files (`i2v_search.images.unread`) and what a person excludes
  (`i2v_search.images.exclusion`). Names ending in `images.EXTENSIONS` are considered without a look; a file
  with another ending is opened, and considered if it begins as an image does. The others are counted.
  Symbolic links are followed, every linked folder once; a link to a folder above it is skipped. Archives
  inside a folder are left alone: name them, or match them by a glob.
- A glob pattern (`art/**/*.png`; `**` is any number of folders) is matched without following anything twice.
  A matched folder is walked as a folder; a matched file, like a file given by name, is tried whatever its
  ending. `*` and `?` do not match a leading dot.
- A `.zip` or `.tar` archive (also `.tar.gz`, `.tgz`, `.tar.bz2`, `.tbz2`, `.tar.xz`, `.txz`, `.cbz`) is read
  in the order stored and never unpacked to disk. What a damaged archive still gives is given; then it is
  reported.
- A URL (``s3://bucket/art``; `i2v_search.images.remote`) is a folder, a file or an archive elsewhere. Its
  pictures are stored under their whole URLs.
- A file that an earlier source has given already is not given again (by its path: another hard or symbolic
  link to it is another file).

Bad data is a value here: a `Skipped` says what was skipped and why. Only a source that gives nothing at
all is an error (`SourceError`), raised before the first picture is yielded.
"""

import contextlib
import fnmatch
import functools
import glob
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from i2v_search.arguments import several
from i2v_search.errors import ImageError, SourceError
from i2v_search.files import describe_special
from i2v_search.images.archives import (
    ARCHIVE_SEPARATOR,
    Content,
    Found,
    Passed,
    archive_extension,
    has_image_name,
    is_hidden,
    is_passed_over,
    is_zip,
    picture_members,
    read_member,
    walk_archive,
    why,
)
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.formats import EXTENSIONS, SIGNATURE_BYTES, begins_like_image
from i2v_search.images.reading import MAX_BYTES, open_regular_file, read_regular_file
from i2v_search.images.remote import RemoteSource, is_url, remote_source
from i2v_search.images.unread import Tally, described, is_service_folder, may_be_picture
from i2v_search.progress import Progress, Report, silent

Source: TypeAlias = str | os.PathLike[str]
Sources: TypeAlias = Source | Sequence[Source]
Wanted: TypeAlias = Callable[[str], bool]
"""Tells by its stored path whether an image is one to look at."""


def everything(_: str) -> bool:
    """The default: want every image."""
    return True


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
    """Something that was skipped, with the reason.

    Example:
        >>> item = Skipped("drafts/broken.png", "empty file")
        >>> f"{item.path}: {item.reason}"
        'drafts/broken.png: empty file'
    """

    path: str
    reason: str


@dataclass(frozen=True)
class FollowedLink:
    """A symbolic link to a folder, by its stored path, and how many images it led to."""

    path: str
    images: int


def followed_links(tally: Tally, root: Path) -> tuple[FollowedLink, ...]:
    """The links that a walk has followed, with their stored paths."""
    return tuple(FollowedLink(_stored(path, root), images) for path, images in sorted(tally.linked.items()))


def image_root(sources: Sources) -> Path:
    """Return the absolute, resolved folder that stored paths are relative to.

    It is the folder itself for one folder, otherwise what all folders, parents of files and archives, and
    fixed beginnings of glob patterns have in common; ``/`` for URLs alone. Raises `SourceError` for a source
    that does not exist.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> image_root([folder]) == folder.resolve()
    True
    """
    bases = [str(source.base) for source in _parse(sources) if not isinstance(source, RemoteSource)]
    try:
        return Path(os.path.commonpath(bases)) if bases else Path(Path.cwd().anchor)
    except ValueError as error:
        raise SourceError(f"the sources have no common folder: {', '.join(bases)}") from error


def named_files(sources: Sources, root: Path) -> dict[str, Path | None]:
    """Stored paths of the images that are named one by one, with their files; None for one at a URL.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"pixels")
    >>> list(named_files([folder, folder / "a.png"], image_root([folder])))
    ['a.png']
    """
    named: dict[str, Path | None] = {}
    for source in _parse(sources):
        if isinstance(source, RemoteSource):
            named[source.url] = None
        elif type(source) is _File:
            named[_stored(source.path, root)] = Path(source.path)
    return named


def iter_images(
    sources: Sources,
    root: Path,
    wanted: Wanted = everything,
    *,
    exclude: Sequence[str] = (),
    tally: Tally | None = None,
) -> Iterator[SourceImage | Skipped]:
    """Yield every picture of the sources, in their order, with what had to be skipped in its place.

    Of the others than `wanted` the names are read and nothing else. It is asked about a tar archive as
    ``pack.tar!/``, and one that is not wanted is not opened: passing a member over takes reading it.

    `exclude` are patterns as in a ``.gitignore``, relative to each source. What is not read is counted in
    `tally`.

    Raises `SourceError` at the call, before anything is yielded, for a source that does not exist, a folder
    or archive without any picture, and a glob without any match.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"pixels")
    >>> [(image.path, image.read()) for image in iter_images([folder], image_root([folder]))]
    [('a.png', b'pixels')]
    """
    parsed = _parse(sources, exclude)
    for source in parsed:
        unread = Tally()
        if next(source.walk(tally=unread), None) is None:
            left = unread.counted()
            raise SourceError(source.nothing_found() + (f"; not read: {described(left)}" if left else ""))
    tally = tally or Tally()
    tally.read = frozenset(source.path for source in parsed if isinstance(source, _File))
    return _stream(parsed, root.resolve(), wanted, tally)


def count_images(
    sources: Sources,
    root: Path | None = None,
    wanted: Wanted = everything,
    *,
    exclude: Sequence[str] = (),
    report: Report = silent,
) -> int:
    """Count what `iter_images` will yield as `SourceImage`: names only, nothing is decoded.

    Folders cost one skip their names and zip archives one listing; a compressed tar has to be
    decompressed once. `wanted` and `exclude` are those of `iter_images`; `wanted` goes by paths
    below `root`. `report` is told how many were found. Raises `SourceError` for a source that is not there.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.png").write_bytes(b"pixels")
    >>> count_images([folder])
    1
    """
    top = Path("/") if root is None else root.resolve()
    count = 0
    for item, _ in _items(_parse(sources, exclude), top, wanted, Tally()):
        if not isinstance(item, Passed):
            count += 1
            report(Progress("looking for images", count, None))
    return count


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
    located, member = locate_stored(root, path, allow_outside=allow_outside)
    return read_regular_file(located, path) if member is None else read_member(located, member, path)


def locate_stored(root: Path, path: str, *, allow_outside: bool = False) -> tuple[Path, str | None]:
    """Where a stored path lies: its file, or an archive and the member of it; as `open_stored` looks for it.

    Raises `ImageError`. That the file exists is known of an archive only.

    >>> locate_stored(Path("/art"), "birds/owl.png")
    (PosixPath('/art/birds/owl.png'), None)
    """
    if is_url(path):
        raise ImageError(path, "it is at a URL, which is not fetched for stored images; open the URL itself")
    parts = path.split("/")
    if not path or "\0" in path:
        raise ImageError(path, "not a stored path")
    if ".." in parts:
        raise ImageError(path, "refused: a stored path must not contain '..'")
    if os.path.isabs(path) and not allow_outside:  # noqa: PTH117
        raise ImageError(path, "refused: it is outside the image folder")
    whole = _inside(root, path, path, allow_outside)
    if ARCHIVE_SEPARATOR not in path or os.path.isfile(whole):  # noqa: PTH113 - False, where Path raises
        return whole, None
    for separator in re.finditer(re.escape(ARCHIVE_SEPARATOR), path):
        archive = path[: separator.start()]
        if archive_extension(archive) is not None:
            located = _inside(root, archive, path, allow_outside)
            if os.path.isfile(located):  # noqa: PTH113
                return located, path[separator.end() :]
    raise ImageError(path, "no such file")


def _inside(root: Path, path: str, label: str, allow_outside: bool) -> Path:
    try:
        base = root.resolve()
        located = (base / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ImageError(label, "its links form a cycle") from error
    if not allow_outside and not located.is_relative_to(base):
        raise ImageError(label, "refused: a link points outside the image folder")
    return located


@dataclass(frozen=True)
class _Listed:
    """A plain file by its name: a folder lists many faster than each is looked at."""

    path: str
    member: None = None


_Item: TypeAlias = Found | _Listed | Passed


# What the kinds of sources have in common: absolute paths inside, stored paths only at the very end.


@dataclass(frozen=True)
class _File:
    path: str
    exclude: tuple[str, ...] = ()

    @property
    def base(self) -> Path:
        return Path(self.path).parent

    def covers(self, path: str) -> bool:
        return path == self.path and not self._excluded()

    def walk(self, wanted: Wanted = everything, tally: Tally | None = None) -> Iterator[_Item]:
        if self._excluded():
            (tally or Tally()).excluded(is_folder=False, is_image=True)
        elif wanted(self.path):
            yield _look_at(self.path)

    def nothing_found(self) -> str:
        return f"{self.path} is excluded"

    def _excluded(self) -> bool:
        return bool(self.exclude) and Exclusion(str(self.base), self.exclude).excludes(self.path)


@dataclass(frozen=True)
class _Archive(_File):
    def walk(self, wanted: Wanted = everything, tally: Tally | None = None) -> Iterator[_Item]:
        return _walk_wanted_archive(self.path, wanted, self.exclude, tally or Tally())

    def nothing_found(self) -> str:
        return f"{self.path} holds no picture: no member ends in {_extensions_text()}"


@dataclass(frozen=True)
class _Folder:
    path: str
    exclude: tuple[str, ...] = ()

    @property
    def base(self) -> Path:
        return Path(self.path)

    def covers(self, path: str) -> bool:
        inner = _below(path, self.path)
        return (
            bool(inner)
            and not any(is_passed_over(part) for part in inner)
            and _is_picture(path)
            and not Exclusion(self.path, self.exclude).excludes_below(self.path, inner)
        )

    def walk(self, wanted: Wanted = everything, tally: Tally | None = None) -> Iterator[_Item]:
        return _walk_folder(self.path, (), wanted, self.exclude, tally or Tally())

    def nothing_found(self) -> str:
        return f"{self.path} holds no picture: no file in it or below ends in {_extensions_text()}"


@dataclass(frozen=True)
class _Glob:
    pattern: str
    prefix: str
    parts: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    @property
    def base(self) -> Path:
        return Path(self.prefix)

    def covers(self, path: str) -> bool:
        states = _start(self.parts)
        inner = _below(path, self.prefix)
        if inner and Exclusion(self.prefix, self.exclude).excludes_below(self.prefix, inner):
            return False
        for depth, part in enumerate(inner):
            states = _advance(self.parts, states, part)
            if len(self.parts) in states and len(states) == 1 and depth + 1 < len(inner):
                return _Folder(str(Path(self.prefix, *inner[: depth + 1]))).covers(path)
        return len(self.parts) in states

    def walk(self, wanted: Wanted = everything, tally: Tally | None = None) -> Iterator[_Item]:
        return _walk_folder(self.prefix, self.parts, wanted, self.exclude, tally or Tally())

    def nothing_found(self) -> str:
        return f"nothing matches {self.pattern}; quote it in a shell, and use ** for nested folders"


_AnySource: TypeAlias = _File | _Folder | _Glob | RemoteSource


def _parse(sources: Sources, exclude: Sequence[str] = ()) -> list[_AnySource]:
    if not (named := several(sources)):
        raise SourceError("no sources given; give a folder, a file, a glob pattern or an archive")
    patterns = tuple(several(exclude))
    return [_parse_one(os.fsdecode(source), patterns) for source in named]


def _parse_one(source: str, exclude: tuple[str, ...]) -> _AnySource:
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116 - Path would drop a trailing slash
    except (OSError, ValueError) as error:
        if is_url(source):
            return remote_source(source, exclude)
        if glob.has_magic(source) and "\0" not in source:
            return _parse_glob(source, exclude)
        problem = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise SourceError(f"{source!r} {problem}") from error
    path = Path(source)
    if stat.S_ISDIR(mode):
        folder = str(path.resolve())
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise SourceError(f"{source!r} cannot be listed: {why(error)}") from error
        return _Folder(folder, exclude)
    if not stat.S_ISREG(mode):
        raise SourceError(f"{source!r} is {describe_special(mode)}, not a folder or file")
    located = str(path.parent.resolve() / path.name)  # the name as given, even when it is a link
    return (_File if archive_extension(located) is None else _Archive)(located, exclude)


def _parse_glob(pattern: str, exclude: tuple[str, ...]) -> _Glob:
    parts = Path(pattern).parts
    fixed = 0
    while (
        not glob.has_magic(parts[fixed]) or Path(*parts[: fixed + 1]).is_dir()
    ):  # a folder may be called "art [2]"
        fixed += 1
    prefix = Path(*parts[:fixed])
    if not prefix.is_dir():
        raise SourceError(f"{pattern!r} matches nothing: {str(prefix)!r} is not a folder")
    return _Glob(pattern, str(prefix.resolve()), parts[fixed:], exclude)


def _stream(
    parsed: list[_AnySource], root: Path, wanted: Wanted, tally: Tally
) -> Iterator[SourceImage | Skipped]:
    for found, path in _items(parsed, root, wanted, tally):
        item = _look_at(found.path) if isinstance(found, _Listed) else found
        if isinstance(item, Passed):
            yield Skipped(path, item.reason)
        else:
            content = item.prepare() if item.prepare else _file_content(item.path)
            yield SourceImage(path, item.size, item.mtime_ns, functools.partial(content, path))


def _items(parsed: list[_AnySource], root: Path, wanted: Wanted, tally: Tally) -> Iterator[tuple[_Item, str]]:
    """Items of the sources, each with its stored path."""

    def at(path: str) -> bool:
        return wanted(_stored(path, root))

    for number, source in enumerate(parsed):
        earlier = parsed[:number]
        for item in source.walk(everything if wanted is everything else at, tally):
            if _given_before(item, earlier):
                continue
            path = _stored(item.path, root)
            if item.member is not None:
                path += ARCHIVE_SEPARATOR + item.member
            if wanted(path):
                yield item, path


def _walk_wanted_archive(
    path: str, wanted: Wanted, exclude: tuple[str, ...], tally: Tally
) -> Iterator[_Item]:
    if is_zip(path) or wanted(path + ARCHIVE_SEPARATOR):
        yield from walk_archive(path, picture_members(path, exclude, tally))


def _given_before(item: _Item, earlier: Sequence[_AnySource]) -> bool:
    """Whether an earlier source gave a path, decided by the path alone, without a set of seen paths."""
    return any(source.covers(item.path) for source in earlier)


def _file_content(location: str) -> Content:
    return lambda label: read_regular_file(location, label, MAX_BYTES)


def _stored(path: str, root: Path) -> str:
    if is_url(path):
        return path
    inner = _below(path, str(root))
    return "/".join(inner) if inner else Path(path).as_posix()


def _below(path: str, folder: str) -> list[str]:
    """Return the parts of `path` below `folder`; none when it is not below it."""
    start = folder if folder.endswith(os.sep) else folder + os.sep
    return path.removeprefix(start).split(os.sep) if path.startswith(start) else []  # noqa: PTH206


def _extensions_text() -> str:
    return " ".join(sorted(EXTENSIONS))


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
            if not is_passed_over(name):
                moved.add(state)
        elif _part_matches(parts[state], name):
            moved.add(state + 1)
    return _with_empty_stars(parts, moved)


def _part_matches(part: str, name: str) -> bool:
    named = is_hidden(part) if is_hidden(name) else part == name or not is_service_folder(name)
    return named and fnmatch.fnmatchcase(name, part)


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
    rules: Exclusion
    link: str | None


def _walk_folder(
    top: str, parts: tuple[str, ...], wanted: Wanted, exclude: tuple[str, ...], tally: Tally
) -> Iterator[_Item]:
    """Walk in depth with a list, not by recursion: a directory tree may be deeper than Python's stack."""
    above = _identities_above(top)
    followed: set[_Identity] = set()
    levels: list[_Level] = []

    def enter(
        path: str, states: frozenset[int], as_folder: bool, rules: Exclusion, link: str | None
    ) -> Passed | None:
        try:
            status = os.stat(path)  # noqa: PTH116
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            return Passed(path, f"folder cannot be listed: {why(error)}")
        rules = rules.within(path)
        levels.append(_Level(iter(entries), _identity(status), states, as_folder, rules, link))
        return None

    if problem := enter(top, _start(parts), not parts, Exclusion(top, exclude), None):
        yield problem
    while levels:
        level = levels[-1]
        entry = next(level.entries, None)
        if entry is None:
            levels.pop()
            continue
        states = level.states if level.as_folder else _advance(parts, level.states, entry.name)
        if not states:
            continue
        matched, is_folder = len(parts) in states, _is_directory(entry)
        if _is_left_out(entry, is_folder, level, tally):
            continue
        if not is_folder:
            if level.as_folder:
                for item in _file_in_folder(entry, wanted, tally):
                    if level.link is not None and not isinstance(item, Passed):
                        tally.linked[level.link] += 1
                    yield item
            elif matched:
                item = _look_at(entry.path)
                is_archive = isinstance(item, Found) and archive_extension(entry.name) is not None
                walk = _walk_wanted_archive(entry.path, wanted, exclude, tally) if is_archive else (item,)
                yield from walk
            continue
        if entry.is_symlink() and (problem := _refuse_link(entry, above, levels, followed)):
            yield problem
            continue
        as_folder = level.as_folder or (matched and len(states) == 1)
        link = level.link or (entry.path if entry.is_symlink() else None)
        if problem := enter(entry.path, states, as_folder, level.rules, link):
            yield problem


def _is_left_out(entry: os.DirEntry[str], is_folder: bool, level: _Level, tally: Tally) -> bool:
    """Whether an entry is skipped by its name, or excluded; it is counted then."""
    kind = {"is_folder": is_folder, "is_image": has_image_name(entry.name)}
    if level.as_folder and is_passed_over(entry.name):
        tally.passed_over(entry.name, **kind)
        return True
    if level.rules and level.rules.excludes(entry.path, is_folder=is_folder):
        tally.excluded(**kind)
        return True
    return False


def _file_in_folder(entry: os.DirEntry[str], wanted: Wanted, tally: Tally) -> Iterator[_Item]:
    if not wanted(entry.path):
        return
    if _is_picture(entry.path):
        yield _Listed(entry.path) if entry.is_file(follow_symlinks=False) else _look_at(entry.path)
    elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - False, where Path raises
        tally.add("broken links")
    else:
        tally.file(entry.path)


def _is_picture(path: str) -> bool:
    """Whether a file is a picture by its name, or by its first bytes where the name does not say."""
    if has_image_name(path):
        return True
    if not may_be_picture(path):
        return False
    try:
        with open_regular_file(path) as file:
            return begins_like_image(file.read(SIGNATURE_BYTES))
    except (ImageError, OSError):
        return False


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
) -> Passed | None:
    """Follow every linked folder once, so that links among folders cannot multiply them without end."""
    try:
        status = entry.stat()
    except OSError as error:
        return Passed(entry.path, why(error))
    identity = _identity(status)
    if identity in above or any(identity == level.identity for level in levels):
        return Passed(entry.path, "a symbolic link to a folder above it")
    if identity in followed:
        return Passed(entry.path, "a symbolic link to a folder that was already read through another link")
    followed.add(identity)
    return None


def _look_at(path: str) -> Found | Passed:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        broken = isinstance(error, FileNotFoundError) and os.path.islink(path)  # noqa: PTH114
        return Passed(path, "a broken symbolic link" if broken else why(error))
    if not stat.S_ISREG(status.st_mode):
        return Passed(path, f"{describe_special(status.st_mode)}, not a file")
    return Found(path, status.st_size, status.st_mtime_ns)
