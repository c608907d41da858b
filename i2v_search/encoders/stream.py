"""Outputs of a model for images: prepared in threads, a bounded number ahead, and run in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from i2v_search.errors import ImageError
from i2v_search.images.lookahead import map_ahead
from i2v_search.images.sources import Skipped

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

#: Batches that are prepared ahead of the one that runs.
LOOK_AHEAD = 2
#: Items of a batch at most, where few of them have an input: what is known of them is not held back for long.
MAX_ITEMS = 256


@dataclass(frozen=True)
class Batch(Generic[T, R]):
    """Successive items of a stream.

    Attributes:
        items: what is known of each, in order.
        places: places of those that had an input, among `items`.
        output: what the model gives for them, a row each; None if there are none.
    """

    items: list[T]
    places: list[int]
    output: R | None


def run_batches(
    items: Iterable[S],
    prepare: Callable[[S], tuple[T, Any]],
    run: Callable[[list[Any]], R],
    size: int,
) -> Iterator[Batch[T, R]]:
    """Run a model on what items are prepared to, so that decoding overlaps it and memory is bounded.

    Args:
        items: any number, taken in the caller's thread.
        prepare: gives what is known of an item and the model's input, None if it has none; thread-safe.
        run: the model, on at least one input and at most `size`.
        size: inputs of a batch, at least 1; usually the `batch_size` of the encoder.

    Yields:
        All items, in order. Only the last batch has fewer than `size` inputs, and those of `MAX_ITEMS` items.

    Raises:
        What `prepare` raises, in its item's place; see `skipping`.

    Example:
        >>> def halve(number):
        ...     return (number, number // 2) if number % 2 == 0 else (number, None)
        >>> for batch in run_batches(range(5), halve, sum, size=2):
        ...     print(batch.items, batch.places, batch.output)
        [0, 1, 2] [0, 2] 1
        [3, 4] [1] 2
    """
    known: list[T] = []
    places: list[int] = []
    inputs: list[Any] = []
    for item, value in map_ahead(prepare, items, LOOK_AHEAD * size):
        if value is not None:
            places.append(len(known))
            inputs.append(value)
        known.append(item)
        if len(inputs) == size or len(known) == MAX_ITEMS:
            yield Batch(known, places, run(inputs) if inputs else None)
            known, places, inputs = [], [], []
    if known:
        yield Batch(known, places, run(inputs) if inputs else None)


def skipping(prepare: Callable[[S], tuple[T, Any]]) -> Callable[[S], tuple[T | Skipped, Any]]:
    """Make an image that cannot be read a value among the others: `Skipped` instead of an `ImageError`."""

    def prepare_or_skip(item: S) -> tuple[T | Skipped, Any]:
        try:
            return prepare(item)
        except ImageError as error:
            return Skipped(error.path, error.reason), None

    return prepare_or_skip
