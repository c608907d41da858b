"""Stopping between two updates, never within one."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any


class Interrupts(contextlib.AbstractContextManager["Interrupts"]):
    """Turns the first Ctrl-C into a note, so that the update at hand is finished; a second stops at once.

    Attributes:
        pending: whether to stop.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: Any) -> None:
        if self.pending:
            signal.default_int_handler(number, frame)
        self.pending = True
