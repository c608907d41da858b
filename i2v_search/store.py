"""The feature store: vectors and what is known of each image, in HDF5 parts under one manifest.

Positions count rows over all parts, dead ones included; they are internal. Ids belong to images and never
change. A later row with the same id supersedes an earlier one, and tombstones mark rows that were removed;
what is left is live.
"""

from __future__ import annotations

import hashlib
import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError, CollectionError, CollectionLockedError
from i2v_search.files import file_sha256, open_regular, write_atomically
from i2v_search.manifest import FILE_NAME, FileRecord, Manifest, PartRecord
from i2v_search.parts import Capacity, ImageRecord, Part, PartWriter

LOCK_NAME = "writer.lock"
COMMIT_ROWS = 256
#: Rows whose paths are read at a time: some megabytes.
_PATH_ROWS = 2**16
#: Up to this many scattered rows are copied one by one: sorting them by part takes longer.
_FEW_ROWS = 64
#: Of a .npy file that holds one row of numbers.
_HEADER_BYTES = 128
_OWN_FILE = re.compile(
    r"features-\d{5,}\.h5|(tombstones|search|graph|reduced)-\d{5,}\.(npy|h5|faiss)|\..+\.tmp"
)


@dataclass(frozen=True)
class Damage:
    """Something `verify` found wrong: the file, what is wrong, and the rows that are lost if it can say."""

    file: str
    problem: str
    rows: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {"file": self.file, "problem": self.problem, "rows": list(self.rows)}


