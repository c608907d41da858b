"""The numbers that say how good a morph is, whatever method made it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.graph.rows import DUPLICATE, NEAR_DUPLICATE

_FEWEST_TO_ORDER = 3


@dataclass(frozen=True)
class MorphQuality:
    """How evenly, directly and steadily the points x_0 = A, x_1, ..., x_m = B lead from A to B.

    Distances are angles between unit vectors, angle(x, y) = 2 arcsin(|x - y| / 2), in radians: unlike chords
    they add up along a great circle, so the best possible detour is exactly 1. Where waypoints part the path
    into legs, `monotonicity` and the deviations are those of each leg from its own start to its own end.

    Attributes:
        hops: the m distances h_i = angle(x_{i-1}, x_i).
        direct: angle(A, B).
        largest_hop_ratio: max(h) / mean(h); 1 = all hops are equal. 1 where every hop is 0.
        detour: sum(h) / direct; 1 = on the great circle from A to B. None where A and B are the same picture.
        monotonicity: share of the m steps in which the progress <x, B - A> rises; 1 = never turns back. For
            unit vectors the progress is (|x - A|^2 - |x - B|^2) / 2: it rises exactly when the walk gains
            more on B than on A, it stays defined at A and B, and one point far from both does not distort it
            as a ratio would.
        repeats: how many points are the same picture as an earlier one (squared chord below 1e-6).
        deviation: mean angle of the intermediates from the great-circle arc A..B (`arc_distances`); 0 where
            there are none.
        largest_deviation: the largest of them.
        near_duplicates: pairs of points that show nearly the same picture (squared chord below 0.1, a cosine
            above 0.95), those that are the same not counted again.
        endpoint_clones: how many intermediates, waypoints left out, are the same picture as an end of the
            path or of a leg.
        hub_share: share of the intermediates that are hubs of the k-NN graph
            (`i2v_search.morph.graph.network.hub_limit`): pictures like which many others are, that turn up on
            every path. None without a graph or without intermediates.
        bottleneck: the smallest largest hop that any number of images could have, on the k-NN graph or
            straight from end to end, whatever filters say; None without a graph.
        alone: angle from A and from B to the nearest other picture of the collection: a first or last hop
            that is no longer cannot be made shorter; None without a graph, or with filters.
        tag_order: Kendall's tau between the order of the intermediates and
            cosine(tags, tags of B) - cosine(tags, tags of A), something no method looks at: 1 = the tags,
            too, change steadily from A to B. None with fewer than three intermediates, without tags of both
            ends, or where all differences are equal.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> quality = art.morph("birds/owl.webp", "fruit/apple.webp", steps=1).quality
        >>> len(quality.hops), quality.monotonicity
        (2, 1.0)
    """

    hops: tuple[float, ...]
    direct: float
    largest_hop_ratio: float
    detour: float | None
    monotonicity: float
    repeats: int
    deviation: float
    largest_deviation: float
    near_duplicates: int
    endpoint_clones: int
    hub_share: float | None = None
    bottleneck: float | None = None
    tag_order: float | None = None
    alone: tuple[float, float] | None = None

    @property
    def largest_hop(self) -> float:
        """The largest of the hops: where the path is least gradual."""
        return max(self.hops)

    @property
    def mean_hop(self) -> float:
        """The mean of the hops."""
        return sum(self.hops) / len(self.hops)

    @property
    def regret(self) -> float | None:
        """largest_hop / bottleneck; 1 = no path has a smaller largest hop. None if that is not known."""
        return self.largest_hop / self.bottleneck if self.bottleneck else None

    def to_dict(self) -> dict[str, object]:
        """Return plain lists and numbers for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        derived = {name: getattr(self, name) for name in ("largest_hop", "mean_hop", "regret")}
        return {**values, "hops": list(self.hops), **derived}


