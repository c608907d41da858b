"""`repair_collection`: what ``verify --repair`` does with a collection that the disk has damaged.

Whatever a checksum vouches for stays, bit for bit, and each row has one of its own: it is kept whatever is
wrong around it, a file that is too long, was cut or has another name, its header, a count in the manifest. A
row that fails its own checksum is dropped and its file rewritten without it; derived files are dropped, to
be built again. Nothing is guessed, and everything that was lost is said.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.upkeep.copying import KeptRows
from i2v_search.build.upkeep.finding import FoundPart, files_in, find_parts
from i2v_search.build.upkeep.rewriting import StoredPart, rewrite_parts
from i2v_search.build.upkeep.salvaging import SalvagedPart, lies_inside
from i2v_search.errors import CollectionDamagedError
from i2v_search.escapes import JsonReady
from i2v_search.files import read_regular, write_atomically
from i2v_search.index.index_files import verify_index
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.checksums import Damage, difference
from i2v_search.store.feature_file import Capacity, FeatureFile
from i2v_search.store.manifest import FILE_NAME, FileRecord, Manifest, PartRecord
from i2v_search.store.removals import read_removals, read_tombstones
from i2v_search.store.view_file import keep_views, view_damages
from i2v_search.store.writer import WriterLock, remove_strangers

#: So many tags whose spelling is in doubt are named.
DOUBTED = 10
#: Bytes of the header of a tombstones file, and of one position in it.
_HEADER, _POSITION = 128, 8
#: Bytes of a file that is searched for a list of removed images.
_MOST_LISTED = 2**26


@dataclass(frozen=True)
class LostImage(JsonReady):
    """An image with a damaged row: id and path from that row, which may be damaged themselves.

    `path` is None if it cannot be read.

    Example:
        >>> lost = LostImage(17, "birds/owl.webp")
        >>> lost.to_dict()
        {'id': 17, 'path': 'birds/owl.webp'}
    """

    id: int
    path: str | None


@dataclass(frozen=True)
class Repair(JsonReady):
    """Result of `repair_collection`.

    Attributes:
        damages: damage and its repair, by file; empty for an intact collection.
        lost: images with single dropped rows.
        lost_rows: number of rows of files that were dropped or truncated; None if unknown.
        index_dropped: whether the index must be rebuilt.
        images: number of remaining live rows.

    Example:
        >>> from i2v_search import Collection
        >>> done = Collection.repair("index/art")
        >>> done.complete, done.images
        (True, 15)
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


def repair_collection(directory: Path, *, report: Report = silent) -> Repair:
    """Drop what is damaged, so that every file of a collection is what it claims to be again.

    Args:
        directory: the collection.
        report: called with the progress.

    Returns:
        What was damaged, and what was lost. Nothing changes where nothing is damaged.

    Raises:
        CollectionNotFoundError: there is no collection.
        CollectionLockedError: another process is writing.
        CollectionDamagedError: ``collection.json`` is damaged.
        OSError: the disk is full or fails, or a file is there and cannot be read now; nothing is changed.
    """
    Manifest.load(directory)  # the lock would make a folder if there is none
    with WriterLock(directory):
        manifest = Manifest.load(directory)
        found = _examine_parts(directory, manifest, report)
        put_back = [*_put_back(directory, manifest.tombstones), *_put_back(directory, manifest.removals)]
        removed, unreadable = _read_tombstones(directory, manifest, sum(part.rows for part in found))
        forgotten = list(_broken_removals(directory, manifest))
        broken = list(_broken_derived(directory, manifest))
        blanks = [] if Manifest.is_as_saved(directory) else [Damage(FILE_NAME, "differs only in white space")]
        damaged = [part.damage for part in found if part.damage]
        views = [*_broken_views(directory)]
        damages = [*blanks, *damaged, *put_back, *unreadable, *forgotten, *broken]
        rows = _Rows(found, removed)
        lost = tuple(rows.lost())
        repaired = manifest
        if damages:
            # Rows that come back are rows that the index does not know.
            back = bool(unreadable) or any(not part.as_recorded for part in found)
            repaired = manifest.updated(
                index=None if broken or back else manifest.index,
                tombstones=None if unreadable or rows.orphaned.any() else manifest.tombstones,
                removals=None if forgotten else manifest.removals,
                next_id=_next_id(manifest, found),
            )
            repaired = _write(directory, repaired, found, rows, report)
        if views:
            keep_views(directory)
    return Repair(
        (*damages, *views),
        lost,
        _lost_rows(found),
        manifest.index is not None and repaired.index is None,
        int(np.count_nonzero(rows.alive & rows.good)),
    )


