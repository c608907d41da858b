"""Watches the folders of the current collection, and has it brought up to date when they change.

A folder that is away, on a disk that is not plugged in for instance, pauses its part: nothing is removed for
that. When it is back, it is looked through once.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, TypeAlias

from i2v_search.build.changes import is_unmounted
from i2v_search.build.source_folders import source_folders
from i2v_search.errors import CollectionError
from i2v_search.images.archives import is_passed_over
from i2v_search.store.feature_store import FeatureStore
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.builder import Builder

WatchState: TypeAlias = Literal["off", "on", "away", "unavailable"]

#: Seconds without a change before the collection is brought up to date: a copy of many files is one change.
QUIET_SECONDS: Final = 2.0
#: Seconds between two looks whether folders went or came back.
_LOOK_EVERY: Final = 2.0
#: Milliseconds between two looks through a folder of a network drive, which tells of no changes.
_POLL_MS: Final = 30_000
#: File systems that tell nothing of changes that other computers make.
_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "fuse.sshfs", "9p", "afs"}
)


class FolderWatch:
    """Keeps a collection up to date, until it is stopped.

    Args:
        directory: the collection.
        builder: brings it up to date.
        quiet: seconds without a change before it does.
        look_every: seconds between two looks whether folders went or came back.
    """

    def __init__(
        self,
        directory: Path,
        builder: Builder,
        *,
        quiet: float = QUIET_SECONDS,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        self._directory, self._builder = directory.resolve(), builder
        self._quiet, self._look_every = quiet, look_every
        self._stop: threading.Event | None = None
        self._away = self._polls = False

    @property
    def state(self) -> WatchState:
        """Whether it watches; ``"away"`` while all folders are."""
        if self._stop is None:
            return "off" if find_spec("watchfiles") else "unavailable"
        return "away" if self._away else "on"

    def start(self) -> None:
        """Begin to watch.

        Raises:
            Failure: watchfiles is not installed.
        """
        if find_spec("watchfiles") is None:
            raise Failure("no_watch")
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(target=self._run, args=(self._stop,), name="i2v-watch", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        if self._stop is not None:
            self._stop.set()
        self._stop = None
        self._away = False

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            there = self._present()
            self._away = not there
            if there:
                self._watch(there, stop)
            else:
                stop.wait(self._look_every)

    def _present(self) -> tuple[Path, ...]:
        """The folders of the collection, as it is now, that are there."""
        with suppress(CollectionError, OSError):
            store = FeatureStore(self._directory)
            root = Path(store.manifest.image_root)
            mounts = frozenset(root / mount for mount in store.manifest.mounts)
            return tuple(one for one in source_folders(store) if not _is_away(one, mounts))
        return ()

    def _watch(self, there: tuple[Path, ...], stop: threading.Event) -> None:
        """Follow changes, until a folder goes, or another comes."""
        from watchfiles import watch  # an extra

        changes = watch(
            *there,
            watch_filter=lambda _, path: self._matters(path, there),
            stop_event=stop,
            rust_timeout=int(self._look_every * 1000),
            yield_on_timeout=True,
            force_polling=self._polls or any(map(is_network_drive, there)) or None,
            poll_delay_ms=_POLL_MS,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        # They may have changed while nobody looked; asked once it watches, so that nothing falls in between.
        changed_at: float | None = -math.inf
        try:
            for batch in changes:
                now = time.monotonic()
                if batch:
                    changed_at = now
                elif changed_at is not None and now - changed_at >= self._quiet:
                    self._update(there, stop)
                    changed_at = None
                if self._present() != there:
                    return
        except (OSError, RuntimeError):
            # A folder went meanwhile, or there are more folders than the system tells of.
            self._polls = self._present() == there
            stop.wait(self._look_every)

    def _matters(self, path: str, there: Sequence[Path]) -> bool:
        """Whether a change can be one of the pictures: not of the collection's own files, or hidden ones."""
        changed = Path(path)
        if changed.is_relative_to(self._directory):
            return False
        inner = next((changed.relative_to(one).parts for one in there if changed.is_relative_to(one)), ())
        return not any(map(is_passed_over, inner))

    def _update(self, there: Sequence[Path], stop: threading.Event) -> None:
        """Bring the collection up to date, after a build that runs."""
        while not stop.is_set():
            with suppress(Failure):
                self._builder.start(there, "watch")
                return
            stop.wait(self._look_every)


def is_network_drive(folder: Path) -> bool:
    """Whether a folder is on another computer, which tells nothing of changes; as far as the system says."""
    if sys.platform == "win32":
        return str(folder).startswith("\\\\")
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    mounts = [line.split(" ")[1:3] for line in lines]
    above = [(Path(place), kind) for place, kind in mounts if folder.is_relative_to(place)]
    return bool(above) and max(above, key=lambda mount: len(mount[0].parts))[1] in _NETWORK


def _is_away(folder: Path, mounts: frozenset[Path]) -> bool:
    """Whether a folder is not there, or is the empty place of a disk."""
    try:
        return not folder.is_dir() or (folder in mounts and is_unmounted(folder))
    except OSError:
        return True
