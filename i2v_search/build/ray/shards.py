"""One shard of a job that several machines share: extracted into a folder of its own, and put in place whole.

Every attempt at a shard writes a collection of its own into a hidden folder and, when that is finished,
renames it to its final name. So a shard is there whole or not at all, whichever machine dies; and of two
attempts that both continue (a machine that was only cut off still works) the first to finish stays. Nothing
here knows of Ray: the folder is all that driver and workers share.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import numpy as np

from i2v_search.build.changes import find_absent, find_scopes, is_unchanged
from i2v_search.build.colours import ColourNotes
from i2v_search.build.extract import Extraction, extract
from i2v_search.build.options import BuildOptions
from i2v_search.build.sharding import Shard
from i2v_search.build.views import update_views, wanted_views
from i2v_search.encoders.base import Encoder
from i2v_search.errors import ClusterError
from i2v_search.files import read_regular, sync_directory, write_atomically
from i2v_search.images.sources import FollowedLink, Skipped, SourceImage
from i2v_search.images.unread import NotRead
from i2v_search.progress import Progress
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.removals import read_removals
from i2v_search.store.writer import StoreWriter, WriterLock
from i2v_search.tags.vocabulary import Tag

#: A shard that has taken its worker with it so often is given up: an image in it may kill any process.
MAX_ATTEMPTS: Final = 8
#: Seconds between two signs of life of a worker.
BEAT: Final = 0.5
_OUTCOME: Final = "outcome.json"


@dataclass(frozen=True)
class ShardJob:
    """Job description for a worker; the same for all shards.

    Attributes:
        collection: directory of the collection that the shards will be merged into; it exists.
        folder: where finished shards go, on the file system that all machines share.
        sources: absolute.
        shards: how many there are.
        options: how the workers extract, with encoder and tagger as the collection names them.
    """

    collection: str
    folder: str
    sources: tuple[str, ...]
    shards: int
    options: BuildOptions

    def place(self, number: int) -> Path:
        """Path of a finished shard."""
        return Path(self.folder) / f"shard-{number:05d}-of-{self.shards:05d}"

    def beat(self, number: int) -> Path:
        """Path of the heartbeat of the worker on a shard."""
        return Path(self.folder) / f"beat-{number:05d}.json"

    def unfinished(self) -> list[int]:
        """The shards that are still to be done."""
        return [number for number in range(1, self.shards + 1) if not self.place(number).exists()]

    def outcomes(self) -> Iterator[ShardOutcome]:
        """Results of the finished shards."""
        for number in range(1, self.shards + 1):
            if self.place(number).exists():
                yield ShardOutcome.load(self.place(number))


@dataclass(frozen=True)
class ShardOutcome:
    """A finished shard.

    Attributes:
        number: number of the shard.
        node: node of the worker that did it.
        process: process of the worker, its id.
        started: seconds since 1970.
        finished: seconds since 1970.
        extraction: what was done.
        gone: stored paths of images that the collection holds and the sources do not any more.
        changed: stored paths of images that the collection holds and a merge would not bring up to date:
            their files are older than it knows them, or only the tags beside them are new.
    """

    number: int
    node: str
    process: int
    started: float
    finished: float
    extraction: Extraction
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Number of images that were met."""
        done = self.extraction
        counted = (done.encoded, done.copied, done.moved, done.restored, done.refreshed, done.unchanged)
        return sum(counted) + done.left_out + len(done.skipped)

    def save(self, folder: Path) -> None:
        """Write the outcome beside its shard."""
        document = {**vars(self), "extraction": self.extraction.to_dict()}
        write_atomically(folder / _OUTCOME, json.dumps(document).encode())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the outcome of a finished shard.

        Raises:
            ClusterError: it is not there or not one.
        """
        try:
            document = json.loads(read_regular(folder / _OUTCOME))
            done = document.pop("extraction")
            skipped = tuple(Skipped(**item) for item in done.pop("skipped"))
            not_read = tuple(NotRead(**item) for item in done.pop("not_read"))
            links = tuple(FollowedLink(**item) for item in done.pop("links"))
            gone, changed = (tuple(document.pop(name)) for name in ("gone", "changed"))
            extraction = Extraction(**done, skipped=skipped, not_read=not_read, links=links)
            return cls(**document, extraction=extraction, gone=gone, changed=changed)
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise ClusterError(
                f"{folder} is not a finished shard ({error}); delete it and run again"
            ) from error


def extract_shard(
    job: ShardJob, number: int, encoder: Encoder, known: KnownRows, *, node: str
) -> ShardOutcome:
    """Extract one shard into a finished collection; one that is finished already is left as it is.

    Args:
        job: what to do.
        number: number of the shard, from 1.
        encoder: with the tagger, if any; what made the vectors of the collection.
        known: what the collection holds, which is not encoded again.
        node: what this machine is called.

    Returns:
        What was done, now or before.

    Raises:
        ClusterError: the shard has killed too many workers.
        ImageError: an image cannot be read, with `strict`.
        OSError: the disk is full or fails.
    """
    place = job.place(number)
    if place.exists():
        return ShardOutcome.load(place)
    hidden = f".{place.name}."
    dead = sum(path.name.startswith(hidden) for path in place.parent.iterdir())
    if dead >= MAX_ATTEMPTS:
        raise ClusterError(
            f"shard {number} of {job.shards} has terminated {dead} workers; to find the image that causes "
            f"it, run i2v-search extract --shard {number}/{job.shards} on one machine"
        )
    attempt = place.with_name(f"{hidden}{uuid4().hex}")
    try:
        outcome = _extract_into(attempt, job, number, encoder, known)
        replace(outcome, node=node).save(attempt)
        _put_in_place(attempt, place)
    except BaseException:
        shutil.rmtree(attempt, ignore_errors=True)
        raise
    job.beat(number).unlink(missing_ok=True)
    return ShardOutcome.load(place)


def blank_manifest(of: Manifest) -> Manifest:
    """The manifest of an empty collection that can be merged into another."""
    return Manifest(encoder=of.encoder, tagger=of.tagger, similarity=of.similarity, image_root=of.image_root)


def _extract_into(
    attempt: Path, job: ShardJob, number: int, encoder: Encoder, known: KnownRows
) -> ShardOutcome:
    started, shard, target = time.time(), Shard(number, job.shards), known.store
    known.forget()
    with WriterLock(attempt):
        manifest = blank_manifest(target.manifest)
        manifest.save(attempt)
        with closing(ColourNotes(attempt)) as notes:
            writer = StoreWriter(attempt, manifest)
            try:
                done = extract(
                    writer,
                    job.sources,
                    encoder,
                    sync=False,
                    strict=job.options.strict,
                    exclude=job.options.exclude,
                    wanted=shard.holds,
                    known=known,
                    removals=known.removals,
                    notes=notes,
                    count=False,
                    report=_Heart(job.beat(number)),
                )
                writer.finish()
            finally:
                writer.close()
        update_views(
            attempt,
            job.sources,
            encoder,
            wanted_views(target.directory, sketches=job.options.sketches, details=job.options.details),
            exclude=job.options.exclude,
            wanted=shard.holds,
            report=_Heart(job.beat(number)),
        )
    scopes = find_scopes(job.sources, Path(target.manifest.image_root))
    absent = find_absent(target, known.seen, scopes, done.skipped, shard.holds)
    gone, changed = (tuple(map(target.path, positions)) for positions in (absent.gone, known.changed))
    skipped = (*done.skipped, *absent.away)
    done = replace(done, unchanged=done.unchanged - len(changed), skipped=skipped)
    return ShardOutcome(number, "", os.getpid(), started, time.time(), done, gone, changed)


def _put_in_place(attempt: Path, place: Path) -> None:
    try:
        attempt.rename(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(attempt, ignore_errors=True)  # another attempt was faster
    else:
        sync_directory(place.parent)


class KnownRows:
    """Known images of a collection, for `extract`; records which of its rows were met.

    Attributes:
        store: the collection's feature store.
        removals: what stays out of the collection.
        seen: (rows,) bool.
        changed: rows of images whose change a merge would not see; see `ShardOutcome.changed`.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store, self._catalogue = store, Catalogue(store)
        self.removals = read_removals(store.directory, store.manifest.removals)
        self.forget()

    def forget(self) -> None:
        """Begin with another shard."""
        self.seen = np.zeros(self.store.rows, bool)
        self.changed: list[int] = []

    def __call__(self, item: SourceImage | Skipped, tags: Sequence[Tag]) -> bool:
        """Whether there is nothing to encode."""
        position = self._catalogue.find_path(item.path)
        if position is None:
            return False
        self.seen[position] = True
        if isinstance(item, Skipped) or is_unchanged(self.store, position, item, tags):
            return True
        if int(self.store.column("mtime_ns", np.array([position]))[0]) < item.mtime_ns:
            return False
        self.changed.append(position)
        return True


class _Heart:
    """Leaves a sign of life now and then: how far a worker is with its shard."""

    def __init__(self, path: Path) -> None:
        self._path, self._started, self._last = path, time.time(), 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.time()
        if now - self._last < BEAT:
            return
        self._last = now
        beat: dict[str, Any] = {"process": os.getpid(), "started": self._started, "done": progress.done}
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(beat), encoding="ascii")
        temporary.replace(self._path)
