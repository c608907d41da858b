"""`repair_collection`: what ``verify --repair`` does with a collection that the disk has damaged.

Whatever its checksum vouches for stays, bit for bit. A row that fails its own checksum is dropped and its
file written anew without it; a file that cannot be read at all is dropped whole; derived files are dropped,
to be built again. Nothing is guessed, and everything that was lost is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256
from i2v_search.index import verify_index
from i2v_search.manifest import FILE_NAME, FileRecord, Manifest, PartRecord
from i2v_search.parts import Capacity, Part
from i2v_search.progress import Progress, Report, silent
from i2v_search.store import Damage, WriterLock, read_removals, read_tombstones, remove_strangers
from i2v_search.upkeep.copying import KeptRows
from i2v_search.upkeep.rewriting import StoredPart, rewrite_parts
from i2v_search.upkeep.salvaging import SalvagedPart, lies_inside

#: So many tags whose spelling is in doubt are named.
DOUBTED = 10
#: Bytes of the header of a tombstones file, and of one position in it.
_HEADER, _POSITION = 128, 8


@dataclass(frozen=True)
class LostImage:
    """An image whose row was damaged: id and path as the row has them, and either may be what was damaged.

    `path` is None where it cannot be read.
    """

    id: int
    path: str | None

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        from i2v_search.escapes import printable

        return {"id": self.id, "path": None if self.path is None else printable(self.path)}


@dataclass(frozen=True)
class Repair:
    """What `repair_collection` found and did.

    Attributes:
        damages: what was damaged and what became of it, by file; empty for an intact collection.
        lost: images whose rows were dropped one by one.
        lost_rows: rows of files that were dropped whole, None where their number is unknown.
        index_dropped: whether an index has to be built again.
        images: live rows that are left.
    """

    damages: tuple[Damage, ...]
    lost: tuple[LostImage, ...]
    lost_rows: int | None
    index_dropped: bool
    images: int

    @property
    def complete(self) -> bool:
        """Whether no image was lost."""
        return not self.lost and self.lost_rows == 0

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {
            "damages": [damage.to_dict() for damage in self.damages],
            "lost": [image.to_dict() for image in self.lost],
            "lost_rows": self.lost_rows,
            "index_dropped": self.index_dropped,
            "images": self.images,
        }


def repair_collection(directory: Path, *, report: Report = silent) -> Repair:
    """Drop what is damaged, so that every file of a collection is what it claims to be again.

    Args:
        directory: the collection.
        report: told about progress.

    Returns:
        What was damaged, and what was lost. Nothing changes where nothing is damaged.

    Raises:
        CollectionNotFoundError: there is no collection.
        CollectionLockedError: another process is writing.
        CollectionDamagedError: ``collection.json`` is damaged.
        OSError: the disk is full or fails; nothing is changed.
    """
    Manifest.load(directory)  # the lock would make a folder where there is none
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        found = _examine_parts(directory, manifest, report)
        removed, unreadable = _read_tombstones(directory, manifest, sum(part.rows for part in found))
        forgotten = list(_broken_removals(directory, manifest))
        broken = list(_broken_derived(directory, manifest))
        blanks = [] if Manifest.is_as_saved(directory) else [Damage(FILE_NAME, "it differs in blanks only")]
        damages = [*blanks, *(part.damage for part in found if part.damage), *unreadable, *forgotten, *broken]
        rows = _Rows(found, removed)
        lost = tuple(rows.lost())
        repaired = manifest
        if damages:
            # Rows that come back are rows that the index does not know.
            back = bool(unreadable) or any(part.open is None for part in found)
            repaired = manifest.updated(
                index=None if broken or back else manifest.index,
                tombstones=None if unreadable or rows.orphaned.any() else manifest.tombstones,
                removals=None if forgotten else manifest.removals,
                next_id=_next_id(manifest, found),
            )
            repaired = _write(directory, repaired, found, rows, report)
    return Repair(
        tuple(damages),
        lost,
        _lost_rows(found),
        manifest.index is not None and repaired.index is None,
        int(np.count_nonzero(rows.alive & rows.good)),
    )


def _write(
    directory: Path, manifest: Manifest, found: Sequence[_Examined], rows: _Rows, report: Report
) -> Manifest:
    """Write the damaged feature files anew, or, where none is damaged, only the manifest."""
    chosen = {number for number, part in enumerate(found) if part.damage is not None}
    if chosen:
        return rewrite_parts(directory, manifest, rows.stored(chosen), chosen, rows.removed, report=report)
    if manifest.tombstones != Manifest.load(directory).tombstones:
        manifest = manifest.updated(generation=manifest.generation + 1)
    manifest.save(directory)
    remove_strangers(directory, manifest)
    return manifest


@dataclass(frozen=True)
class _Examined:
    """A feature file as it was found.

    Attributes:
        record: as the manifest has it.
        rows: how many it has or had; 0 where that is unknown.
        ids: (rows,) int64 as they are read; -1 where the file is lost.
        good: (rows,) bool, rows whose checksum holds.
        open: opens it; None where it is lost.
        damage: what was found and done; None for an intact file.
        lost_tags: numbers of the tags that have no name any more.
    """

    record: PartRecord
    rows: int
    ids: NDArray[np.int64]
    good: NDArray[np.bool_]
    open: Callable[[], SalvagedPart] | None
    damage: Damage | None = None
    lost_tags: frozenset[int] = frozenset()


def _examine_parts(directory: Path, manifest: Manifest, report: Report) -> list[_Examined]:
    found = []
    for done, record in enumerate(manifest.parts, start=1):
        found.append(_examine(directory / record.name, manifest.encoder.dimension, record))
        report(Progress("checking", done, len(manifest.parts)))
    return [_with_doubt(part, found) for part in found]


def _with_doubt(part: _Examined, found: Sequence[_Examined]) -> _Examined:
    """Say which tags may have a wrong name, where the damage is in none of the rows.

    Names of tags have no checksum of their own, but an intact file that uses the same name vouches for it.
    """
    if part.damage is None or part.open is None or not part.good.all():
        return part
    vouched = {
        (tag.name, tag.category)
        for other in found
        if other.open is not None and other.damage is None
        for tag in other.open().vocabulary
    }
    unsure = sorted(
        tag.name
        for number, tag in enumerate(part.open().vocabulary)
        if (tag.name, tag.category) not in vouched and number not in part.lost_tags
    )
    if not unsure:
        return part
    more = f" and {len(unsure) - DOUBTED} more" if len(unsure) > DOUBTED else ""
    doubt = f"; one of these tags may be misspelt by it: {', '.join(unsure[:DOUBTED])}{more}"
    return replace(part, damage=replace(part.damage, problem=part.damage.problem + doubt))


def _examine(path: Path, dimension: int, record: PartRecord) -> _Examined:
    opener = partial(SalvagedPart, path, dimension, record)
    try:
        part = opener()
        intact = record.sha256 is not None and file_sha256(path) == record.sha256
        if intact:
            Part(path, dimension)  # whoever forged the file may have put its checksum right
    except (CollectionDamagedError, OSError) as error:
        rows = record.rows
        lost = f"{rows:,} images are lost" if record.sha256 else "its images, an unknown number, are lost"
        problem = f"{str(error).split('; ')[0]}; {lost}: build again from the folder"
        whole = Damage(record.name, problem, tuple(range(rows)))
        return _Examined(record, rows, np.full(rows, -1, np.int64), np.zeros(rows, bool), None, whole)
    if intact:
        ids = np.array(part["id"], np.int64)
        return _Examined(record, part.rows, ids, np.ones(part.rows, bool), opener)
    good, ids = part.good, np.array(part["id"], np.int64)
    bad = tuple(np.flatnonzero(~good).tolist())
    problems = [f"{len(bad):,} of {part.rows:,} rows are damaged and dropped"] if bad else []
    if record.sha256 is not None and not bad:
        problems.append("it differs from its checksum, but its rows are intact; written anew")
    if part.lost_tags:
        problems.append(
            f"{len(part.lost_tags)} tag names are lost, {part.tags_with(part.lost_tags):,} images had one"
        )
    damage = Damage(record.name, "; ".join(problems), bad) if problems else None
    return _Examined(record, part.rows, ids, good, lambda: part, damage, part.lost_tags)


class _Rows:
    """All rows of a damaged collection.

    Attributes:
        good: (rows,) bool, rows whose checksum holds.
        alive: (rows,) bool, rows that were live, damaged ones included.
        orphaned: (rows,) bool, intact rows that must not come back though what superseded them is dropped.
        removed: positions of the tombstones from now on.
    """

    def __init__(self, found: Sequence[_Examined], removed: NDArray[np.int64]) -> None:
        self._found = found
        self.good = np.concatenate([np.zeros(0, bool), *(part.good for part in found)])
        known = np.concatenate(
            [np.zeros(0, bool), *(np.full(part.rows, part.open is not None) for part in found)]
        )
        ids = np.concatenate([np.zeros(0, np.int64), *(part.ids for part in found)])
        count = len(ids)
        # Rows of lost files supersede nothing: each gets an id of its own.
        ids = np.where(known, ids, -1 - np.arange(count))
        _, last, group = np.unique(ids[::-1], return_index=True, return_inverse=True)
        winner = (count - 1 - last)[group.reshape(-1)][::-1]
        self.alive = known & (winner == np.arange(count))
        self.alive[removed] = False
        self.orphaned = self.good & (winner != np.arange(count)) & ~self.good[winner]
        self.removed = np.union1d(removed, np.flatnonzero(self.orphaned)).astype(np.int64)

    def stored(self, chosen: set[int]) -> list[StoredPart]:
        """Every file with the rows that stay: live and intact ones in those that are written anew."""
        parts, start = [], 0
        for number, part in enumerate(self._found):
            place = slice(start, start + part.rows)
            staying = (self.alive & self.good)[place] if number in chosen else np.ones(part.rows, bool)
            kept = np.flatnonzero(staying)
            source = KeptRows(part.open or _nothing, kept, part.lost_tags)
            parts.append(StoredPart(part.record, part.rows, kept, source))
            start += part.rows
        return parts

    def lost(self) -> Iterator[LostImage]:
        """Live images whose rows are damaged."""
        start = 0
        for part in self._found:
            place = slice(start, start + part.rows)
            if part.open is not None and not part.good.all():
                opened = part.open()
                heap = lies_inside(opened["path/end"], opened.capacity.path_bytes)
                for row in np.flatnonzero(self.alive[place] & ~part.good).tolist():
                    yield LostImage(int(part.ids[row]), opened.image_path(row) if heap[row] else None)
            start += part.rows


def _nothing() -> Part:
    raise AssertionError("a lost file has no rows to copy")


def _read_tombstones(
    directory: Path, manifest: Manifest, rows: int
) -> tuple[NDArray[np.int64], list[Damage]]:
    record = manifest.tombstones
    try:
        return read_tombstones(directory, record, rows), []
    except CollectionDamagedError as error:
        assert record is not None  # noqa: S101 - without one there is nothing to read
        problem = str(error).split("; ")[0]
        back = f"{_tombstones_before(directory, record)} removed images are back: remove them again"
        return np.empty(0, np.int64), [Damage(record.name, f"{problem}; {back}")]


def _tombstones_before(directory: Path, record: FileRecord) -> str:
    try:
        size = (directory / record.name).stat().st_size
    except OSError:
        return "all"
    return f"{(size - _HEADER) // _POSITION:,}" if size >= _HEADER else "all"


def _broken_removals(directory: Path, manifest: Manifest) -> Iterator[Damage]:
    try:
        read_removals(directory, manifest.removals)
    except CollectionDamagedError as error:
        assert manifest.removals is not None  # noqa: S101 - without one there is nothing to read
        problem = str(error).split("; ")[0]
        yield Damage(
            manifest.removals.name,
            f"{problem}; what was removed from the collection is forgotten: the next build takes it in again",
        )


def _broken_derived(directory: Path, manifest: Manifest) -> Iterator[Damage]:
    for damage in verify_index(directory, manifest.index):
        yield replace(damage, problem=f"{damage.problem.split('; ')[0]}; the index is built anew")


def _next_id(manifest: Manifest, found: Sequence[_Examined]) -> int:
    """An id that no image has had, whatever was lost of a file that was open for writing."""
    highest = manifest.next_id
    for part in found:
        if part.record.sha256 is None:
            good = part.ids[part.good]
            highest = max(highest, int(good.max()) + 1 if len(good) else 0)
            lost = len(part.good) - len(good)
            highest += lost if part.open else Capacity.for_dimension(manifest.encoder.dimension).rows
    return highest


def _lost_rows(found: Sequence[_Examined]) -> int | None:
    lost = [part for part in found if part.open is None]
    if any(part.record.sha256 is None for part in lost):
        return None
    return sum(part.rows for part in lost)
