"""Dials of a query: how much what a picture shows counts, and how much the way it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_dials import LiteDials
from i2v_search.errors import QueryError
from i2v_search.index.similarity import Similarity, unit


class Dials(NamedTuple):
    """How much subject and style count, each from 0 to 1; where both are 1, rows are compared as ever."""

    subject: float = 1.0
    style: float = 1.0

    @property
    def neutral(self) -> bool:
        """Whether they change nothing."""
        return self.subject == 1 and self.style == 1

    def label_of(self, name: str) -> str:
        """What they are for in words: ``owl.png (style 0)``."""
        notes = ", ".join(f"{dial} {value:g}" for dial, value in self._asdict().items() if value != 1)
        return f"{name} ({notes})" if notes else name

    def times(self, other: Dials) -> Dials:
        """Both dials after one another."""
        return Dials(self.subject * other.subject, self.style * other.style)

    def check(self) -> None:
        """Refuse dials that do not exist.

        Raises:
            QueryError: one is not from 0 to 1, or both are 0.
        """
        for name, value in self._asdict().items():
            if not 0 <= value <= 1:
                raise QueryError(f"{name} must be from 0 (does not count) to 1 (as usual), not {value}")
        if not self.subject and not self.style:
            raise QueryError("subject and style are both 0: nothing is left to compare; set one of them to 1")


def turn(
    rows: NDArray[np.float32],
    dials: Sequence[Dials],
    similarity: Similarity,
    load: Callable[[], LiteDials],
) -> None:
    """Change rows of the search space so that their scores count subject and style as dials say.

    Args:
        rows: (n, d) float32 unit rows, changed in place; where the dials are neutral, not at all.
        dials: n of them.
        similarity: how the collection compares rows.
        load: gives what the encoder of the collection knows of subject and style.

    Raises:
        QueryError: dials are not neutral where rows are not compared standardised, or as `load` says.
    """
    for line, one in enumerate(dials):
        if one.neutral:
            continue
        known = load()
        if similarity.name != "standardised":
            raise QueryError(
                f"subject and style need similarity standardised, the collection has {similarity.name}; run: "
                "i2v-search index --similarity standardised"
            )
        rows[line] = unit(known.turned(rows[line : line + 1], subject=one.subject, style=one.style))[0]
