"""The default method: a walk on the graph shows where to look, a dynamic programme chooses the images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.graph.neighbours import nearest
from i2v_search.morph.graph.network import Bridge, Network
from i2v_search.morph.graph.rows import DUPLICATE, NEAR_DUPLICATE, squared_chords
from i2v_search.morph.methods.bidirectional import HopCost
from i2v_search.morph.methods.layered import Layered
from i2v_search.morph.methods.shortest import GraphWalks
from i2v_search.morph.methods.space import (
    End,
    MorphPath,
    MorphSpace,
    Task,
    check_steps,
    great_circle,
    task_of,
    too_few,
)

#: Hops of the guiding walk cost d^4: high powers shun long hops, 2 takes a few of them to save many.
_GUIDE = HopCost(power=4)
#: A guiding walk of more rows than so many for each point of the path takes many short hops where few longer
#: ones lead there too: a walk that does not shun those brings candidates as well.
_WINDING, _SHORT_CUT = 2.5, HopCost(power=1.5)
#: The first walk found that costs at most so many times as much as the cheapest will do.
_DEARER = 1.5
#: Neighbours of a row of the guiding walk that become candidates, the nearest.
_RING = 20
#: Where there are fewer candidates, rows are sought near the great circle: in all, and for each point of it.
_FEWEST, _NEAR_CIRCLE, _NEAR_POINT = 48, 128, 8
#: Near duplicates are pictures closer than this share of an even hop from A to B, where that is less than
#: what makes near duplicates anywhere.
_COPY = 0.25
#: How much longer than the smallest possible the largest hop may be, to make the other hops shorter.
_SLACK = 1.02
#: A hop shorter than a share of the largest changes too little to be worth an image; the first share that
#: leaves a path is taken.
_LEAST_CHANGES = (0.6, 0.5, 1 / 3)
#: How much smaller the largest hop must be for an order that is not straight towards B.
_WORTH_TURNING = 1.1
#: What a hub multiplies its hops by: it looks like a little of everything.
_HUB_WEIGHT = 1.25
#: Without a wish, a path has as many images as still make its largest hop smaller by this, at least one if
#: that makes it no longer; at most so many.
_NO_SMALLER, _MOST = 1.02, 24


def gradual(
    space: MorphSpace,
    a: End,
    b: End,
    steps: int | None = 4,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> MorphPath:
    """Find the path that does not turn back and has the smallest largest hop, and the smoothest of such.

    1. Where to look: a walk from A to B over the k-NN graph, a hop costing the fourth power of its length, at
       most 1.5 times as dear as the cheapest, and the 20 nearest neighbours of each of its rows; where that
       walk has many more rows than the path, the same of a walk that takes longer hops; where these
       are too few, also the rows nearest to even points of the great circle from A to B. Near duplicates of
       the ends or of one another are left out.
    2. The order to take them in: by their progress <x, B - A>, or along the walk if that makes the largest
       hop 10 % smaller, as where pictures lie on a winding path.
    3. Which of them: by dynamic programming the smallest possible largest hop; then, allowing it to be 2 %
       longer, and no hop shorter than 0.6 of it, or half, or a third where that can be, the least sum of
       squared angles, of which those from and to hubs count a quarter more.

    Without a network only the great circle shows where to look.

    Args:
        space: rows, and a network and a search if there are.
        a, b: a row number or a (d,) float32 unit vector each.
        steps: number of intermediates; None = as many, up to 24, as make the largest hop smaller, and at
            least one where it becomes no longer by that.
        allowed: (n,) bool; only these rows may be intermediates.

    Raises:
        MorphError: an end does not exist, the ends are the same picture, or fewer than `steps` rows can be
            used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> from i2v_search.morph.graph.network import Network
        >>> from i2v_search.morph.graph.knn import build_graph
        >>> from i2v_search.morph.graph.bridging import connect
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> network = connect(rows, Network.of(build_graph(rows, k=2)))
        >>> gradual(MorphSpace(rows, network), 0, 1, 2).rows
        (2, 3)
    """
    task = task_of(space, a, b, allowed)
    check_steps(steps)
    if steps == 0:
        return task.answer(())
    guide, short_cut, bridges = _guide(space, task, steps)
    points = len(guide) if steps is None else steps
    pool = _pool(space, task, guide, short_cut, max(1, points))
    order, layered, least = _best_order(pool, steps)
    count = _enough(least) if steps is None else steps
    limit = float(least[count]) * _SLACK**2
    for share in _LEAST_CHANGES:
        changing = Layered.of(pool.squared, order, shortest=float(least[count]) * share**2)
        if changing.least_largest(count)[count] <= limit:
            layered = changing
            break
    chosen = layered.smoothest(count, limit, _weights(space, pool.numbers[order]))
    return task.answer(tuple(pool.numbers[order[chosen]].tolist()), bridges)


@dataclass(frozen=True, eq=False)
class _Pool:
    """Candidates for a path.

    Attributes:
        numbers: (m,) row numbers, ascending.
        squared: (m + 2, m + 2) squared chords of A, the candidates and B.
        stations: which candidates are on the guiding walk, in its order.
    """

    numbers: NDArray[np.int64]
    squared: NDArray[np.float32]
    stations: NDArray[np.int64]


def _guide(
    space: MorphSpace, task: Task, steps: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[Bridge, ...]]:
    """Rows of the walk on the graph, without both ends; of a shorter one; and the bridges of the first.

    None where nothing joins the ends; none of a shorter one where the first is not much longer than the path.
    """
    none = np.empty(0, np.int64)
    if space.network is None:
        return none, none, ()
    walks = GraphWalks(space, space.network, task)
    walk = walks.cheapest(_GUIDE, dearer=_DEARER)
    if walk is None:
        return none, none, ()
    is_winding = steps is not None and len(walk) > _WINDING * steps
    short_cut = walks.cheapest(_SHORT_CUT, dearer=_DEARER) if is_winding else None
    return walk, none if short_cut is None else short_cut, walks.crossed(walk)


def _pool(
    space: MorphSpace, task: Task, guide: NDArray[np.int64], short_cut: NDArray[np.int64], points: int
) -> _Pool:
    """Candidates for a path of so many points: enough of them, if the collection has enough."""
    around = [guide, short_cut]
    if space.network is not None:
        ends = [end.row for end in (task.a, task.b) if end.row is not None]
        walked = dict.fromkeys([*ends, *guide.tolist(), *short_cut.tolist()])
        around += [_nearest_neighbours(space.network, row) for row in walked]
    numbers = np.unique(np.concatenate(around))
    numbers = numbers[task.usable[numbers]]
    per_point, most = 0, int(task.usable.sum())
    while True:
        vectors = np.concatenate([task.ends[:1], space.rows.take(numbers), task.ends[1:]])
        squared = squared_chords(vectors, vectors)
        kept = _distinct(squared, _apart(float(squared[0, -1]), points))
        if len(kept) < points and per_point >= most:
            kept = _distinct(squared, DUPLICATE)
        if len(kept) >= max(points, _FEWEST if per_point < most else 0):
            break
        if per_point >= most:
            raise too_few(len(kept), points)
        per_point = max(4 * per_point, _NEAR_POINT, _NEAR_CIRCLE // points)
        circle = great_circle(task.a.vector, task.b.vector, points)
        _, found = nearest(space.rows, circle, per_point, search=space.search, usable=task.usable)
        numbers = np.union1d(numbers, found)
    places = np.concatenate([[0], kept + 1, [len(squared) - 1]])
    of_row = {row: place for place, row in enumerate(numbers[kept].tolist())}
    stations = np.array([of_row[row] for row in guide.tolist() if row in of_row], np.int64)
    return _Pool(numbers[kept], squared[np.ix_(places, places)], stations)


def _nearest_neighbours(network: Network, row: int) -> NDArray[np.int64]:
    """The nearest neighbours of a row on the graph: hubs have very many."""
    here = slice(*network.edges.indptr[row : row + 2])
    squared, rows = network.edges.data[here], network.edges.indices[here].astype(np.int64)
    if len(rows) <= _RING:
        return np.asarray(rows)
    return np.asarray(rows[np.argpartition(squared, _RING)[:_RING]])


def _apart(direct: float, points: int) -> float:
    """Squared chord below which two points are near duplicates: less where the ends are close."""
    return max(DUPLICATE, min(NEAR_DUPLICATE, direct * (_COPY / (points + 1)) ** 2))


def _distinct(squared: NDArray[np.float32], apart: float) -> NDArray[np.int64]:
    """Candidates that are `apart` from both ends and from those kept before them, lowest row first."""
    near = squared < apart
    kept = ~(near[1:-1, 0] | near[1:-1, -1])
    among = near[1:-1, 1:-1]
    for place in np.flatnonzero(kept & (np.count_nonzero(among, axis=1) > 1)).tolist():
        if kept[place]:
            kept[place + 1 :] &= ~among[place, place + 1 :]
    return np.flatnonzero(kept)


def _best_order(pool: _Pool, steps: int | None) -> tuple[NDArray[np.int64], Layered, NDArray[np.float64]]:
    """The order to take candidates in, them in that order, and their smallest possible largest hops."""
    tried = []
    for order in (_straight(pool, steps or 0), _along(pool)):
        layered = Layered.of(pool.squared, order)
        tried.append((order, layered, layered.least_largest(_MOST if steps is None else steps)))
    straight, along = (float(least.min() if steps is None else least[steps]) for _, _, least in tried)
    return tried[int(along * _WORTH_TURNING**2 < straight)]


def _enough(least: NDArray[np.float64]) -> int:
    """How many images a path needs, by the smallest largest hops with 0, 1, ... of them, squared."""
    slack = _NO_SMALLER**2
    between = least[1:]
    if not len(between) or between.min() > least[0] * slack:
        return 0
    return 1 + int(np.argmax(between <= between.min() * slack))


def _straight(pool: _Pool, steps: int) -> NDArray[np.int64]:
    """Candidates by progress <x, B - A>: those between the ends, or all where these are too few."""
    progress = (pool.squared[0, 1:-1] - pool.squared[-1, 1:-1]).astype(np.float64)
    order = np.argsort(progress, kind="stable")
    between = order[np.abs(progress[order]) < pool.squared[0, -1]]
    return between if len(between) >= steps else order


def _along(pool: _Pool) -> NDArray[np.int64]:
    """Candidates by the station of the guiding walk that is nearest, then by how near the next one is."""
    stations = np.concatenate([[0], pool.stations + 1, [len(pool.squared) - 1]])
    squared = pool.squared[1:-1, stations]
    nearest_station = squared.argmin(axis=1)
    every = np.arange(len(squared))
    before = squared[every, np.maximum(nearest_station - 1, 0)]
    after = squared[every, np.minimum(nearest_station + 1, len(stations) - 1)]
    return np.lexsort((before - after, nearest_station))


def _weights(space: MorphSpace, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Factor of the hops of each candidate."""
    if space.network is None:
        return np.ones(len(rows))
    is_hub = space.network.occurrences[rows] > space.network.hub_limit
    return np.where(is_hub, _HUB_WEIGHT, 1.0)
