"""Orders of rows: by two scores at once, in pages that never repeat a row, and without too much of the same.

A `Ranking` is the front of such an order. A `Rank` gives it to any depth; the functions here make one Rank
out of others. Nothing here knows what is ranked: a row is a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: How deep the two rankings of `mix` are read at first.
FIRST_DEPTH = 64


class Ranking(NamedTuple):
    """Rows in order, best first.

    Attributes:
        scores: (k,) float32.
        positions: (k,) int64.
    """

    scores: NDArray[np.float32]
    positions: NDArray[np.int64]


#: Gives the k best rows, or all where there are fewer: by descending score, equal ones by position.
Rank: TypeAlias = Callable[[int], Ranking]


def best(scores: NDArray[np.float32], positions: NDArray[np.int64], k: int) -> Ranking:
    """The k highest of n scores, descending, ties by position.

    Args:
        scores: (n,) float32.
        positions: (n,) int64, all different.
        k: how many.

    Example:
        >>> best(np.array([0.5, 0.9, 0.5], np.float32), np.array([7, 8, 3]), 2).positions.tolist()
        [8, 3]
    """
    if 0 < k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
        missing = k - len(above)
        if len(equal) > missing:
            # Thousands of rows may have probability 1: no need to sort them all.
            equal = equal[np.argpartition(positions[equal], missing - 1)[:missing]]
        chosen = np.concatenate([above, equal])
        scores, positions = scores[chosen], positions[chosen]
    order = np.lexsort((positions, -scores))[:k]
    return Ranking(scores[order], positions[order])


def mix(
    first: Rank,
    first_scores: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    second: Ranking,
    weight: float,
) -> Rank:
    """Rank by ``(1 - weight) * first + weight * second``, without scoring every row by both.

    The threshold algorithm of Fagin, Lotem and Naor (Journal of Computer and System Sciences, 2003): both
    rankings are read to the same depth, and every row met in either is scored. No row met in neither can
    exceed the mix of the two scores at that depth, so once the k-th best reaches it, the k best are found.
    Until then the depth is doubled. The result is as exact as `first` is.

    Args:
        first: ranks by the first score.
        first_scores: first scores of rows, (m,) int64 -> (m,) float32.
        second: every row that `first` ranks with its second score, by ascending position.
        weight: of the second score, in (0, 1].
    """
    values, rows = second
    shares = np.float32(1 - weight), np.float32(weight)

    def rank(k: int) -> Ranking:
        depth = max(FIRST_DEPTH, 2 * k)
        known = np.empty(0, np.float32)  # first scores of the front of the second ranking
        while True:
            near, met = first(depth)
            by_second = best(values, rows, depth)
            known = np.concatenate([known, first_scores(by_second.positions[len(known) :])])
            beside = ~np.isin(by_second.positions, met)
            scores = [
                shares[0] * near + shares[1] * values[np.searchsorted(rows, met)],
                shares[0] * known[beside] + shares[1] * by_second.scores[beside],
            ]
            found = best(np.concatenate(scores), np.concatenate([met, by_second.positions[beside]]), k)
            # Above, not at it: a row not met may have the same score and come first by its position.
            if depth >= len(rows) or found.scores[-1] > (
                shares[0] * near[-1] + shares[1] * by_second.scores[-1]
            ):
                return found
            depth *= 2

    return rank


def lower(
    first: Rank,
    penalties: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    total: int,
    *,
    least: np.float32,
) -> Rank:
    """Rank by ``max(least, first - penalty)``, without taking the penalty of every row.

    A row that is not met scores at most what the last one met had before its penalty. So once the k-th best
    is above that, the k best are found; until then the depth is doubled. The result is as exact as `first`.

    Args:
        first: ranks by the first score.
        penalties: penalties of rows, (m,) int64 -> (m,) float32, none below 0.
        total: how many rows `first` ranks.
        least: no score is below it, and none of `first` is.
    """

    def rank(k: int) -> Ranking:
        depth = max(FIRST_DEPTH, 2 * k)
        while True:
            near, met = first(depth)
            found = best(np.maximum(near - penalties(met), least), met, k)
            # Above, not at it: a row not met may have the same score and come first by its position.
            if depth >= total or found.scores[-1] > near[-1]:
                return found
            depth *= 2

    return rank


class Layout(NamedTuple):
    """The front of the order that pages are cut from.

    Attributes:
        scores: (n,) float32.
        positions: (n,) int64.
        complete: whether nothing comes behind.
    """

    scores: NDArray[np.float32]
    positions: NDArray[np.int64]
    complete: bool


def lay_out(
    rank: Rank,
    total: int,
    *,
    size: int,
    count: int,
    min_score: float = -math.inf,
    group_of: NDArray[np.int64] | None = None,
) -> Layout:
    """The order that pages are cut from: it does not depend on how far it is read.

    An approximate index requested more rows finds some that it missed before, and they would push others
    from one page to the next. So the order is laid out in tiers: the best `size` rows, then what is new among
    the best ``2 * size``, then among the best ``4 * size``, and so on. For an exact ranking that is the plain
    order.

    Args:
        rank: the ranking.
        total: how many rows it ranks.
        size: rows of a page.
        count: how many rows are wanted.
        min_score: rows below it are left out.
        group_of: (rows,) int64, for every row a number; of the rows that have one in common the first stays.

    Returns:
        At least `count` rows, or all that there are.
    """
    # Of what is twice as long a page mostly stays when copies are gone: one reading serves it.
    depth = size if group_of is None else 2 * size
    ahead = int(min_score > -math.inf)  # one row ahead tells whether another qualifies
    scores, positions = np.empty(0, np.float32), np.empty(0, np.int64)
    while True:
        found = rank(depth + ahead)
        complete = depth >= total
        if ahead:
            good = found.scores >= min_score
            complete = complete or not good.all()
            found = Ranking(found.scores[good], found.positions[good])
        if len(positions):
            fresh = ~np.isin(found.positions, positions)
            found = Ranking(found.scores[fresh], found.positions[fresh])
        scores = np.concatenate([scores, found.scores])
        positions = np.concatenate([positions, found.positions])
        if group_of is None:
            if complete or depth >= count:
                return Layout(scores, positions, complete)
        else:
            # What stays of a front stays of every longer one: pages are as stable as before.
            firsts = np.sort(np.unique(group_of[positions], return_index=True)[1])
            if complete or len(firsts) >= count:
                return Layout(scores[firsts], positions[firsts], complete)
        depth *= 2


def diversify(
    layout: Layout,
    compare: Callable[[NDArray[np.int64], int], NDArray[np.float32]],
    trade_off: float,
    *,
    size: int,
    pool: int,
    count: int,
) -> Ranking:
    """Choose rows that are relevant and unlike those already chosen: maximal marginal relevance (Carbonell
    and Goldstein, SIGIR 1998).

    The next row is the one with the highest ``trade_off * score - (1 - trade_off) * s``, where s is its
    similarity to the most similar row chosen before it. For each `size` rows chosen, `pool` more rows of the
    layout can be chosen from: what a page shows does not depend on the pages behind it.

    Args:
        layout: rows by relevance.
        compare: similarity of rows, given by their places in the layout, (m,) int64, with the first n of it:
            (m, n) float32.
        trade_off: in [0, 1]; 1 keeps the order.
        size: rows of a page.
        pool: how many rows of the layout come into the choice for each page.
        count: how many to choose.

    Returns:
        At most `count` rows in the order they were chosen, with their scores in the layout.
    """
    share = np.float32(trade_off)
    total = len(layout.positions)
    chosen: list[int] = []
    relevance = share * layout.scores
    nearest = np.zeros(total, np.float32)
    free = np.ones(total, bool)
    reach = 0
    while len(chosen) < min(count, total):
        wanted = min(total, pool * (len(chosen) // size + 1))
        if wanted > reach and chosen:
            nearest[:wanted] = compare(np.array(chosen, np.int64), wanted).max(axis=0)
        reach = wanted
        value = np.where(free[:reach], relevance[:reach] - (1 - share) * nearest[:reach], -np.inf)
        place = int(np.argmax(value))
        similar = compare(np.array([place], np.int64), reach)[0]
        nearest[:reach] = np.maximum(nearest[:reach], similar) if chosen else similar
        free[place] = False
        chosen.append(place)
    places = np.array(chosen, np.int64)
    return Ranking(layout.scores[places], layout.positions[places])
