"""Whether what a feature store knows of an image is still true: its file is there, and unchanged."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from i2v_search.archives import ARCHIVE_SEPARATOR, archive_extension
from i2v_search.remote import is_url, remote_source
from i2v_search.sources import Skipped, Source, SourceImage, Wanted, everything
from i2v_search.store import FeatureStore
from i2v_search.tags import Tag


def is_unchanged(
    store: FeatureStore, position: int, item: SourceImage, tags: Sequence[Tag] | None = None
) -> bool:
    """Whether a row says of an image's file what is true now, and has the tags given beside it."""
    at = np.array([position])
    if (int(store.column("size", at)[0]), int(store.column("mtime_ns", at)[0])) != (
        item.size,
        storable_time(item.mtime_ns),
    ):
        return False
    if tags is None:
        return True
    given = {tag.name for tag in store.record(position).tags if tag.probability == 1}
    return {tag.name for tag in tags} <= given


def find_gone(
    store: FeatureStore,
    seen: NDArray[np.bool_],
    scopes: Sequence[str],
    skipped: Sequence[Skipped],
    wanted: Wanted = everything,
) -> list[int]:
    """Live rows of wanted images inside the sources that were not met; not of what could not be read.

    Args:
        store: the feature store.
        seen: (rows,) bool: what was met.
        scopes: from `find_scopes`.
        skipped: what could not be read.
        wanted: which images this is about.

    Returns:
        Their positions, rising.
    """
    root = Path(store.manifest.image_root)
    prefixes = tuple(prefix for item in skipped for prefix in (f"{item.path}/", f"{item.path}!/"))
    gone = []
    for position in store.live[~seen[store.live]].tolist():
        path = store.path(position)
        if (
            wanted(path)
            and any(_inside(path, scope, root) for scope in scopes)
            and not path.startswith(prefixes)
        ):
            gone.append(position)
    return gone


def find_scopes(sources: Sequence[Source], root: Path) -> list[str]:
    """Stored-path prefixes of the folders and archives among the sources: what a sync may remove from."""
    scopes = []
    for source in sources:
        if is_url(os.fsdecode(source)):
            scopes.append(remote_source(os.fsdecode(source)).url.rstrip("/"))
            continue
        path = Path(source).resolve()
        if path.is_dir() or path.is_file():
            stored = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
            scopes.append("" if stored == "." else stored)
    return scopes


def _inside(path: str, scope: str, root: Path) -> bool:
    """Whether a source looks for the image; a folder does not look into the archives it holds."""
    archive = _archive_of(path, root)
    if archive is not None:
        return archive == scope
    if scope:
        return path.startswith(f"{scope}/")
    return not PurePath(path).is_absolute() and not is_url(path)


def _archive_of(path: str, root: Path) -> str | None:
    """The archive, still there, that a stored path leads into."""
    for separator in re.finditer(re.escape(ARCHIVE_SEPARATOR), path):
        archive = path[: separator.start()]
        if is_url(path):
            if archive_extension(archive) is not None:
                return archive
            continue
        if os.path.isfile(root / archive):  # noqa: PTH113 - False, where Path raises
            return archive
    return None


def is_there(root: Path, stored: str) -> bool:
    """Whether the file (or the archive) of a stored path still exists, as far as can be seen."""
    if is_url(stored) or _archive_of(stored, root) is not None:
        return True
    try:
        (root / stored).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def storable_time(mtime_ns: int) -> int:
    """A file's time as far as 64 bits go: file systems know later years than 2262."""
    return max(-(2**63), min(mtime_ns, 2**63 - 1))
