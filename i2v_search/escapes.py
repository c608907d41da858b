"""Names, tags and reasons as people may read them: nothing in them can command a terminal or hide.

What images are called comes from strangers. A terminal obeys escape sequences (``ESC ] 52`` writes the
clipboard), U+202E turns what follows it around, and a line feed in a name begins a line that nobody wrote.
Such characters are written as Python's string literals write them: ``\\x1b``, ``\\u202e``, ``\\n``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

#: C0 and C1 controls and DEL, lone surrogates, and what draws nothing though it counts as a letter or a mark;
#: of all other characters the category decides.
_SUSPECT = re.compile("[^\x20-\x7e\xa1-\xac\xae-\u02ff\u3000-\u3163\u3165-\ud7ff]")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_JOINERS = frozenset("\u200c\u200d")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SURROGATES = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """A text as one line in which every character can be seen and none controls anything.

    Escaped are C0 and C1 controls (line feeds and tabs too), DEL, bidirectional and all other invisible
    format characters, line and paragraph separators, Hangul fillers, and lone surrogates: a byte of a file
    name that is not UTF-8 becomes ``\\xNN``. The joiners of emoji and of Persian and Indic letters stay where
    they join.

    Args:
        text: any string; most pass through unchanged.

    Example:
        >>> visible("a\\x1b[2J\\u202egnp.exe\\n\\udcff 猫.png")
        'a\\\\x1b[2J\\\\u202egnp.exe\\\\n\\\\xff 猫.png'
    """
    return _SUSPECT.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """Lines as people may read them: `visible`, but line feeds stay.

    >>> visible_lines("one\\n\\x1btwo\\n")
    'one\\n\\\\x1btwo\\n'
    """
    return "\n".join(map(visible, text.split("\n")))


def printable(text: str) -> str:
    """A text that can be encoded: bytes of a name that are not UTF-8, lone surrogates, become ``\\xNN``.

    For JSON, which escapes everything else itself; people get `visible`.

    >>> printable("a\\udcff.png")
    'a\\\\xff.png'
    """
    return _SURROGATES.sub(lambda found: _code(found[0]), text)


class JsonReady:
    """A dataclass that JSON can hold.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Found(JsonReady):
    ...     path: str
    ...     tags: tuple[str, ...]
    >>> Found("a\\udcff.png", ("cat",)).to_dict()
    {'path': 'a\\\\xff.png', 'tags': ['cat']}
    """

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values: tuples and arrays are lists, every text is `printable`."""
        return _attributes(self)


def _attributes(record: object) -> dict[str, Any]:
    return {field.name: _json_ready(getattr(record, field.name)) for field in fields(cast(Any, record))}


def _json_ready(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value):
        return _attributes(value)
    if isinstance(value, Mapping):
        return {name: _json_ready(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_json_ready(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value  # of NumPy


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in _HIDDEN and character not in _FILLERS:
        return character
    if character in _JOINERS and _joins(found.string, found.start()):
        return character
    return _code(character)


def _joins(text: str, place: int) -> bool:
    """Whether letters or emoji beyond ASCII stand on both sides."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    return all(side > "\x7f" and unicodedata.category(side) not in _HIDDEN for side in (before, after))


def _code(character: str) -> str:
    number = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= number <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        return f"\\x{number - 0xDC00:02x}"
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
