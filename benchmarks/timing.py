"""Interleaved timing, and the sections of RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of some measurements."""

    median: float
    low: float
    high: float

    def show(self, scale: float = 1.0) -> str:
        """``median (low..high)``, each times `scale`, with three significant digits."""
        return f"{_digits(self.median * scale)} ({_digits(self.low * scale)}..{_digits(self.high * scale)})"

    @property
    def duration(self) -> str:
        """The spread of a time in seconds, in the unit that suits its median."""
        scale, unit = next((s, u) for s, u in _UNITS if self.median * s < 1000)
        return f"{self.show(scale)} {unit}"


_UNITS = ((1e6, "µs"), (1e3, "ms"), (1.0, "s"), (1 / 60, "min"))


@dataclass(frozen=True)
class Timings:
    """Seconds of a call of each contestant, round by round: on the clock, and on CPUs by all its threads."""

    seconds: Mapping[str, tuple[float, ...]]
    cpu: Mapping[str, tuple[float, ...]]

    def spread(self, name: str) -> Spread:
        """The time of one contestant."""
        return _spread(self.seconds[name])

    def rate(self, name: str, units: float) -> Spread:
        """`units` per second of one contestant."""
        return _spread([units / seconds for seconds in self.seconds[name]])

    def work(self, name: str) -> Spread:
        """The CPU time of one contestant: what stays the same when others take cores away."""
        return _spread(self.cpu[name])

    def ratio(self, name: str, *others: str, combine: Callable[..., float] = max) -> Spread:
        """Time of `name` over that of `others` (combined round by round), each round against itself."""
        rounds = zip(self.seconds[name], *(self.seconds[other] for other in others), strict=True)
        return _spread([first / combine(rest) for first, *rest in rounds])


def interleave(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    least: float = 0.0,
    between: Callable[[], object] = lambda: None,
) -> Timings:
    """Time every call once a round, A B C then C B A, after one round that does not count.

    Args:
        calls: by name.
        rounds: how many count.
        least: a short call is repeated until it took this many seconds; the mean of a repetition counts.
        between: runs before each call, untimed.
    """
    names = list(calls)
    repeats = dict.fromkeys(names, 1)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names if number % 2 == 0 else names[::-1]:
            between()
            started, worked = time.perf_counter(), time.process_time()
            for _ in range(repeats[name]):
                calls[name]()
            took = (time.perf_counter() - started) / repeats[name]
            work = (time.process_time() - worked) / repeats[name]
            if number == 0:
                repeats[name] = max(1, min(100_000, int(least / took)))
            else:
                seconds[name].append(took)
                cpu[name].append(work)
    return Timings(*({name: tuple(of[name]) for name in names} for of in (seconds, cpu)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run_parts(script: str, packages: Sequence[str], parts: Mapping[str, Callable[[str], str]]) -> None:
    """Run the parts named on the command line, or all, and put each into RESULTS.md.

    Args:
        script: name of the module, ``"search"``.
        packages: whose versions are recorded.
        parts: by name; each is given its command and returns Markdown.
    """
    unknown = set(sys.argv[1:]) - set(parts)
    if unknown:
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; known: {', '.join(parts)}")
    threads = os.environ.get("OMP_NUM_THREADS")
    setting = f"OMP_NUM_THREADS={threads} " if threads else ""
    cores = os.cpu_count() or 1
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    for name in sys.argv[1:] or parts:
        started, before = time.perf_counter(), _busy_seconds()
        body = parts[name](f"`{setting}python -m benchmarks.{script} {name}`")
        note = (
            f"{time.strftime('%Y-%m-%d')}; {platform.machine()}, {threads or cores} of {cores} cores used"
            f"{_others(before)}; Python {platform.python_version()}, {versions}; "
            f"whole run {time.perf_counter() - started:.0f} s."
        )
        _write_section(f"{script}: {name}", f"{body}\n\n{note}")
        print(f"{script} {name}\n{body}\n\n{note}\n")


def _busy_seconds() -> tuple[float, float, float] | None:
    """Now, and the CPU seconds spent until now: by the whole machine and by this process."""
    if not Path("/proc/stat").exists():
        return None
    fields = [int(field) for field in Path("/proc/stat").read_text().split(None, 11)[1:9]]
    busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), busy, time.process_time()


def _others(before: tuple[float, float, float] | None) -> str:
    """How many cores other processes took since `before`, where the system tells."""
    after = _busy_seconds()
    if before is None or after is None:
        return ""
    wall, busy, own = (end - start for start, end in zip(before, after, strict=True))
    return f", other work took {max(0.0, busy - own) / wall:.1f} cores meanwhile"


def _write_section(title: str, body: str) -> None:
    begin, end = f"<!-- begin {title} -->", f"<!-- end {title} -->"
    section = f"{begin}\n## {title}\n\n{body}\n{end}"
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Benchmarks\n"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text, found = pattern.subn(lambda _: section, text)
    RESULTS.write_text(text if found else f"{text.rstrip()}\n\n{section}\n", encoding="utf-8")


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