class FeatureStore:
    """A collection's feature store, open for reading.

    Any number of readers may be open while one writer appends; a reader keeps seeing the rows that were
    committed when it opened.

    Args:
        directory: the collection.
        manifest: as read from it; None reads it.

    Raises:
        CollectionNotFoundError: there is no collection.
        CollectionDamagedError: a part is missing or not what it claims to be.
    """

    def __init__(self, directory: Path, manifest: Manifest | None = None) -> None:
        self.directory = directory
        self._open(manifest or Manifest.load(directory), retry=manifest is None)

    def _open(self, manifest: Manifest, *, retry: bool) -> None:
        self.manifest = manifest
        self.dimension = manifest.encoder.dimension
        try:
            self.parts = [self._open_part(record) for record in manifest.parts]
            self._starts = np.cumsum([0, *(part.rows for part in self.parts)])
            self._read = 0
            self._viewed: dict[str, list[NDArray[Any]]] = {}
            self.rows = int(self._starts[-1])
            #: Positions of the rows that were removed. Read now: the next writer replaces the file.
            self.removed = read_tombstones(self.directory, manifest.tombstones, self.rows)
        except CollectionDamagedError:
            newer = Manifest.load(self.directory) if retry else manifest
            if newer == manifest:
                raise
            # A writer finished since the manifest was read, and the files it names are gone.
            self._open(newer, retry=True)

    def _open_part(self, record: PartRecord) -> Part:
        part = Part(self.directory / record.name, self.dimension)
        if part.rows < record.rows:
            raise CollectionDamagedError(
                f"{part.path} holds {part.rows} rows, {FILE_NAME} says {record.rows}; "
                "run i2v-search verify --repair"
            )
        if record.sha256 is not None:
            # More rows: a writer has begun to append since the manifest was read.
            part.rows = record.rows
        return part

    def __len__(self) -> int:
        """Number of live rows."""
        return len(self.live)

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """(rows,) int64: the id of every row, dead ones included."""
        return self._column("id")

    @cached_property
    def live(self) -> NDArray[np.int64]:
        """(n,) int64: positions of live rows, rising."""
        alive = np.ones(self.rows, bool)
        ids = self.ids
        if len(ids) and not np.all(np.diff(ids) > 0):
            # numpy keeps the first of equal values: look from the back, so that the last row of an id wins.
            _, last = np.unique(ids[::-1], return_index=True)
            alive[:] = False
            alive[self.rows - 1 - last] = True
        alive[self.removed] = False
        return np.flatnonzero(alive)

    def take(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read unit vectors.

        Args:
            positions: (m,) int64, any order.

        Returns:
            (m, d) float32, unit rows up to float16 rounding.
        """
        return widen(self._gather("vectors", positions))

    def take_float16(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """Read unit vectors as they are stored, (m, d) float16."""
        return self._gather("vectors", positions)

    def norms(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m,) float32: lengths of the vectors before they were normalised."""
        return self._gather("norms", positions)

    def column(self, name: str, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Values of one per-row dataset of `i2v_search.parts` at `positions`."""
        return self._gather(name, positions)

    def require_intact(self, chosen: Iterable[int] | None = None) -> None:
        """Compare every file, or some parts by number, with its checksum.

        Raises:
            CollectionDamagedError: one differs: what is made of it would vouch for the damage.
        """
        if chosen is None:
            damages: list[Damage | None] = [*self.verify()]
        else:
            damages = [part_damage(self.parts[n], self.manifest.parts[n]) for n in sorted(chosen)]
        for damage in filter(None, damages):
            raise _damaged(self.directory, damage)

    def check(self, positions: NDArray[np.int64]) -> None:
        """Compare rows with their checksums, each the first time it is asked for.

        Raises:
            CollectionDamagedError: one differs: nothing that was computed from it can be trusted.
        """
        unknown = positions[~self._checked[positions]]
        numbers = np.searchsorted(self._starts, unknown, "right") - 1
        rows = list(zip(numbers.tolist(), (unknown - self._starts[numbers]).tolist(), strict=True))
        for number, row in rows:
            self.parts[number].expect(row)
        for number, row in rows:
            if not self.parts[number].is_intact(row):
                raise CollectionDamagedError(
                    f"row {row} of {self.parts[number].path} differs from its checksum; "
                    f"run i2v-search verify --repair --collection {self.directory}"
                )
        self._checked[unknown] = True

    @cached_property
    def _checked(self) -> NDArray[np.bool_]:
        return np.zeros(self.rows, bool)

    def record(self, position: int) -> ImageRecord:
        """What is known of the image at a position."""
        part, row = self.place(position)
        return self.parts[part].record(row)

    def place(self, position: int) -> tuple[int, int]:
        """Number of the part that holds a position, and the row in it."""
        part = bisect_right(self.first_positions, position) - 1
        return part, position - self.first_positions[part]

    @cached_property
    def first_positions(self) -> list[int]:
        """Position of the first row of each part."""
        return [int(start) for start in self._starts[:-1]]

    def sha256(self, position: int) -> str:
        """SHA-256 of the file of the image at a position, hex."""
        part, row = self.place(position)
        digest: NDArray[np.uint8] = self.parts[part]["sha256"][row]
        return digest.tobytes().hex()

    def path(self, position: int) -> str:
        """Path of the image at a position, relative to the image root."""
        part, row = self.place(position)
        return self.parts[part].image_path(row)

    def paths(self) -> Iterator[str]:
        """Paths of all rows in order of position, dead ones included."""
        for part in self.parts:
            yield from part.image_paths()

    def paths_at(self, positions: NDArray[np.int64]) -> list[str]:
        """Paths of the images at some positions."""
        return [self.path(position) for position in positions.tolist()]

    def path_blocks(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        """Paths of all rows in order of position, in blocks: their bytes in turn, and where each ends."""
        for part in self.parts:
            for first in range(0, part.rows, _PATH_ROWS):
                yield part.path_bytes(first, min(first + _PATH_ROWS, part.rows))

    def position_of_id(self, image_id: int) -> int | None:
        """Position of the live row with an id."""
        ids, positions = self._ids_in_order
        if not len(ids) or not ids[0] <= image_id <= ids[-1]:
            return None
        place = int(np.searchsorted(ids, image_id))
        return int(positions[place]) if ids[place] == image_id else None

    @cached_property
    def _ids_in_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of the live rows, rising, and their positions."""
        ids = self.ids[self.live]
        order = np.argsort(ids, kind="stable")
        return ids[order], self.live[order]

    def ratings(self) -> dict[str, NDArray[np.float32]]:
        """Probability of every rating tag, (rows,) float32 by name; NaN where a row has none."""
        ratings: dict[str, NDArray[np.float32]] = {}
        for start, part in zip(self._starts, self.parts, strict=False):
            rows, entries, probabilities = part.all_tag_entries()
            for number, tag in enumerate(part.vocabulary):
                if tag.category == "rating":
                    values = ratings.setdefault(tag.name, np.full(self.rows, np.nan, np.float32))
                    chosen = entries == number
                    values[start + rows[chosen]] = probabilities[chosen]
        return ratings

    def tag_counts(self) -> dict[str, int]:
        """How many live rows carry each tag."""
        alive = np.zeros(self.rows, bool)
        alive[self.live] = True
        counts: dict[str, int] = {}
        for start, part in zip(self._starts, self.parts, strict=False):
            rows, entries, _ = part.all_tag_entries()
            totals = np.bincount(entries[alive[start + rows]], minlength=part.vocabulary_size)
            for tag, total in zip(part.vocabulary, totals.tolist(), strict=True):
                if total:
                    counts[tag.name] = counts.get(tag.name, 0) + total
        return counts

    def verify(self) -> list[Damage]:
        """Compare every file with its checksum and, where one differs, every row with its own."""
        found = (part_damage(part, of) for part, of in zip(self.parts, self.manifest.parts, strict=True))
        damages = [damage for damage in found if damage]
        tombstones = self.manifest.tombstones
        if tombstones and (difference := _difference(self.directory / tombstones.name, tombstones.sha256)):
            damages.append(Damage(tombstones.name, difference))
        if not Manifest.is_as_saved(self.directory):
            damages.append(Damage(FILE_NAME, "it differs in blanks from what was written"))
        if damages and Manifest.load(self.directory) != self.manifest:
            # A writer has changed the files meanwhile: they belong to the manifest of now.
            return FeatureStore(self.directory).verify()
        return damages

    def _column(self, name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in self.parts]) if self.parts else np.empty(0, np.int64)

    def _gather(self, name: str, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Values at positions in any order; a read-only view of the file where they lie there in a row."""
        first = self.parts[0][name] if self.parts else np.empty((0, self.dimension), np.float16)
        if not len(positions):
            return np.empty((0, *first.shape[1:]), first.dtype)
        numbers = np.searchsorted(self._starts, positions, "right") - 1
        places = positions - self._starts[numbers]
        if numbers[0] == numbers[-1] and np.all(np.diff(positions) == 1):
            few = len(positions) <= _FEW_ROWS
            part = self.parts[numbers[0]] if few else self._part(numbers[0])
            values = part[name][places[0] : places[-1] + 1]
            if name == "vectors":
                self.parts[numbers[0]].expect(int(places[0]), len(places))
            return np.asarray(values)
        values = np.empty((len(positions), *first.shape[1:]), first.dtype)
        if len(positions) <= _FEW_ROWS:
            views = self._views(name)
            for line, (number, place) in enumerate(zip(numbers.tolist(), places.tolist(), strict=True)):
                values[line] = views[number][place]
            return values
        order = np.argsort(numbers, kind="stable")
        for lines in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
            part = self._part(numbers[lines[0]])
            for place in places[lines].tolist() if name == "vectors" else ():
                part.expect(place)
            values[lines] = part[name][places[lines]]
        return values

    def release(self) -> None:
        """Let go of the memory that reading has mapped; the system may still keep it as a cache."""
        for part in self.parts:
            part.release()

    def _views(self, name: str) -> list[NDArray[Any]]:
        """One per-row dataset of each part: to make a view takes as long as to read a row."""
        if name not in self._viewed:
            self._viewed[name] = [part[name] for part in self.parts]
        return self._viewed[name]

    def _part(self, number: int) -> Part:
        """A part that many rows are read of; the memory that the one before it took is let go."""
        if number != self._read:
            self.parts[self._read].release()
            self._read = int(number)
        return self.parts[self._read]


class WriterLock:
    """The right to change a collection: one process at a time, released by the system when the process dies.

    Raises:
        CollectionLockedError: another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(directory / LOCK_NAME, timeout=0)
        self._directory = directory

    def __enter__(self) -> Self:
        try:
            self._lock.acquire()
        except Timeout:
            raise CollectionLockedError(
                f"another process is writing to {self._directory}; wait for it to finish, then run this again"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


class StoreWriter:
    """Appends to a feature store; the caller holds the `WriterLock`.

    Every `COMMIT_ROWS` rows are committed: they survive a kill. `finish` closes the last part, writes
    tombstones and commits a new generation. After a kill the next writer goes on behind the last committed
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
        self._changed = bool(manifest.parts) and manifest.parts[-1].sha256 is None
        remove_strangers(directory, manifest)
        store = FeatureStore(directory, manifest)
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
                        f"{records[start].path[:200]}: its path or its tags are larger than a feature file"
                    )
                self._seal()
                self._start_part()
                continue
            chosen = slice(start, start + count)
            # Not before they are written: a part that is closed on the way records the next id.
            for image_id in ids[chosen]:
                numbers.append(self._next_id if image_id is None else image_id)
                self._next_id += image_id is None
            writer.append(records[chosen], numbers[chosen], unit_rows[chosen], norms[chosen])
            start += count
            self._uncommitted += count
        self._changed = True
        if self._uncommitted >= COMMIT_ROWS:
            self.commit()
        return numbers

    def remove(self, positions: Sequence[int]) -> None:
        """Mark rows as removed; takes effect with `finish`."""
        self._changed = self._changed or not self._dead.issuperset(positions)
        self._dead.update(positions)

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
        self._save(
            tombstones=tombstones,
            next_file=next_file,
            next_id=self._next_id,
            generation=self.manifest.generation + 1,
        )
        remove_strangers(self.directory, self.manifest)
        return self.manifest

    def close(self) -> None:
        """Release the file without finishing: what is committed stays, the next writer goes on from there."""
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
        part = Part(path, self._dimension)
        if damage := part_damage(part, last):
            raise _damaged(self.directory, damage)  # a new checksum would vouch for it
        if last.sha256 is not None:
            self._save(parts=(*parts[:-1], last.model_copy(update={"sha256": None})))
        if part.capacity != self._capacity:
            PartWriter.resize(path, self._dimension, self._roomy(path))
        self._part = PartWriter(path, self._dimension)
        return self._part

    def _roomy(self, path: Path) -> Capacity:
        """The usual capacity, or the part's own where that is larger."""
        own, usual = Part(path, self._dimension).capacity, self._capacity
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


def part_damage(part: Part, record: PartRecord) -> Damage | None:
    """What is wrong with a feature file: by its checksum and, where that fails or is not yet set, by row."""
    difference = _difference(part.path, record.sha256)
    if record.sha256 is not None and not difference:
        return None
    rows = tuple(part.damaged_rows())
    counted = f"{len(rows)} rows are damaged" if rows or difference else ""
    problem = "; ".join(filter(None, [difference, counted]))
    return Damage(record.name, problem, rows) if problem else None


def _damaged(directory: Path, damage: Damage) -> CollectionDamagedError:
    return CollectionDamagedError(
        f"{directory / damage.file}: {damage.problem}; "
        f"run i2v-search verify --repair --collection {directory}"
    )


def _difference(path: Path, sha256: str | None) -> str:
    """How a file differs from its checksum, in words; empty where it does not, or is still being written."""
    if sha256 is None:
        return ""
    try:
        return "" if file_sha256(path) == sha256 else "the content differs from its checksum"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"


def read_tombstones(directory: Path, record: FileRecord | None, rows: int) -> NDArray[np.int64]:
    """Positions of the removed ones among `rows` rows.

    Raises:
        CollectionDamagedError: the file is missing, differs from its checksum, or is not a list of rows.
    """
    if record is None:
        return np.empty(0, np.int64)
    path, fix = directory / record.name, "restore it from a backup, or run i2v-search verify --repair"
    try:
        with open_regular(path) as file:
            content = file.read(_HEADER_BYTES + 8 * rows + 1)
    except OSError as error:
        raise CollectionDamagedError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise CollectionDamagedError(f"{path} differs from its checksum; {fix}")
    count = max(0, len(content) - _HEADER_BYTES) // 8
    positions = np.frombuffer(content[-8 * count :] if count else b"", "<i8").astype(np.int64)
    if content != _tombstone_file(positions) or (
        len(positions) and not 0 <= positions.min() <= positions.max() < rows
    ):
        raise CollectionDamagedError(f"{path} is not a list of rows; {fix}")
    return positions


def write_tombstones(directory: Path, number: int, positions: NDArray[np.int64]) -> FileRecord:
    """Keep the positions of removed rows in a file; `number` is for its name, never used before."""
    path = directory / f"tombstones-{number:05d}.npy"
    write_atomically(path, _tombstone_file(positions))
    return FileRecord(name=path.name, sha256=file_sha256(path))


def _tombstone_file(positions: NDArray[np.int64]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, positions.astype("<i8"), allow_pickle=False)
    return buffer.getvalue()


def widen(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """Convert finite float16 to float32 by moving their bits, several times as fast as NumPy converts.

    The exponent moves to its new place and is then off by 112, which one multiplication mends; numbers below
    the normal range come out exact too. Infinities and NaN, which no unit row holds, become large numbers.

    >>> widen(np.array([0.5, -2.0], np.float16))
    array([ 0.5, -2. ], dtype=float32)
    """
    bits = values.view(np.int16).astype(np.int32)  # the sign fills the upper half
    bits <<= 13
    bits &= _SIGN_EXPONENT_MANTISSA
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


_SIGN_EXPONENT_MANTISSA = np.uint32(0x8FFFE000).view(np.int32)


def unit_float16(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Normalise vectors for storage: the one place where the feature store's rows get unit length.

    Args:
        vectors: (n, d) float32.

    Returns:
        (n, d) float16 unit rows and (n,) float32 norms. A zero vector stays zero.

    Example:
        >>> rows, norms = unit_float16(np.array([[3.0, 4.0]], np.float32))
        >>> rows.tolist(), norms.tolist()
        ([[0.60009765625, 0.7998046875]], [5.0])
    """
    # In float64 no square overflows or vanishes.
    exact = vectors.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1)
    return (exact / np.where(norms > 0, norms, 1)[:, None]).astype(np.float16), norms.astype(np.float32)


def is_own_file(name: str) -> bool:
    """Whether a file of this name in a collection is one of the collection's, which a writer may remove.

    >>> is_own_file("features-00000.h5"), is_own_file("vectors.npy")
    (True, False)
    """
    return name in {FILE_NAME, LOCK_NAME} or _OWN_FILE.fullmatch(name) is not None


def remove_strangers(directory: Path, manifest: Manifest) -> None:
    """Delete files an interrupted writer left behind: ours by name, but not in the manifest."""
    keep = manifest.file_names()
    for path in directory.iterdir():
        if path.name not in keep and _OWN_FILE.fullmatch(path.name):
            path.unlink(missing_ok=True)
