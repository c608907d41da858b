"""One job in a fresh Python process, its memory watched from outside (Linux)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Job:
    """What a process said and took.

    Attributes:
        answer: the last line it printed, as JSON.
        seconds: on the clock, imports included.
        peak: of its resident memory, bytes, pages of mapped files included: those the system may drop.
        anonymous: of its resident memory without them, sampled a hundred times a second.
    """

    answer: dict[str, Any]
    seconds: float
    peak: int
    anonymous: int


def run_alone(
    function: str, *arguments: object, threads: int | None = None, limit: float | None = None
) -> Job:
    """Call ``module:function`` with JSON-ready arguments in a process of its own; it returns a dict.

    Args:
        function: for instance ``"benchmarks.scale:build"``.
        arguments: passed on as JSON.
        threads: of BLAS and OpenMP; None leaves all cores to them.
        limit: seconds after which it is ended.

    Raises:
        RuntimeError: the process failed or was ended.
    """
    module, name = function.split(":")
    code = (
        f"import json, sys; from {module} import {name} as job; "
        "print(json.dumps(job(*json.loads(sys.argv[1]))), flush=True)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(arguments, default=str)],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    peaks = {"VmHWM": 0, "RssAnon": 0}

    def watch() -> None:
        while process.poll() is None:
            for key, size in memory(process.pid).items():
                if key in peaks:
                    peaks[key] = max(peaks[key], size)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        printed = process.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RuntimeError(f"not finished within {limit:,.0f} s") from None
    finally:
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{function} ended with {process.returncode}")
    answer = json.loads(printed.strip().splitlines()[-1])
    return Job(answer, time.perf_counter() - started, peaks["VmHWM"], peaks["RssAnon"])


def memory(process: int | str = "self") -> dict[str, int]:
    """Bytes by the names of ``/proc/PID/status``: ``RssAnon``, ``RssFile``, ``VmHWM``; empty elsewhere."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.startswith(("Rss", "VmHWM")))
    return {key: int(value.split()[0]) * 1024 for key, value in pairs}


def forget(directory: Path) -> None:
    """Drop a directory's files from the page cache, as far as nothing else has them open."""
    for path in directory.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
