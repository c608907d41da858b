"""Work done in threads a bounded number of items ahead of its consumer, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Apply a function to items in threads, at most `ahead` items before the one that is requested.

    Items are taken from their iterator in the caller's thread, so that memory is bounded whatever its length.

    Args:
        function: thread-safe; what it raises is raised in its item's place.
        items: any number.
        ahead: at least 1.

    Yields:
        The results, in the order of the items.

    Example:
        >>> list(map_ahead(abs, [-1, 2, -3], ahead=2))
        [1, 2, 3]
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="ahead") as workers:
        try:
            for item in items:
                waiting.append(workers.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
