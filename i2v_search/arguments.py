"""Arguments as people give them: one item where several belong, and numbers of Python, NumPy or pandas."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import wraps
from typing import Any, ParamSpec, SupportsFloat, SupportsIndex, TypeAlias, TypeVar

from i2v_search.errors import QueryError

#: An image of a collection, by id or stored path.
StoredImage: TypeAlias = SupportsIndex | str | os.PathLike[str]
#: One or several of them.
StoredImages: TypeAlias = StoredImage | Iterable[StoredImage]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_SHOWN = 60
#: More than a number of 64 bits has: Python itself refuses to read thousands of digits.
_MOST_DIGITS = 32


def several(given: Any) -> list[Any]:
    """List what was given: one item is a list of one.

    A text, bytes and a path are always one item, though Python can iterate over the letters of a text.

    >>> several("12"), several(7), several(["1", "2"])
    (['12'], [7], ['1', '2'])
    """
    alone = isinstance(given, str | bytes | os.PathLike) or not isinstance(given, Iterable)
    if alone or getattr(given, "ndim", 1) == 0:
        return [given]
    return list(given)


def renamed(**names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let keyword arguments be called as they were one release ago, with a DeprecationWarning.

    Args:
        names: the old name of each, and its name now.

    >>> @renamed(colour="color")
    ... def paint(*, color: str) -> str:
    ...     return color
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     paint(colour="red")
    'red'
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **given: _P.kwargs) -> _R:
            for old, new in names.items():
                if old in given:
                    warnings.warn(f"argument {old} is now {new}", DeprecationWarning, stacklevel=2)
                    given[new] = given.pop(old)
            return function(*args, **given)

        return call

    return decorate


def require_known(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keyword arguments that do not exist, as Python does, and suggest the one that was meant.

    Raises:
        TypeError: there is no such argument.

    >>> require_known(["tpo"], ["top", "offset"])
    Traceback (most recent call last):
    TypeError: unexpected keyword argument 'tpo'; did you mean 'top'?
    """
    names = list(known)
    for name in given:
        if name not in names:
            import difflib

            close = difflib.get_close_matches(name, names, n=1)
            meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(names))}"
            raise TypeError(f"unexpected keyword argument {name!r}; {meant}")


def whole(name: str, given: SupportsIndex) -> int:
    """An integer of any kind as Python's own.

    Args:
        name: name of the argument, for the error.
        given: such as 3 or ``np.int64(3)``; not a float, though it be 3.0.

    Raises:
        QueryError: it is no integer.

    >>> import numpy
    >>> whole("top", numpy.int64(3))
    3
    """
    if not isinstance(given, bool):
        try:
            return operator.index(given)
        except TypeError:
            pass
    raise QueryError(f"{name} must be a whole number, not {shown(given)}")


def plain_numbers(record: Any) -> None:
    """Make the numbers of NumPy among the fields of a frozen dataclass Python's own, as JSON wants them."""
    for field in fields(record):
        value = getattr(record, field.name)
        if type(value).__module__ == "numpy" and value.ndim == 0:  # NumPy itself takes long to import
            object.__setattr__(record, field.name, value.item())


def read_whole(text: str) -> int | None:
    """The number that the digits of a text give; None for another text, and for more digits than any has.

    >>> read_whole("17"), read_whole("owl.png"), read_whole("7" * 5000)
    (17, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else None


def number(name: str, given: SupportsFloat) -> float:
    """A real number of any kind as Python's own; infinite ones and NaN are not refused here.

    Raises:
        QueryError: it is no number; a text is none.

    >>> number("weight", 1)
    1.0
    """
    if not isinstance(given, bool | str | bytes):
        try:
            return float(given)
        except (TypeError, ValueError, OverflowError):
            pass
    raise QueryError(f"{name} must be a number, not {shown(given)}")


def shown(given: Any) -> str:
    """An argument as errors show it; long values are shortened.

    >>> shown("7" * 5000)[-24:]
    "7777'… (5000 characters)"
    """
    if isinstance(given, str) and len(given) > _SHOWN:
        return f"{given[:_SHOWN]!r}… ({len(given)} characters)"
    if (
        isinstance(given, int) and given.bit_length() > _SHOWN * 3
    ):  # Python refuses to write thousands of digits
        return f"a number of {given.bit_length()} bits"
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
