"""A morph over a collection: from the images that were requested to stops with their quality."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import MorphMethod
from i2v_search.errors import QueryError
from i2v_search.index.protocol import SearchIndex
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.describe import describe
from i2v_search.morph.graph.network import Network
from i2v_search.morph.judging import graph_facts
from i2v_search.morph.methods.methods import METHODS
from i2v_search.morph.methods.route import route
from i2v_search.morph.methods.space import MorphSpace, TaskEnd
from i2v_search.morph.stops import Morph
from i2v_search.search.resolved import Resolved


def require_method(method: str) -> None:
    """Refuse an unknown method (QueryError)."""
    if method not in METHODS:
        raise QueryError(f"unknown morph method {method!r}; available: {', '.join(METHODS)}")


def needs_graph(method: MorphMethod) -> bool:
    """Whether a method cannot do without the graph of neighbours."""
    return method in {"geodesic", "minimax"}


def find_morph(
    index: SearchIndex,
    rows: UnitRows,
    network: Network | None,
    ends: Sequence[Resolved],
    *,
    steps: int | None,
    method: MorphMethod,
    allowed: NDArray[np.bool_] | None,
) -> Morph:
    """Find a morph and describe it.

    Args:
        index: index of the collection.
        rows: its rows.
        network: the graph of these rows, if there is one.
        ends: A, the waypoints in order, B.
        steps: images between A and B; None lets the method choose.
        method: a name in `i2v_search.morph.methods.methods.METHODS`.
        allowed: mask over the positions of the store; only these images may be intermediates.

    Raises:
        MorphError: there is no such path.
    """
    started = time.perf_counter()
    store = index.store
    vectors = [UnitRows.unit(end.embed(store, index.similarity)[None]) for end in ends]
    numbers = [None if end.position is None else rows.number_of(end.position) for end in ends]
    targets = [TaskEnd(number, vector[0]) for number, vector in zip(numbers, vectors, strict=True)]
    search = None if index.similarity.euclidean else rows.search_among(allowed)
    space = MorphSpace(rows, network, search, rows.usable(None))
    mask = None if allowed is None else rows.usable(allowed)
    legs = route(space, targets, steps, method, allowed=mask)
    places, points, between = [ends[0]], [vectors[0]], []
    for leg, end, number, vector in zip(legs, ends[1:], numbers[1:], vectors[1:], strict=True):
        walk = np.array(leg.rows, np.int64)
        places += [Resolved(store.path(place), place) for place in rows.positions[walk].tolist()]
        places.append(end)
        points += [rows.take(walk), vector] if len(walk) else [vector]
        between += [*leg.rows, number]
    waypoints = np.cumsum([len(leg.rows) + 1 for leg in legs])[:-1].tolist()
    facts = graph_facts(space, targets, between[:-1], masked=allowed is not None)
    stops, quality = describe(store, places, np.vstack(points), legs=waypoints, facts=facts)
    gaps = sum(len(leg.bridges) for leg in legs)
    return Morph(stops, method, quality, gaps, time.perf_counter() - started)
