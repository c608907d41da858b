"""Whole files written so that a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same directory; on success fsync it and rename it over `path`.

    On an error the temporary file is removed and `path` keeps its old content. A process killed in between
    leaves a ``.tmp`` file, which the next writer of the collection removes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "settings.json"
        >>> write_atomically(target, b"{}")
        >>> target.read_bytes()
        b'{}'
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, but no pipe or device: a stranger's collection may hold one and block.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def file_sha256(path: Path) -> str:
    """SHA-256 of a regular file's content, lower-case hex, read in blocks."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
