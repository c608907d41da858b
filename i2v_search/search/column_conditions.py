"""Conditions on a collection's columns: ``score > 50 and rating = general and date >= 2023``.

=========================  ===================================================================================
``score > 50``             also ``>=``, ``<``, ``<=``, ``=``, ``!=``
``date >= 2023``           a day, month or year: ``date = 2023-05`` is any moment of that month, in UTC
``rating in (g, e)``       one of several
``source contains pixiv``  a part of a text, whatever its case
``score is missing``       also ``is not missing``
``character = "a, b"``     a tag that people gave, of that category; ``tag`` is any; also ``!=``, ``in``
``not``, ``and``, ``or``   and parentheses; ``and`` binds closer than ``or``
=========================  ===================================================================================

A value with spaces, signs or commas is written in quotation marks, in which a backslash precedes a mark.
Besides the collection's own columns there are ``id``, ``width``, ``height``, ``bytes`` and ``modified``, of
every image's file. An image without a value meets no comparison of it, not even ``!=``.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import shown
from i2v_search.errors import QueryError
from i2v_search.images.metadata.ratings import RATINGS
from i2v_search.search.tag_table import TagTable
from i2v_search.store.columns import Column, Columns, seconds_of
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import CATEGORIES, Category, normalise_tag

#: Letters of a condition, and parentheses in parentheses.
MOST_LETTERS: Final = 2000
_DEEPEST: Final = 30
#: Texts of a column among which the nearest is looked for.
_NAMEABLE: Final = 1000
_TOKEN: Final = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(==|!=|<>|>=|<=|=|>|<)|([(),])|([^\s"'()=<>!,]+))""",
    re.DOTALL,
)
_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_SAME: Final = {"==": "=", "<>": "!="}
_COMPARES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_WORDS: Final = frozenset(("and", "or", "not", "in", "is", "missing", "contains"))
_FILE: Final = {"id": "id", "width": "width", "height": "height", "bytes": "size", "modified": "mtime_ns"}
_TAGS: Final = ("tag", *(category for category in CATEGORIES if category != "rating"))
_BOOLEANS: Final = {"true": "1", "false": "0"}

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """What conditions look at: the rows of a collection."""

    store: FeatureStore
    columns: Columns
    table: TagTable


