"""The shortest path between two ends on the symmetric k-NN graph."""

import heapq
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from i2v_search.errors import MorphError
from i2v_search.morph.graph import Bridge, Network, connect
from i2v_search.morph.neighbours import nearest
from i2v_search.morph.space import MorphSpace, Task, TaskEnd

_LINKS = 15


def shortest_rows(
    space: MorphSpace, network: Network, task: Task, power: float
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


def _links(space: MorphSpace, network: Network, task: Task, end: TaskEnd) -> tuple[dict[int, float], float]:
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


def _adjacent(network: Network, task: Task) -> bool:
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
