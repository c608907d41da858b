"""Writer of a feature store: one at a time, with commits that survive a kill."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionError, CollectionLockedError
from i2v_search.files import file_sha256
from i2v_search.store.checksums import damaged, part_damage
from i2v_search.store.feature_file import Capacity, FeatureFile, ImageRecord, PartWriter
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.locks import MARKER, ProcessLock
from i2v_search.store.manifest import FILE_NAME, Manifest, PartRecord, require_folder
from i2v_search.store.removals import Removals, write_removals, write_tombstones

LOCK_NAME = "writer.lock"
COMMIT_ROWS = 256
_OWN_FILE = re.compile(
    r"features-\d{5,}\.h5|(tombstones|removals|search|graph|reduced)-\d{5,}\.(npy|jsonl|h5|faiss)|\..+\.tmp"
)


class WriterLock:
    """The right to change a collection: one process at a time, released by the system when the process dies.

    Raises:
        CollectionNotFoundError: there is a file where the collection's folder belongs.
        CollectionLockedError: another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        require_folder(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = ProcessLock(directory / LOCK_NAME)
        self._directory = directory

    def __enter__(self) -> Self:
        if not self._lock.acquire():
            raise CollectionLockedError(
                f"another process is writing to {self._directory}; wait for it to finish, then try "
                f"again{self._lock.remedy}"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


class StoreWriter:
    """Appends to a feature store; the caller holds the `WriterLock`.

    Every `COMMIT_ROWS` rows are committed: they survive a kill. `finish` closes the last part, writes
    tombstones and commits a new generation. After a kill the next writer continues behind the last committed
    row.

    Args:
        directory: the collection.
        manifest: its manifest, which must exist on disk already.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self._dimension = manifest.encoder.dimension
        self._capacity = Capacity.for_dimension(self._dimension)
        self._part: PartWriter | None = None
        self._uncommitted = 0
        self._removals: Removals | None = None
        self._changed = bool(manifest.parts) and manifest.parts[-1].sha256 is None
        store = FeatureStore(directory, manifest)
        # Not before the store is found whole: one of them may be a file of it under another name.
        remove_strangers(directory, manifest)
        self._dead = set(store.removed.tolist())
        self._next_id = max(manifest.next_id, int(store.ids.max()) + 1 if store.rows else 0)

    def append(
        self,
        records: Sequence[ImageRecord],
        unit_rows: NDArray[np.float16],
        norms: NDArray[np.float32],
        ids: Sequence[int | None],
    ) -> list[int]:
        """Add rows.

        Args:
            records: n records.
            unit_rows: (n, d) float16, from `unit_float16` or copied from another row.
            norms: (n,) float32, likewise.
            ids: the id of each row, None for a new one.

        Returns:
            The ids given, in order.

        Raises:
            OSError: the disk is full or fails; committed rows stay.
        """
        numbers: list[int] = []
        start = 0
        while start < len(records):
            writer = self._part or self._open_last_part()
            count = writer.fits(records[start:])
            if count == 0:
                if writer.rows == 0:
                    raise CollectionError(
                        f"{records[start].path[:200]}: its path or its tags are too large for a feature file"
                    )
                self._seal()
                self._start_part()
                continue
            chosen = slice(start, start + count)
            # Not before they are written: a part that is closed on the way records the next id.
            for image_id in ids[chosen]:
                number = self._next_id if image_id is None else image_id
                numbers.append(number)
                self._next_id = max(self._next_id, number + 1)
            writer.append(records[chosen], numbers[chosen], unit_rows[chosen], norms[chosen])
            start += count
            self._uncommitted += count
        self._changed = True
        if self._uncommitted >= COMMIT_ROWS:
            self.commit()
        return numbers

    @property
    def next_id(self) -> int:
        """The id that the next new row gets."""
        return self._next_id

    def remove(self, positions: Sequence[int]) -> None:
        """Mark rows as removed; takes effect with `finish`."""
        self._changed = self._changed or not self._dead.issuperset(positions)
        self._dead.update(positions)

    def keep_out(self, removals: Removals) -> None:
        """Set what stays out of the collection; takes effect with `finish`."""
        self._removals, self._changed = removals, True

    def commit(self) -> None:
        """Make every appended row survive a kill."""
        if self._part is not None and self._uncommitted:
            self._part.commit()
        self._uncommitted = 0

    def finish(self) -> Manifest:
        """Close the store's last part and commit everything as a new generation; returns the new manifest."""
        if not self._changed:
            return self.manifest
        if self._part is None and self.manifest.parts and self.manifest.parts[-1].sha256 is None:
            self._open_last_part()
        self._seal()
        tombstones, next_file = self.manifest.tombstones, self.manifest.next_file
        if self._dead:
            dead = np.array(sorted(self._dead), np.int64)
            tombstones = write_tombstones(self.directory, next_file, dead)
            next_file += 1
        removals = self.manifest.removals
        if self._removals is not None:
            removals = write_removals(self.directory, next_file, self._removals)
            next_file += removals is not None
        self._save(
            tombstones=tombstones,
            removals=removals,
            next_file=next_file,
            next_id=self._next_id,
            generation=self.manifest.generation + 1,
        )
        remove_strangers(self.directory, self.manifest)
        return self.manifest

    def close(self) -> None:
        """Release the file without finishing: what is committed stays, the next writer continues from
        there."""
        if self._part is not None:
            part = self._part
            try:
                self.commit()
            finally:
                self._part = None
                part.close()

    def _open_last_part(self) -> PartWriter:
        """Open the last part for appending, giving it room again where it was closed; or start the first."""
        parts = self.manifest.parts
        if not parts:
            return self._start_part()
        last, path = parts[-1], self.directory / parts[-1].name
        if last.sha256 is not None and last.rows >= self._capacity.rows:
            return self._start_part()
        part = FeatureFile(path, self._dimension)
        if damage := part_damage(part, last):
            raise damaged(self.directory, damage)  # a new checksum would vouch for it
        if last.sha256 is not None:
            self._save(parts=(*parts[:-1], last.model_copy(update={"sha256": None})))
        if part.capacity != self._capacity:
            PartWriter.resize(path, self._dimension, self._roomy(path))
        self._part = PartWriter(path, self._dimension)
        return self._part

    def _roomy(self, path: Path) -> Capacity:
        """The usual capacity, or the part's own where that is larger."""
        own, usual = FeatureFile(path, self._dimension).capacity, self._capacity
        return Capacity(*(max(a, b) for a, b in zip(vars(own).values(), vars(usual).values(), strict=True)))

    def _start_part(self) -> PartWriter:
        number = self.manifest.next_file
        name = f"features-{number:05d}.h5"
        PartWriter.create(self.directory / name, self._dimension, self._capacity)
        self._save(parts=(*self.manifest.parts, PartRecord(name=name, rows=0)), next_file=number + 1)
        self._part = PartWriter(self.directory / name, self._dimension)
        return self._part

    def _seal(self) -> None:
        """Cut the open part to its rows and record its checksum."""
        if self._part is None:
            return
        self.commit()
        path, rows = self._part.path, self._part.rows
        self._part.close()
        self._part = None
        PartWriter.resize(path, self._dimension)
        sealed = PartRecord(name=path.name, rows=rows, sha256=file_sha256(path))
        self._save(parts=(*self.manifest.parts[:-1], sealed), next_id=self._next_id)

    def _save(self, **changes: Any) -> None:
        self.manifest = self.manifest.updated(**changes)
        self.manifest.save(self.directory)


def is_own_file(name: str) -> bool:
    """Whether a file of this name in a collection is one of the collection's, which a writer may remove.

    >>> is_own_file("features-00000.h5"), is_own_file("vectors.npy")
    (True, False)
    """
    return name in {FILE_NAME, LOCK_NAME, LOCK_NAME + MARKER} or _OWN_FILE.fullmatch(name) is not None


def remove_strangers(directory: Path, manifest: Manifest) -> None:
    """Delete files an interrupted writer left behind: ours by name, but not in the manifest."""
    keep = manifest.file_names()
    for path in directory.iterdir():
        if path.name not in keep and _OWN_FILE.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)
