"""The numbers that say how good a morph is, whatever method made it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import MorphError
from i2v_search.morph.rows import DUPLICATE


@dataclass(frozen=True)
class MorphQuality:
    """How evenly, directly and steadily the points x_0 = A, x_1, ..., x_m = B lead from A to B.

    Distances are angles between unit vectors, angle(x, y) = 2 arcsin(|x - y| / 2), in radians: unlike chords
    they add up along a great circle, so the best possible detour is exactly 1.

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
    """

    hops: tuple[float, ...]
    direct: float
    largest_hop_ratio: float
    detour: float | None
    monotonicity: float
    repeats: int

    def to_dict(self) -> dict[str, object]:
        """Return plain lists and numbers for JSON."""
        return {
            "hops": list(self.hops),
            "direct": self.direct,
            "largest_hop_ratio": self.largest_hop_ratio,
            "detour": self.detour,
            "monotonicity": self.monotonicity,
            "repeats": self.repeats,
        }


def measure(points: NDArray[np.float32]) -> MorphQuality:
    """Measure a morph.

    Args:
        points: (m + 1, d) float32 unit rows in path order, both ends included.

    Raises:
        MorphError: fewer than two points.

    Example:
        >>> import numpy as np
        >>> angles = np.array([0.0, 0.25, 0.5])
        >>> quality = measure(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        >>> round(quality.detour, 6), quality.monotonicity, quality.repeats
        (1.0, 1.0, 0)
    """
    if points.ndim != 2 or len(points) < 2:
        raise MorphError(f"a morph has at least two points, got an array of shape {points.shape}")
    exact = points.astype(np.float64)
    hops = _angles(exact[:-1], exact[1:])
    direct = float(_angles(exact[:1], exact[-1:])[0])
    mean = float(hops.mean())
    # Differences, not inner products: near 0 the inner product has lost the digits that matter.
    repeats = sum(
        bool((((exact[:i] - exact[i]) ** 2).sum(axis=1) < DUPLICATE).any()) for i in range(1, len(exact))
    )
    return MorphQuality(
        hops=tuple(hops.tolist()),
        direct=direct,
        largest_hop_ratio=float(hops.max()) / mean if mean > 0 else 1.0,
        detour=float(hops.sum()) / direct if direct**2 >= DUPLICATE else None,
        monotonicity=float((np.diff(exact @ (exact[-1] - exact[0])) > 0).mean()),
        repeats=repeats,
    )


def _angles(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m,) angles in radians between paired unit rows."""
    half_chords = np.linalg.norm(left - right, axis=1) / 2
    angles: NDArray[np.float64] = 2 * np.arcsin(np.minimum(half_chords, 1))
    return angles
