"""Rate limit per address: token buckets."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

#: Addresses remembered; the one seen longest ago is forgotten, and begins again with a full bucket.
_ADDRESSES = 4096


class RateLimit:
    """A token bucket per address, which is refilled steadily.

    Args:
        rate: requests per second; 0: no limit.
        burst: capacity of a bucket.
        clock: seconds, for tests.

    Example:
        >>> limit = RateLimit(1, 2, clock=lambda: 0.0)
        >>> [limit.wait("10.0.0.1") for _ in range(3)]
        [0, 0, 1]
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, max(burst, 1.0), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Take one request from the bucket; 0 if there was one, otherwise the seconds until there is."""
        if not self._rate:
            return 0
        now = self._clock()
        left, seen = self._buckets.get(address, (self._burst, now))
        left = min(self._burst, left + (now - seen) * self._rate)
        granted = left >= 1
        self._buckets[address] = (left - granted, now)
        self._buckets.move_to_end(address)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return 0 if granted else max(1, math.ceil((1 - left) / self._rate))
