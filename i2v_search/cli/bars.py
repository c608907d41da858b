"""Progress of a job on the error stream: bars in a terminal, otherwise occasional lines."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from i2v_search.cli.console import err
from i2v_search.escapes import visible
from i2v_search.progress import Progress, Report

#: A log gets a line as often, and none of a job that is done sooner: cron mails every line.
LINE_SECONDS = 30.0
_NICENESS = 10


@contextmanager
def progress() -> Iterator[Report]:
    """Show the progress of a job, with rate and time left, one bar per stage.

    What takes so long that its progress is shown lets a server on the same machine go first.
    """
    give_way()
    if not err.interactive:
        yield Lines(lambda line: err.print(line, markup=False))
        return
    with Bars(*_columns(), console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def report(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(
                    progress.stage,
                    total=progress.total,
                    completed=progress.done,  # what was done before has no rate
                    note="",
                    unit=progress.unit,
                )
            bars.update(
                tasks[progress.stage], completed=progress.done, total=progress.total, note=progress.note
            )

        yield report
        for task in bars.tasks:
            if task.total is None:
                bars.update(task.id, total=task.completed)


def give_way() -> None:
    """Put this process behind others, as ``nice`` does, with all threads that it has by now."""
    if not hasattr(os, "setpriority"):
        return  # Windows
    try:
        threads = [int(thread.name) for thread in Path("/proc/self/task").iterdir()]
    except OSError:
        threads = [0]  # where a priority is one of the whole process
    for thread in threads:
        with suppress(OSError):  # it has ended, or stands further behind
            os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))


@dataclass
class Lines:
    """A report that writes a line every `LINE_SECONDS`.

    Attributes:
        write: writes a line.
        clock: monotonic seconds.

    Example:
        >>> seconds = iter([0, 10, 40, 50])
        >>> lines = Lines(print, lambda: next(seconds))
        >>> for done in (50, 200, 250):
        ...     lines(Progress("encoding", done, 1000))
        encoding: 200 of 1,000, 5/s, 3 min left
    """

    write: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _told: float = field(init=False)
    _stage: str = field(init=False, default="")
    _begun: tuple[float, int] = field(init=False, default=(0.0, 0))

    def __post_init__(self) -> None:
        self._told = self.clock()

    def __call__(self, progress: Progress) -> None:
        """Write a line if the last one is old enough."""
        now = self.clock()
        if progress.stage != self._stage:
            self._stage, self._begun = progress.stage, (now, progress.done)
        if now - self._told >= LINE_SECONDS:
            self._told = now
            self.write(self._line(progress, now))

    def _line(self, progress: Progress, now: float) -> str:
        of = "" if progress.total is None else f" of {_amount(progress.total, progress.unit)}"
        parts = [f"{progress.stage}: {_amount(progress.done, progress.unit)}{of}"]
        seconds, done = now - self._begun[0], progress.done - self._begun[1]
        if seconds > 0 and done > 0:
            rate = done / seconds
            parts.append(f"{_amount(rate, progress.unit)}/s" if rate >= 2 else f"{rate * 60:,.0f}/min")
            if progress.total is not None:
                parts.append(_left((progress.total - progress.done) / rate))
        return ", ".join((*parts, progress.note) if progress.note else parts)


def _amount(count: float, unit: str) -> str:
    """A number of units: bytes in MB.

    >>> _amount(1200, ""), _amount(1_234_567, "bytes")
    ('1,200', '1.2 MB')
    """
    return f"{count / 1e6:,.1f} MB" if unit == "bytes" else f"{count:,.0f}"


def _left(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h left"


def _columns() -> tuple[ProgressColumn, ...]:
    """Columns that keep numbers complete: on a narrow screen the bar shrinks first, then the words."""
    whole = Column(no_wrap=True)
    return (
        SpinnerColumn(table_column=whole),
        _Words("stage"),
        BarColumn(),
        _Done(table_column=whole),
        _Rate(table_column=whole),
        TimeRemainingColumn(table_column=whole),
        _Words("note"),
    )


class _Words(ProgressColumn):
    """Name of the stage, or its note: one line, cut at the edge of the screen."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        """The words."""
        words = task.description if self._what == "stage" else task.fields["note"]
        return Text(visible(words), no_wrap=True, overflow="ellipsis")


class _Done(MofNCompleteColumn):
    def render(self, task: Task) -> Text:
        """Units that are done, of all."""
        if task.fields["unit"] != "bytes":
            return super().render(task)
        of = "" if task.total is None else f"/{_amount(task.total, 'bytes')}"
        return Text(f"{_amount(task.completed, 'bytes')}{of}", style="progress.download")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Units a second."""
        speed = task.finished_speed or task.speed
        return Text(f"{_amount(speed, task.fields['unit'])}/s" if speed else "", style="progress.data.speed")
