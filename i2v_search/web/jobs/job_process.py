"""A long job of the server in a process of its own, which tells how far it is and can be stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

#: Seconds after which a job that was asked to stop is killed.
_STOP_SECONDS: Final = 60.0


class JobProcess:
    """Runs a module, which reads an order, a line of JSON, tells such lines, and stops when its input ends.

    Args:
        module: name of the module.
        order: what it is to do.
        told: called with each line but the last, in a thread.
        ended: called in that thread when the process has ended, with its last line, the one that has
            ``ended`` (empty if it was killed), and whether it was asked to stop.
    """

    def __init__(
        self,
        module: str,
        order: Mapping[str, Any],
        told: Callable[[dict[str, Any]], None],
        ended: Callable[[dict[str, Any], bool], None],
    ) -> None:
        self._told, self._ended = told, ended
        self._lock = threading.Lock()
        self._stopping = False
        self._process = subprocess.Popen(  # noqa: S603 - a module of ours
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # All cores, whatever part of them each search thread of the server has.
            env={name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")},
            start_new_session=True,  # Ctrl-C is for the server, whose end stops it
        )
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        with suppress(BrokenPipeError):  # it has ended, and will be found to have failed
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._follow, name="i2v-job", daemon=True).start()

    def stop(self) -> None:
        """Ask the job to stop, and kill it if it does not."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._close_input()
        timer = threading.Timer(_STOP_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()

    def _follow(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        last: dict[str, Any] = {}
        with self._process.stdout as lines:
            for line in lines:
                told = json.loads(line)
                if "ended" in told:
                    last = told
                else:
                    self._told(told)
        self._process.wait()
        with self._lock:
            self._close_input()
        self._ended(last, self._stopping)

    def _close_input(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        with suppress(BrokenPipeError):
            self._process.stdin.close()
