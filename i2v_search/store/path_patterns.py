"""Stored paths that match a pattern: a file, a folder with everything below it, or a glob of either.

========================  ==============================================================================
pattern                   meaning
========================  ==============================================================================
``birds``, ``birds/``     the file or folder of that name, and all below it; an archive, and all in it
``birds/*``, ``*.png``    `fnmatch`: ``*`` matches ``/`` too, ``?`` one character, ``[ab]`` one of them
``*/portraits``           folders may match as well as files, and then all below them does
``[Artist] Set/*``        literally what it says where such a folder is stored; else ``[Artist]`` is one
                          letter. ``[[]`` is always a bracket
========================  ==============================================================================

Letters are compared in Unicode's composed form (NFC), as they are typed; macOS and some archives store them
decomposed. Names go from the root of the collection on, and a leading ``./`` means nothing.
"""

from __future__ import annotations

import fnmatch
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import shown
from i2v_search.errors import QueryError
from i2v_search.escapes import printable
from i2v_search.store.feature_store import FeatureStore

_MAGIC = "*?["
#: Images named where a name may be any of several.
_TOLD = 5


def match_paths(store: FeatureStore, patterns: Sequence[str]) -> NDArray[np.bool_]:
    """Find the rows whose path one of several patterns means.

    What a glob begins and ends with is compared byte by byte for many rows at once; only where it has more
    than one wildcard, the rows that are left meet a regular expression. Memory stays within a few dozen
    megabytes.

    Args:
        store: the feature store.
        patterns: see the module.

    Returns:
        (rows,) bool, dead rows included.
    """
    readings = [_readings(_spelled(pattern, store.manifest.image_root)) for pattern in patterns]
    globs = {glob for several in readings for pair in several for glob in pair if glob is not None}
    matched = {glob: np.zeros(store.rows, bool) for glob in globs}
    for first, heap, starts, ends in name_blocks(store):
        for glob, rows in matched.items():
            rows[first + glob.matches(heap, starts, ends)] = True
    found = np.zeros(store.rows, bool)
    for several in readings:
        for literally, glob in several:
            if literally is None or matched[literally][store.live].any():
                found |= matched[glob]
                break
    return found


def find_named(store: FeatureStore, name: str, *, whole: bool = False) -> int | None:
    """Find the live row that a name means, however its letters are composed.

    Args:
        store: the feature store.
        name: a path, or the end of a single one from a ``/`` on: a file's name, optionally with folders.
        whole: whether it must be the path.

    Returns:
        The position; None if there is no such row.

    Raises:
        QueryError: it may be any of several.
    """
    named, ending = _rows_named(store, name)
    found = named if whole or named else ending
    if len(found) > 1:
        paths = [printable(store.path(position)) for position in found[:_TOLD]]
        more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        raise QueryError(
            f"{shown(name)} matches {len(found)} images: {', '.join(paths)}{more}; give a longer path, or "
            "the id"
        )
    return found[0] if found else None


def _rows_named(store: FeatureStore, name: str) -> tuple[list[int], list[int]]:
    """Positions of the live rows whose path this is, and of those whose path ends with it."""
    text = _encoded(_spelled(name, store.manifest.image_root))
    whole, ending = np.zeros((2, store.rows), bool)
    for first, heap, starts, ends in name_blocks(store):
        rows = _ending(heap, ends, np.flatnonzero(ends - starts >= len(text)), text)
        alone = ends[rows] - starts[rows] == len(text)
        whole[first + rows[alone]] = True
        longer = rows[~alone]
        ending[first + longer[heap[ends[longer] - len(text) - 1] == ord("/")]] = True
    live = store.live
    return live[whole[live]].tolist(), live[ending[live]].tolist()


def _spelled(pattern: str, root: str) -> str:
    """A pattern from the root of the collection on, its letters composed."""
    text = unicodedata.normalize("NFC", pattern).removeprefix(f"{unicodedata.normalize('NFC', root)}/")
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    return f"{text}*" if not text or text.endswith("/") else text


def _readings(pattern: str) -> list[tuple[_Glob | None, _Glob]]:
    """Possible meanings of a pattern, best first: the path that must be stored, and the glob.

    Each of its folders in turn, from the longest on, is taken literally with its special characters.
    """
    ends = [len(pattern), *(place for place in range(len(pattern) - 1, 0, -1) if pattern[place] == "/")]
    heads = [pattern[:end] for end in ends if set(pattern[:end]) & set(_MAGIC)]
    literal = [(_Glob.of(head, ""), _Glob.of(head, pattern[len(head) :])) for head in heads]
    return [*literal, (None, _Glob.of("", pattern))]


