"""The trash of this computer: files go there through send2trash, and come back where their system says how.

On freedesktop.org systems, Linux among them, a file in the trash has an entry, ``NAME.trashinfo``, that says
where it lay (freedesktop.org, Trash specification 1.0). Elsewhere only the desktop brings it back.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from i2v_search.errors import ImageError
from i2v_search.files import file_sha256, open_regular
from i2v_search.images.reasons import error_reason

#: Whether this system says where a file in the trash is, and where it lay.
CAN_RESTORE: Final = sys.platform not in {"win32", "darwin"}
#: Bytes of an entry: a path and a date.
_MOST_ENTRY: Final = 2**16


@dataclass(frozen=True)
class InTrash:
    """A file that was put into the trash.

    Attributes:
        place: where it lay.
        sha256: of its content, hex.
        file: where it is now; None where the system does not say.
        entry: the file that says so.
    """

    place: Path
    sha256: str
    file: Path | None = None
    entry: Path | None = None


def has_trash() -> bool:
    """Whether send2trash is installed; the extra ``trash`` brings it."""
    return find_spec("send2trash") is not None


def is_link(place: Path) -> bool:
    """Whether a link leads to a file, or to a folder above it.

    Args:
        place: absolute.
    """
    try:
        return os.path.realpath(place) != os.fspath(place)
    except (OSError, ValueError):  # a name that no drive can have
        return False


def require_same(place: Path, sha256: str) -> None:
    """Make sure that a file is what it was.

    Args:
        place: absolute.
        sha256: of its content, hex.

    Raises:
        ImageError: it is gone, behind a link, not a file, or has another content.
    """
    label = os.fspath(place)
    try:
        if is_link(place):
            raise ImageError(label, "it lies behind a link; remove it by hand")
        if file_sha256(place) != sha256:
            raise ImageError(label, "it has changed since it was added; run: i2v-search build")
    except (OSError, ValueError) as error:
        raise ImageError(label, error_reason(error)) from error


def send_to_trash(place: Path, sha256: str) -> InTrash:
    """Put a file into the trash of this computer.

    What was moved is compared once more: a file that somebody put in its place meanwhile goes back.

    Args:
        place: absolute, without links.
        sha256: of its content, hex.

    Raises:
        ImageError: it is another file by now, or cannot be moved.
    """
    from send2trash import send2trash  # an extra

    require_same(place, sha256)
    before = set(_entries(place))
    try:
        send2trash(os.fspath(place))
    except OSError as error:
        raise ImageError(os.fspath(place), f"not moved to the trash: {error_reason(error)}") from error
    for entry in set(_entries(place)) - before:
        moved = InTrash(place, sha256, entry.parent.parent / "files" / entry.stem, entry)
        if not _is_same(moved):
            _put_back(moved)
            raise ImageError(os.fspath(place), "it was changed at this moment; nothing was moved")
        return moved
    return InTrash(place, sha256)


def restore_from_trash(moved: InTrash) -> None:
    """Put a file back where it lay; nothing is written over.

    Raises:
        ImageError: it is no longer in the trash as it was, its folder is gone, or something lies there.
    """
    label, folder = os.fspath(moved.place), moved.place.parent
    if moved.file is None:
        raise ImageError(label, "this system does not say where it is; restore it in the desktop's trash")
    if not _is_same(moved):
        raise ImageError(label, "it is no longer in the trash as it was put there")
    if not folder.is_dir() or is_link(folder):
        raise ImageError(label, "its folder is not there; is its disk connected?")
    _put_back(moved)


def _is_same(moved: InTrash) -> bool:
    assert moved.file is not None  # noqa: S101 - the callers looked
    try:
        return stat.S_ISREG(moved.file.lstat().st_mode) and file_sha256(moved.file) == moved.sha256
    except OSError:
        return False


def _put_back(moved: InTrash) -> None:
    assert moved.file is not None  # noqa: S101 - the callers looked
    try:
        _move_to_free_place(moved.file, moved.place)
    except FileExistsError as error:
        raise ImageError(os.fspath(moved.place), "another file lies at its place") from error
    except OSError as error:
        raise ImageError(os.fspath(moved.place), f"not restored: {error_reason(error)}") from error
    if moved.entry is not None:
        moved.entry.unlink(missing_ok=True)


def _move_to_free_place(file: Path, place: Path) -> None:
    """Move a file where nothing may lie, at no moment: a rename would replace it."""
    try:
        os.link(file, place, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # another drive, or one without hard links
        if file.is_symlink():
            place.symlink_to(file.readlink())
        else:
            with open_regular(file) as source, place.open("xb") as target:
                shutil.copyfileobj(source, target)
            shutil.copystat(file, place)
    file.unlink()


def _entries(place: Path) -> Iterator[Path]:
    """Entries of the trash for a place."""
    if not CAN_RESTORE:
        return
    name = os.path.splitext(place.name)[0]  # noqa: PTH122 - a name of dots alone has no ending
    for trash, top in _folders(place):
        for entry in (trash / "info").glob(f"{glob.escape(name)}*.trashinfo"):
            if _place_of(entry, top) == place:
                yield entry


def _folders(place: Path) -> Iterator[tuple[Path, Path]]:
    """The trashes that a file may go to, each with the folder that its paths are relative to."""
    data = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    yield data / "Trash", data
    top = next((folder for folder in place.parents if folder.is_mount()), place.parent)
    yield top / ".Trash" / str(os.getuid()), top
    yield top / f".Trash-{os.getuid()}", top


def _place_of(entry: Path, top: Path) -> Path | None:
    """Where the file of an entry lay; None for what is no entry."""
    with suppress(OSError, ValueError), open_regular(entry) as file:
        for line in file.read(_MOST_ENTRY).splitlines():
            if line.startswith(b"Path="):
                return top / os.fsdecode(unquote_to_bytes(line.removeprefix(b"Path=")))
    return None
