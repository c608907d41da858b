"""Morphs through waypoints: a leg from each stop that was asked for to the next."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.paths import METHODS
from i2v_search.morph.rows import squared_chords
from i2v_search.morph.space import End, MorphPath, MorphSpace, canonical_key, check_steps, task_end


def route(
    space: MorphSpace,
    ends: Sequence[End],
    steps: int | None,
    method: str,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[MorphPath, ...]:
    """Find a morph through waypoints: no row comes twice, and the way back is the reverse.

    The images between A and B that are not waypoints are shared out to the legs by their angles (largest
    remainders), and the legs are found one after the other, each without the rows of those before it.

    Args:
        space: rows, network, search.
        ends: A, the waypoints in order, B: row numbers, or (d,) float32 unit vectors from outside.
        steps: images between A and B, the waypoints among them; None = as many as the method chooses.
        method: a name in `METHODS`.
        allowed: (n,) bool; only these rows may be intermediates. Waypoints need not be among them.

    Returns:
        A path for each leg.

    Raises:
        MorphError: fewer than two ends, two that follow one another are the same picture, fewer steps than
            waypoints, or too few rows can be used.

    Example:
        >>> import numpy as np
        >>> from i2v_search.morph import ArrayRows
        >>> angles = np.array([0.0, 0.9, 0.3, 0.6])
        >>> rows = ArrayRows(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
        >>> [leg.rows for leg in route(MorphSpace(rows), [0, 3, 1], 2, "line")]
        [(2,), ()]
    """
    if len(ends) < 2:
        raise MorphError(f"a morph leads from A to B: two ends or more, got {len(ends)}")
    check_steps(steps)
    stops = [task_end(space.rows, end) for end in ends]
    keys = [canonical_key(stop) for stop in stops]
    if keys[::-1] < keys:
        back = route(space, stops[::-1], steps, method, allowed=allowed)
        return tuple(leg.reversed() for leg in back[::-1])
    there = np.ones(len(space.rows), np.bool_) if space.alive is None else space.alive
    usable = there.copy() if allowed is None else allowed.copy()
    usable[[stop.row for stop in stops if stop.row is not None]] = False
    masked = allowed is not None or len(ends) > 2
    shares = _shares(np.stack([stop.vector for stop in stops]), steps)
    legs: list[MorphPath] = []
    for (a, b), count in zip(pairwise(stops), shares, strict=True):
        path = METHODS[method](space, a, b, count, allowed=usable if masked else None)
        usable[list(path.rows)] = False
        legs.append(path)
    return tuple(legs)


def _shares(vectors: NDArray[np.float32], steps: int | None) -> list[int | None]:
    """Intermediates of each leg: in proportion to its angle, and as many as `steps` leaves in all."""
    legs = len(vectors) - 1
    if steps is None:
        return [None] * legs
    left = steps - (legs - 1)
    if left < 0:
        raise MorphError(f"{steps} images cannot hold {legs - 1} waypoints; ask for {legs - 1} or more")
    chords = np.sqrt([float(squared_chords(x[None], y[None])[0, 0]) for x, y in pairwise(vectors)])
    angles = 2 * np.arcsin(np.minimum(chords.astype(np.float64) / 2, 1))
    exact = left * angles / max(float(angles.sum()), 1e-12)
    shares = np.floor(exact).astype(int)
    for leg in np.argsort(shares - exact, kind="stable")[: left - int(shares.sum())].tolist():
        shares[leg] += 1
    return [int(share) for share in shares]
