"""Compacts, relocates or repairs collections with tiny parts, in processes that tests kill or starve.

Reads one JSON object a line: ``action`` (``compact``, ``relocate`` or ``repair``), ``directory``, ``old`` and
``new`` for a move, and one of ``moment`` (the write, rename, deletion or flush in whose place it is killed),
``file_limit`` (bytes that a file may have) or nothing. Each order has a process of its own. Answers with
``killed``, ``done N`` (so many moments), or ``error: ...``.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_build import make_parts_tiny

from i2v_search.build.upkeep import copying
from i2v_search.build.upkeep.relocating import relocate_collection
from i2v_search.build.upkeep.repairing import repair_collection
from i2v_search.build.upkeep.rewriting import compact_collection


class Moments:
    """Counts what a process does to the disk, and kills it at one of these moments."""

    def __init__(self, fatal: int | None) -> None:
        self.count, self.fatal = 0, fatal

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return counted


def obey(order: dict[str, Any]) -> None:
    """Do what is ordered, and say how it went."""
    moments = Moments(order.get("moment"))
    if limit := order.get("file_limit"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    patches: list[tuple[Any, str]] = [
        (os, "fsync"),
        (Path, "replace"),
        (Path, "unlink"),
        (copying, "write_at"),
    ]
    for owner, name in patches:
        setattr(owner, name, moments.before(getattr(owner, name)))
    directory = Path(order["directory"])
    try:
        if order["action"] == "compact":
            compact_collection(directory)
        elif order["action"] == "relocate":
            relocate_collection(directory, order["old"], order["new"], force=True)
        else:
            repair_collection(directory)
    except Exception as error:  # noqa: BLE001 - the test compares it
        print(f"error: {type(error).__name__} {error}".replace("\n", " "), flush=True)
    else:
        print(f"done {moments.count}", flush=True)


def main() -> None:
    """Obey until the input ends."""
    make_parts_tiny()
    warnings.simplefilter("ignore")  # of forks
    for line in sys.stdin:
        child = os.fork()
        if not child:
            obey(json.loads(line))
            os._exit(0)
        if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            print("killed", flush=True)


if __name__ == "__main__":
    main()
