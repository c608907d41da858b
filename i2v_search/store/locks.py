"""Locks between processes: of the system where the drive has them, else a file that says who holds it."""

from __future__ import annotations

import errno
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from i2v_search.files import UNSUPPORTED, naming

#: What the name of a lock's file gets where the drive has no locks; the file is there while it is held.
MARKER = ".held"
_NO_LOCKS = UNSUPPORTED | {errno.ENOLCK}


class ProcessLock:
    """A lock that one process holds at a time, given back when it dies.

    Where the drive has no locks, many shares over NFS among them, a file beside says who holds it. The next
    process on the same machine sees that its holder has died; one on another machine cannot, so `remedy`
    says which file to delete.

    Args:
        path: the lock's file, created if missing; its directory must be there.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._marker = path, path.with_name(path.name + MARKER)
        self._lock: BaseFileLock = FileLock(path, timeout=0, fallback_to_soft=False)

    def acquire(self) -> bool:
        """Take the lock; False where another process holds it.

        Raises:
            OSError: neither a lock nor a file can be made there.
        """
        try:
            with naming(self._path):
                return _acquired(self._lock)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        self._lock = SoftFileLock(self._marker, timeout=0)
        with naming(self._marker):
            return _acquired(self._lock)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    @property
    def remedy(self) -> str:
        """Advice about a lock held by another process; empty if waiting is enough."""
        if not isinstance(self._lock, SoftFileLock):
            return ""
        return (
            f"; if none is running on any machine, delete {self._marker} (this drive does not support locks)"
        )


def _acquired(lock: BaseFileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    return True