@dataclass(frozen=True)
class Comparison:
    """One comparison: a column's name, how it is compared, and with which values."""

    name: str
    how: str
    values: tuple[str, ...] = ()

    def mask(self, rows: Rows) -> Mask:
        """(rows,) bool: where it holds.

        Raises:
            QueryError: the collection has no such column, or nothing of it can be compared so.
        """
        if self.name in _TAGS and self.name not in rows.columns:
            return self._tagged(rows)
        column = _column(self.name, rows)
        if self.how == "missing":
            return np.asarray(~column.known)
        if self.how == "contains":
            return self._containing(column)
        several = [self._compared(column, value) for value in self.values]
        return np.asarray(np.logical_or.reduce(several))

    def _compared(self, column: Column, value: str) -> Mask:
        how = "=" if self.how == "in" else self.how
        if column.kind == "text":
            return self._text(column, value, how)
        if column.kind == "time":
            first, last = self._moments(value)
            if how in ("=", "!="):
                inside = (column.values >= first) & (column.values <= last)
                return np.asarray(inside if how == "=" else ~inside & column.known)
            number: int | float = last if how in (">", "<=") else first
        else:
            number = self._number(value)
        met = _COMPARES[how](column.values, number)
        # A missing number is less than any other, and unlike any.
        return np.asarray(met & column.known if how in ("<", "<=", "!=") else met)

    def _text(self, column: Column, value: str, how: str) -> Mask:
        place = bisect_left(column.texts, value)
        is_there = place < len(column.texts) and column.texts[place] == value
        if how in ("=", "!="):
            exists = is_there or (self.name == "rating" and value in RATINGS)
            if not exists and len(column.texts) <= _NAMEABLE:
                near = get_close_matches(value, list(column.texts), 3)
                known = near or list(column.texts)[:5]
                raise QueryError(
                    f"no image has {self.name} {value!r}; "
                    f"{'did you mean' if near else 'for instance'} {', '.join(map(repr, known))}?"
                )
            code = place if is_there else -2
            met = column.values == code
            return np.asarray(met if how == "=" else ~met & (column.values >= 0))
        # Codes are in the order of the texts.
        after = place + 1 if is_there and how in (">", "<=") else place
        met = column.values >= after if how in (">", ">=") else column.values < after
        return np.asarray(met & (column.values >= 0))

    def _containing(self, column: Column) -> Mask:
        if column.kind != "text":
            raise QueryError(f"column {self.name!r} holds no texts that could contain {self.values[0]!r}")
        part = self.values[0].casefold()
        found = [part in text.casefold() for text in column.texts]
        return np.asarray(np.array([*found, False], bool)[column.values])

    def _moments(self, value: str) -> tuple[int, int]:
        """The first and the last second of a year, month, day or moment."""
        found = _DATE.fullmatch(value)
        try:
            if found is None:
                moment = seconds_of(value)
                if moment is None:
                    raise ValueError(value)
                return moment, moment
            year, month, day = (None if part is None else int(part) for part in found.groups())
            start = datetime(cast(int, year), month or 1, day or 1, tzinfo=UTC)
            if day is not None:
                return int(start.timestamp()), int(start.timestamp()) + 86399
            years, months = divmod(start.month, 12) if month is not None else (1, 0)
            end = start.replace(year=start.year + years, month=months + 1)
            return int(start.timestamp()), int(end.timestamp()) - 1
        except (ValueError, OverflowError):
            raise QueryError(
                f"{self.name} is compared with a year, a month or a day, as 2023, 2023-05 or 2023-05-31, "
                f"not {value!r}"
            ) from None

    def _number(self, value: str) -> int | float:
        text = _BOOLEANS.get(value.lower(), value)
        for read in (int, float):
            try:
                return read(text)
            except ValueError:
                continue
        raise QueryError(f"{self.name} is compared with numbers, not {value!r}")

    def _tagged(self, rows: Rows) -> Mask:
        """Where people gave one of some tags."""
        if self.how not in ("=", "!=", "in"):
            raise QueryError(f"{self.name} is compared by =, != or in")
        met = np.zeros(rows.store.rows, bool)
        for value in self.values:
            name, category = normalise_tag(value), None if self.name == "tag" else self.name
            given = rows.table.given(name, cast(Category | None, category))
            if not given.any():
                raise QueryError(f"no image was given the {self.name} {name!r}")
            met |= given
        return ~met if self.how == "!=" else met


@dataclass(frozen=True)
class Joined:
    """Conditions joined by ``and`` or ``or``, or one by ``not``."""

    how: str
    parts: tuple[Condition, ...]

    def mask(self, rows: Rows) -> Mask:
        """(rows,) bool: where it holds; errors of `Comparison.mask`."""
        masks = [part.mask(rows) for part in self.parts]
        if self.how == "not":
            return np.asarray(~masks[0])
        return np.asarray((np.logical_and if self.how == "and" else np.logical_or).reduce(masks))


Condition: TypeAlias = Comparison | Joined


def read_condition(text: str) -> str | None:
    """A condition as it was written, checked; None for an empty one.

    Raises:
        QueryError: it is no text, or cannot be read.
    """
    if not isinstance(text, str):
        raise QueryError(f"condition must be a text, not {shown(text)}")
    if not text.strip():
        return None
    parse_condition(text.strip())
    return text.strip()


