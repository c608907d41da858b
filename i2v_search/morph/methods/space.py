"""Common parts of all methods: search space, the two ends, and the resulting path."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.network import Bridge, Network
from i2v_search.morph.graph.rows import DUPLICATE, Rows, Search, squared_chords, unit_vector


@dataclass(frozen=True, eq=False)
class TaskEnd:
    """An end that exists: its row number, if it is a row, and its (d,) float32 unit vector."""

    row: int | None
    vector: NDArray[np.float32]


End: TypeAlias = int | NDArray[np.float32] | TaskEnd
"""An end of a morph: a row number, a (d,) float32 unit vector from outside, or an end found already."""


MOST_STEPS = 1_000
"""Intermediates that a morph may have: the work grows with their cube."""


@dataclass(frozen=True, eq=False)
class MorphSpace:
    """Search space of a method.

    Attributes:
        rows: the collection's vectors.
        network: edges between rows, for the methods that walk on a graph.
        search: a fast k-NN search over `rows`; without it the rows are read from first to last instead. It
            may leave out rows that a method is not allowed to use.
        alive: (n,) bool, rows that are there; the others have no edges, and the search never answers with
            them. None if all are.
    """

    rows: Rows
    network: Network | None = None
    search: Search | None = None
    alive: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class MorphPath:
    """A morph.

    Attributes:
        rows: row numbers of the intermediates in order from A to B; the ends are not among them.
        bridges: the bridges of the graph that the path crosses: there the collection has a gap.
    """

    rows: tuple[int, ...]
    bridges: tuple[Bridge, ...] = ()

    def reversed(self) -> "MorphPath":
        """Return the same path from B to A."""
        return MorphPath(self.rows[::-1], self.bridges[::-1])


@dataclass(frozen=True, eq=False)
class Task:
    """A question in its canonical direction, so that asking for B to A answers the reverse of A to B."""

    a: TaskEnd
    b: TaskEnd
    usable: NDArray[np.bool_]
    masked: bool
    flipped: bool

    @property
    def ends(self) -> NDArray[np.float32]:
        """(2, d) float32: A and B."""
        return np.stack([self.a.vector, self.b.vector])

    def answer(self, rows: tuple[int, ...], bridges: tuple[Bridge, ...] = ()) -> MorphPath:
        """Return the path found from the canonical A to B in the direction that was requested."""
        path = MorphPath(rows, bridges)
        return path.reversed() if self.flipped else path


def task_of(space: MorphSpace, a: End, b: End, allowed: NDArray[np.bool_] | None) -> Task:
    """Check the ends and the mask (MorphError), and put the ends in canonical order."""
    rows, n = space.rows, len(space.rows)
    if allowed is None:
        usable = np.ones(n, np.bool_) if space.alive is None else space.alive.copy()
    elif allowed.shape == (n,) and allowed.dtype == np.bool_:
        usable = allowed.copy()
    else:
        raise MorphError(f"allowed must be a ({n},) bool mask, got {allowed.shape} {allowed.dtype}")
    ends = (task_end(rows, a), task_end(rows, b))
    if ends[0].vector.shape != ends[1].vector.shape:
        raise MorphError(
            f"the ends have {len(ends[0].vector)} and {len(ends[1].vector)} dimensions; they must be equal"
        )
    if ((ends[0].vector.astype(np.float64) - ends[1].vector) ** 2).sum() < DUPLICATE:
        raise MorphError("both ends of the morph are the same picture; choose two different ones")
    for end in ends:
        if end.row is not None:
            usable[end.row] = False
    first, last = sorted(ends, key=canonical_key)
    return Task(first, last, usable, masked=allowed is not None, flipped=first is not ends[0])


def task_end(rows: Rows, end: End) -> TaskEnd:
    """Check an end (MorphError) and look up its vector, unless that was done."""
    if isinstance(end, TaskEnd):
        return end
    if isinstance(end, np.ndarray):
        vector = unit_vector(end)
        if len(rows) and vector.shape != (wanted := rows.take(np.array([0])).shape[1:]):
            raise MorphError(f"an end has {len(vector)} dimensions but the rows have {wanted[0]}")
        return TaskEnd(None, vector)
    if not 0 <= end < len(rows):
        raise MorphError(f"there is no row {end}: the collection has {len(rows)} rows, numbered from 0")
    return TaskEnd(int(end), rows.take(np.array([end]))[0])


def canonical_key(end: TaskEnd) -> tuple[bool, int, bytes]:
    """Sort key of ends: rows first, by number, then vectors."""
    if end.row is not None:
        return (False, end.row, b"")
    return (True, 0, end.vector.tobytes())


def check_steps(steps: int | None) -> None:
    """Refuse a negative number of intermediates, and one that would take minutes (MorphError)."""
    if steps is not None and not 0 <= steps <= MOST_STEPS:
        raise MorphError(f"a morph cannot have {steps} intermediates; use 0 to {MOST_STEPS:,}")


def too_few(have: int, steps: int) -> MorphError:
    """Return the error that says how many rows can be used."""
    return MorphError(
        f"{steps} intermediates requested, but only {have} rows are usable (without both ends, exact "
        "duplicates and filtered rows); request fewer, or relax the filters"
    )


def fresh(vectors: NDArray[np.float32], taken: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(m,) bool: which rows duplicate neither a `taken` row nor an earlier row of their own."""
    among = np.tril(squared_chords(vectors, vectors) < DUPLICATE, -1)
    of_taken = squared_chords(vectors, taken) < DUPLICATE
    return np.asarray(~np.concatenate([among, of_taken], axis=1).any(axis=1))


def great_circle(a: NDArray[np.float32], b: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """(steps, d) float32: points that divide the arc from A to B evenly, the ends left out."""
    share = (np.arange(1, steps + 1) / (steps + 1))[:, None]
    start, stop = a.astype(np.float64), b.astype(np.float64)
    angle = 2 * np.arcsin(min(float(np.linalg.norm(start - stop)) / 2, 1.0))
    if np.sin(angle) < 1e-6:
        # Opposite ends have no one great circle: the points of the straight segment rank the rows just as
        # well.
        return np.asarray((1 - share) * start + share * stop, np.float32)
    points = (np.sin((1 - share) * angle) * start + np.sin(share * angle) * stop) / np.sin(angle)
    return np.asarray(points, np.float32)