def measure(
    points: NDArray[np.float32],
    *,
    legs: Sequence[int] = (),
    hubs: NDArray[np.bool_] | None = None,
    bottleneck: float | None = None,
    tags: NDArray[np.float32] | None = None,
    near: float = NEAR_DUPLICATE,
) -> MorphQuality:
    """Measure a morph.

    Args:
        points: (m + 1, d) float32 unit rows in path order, both ends included.
        legs: indices of the waypoints among the points, ascending.
        hubs: (m - 1,) bool, which of the intermediates are hubs of the graph.
        bottleneck: smallest possible largest hop in radians, from
        `i2v_search.morph.judging.least_largest_hop`. tags: (m + 1, t) float32, probability of each of t tags
        at each point. near: squared chord below which two points are near-duplicates.

    Raises:
        MorphError: fewer than two points, waypoints that are not intermediates in ascending order, or facts
            about another number of points.

    Example:
        >>> import numpy as np
        >>> angles = np.array([0.0, 0.25, 0.5])
        >>> quality = measure(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        >>> round(quality.detour, 6), quality.monotonicity, quality.repeats
        (1.0, 1.0, 0)
    """
    if points.ndim != 2 or len(points) < 2:
        raise MorphError(f"a morph has at least two points, got an array of shape {points.shape}")
    bounds = [0, *legs, len(points) - 1]
    if any(stop <= start for start, stop in pairwise(bounds)):
        raise MorphError(f"the waypoints of {len(points)} points lie between them and rise, got {[*legs]}")
    if hubs is not None and hubs.shape != (len(points) - 2,):
        raise MorphError(
            f"{len(points)} points have {len(points) - 2} between the ends, got {len(hubs)} hubs"
        )
    if tags is not None and (tags.ndim != 2 or len(tags) != len(points)):
        raise MorphError(f"{len(points)} points need as many rows of tags, got shape {tags.shape}")
    exact = points.astype(np.float64)
    hops = angles(exact[:-1], exact[1:])
    direct = float(angles(exact[:1], exact[-1:])[0])
    mean = float(hops.mean())
    # Differences, not inner products: near 0 the inner product has lost the digits that matter.
    squared = [((exact[:i] - exact[i]) ** 2).sum(axis=1) for i in range(1, len(exact))]
    parts = [exact[start : stop + 1] for start, stop in pairwise(bounds)]
    away = np.concatenate([arc_distances(part[1:-1], part[0], part[-1]) for part in parts])
    rises = np.concatenate([np.diff(part @ (part[-1] - part[0])) > 0 for part in parts])
    between = np.delete(exact, bounds, axis=0)
    clones = [((between - end) ** 2).sum(axis=1) < DUPLICATE for end in exact[bounds]]
    return MorphQuality(
        hops=tuple(hops.tolist()),
        direct=direct,
        largest_hop_ratio=float(hops.max()) / mean if mean > 0 else 1.0,
        detour=float(hops.sum()) / direct if direct**2 >= DUPLICATE else None,
        monotonicity=float(rises.mean()),
        repeats=sum(bool((chords < DUPLICATE).any()) for chords in squared),
        deviation=float(away.mean()) if len(away) else 0.0,
        largest_deviation=float(away.max()) if len(away) else 0.0,
        near_duplicates=sum(
            int(np.count_nonzero((chords >= DUPLICATE) & (chords < near))) for chords in squared
        ),
        endpoint_clones=int(np.count_nonzero(np.any(clones, axis=0))),
        hub_share=None if hubs is None or not len(hubs) else float(hubs.mean()),
        bottleneck=bottleneck,
        tag_order=None if tags is None else order_along(_cosines(tags)),
    )


