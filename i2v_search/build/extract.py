"""Extraction: images -> decode workers -> batches -> encoder -> feature store.

Decoding runs in threads, a bounded number of images ahead of the forward pass, so that both keep the cores
busy and memory does not grow with the number of images. Rows are written in the order of the images, and a
vector does not depend on its batch: a build that was killed and resumed gives the same rows as one that was
not.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from i2v_search.build.changes import Places, find_absent, find_scopes, is_unchanged
from i2v_search.build.colours import ColourNotes
from i2v_search.encoders.base import Encoder, Encoding, encode_batch, tags_of
from i2v_search.encoders.stream import Batch, run_batches, skipping
from i2v_search.errors import ImageError
from i2v_search.images.colours import Colours
from i2v_search.images.decoding import decode_image
from i2v_search.images.sidecar import Sidecars
from i2v_search.images.signature import is_signed
from i2v_search.images.sources import (
    FollowedLink,
    Skipped,
    Source,
    SourceImage,
    Wanted,
    count_images,
    everything,
    followed_links,
    iter_images,
)
from i2v_search.images.unread import DRAWN, NotRead, Tally
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.catalogue import Catalogue, find_removed
from i2v_search.store.feature_file import ImageRecord, storable_time
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.removals import Removals
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

#: Bytes of a stored path; only a member of a hostile archive has more.
MAX_PATH = 16 * 2**10
#: The most that a predicted tag has, as the store keeps it.
LESS_THAN_CERTAIN = float(np.nextafter(np.float16(1), np.float16(0)))

Known: TypeAlias = Callable[[SourceImage | Skipped, Sequence[Tag]], bool]
"""Tells whether an image, with the tags beside it, is up to date in another collection."""


def unknown(_: SourceImage | Skipped, __: Sequence[Tag]) -> bool:
    """The default: there is no other collection."""
    return False


@dataclass(frozen=True)
class Extraction:
    """Result of an extraction, as numbers of images.

    Attributes:
        encoded: encoded images.
        copied: images with the same content as another, which share its vector.
        moved: images found under a new path, with the same id and vector.
        restored: removed images that are back, with their old id and vector.
        refreshed: images with a new file time or new tags and the same content.
        unchanged: unchanged images.
        removed: images that are no longer in the sources.
        excluded: removed images with existing files, which are excluded now.
        left_out: images that were removed with `remove`, and are skipped.
        skipped: unreadable images, with the reason.
        not_read: other files in the folders, by kind, with a hint.
        links: followed symbolic links to folders.
        seconds: wall time.

    Example:
        >>> done = Extraction(encoded=3, unchanged=12, skipped=(Skipped("drafts/broken.png", "empty file"),))
        >>> done.encoded, done.unchanged, done.skipped[0].reason
        (3, 12, 'empty file')
    """

    encoded: int = 0
    copied: int = 0
    moved: int = 0
    restored: int = 0
    refreshed: int = 0
    unchanged: int = 0
    removed: int = 0
    excluded: int = 0
    left_out: int = 0
    skipped: tuple[Skipped, ...] = ()
    not_read: tuple[NotRead, ...] = ()
    links: tuple[FollowedLink, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        skipped = [{"path": item.path, "reason": item.reason} for item in self.skipped]
        not_read, links = [item.to_dict() for item in self.not_read], [vars(link) for link in self.links]
        return {**vars(self), "skipped": skipped, "not_read": not_read, "links": links}


def extract(
    writer: StoreWriter,
    sources: Sequence[Source],
    encoder: Encoder,
    *,
    sync: bool = True,
    strict: bool = False,
    exclude: Sequence[str] = (),
    wanted: Wanted = everything,
    known: Known = unknown,
    removals: Removals | None = None,
    notes: ColourNotes | None = None,
    sidecars: Sidecars | None = None,
    count: bool = True,
    report: Report = silent,
) -> Extraction:
    """Bring a feature store up to date with the images of some sources.

    Args:
        writer: writer of the feature store; not finished here.
        sources: folders, files, globs and archives (`i2v_search.images.sources`).
        encoder: the encoder of the collection.
        sync: remove images that are gone from the folders and archives among the sources.
        strict: raise on the first image that cannot be read, instead of reporting it.
        exclude: patterns to exclude, as in a ``.gitignore`` (`i2v_search.images.exclusion`).
        wanted: tells by its stored path which images this is about; the others are left alone.
        known: asked about every image that is not in the store; what it knows is not encoded.
        removals: what stays out; None for nothing.
        notes: keeps the colours of the pictures that are decoded; None forgets them.
        sidecars: what is said of the images beside them; None reads it.
        count: count the images first, so that progress has a total; a tar is read once more for that.
        report: called with the progress.

    Returns:
        What was done.

    Raises:
        ImageError: an image cannot be read, with `strict`.
        SourceError: a source does not exist or holds no image.
        OSError: the disk is full or fails; committed rows stay.
    """
    extractor = _Extractor(writer, encoder, Path(writer.manifest.image_root), strict=strict)
    extractor.wanted, extractor.known, extractor.count = wanted, known, count
    extractor.exclude = exclude
    extractor.removals = removals or Removals()
    extractor.notes = notes
    extractor.given = sidecars
    return extractor.run(sources, sync, report)


@dataclass
class _Entry:
    """An image on its way into the store: to be encoded, or with a row to copy."""

    record: ImageRecord
    image_id: int | None
    same: Sequence[int] = ()
    copy_of: int | None = None
    colours: Colours | None = None

    @property
    def is_new(self) -> bool:
        """Whether no row has its content."""
        return self.copy_of is None and not self.same


_Outcome: TypeAlias = _Entry | Skipped | Literal["unchanged", "drawn", "left_out"]


class _Pace:
    """Reports how many images are done with."""

    def __init__(self, report: Report, total: int | None, skipped: Sequence[Skipped]) -> None:
        self._report, self._total, self._skipped, self._done = report, total, skipped, 0

    def step(self) -> None:
        self._done += 1
        of = None if self._total is None else max(self._total, self._done)
        self._report(Progress("extracting", self._done, of, skipped=len(self._skipped)))


class _Extractor:
    def __init__(self, writer: StoreWriter, encoder: Encoder, root: Path, *, strict: bool) -> None:
        self.writer, self.encoder, self.root, self.strict = writer, encoder, root, strict
        self.store = FeatureStore(writer.directory, writer.manifest)
        self.catalogue = Catalogue(self.store)
        self.dead = Catalogue(self.store, self.store.removed)
        self.places = Places(root, writer.manifest.mounts)
        self.seen = np.zeros(self.store.rows, bool)
        self.counts: Counter[str] = Counter()
        self.skipped: list[Skipped] = []
        self.exclude: Sequence[str] = ()
        self.tally = Tally()
        self.wanted: Wanted = everything
        self.known: Known = unknown
        self.removals = Removals()
        self.notes: ColourNotes | None = None
        self.given: Sidecars | None = None
        self.count = True

    def run(self, sources: Sequence[Source], sync: bool, report: Report) -> Extraction:
        started = time.perf_counter()
        report(Progress("looking for images", 0, None))
        if self.given is not None:
            self.tally = self.given.tally
        total = self._total(sources, report) if self.count else None
        scopes = find_scopes(sources, self.root)
        self.sidecars = self.given or open_sidecars(
            self.root, sources, self.exclude, tally=self.tally, strict=self.strict, report=report
        )
        progress = _Pace(report, total, self.skipped)
        for batch in self._batches(sources, progress):
            entries: list[_Entry] = []
            for outcome in batch.items:
                match outcome:
                    case Skipped():
                        self._skip(outcome)
                    case _Entry():
                        entries.append(self._settle(outcome))
                    case "drawn":
                        self.tally.add(DRAWN)
                    case _:
                        self.counts[outcome] += 1
                progress.step()
            self._write(entries, batch.output)
        if sync:
            self._remove_missing(scopes)
        seconds = time.perf_counter() - started
        self.sidecars.count_unmatched(self.wanted)
        left = self.tally.counted()
        links = followed_links(self.tally, self.root)
        return Extraction(
            **self.counts, skipped=tuple(self.skipped), not_read=left, links=links, seconds=seconds
        )

    def _total(self, sources: Sequence[Source], report: Report) -> int:
        return count_images(sources, self.root, self.wanted, exclude=self.exclude, report=report)

    def _batches(self, sources: Sequence[Source], progress: _Pace) -> Iterator[Batch[_Outcome, Encoding]]:
        """Outcomes in the order of the sources, without those of images that are as they were."""
        images = iter_images(sources, self.root, self.wanted, exclude=self.exclude, tally=self.tally)
        encode = partial(encode_batch, self.encoder)
        return run_batches(
            self._without_current(images, progress), skipping(self._read), encode, self.encoder.batch_size
        )

    def _without_current(
        self, images: Iterable[SourceImage | Skipped], progress: _Pace
    ) -> Iterator[SourceImage | Skipped]:
        """The images for workers: handing one over takes longer than seeing that it is as it was."""
        for item in images:
            position = None if isinstance(item, Skipped) else self.catalogue.find_path(item.path)
            if (
                position is not None
                and not isinstance(item, Skipped)
                and not self.sidecars.may_have(item.path)
                and self._is_current(position, item, ())
            ):
                self.counts["unchanged"] += 1
                progress.step()
            else:
                yield item

    def _read(self, item: SourceImage | Skipped) -> tuple[_Outcome, Any]:
        """In a worker: find out whether an image has to be read and, if so, read it."""
        position = self.catalogue.find_path(item.path)
        if isinstance(item, Skipped):
            if position is not None:
                # It is there, if unreadable: what is known of it stays.
                self.seen[position] = True
            self.known(item, ())
            return item, None
        if len(os.fsencode(item.path)) > MAX_PATH:
            return Skipped(f"{item.path[:100]}…", f"its name is longer than {MAX_PATH} bytes"), None
        if position is None and self.removals.has_path(item.path):
            return "left_out", None
        tags = self.sidecars.of(item.path)
        if self._is_current(position, item, tags):
            return "unchanged", None
        return self._entry(item, position, tags)

    def _entry(self, item: SourceImage, position: int | None, tags: tuple[Tag, ...]) -> tuple[_Outcome, Any]:
        """Find out by its content whether an image is known and, if not, decode it."""
        content = item.read()
        if is_signed(content):
            return "drawn", None
        sha256 = hashlib.sha256(content).hexdigest()
        record = ImageRecord(item.path, sha256, item.size, storable_time(item.mtime_ns), 0, 0, tags)
        image_id = None if position is None else int(self.store.ids[position])
        before = find_removed(self.store, self.dead, item.path, sha256) if position is None else None
        if before is not None:
            return _Entry(record, int(self.store.ids[before]), copy_of=before), None
        same = self.catalogue.find_content(sha256)
        if same:
            return _Entry(record, image_id, same, copy_of=position if position in same else None), None
        if position is None and self.removals.has_content(sha256):
            return "left_out", None
        decoded = decode_image(content, name=item.path, shrink_to=self.encoder.shrink_to)
        record = replace(record, width=decoded.width, height=decoded.height)
        colours = self.notes.describe(decoded, sha256) if self.notes else None
        return _Entry(record, image_id, colours=colours), self.encoder.prepare(decoded.pixels)

    def _is_current(self, position: int | None, item: SourceImage, tags: tuple[Tag, ...]) -> bool:
        if position is None:
            return self.known(item, tags)
        self.seen[position] = True
        return is_unchanged(self.store, position, item, tags or None)

    def _settle(self, entry: _Entry) -> _Entry:
        """In order: decide whether a row to copy is that of a touched image, a moved one or a second copy."""
        if entry.is_new:
            self.counts["encoded"] += 1
            return entry
        if entry.copy_of is not None:
            alive = self.store.is_live(np.array([entry.copy_of]))[0]
            self.counts["refreshed" if alive else "restored"] += 1
            return self._copy(entry, entry.copy_of, self.store.record(entry.copy_of).tags)
        for position in entry.same if entry.image_id is None else ():
            if not self.seen[position] and not self.places.is_there(self.store.path(position)):
                self.seen[position] = True
                self.counts["moved"] += 1
                moved = replace(entry, image_id=int(self.store.ids[position]))
                return self._copy(moved, position, self.store.record(position).tags)
        self.counts["copied"] += 1
        # What a person said of the other image stays with it.
        return self._copy(entry, entry.same[0], self._of_head(self.store.record(entry.same[0]).tags))

    def _copy(self, entry: _Entry, position: int, tags: Sequence[Tag]) -> _Entry:
        other = self.store.record(position)
        merged = _merged(tags, entry.record.tags)
        record = replace(entry.record, width=other.width, height=other.height, tags=merged)
        return replace(entry, record=record, copy_of=position)

    def _of_head(self, tags: Sequence[Tag]) -> list[Tag]:
        """Those of `tags` that the encoder's head can have given."""
        vocabulary = self.encoder.vocabulary
        known = set(zip(vocabulary.names, vocabulary.categories, strict=True)) if vocabulary else set()
        return [tag for tag in tags if (tag.name, tag.category) in known]

    def _write(self, entries: Sequence[_Entry], encoding: Encoding | None) -> None:
        """Append the rows of a batch.

        Args:
            entries: settled.
            encoding: encoding of those that are new, in their order; None if none is.
        """
        if not entries:
            return
        rows = np.empty((len(entries), self.store.dimension), np.float16)
        norms = np.empty(len(entries), np.float32)
        records = [entry.record for entry in entries]
        fresh = [number for number, entry in enumerate(entries) if entry.is_new]
        if encoding is not None:
            rows[fresh], norms[fresh] = unit_float16(encoding.vectors)
            for number, head in zip(fresh, tags_of(self.encoder, encoding), strict=True):
                merged = _merged(map(_predicted, head), records[number].tags)
                records[number] = replace(records[number], tags=merged)
        copies = [number for number, entry in enumerate(entries) if not entry.is_new]
        if copies:
            positions = np.array([entries[number].copy_of for number in copies], np.int64)
            rows[copies], norms[copies] = self.store.take_float16(positions), self.store.norms(positions)
        self.writer.append(records, rows, norms, [entry.image_id for entry in entries])
        if self.notes is not None:
            for entry in entries:
                self.notes.add(entry.record.sha256, entry.colours)

    def _skip(self, skipped: Skipped) -> None:
        if self.strict:
            raise ImageError(skipped.path, skipped.reason)
        self.skipped.append(skipped)

    def _remove_missing(self, scopes: Sequence[str]) -> None:
        """Remove live rows inside the sources that were not met, unless what holds them could not be read."""
        absent = find_absent(self.store, self.seen, scopes, self.skipped, self.wanted)
        self.skipped += absent.away
        self.counts["removed"] = len(absent.gone)
        paths = map(self.store.path, absent.gone)
        self.counts["excluded"] = sum(os.path.lexists(self.root / path) for path in paths)
        self.writer.remove(absent.gone)


def open_sidecars(
    root: Path,
    sources: Sequence[Source],
    exclude: Sequence[str],
    *,
    tally: Tally,
    strict: bool,
    report: Report,
) -> Sidecars:
    """What is said beside the images of some sources."""
    folders = (Path(source).resolve() for source in sources if Path(source).is_dir())
    return Sidecars(root, dict.fromkeys(folders), exclude, tally, strict=strict, report=report)


def _predicted(tag: Tag) -> Tag:
    """A tag of the encoder: less than certain, as only tags that people gave are."""
    return tag if tag.probability < LESS_THAN_CERTAIN else replace(tag, probability=LESS_THAN_CERTAIN)


def _merged(first: Iterable[Tag], second: Sequence[Tag]) -> tuple[Tag, ...]:
    """Tags of both; the second's win."""
    return tuple({(tag.name, tag.category): tag for tag in (*first, *second)}.values())