def _write(
    directory: Path, manifest: Manifest, found: Sequence[_Examined], rows: _Rows, report: Report
) -> Manifest:
    """Write the damaged feature files again, or, where none is damaged, only the manifest."""
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
        ids: (rows,) int64 of the rows it has or had, as they are read; -1 if there is none.
        good: (rows,) bool, rows whose checksum holds.
        open: opens it; None if it is lost.
        held: how many rows it has now; those behind are lost with what was cut off, or with the whole file.
        damage: what was found and done; None for an intact file.
        vouched: whether a checksum vouches for all of its content.
        lost_tags: numbers of the tags that have no name any more.
    """

    record: PartRecord
    ids: NDArray[np.int64]
    good: NDArray[np.bool_]
    open: Callable[[], FeatureFile] | None
    held: int
    damage: Damage | None = None
    vouched: bool = False
    lost_tags: frozenset[int] = frozenset()

    @property
    def rows(self) -> int:
        """Number of rows it has or had; 0 if unknown."""
        return len(self.ids)

    @property
    def as_recorded(self) -> bool:
        """Whether every row is where the manifest, and with it the index, has it."""
        return self.held == self.rows and (self.record.sha256 is None or self.rows == self.record.rows)


def _examine_parts(directory: Path, manifest: Manifest, report: Report) -> list[_Examined]:
    found = []
    dimension, places = manifest.encoder.dimension, find_parts(directory, manifest)
    for done, (record, place) in enumerate(zip(manifest.parts, places, strict=True), start=1):
        found.append(_examine(place, dimension, record))
        report(Progress("checking", done, len(manifest.parts)))
    return [_with_doubt(part, found) for part in found]


def _with_doubt(part: _Examined, found: Sequence[_Examined]) -> _Examined:
    """Add the tags that may be misspelt, if the damage is in none of the rows.

    Names of tags have no checksum of their own, but an intact file that uses the same name vouches for it.
    """
    if part.damage is None or part.vouched or part.open is None or not part.good.all():
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


def _examine(place: FoundPart, dimension: int, record: PartRecord) -> _Examined:
    path, reason = place.path, ""
    try:
        sound = FeatureFile(path, dimension)
        rows = sound.rows
        if record.sha256 is None:
            place = replace(place, intact=rows >= record.rows and not sound.damaged_rows())
        if place.intact and path.name == record.name and (record.sha256 is None or rows == record.rows):
            ids = np.array(sound["id"], np.int64)
            return _Examined(record, ids, np.ones(rows, bool), partial(FeatureFile, path, dimension), rows)
    except CollectionDamagedError as error:  # whoever forged the file may have put its checksum right
        reason = _reason(error, path)
    try:
        part = SalvagedPart(path, dimension, record)
    except CollectionDamagedError as error:
        lost = (
            f"{record.rows:,} images are lost" if record.sha256 else "an unknown number of its images is lost"
        )
        problem = f"{_reason(error, path)}; {lost}; build from the folder again"
        whole = Damage(record.name, problem, tuple(range(record.rows)))
        ids = np.full(record.rows, -1, np.int64)
        return _Examined(record, ids, np.zeros(len(ids), bool), None, 0, whole)
    # Of an intact file the manifest has a wrong number of rows; another may be an older one of its name.
    missing = 0 if place.intact else max(0, record.rows - part.rows)
    ids = np.concatenate([part["id"], np.full(missing, -1, np.int64)])
    good = np.concatenate([part.good, np.zeros(missing, bool)])
    problem = "; ".join(_problems(place, record, part, reason))
    damage = Damage(record.name, problem, tuple(np.flatnonzero(~good).tolist()))
    opener = partial(SalvagedPart, path, dimension, record)
    return _Examined(record, ids, good, opener, part.rows, damage, place.intact, part.lost_tags)


def _reason(error: CollectionDamagedError, path: Path) -> str:
    """The reason of an error about a file, without its name and advice."""
    return str(error).split("; ")[0].removeprefix(os.fspath(path)).lstrip(": ")


def _problems(place: FoundPart, record: PartRecord, part: SalvagedPart, reason: str) -> Iterator[str]:
    """Description of a damaged file, in words."""
    if place.path.name != record.name:
        yield f"renamed to {place.path.name}"
    if reason:
        yield reason
    if record.sha256 is not None and part.rows != record.rows:
        yield f"it has {part.rows:,} rows, {FILE_NAME} says {record.rows:,}"
    bad = int(np.count_nonzero(~part.good))
    if bad:
        yield f"{bad:,} of {part.rows:,} rows are damaged and were dropped"
    elif place.intact or reason:
        yield "its rows are intact; rewritten"
    else:
        yield "it differs from its checksum, but its rows are intact; rewritten"
    if part.lost_tags:
        count = part.tags_with(part.lost_tags)
        yield f"{len(part.lost_tags)} tag names are lost, which {count:,} images had"


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
        known = np.concatenate([np.zeros(0, bool), *(np.arange(part.rows) < part.held for part in found)])
        ids = np.concatenate([np.zeros(0, np.int64), *(part.ids for part in found)])
        count = len(ids)
        # Rows of lost files supersede nothing, nor do those whose id may be damage: each gets one of its own.
        doubtful = known & ~self.good
        doubtful[doubtful] = [not sure for sure in _are_of_their_ids(found, ids, doubtful)]
        ids = np.where(known & ~doubtful, ids, -1 - np.arange(count))
        _, last, group = np.unique(ids[::-1], return_index=True, return_inverse=True)
        winner = (count - 1 - last)[group.reshape(-1)][::-1]
        self.alive = known & (winner == np.arange(count))
        self.alive[removed] = False
        self.orphaned = self.good & (winner != np.arange(count)) & ~(self.alive & self.good)[winner]
        self.removed = np.union1d(removed, np.flatnonzero(self.orphaned)).astype(np.int64)

    def stored(self, chosen: set[int]) -> list[StoredPart]:
        """Every file with the rows that stay: live and intact ones in those that are rewritten."""
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


def _are_of_their_ids(
    found: Sequence[_Examined], ids: NDArray[np.int64], damaged: NDArray[np.bool_]
) -> Iterator[bool]:
    """Whether each damaged row is of the image whose id it has: it then supersedes older rows of it.

    Args:
        found: the files.
        ids: (rows,) int64, of all rows in turn.
        damaged: (rows,) bool, those requested, none of them in a lost file.
    """
    sound: dict[int, list[_Likeness]] = {}
    asked: list[tuple[int, _Likeness]] = []
    concerned, start = np.isin(ids, ids[damaged]), 0
    for part in found:
        rows = np.flatnonzero(concerned[start : start + part.rows])
        if part.open is not None and len(rows):
            opened = part.open()
            for row in rows[rows < part.held].tolist():
                number, own = int(ids[start + row]), _Likeness.of(opened, row)
                if damaged[start + row]:
                    asked.append((number, own))
                else:
                    sound.setdefault(number, []).append(own)
        start += part.rows
    for number, own in asked:
        yield any(own.is_like(other, near=number > 0) for other in sound.get(number, ()))


class _Likeness(NamedTuple):
    """Common values of the rows of one image: its content if it was moved, its path if it changed."""

    sha256: bytes
    vector: bytes
    path: bytes

    @classmethod
    def of(cls, part: FeatureFile, row: int) -> Self:
        """Of a row, as it is read."""
        path = os.fsencode(part.image_path(row))
        return cls(part["sha256"][row].tobytes(), part["vectors"][row].tobytes(), path)

    def is_like(self, other: _Likeness, *, near: bool) -> bool:
        """Whether one of them is the same; where `near`, of the path one byte may be damaged.

        An id of 0 may be part of a hole of zeros: what is only near then says nothing.
        """
        if self.sha256 == other.sha256 or self.vector == other.vector:
            return True
        same_length = len(self.path) == len(other.path) > 0
        return same_length and sum(a != b for a, b in zip(self.path, other.path, strict=True)) <= near


def _nothing() -> FeatureFile:
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
        back = f"{_tombstones_before(directory, record)} removed images are back; remove them again"
        return np.empty(0, np.int64), [Damage(record.name, f"{problem}; {back}")]


def _put_back(directory: Path, record: FileRecord | None) -> Iterator[Damage]:
    """Write a list of removed images again where a file begins with what its checksum is of."""
    path = directory / record.name if record else directory
    if record is None or not difference(path, record.sha256):
        return
    for other in (path, *files_in(directory)):
        content = read_regular(other) if other.is_file() and other.stat().st_size <= _MOST_LISTED else b""
        digest, start = hashlib.sha256(), 0
        for end in _ends(content):
            digest.update(content[start:end])
            start = end
            if digest.hexdigest() == record.sha256:
                write_atomically(path, content[:end])
                why = "was too long" if other == path else f"had the name {other.name}"
                yield Damage(record.name, f"it {why}; its content is intact; rewritten")
                return


def _ends(content: bytes) -> Iterator[int]:
    """Possible ends of a list of removed images: after a position, or after a line."""
    if content.startswith(b"\x93NUMPY"):
        yield from range(_HEADER + _POSITION, len(content) + 1, _POSITION)
    elif content.startswith(b"{"):
        yield from (found.end() for found in re.finditer(rb"\n", content))


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
            f"{problem}; the list of removed images is lost: the next build adds them again",
        )


def _broken_derived(directory: Path, manifest: Manifest) -> Iterator[Damage]:
    for damage in verify_index(directory, manifest.index):
        yield replace(damage, problem=f"{damage.problem.split('; ')[0]}; the index is rebuilt")


def _broken_views(directory: Path) -> Iterator[Damage]:
    for damage in view_damages(directory):
        yield replace(damage, problem=f"{damage.problem}; dropped, the next build makes them again")


def _next_id(manifest: Manifest, found: Sequence[_Examined]) -> int:
    """An id that no image has had, whatever was lost of a file that was open for writing."""
    highest = max([manifest.next_id, *(int(part.ids[part.good].max(initial=-1)) + 1 for part in found)])
    for part in found:
        if part.record.sha256 is None:
            lost = int(np.count_nonzero(~part.good))
            highest += lost if part.open else Capacity.for_dimension(manifest.encoder.dimension).rows
    return highest


def _lost_rows(found: Sequence[_Examined]) -> int | None:
    if any(part.open is None and part.record.sha256 is None for part in found):
        return None
    return sum(part.rows - part.held for part in found)
