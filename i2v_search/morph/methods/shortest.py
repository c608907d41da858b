"""From two ends to the rows that join them to the k-NN graph, and the best walk between those."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.bridging import connect
from i2v_search.morph.graph.neighbours import LINKS, nearest
from i2v_search.morph.graph.network import Bridge, Network
from i2v_search.morph.methods.bidirectional import HopCost, cheapest_walk
from i2v_search.morph.methods.space import MorphSpace, Task, TaskEnd


class GraphWalks:
    """The walks between the ends of a task on a network.

    Args:
        space: rows, and a search if there is one.
        network: the edges.
        task: the ends, and the rows that may lie between them.
    """

    def __init__(self, space: MorphSpace, network: Network, task: Task) -> None:
        self._space, self._network, self._task = space, network, task
        links_a, reach_a = _links(space, network, task, task.a)
        links_b, reach_b = _links(space, network, task, task.b)
        self._links = links_a, links_b
        self._direct = _edge(network, task.a.row, task.b.row)
        apart = float(((task.a.vector.astype(np.float64) - task.b.vector) ** 2).sum())
        if apart <= max(reach_a, reach_b):
            self._direct = min(self._direct, apart)

    def cheapest(self, hops: HopCost, *, dearer: float = 1.0) -> NDArray[np.int64] | None:
        """Rows of the cheapest walk from A to B, (m,) int64; None if the usable rows do not join them.

        Args:
            hops: what hops cost.
            dearer: how many times as dear as the cheapest the walk may be.
        """
        found = cheapest_walk(
            self._network.edges,
            self._links,
            hops,
            usable=self._task.usable,
            direct=self._direct,
            dearer=dearer,
        )
        return None if found is None else np.array(found, np.int64)

    def bridged(self, hops: HopCost) -> NDArray[np.int64]:
        """The same; usable rows that do not join the ends are first bridged by their closest pairs.

        Raises:
            MorphError: an end is joined to no usable row.
        """
        found = self.cheapest(hops)
        if found is None and all(self._links):
            members = np.flatnonzero(self._task.usable)
            self._network = connect(
                self._space.rows, self._network, members=members, search=self._space.search
            )
            found = self.cheapest(hops)
        if found is None:
            raise MorphError("no row is allowed between the two ends; relax the filters or add pictures")
        return found

    def least_largest(self) -> float:
        """Squared length of the smallest possible largest hop, after bridging where that is needed.

        Raises:
            MorphError: an end is joined to no usable row.
        """
        least = self._direct
        if not self._task.masked:
            least = self._network.tree.joining(*self._joined(), least)
        if self._task.masked or np.isinf(least):
            least = self._largest(self.bridged(HopCost(largest=True)).tolist())
        return least

    def _joined(self) -> tuple[dict[int, float], dict[int, float]]:
        """Rows through which the ends enter the graph: an end that is a row, through itself."""
        a, b = self._task.a.row, self._task.b.row
        return ({a: 0.0} if a is not None else self._links[0], {b: 0.0} if b is not None else self._links[1])

    def _largest(self, walk: list[int]) -> float:
        """Squared length of the largest hop of a walk."""
        if not walk:
            return self._direct
        inner = [_edge(self._network, x, y) for x, y in pairwise(walk)]
        return max(self._links[0][walk[0]], *inner, self._links[1][walk[-1]])

    def crossed(self, walk: NDArray[np.int64]) -> tuple[Bridge, ...]:
        """Bridges that a walk crosses, in its order."""
        known = {(bridge.a, bridge.b): bridge for bridge in self._network.bridges}
        stops = [self._task.a.row, *walk.tolist(), self._task.b.row]
        pairs = [(min(x, y), max(x, y)) for x, y in pairwise(stops) if x is not None and y is not None]
        return tuple(known[pair] for pair in pairs if pair in known)


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
            space.rows, end.vector[None], LINKS, search=space.search, usable=task.usable
        )
        links |= zip(numbers[0].tolist(), squared[0].tolist(), strict=True)
        if links and end.row is None:
            reach = max(links.values())
    return links, reach


def _edge(network: Network, x: int | None, y: int | None) -> float:
    """Squared length of the edge between two rows; inf if there is none."""
    if x is None or y is None:
        return np.inf
    here = slice(*network.edges.indptr[x : x + 2])
    place = np.flatnonzero(network.edges.indices[here] == y)
    return float(network.edges.data[here][place[0]]) if len(place) else np.inf
