"""Morphs through waypoints: a leg from each stop that was requested to the next."""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.neighbours import nearest
from i2v_search.morph.graph.rows import DUPLICATE, squared_chords
from i2v_search.morph.methods.methods import METHODS
from i2v_search.morph.methods.space import End, MorphPath, MorphSpace, canonical_key, check_steps, task_end

#: Rows looked at for copies of a picture at a time.
_COPIES = 8


def route(
    space: MorphSpace,
    ends: Sequence[End],
    steps: int | None,
    method: str,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[MorphPath, ...]:
    """Find a morph through waypoints: no picture comes twice, and the way back is the reverse.

    The images between A and B that are not waypoints are shared out to the legs by their angles (largest
    remainders), and the legs are found one after the other, each without the rows of those before it and
    without copies of them or of any waypoint.

    Args:
        space: rows, network, search.
        ends: A, the waypoints in order, B: row numbers, or (d,) float32 unit vectors from outside.
        steps: images between A and B, the waypoints among them; None = as many as the method chooses.
        method: a name in `METHODS`.
        allowed: (n,) bool; only these rows may be intermediates. Waypoints need not be among them.

    Returns:
        A path for each leg.

    Raises:
        MorphError: fewer than two ends, two of them are the same picture, fewer steps than waypoints, or too
            few rows can be used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph.graph.rows import ArrayRows
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> [leg.rows for leg in route(MorphSpace(rows), [0, 3, 1], 2, "line")]
        [(2,), ()]
    """
    if len(ends) < 2:
        raise MorphError(f"a morph needs at least two ends, got {len(ends)}")
    check_steps(steps)
    stops = [task_end(space.rows, end) for end in ends]
    vectors = np.stack([stop.vector for stop in stops])
    _refuse_repeats(vectors)
    keys = [canonical_key(stop) for stop in stops]
    if keys[::-1] < keys:
        back = route(space, stops[::-1], steps, method, allowed=allowed)
        return tuple(leg.reversed() for leg in back[::-1])
    there = np.ones(len(space.rows), np.bool_) if space.alive is None else space.alive
    usable = there.copy() if allowed is None else allowed.copy()
    usable[[stop.row for stop in stops if stop.row is not None]] = False
    if len(stops) == 2:
        only = METHODS[method](space, stops[0], stops[1], steps, allowed=None if allowed is None else usable)
        return (only,)
    legs: list[MorphPath] = []
    shown = vectors
    for (a, b), count in zip(pairwise(stops), _shares(vectors, steps), strict=True):
        _leave_out(space, shown, usable)
        path = METHODS[method](space, a, b, count, allowed=usable)
        usable[list(path.rows)] = False
        shown = space.rows.take(np.array(path.rows, np.int64))
        legs.append(path)
    return tuple(legs)


def _refuse_repeats(vectors: NDArray[np.float32]) -> None:
    """Refuse two stops that are the same picture (MorphError)."""
    last = len(vectors) - 1
    exact = vectors.astype(np.float64)
    for first, second in combinations(range(last + 1), 2):
        if ((exact[first] - exact[second]) ** 2).sum() < DUPLICATE:
            if (first, second) == (0, last):
                raise MorphError("both ends of the morph are the same picture; choose two different ones")
            names = ["A", *(f"waypoint {number}" for number in range(1, last)), "B"]
            raise MorphError(
                f"{names[first]} and {names[second]} of the morph are the same picture; remove one, or "
                "choose another"
            )


def _leave_out(space: MorphSpace, vectors: NDArray[np.float32], usable: NDArray[np.bool_]) -> None:
    """Mark rows that are the same picture as one of these (m, d) as not usable, in place."""
    while len(vectors):
        _, found = nearest(space.rows, vectors, _COPIES, search=space.search, usable=usable)
        near = np.unique(found)
        same = near[(squared_chords(vectors, space.rows.take(near)) < DUPLICATE).any(axis=0)]
        usable[same] = False
        if len(same) < _COPIES:  # with as many, one picture may have more
            break


def _shares(vectors: NDArray[np.float32], steps: int | None) -> list[int | None]:
    """Intermediates of each leg: in proportion to its angle, and as many as `steps` leaves in all."""
    legs = len(vectors) - 1
    if steps is None:
        return [None] * legs
    left = steps - (legs - 1)
    if left < 0:
        raise MorphError(f"{steps} images cannot hold {legs - 1} waypoints; use {legs - 1} or more")
    chords = np.sqrt([float(squared_chords(x[None], y[None])[0, 0]) for x, y in pairwise(vectors)])
    angles = 2 * np.arcsin(np.minimum(chords.astype(np.float64) / 2, 1))
    exact = left * angles / max(float(angles.sum()), 1e-12)
    shares = np.floor(exact).astype(int)
    for leg in np.argsort(shares - exact, kind="stable")[: left - int(shares.sum())].tolist():
        shares[leg] += 1
    return [int(share) for share in shares]
