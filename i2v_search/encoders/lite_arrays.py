"""Records of arrays of `lite`, as its files of weights hold them: each array under ``PREFIX.NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from numpy.typing import NDArray

from i2v_search.errors import WeightsError

_Record = TypeVar("_Record")


def take_arrays(
    record: type[_Record], prefix: str, weights: Mapping[str, NDArray[Any]], what: str
) -> _Record:
    """Take the arrays of a dataclass from a file of weights.

    Args:
        record: the dataclass; every field is an array.
        prefix: of their names in the file.
        weights: the file's arrays.
        what: the file is of, in words: ``"drawings"``.

    Raises:
        WeightsError: an array is missing.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Mean:
        ...     mean: Any
        >>> take_arrays(Mean, "sketches", {"sketches.mean": 3}, "drawings")
        Mean(mean=3)
    """
    names = [entry.name for entry in fields(record)]  # type: ignore[arg-type]
    missing = [name for name in names if f"{prefix}.{name}" not in weights]
    if missing:
        raise WeightsError(f"the weights have no '{prefix}.{missing[0]}'; they are not those of {what}")
    return record(**{name: weights[f"{prefix}.{name}"] for name in names})


def require_shapes(record: object, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays that do not belong together.

    Raises:
        WeightsError: one has another shape.
    """
    for name, shape in shapes.items():
        found = getattr(record, name).shape
        if found != shape:
            raise WeightsError(f"'{prefix}.{name}' is {found}; expected {shape}")
