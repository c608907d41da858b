"""The collection in two dimensions, computed once in the background and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass

from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.current_collection import CurrentCollection, Stamp


@dataclass(frozen=True)
class _Kept:
    """A map as JSON, None if it could not be computed, and of which state of the collection."""

    stamp: Stamp
    content: bytes | None


class MapKeeper:
    """Computes a map when it is first requested, and again when the collection has changed.

    Until a newer map is ready, the last one is returned.

    Args:
        current: the current collection.
    """

    def __init__(self, current: CurrentCollection) -> None:
        self._current = current
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def content(self) -> bytes | None:
        """The map as JSON; None while it is computed.

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
                return None
            if self._kept.content is None:
                raise Failure("no_map")
            return self._kept.content

    def close(self) -> None:
        """Stop computing."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def _start(self, stamp: Stamp) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "i2v_search.web.jobs.map_process", str(self._current.directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        threading.Thread(target=self._wait, args=(self._process, stamp), daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes], stamp: Stamp) -> None:
        content, _ = process.communicate()
        with self._lock:
            self._process = None
            self._kept = _Kept(stamp, content if process.returncode == 0 else None)
