"""The methods that find a morph: which rows lead from A to B.

A method is a function `(space, a, b, steps, *, allowed=None) -> MorphPath`. Every method is deterministic,
never repeats a row, never uses an exact duplicate of an end or of another row of the path, and finds from B
to A the reverse of what it finds from A to B.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from i2v_search.errors import MorphError
from i2v_search.morph.graph import Bridge, Network, connect, nearest
from i2v_search.morph.rows import DUPLICATE, Rows, Search, squared_chords, unit_vector

End: TypeAlias = int | NDArray[np.float32]
"""An end of a morph: a row number, or a (d,) float32 unit vector from outside the collection."""

_LINKS = 15
_POOL = 32
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class MorphSpace:
    """Where a method looks for its path.

    Attributes:
        rows: the collection's vectors.
        network: edges between rows, for the methods that walk on a graph.
        search: a fast k-NN search over `rows`; without it the rows are read from first to last instead.
    """

    rows: Rows
    network: Network | None = None
    search: Search | None = None


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


class Method(Protocol):
    """A way to find a morph."""

    def __call__(
        self, space: MorphSpace, a: End, b: End, steps: int, *, allowed: NDArray[np.bool_] | None = None
    ) -> MorphPath:
        """Return a path with exactly `steps` intermediates."""


@dataclass(frozen=True, eq=False)
class _End:
    row: int | None
    vector: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Task:
    """A question in its canonical direction, so that asking for B to A answers the reverse of A to B."""

    a: _End
    b: _End
    usable: NDArray[np.bool_]
    masked: bool
    flipped: bool

    @property
    def ends(self) -> NDArray[np.float32]:
        """(2, d) float32: A and B."""
        return np.stack([self.a.vector, self.b.vector])

    def answer(self, rows: tuple[int, ...], bridges: tuple[Bridge, ...] = ()) -> MorphPath:
        path = MorphPath(rows, bridges)
        return path.reversed() if self.flipped else path


def line(
    space: MorphSpace, a: End, b: End, steps: int, *, allowed: NDArray[np.bool_] | None = None
) -> MorphPath:
    """Pick the rows that lie nearest `steps` evenly spaced points of the great circle from A to B.

    The rows are chosen together: among the 32 nearest rows of every point, the distinct rows whose progress
    <x, B - A> never falls and whose sum of squared chords to their points is least (dynamic programming).

    Args:
        space: rows, and a search if there is one; no network is needed.
        a, b: a row number or a (d,) float32 unit vector each.
        steps: number of intermediates.
        allowed: (n,) bool; only these rows may be intermediates.

    Raises:
        MorphError: an end does not exist, the ends are the same picture, or fewer than `steps` rows can be
            used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph import ArrayRows
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> line(MorphSpace(rows), 0, 1, 2).rows
        (2, 3)
    """
    task = _task(space.rows, a, b, allowed)
    _check_steps(steps)
    if steps == 0:
        return task.answer(())
    targets = _great_circle(task.a.vector, task.b.vector, steps)
    count = int(task.usable.sum())
    pool = _POOL
    while True:
        _, found = nearest(space.rows, targets, pool, search=space.search, usable=task.usable)
        candidates = np.unique(found)
        vectors = space.rows.take(candidates)
        fresh = _fresh(vectors, task.ends)
        candidates, vectors = candidates[fresh], vectors[fresh]
        if len(candidates) >= steps:
            break
        if pool >= count:
            raise _too_few(len(candidates), steps)
        pool *= 4
    progress = vectors @ (task.b.vector - task.a.vector)
    order = np.lexsort((candidates, progress))
    chosen = _cheapest_increasing(squared_chords(targets, vectors[order]))
    return task.answer(tuple(candidates[order[chosen]].tolist()))


def geodesic(
    space: MorphSpace,
    a: End,
    b: End,
    steps: int | None = None,
    *,
    allowed: NDArray[np.bool_] | None = None,
    power: float = 2.0,
) -> MorphPath:
    """Walk along the collection: the shortest path on the k-NN graph, an edge of length d costing d^power.

    With a power above 1 many short hops are cheaper than one long hop, so the path stays where pictures are
    dense (Isomap, Tenenbaum et al. 2000, is power 1). An end from outside the collection is joined to its 15
    nearest rows; with `allowed`, so is an end that is a row, and if the allowed rows alone are not connected
    they are bridged.

    A path with more than `steps` rows is thinned to those whose direct hops have the least sum of squares. To
    a path with fewer, rows are added one by one, each into the largest hop (x, y) for which an unused row is
    closer to x and to y than they are to each other, namely the row m of least max(d(x, m), d(m, y)); where
    no hop has such a row, into the hop where that maximum is least. With a `space.search`, m is sought among
    the 32 rows nearest the hop's midpoint, otherwise among all rows.

    Args:
        space: rows and network, and a search if there is one.
        a, b: a row number or a (d,) float32 unit vector each.
        steps: number of intermediates; None = as many as the shortest path has.
        allowed: (n,) bool; only these rows may be intermediates.
        power: exponent of the cost of an edge, above 0.

    Raises:
        MorphError: there is no network, an end does not exist, the ends are the same picture, or fewer than
            `steps` rows can be used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph import ArrayRows, build_graph, symmetric_csr
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> network = connect(rows, Network(symmetric_csr(build_graph(rows, k=2))))
        >>> geodesic(MorphSpace(rows, network), 0, 1).rows
        (2, 3)
    """
    network = space.network
    if network is None:
        raise MorphError(
            "a geodesic needs the k-NN graph of the collection; build it, or use the method 'line'"
        )
    if network.edges.shape[0] != len(space.rows):
        raise MorphError(
            f"the graph has {network.edges.shape[0]} rows, the collection {len(space.rows)}; build it again"
        )
    if not power > 0:
        raise MorphError(f"the power of a hop's cost must be above 0, got {power}")
    task = _task(space.rows, a, b, allowed)
    if steps is not None:
        _check_steps(steps)
    interior, bridges = _shortest_rows(space, network, task, power)
    vectors = space.rows.take(interior)
    fresh = _fresh(vectors, task.ends)
    interior, vectors = interior[fresh], vectors[fresh]
    if steps is not None and len(interior) > steps:
        points = np.concatenate([task.ends[:1], vectors, task.ends[1:]])
        interior = interior[_thin(squared_chords(points, points).astype(np.float64), steps)]
    elif steps is not None and len(interior) < steps:
        interior = _densify(space, task, interior, steps)
    return task.answer(tuple(interior.tolist()), bridges)


METHODS: Mapping[str, Method] = MappingProxyType({"geodesic": geodesic, "line": line})
"""The methods by name."""


def _task(rows: Rows, a: End, b: End, allowed: NDArray[np.bool_] | None) -> _Task:
    n = len(rows)
    if allowed is None:
        usable = np.ones(n, np.bool_)
    elif allowed.shape == (n,) and allowed.dtype == np.bool_:
        usable = allowed.copy()
    else:
        raise MorphError(f"allowed must be a ({n},) bool mask, got {allowed.shape} {allowed.dtype}")
    ends = (_end(rows, a), _end(rows, b))
    if ends[0].vector.shape != ends[1].vector.shape:
        raise MorphError(
            f"the ends have {len(ends[0].vector)} and {len(ends[1].vector)} dimensions; they must be equal"
        )
    if ((ends[0].vector.astype(np.float64) - ends[1].vector) ** 2).sum() < DUPLICATE:
        raise MorphError("both ends of the morph are the same picture; choose two different ones")
    for end in ends:
        if end.row is not None:
            usable[end.row] = False
    first, last = sorted(ends, key=_canonical_key)
    return _Task(first, last, usable, masked=allowed is not None, flipped=first is not ends[0])


def _end(rows: Rows, end: End) -> _End:
    if isinstance(end, np.ndarray):
        vector = unit_vector(end)
        if len(rows) and vector.shape != (wanted := rows.take(np.array([0])).shape[1:]):
            raise MorphError(f"an end has {len(vector)} dimensions but the rows have {wanted[0]}")
        return _End(None, vector)
    if not 0 <= end < len(rows):
        raise MorphError(f"there is no row {end}: the collection has {len(rows)} rows, numbered from 0")
    return _End(int(end), rows.take(np.array([end]))[0])


def _canonical_key(end: _End) -> tuple[bool, int, bytes]:
    if end.row is not None:
        return (False, end.row, b"")
    return (True, 0, end.vector.tobytes())


def _check_steps(steps: int) -> None:
    if steps < 0:
        raise MorphError(f"a morph cannot have {steps} intermediates; ask for 0 or more")


def _too_few(have: int, steps: int) -> MorphError:
    return MorphError(
        f"{steps} intermediates asked for, but only {have} rows can be used (not counting both ends, "
        "exact duplicates and rows that the filters exclude); ask for fewer, or loosen the filters"
    )


def _fresh(vectors: NDArray[np.float32], taken: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(m,) bool: which rows duplicate neither a `taken` row nor an earlier row of their own."""
    among = np.tril(squared_chords(vectors, vectors) < DUPLICATE, -1)
    of_taken = squared_chords(vectors, taken) < DUPLICATE
    return np.asarray(~np.concatenate([among, of_taken], axis=1).any(axis=1))


