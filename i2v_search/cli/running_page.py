"""The page of the server that `start` runs: a second start opens it again, instead of a second server."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

_ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d{1,5}/)#launch=([\w-]{16,200})")
_PATIENCE = 2.0
_MAX_BYTES = 1000


def find_page(file: Path) -> str | None:
    """The address of the page, with its launch token, if the server that wrote the file still knows it."""
    try:
        with file.open(encoding="ascii") as noted:
            found = _ADDRESS.fullmatch(noted.read(_MAX_BYTES))
        if found is None:
            return None
        asked = Request(f"{found[1]}api/v1/collections", headers={"X-Launch-Token": found[2]})  # noqa: S310
        with build_opener(ProxyHandler({})).open(asked, timeout=_PATIENCE) as answer:
            return found[0] if answer.status == 200 else None
    except (OSError, ValueError):
        return None


@contextmanager
def noted_page(file: Path, address: str) -> Iterator[None]:
    """Note the address, for this user's eyes only, as long as the server runs."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # whoever had it open, and whatever its rights were
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as noted:
            noted.write(address)
    try:
        yield
    finally:
        with suppress(OSError):
            if file.read_text(encoding="ascii") == address:
                file.unlink()
