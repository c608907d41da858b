"""Progress reports of long work: the library calls a function, the command line draws a bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Progress:
    """Progress of a long job.

    Attributes:
        stage: name of the current stage, in two or three words.
        done: number of finished units.
        total: number of units, or None while unknown.
        note: additional information, e.g. a loss; "" for none.
        unit: ``"bytes"`` where units are bytes, which people read in MB.
        skipped: number of units, among the finished ones, that could not be read.

    Example:
        >>> moment = Progress("encoding", 120, 1000)
        >>> f"{moment.stage}: {moment.done} of {moment.total}"
        'encoding: 120 of 1000'
    """

    stage: str
    done: int
    total: int | None
    note: str = ""
    unit: Literal["", "bytes"] = ""
    skipped: int = 0


Report: TypeAlias = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The default: say nothing."""
