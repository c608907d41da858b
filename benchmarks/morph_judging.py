"""Every contestant on every pair, judged against the best that is possible."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.morph_contestants import Contestant
from benchmarks.morph_oracle import CompleteTree, angle, least_largest_hop, occurrences
from benchmarks.morph_sets import MorphSet, Pairs
from benchmarks.timing import table
from i2v_search.morph.graph.network import hub_limit
from i2v_search.morph.quality import MorphQuality, measure

#: Hubs are counted on this many neighbours, whatever the graph of a method has.
NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one contestant did; a line for each pair.

    Attributes:
        paths: the rows of each path, ends included.
        qualities: the library's report of each.
        seconds: (p,) of the call from A to B.
        not_reversed: how many paths from B to A are not the reverse.
    """

    paths: list[list[int]]
    qualities: list[MorphQuality]
    seconds: NDArray[np.float64]
    not_reversed: int

    def all_of(self, name: str) -> NDArray[np.float64]:
        """(p,) values of one number of the reports, NaN where it is None."""
        return np.array([getattr(quality, name) for quality in self.qualities], np.float64)

    @property
    def squares(self) -> NDArray[np.float64]:
        """(p,) sums of the squared hops; infinite where a picture comes twice, an end included."""
        repeated = self.all_of("repeats") > 0
        return np.where(repeated, np.inf, [np.square(quality.hops).sum() for quality in self.qualities])


@dataclass(frozen=True, eq=False)
class Judged:
    """All contestants on the same pairs, and in radians what is the best: (p,) each.

    Attributes:
        outcomes: by name.
        best: smallest possible largest hop with so many intermediates, over all rows.
        unlimited: the same with any number of them.
        steps: how many they were.
    """

    outcomes: Mapping[str, Outcome]
    best: NDArray[np.float64]
    unlimited: NDArray[np.float64]
    steps: int

    def regret(self, name: str) -> NDArray[np.float64]:
        """(p,) largest hop of a contestant over the smallest possible."""
        return np.asarray(self.outcomes[name].all_of("largest_hop") / self.best)

    @property
    def summary(self) -> str:
        """A table of what decides."""
        lines = []
        for name, outcome in self.outcomes.items():
            largest = outcome.all_of("largest_hop")
            regret, monotone = self.regret(name), outcome.all_of("monotonicity")
            lines.append(
                [
                    name,
                    *(f"{value:.3f}" for value in (*np.quantile(regret, [0.5, 0.9]), regret.max())),
                    f"{np.median(largest / self.unlimited):.3f}",
                    f"{monotone.mean():.3f}",
                    f"{monotone.min():.2f}",
                    *(f"{outcome.all_of(key).sum():.0f}" for key in ("repeats", "near_duplicates")),
                    f"{outcome.all_of('endpoint_clones').sum():.0f}",
                    str(outcome.not_reversed),
                    f"{outcome.seconds.mean() * 1e3:.2f}",
                ]
            )
        header = ["method", "regret, median", "p90", "worst", "regret, any number", "monotonicity", "worst"]
        return table([*header, "repeats", "near-duplicates", "end clones", "not reversed", "ms"], lines)

    @property
    def details(self) -> str:
        """A table of the rest."""
        least = np.min([outcome.squares for outcome in self.outcomes.values()], axis=0)
        lines = []
        for name, outcome in self.outcomes.items():
            order = outcome.all_of("tag_order")
            known = order[~np.isnan(order)]
            lines.append(
                [
                    name,
                    f"{np.degrees(np.median(outcome.all_of('largest_hop'))):.1f}°",
                    f"{np.median(outcome.all_of('detour')):.2f}",
                    f"{np.median(outcome.squares / least):.3f}".replace("inf", "repeats"),
                    f"{np.median(outcome.all_of('largest_hop_ratio')):.3f}",
                    f"{np.degrees(outcome.all_of('deviation').mean()):.1f}°",
                    f"{outcome.all_of('hub_share').mean():.1%}",
                    f"{known.mean():+.2f} of {len(known)}" if len(known) else "",
                    f"{np.quantile(outcome.seconds, 0.99) * 1e3:.2f}",
                ]
            )
        header = ["method", "largest hop, median", "detour, median", "squared hops / least, median"]
        header += ["largest / mean hop", "deviation, mean", "hubs", "tag order, mean tau"]
        return table([*header, "ms, p99"], lines)


DESCRIPTION = (
    "Regret: largest hop (an angle) over the smallest that any walk with so many hops over all rows has, by "
    "exact dynamic programming on the complete graph; any number: over the bottleneck of its minimum "
    "spanning tree. Monotonicity: share of the steps in which <x, B - A> rises, mean and worst path. "
    "Repeats (same picture), near-duplicates (cosine above 0.95) and clones of an end: sums over all paths. "
    "Not reversed: paths from B to A that are not the reverse. Hubs: share of the intermediates in more of "
    f"the rows' {NEIGHBOURS} nearest than mean + 2 standard deviations. Tag order: Kendall's tau of the "
    "intermediates' order with the cosine of their tags to B's minus to A's, where that is defined."
)


def judge(found: MorphSet, pairs: Pairs, steps: int, players: Mapping[str, Contestant]) -> Judged:
    """Let every contestant find `steps` intermediates for every pair, and back."""
    names = list(players)
    paths: dict[str, list[list[int]]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    astray = dict.fromkeys(names, 0)
    for name in names:
        players[name](found.space, *pairs[0], steps)
    for number, (a, b) in enumerate(pairs):
        for name in names if number % 2 == 0 else names[::-1]:
            started = time.perf_counter()
            between = players[name](found.space, a, b, steps)
            seconds[name].append(time.perf_counter() - started)
            astray[name] += players[name](found.space, b, a, steps) != between[::-1]
            paths[name].append([a, *between, b])
    counts = occurrences(found.chords, min(NEIGHBOURS, len(found.chords) - 1))
    is_hub = counts > hub_limit(counts)
    outcomes = {
        name: Outcome(
            paths[name],
            [_measured(found, path, is_hub) for path in paths[name]],
            np.array(seconds[name]),
            astray[name],
        )
        for name in names
    }
    tree = CompleteTree.of(found.chords)
    known = np.min([[_largest(found, path) for path in paths[name]] for name in names], axis=0)
    best = [
        least_largest_hop(found.chords, a, b, steps + 1, bound=float(limit))
        for (a, b), limit in zip(pairs, known, strict=True)
    ]
    unlimited = [tree.bottleneck(a, b) for a, b in pairs]
    return Judged(outcomes, np.array([*map(angle, best)]), np.array([*map(angle, unlimited)]), steps)


def _measured(found: MorphSet, path: list[int], is_hub: NDArray[np.bool_]) -> MorphQuality:
    tags = None if found.tags is None else found.tags[path].toarray()
    if tags is not None:
        tags = tags[:, tags.any(axis=0)]
    return measure(found.vectors[path], hubs=is_hub[path[1:-1]], tags=tags)


def _largest(found: MorphSet, path: list[int]) -> float:
    return max(float(found.chords[x, y]) for x, y in pairwise(path))