def _great_circle(a: NDArray[np.float32], b: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
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


def _cheapest_increasing(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """Choose for each of s points one of m >= s candidates, strictly rising, of least total `cost` (s, m)."""
    points, candidates = cost.shape
    came_from = np.zeros((points, candidates), np.int64)
    total = cost[0].astype(np.float64)
    for point in range(1, points):
        lowest = np.minimum.accumulate(total)
        is_new = total < np.concatenate([[np.inf], lowest[:-1]])
        where = np.maximum.accumulate(np.where(is_new, np.arange(candidates), 0))
        came_from[point, 1:] = where[:-1]
        total = cost[point] + np.concatenate([[np.inf], lowest[:-1]])
    return _trace(came_from, int(total.argmin()))


def _thin(squared: NDArray[np.float64], steps: int) -> NDArray[np.int64]:
    """Choose `steps` of the interior points of a path, in order, by the least sum of squared hops.

    Args:
        squared: (m + 2, m + 2) squared distances of A, the m interior points and B.
        steps: at most m.
    """
    interior = len(squared) - 2
    if steps == 0:
        return np.empty(0, np.int64)
    hops = np.where(np.tri(interior, dtype=np.bool_), np.inf, squared[1:-1, 1:-1])
    came_from = np.zeros((steps, interior), np.int64)
    total = squared[0, 1:-1]
    for step in range(1, steps):
        reach = total[:, None] + hops
        came_from[step] = reach.argmin(axis=0)
        total = reach.min(axis=0)
    return _trace(came_from, int((total + squared[1:-1, -1]).argmin()))


def _trace(came_from: NDArray[np.int64], last: int) -> NDArray[np.int64]:
    chosen = [last]
    for previous in came_from[:0:-1]:
        chosen.append(int(previous[chosen[-1]]))
    return np.array(chosen[::-1], np.int64)


def _shortest_rows(
    space: MorphSpace, network: Network, task: _Task, power: float
) -> tuple[NDArray[np.int64], tuple[Bridge, ...]]:
    """The interior rows of the shortest path, and the bridges it crosses."""
    links_a, reach_a = _links(space, network, task, task.a)
    links_b, reach_b = _links(space, network, task, task.b)
    apart = float(((task.a.vector.astype(np.float64) - task.b.vector) ** 2).sum())
    direct = apart if _adjacent(network, task) or apart <= max(reach_a, reach_b) else np.inf
    found = _dijkstra(network.edges, (links_a, links_b), direct, task.usable, power)
    if found is None and links_a and links_b:
        network = connect(space.rows, network, members=np.flatnonzero(task.usable))
        found = _dijkstra(network.edges, (links_a, links_b), direct, task.usable, power)
    if found is None:
        raise MorphError("no row may lie between the two ends; loosen the filters or add pictures")
    known = {(bridge.a, bridge.b): bridge for bridge in network.bridges}
    walk = [task.a.row, *found, task.b.row]
    crossed = []
    for x, y in pairwise(walk):
        if x is not None and y is not None and (bridge := known.get((min(x, y), max(x, y)))) is not None:
            crossed.append(bridge)
    return np.array(found, np.int64), tuple(crossed)


def _links(space: MorphSpace, network: Network, task: _Task, end: _End) -> tuple[dict[int, float], float]:
    """Usable rows joined to an end, with squared distances, and how far (squared) a k-NN join reaches."""
    links: dict[int, float] = {}
    reach = -np.inf
    if end.row is not None:
        here = slice(*network.edges.indptr[end.row : end.row + 2])
        neighbours, squared = network.edges.indices[here], network.edges.data[here]
        usable = task.usable[neighbours]
        links.update(zip(neighbours[usable].tolist(), squared[usable].tolist(), strict=True))
    if end.row is None or task.masked or not links:
        squared, numbers = nearest(
            space.rows, end.vector[None], _LINKS, search=space.search, usable=task.usable
        )
        links |= zip(numbers[0].tolist(), squared[0].tolist(), strict=True)
        if links and end.row is None:
            reach = max(links.values())
    return links, reach


def _adjacent(network: Network, task: _Task) -> bool:
    if task.a.row is None or task.b.row is None:
        return False
    here = slice(*network.edges.indptr[task.a.row : task.a.row + 2])
    return bool((network.edges.indices[here] == task.b.row).any())


def _dijkstra(
    edges: csr_array,
    links: tuple[dict[int, float], dict[int, float]],
    direct: float,
    usable: NDArray[np.bool_],
    power: float,
) -> list[int] | None:
    """Bidirectional Dijkstra between two ends that are themselves not rows of the search.

    Args:
        edges: symmetric squared distances.
        links: the rows joined to A and to B, with squared distances; all usable.
        direct: squared distance of A and B if they are joined, else inf.
        usable: (n,) bool, rows that may be entered.
        power: an edge of squared distance s costs s^(power / 2).

    Returns:
        The rows between A and B in order, or None where none connect them.
    """
    indptr, indices, data = edges.indptr, edges.indices, edges.data
    exponent = power / 2
    may_enter = usable.tobytes()
    cost: tuple[dict[int, float], dict[int, float]] = ({}, {})
    parent: tuple[dict[int, int], dict[int, int]] = ({}, {})
    heaps: list[list[tuple[float, int]]] = []
    for side in (0, 1):
        for row, squared in links[side].items():
            cost[side][row] = max(squared, 0.0) ** exponent
            parent[side][row] = -1
        heaps.append([(value, row) for row, value in cost[side].items()])
        heapq.heapify(heaps[side])
    best = direct**exponent
    meeting = -1
    for row in sorted(cost[0].keys() & cost[1].keys()):
        if cost[0][row] + cost[1][row] < best:
            best, meeting = cost[0][row] + cost[1][row], row
    while heaps[0] and heaps[1] and heaps[0][0][0] + heaps[1][0][0] < best:
        # Any order of turns is correct; taking the shorter queue keeps the two searches of one size.
        side = 0 if len(heaps[0]) <= len(heaps[1]) else 1
        here, there, heap = cost[side], cost[1 - side], heaps[side]
        so_far, row = heapq.heappop(heap)
        if so_far > here[row]:
            continue
        begin, end = indptr[row], indptr[row + 1]
        lengths = data[begin:end]
        if exponent != 1:
            lengths = lengths**exponent
        for other, length in zip(indices[begin:end].tolist(), lengths.tolist(), strict=True):
            value = so_far + length
            if may_enter[other] and value < here.get(other, np.inf):
                here[other] = value
                parent[side][other] = row
                heapq.heappush(heap, (value, other))
                if other in there and value + there[other] < best:
                    best, meeting = value + there[other], other
    if best == np.inf:
        return None
    if meeting < 0:
        return []
    left, right = _chain(parent[0], meeting), _chain(parent[1], meeting)
    return left[::-1] + right[1:]


def _chain(parent: dict[int, int], row: int) -> list[int]:
    chain = [row]
    while (row := parent[row]) >= 0:
        chain.append(row)
    return chain


def _densify(space: MorphSpace, task: _Task, interior: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """Add rows to a path until it has `steps`; each goes into the largest hop that a row can shorten."""
    usable = task.usable.copy()
    usable[interior] = False
    path = interior.tolist()
    points = np.concatenate([task.ends[:1], space.rows.take(interior), task.ends[1:]])
    # For every hop the best row to insert and the longer of its two squared hops; None = not known yet.
    inserts: list[tuple[float, int] | None] = [None] * (len(points) - 1)
    while len(path) < steps:
        unknown = [hop for hop, insert in enumerate(inserts) if insert is None]
        for hop, insert in zip(unknown, _between(space, points, unknown, usable), strict=True):
            inserts[hop] = insert
        known = [insert for insert in inserts if insert is not None]
        hops = ((points[1:].astype(np.float64) - points[:-1]) ** 2).sum(axis=1)
        shortened = [i for i in np.argsort(-hops, kind="stable").tolist() if known[i][0] < hops[i]]
        hop = shortened[0] if shortened else int(np.argmin([longer for longer, _ in known]))
        row = known[hop][1]
        if row < 0:
            raise _too_few(len(path), steps)
        usable[row] = False
        path.insert(hop, row)
        vector = space.rows.take(np.array([row]))
        points = np.insert(points, hop + 1, vector, axis=0)
        twin = _twins(space.rows, known, vector)
        inserts = [None if old[1] in twin else old for old in known]
        inserts[hop : hop + 1] = [None, None]
    return np.array(path, np.int64)


def _twins(rows: Rows, inserts: list[tuple[float, int]], vector: NDArray[np.float32]) -> set[int]:
    """Which of the rows kept for insertion are the same picture as `vector` (1, d)."""
    numbers = np.array(sorted({row for _, row in inserts if row >= 0}), np.int64)
    same = (squared_chords(rows.take(numbers), vector) < DUPLICATE)[:, 0]
    return set(numbers[same].tolist())


def _between(
    space: MorphSpace, points: NDArray[np.float32], hops: list[int], usable: NDArray[np.bool_]
) -> list[tuple[float, int]]:
    """For each hop i, from point i to i + 1, the usable row of least longer hop and that hop squared.

    Rows that duplicate any of `points` do not count; (inf, -1) where none is left.
    """
    best = [(np.inf, -1)] * len(hops)
    if space.search is not None and (count := min(_POOL, int(usable.sum()))):
        left = np.array(hops)
        middles = points[left] + points[left + 1]
        lengths = np.linalg.norm(middles, axis=1, keepdims=True)
        middles = np.where(lengths > 1e-3, middles / np.maximum(lengths, 1e-3), points[left])
        _, numbers = nearest(space.rows, middles, count, search=space.search, usable=usable)
        pool = np.unique(numbers)
        best = _closer(best, hops, pool, space.rows.take(pool), points)
        if all(row >= 0 for _, row in best):
            return best
    for start, block in space.rows.blocks(_BLOCK):
        open_rows = np.flatnonzero(usable[start : start + len(block)])
        best = _closer(best, hops, start + open_rows, block[open_rows], points)
    return best


def _closer(
    best: list[tuple[float, int]],
    hops: list[int],
    numbers: NDArray[np.int64],
    vectors: NDArray[np.float32],
    points: NDArray[np.float32],
) -> list[tuple[float, int]]:
    """Improve the best insert of each hop by the rows `vectors` (m, d), numbered ascending."""
    if not len(numbers):
        return best
    chords = squared_chords(vectors, points)
    chords[(chords < DUPLICATE).any(axis=1)] = np.inf
    improved = []
    for hop, old in zip(hops, best, strict=True):
        longer = np.maximum(chords[:, hop], chords[:, hop + 1])
        i = int(longer.argmin())
        improved.append((float(longer[i]), int(numbers[i])) if longer[i] < old[0] else old)
    return improved
