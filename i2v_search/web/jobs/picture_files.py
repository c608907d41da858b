"""Small pictures on disk within a bound that servers on one folder keep together.

A file is ``<2 hex>/<64 hex>-<side>.webp``, or ``-<side>-<form>.webp``: what it shows follows from its name
alone. Those made or used longest ago are deleted first. Nothing needs the folder: it may be deleted at any
time.

A server knows what it has written, not what others write. It lists the folder, under a lock of all servers,
whenever it has written a 32nd of the bound since it listed last, and leaves an eighth free then: so four
servers keep the bound.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from i2v_search.files import read_regular

_NAME = re.compile(r"[0-9a-f]{64}-\d{2,4}(-\d)?\.webp")
_OLD_TEMPORARY = re.compile(r"\..*\.tmp")
#: Shares of the bound: what is written before the folder is listed, and what is free afterwards.
_UNLISTED, _FREE = 32, 8
#: Seconds to wait for another server that lists the folder; a drive without locks is listed without.
_PATIENCE = 10.0


class PictureFiles:
    """WebP files by name, bounded in bytes.

    Args:
        folder: folder of the files; made when the first is written.
        most_bytes: of all files.

    Attributes:
        bytes: size of the files, as far as this server knows.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self.bytes = 0
        self._unlisted = most_bytes  # nothing is known yet: the first file that is written lists the folder
        self._lock = threading.Lock()

    def find(self, name: str) -> bytes | None:
        """The file of a name; None if there is none, or a damaged one."""
        path = self._path(name)
        try:
            content = read_regular(path)
        except OSError:
            return None
        if content[8:12] != b"WEBP" or int.from_bytes(content[4:8], "little") + 8 != len(content):
            return None  # the disk was full, or somebody else's file: it is made again
        with suppress(OSError):
            os.utime(path)
        return content

    def has(self, name: str) -> bool:
        """Whether there is a file of a name, which may be damaged."""
        return self._path(name).is_file()

    def keep(self, name: str, content: bytes) -> None:
        """Write a file; one that cannot be written, or larger than all may be, is not kept."""
        room = self.most_bytes - self.most_bytes // _FREE - len(content)
        if room < 0:
            return
        with self._lock:
            if (self._unlisted + len(content)) * _UNLISTED <= self.most_bytes:
                self._write(name, content)
                return
            with self._alone():
                self._shrink(room)
                self._write(name, content)

    def tidy(self) -> None:
        """Bring the folder within the bound; remove leftovers of an interrupted writer."""
        with self._lock, self._alone():
            self._shrink(self.most_bytes, leftovers=True)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError:
            # A full or read-only disk: the next request makes it again.
            with suppress(OSError):
                temporary.unlink()
            return
        self.bytes += len(content)
        self._unlisted += len(content)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other servers from listing the folder at the same time, where the drive can."""
        lock = FileLock(self.folder / "writing.lock", timeout=_PATIENCE)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, Timeout):
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _shrink(self, most: int, *, leftovers: bool = False) -> None:
        """List the folder, and delete what was used longest ago until the rest takes `most` bytes."""
        found: list[tuple[int, int, str]] = []
        with suppress(OSError):
            for folder in os.scandir(self.folder):
                if folder.is_dir(follow_symlinks=False) and len(folder.name) == 2:
                    found += self._listed(folder.path, leftovers=leftovers)
        left = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left <= most:
                break
            with suppress(OSError):
                Path(path).unlink()
            left -= size
        self.bytes, self._unlisted = left, 0

    @staticmethod
    def _listed(folder: str, *, leftovers: bool) -> Iterator[tuple[int, int, str]]:
        """Time of the last use in nanoseconds, size and path of each file."""
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):  # another server has just removed it
                    if _NAME.fullmatch(entry.name):
                        status = entry.stat(follow_symlinks=False)
                        yield status.st_mtime_ns, status.st_size, entry.path
                    elif leftovers and _OLD_TEMPORARY.fullmatch(entry.name):
                        Path(entry.path).unlink()
