"""Contents of a collection that are proven copies of a better one.

`i2v_search.search.duplicates` proves it by looking at the pictures, and writes it here; searches then show
one of them in place of all. What was proven stays true whatever becomes of the collection, for it is said of
the SHA-256 of files. The file ``copies.cache`` may be deleted at any time; a damaged one counts as none.

=======  =====================================================================================
bytes    hold
=======  =====================================================================================
16       ``i2v-copies`` and the version, padded with zeros
n * 64   SHA-256 of a copy, SHA-256 of the best picture that it is a copy of; by the first
16       BLAKE2b of all before
=======  =====================================================================================
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from i2v_search.files import file_stamp, open_regular, write_atomically

COPIES_NAME: Final = "copies.cache"
_MAGIC: Final = b"i2v-copies 1".ljust(16, b"\0")
_PAIR: Final = 64


def read_proven(directory: Path) -> dict[bytes, bytes]:
    """The best content of each proven copy, by their SHA-256; empty if nothing was proven yet.

    Example:
        >>> import tempfile
        >>> directory = Path(tempfile.mkdtemp())
        >>> write_proven(directory, {bytes(32): bytes([1]) * 32})
        >>> read_proven(directory) == {bytes(32): bytes([1]) * 32}
        True
    """
    try:
        with open_regular(directory / COPIES_NAME) as file:
            data = file.read()
    except OSError:
        return {}
    body, check = data[:-16], data[-16:]
    if not body.startswith(_MAGIC) or (len(body) - len(_MAGIC)) % _PAIR or _check(body) != check:
        return {}
    return {body[at : at + 32]: body[at + 32 : at + _PAIR] for at in range(len(_MAGIC), len(body), _PAIR)}


def proven_stamp(directory: Path) -> tuple[int, int, int] | None:
    """The state of what was proven: it is another one since if it differs; None if nothing was proven yet."""
    return file_stamp(directory / COPIES_NAME)


def proven_when(directory: Path) -> datetime | None:
    """When it was last looked for copies; None if never."""
    stamp = proven_stamp(directory)
    return None if stamp is None else datetime.fromtimestamp(stamp[1] // 10**9, UTC)


def write_proven(directory: Path, best_of: Mapping[bytes, bytes]) -> None:
    """Replace what was proven; a folder that cannot be written keeps what it has."""
    body = _MAGIC + b"".join(content + best_of[content] for content in sorted(best_of))
    with contextlib.suppress(OSError):
        write_atomically(directory / COPIES_NAME, body + _check(body))


def _check(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
