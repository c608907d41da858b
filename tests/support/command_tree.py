"""The commands of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Every command below a group with its whole name, such as ``models import``."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command
