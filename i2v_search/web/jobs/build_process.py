"""A process that builds or updates a collection; `i2v_search.web.jobs.builder` starts it.

It reads an order from standard input, a line of JSON, and writes lines of JSON: progress, then how it ended.
When its input ends it stops as after Ctrl-C: what is finished is kept, and the next build continues there. A
server that dies thereby stops it too.
"""

from __future__ import annotations

import _thread
import errno
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from i2v_search.build.changes import root_is_away
from i2v_search.build.sharding import Shard
from i2v_search.collection.collection import Collection
from i2v_search.errors import CollectionLockedError, I2VSearchError, SourceError
from i2v_search.images.sources import count_images
from i2v_search.progress import Progress
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest

#: Pictures that a new collection has when it can be searched for the first time, and how it grows then.
_FIRST: Final = 250
_GROWTH: Final = 6
#: Seconds between two lines of progress.
_EVERY: Final = 0.2
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NICENESS: Final = 5
#: Unreadable pictures that are named.
_MOST_NAMED: Final = 500
#: The stage of a build in which pictures are counted.
EXTRACTING: Final = "extracting"


class Told:
    """Writes what the process has to say, each thing on a line.

    Args:
        stream: where to.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._last = stream, 0.0
        self.known, self._shown = 0, {"done": 0, "total": None, "skipped": 0}

    def report(self, progress: Progress) -> None:
        """Write how many pictures are in, unless that was written just now."""
        if progress.stage == EXTRACTING and progress.total:
            # What was known before is met in between: in this run or an earlier one it was counted already.
            known = min(self.known, progress.total)
            done = known + (progress.total - known) * progress.done // progress.total
            self._shown = {"done": done, "total": self._shown["total"], "skipped": progress.skipped}
        now = time.monotonic()
        if now - self._last >= _EVERY or progress.done == progress.total:
            self._last = now
            self.line(stage=progress.stage, **self._shown)

    def pictures(self, total: int, known: int) -> None:
        """Say how many there are."""
        self.known, self._shown = known, {"done": min(known, total), "total": total, "skipped": 0}
        self.line(stage="", **self._shown)

    def line(self, **document: Any) -> None:
        """Write a line."""
        self._stream.write(json.dumps(document).encode() + b"\n")
        self._stream.flush()


def build(directory: Path, folders: Sequence[Path], told: Told) -> Collection:
    """Build a collection, or bring it up to date; many new pictures can be searched before all are in.

    Raises:
        I2VSearchError: as `Collection.build` does.
    """
    told.line(stage="", done=0, total=None, skipped=0)
    # One that is empty may be the place of a disk; what was in it stays.
    counts = {folder: count_images([folder]) for folder in folders}
    total = sum(counts.values())
    if not total:
        raise SourceError(f"{', '.join(map(str, folders))}: no pictures")
    folders = [folder for folder, count in counts.items() if count]
    held = _held(directory, folders)
    told.pictures(total, min(held, total))
    encoder = None
    for share in shares(total - held):
        # Nothing is removed yet: an image that was moved may be met later, at its new place.
        part = Collection.extract(
            directory, folders, sync=False, encoder=encoder, wanted=share.holds, report=told.report
        )
        encoder = part.encoder
        part.index(report=told.report)
        told.known = _held(directory, folders)
    return Collection.build(directory, folders, encoder=encoder, report=told.report)


def shares(new: int) -> list[Shard]:
    """Growing shares of the images, each with those before it, that are put in before the rest.

    >>> [str(share) for share in shares(10_000)]
    ['1/36', '1/6']
    >>> shares(300)
    []
    """
    count = 1
    while new // count > _FIRST * _GROWTH:
        count *= _GROWTH
    found = []
    if count == 1 and new > 2 * _FIRST:
        count = _GROWTH
    while count > 1:
        found.append(Shard(1, count))
        count //= _GROWTH
    return found


def _held(directory: Path, folders: Sequence[Path]) -> int:
    """How many images of some folders a collection has, which may not exist yet."""
    if Manifest.find(directory) is None:
        return 0
    store = FeatureStore(directory)
    root, inside = store.manifest.image_root, tuple(os.path.join(folder.resolve(), "") for folder in folders)  # noqa: PTH118
    paths = (os.path.join(root, path) for path in store.paths_at(store.live))  # noqa: PTH118
    return sum(path.startswith(inside) for path in paths)


def problem_of(error: Exception, directory: Path, folders: Sequence[Path]) -> str:
    """What went wrong, as one of the words that the page has advice for."""
    full = isinstance(error, OSError) and error.errno in _FULL
    kinds = {
        "disk_full": full,
        "locked": isinstance(error, CollectionLockedError),
        "away": any(not folder.is_dir() for folder in folders) or _root_is_away(directory),
        "no_access": isinstance(error, PermissionError)
        or not all(os.access(one, os.R_OK | os.X_OK) for one in folders),
        "no_pictures": isinstance(error, SourceError),
    }
    return next((kind for kind, is_it in kinds.items() if is_it), "failed")


def _root_is_away(directory: Path) -> bool:
    with suppress(I2VSearchError):
        manifest = Manifest.find(directory)
        return manifest is not None and root_is_away(manifest)
    return False


def stop_at_the_end_of(descriptor: int) -> None:
    """Stop this process as Ctrl-C does once a stream ends, as it does when whoever started it is gone."""
    while os.read(descriptor, 1):  # not through a stream, which would be locked when the process ends
        pass
    _thread.interrupt_main()


def give_way() -> None:
    """Let the server, and whatever else runs on this computer, go first."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_NICENESS)


def _finish(directory: Path) -> None:
    """Make what is in searchable, after a stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(I2VSearchError, OSError):
        stopped = Collection.open(directory)
        if len(stopped):
            stopped.index()


def main() -> None:
    """Follow the order."""
    give_way()
    order, told = json.loads(sys.stdin.buffer.readline()), Told(sys.stdout.buffer)
    directory, folders = Path(order["directory"]), [Path(folder) for folder in order["folders"]]
    # Whoever started the server may have had it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=stop_at_the_end_of, args=(sys.stdin.fileno(),), daemon=True).start()
    try:
        built = build(directory, folders, told)
    except KeyboardInterrupt:
        _finish(directory)
        told.line(ended="stopped")
    except (I2VSearchError, OSError) as error:
        told.line(ended="failed", problem=problem_of(error, directory, folders), message=str(error))
    else:
        done = built.report.extraction
        assert done is not None  # noqa: S101 - it was just done
        document = done.to_dict()
        named = document["skipped"][:_MOST_NAMED]
        told.line(**{**document, "ended": "done", "skipped": len(done.skipped), "named": named})


if __name__ == "__main__":
    main()
