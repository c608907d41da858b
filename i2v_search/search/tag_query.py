"""Syntax of tags in queries: ``smile, -glasses``.

Tags are separated by commas, and a leading ``-`` excludes one. A tag that has a comma or begins with ``-`` is
written between quotation marks (``"rough, sketch"``, ``-"-_-"``), or with a backslash before the letter that
would mean something (``rough\\, sketch``, ``\\-_-``). The few faces that begin with ``-`` need neither. In a
list each entry is one tag, and a comma in it is only a comma.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from i2v_search.tags.vocabulary import FACES, normalise_tag

#: Characters of the longest tag that is suggested, and of any that may be asked for.
MAX_TAG: Final = 1000
#: Letters that a backslash makes plain; before any other it is a backslash.
_ESCAPED: Final = re.compile(r'\\([\\,"-])')
_QUOTED: Final = re.compile(r'\s*(-?)\s*"((?:[^"\\]|\\.)*)"\s*', re.DOTALL)
_PLAIN: Final = re.compile(r"(?:[^,\\]|\\.|\\$)*", re.DOTALL)


@dataclass(frozen=True)
class TagTerm:
    """A tag that is requested or, with `excluded`, one that no result has.

    Attributes:
        name: as `i2v_search.tags.vocabulary.normalise_tag` spells it.
        excluded: whether an image must not have it.
    """

    name: str
    excluded: bool = False

    def __str__(self) -> str:
        """As a person would write it; `parse_tags` reads it back.

        >>> str(TagTerm("-_-", excluded=True)), str(TagTerm("rough, sketch"))
        ('-"-_-"', '"rough, sketch"')
        """
        plain = self.name
        is_face = self.excluded and normalise_tag(f"-{plain}") in FACES
        if is_face or plain.startswith("-") or not {",", '"', "\\"}.isdisjoint(plain):
            plain = '"' + re.sub(r'([\\"])', r"\\\1", plain) + '"'
        return "-" * self.excluded + plain


def parse_tags(tags: str | Sequence[str]) -> tuple[TagTerm, ...]:
    r"""Read tags as people write them, each once, in their order.

    >>> [str(term) for term in parse_tags('Long_Hair, -glasses, "rough, sketch"')]
    ['long hair', '-glasses', '"rough, sketch"']
    >>> [term.name for term in parse_tags(["rough, sketch", "\\-o", "-_-"])]
    ['rough, sketch', '-o', '-_-']
    """
    written = _split(tags) if isinstance(tags, str) else map(_entry, tags)
    return tuple(dict.fromkeys(TagTerm(name, excluded) for name, excluded in written if name))


def _split(text: str) -> Iterator[tuple[str, bool]]:
    place = 0
    while place <= len(text):
        quoted = _QUOTED.match(text, place)
        if quoted is not None and text[quoted.end() : quoted.end() + 1] in {"", ","}:
            end = quoted.end()
        else:
            plain = _PLAIN.match(text, place)
            end = plain.end() if plain else len(text)
        yield _entry(text[place:end])
        place = end + 1


def _entry(text: str) -> tuple[str, bool]:
    """One tag with its sign."""
    if quoted := _QUOTED.fullmatch(text):
        return normalise_tag(_ESCAPED.sub(r"\1", quoted[2])), bool(quoted[1])
    text = text.strip()
    face = normalise_tag(text)
    if face in FACES:
        return face, False
    excluded = text.startswith("-")
    return normalise_tag(_ESCAPED.sub(r"\1", text.removeprefix("-").strip() if excluded else text)), excluded
