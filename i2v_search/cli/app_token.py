"""The token of programs that a person connected, such as the browser extension; it stays."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

_TOKEN = re.compile(r"[\w-]{32,64}")


def app_token(file: Path) -> str | None:
    """The token in a file that only its user can read, made where there is none; None if it cannot be kept.

    Delete the file to disconnect all programs.
    """
    try:
        with file.open(encoding="ascii") as kept:
            found = _TOKEN.fullmatch(kept.read(100))
        if found is not None:
            return found[0]
        file.unlink()
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        return None
    token = secrets.token_urlsafe(24)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(token)
    except OSError:  # another start has just made one, or the folder cannot be written
        return None
    return token
