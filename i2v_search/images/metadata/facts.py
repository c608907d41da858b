"""Facts about a picture besides its tags: score, date, source and the number of its post.

`facts_of` reads the names that booru sites and downloaders use for them and gives each one name and one form,
so that posts of several sites can be filtered and sorted together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from math import inf, isfinite
from typing import Any, Final, TypeAlias

#: A value of a column; a date is text, ``2023-05-01T12:00:00Z``.
Fact: TypeAlias = int | float | str

#: Names that a column may have.
FACT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: Letters of a text that are kept.
MOST_LETTERS: Final = 2000
_WHOLE: Final = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_NUMBER: Final = re.compile(r"-?(?:\d+\.\d*|\.\d+|\d+(?:\.\d+)?[eE][+-]?\d+)")
_LARGEST: Final = 2**63 - 1
_DATE_KEYS: Final = ("created_at", "date", "published", "change")
#: Names of a fact in files, the first that says something counts.
_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "post_id": ("post_id", "id"),
    "parent_id": ("parent_id",),
    "score": ("score",),
    "favourites": ("favourites", "fav_count", "favorites", "favorite_count"),
}
_RUBY: Final = "%a %b %d %H:%M:%S %z %Y"
_WITH_ZONE: Final = "%Y-%m-%d %H:%M:%S %Z"


def facts_of(document: Mapping[str, Any]) -> dict[str, Fact]:
    """The facts of a post, by the name of their column; the rating is not among them.

    >>> facts_of({"id": "9", "score": {"total": 5}, "created_at": "2005-05-23 23:35:31 UTC", "source": ""})
    {'post_id': 9, 'score': 5, 'date': '2005-05-23T23:35:31Z'}
    """
    found: dict[str, Fact] = {}
    for name, keys in _NUMBERS.items():
        for key in keys:
            value = document.get(key)
            if isinstance(value, dict):
                value = value.get("total")
            if (number := as_fact(value)) is not None and number != "" and (number or name != "parent_id"):
                found[name] = number
                break
    for key in _DATE_KEYS:
        if (moment := as_date(document.get(key))) is not None:
            found["date"] = moment
            break
    source = document.get("source")
    if not source and isinstance(several := document.get("sources"), list):
        source = next((one for one in several if isinstance(one, str) and one), None)
    if isinstance(source, str) and source:
        found["source"] = as_text(source)
    return found


def own_facts(document: Mapping[str, Any], known: Iterable[str]) -> dict[str, Fact]:
    """The numbers and texts of a row under names of the owner's own.

    Args:
        document: the row.
        known: names that mean something else.

    >>> own_facts({"split": "train", "clip": "0.5", "file_name": "a.png", "boxes": [1]}, {"file_name"})
    {'split': 'train', 'clip': 0.5}
    """
    left = set(known)
    return {
        name: value
        for name, given in document.items()
        if isinstance(name, str) and name not in left and FACT_NAME.fullmatch(name)
        if (value := as_fact(given)) is not None and value != ""
    }


def as_fact(value: Any) -> Fact | None:  # noqa: PLR0911 - a return for each kind
    """A value as a column holds it; text that is a number becomes one, other kinds None.

    >>> as_fact("-0.5"), as_fact("1e999"), as_fact([])
    (-0.5, '1e999', None)
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else str(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime | date):
        return as_date(value)
    if not isinstance(value, str):
        return None
    if _WHOLE.fullmatch(value):
        return int(value)
    number = float(value) if _NUMBER.fullmatch(value) else inf
    return number if isfinite(number) else as_text(value)


def as_text(value: str) -> str:
    """A text as a column holds it: valid Unicode, and not too long."""
    return value[:MOST_LETTERS].encode("utf-8", "replace").decode()


def as_date(value: Any) -> str | None:
    """A moment in any form that sites write, in UTC; None if it is none.

    >>> as_date("2023-05-01"), as_date(0), as_date("Mon May 01 15:04:05 -0600 2023")
    ('2023-05-01T00:00:00Z', '1970-01-01T00:00:00Z', '2023-05-01T21:04:05Z')
    """
    if isinstance(value, dict):  # as Moebooru nests it
        value = value.get("s")
    moment = _moment(value)
    if moment is None:
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def _moment(value: Any) -> datetime | None:  # noqa: PLR0911 - a return for each form
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    for form in (_WITH_ZONE, _RUBY):
        try:
            return datetime.strptime(value, form)
        except ValueError:
            continue
    return None
