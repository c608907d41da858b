"""The folders that a collection was built from, kept beside it: those to look at to bring it up to date."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from i2v_search.files import write_atomically
from i2v_search.images.sources import Source
from i2v_search.store.feature_store import FeatureStore

FILE_NAME: Final = "sources.json"
_MAX_BYTES: Final = 2**20


def note_sources(directory: Path, sources: Sequence[Source]) -> None:
    """Add the folders among some sources to those of a collection; the caller holds the `WriterLock`."""
    before = _read(directory)
    folders = [str(Path(source).resolve()) for source in sources if os.path.isdir(source)]  # noqa: PTH112
    after = _outermost([*before, *folders])
    if after != before:
        write_atomically(directory / FILE_NAME, json.dumps({"folders": after}).encode())


def source_folders(store: FeatureStore) -> tuple[Path, ...]:
    """The folders that a collection was built from, whether they are there or not.

    Of a collection that says nothing of them, those at the top that hold its images: what else lies beside
    those was perhaps never wanted.
    """
    root = Path(store.manifest.image_root)
    noted = [Path(folder) for folder in _read(store.directory)]
    if noted and any(root.is_relative_to(folder) or folder.is_relative_to(root) for folder in noted):
        return tuple(noted)
    tops: set[Path] = set()
    for path in store.paths():
        first, _, rest = path.partition("/")
        if first and rest and "!" not in first:
            tops.add(root / first)
    return tuple(sorted(tops))


def _outermost(folders: Iterable[str]) -> list[str]:
    """Folders without those that lie in another."""
    known = sorted({Path(folder) for folder in folders})
    return [
        str(one) for one in known if not any(one != other and one.is_relative_to(other) for other in known)
    ]


def _read(directory: Path) -> list[str]:
    """The noted folders; none where there is no note, or it is damaged."""
    try:
        with (directory / FILE_NAME).open("rb") as file:
            folders = json.loads(file.read(_MAX_BYTES))["folders"]
        return [folder for folder in folders if isinstance(folder, str) and "\0" not in folder]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
