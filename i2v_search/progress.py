"""How long work reports where it is: the library calls a function, the command line draws a bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """A moment of a long job.

    Attributes:
        stage: what is being done, in two or three words.
        done: units finished.
        total: units in all, or None while unknown.
        note: what else is worth knowing now, such as a loss; "" for nothing.

    Example:
        >>> moment = Progress("encoding", 120, 1000)
        >>> f"{moment.stage}: {moment.done} of {moment.total}"
        'encoding: 120 of 1000'
    """

    stage: str
    done: int
    total: int | None
    note: str = ""


Report: TypeAlias = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The default: say nothing."""
