"""Local search for a short closed tour: parts are reversed (2-opt), up to three items move together (Or-opt).

Only hops to near items are tried (Bentley, "Fast Algorithms for Geometric Traveling Salesman Problems",
ORSA J. Computing 4(4), 1992), and after that many small kicks, each taken back unless it pays (Johnson and
McGeoch, "The Traveling Salesman Problem: A Case Study", 1997). All is done by reversals, which are taken back
by doing them again.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Near items whose hops are tried.
_NEAR: Final = 8
#: Items that move together, at most.
_LONGEST_PART: Final = 3
#: Places that a kick reaches over.
_KICKED: Final = 50
_LEAST: Final = 1e-7


def improved_tour(costs: NDArray[np.float32], tour: list[int], *, kicks: int = 0) -> list[int]:
    """A tour that no reversed part and no moved part of up to three items makes shorter.

    Args:
        costs: (n, n) float32, symmetric, not negative.
        tour: each of the n numbers once.
        kicks: how often it is kicked and improved again; the same kicks every time.

    Returns:
        The tour, as closed: its last item is followed by its first.

    Example:
        >>> corners = np.array([[0, 0], [9, 9], [9, 0], [0, 9]], np.float32)
        >>> costs = np.linalg.norm(corners[:, None] - corners, axis=2).astype(np.float32)
        >>> order = improved_tour(costs, [0, 1, 2, 3])
        >>> float(costs[order, np.roll(order, -1)].sum())
        36.0
    """
    if len(tour) < 5:
        return _of_four(costs, tour)
    search = _Search(costs, tour)
    search.improve(tour)
    draw = np.random.default_rng(0)
    for place in draw.integers(0, len(tour), kicks).tolist():
        search.kick(place, sorted(draw.integers(1, min(_KICKED, len(tour) - 2), 2).tolist()))
    return search.order


def _of_four(costs: NDArray[np.float32], tour: list[int]) -> list[int]:
    """The shortest of the three tours of four items; of fewer there is one."""
    if len(tour) < 4:
        return tour
    a, b, c, d = tour
    return min(
        ([a, b, c, d], [a, c, b, d], [a, b, d, c]),
        key=lambda order: float(costs[order, [*order[1:], order[0]]].sum()),
    )


class _Search:
    """A tour and what improves it.

    Attributes:
        order: the items.
    """

    def __init__(self, costs: NDArray[np.float32], tour: list[int]) -> None:
        self.order = list(tour)
        self._place = [0] * len(tour)
        for place, item in enumerate(tour):
            self._place[item] = place
        self._cost = np.ascontiguousarray(costs, np.float32).data
        self._near = _nearest_items(costs)
        self._done: list[tuple[int, int]] = []
        self._gained = 0.0

    def improve(self, items: list[int]) -> None:
        """Improve the tour around items until nothing more can be gained there."""
        waiting, is_waiting = deque(items), set(items)
        while waiting:
            item = waiting.popleft()
            is_waiting.discard(item)
            while touched := self._reversed(item) or self._moved(item):
                for other in touched:
                    if other not in is_waiting and other != item:
                        is_waiting.add(other)
                        waiting.append(other)

    def kick(self, place: int, lengths: list[int]) -> None:
        """Swap two parts in a row, improve the tour there, and go back if it got no shorter."""
        order, count = self.order, len(self.order)
        first, last = lengths[0], max(lengths[1], lengths[0] + 1)
        before, a, b, c, d, after = (
            order[(place + offset) % count] for offset in (0, 1, first, first + 1, last, last + 1)
        )
        self._done.clear()
        cost = self._cost
        removed = cost[before, a] + cost[b, c] + cost[d, after]
        self._gained = removed - (cost[before, c] + cost[d, a] + cost[b, after])
        self._exchange(before, a, d, after)
        self._exchange(before, d, c, b)
        self._exchange(d, b, a, after)
        self.improve([before, a, b, c, d, after])
        if self._gained <= _LEAST:
            for start, end in reversed(self._done):
                self._turn(start, end)

    def _after(self, item: int) -> int:
        place = self._place[item] + 1
        return self.order[place if place < len(self.order) else 0]

    def _before(self, item: int) -> int:
        return self.order[self._place[item] - 1]

    def _reversed(self, a: int) -> tuple[int, ...]:
        """Reverse a part beside an item, if that is shorter: the ends of the hops that changed."""
        cost = self._cost
        for beside in (self._after, self._before):
            b = beside(a)
            hop = cost[a, b]
            for c, near in self._near[a]:
                if near >= hop:
                    break
                d = beside(c)
                gained = hop - near + cost[c, d] - cost[b, d]
                if gained > _LEAST and c != b and d != a:
                    self._exchange(a, b, c, d)
                    self._gained += gained
                    return a, b, c, d
        return ()

    def _moved(self, a: int) -> tuple[int, ...]:
        """Move an item, and up to two beside it, to near another: the ends of the hops that changed."""
        cost = self._cost
        for ahead, back in ((self._after, self._before), (self._before, self._after)):
            p, part, end = back(a), [a], a
            for _ in range(_LONGEST_PART):
                q = ahead(end)
                if q == p:
                    break
                saved = cost[p, a] + cost[end, q] - cost[p, q]
                for c, near in self._near[a]:
                    if near >= saved:
                        break
                    if c in part or c == p:
                        continue
                    for n in (ahead(c), back(c)):
                        gained = saved - near - cost[end, n] + cost[c, n]
                        if gained > _LEAST and n not in part and (c, n) != (q, p):
                            self._move((p, a, end, q), c, n, is_ahead=ahead(c) == n)
                            self._gained += gained
                            return p, q, a, end, c, n
                end = q
                part.append(end)
        return ()

    def _move(self, part: tuple[int, int, int, int], c: int, n: int, *, is_ahead: bool) -> None:
        """p [a..end] q .. c n, or .. n c, to p q .. with the part between c and n, a beside c."""
        p, a, end, q = part
        if is_ahead:
            self._exchange(p, a, c, n)
            self._exchange(p, c, q, end)
            self._exchange(c, end, a, n)
        else:
            self._exchange(p, a, n, c)
            self._exchange(p, n, q, end)

    def _exchange(self, a: int, b: int, c: int, d: int) -> None:
        """Replace the hops a-b and c-d by a-c and b-d, where b is beside a as d is beside c."""
        if b == c or a == d:
            return
        place = self._place
        ends = (place[b], place[c]) if self._after(a) == b else (place[a], place[d])
        self._done.append(ends)
        self._turn(*ends)

    def _turn(self, start: int, end: int) -> None:
        """Reverse the items from one place to another, or all the others: the tour is the same."""
        order, place, count = self.order, self._place, len(self.order)
        length = (end - start) % count + 1
        if 2 * length > count:
            start, end, length = (end + 1) % count, (start - 1) % count, count - length
        if start <= end:
            order[start : end + 1] = order[start : end + 1][::-1]
            for at in range(start, end + 1):
                place[order[at]] = at
            return
        for _ in range(length // 2):
            left, right = order[start], order[end]
            order[start], order[end] = right, left
            place[right], place[left] = start, end
            start = start + 1 if start + 1 < count else 0
            end = end - 1 if end else count - 1


def _nearest_items(costs: NDArray[np.float32]) -> list[list[tuple[int, float]]]:
    """The nearest items of each, with what the hop costs, nearest first."""
    count = min(_NEAR, len(costs) - 1)
    nearest = []
    for item, row in enumerate(costs):
        found = np.argpartition(row, count)[: count + 1]
        found = found[found != item][:count]
        found = found[np.argsort(row[found], kind="stable")]
        nearest.append(list(zip(found.tolist(), row[found].tolist(), strict=True)))
    return nearest