def progress_along(points: NDArray[np.float32], legs: Sequence[int] = ()) -> NDArray[np.float64]:
    """Progress of each point along a path: 0 at A, 1 at B.

    The share of its leg is <x - start, end - start> / |end - start|^2, cut to [0, 1]; each leg, from waypoint
    to waypoint, counts by the angle between its ends.

    Args:
        points: (m + 1, d) float32 unit rows in path order.
        legs: indices of the waypoints among the points, ascending.

    Example:
        >>> progress_along(np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)).round(3).tolist()
        [0.0, 0.6, 1.0]
    """
    bounds = [0, *legs, len(points) - 1]
    exact = points.astype(np.float64)
    lengths = angles(exact[bounds[:-1]], exact[bounds[1:]])
    behind, total = 0.0, max(float(lengths.sum()), DUPLICATE)
    progress = np.zeros(len(points))
    for (start, stop), length in zip(pairwise(bounds), lengths.tolist(), strict=True):
        way = exact[stop] - exact[start]
        share = (exact[start:stop] - exact[start]) @ way / max(float(way @ way), DUPLICATE)
        progress[start:stop] = (behind + np.clip(share, 0, 1) * length) / total
        behind += length
    progress[-1] = 1.0
    return progress


def angles(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles in radians, (m,), between paired unit rows, or between rows and one vector.

    Example:
        >>> angles(np.eye(2), np.eye(2)[::-1]).round(4).tolist()
        [1.5708, 1.5708]
    """
    half_chords = np.linalg.norm(left - right, axis=1) / 2
    return np.asarray(2 * np.arcsin(np.minimum(half_chords, 1)))


def arc_distances(
    points: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Angles between unit rows and the nearest point of the great-circle arc from A to B.

    With the unit vector e = (B - <A, B> A) / |B - <A, B> A|, a point is p = <x, A> A + <x, e> e within the
    plane of the circle and x - p outside it. Its angle from the circle is atan2(|x - p|, |p|), the
    cross-track distance of navigation (Ed Williams, "Aviation Formulary"), where p points between A and B;
    elsewhere the nearer end is the nearest point. Through opposite ends runs a great circle over every
    point: the answer is 0 then.

    Args:
        points: (m, d) unit rows.
        a, b: (d,) unit vectors.

    Returns:
        (m,) float64 radians.

    Example:
        >>> arc_distances(np.eye(3), np.eye(3)[0], np.eye(3)[1]).round(4).tolist()
        [0.0, 0.0, 1.5708]
    """
    aside = b - (a @ b) * a
    length = float(np.linalg.norm(aside))
    if length < DUPLICATE:
        return angles(points, a) if a @ b > 0 else np.zeros(len(points))
    aside /= length
    along, across = points @ a, points @ aside
    outside = np.linalg.norm(points - along[:, None] * a - across[:, None] * aside, axis=1)
    place = np.arctan2(across, along)
    between = (place >= 0) & (place <= np.arctan2(length, a @ b))
    to_ends = np.minimum(angles(points, a), angles(points, b))
    return np.where(between, np.arctan2(outside, np.hypot(along, across)), to_ends)


def order_along(nearness: NDArray[np.float64]) -> float | None:
    """Kendall's tau-b between the order of the intermediates and how much nearer each is to B than to A.

    Args:
        nearness: (m + 1, 2), likeness of each point to A and to B by whatever measure.

    Returns:
        In [-1, 1]; None with fewer than three intermediates, or where it is not defined: all are equal, or
        an end has nothing to be like.

    Example:
        >>> order_along(np.array([[1, 0], [0.8, 0.1], [0.5, 0.4], [0.3, 0.9], [0, 1]]))
        1.0
    """
    gained = (nearness[:, 1] - nearness[:, 0])[1:-1]
    if len(gained) < _FEWEST_TO_ORDER or np.ptp(gained) == 0 or not np.isfinite(gained).all():
        return None
    # SciPy's own takes longer to import than a morph to find.
    signs = np.sign(gained[None, :] - gained[:, None])[np.triu_indices(len(gained), 1)]
    return float(signs.sum() / np.sqrt(signs.size * np.count_nonzero(signs)))


def _cosines(tags: NDArray[np.float32]) -> NDArray[np.float64]:
    """(m + 1, 2) cosine of each row with the first and the last, NaN where one of those is empty."""
    rows = tags.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    if not (lengths[0] and lengths[-1]):
        return np.full((len(rows), 2), np.nan)
    rows /= np.maximum(lengths, np.finfo(float).tiny)[:, None]
    return np.asarray(rows @ rows[[0, -1]].T)
