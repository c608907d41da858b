"""Collections that were opened before, kept in a file of the user's configuration."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from i2v_search.files import write_atomically
from i2v_search.store.manifest import FILE_NAME

_MOST: Final = 50
_MAX_BYTES: Final = 2**20
_NAME_LENGTH: Final = 80


@dataclass(frozen=True)
class KnownCollection:
    """A collection that was opened before.

    Attributes:
        directory: its directory, absolute.
        name: what people call it.
        watch: whether it is kept up to date while it is served.

    Example:
        >>> KnownCollection("/home/me/index/art").name
        'art'
    """

    directory: str
    watch: bool = False

    @property
    def name(self) -> str:
        """Name of its directory."""
        return Path(self.directory).name

    @property
    def key(self) -> str:
        """Names it where its directory is not told."""
        return hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:20]

    @property
    def is_there(self) -> bool:
        """Whether it still exists, as far as can be seen."""
        return os.path.isfile(Path(self.directory, FILE_NAME))  # noqa: PTH113 - False, where Path raises


class KnownCollections:
    """The list, the one opened last first. A file that is missing or damaged is an empty list.

    Args:
        file: where it is kept.

    Example:
        >>> import tempfile
        >>> known = KnownCollections(Path(tempfile.mkdtemp()) / "collections.json")
        >>> known.note(Path("/index/art"))
        >>> known.note(Path("/index/photos"))
        >>> [one.name for one in known.all()]
        ['photos', 'art']
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def all(self) -> tuple[KnownCollection, ...]:
        """Every known collection."""
        try:
            with self._file.open("rb") as file:
                listed = json.loads(file.read(_MAX_BYTES))["collections"]
            return tuple(_read(one) for one in listed[:_MOST])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ()

    def find(self, directory: Path) -> KnownCollection | None:
        """The known collection in a directory."""
        return next((one for one in self.all() if one.directory == _absolute(directory)), None)

    def note(self, directory: Path) -> None:
        """Put a collection first: it was opened."""
        with self._lock:
            before = self.find(directory)
            self._write(before or KnownCollection(_absolute(directory)))

    def set_watch(self, directory: Path, watch: bool) -> None:
        """Remember whether a collection is kept up to date."""
        with self._lock:
            before = self.find(directory) or KnownCollection(_absolute(directory))
            self._write(replace(before, watch=watch))

    def forget(self, directory: Path) -> None:
        """Take a collection off the list; its files are left alone."""
        with self._lock:
            self._save([one for one in self.all() if one.directory != _absolute(directory)])

    def _write(self, first: KnownCollection) -> None:
        self._save([first, *(one for one in self.all() if one.directory != first.directory)][:_MOST])

    def _save(self, listed: list[KnownCollection]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        document = {"format": 1, "collections": [asdict(one) for one in listed]}
        write_atomically(self._file, json.dumps(document, indent=1).encode())


def free_directory(parent: Path, folder: Path) -> Path:
    """A directory for a new collection of the pictures of a folder: named like it, and not taken yet.

    >>> import tempfile
    >>> parent = Path(tempfile.mkdtemp())
    >>> (parent / "ink").mkdir()
    >>> free_directory(parent, Path("/art/ink")).name, free_directory(parent, Path("/")).name
    ('ink 2', 'pictures')
    """
    name = re.sub(r"[^\w .-]", "_", folder.name)[:_NAME_LENGTH].strip(" .") or "pictures"
    number = 1
    while (found := parent / (name if number == 1 else f"{name} {number}")).exists():
        number += 1
    return found


def _read(document: dict[str, Any]) -> KnownCollection:
    directory, watch = document["directory"], document.get("watch", False)
    if not isinstance(directory, str) or "\0" in directory or not Path(directory).is_absolute():
        raise ValueError(directory)
    return KnownCollection(directory, watch is True)


def _absolute(directory: Path) -> str:
    return str(directory.resolve())
