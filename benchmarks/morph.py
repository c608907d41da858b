"""How gradual morphs are, against the best that is possible, and how long they take.

``I2V_BENCH_MORPH=DIRECTORY python -m benchmarks.morph [sample] [real] [manifolds] [graph] [time]``

``real`` needs a collection of real illustrations in ``I2V_BENCH_MORPH``. Its numbers are of the data sets of
``make datasets``, which land in ``data/emoji``, ``data/openclipart`` and ``data/characters``:
``i2v-search build data/emoji data/openclipart data/characters --collection DIRECTORY``.

``time`` looks for the larger collections in ``I2V_BENCH_DATA``: `benchmarks.synthetic` writes them there, and
``i2v-search index --graph --collection $I2V_BENCH_DATA/million`` makes the index and the graph.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import morph_contestants, morph_judging, morph_time
from benchmarks.manifolds import Manifold, lift, shape_chains, swiss_roll, two_moons
from benchmarks.morph_contestants import contestants
from benchmarks.morph_judging import Judged, judge
from benchmarks.morph_sets import array_set, collection_set
from benchmarks.timing import run_parts, table
from i2v_search import Collection, sample_directory

PAIRS, SEED, STEPS = 300, 6, 4


def sample_part(command: str) -> str:
    """The collection that comes with the package."""
    with tempfile.TemporaryDirectory() as directory:
        Collection.build(directory, [sample_directory()])
        return _collection(Path(directory), command)


def real_part(command: str) -> str:
    """Somebody's collection: see above how to make that of the numbers kept."""
    kept = os.environ.get("I2V_BENCH_MORPH")
    if kept is None:
        raise SystemExit("name a collection with a graph in I2V_BENCH_MORPH, or leave out this part")
    return _collection(Path(kept), command.replace("`", "`I2V_BENCH_MORPH=DIRECTORY ", 1))


def manifolds_part(command: str) -> str:
    """Rows whose true order is known."""
    roll, moons = swiss_roll(), two_moons()
    on_roll, on_moons = array_set(lift(roll.straight, 3.0)), array_set(lift(moons.straight, 2.0))
    trials = [
        ("Swiss roll, ends at most 15 of 90 apart", on_roll, roll, (5.0, 15.0), 4),
        ("Swiss roll, ends 25 to 45 apart: up to a winding", on_roll, roll, (25.0, 45.0), 12),
        ("Two moons with a bridge, ends 20 to 45 of 74 apart", on_moons, moons, (20.0, 45.0), 12),
    ]
    with tempfile.TemporaryDirectory() as name:
        pictures, directory = Path(name) / "pictures", Path(name) / "collection"
        pictures.mkdir()
        chains = shape_chains(pictures)
        Collection.build(directory, [pictures])
        on_chains = collection_set(directory)
    trials.append(("Planted chains of rendered shapes", on_chains, chains, (0.75, np.inf), STEPS))
    told, cells = [], {name: [name] for name in contestants()}
    for title, rows, manifold, (nearest, farthest), steps in trials:
        judged = judge(rows, manifold.pairs(PAIRS, SEED, nearest, farthest), steps, contestants())
        for name, outcome in judged.outcomes.items():
            order = np.mean([manifold.order(path) for path in outcome.paths])
            cells[name].append(f"{np.median(judged.regret(name)):.3f}, {order:+.3f}")
        told.append(f"### {title}\n\n{_truths(manifold, judged)}\n\n{_best(judged)}\n\n{judged.summary}")
    return "\n\n".join(
        [
            f"{PAIRS} random pairs each; {command}. Median regret and mean tau of the true order:",
            table(["method", *(title for title, *_ in trials)], [*cells.values()]),
            _MANIFOLDS,
            morph_contestants.DESCRIPTION + " " + morph_judging.DESCRIPTION,
            *told,
        ]
    )


_MANIFOLDS = (
    "The roll (2,000 points) and the moons (900) are lifted to unit rows whose cosine is exp(-distance^2 / "
    "(2 w^2)), w 3 and 2; windings are 6.3 apart, the moons 5. Chains: 60 of 26 pictures each that go in "
    "even steps from one outline, colour and size to another, and 440 single ones, encoded by lite; ends are "
    "of one chain. True order: Kendall's tau of the intermediates' order with the truth. Off the true place: "
    "mean distance of the intermediates from where even steps along the true way would put them, over the "
    "distance of the ends. Short cuts: hops that pass more than 1.5 from every point; off the chain: "
    "intermediates of another chain or of none. Length: of the straight hops, over the true distance."
)


def _truths(manifold: Manifold, judged: Judged) -> str:
    lines = []
    for name, outcome in judged.outcomes.items():
        order, error, astray, length = (
            np.array([of(path) for path in outcome.paths])
            for of in (manifold.order, manifold.error, manifold.astray, manifold.length)
        )
        lines.append(
            [
                name,
                f"{order.mean():+.3f}",
                f"{order.min():+.2f}",
                f"{error.mean():.3f}",
                f"{astray.mean():.1%}",
                f"{np.median(length):.2f}",
            ]
        )
    astray_name = "short cuts" if manifold.chain is None else "off the chain"
    return table(
        ["method", "true order, mean tau", "worst", "off the true place", astray_name, "length, median"],
        lines,
    )


def _collection(directory: Path, command: str) -> str:
    found = collection_set(directory)
    judged = judge(found, found.pairs(PAIRS, SEED), STEPS, contestants())
    intro = f"{PAIRS} random pairs of {len(found.vectors):,} pictures; {command}. {_best(judged)}"
    told = [intro, judged.summary, morph_contestants.DESCRIPTION, morph_judging.DESCRIPTION, judged.details]
    return "\n\n".join(told)


def _best(judged: Judged) -> str:
    best, unlimited = (np.degrees(np.median(of)) for of in (judged.best, judged.unlimited))
    return (
        f"{judged.steps} intermediates. The smallest possible largest hop is {best:.1f}° in the median, and "
        f"{unlimited:.1f}° with any number of intermediates."
    )


if __name__ == "__main__":
    run_parts(
        "morph",
        ["numpy", "scipy", "faiss-cpu"],
        {
            "sample": sample_part,
            "real": real_part,
            "manifolds": manifolds_part,
            "graph": morph_time.graph_part,
            "time": morph_time.time_part,
        },
    )
