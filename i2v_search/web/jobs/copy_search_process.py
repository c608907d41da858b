"""A process that looks for copies in a collection; `i2v_search.web.jobs.copy_search` starts it.

It reads an order from standard input, a line of JSON, and writes lines of JSON: progress, then how it ended.
When its input ends it stops; what it has looked at is kept, and the next search goes on from there.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError
from i2v_search.progress import Progress
from i2v_search.web.jobs.build_process import give_way, stop_at_the_end_of

#: Seconds between two lines of progress.
_EVERY: Final = 0.2


class _Told:
    def __init__(self) -> None:
        self._last = 0.0

    def report(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY or progress.done == progress.total:
            self._last = now
            self.line(done=progress.done, total=progress.total)

    @staticmethod
    def line(**document: Any) -> None:
        sys.stdout.buffer.write(json.dumps(document).encode() + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """Follow the order."""
    give_way()
    order, told = json.loads(sys.stdin.buffer.readline()), _Told()
    # Whoever started the server may have had it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=stop_at_the_end_of, args=(sys.stdin.fileno(),), daemon=True).start()
    try:
        found = Collection.open(Path(order["directory"])).duplicates(report=told.report)
    except KeyboardInterrupt:
        told.line(ended="stopped")
    except (I2VSearchError, OSError) as error:
        told.line(ended="failed", message=f"{type(error).__name__}: {error}")
    else:
        told.line(ended="done", unread=len(found.unreadable))


if __name__ == "__main__":
    main()
