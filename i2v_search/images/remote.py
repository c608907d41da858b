"""Pictures in object stores and wherever else fsspec leads: ``s3://``, ``gs://``, ``http://``, ``memory://``.

What a URL holds is listed folder by folder and read picture by picture, by the same rules as local folders.
fsspec comes with the extra ``[ray]``; a store may need a package of its own, such as s3fs. Only URLs that a
person names are followed: one in a collection, which may be a stranger's, is never opened.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from glob import has_magic
from typing import Any, BinaryIO, cast

from i2v_search.errors import ImageError, SourceError
from i2v_search.images.archives import (
    Content,
    Found,
    Item,
    Passed,
    archive_extension,
    has_image_name,
    is_passed_over,
    is_zip,
    picture_members,
    walk_archive,
    why,
)
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.reading import MAX_BYTES
from i2v_search.images.unread import Tally

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")


def is_url(path: str) -> bool:
    """Whether a source or stored path is a URL.

    >>> is_url("s3://bucket/a.png"), is_url("C:/a.png"), is_url("a/b.png")
    (True, False, False)
    """
    return _URL.match(path) is not None


@dataclass(frozen=True)
class RemoteSource:
    """Source at a URL: a folder, an archive or one picture; with ``*`` in it, several of them."""

    url: str
    exclude: tuple[str, ...] = ()

    def walk(
        self, wanted: Callable[[str], bool] = lambda _: True, tally: Tally | None = None
    ) -> Iterator[Item]:
        """Yield what is there, in the order of the names' bytes; `wanted` is asked about URLs.

        What is not read is counted in `tally`; of a name that does not say that it is a picture nothing is
        read.

        Raises:
            SourceError: fsspec, or what it needs for this store, is missing, or the URL leads nowhere.
        """
        system, path = _connect(self.url)
        look = _Look(system, wanted, self.exclude, tally or Tally())
        if not has_magic(path):
            yield from look.at(path, self.url)
            return
        for match in sorted(map(str, system.glob(path)), key=str.encode):
            if "/." in path or "/." not in match:
                # Not read as a pattern again: a name may hold [ and *.
                yield from look.at(match, str(system.unstrip_protocol(match)))

    def covers(self, path: str) -> bool:
        """Whether this source gives what is at a URL."""
        if has_magic(self.url):
            return fnmatchcase(path, self.url)
        inner = path.removeprefix(self.url.rstrip("/") + "/")
        return path == self.url or (
            inner != path
            and has_image_name(inner)
            and not any(map(is_passed_over, inner.split("/")))
            and not Exclusion(self.url, self.exclude).excludes(path)
        )

    def nothing_found(self) -> str:
        """The error message for a source without a picture."""
        return f"{self.url} holds no picture"


def remote_source(url: str, exclude: tuple[str, ...] = ()) -> RemoteSource:
    """The source at a URL, written as stored paths below it begin."""
    system, path = _connect(url)
    return RemoteSource(str(system.unstrip_protocol(path)), exclude)


def _connect(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise SourceError(
            f"{url!r} is a URL, and fsspec is not installed; run: pip install fsspec, and the package of "
            "this store, e.g. s3fs"
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(url)
    except Exception as error:
        raise SourceError(f"{url!r} cannot be opened: {why(error)}") from error
    return system, str(path)


@dataclass(frozen=True)
class _Look:
    """Looks for pictures in a store."""

    system: Any
    wanted: Callable[[str], bool]
    exclude: tuple[str, ...]
    tally: Tally

    def at(self, path: str, url: str) -> Iterator[Item]:
        """Source at a path without patterns: a folder, an archive or a picture."""
        system = self.system
        try:
            info = system.info(path)
        except Exception as error:
            raise SourceError(f"{url!r} cannot be reached: {why(error)}") from error
        if info["type"] == "directory":
            yield from self._walk(path)
        elif archive_extension(path) is None:
            yield _found(system, info)
        elif is_zip(path) or self.wanted(f"{url}!/"):
            members = picture_members(url, self.exclude, self.tally)
            yield from walk_archive(url, members, opened=lambda: cast(BinaryIO, system.open(path, "rb")))

    def _walk(self, top: str) -> Iterator[Item]:
        system, rules, waiting = self.system, Exclusion(top, self.exclude), [top]
        while waiting:
            folder = waiting.pop()
            try:
                entries = sorted(
                    system.ls(folder, detail=True), key=lambda entry: str(entry["name"]).encode()
                )
            except Exception as error:  # noqa: BLE001 - every store has errors of its own
                yield Passed(str(system.unstrip_protocol(folder)), f"folder cannot be listed: {why(error)}")
                continue
            folders = []
            for entry in entries:
                path = str(entry["name"]).rstrip("/")
                name, is_folder = path.rsplit("/", 1)[-1], entry["type"] == "directory"
                if path == folder.rstrip("/"):
                    continue
                if is_passed_over(name):
                    self.tally.passed_over(name, is_folder=is_folder, is_image=has_image_name(name))
                elif rules and rules.excludes(path, is_folder=is_folder):
                    self.tally.excluded(is_folder=is_folder, is_image=has_image_name(name))
                elif is_folder:
                    folders.append(path)
                elif self.wanted(str(system.unstrip_protocol(path))):
                    if has_image_name(name):
                        yield _found(system, entry)
                    else:
                        self.tally.file(name)
            waiting.extend(reversed(folders))


def _found(system: Any, info: dict[str, Any]) -> Found:
    path = str(info["name"])
    content: Content = functools.partial(_read, system, path)
    return Found(
        str(system.unstrip_protocol(path)), int(info["size"] or 0), _time(info), prepare=lambda: content
    )


def _read(system: Any, path: str, label: str) -> bytes:
    try:
        with system.open(path, "rb") as file:
            content = bytes(file.read(MAX_BYTES + 1))
    except Exception as error:
        raise ImageError(label, f"cannot be read: {why(error)}") from error
    if len(content) > MAX_BYTES:
        raise ImageError(label, f"it is over the limit of {MAX_BYTES} bytes")
    return content


def _time(info: dict[str, Any]) -> int:
    """Nanoseconds since 1970, 0 where the store tells no time."""
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return int(value * 1000) * 10**6
    return 0
