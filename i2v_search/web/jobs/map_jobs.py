"""The collection in two dimensions, computed once in the background and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from i2v_search.index.mapping import STAGES
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.current_collection import CurrentCollection, Stamp


@dataclass(frozen=True)
class DrawnMap:
    """A map.

    Attributes:
        content: as JSON.
        atlas: key of its sprite sheets.
        ids: its images, in its order.
    """

    content: bytes
    atlas: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class MapProgress:
    """How far a map is.

    Attributes:
        stage: what is done, in words.
        share: of the whole, from 0 to 1.
        seconds_left: estimate; None while unknown.
    """

    stage: str = ""
    share: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True)
class _Kept:
    """A map, None if it could not be computed, and of which state of the collection."""

    stamp: Stamp
    drawn: DrawnMap | None


class MapKeeper:
    """Computes a map when it is first requested, and again when the collection has changed.

    Until a newer map is ready, the last one is returned.

    Args:
        current: the current collection.
        folder: where places of images are kept between runs.
        most_bytes: of all that is kept there.
    """

    def __init__(self, current: CurrentCollection, folder: Path, most_bytes: int) -> None:
        self._current, self._folder, self._most = current, folder, most_bytes
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._progress = MapProgress()
        self._closed = False

    def drawn(self) -> DrawnMap | MapProgress:
        """The map, or how far it is.

        Raises:
            Failure: it cannot be computed.
        """
        stamp = self._current.stamp
        with self._lock:
            if (
                self._process is None
                and not self._closed
                and (self._kept is None or self._kept.stamp != stamp)
            ):
                self._start(stamp)
            if self._kept is None:
                return self._progress
            if self._kept.drawn is None:
                raise Failure("no_map")
            return self._kept.drawn

    def close(self) -> None:
        """Stop computing."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def _start(self, stamp: Stamp) -> None:
        directory, folder = str(self._current.directory), str(self._folder)
        self._progress = MapProgress()
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable,
                "-P",
                "-m",
                "i2v_search.web.jobs.map_process",
                directory,
                folder,
                f"{self._most}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        threading.Thread(target=self._wait, args=(self._process, stamp), daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes], stamp: Stamp) -> None:
        """Read lines of progress, then the map."""
        assert process.stdout is not None  # noqa: S101 - a pipe
        started, content = time.monotonic(), b""
        with process.stdout as lines:
            for line in lines:
                content = line
                if line.startswith(b'{"stage"'):
                    self._progress = _progress_of(json.loads(line), time.monotonic() - started)
        drawn = None
        if process.wait() == 0:
            found = json.loads(content)
            drawn = DrawnMap(content, found["atlas"], tuple(point["id"] for point in found["images"]))
        with self._lock:
            self._process = None
            self._kept = _Kept(stamp, drawn)


def _progress_of(told: dict[str, float | str], seconds: float) -> MapProgress:
    """Progress of the whole, from that of a stage."""
    stage = str(told["stage"])
    begins, ends = STAGES.get(stage, (0.0, 0.0))
    share = begins + (ends - begins) * min(1.0, float(told["share"]))
    left = round(seconds * (1 - share) / share, 1) if share > 0 else None
    return MapProgress(stage, round(share, 4), left)
