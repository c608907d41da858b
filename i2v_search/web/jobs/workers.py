"""Bounded thread pools: excess calls are refused, abandoned calls are dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from i2v_search.web.guard.failures import Failure

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """A few threads and a short queue.

    Args:
        name: name for metrics and threads.
        threads: number of threads.
        queue: number of waiting calls besides the running ones.
    """

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self.name, self.threads, self._most = name, threads, threads + queue
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"i2v-{name}")
        self.pending = 0
        self.refused = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function on one of the threads and wait for it.

        If the waiting task is cancelled while the call is queued, the call is dropped; a running call
        completes, and its result is discarded.

        Raises:
            Failure: the queue is full.
        """
        if self.pending >= self._most:
            self.refused += 1
            raise Failure("busy", retry_after=1)
        loop = asyncio.get_running_loop()
        self.pending += 1
        future = self._executor.submit(function, *args, **kwargs)
        future.add_done_callback(lambda _: self._done(loop))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop waiting calls; running calls complete."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count down, on the thread of the event loop."""
        with suppress(RuntimeError):  # the call outlived its server
            loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self.pending -= 1
