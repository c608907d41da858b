"""Folders of this computer, for a person who chooses one: their names, and how many pictures they hold.

Only names of folders are told, and numbers of files; no file is opened. Huge folders cost a bounded time:
that not everything was looked at is said.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from i2v_search.errors import QueryError, SourceError
from i2v_search.escapes import visible
from i2v_search.images.archives import has_image_name, is_hidden, is_passed_over, why

#: Folders of one folder that are told, and entries of it that are looked at.
MOST_FOLDERS: Final = 1000
MOST_ENTRIES: Final = 100_000
#: Seconds in which pictures are counted.
COUNT_SECONDS: Final = 2.0
#: Letters of the longest key: an address holds it, whatever has to be escaped in it once more.
LONGEST_KEY: Final = 4096
#: Below these, systems show the disks that are plugged in.
_MOUNT_PLACES: Final = ("/media", "/run/media", "/mnt", "/Volumes")
_HOME_FOLDERS: Final = ("Pictures", "Desktop", "Documents", "Downloads")


Kind: TypeAlias = Literal["folder", "home", "disk", "computer"]


@dataclass(frozen=True)
class Folder:
    """A folder of this computer.

    Attributes:
        key: names it in requests, whatever the bytes of its path are.
        name: what people read: the last part of its path.
        kind: whether it is a place to begin at.

    Example:
        >>> Folder.at(Path("/art/ink"))
        Folder(key='/art/ink', name='ink', kind='folder')
    """

    key: str
    name: str
    kind: Kind = "folder"

    @classmethod
    def at(cls, path: Path, kind: Kind = "folder") -> Folder:
        """The folder of a path."""
        return cls(key_of(path), visible(path.name or str(path)), kind)


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        folder: the folder.
        path: its whole path, as people read it.
        above: folders from the top down to the one that it is in.
        folders: the folders in it, by name.
        more: whether there are others, which were not looked at.
    """

    folder: Folder
    path: str
    above: tuple[Folder, ...]
    folders: tuple[Folder, ...]
    more: bool


@dataclass(frozen=True)
class PictureCount:
    """Pictures in a folder and below.

    Attributes:
        pictures: how many were found.
        complete: whether everything was looked at in time.
    """

    pictures: int
    complete: bool


def key_of(path: Path) -> str:
    """A name for a path that any text can hold: bytes that are not UTF-8 are written as in an address.

    >>> key_of(Path(os.fsdecode(b"/art/caf\\xe9")))
    '/art/caf%E9'
    """
    return quote(os.fsencode(path), safe="/:\\ ")


def path_of(key: str) -> Path:
    """The path that a key names.

    Raises:
        QueryError: it is no whole path, or leads back up.

    >>> path_of("/art/caf%E9") == Path(os.fsdecode(b"/art/caf\\xe9"))
    True
    """
    path = Path(os.fsdecode(unquote_to_bytes(key)))
    if len(key) > LONGEST_KEY or "\0" in str(path) or not path.is_absolute() or ".." in path.parts:
        raise QueryError("a folder is named by its whole path, without '..'")
    return path


def list_folder(path: Path, *, most: int = MOST_ENTRIES) -> Listing:
    """The folders in a folder; hidden ones are left out, links to folders are not.

    Raises:
        SourceError: it does not exist, is no folder, or may not be looked into.
    """
    found: list[Path] = []
    looked = 0
    try:
        with os.scandir(path) as entries:
            for looked, entry in enumerate(entries, start=1):
                if looked > most:
                    break
                if not is_hidden(entry.name) and _is_folder(entry):
                    found.append(Path(entry.path))
    except OSError as error:
        raise _cannot_open(path, error) from error
    found.sort(key=lambda folder: (folder.name.casefold(), folder.name))
    above = tuple(Folder.at(folder) for folder in reversed(path.parents))
    folders = tuple(map(Folder.at, found[:MOST_FOLDERS]))
    return Listing(
        Folder.at(path), visible(str(path)), above, folders, looked > most or len(found) > MOST_FOLDERS
    )


def count_pictures(
    path: Path, *, seconds: float = COUNT_SECONDS, clock: Callable[[], float] = time.monotonic
) -> PictureCount:
    """Count the pictures in a folder and below by the endings of their names; a linked folder counts once.

    Raises:
        SourceError: it does not exist, or may not be looked into.

    >>> from i2v_search.images.sample import sample_directory
    >>> count_pictures(sample_directory() / "birds")
    PictureCount(pictures=22, complete=True)
    """
    late = clock() + seconds
    pictures, seen = 0, set[tuple[int, int]]()
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if clock() > late:
                        return PictureCount(pictures, complete=False)
                    if is_passed_over(entry.name):
                        continue
                    if _is_folder(entry):
                        waiting.append(Path(entry.path))
                    else:
                        pictures += has_image_name(entry.name)
        except OSError as error:
            if folder == path:
                raise _cannot_open(path, error) from error
    return PictureCount(pictures, complete=True)


def usual_places() -> tuple[Folder, ...]:
    """Where people begin to look: their own folders, the disks that are plugged in, the whole computer."""
    home = Path.home()
    places: dict[Path, Kind] = {home / name: "folder" for name in _HOME_FOLDERS}
    places[home] = "home"
    places.update((disk, "disk") for disk in _disks())
    places.update((top, "computer") for top in _tops())
    return tuple(Folder.at(place, kind) for place, kind in places.items() if place.is_dir())


def _disks() -> Iterator[Path]:
    """Disks that are plugged in; a system may show them by user."""
    for place in map(Path, _MOUNT_PLACES):
        with suppress(OSError):
            for folder in sorted(place.iterdir()):
                if os.path.ismount(folder):
                    yield folder
                elif place.name == "media":
                    yield from (disk for disk in sorted(folder.iterdir()) if os.path.ismount(disk))


def _tops() -> list[Path]:
    if sys.platform == "win32":
        return [Path(f"{letter}:\\") for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    return [Path("/")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False


def _cannot_open(path: Path, error: OSError) -> SourceError:
    return SourceError(f"{visible(str(path))} cannot be opened: {why(error)}")
