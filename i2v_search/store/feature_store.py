"""A feature store, open for reading."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import allow_open_files
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.checksums import Damage, damaged, difference, part_damage, settled
from i2v_search.store.feature_file import NO_ROOM, FeatureFile, ImageRecord, part_layout
from i2v_search.store.float16 import widen
from i2v_search.store.manifest import FILE_NAME, Manifest, PartRecord, repair_advice
from i2v_search.store.removals import read_tombstones

#: Rows whose paths are read at a time: some megabytes.
_PATH_ROWS = 2**16
#: A server opens a collection once for each of its threads, and a merge others beside it.
_TIMES_OPEN, _OTHER_FILES = 16, 512
#: Up to this many scattered rows are copied one by one: sorting them by part takes longer.
_FEW_ROWS = 64


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
        allow_open_files(_OTHER_FILES + _TIMES_OPEN * len(manifest.parts))
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
            # A writer finished since the manifest was read, and the files it names are gone; once, or again.
            self._open(newer, retry=True)

    def _open_part(self, record: PartRecord) -> FeatureFile:
        part = FeatureFile(self.directory / record.name, self.dimension)
        if part.rows < record.rows:
            raise CollectionDamagedError(
                f"{part.path} holds {part.rows} rows, {FILE_NAME} says {record.rows}; "
                f"{repair_advice(self.directory)}"
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
        """(n,) int64: positions of live rows, ascending."""
        return np.flatnonzero(self._alive)

    def is_live(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(m,) int64 positions -> (m,) bool: whether a live row is there; none is at -1."""
        return self._alive[positions]

    @cached_property
    def _alive(self) -> NDArray[np.bool_]:
        """(rows + 1,) bool: which rows are live; position -1 meets the additional last entry."""
        alive = np.ones(self.rows + 1, bool)
        ids = self.ids
        if len(ids) and not np.all(np.diff(ids) > 0):
            # numpy keeps the first of equal values: look from the back, so that the last row of an id wins.
            _, last = np.unique(ids[::-1], return_index=True)
            alive[:] = False
            alive[self.rows - 1 - last] = True
        alive[self.removed] = False
        alive[-1] = False
        return alive

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
        """Values of one per-row dataset of `i2v_search.store.feature_file` at `positions`."""
        return self._gather(name, positions)

    def require_intact(self, chosen: Iterable[int] | None = None, *, report: Report = silent) -> None:
        """Compare every file, or some parts by number, with its checksum.

        Args:
            chosen: numbers of the parts; None for everything.
            report: told about progress, in parts.

        Raises:
            CollectionDamagedError: one differs: what is made of it would vouch for the damage.
        """
        if chosen is None:
            damages: list[Damage | None] = [*self.verify(report=report)]
        else:
            damages = [part_damage(self.parts[n], self.manifest.parts[n]) for n in sorted(chosen)]
        for damage in filter(None, damages):
            raise damaged(self.directory, damage)

    def check(self, positions: NDArray[np.int64]) -> None:
        """Compare rows with their checksums, each the first time it is requested.

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
                    f"{repair_advice(self.directory)}"
                )
        self._checked[unknown] = True

    @cached_property
    def _checked(self) -> NDArray[np.bool_]:
        return np.zeros(self.rows, bool)

    def record(self, position: int) -> ImageRecord:
        """Data of the image at a position."""
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

    def file_facts(self, position: int) -> tuple[int, int]:
        """Bytes of the file of the image at a position, and when it was last changed, in nanoseconds."""
        part, row = self.place(position)
        return int(self.parts[part]["size"][row]), int(self.parts[part]["mtime_ns"][row])

    def contents(self) -> set[bytes]:
        """SHA-256 of the files of all live rows."""
        return {digest.tobytes() for digest in self.column("sha256", self.live)}

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
        ids, positions = self.live_by_id
        if not len(ids) or not ids[0] <= image_id <= ids[-1]:
            return None
        place = int(np.searchsorted(ids, image_id))
        return int(positions[place]) if ids[place] == image_id else None

    @cached_property
    def live_by_id(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of the live rows, ascending, and their positions."""
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
        """Number of live rows with each tag."""
        counts: dict[str, int] = {}
        for start, part in zip(self._starts, self.parts, strict=False):
            rows, entries, _ = part.all_tag_entries()
            totals = np.bincount(entries[self.is_live(start + rows)], minlength=part.vocabulary_size)
            for tag, total in zip(part.vocabulary, totals.tolist(), strict=True):
                if total:
                    counts[tag.name] = counts.get(tag.name, 0) + total
        return counts

    def verify(self, *, report: Report = silent) -> list[Damage]:
        """Compare every file with its checksum and, where one differs, every row with its own.

        The feature files are those that were opened; the others are those of the collection as it is now.
        """
        damages = list[Damage]()
        for done, (part, record) in enumerate(zip(self.parts, self.manifest.parts, strict=True)):
            report(Progress("checking files", done, len(self.parts)))
            damages += filter(None, [part_damage(part, record)])
        report(Progress("checking files", len(self.parts), len(self.parts)))
        if damages and Manifest.load(self.directory) != self.manifest:
            # A writer changed a file between its manifest was read and it was opened.
            return FeatureStore(self.directory).verify()
        return [*damages, *settled(self.directory, self._small_damages)]

    def _small_damages(self, manifest: Manifest) -> list[Damage]:
        damages = []
        for record in (manifest.tombstones, manifest.removals):
            if record and (differs := difference(self.directory / record.name, record.sha256)):
                damages.append(Damage(record.name, differs))
        if not Manifest.is_as_saved(self.directory):
            damages.append(Damage(FILE_NAME, "differs in white space from what was written"))
        return damages

    def _column(self, name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in self.parts]) if self.parts else np.empty(0, np.int64)

    def _gather(self, name: str, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Values at positions in any order; a read-only view of the file where they lie there in a row."""
        dtype, (_, *shape) = part_layout(NO_ROOM, self.dimension)[name]
        if not len(positions):
            return np.empty((0, *shape), dtype)
        numbers = np.searchsorted(self._starts, positions, "right") - 1
        places = positions - self._starts[numbers]
        if numbers[0] == numbers[-1] and np.all(np.diff(positions) == 1):
            few = len(positions) <= _FEW_ROWS
            part = self.parts[numbers[0]] if few else self._part(numbers[0])
            values = part[name][places[0] : places[-1] + 1]
            if name == "vectors":
                self.parts[numbers[0]].expect(int(places[0]), len(places))
            return np.asarray(values)
        values = np.empty((len(positions), *shape), dtype)
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

    def _part(self, number: int) -> FeatureFile:
        """A part that many rows are read of; the memory that the one before it took is let go."""
        if number != self._read:
            self.parts[self._read].release()
            self._read = int(number)
        return self.parts[self._read]
