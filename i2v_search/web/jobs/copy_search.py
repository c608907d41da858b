"""Searches for copies in the current collection, one at a time, each in a process of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.job_process import JobProcess


@dataclass(frozen=True)
class CopySearchState:
    """The search that runs, or the last one.

    Attributes:
        status: how it is.
        done: pictures that were compared.
        total: pictures that there are; None while unknown.
        unread: files that could not be read, at the end.
        message: why it failed, in words that may name folders of this computer.
    """

    status: Literal["idle", "running", "done", "stopped", "failed"] = "idle"
    done: int = 0
    total: int | None = None
    unread: int = 0
    message: str = ""


class CopySearch:
    """Looks for copies. What is found lies in the collection, where every search finds it.

    Args:
        directory: the collection.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._process: JobProcess | None = None
        self._closed = False
        self.state = CopySearchState()

    def start(self) -> None:
        """Start a search.

        Raises:
            Failure: one is already running.
        """
        with self._lock:
            if self._process is not None or self._closed:
                raise Failure("looking_for_copies")
            self.state = CopySearchState("running")
            order = {"directory": str(self._directory)}
            self._process = JobProcess(
                "i2v_search.web.jobs.copy_search_process", order, self._told, self._ended
            )

    def stop(self) -> None:
        """Ask the search to stop: what it has looked at is not looked at again."""
        with self._lock:
            if self._process is not None:
                self._process.stop()

    def close(self) -> None:
        """Stop for good."""
        self._closed = True
        self.stop()

    def _told(self, told: dict[str, Any]) -> None:
        self.state = replace(self.state, done=told["done"], total=told["total"])

    def _ended(self, told: dict[str, Any], stopped: bool) -> None:
        with self._lock:
            self._process = None
            status = told.pop("ended", "failed")
            self.state = replace(self.state, **(told | {"status": "stopped" if stopped else status}))
