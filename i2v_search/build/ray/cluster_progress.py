"""Progress of the workers of a job, read from the folder they share with the driver."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from i2v_search.build.ray.shards import ShardJob, ShardOutcome
from i2v_search.errors import ClusterError
from i2v_search.files import read_regular
from i2v_search.progress import Progress, Report

#: Seconds between two looks.
_INTERVAL = 0.5
#: Seconds after which a worker that gave no sign of life is not counted.
_SILENCE = 30.0


@dataclass(frozen=True)
class _Beat:
    """A sign of life of the worker on one shard."""

    process: int
    started: float
    done: int


class Watcher:
    """Reports, from a thread of its own, how many images are done and how fast, as long as the context lasts.

    Args:
        job: whose workers to watch.
        total: images in all, None where to count them would take as long as to read them.
        report: called with the progress.
    """

    def __init__(self, job: ShardJob, total: int | None, report: Report) -> None:
        self._job, self._total, self._report = job, total, report
        self._finished: dict[int, ShardOutcome] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if kind is None:
            self._look()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL):
            with suppress(OSError, ClusterError):  # storage that is away, perhaps; the driver will tell
                self._look()

    def _look(self) -> None:
        running: list[tuple[int, float]] = []
        names = {path.name for path in Path(self._job.folder).iterdir()}
        for number in range(1, self._job.shards + 1):
            if number in self._finished:
                continue
            place, path = self._job.place(number), self._job.beat(number)
            if place.name in names:
                self._finished[number] = ShardOutcome.load(place)
            elif path.name in names and (beat := _read_beat(path)):
                running.append((beat.done, beat.done / max(time.time() - beat.started, 1e-3)))
        done = sum(outcome.images for outcome in self._finished.values()) + sum(count for count, _ in running)
        rates = ", ".join(f"{rate:.0f}/s" for _, rate in sorted(running, reverse=True)[:8])
        more = f" and {len(running) - 8} more" if len(running) > 8 else ""
        workers = "1 worker" if len(running) == 1 else f"{len(running)} workers"
        note = f"{workers}: {rates}{more}" if running else ""
        total = None if self._total is None else max(self._total, done)
        self._report(Progress("extracting", done, total, note))


def _read_beat(path: Path) -> _Beat | None:
    with suppress(OSError, ValueError, TypeError):
        if time.time() - path.stat().st_mtime < _SILENCE:
            return _Beat(**json.loads(read_regular(path)))
    return None
