"""Arrays of numbers as people give them: of NumPy, torch and HDF5, lists of floats, blocks one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import shown
from i2v_search.errors import QueryError

#: Rows that are held at a time.
BLOCK_ROWS = 2048


class Tensor(Protocol):
    """A tensor of torch."""

    def detach(self) -> Any:
        """The same numbers, without what computed them."""
        ...


def plain_array(given: Any) -> NDArray[Any]:
    """What was given as an array of NumPy; a tensor of torch from whatever device, of whatever precision.

    Raises:
        QueryError: it is no array of numbers.

    >>> plain_array([1, 2.5]).tolist(), plain_array(np.float32(2)).shape
    ([1.0, 2.5], ())
    """
    if hasattr(given, "detach"):  # torch, which is not imported here
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() else given
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as error:  # rows of several lengths
        raise QueryError(f"{shown(given)} is not an array of numbers ({error})") from None
    if array.dtype.kind not in "fiu":
        raise QueryError(f"{shown(given)} is not an array of numbers, but of {array.dtype}")
    return array


def looks_like_vector(given: Any) -> bool:
    """Whether something is one vector, or several in one array: a list of floats, an array, a tensor.

    A list of whole numbers is not: those are ids.

    >>> looks_like_vector([0.1, 2]), looks_like_vector((1, 2)), looks_like_vector(np.zeros(3))
    (True, False, True)
    """
    if isinstance(given, np.ndarray) or hasattr(given, "detach"):
        return bool(given.ndim)
    if not isinstance(given, list | tuple) or not given:
        return False
    numbers = all(isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in given)
    return numbers and any(isinstance(one, float | np.floating) for one in given)


def row_blocks(given: Any) -> Iterator[NDArray[Any]]:
    """Rows of vectors in blocks of at most `BLOCK_ROWS`, in order; what is not held yet is read as it comes.

    Args:
        given: an array (n, d), also a memory map, a data set of HDF5 or a tensor; or an iterable of such
            arrays, or of single vectors (d,).

    Raises:
        QueryError: it has another number of axes, or holds something else than numbers.

    >>> [block.shape for block in row_blocks([[0.5, 1], [2, 3]])]
    [(2, 2)]
    >>> [block.shape for block in row_blocks(np.zeros((5, 4)) for _ in range(2))]
    [(5, 4), (5, 4)]
    """
    shape = getattr(given, "shape", None)
    if shape is not None:
        if len(shape) != 2:
            raise QueryError(f"vectors must be an array of shape (rows, dimensions), not {tuple(shape)}")
        for start in range(0, shape[0], BLOCK_ROWS):
            yield plain_array(given[start : start + BLOCK_ROWS])
        return
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise QueryError(f"vectors must be an array (rows, dimensions) or blocks of them, not {shown(given)}")
    yield from _gathered(given)


def _gathered(items: Iterable[Any]) -> Iterator[NDArray[Any]]:
    """Blocks as they are; single vectors put together."""
    held: list[NDArray[Any]] = []
    for item in items:
        array = plain_array(item)
        if array.ndim == 1:
            if held and array.shape != held[0].shape:
                raise QueryError(f"vectors of {len(held[0])} and of {len(array)} dimensions")
            held.append(array)
        if held and (array.ndim != 1 or len(held) == BLOCK_ROWS):
            yield np.stack(held)
            held = []
        if array.ndim != 1:
            yield from row_blocks(array)
    if held:
        yield np.stack(held)
