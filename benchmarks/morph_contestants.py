"""Who finds a path: every method of the library, and what anybody would try first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.graph.neighbours import nearest
from i2v_search.morph.methods.methods import METHODS, Method, geodesic
from i2v_search.morph.methods.space import MorphSpace

Contestant: TypeAlias = Callable[[MorphSpace, int, int, int], tuple[int, ...]]
"""Finds the rows between two rows: ``(space, a, b, steps)``."""


def contestants() -> dict[str, Contestant]:
    """All by name: the methods of the library first."""
    return {
        **{name: _library(method) for name, method in METHODS.items()},
        "Dijkstra, p = 1": _dijkstra,
        "greedy line": greedy_line,
        "line, no exclusion": open_line,
        "random picks": random_picks,
    }


DESCRIPTION = (
    "Dijkstra, p = 1: the shortest path on the k-NN graph by the sum of chords, as Isomap has it, thinned or "
    "filled to the same number as the geodesic. Greedy line: nearest row to each point of the great circle "
    "that is neither an end nor taken. Line, no exclusion: nearest row, whatever it is."
)


def random_picks(space: MorphSpace, a: int, b: int, steps: int) -> tuple[int, ...]:
    """Rows drawn without replacement, ends left out; from B to A the reverse."""
    drawn = np.random.default_rng(sorted((a, b))).choice(len(space.rows), steps + 2, replace=False)
    picks = [int(row) for row in drawn if row not in {a, b}][:steps]
    return tuple(picks if a < b else picks[::-1])


def open_line(space: MorphSpace, a: int, b: int, steps: int) -> tuple[int, ...]:
    """The row nearest each of the evenly spaced points of the great circle, ends and repeats allowed."""
    _, found = nearest(space.rows, great_circle(space, a, b, steps), 1, search=space.search)
    return tuple(found[:, 0].tolist())


def greedy_line(space: MorphSpace, a: int, b: int, steps: int) -> tuple[int, ...]:
    """The same, from A on, of the rows that are not an end and not taken."""
    _, found = nearest(space.rows, great_circle(space, a, b, steps), steps + 2, search=space.search)
    path: list[int] = []
    for candidates in found.tolist():
        path.append(next(row for row in candidates if row not in {a, b, *path}))
    return tuple(path)


def great_circle(space: MorphSpace, a: int, b: int, steps: int) -> NDArray[np.float32]:
    """(steps, d) float32: points that divide the arc from A to B evenly, by spherical interpolation."""
    ends = space.rows.take(np.array([a, b])).astype(np.float64)
    share = np.arange(1, steps + 1)[:, None] / (steps + 1)
    whole = np.arccos(np.clip(ends[0] @ ends[1], -1, 1))
    points = np.sin((1 - share) * whole) * ends[0] + np.sin(share * whole) * ends[1]
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def _library(method: Method) -> Contestant:
    return lambda space, a, b, steps: method(space, a, b, steps).rows


def _dijkstra(space: MorphSpace, a: int, b: int, steps: int) -> tuple[int, ...]:
    return geodesic(space, a, b, steps, power=1.0).rows
