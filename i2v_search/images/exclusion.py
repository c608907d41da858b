"""Exclusion of files from folders: patterns given by the user, and ``.i2vignore`` files.

Both are written as in a ``.gitignore``: ``*.gif`` and ``drafts/`` at any depth, ``/old`` only at the top,
``**`` for any number of folders, ``!`` takes back what an earlier line left out. An ignore file is about its
own folder and what is below; the one nearest to a file has the last word, and given patterns have it over all
of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from i2v_search.errors import SourceError
from i2v_search.files import open_regular

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE: Final = ".i2vignore"
_MAX_BYTES: Final = 2**20


class Exclusion:
    """Excluded files at and below one folder.

    Args:
        folder: absolute path.
        patterns: given patterns, relative to it.

    Raises:
        SourceError: a pattern is not valid.

    Example:
        >>> rules = Exclusion("/art", ["*.gif", "drafts/"])
        >>> rules.excludes("/art/a/b.gif"), rules.excludes("/art/drafts", is_folder=True)
        (True, True)
        >>> rules.excludes("/art/b.png")
        False
    """

    def __init__(self, folder: str, patterns: Sequence[str] = ()) -> None:
        self._given = (folder, _spec(tuple(patterns), "--exclude")) if patterns else None
        self._files: tuple[tuple[str, GitIgnoreSpec], ...] = ()  # nearest first

    def within(self, folder: str) -> Exclusion:
        """The same with the ignore file of a folder, if it has one.

        Raises:
            SourceError: the file cannot be read, or a line of it is not valid.
        """
        file = Path(folder, IGNORE_FILE)
        lines = _read_lines(file)
        if not lines:
            return self
        deeper = Exclusion("")
        deeper._given = self._given
        deeper._files = ((folder, _spec(lines, str(file))), *self._files)
        return deeper

    def __bool__(self) -> bool:
        """Whether there is anything to ask."""
        return self._given is not None or bool(self._files)

    def excludes(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether a file or folder is left out, by its absolute path."""
        for folder, spec in (*((self._given,) if self._given else ()), *self._files):
            inner = path.removeprefix(folder).lstrip("/").replace(os.sep, "/")
            included: bool | None = spec.check_file(inner + "/" * is_folder).include
            if included is not None:
                return included
        return False

    def excludes_below(self, folder: str, parts: Sequence[str]) -> bool:
        """Whether a file is left out, or a folder that it is in, going down from a folder."""
        rules, path = self.within(folder), folder
        for depth, part in enumerate(parts, start=1):
            path = os.path.join(path, part)  # noqa: PTH118
            is_folder = depth < len(parts)
            if rules.excludes(path, is_folder=is_folder):
                return True
            rules = rules.within(path) if is_folder else rules
        return False


def _read_lines(path: Path) -> tuple[str, ...]:
    """Lines of an ignore file; none if there is no file."""
    try:
        with open_regular(path) as file:
            content = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror}); it lists the patterns to exclude"
        ) from error
    if len(content) > _MAX_BYTES:
        raise SourceError(f"{path} has more than {_MAX_BYTES} bytes; not a list of patterns")
    return tuple(content.decode("utf-8-sig", "surrogateescape").splitlines())


@lru_cache(maxsize=256)
def _spec(patterns: tuple[str, ...], place: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    for number, pattern in enumerate(patterns, 1):
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            where = place if place.startswith("-") else f"{place}, line {number}"
            raise SourceError(f"{where}: {pattern!r} is not a .gitignore pattern ({error})") from error
    return GitIgnoreSpec.from_lines(patterns)
