"""Builds and updates of the current collection, one at a time, each in a process of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from i2v_search.images.sources import Skipped
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.build_process import EXTRACTING
from i2v_search.web.jobs.job_process import JobProcess

Reason: TypeAlias = Literal["person", "watch", "kept"]
Problem: TypeAlias = Literal["", "no_pictures", "no_access", "disk_full", "away", "locked", "failed"]
Status: TypeAlias = Literal["idle", "building", "done", "stopped", "failed"]

#: Seconds over which a rate is measured.
_RATE_SECONDS: Final = 20.0


@dataclass(frozen=True)
class BuildState:
    """The build that runs, or the last one.

    Attributes:
        number: counts the builds of this server; 0 for none.
        status: how it is.
        reason: who wanted it.
        folders: names of the folders it reads.
        stage: what is done at the moment, in words.
        done: pictures that are in.
        total: pictures that there are; None while unknown.
        rate: pictures a second; None while unknown.
        seconds_left: estimate; None while unknown.
        unread: number of pictures that cannot be read.
        named: some of them, with the reason; at the end.
        added: pictures that came, at the end.
        removed: pictures that are gone, at the end.
        problem: why it failed, as a word: ``"no_pictures"``, ``"no_access"``, ``"disk_full"``, ``"away"``,
            ``"locked"`` or ``"failed"``.
        message: why it failed, in words that may name folders of this computer.
    """

    number: int = 0
    status: Status = "idle"
    reason: Reason = "person"
    folders: tuple[str, ...] = ()
    stage: str = ""
    done: int = 0
    total: int | None = None
    rate: float | None = None
    seconds_left: float | None = None
    unread: int = 0
    named: tuple[Skipped, ...] = ()
    added: int = 0
    removed: int = 0
    problem: Problem = ""
    message: str = ""


class Builder:
    """Builds a collection; what was asked for meanwhile is built afterwards.

    Args:
        directory: the collection.
        when_ended: called when a build has ended, before `state` says so.
    """

    def __init__(self, directory: Path, when_ended: Callable[[], None] = lambda: None) -> None:
        self._directory, self._when_ended = directory, when_ended
        self._lock = threading.Lock()
        self._process: JobProcess | None = None
        self._state = BuildState()
        self._closed = False

    @property
    def state(self) -> BuildState:
        """How the build is."""
        return self._state

    @property
    def is_building(self) -> bool:
        """Whether a build runs."""
        return self._state.status == "building"

    def start(self, folders: Sequence[Path], reason: Reason = "person") -> None:
        """Start a build.

        Raises:
            Failure: one is already running.
        """
        with self._lock:
            if self._process is not None or self._closed:
                raise Failure("building")
            self._state = BuildState(
                self._state.number + 1, "building", reason, tuple(folder.name for folder in folders)
            )
            order = {"directory": str(self._directory), "folders": [str(folder) for folder in folders]}
            moments: deque[tuple[float, int]] = deque()
            self._process = JobProcess(
                "i2v_search.web.jobs.build_process", order, partial(self._told, moments), self._ended
            )

    def stop(self) -> None:
        """Ask the build to stop: what is in stays, and the next build continues there."""
        with self._lock:
            if self._process is not None:
                self._process.stop()

    def close(self) -> None:
        """Stop for good."""
        self._closed = True
        self.stop()

    def _told(self, moments: deque[tuple[float, int]], told: dict[str, Any]) -> None:
        self._state = _progressed(self._state, told, moments)

    def _ended(self, told: dict[str, Any], stopped: bool) -> None:
        self._when_ended()
        with self._lock:
            self._process = None
            self._state = _ended(self._state, told, stopped=stopped)


def _progressed(state: BuildState, told: dict[str, Any], moments: deque[tuple[float, int]]) -> BuildState:
    """The state after a line of progress; `moments` are times and counts of the last seconds."""
    now, total = time.monotonic(), told["total"]
    done = told["done"] if total is None else min(told["done"], total)
    if told["stage"] != EXTRACTING:
        return replace(state, stage=told["stage"], done=max(state.done, done), total=total)
    moments.append((now, done))
    while now - moments[0][0] > _RATE_SECONDS and len(moments) > 2:
        moments.popleft()
    since, before = moments[0]
    rate = (done - before) / (now - since) if done > before and now > since else None
    left = None if rate is None or total is None else (total - done) / rate
    return replace(
        state,
        stage=told["stage"],
        done=done,
        total=total,
        rate=None if rate is None else round(rate, 2),
        seconds_left=None if left is None else round(left, 1),
        unread=max(state.unread, told["skipped"]),
    )


def _ended(state: BuildState, told: dict[str, Any], *, stopped: bool) -> BuildState:
    state = replace(state, stage="", rate=None, seconds_left=None)
    if told.get("ended") == "done":
        return replace(
            state,
            status="done",
            done=state.total or state.done,
            added=told["encoded"] + told["copied"] + told["restored"],
            removed=told["removed"],
            unread=told["skipped"],
            named=tuple(Skipped(one["path"], one["reason"]) for one in told["named"]),
        )
    if stopped or told.get("ended") == "stopped":
        return replace(state, status="stopped")
    return replace(
        state, status="failed", problem=told.get("problem", "failed"), message=told.get("message", "")
    )
