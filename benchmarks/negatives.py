"""Examples that results should be unlike: forms of relevance feedback, judged by simulated users.

    python -m benchmarks.negatives COLLECTION...

The first folder of a picture's path is its label. A user likes pictures of one label. Of the first answer
they mark the best wrong ones as unlike ("near"), or pictures of another label, drawn at random ("random").
Both are left out of the second answer, of whose ten best the share of the liked label (P@10) and of the label
of the first marked picture are printed. docs/decisions/0017-negative-examples.md says what follows.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.index_files import load_index
from i2v_search.index.similarity import unit
from i2v_search.store.feature_store import FeatureStore

Rows: TypeAlias = NDArray[np.float32]
#: Scores of all rows by the liked direction (d,) and the unlike rows (n, d).
Form: TypeAlias = Callable[[Rows, Rows, Rows], Rows]

FEWEST, LOOKED_AT, TOP = 12, 20, 10


def subtracted(weight: float) -> Form:
    """Rocchio: the query less the weighted examples."""
    return lambda rows, liked, unlike: rows @ unit((liked - weight * unlike.sum(axis=0))[None])[0]


def projected(weight: float) -> Form:
    """Rocchio, each example clipped to what the query shares with it."""

    def scores(rows: Rows, liked: Rows, unlike: Rows) -> Rows:
        query = liked
        for example in unlike:
            query = query - weight * max(0.0, float(query @ example)) * example
        return np.asarray(rows @ query, np.float32)

    return scores


def lowered(weight: float, *, add: bool = False) -> Form:
    """s+ less the clipped similarity to the nearest of the examples, or to all of them."""

    def scores(rows: Rows, liked: Rows, unlike: Rows) -> Rows:
        alike = np.maximum(rows @ unlike.T, 0)
        return np.asarray(
            rows @ liked - weight * (alike.sum(axis=1) if add else alike.max(axis=1)), np.float32
        )

    return scores


FORMS: Mapping[str, Form] = {
    "nothing": lambda rows, liked, _: np.asarray(rows @ liked, np.float32),
    **{f"subtracted {weight}": subtracted(weight) for weight in (0.25, 0.5, 1)},
    **{f"projected {weight}": projected(weight) for weight in (0.5, 1)},
    **{f"sum lowered {weight}": lowered(weight, add=True) for weight in (0.25, 0.5)},
    **{f"lowered {weight}": lowered(weight) for weight in (0.25, 0.5, 0.75, 1)},
}


def users(
    rows: Rows, labels: NDArray[np.str_], *, liked: int, unlike: int, mark: str, count: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """What each user likes and marks: row numbers."""
    generator = np.random.default_rng(0)
    known = [label for label, number in sorted(Counter(labels.tolist()).items()) if number >= FEWEST]
    while count:
        label, other = generator.choice(known, 2, replace=False)
        wanted = generator.choice(np.flatnonzero(labels == label), liked, replace=False)
        if mark == "near":
            order = np.argsort(-(rows @ unit(rows[wanted].sum(axis=0)[None])[0]))
            seen = order[~np.isin(order, wanted)][:LOOKED_AT]
            marked = seen[labels[seen] != label][:unlike]
        else:
            marked = generator.choice(np.flatnonzero(labels == other), unlike, replace=False)
        if len(marked) == unlike:
            count -= 1
            yield wanted, marked


def judge(directory: Path, count: int) -> None:
    """Print a table for a collection."""
    store = FeatureStore(directory)
    rows = load_index(store).similarity.embed_rows(store, store.live)
    labels = np.array([store.path(position).split("/")[0] for position in store.live.tolist()])
    print(f"{directory.name}: {len(rows)} pictures; P@10 and share of the marked label, %")
    for mark in ("near", "random"):
        for liked, unlike in ((1, 1), (1, 3), (3, 3)):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMS}
            for wanted, marked in users(rows, labels, liked=liked, unlike=unlike, mark=mark, count=count):
                direction = unit(rows[wanted].sum(axis=0)[None])[0]
                for name, form in FORMS.items():
                    scores = form(rows, direction, rows[marked])
                    scores[wanted] = scores[marked] = -np.inf
                    best = labels[np.argpartition(-scores, TOP)[:TOP]]
                    right, wrong = best == labels[wanted[0]], best == labels[marked[0]]
                    found[name].append((float(right.mean()), float(wrong.mean())))
            told = {name: np.mean(values, axis=0) * 100 for name, values in found.items()}
            print(f"  {liked} liked, {unlike} marked {mark}")
            for name, (precision, wrong_share) in told.items():
                print(f"    {name:16} {precision:5.1f} {wrong_share:5.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--users", type=int, default=300)
    arguments = parser.parse_args()
    for place in arguments.collections:
        judge(place, arguments.users)
