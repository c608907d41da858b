"""Names and notes as they are kept: nothing in them hides or controls anything."""

from __future__ import annotations

import unicodedata

from i2v_search.errors import QueryError
from i2v_search.escapes import visible, visible_lines

#: Characters of a name, and of a note.
MAX_NAME = 200
MAX_NOTE = 20_000


def read_name(text: str, what: str) -> str:
    """A name of one line, without spaces around it.

    Args:
        text: as somebody wrote it.
        what: what it is a name of, for the message.

    Raises:
        QueryError: it is empty or too long.

    >>> read_name("  Red\\n dragons\\u202e ", "a board")
    'Red dragons\\\\u202e'
    """
    name = visible(unicodedata.normalize("NFC", " ".join(text.split())))
    if not name:
        raise QueryError(f"the name of {what} is empty")
    if len(name) > MAX_NAME:
        raise QueryError(f"the name of {what} has {len(name):,} characters; at most {MAX_NAME} are kept")
    return name


def read_note(text: str) -> str:
    """A note, which may have several lines.

    Raises:
        QueryError: it is too long.
    """
    note = visible_lines(text.replace("\r\n", "\n").replace("\t", "    ")).strip()
    if len(note) > MAX_NOTE:
        raise QueryError(f"the note has {len(note):,} characters; at most {MAX_NOTE:,} are kept")
    return note
