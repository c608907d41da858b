"""Whole files written so that a reader sees the old content or the new one, and files of strangers opened."""

from __future__ import annotations

import errno
import functools
import hashlib
import operator
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

#: What drives answer that lack a call: shares over SMB and NFS, folders of virtual machines, FUSE.
UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file in every `OSError` inside that names none: a write or an fsync knows a number only.

    Example:
        >>> with naming(Path("art.npy")):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'art.npy'
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same directory; on success fsync it and rename it over `path`.

    On an error the temporary file is removed and `path` keeps its old content; an `OSError` that names the
    temporary file, or none, names `path`. A process killed in between leaves a ``.tmp`` file, which the next
    writer of the collection removes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path):
            yield temporary
            with temporary.open("rb+") as file:
                sync(file.fileno())
            temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # the disk that failed may fail again; the first error says more
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and (error.filename, error.filename2) == (os.fspath(temporary), None):
            error.filename = os.fspath(path)
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


def sync(descriptor: int) -> None:
    """Make what was written to a file or a directory survive a power cut, where the drive can.

    Raises:
        OSError: the drive failed. That it has no such call is no failure: nothing more can be done there.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut, where the platform and the drive can."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # a directory that one may write to but not list
    try:
        with naming(path):
            sync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file for reading; never wait on a pipe, never touch a device: strangers' folders may hold both.

    The kind is looked at before opening, because opening can already act on a device, and again afterwards,
    because the name may by then mean something else.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
        ValueError: there is a NUL in the name.

    Example:
        >>> open_regular("/dev/null")
        Traceback (most recent call last):
        OSError: [Errno 22] a device, not a file: '/dev/null'
    """
    _refuse_special(os.stat(path).st_mode, path)  # noqa: PTH116 - names that are no text keep their bytes
    flags = (getattr(os, name, 0) for name in ("O_NONBLOCK", "O_BINARY", "O_NOCTTY"))
    descriptor = os.open(path, functools.reduce(operator.or_, flags, os.O_RDONLY))
    try:
        _refuse_special(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def allow_open_files(count: int) -> None:
    """Let this process hold so many files open at once, or as many as it may be let.

    A shell gives a process 1,024, or 256 on macOS; a larger number is there for the asking.
    """
    if resource is None:
        return  # Windows has no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # macOS names no limit and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """The content of a file; see `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def _refuse_special(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"{describe_special(mode)}, not a file", os.fspath(path))


def describe_special(mode: int) -> str:
    """Name the kind of a directory entry from its `st_mode`: "a named pipe", "a folder" and so on."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISREG, "a file"),
    )
    return next((kind for test, kind in kinds if test(mode)), "a device")


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Identifies a state of a file: another one has been written since if it differs; None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def file_sha256(path: Path) -> str:
    """SHA-256 of a regular file's content, lower-case hex, read in blocks."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
