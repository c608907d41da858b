"""What judges that found no path say of one: how even it is to them, and whether they would order it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.escapes import JsonReady
from i2v_search.morph.quality import order_along

#: Images between the ends that are put in order by trying every order, at most.
MOST_RESTORED: Final = 7


@dataclass(frozen=True)
class Opinion:
    """What one judge says of the images x_0 = A, ..., x_m = B of a morph.

    Attributes:
        steps: the m distances from each image to the next, as the judge sees them; 0 is the same.
        largest_step: the largest of them.
        mean_step: their mean.
        order: Kendall's tau between the order of the intermediates and how much nearer each is to B than to
            A; None with fewer than three, or where all are equally near.
        restored: the numbers of the intermediates, from 1, in the order that the judge gives them when they
            are shuffled: the shortest way from A to B through all. Empty with fewer than two or more than
            `MOST_RESTORED`.
        restored_order: Kendall's tau of that order with that of the morph; None where there is none.

    Example:
        >>> at = np.array([0.0, 2.0, 1.0, 3.0])
        >>> opinion = Verdict.of({"one": np.abs(at[:, None] - at)}).opinions["one"]
        >>> opinion.largest_step, opinion.restored, opinion.restored_order
        (2.0, (2, 1), -1.0)
    """

    steps: tuple[float, ...]
    largest_step: float
    mean_step: float
    order: float | None
    restored: tuple[int, ...]
    restored_order: float | None

    @property
    def is_restored(self) -> bool:
        """Whether the judge puts all in the order of the morph."""
        return bool(self.restored) and self.restored == tuple(sorted(self.restored))


@dataclass(frozen=True)
class Verdict(JsonReady):
    """What a committee says of a morph.

    Attributes:
        opinions: by the name of the judge.
        agreement: mean Kendall's tau between the orders that each two of them restore; None where fewer than
            two do.

    Example:
        >>> line = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
        >>> verdict = Verdict.of({"one": line, "other": line**2})
        >>> verdict.opinions["one"].restored, verdict.agreement
        ((1, 2, 3), 1.0)
    """

    opinions: Mapping[str, Opinion]
    agreement: float | None

    @classmethod
    def of(cls, distances: Mapping[str, NDArray[np.float64]]) -> Verdict:
        """Judge a morph.

        Args:
            distances: of each judge, (m + 1, m + 1) symmetric, between the images in the order of the morph.
        """
        opinions = {name: _opinion(between) for name, between in distances.items()}
        orders = [each.restored for each in opinions.values() if each.restored]
        taus = [tau_of(one, other) for one, other in combinations(orders, 2)]
        return cls(opinions, float(np.mean(taus)) if taus else None)


def restored(distances: NDArray[np.float64]) -> tuple[int, ...]:
    """The shortest way from the first item to the last through all others, by trying every order.

    Args:
        distances: (m + 1, m + 1) symmetric.

    Returns:
        The numbers of the others in that order; of equally short ways the first in the order of the alphabet.

    Example:
        >>> restored(np.abs(np.subtract.outer([0, 2, 1, 3], [0, 2, 1, 3])).astype(float))
        (2, 1)
    """
    last = len(distances) - 1
    orders = np.array(list(permutations(range(1, last))), np.int64).reshape(-1, last - 1)
    ends = np.zeros((len(orders), 1), np.int64)
    whole = np.concatenate([ends, orders, ends + last], axis=1)
    lengths = distances[whole[:, :-1], whole[:, 1:]].sum(axis=1)
    return tuple(int(item) for item in orders[int(np.argmin(np.round(lengths, 9)))])


def _opinion(distances: NDArray[np.float64]) -> Opinion:
    between = len(distances) - 2
    steps = distances[np.arange(between + 1), np.arange(1, between + 2)]
    order = restored(distances) if 2 <= between <= MOST_RESTORED else ()
    return Opinion(
        steps=tuple(steps.tolist()),
        largest_step=float(steps.max()),
        mean_step=float(steps.mean()),
        order=order_along(-distances[:, [0, -1]]),
        restored=order,
        restored_order=tau_of(order, tuple(sorted(order))) if order else None,
    )


def tau_of(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Kendall's tau of two orders of the same items."""
    place = {item: at for at, item in enumerate(other)}
    signs = [np.sign(place[second] - place[first]) for first, second in combinations(one, 2)]
    return float(np.mean(signs))
