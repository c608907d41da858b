"""Duration and memory use of a job."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path


class ResourceUse:
    """Starts when it is made. Linux can forget the process's peak of memory; elsewhere, or where that is not
    allowed, the peak is that of the whole life of the process.

    Example:
        >>> watch = ResourceUse()
        >>> watch.seconds >= 0, watch.peak_bytes() > 0
        (True, True)
    """

    def __init__(self) -> None:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    def peak_bytes(self) -> int:
        """The most memory the process held since the start, pages of mapped files included; 0 if unknown."""
        with suppress(OSError):
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
            if found := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
                return 1024 * int(found[1])
        with suppress(ImportError):
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else 1024 * peak
        return 0


def physical_memory() -> int:
    """Bytes of memory of the machine; 0 if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