@dataclass(frozen=True)
class _Glob:
    """A glob, and all that is below a folder that it matches.

    Attributes:
        prefix: prefix of every path that matches.
        suffix: suffix of every path that matches by itself, not by one of its folders.
        regex: for the whole path; None if there is no wildcard: the prefix is the path, or a folder.
        plain: whether a single ``*`` is between prefix and suffix.
    """

    prefix: bytes
    suffix: bytes
    regex: re.Pattern[str] | None
    plain: bool

    @classmethod
    def of(cls, literal: str, glob: str) -> _Glob:
        """Of a pattern that begins with `literal`, whatever characters that has."""
        pattern = literal + glob
        places = (place for place in range(len(literal), len(pattern)) if pattern[place] in _MAGIC)
        first = next(places, None)
        if first is None:
            return cls(_encoded(pattern), b"", None, False)
        tail = pattern[pattern.rindex("*") + 1 :] if "*" in pattern[first:] else "?"
        suffix = "" if set(tail) & set("?[]") else tail
        plain = set(pattern[first : len(pattern) - len(suffix)]) == {"*"}
        ways = "|".join(fnmatch.translate(glob + below) for below in ("", "/*", "!/*"))
        regex = re.compile(f"{re.escape(literal)}(?:{ways})")
        return cls(_encoded(pattern[:first]), _encoded(suffix), regex, plain)

    def matches(
        self, heap: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Numbers of the paths ``heap[start:end]`` that match."""
        rows = np.flatnonzero(ends - starts >= len(self.prefix))
        for place, byte in enumerate(self.prefix):
            rows = rows[heap[starts[rows] + place] == byte]
        if self.regex is None:
            return rows[_is_whole_or_folder(heap, starts[rows] + len(self.prefix), ends[rows])]
        if self.plain and not self.suffix:
            return rows
        if self.suffix:
            least = len(self.prefix) + len(self.suffix)
            files = _ending(heap, ends, rows[ends[rows] - starts[rows] >= least], self.suffix)
            rows = np.intersect1d(rows, _holding_folder(heap, ends, self.suffix))
            if self.plain:
                return np.union1d(files, rows[_match_each(self.regex, heap, starts[rows], ends[rows])])
            rows = np.union1d(files, rows)
        return rows[_match_each(self.regex, heap, starts[rows], ends[rows])]


def name_blocks(
    store: FeatureStore,
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]]:
    """All paths in blocks, letters composed: number of the first row, bytes in turn, starts and ends."""
    first = 0
    for stored, stored_ends in store.path_blocks():
        heap, ends, content = stored, stored_ends, stored.tobytes()
        if not content.isascii() and not unicodedata.is_normalized("NFC", os.fsdecode(content)):
            starts = [0, *ends[:-1].tolist()]
            paths = [
                _encoded(unicodedata.normalize("NFC", os.fsdecode(content[start:end])))
                for start, end in zip(starts, ends.tolist(), strict=True)
            ]
            heap = np.frombuffer(b"".join(paths), np.uint8)
            ends = np.cumsum([len(path) for path in paths], dtype=np.int64)
        yield first, heap, np.concatenate([np.zeros(1, np.int64), ends[:-1]]), ends
        first += len(ends)


def _ending(
    heap: NDArray[np.uint8], ends: NDArray[np.int64], rows: NDArray[np.int64], suffix: bytes
) -> NDArray[np.int64]:
    """Those of the rows, no shorter than it, that end with a suffix."""
    for place, byte in enumerate(suffix):
        rows = rows[heap[ends[rows] - len(suffix) + place] == byte]
    return rows


def _is_whole_or_folder(
    heap: NDArray[np.uint8], places: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether paths end at these places, or continue a ``/``, or with the ``!/`` behind an archive."""
    padded = np.concatenate([heap, np.zeros(2, np.uint8)])
    here, next_to_it = padded[places], padded[places + 1]
    slash = (here == ord("/")) & (places < ends)
    archive = (here == ord("!")) & (next_to_it == ord("/")) & (places + 1 < ends)
    return np.asarray((places == ends) | slash | archive)


def _holding_folder(heap: NDArray[np.uint8], ends: NDArray[np.int64], name: bytes) -> NDArray[np.int64]:
    """Numbers of the paths that hold these bytes before a ``/`` or ``!/``, ascending; perhaps of some
    others."""
    found = re.finditer(b"(?=" + re.escape(name) + b"!?/)", heap.tobytes())
    places = np.fromiter((match.start() for match in found), np.int64)
    return np.unique(np.searchsorted(ends, places, "right"))


def _match_each(
    regex: re.Pattern[str], heap: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.bool_]:
    match, content = regex.match, heap.tobytes()
    places = zip(starts.tolist(), ends.tolist(), strict=True)
    if content.isascii():
        text = content.decode("ascii")  # cut by the expression itself: no string for each path
        found = [match(text, start, end) is not None for start, end in places]
    else:
        found = [match(os.fsdecode(content[start:end])) is not None for start, end in places]
    return np.array(found, bool)


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:  # no file name can hold it
        return b"\0"
