"""Whether what a feature store knows of an image is still true: its file is there, and unchanged."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from i2v_search.images.archives import ARCHIVE_SEPARATOR, archive_extension, why
from i2v_search.images.remote import is_url, remote_source
from i2v_search.images.sources import Skipped, Source, SourceImage, Wanted, everything
from i2v_search.store.feature_file import storable_time
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.tags.vocabulary import Tag


def is_unchanged(
    store: FeatureStore, position: int, item: SourceImage, tags: Sequence[Tag] | None = None
) -> bool:
    """Whether a row says of an image's file what is true now, and has the tags given beside it."""
    if store.file_facts(position) != (item.size, storable_time(item.mtime_ns)):
        return False
    if tags is None:
        return True
    given = {tag.name for tag in store.record(position).tags if tag.probability == 1}
    return {tag.name for tag in tags} <= given


class Places:
    """Whether the images of a collection can be looked for where they are stored.

    An image that is not found is gone only where the way to it can be seen: not behind a link that leads
    nowhere, not in a folder that cannot be looked at, and not where only the empty place of a mount is left.

    Args:
        root: image root.
        mounts: stored paths of folders that disks were mounted on when their images were stored.
    """

    def __init__(self, root: Path, mounts: Iterable[str] = ()) -> None:
        self._root, self._mounts = root, frozenset(mounts)
        self._known: dict[str, Skipped | None] = {}

    def away(self, stored: str) -> Skipped | None:
        """The first folder or archive on the way to a stored path that is away, and why; None for none."""
        if is_url(stored):
            return None
        for separator in re.finditer(re.escape(ARCHIVE_SEPARATOR), stored):
            if problem := self._away(stored[: separator.start()]):
                return problem
        return self._away(stored.rpartition("/")[0])

    def is_there(self, stored: str) -> bool:
        """Whether the file (or the archive) of a stored path still exists, as far as can be seen."""
        if is_url(stored) or _archive_of(stored, self._root) is not None:
            return True
        try:
            (self._root / stored).stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return self.away(stored) is not None
        except OSError:
            return True
        return True

    def _away(self, place: str) -> Skipped | None:
        """From the image root down: what is below a folder that is away is not looked at."""
        waiting = []
        while place and place not in self._known:
            waiting.append(place)
            place = place.rpartition("/")[0]
        found = self._known.get(place)
        for below in reversed(waiting):
            found = found or self._look_at(below)
            self._known[below] = found
        return found

    def _look_at(self, place: str) -> Skipped | None:
        path = self._root / place
        try:
            path.stat()
            if place in self._mounts and is_unmounted(path):
                return Skipped(place, "its disk is not mounted; its images are kept")
        except (FileNotFoundError, NotADirectoryError, ValueError):
            if os.path.islink(path):  # noqa: PTH114 - False, where Path raises
                return Skipped(
                    place, f"a link to {path.readlink()}, which does not exist; its images are kept"
                )
        except (OSError, RuntimeError) as error:
            return Skipped(place, f"cannot be accessed ({why(error)}); its images are kept")
        return None


def is_unmounted(mount: Path) -> bool:
    """Whether a folder that a disk was mounted on is only the empty place for it now."""
    return not os.path.ismount(mount) and not any(mount.iterdir())


def find_mounts(store: FeatureStore) -> tuple[str, ...]:
    """Stored paths of the folders with images that disks are, or were, mounted on; "" is the image root.

    A name that is not UTF-8 is skipped: the manifest cannot hold it.
    """
    folders: set[str] = set()
    for path in compress(store.paths(), store.is_live(np.arange(store.rows)).tolist()):
        folder = path
        while folder and not is_url(folder):
            folder = folder.rpartition("/")[0]
            if folder in folders:
                break
            folders.add(folder)
    root, before = Path(store.manifest.image_root), set(store.manifest.mounts)

    def is_one(folder: str) -> bool:
        place = root / folder
        with suppress(OSError):
            return os.path.ismount(place) or (folder in before and is_unmounted(place))
        return folder in before

    return tuple(sorted(folder for folder in folders if _is_unicode(folder) and is_one(folder)))


def root_is_away(manifest: Manifest) -> bool:
    """Whether the image root is not there, or is the empty place of a disk that is not mounted."""
    root = Path(manifest.image_root)
    return not root.is_dir() or ("" in manifest.mounts and is_unmounted(root))


@dataclass(frozen=True)
class Absence:
    """Stored images that were not found in the sources.

    Attributes:
        gone: positions of images that are not there any more, ascending.
        away: folders and archives that cannot be looked into, whose images may still be there.
    """

    gone: list[int]
    away: tuple[Skipped, ...] = ()


def find_absent(
    store: FeatureStore,
    seen: NDArray[np.bool_],
    scopes: Sequence[str],
    skipped: Sequence[Skipped],
    wanted: Wanted = everything,
) -> Absence:
    """Live rows of wanted images inside the sources that were not met; not of what could not be read.

    Args:
        store: the feature store.
        seen: (rows,) bool: what was met.
        scopes: from `find_scopes`.
        skipped: what could not be read.
        wanted: which images this is about.
    """
    root = Path(store.manifest.image_root)
    places = Places(root, store.manifest.mounts)
    prefixes = tuple(prefix for item in skipped for prefix in (f"{item.path}/", f"{item.path}!/"))
    gone, away = [], dict[str, Skipped]()
    for position in store.live[~seen[store.live]].tolist():
        path = store.path(position)
        if (
            wanted(path)
            and any(_inside(path, scope, root) for scope in scopes)
            and not path.startswith(prefixes)
        ):
            if problem := places.away(path):
                away[problem.path] = problem
            else:
                gone.append(position)
    return Absence(gone, tuple(away.values()))


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


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
