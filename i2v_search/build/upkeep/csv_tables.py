"""CSV that may be opened in a spreadsheet: a name or tag of a stranger is never a formula there.

As OWASP's page on CSV injection says, a text whose first letter makes a spreadsheet compute (``=``, ``+``,
``-``, ``@`` or a full-width form of them, also after blanks) gets an apostrophe before it. Control and
invisible characters are escaped (`i2v_search.escapes`), which takes care of tabs and carriage returns before
such a letter and keeps a terminal safe. Numbers stay numbers. Programs that need every text as it is ask for
``raw``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from i2v_search.escapes import visible

_FORMULA = tuple("=+-@＝＋－＠")


class CsvTable:
    """Rows of a CSV file.

    Args:
        file: of UTF-8 that does not translate line ends, as `open_csv` opens it.
        columns: names for the first row.
        raw: write texts as they are.

    Example:
        >>> import io
        >>> file = io.StringIO()
        >>> CsvTable(file, ["path", "score"]).row(["=HYPERLINK(1)", -0.5])
        >>> file.getvalue().splitlines()
        ['path,score', "'=HYPERLINK(1),-0.5"]
    """

    def __init__(self, file: TextIO, columns: Iterable[str], *, raw: bool = False) -> None:
        self._writer = csv.writer(file)
        self._raw = raw
        self.row(columns)

    def row(self, values: Iterable[object]) -> None:
        """Write a row."""
        self._writer.writerow([self._cell(value) for value in values])

    def _cell(self, value: object) -> object:
        return inert(value) if isinstance(value, str) and not self._raw else value


def inert(text: str) -> str:
    """A text that a spreadsheet shows and does not compute.

    >>> inert("@SUM(A1)"), inert(" =1+1"), inert("a-b"), inert("\\t=1")
    ("'@SUM(A1)", "' =1+1", 'a-b', '\\\\t=1')
    """
    text = visible(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def open_csv(path: Path) -> TextIO:
    """Open a file for a `CsvTable`; bytes of a name that are not UTF-8 are written as they are."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