@lru_cache(maxsize=256)
def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        QueryError: it cannot be read; the message says where.

    >>> parse_condition("score > 50 and not rating = 'e'").how
    'and'
    >>> parse_condition("score >")
    Traceback (most recent call last):
    i2v_search.errors.QueryError: in the condition 'score >', a value is expected at the end
    """
    if len(text) > MOST_LETTERS:
        raise QueryError(f"a condition has at most {MOST_LETTERS} characters, not {len(text)}")
    return _Parser(text).read()


def column_mask(condition: str, rows: Rows) -> Mask:
    """(rows,) bool over the positions of a store, dead rows included: where a condition holds.

    Raises:
        QueryError: it cannot be read, or the collection has no such column.
    """
    return parse_condition(condition).mask(rows)


def _column(name: str, rows: Rows) -> Column:
    if name in rows.columns or name not in _FILE:
        return rows.columns[name]
    values = rows.store.ids if name == "id" else rows.store.column(_FILE[name], np.arange(rows.store.rows))
    if name == "modified":
        return Column("time", np.asarray(values) // 10**9)
    return Column("whole", np.asarray(values, np.int64))


@dataclass(frozen=True)
class _Token:
    """A part of a condition: a sign, a word, or a text in quotation marks."""

    text: str
    kind: str
    start: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._place, self._deep = text, 0, 0
        self._tokens = self._split(text)

    def read(self) -> Condition:
        condition = self._any()
        if self._place < len(self._tokens):
            raise self._expected("'and' or 'or'")
        return condition

    def _split(self, text: str) -> Sequence[_Token]:
        tokens, place = [], 0
        while place < len(text) and not text[place:].isspace():
            found = _TOKEN.match(text, place)
            if found is None:
                raise QueryError(
                    f"in the condition {text!r}, {text[place:].strip()[:20]!r} cannot be read; a text with "
                    "signs in it is written in quotation marks"
                )
            double, single, sign, mark, word = found.groups()
            quoted = double if double is not None else single
            if quoted is not None:
                tokens.append(_Token(re.sub(r"\\(.)", r"\1", quoted), "quoted", place))
            else:
                tokens.append(
                    _Token(_SAME.get(sign, sign) or mark or word, "word" if word else "sign", place)
                )
            place = found.end()
        return tokens

    def _any(self) -> Condition:
        return self._joined("or", lambda: self._joined("and", self._one))

    def _joined(self, word: str, read: Callable[[], Condition]) -> Condition:
        parts = [read()]
        while self._takes(word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _one(self) -> Condition:
        self._deep += 1
        if self._deep > _DEEPEST:
            raise QueryError(f"a condition may have {_DEEPEST} parentheses in one another at most")
        try:
            if self._takes("not"):
                return Joined("not", (self._one(),))
            if self._takes("("):
                inner = self._any()
                if not self._takes(")"):
                    raise self._expected("')'")
                return inner
            return self._comparison()
        finally:
            self._deep -= 1

    def _comparison(self) -> Condition:
        name = self._value("the name of a column")
        if self._takes("is"):
            is_not = self._takes("not")
            if not self._takes("missing"):
                raise self._expected("'missing' or 'not missing'")
            missing = Comparison(name, "missing")
            return Joined("not", (missing,)) if is_not else missing
        if self._takes("in"):
            return Comparison(name, "in", self._several())
        if self._takes("contains"):
            return Comparison(name, "contains", (self._value("a value"),))
        token = self._next()
        if token is None or token.kind != "sign" or token.text not in _COMPARES:
            raise self._expected("a comparison (=, !=, >, >=, <, <=, in, contains, is missing)")
        self._place += 1
        return Comparison(name, token.text, (self._value("a value"),))

    def _several(self) -> tuple[str, ...]:
        if not self._takes("("):
            raise self._expected("'('")
        values = [self._value("a value")]
        while self._takes(","):
            values.append(self._value("a value"))
        if not self._takes(")"):
            raise self._expected("',' or ')'")
        return tuple(values)

    def _value(self, what: str) -> str:
        token = self._next()
        if token is None or token.kind == "sign" or (token.kind == "word" and token.text.lower() in _WORDS):
            raise self._expected(what)
        self._place += 1
        return token.text

    def _takes(self, text: str) -> bool:
        token = self._next()
        if token is None or token.kind == "quoted" or token.text.lower() != text:
            return False
        self._place += 1
        return True

    def _next(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _expected(self, what: str) -> QueryError:
        token = self._next()
        where = "at the end" if token is None else f"at {self._text[token.start :].strip()[:30]!r}"
        return QueryError(f"in the condition {self._text!r}, {what} is expected {where}")
