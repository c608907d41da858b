"""How long a morph and its graph take, in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.morph_contestants import Contestant, contestants
from benchmarks.morph_sets import load_graph, load_rows, space_of
from benchmarks.processes import memory, run_alone
from benchmarks.synthetic import DESCRIPTION, KEPT, collection_of
from benchmarks.timing import table
from i2v_search import Collection, Morph
from i2v_search.index.planner import IndexOptions
from i2v_search.morph.methods.methods import METHODS
from i2v_search.morph.methods.space import MorphSpace
from i2v_search.store.manifest import Manifest

DIMENSION = 4096
BUILT = (10_000, 20_000)
LARGER = (100_000, 1_000_000)
PAIRS, ASKED, STEPS, NEIGHBOURS = 50, 200, 4, 15
GOALS = {20_000: 10, 1_000_000: 50}


def graph_part(command: str) -> str:
    """Build time, memory and recall of the graph where it is built from exact scans or by the index."""
    lines = []
    for count in BUILT:
        with _indexed(count) as directory:
            built = run_alone("benchmarks.morph_time:build_graph", directory)
            right = run_alone("benchmarks.morph_time:recall", directory).answer
        lines.append(
            [
                f"{count:,}",
                f"{built.answer['seconds']:.1f} s",
                f"{built.peak / 1e6:,.0f} MB, {built.anonymous / 1e6:,.0f} MB",
                f"{built.answer['bytes'] / 1e6:.1f} MB",
                f"{right['recall']:.4f}",
                str(right["bridges"]),
            ]
        )
    header = ["rows", "time, all cores", "peak memory, without pages of mapped files", "file"]
    return (
        f"The graph of {DIMENSION} dimensions beside an index that stands; {command}. {DESCRIPTION} "
        f"{_RECALL}\n\n" + table([*header, f"recall of {NEIGHBOURS} neighbours", "bridges"], lines)
    )


def time_part(command: str) -> str:
    """Time of a morph on a stored graph, and of loading the graph."""
    loads, morphs, missing = [], [], []
    for count in (20_000, *LARGER):
        with _with_graph(count) as directory:
            if directory is None:
                missing.append(
                    f"{count:,} rows: not measured, no graph in {KEPT[count]} of `I2V_BENCH_DATA` (see "
                    "`benchmarks/morph.py`)."
                )
                continue
            loaded = run_alone("benchmarks.morph_time:load", directory, threads=1).answer
            right = run_alone("benchmarks.morph_time:recall", directory).answer
            walked = run_alone("benchmarks.morph_time:walk", directory, threads=1).answer
        loads.append(
            [
                f"{count:,}",
                f"{loaded['index'] * 1e3:.0f} ms",
                f"{loaded['network'] * 1e3:.0f} ms",
                f"{loaded['anonymous'] / 1e6:.1f} MB, {loaded['mapped'] / 1e6:.1f} MB",
                f"{right['recall']:.4f}",
                str(right["bridges"]),
            ]
        )
        goal = GOALS.get(count)
        for method, spent in walked.items():
            morphs.append(
                [
                    f"{count:,}",
                    method,
                    *(f"{spent[key]:.1f}" for key in ("p50", "p90", "cpu p50", "whole p50", "whole p90")),
                    "" if goal is None else f"{goal} ms: {'yes' if spent['p50'] <= goal else 'NO'}",
                ]
            )
    header = ["rows", "method", "p50, ms", "p90, ms", "p50 of the CPU time, ms"]
    told = [
        f"{STEPS} intermediates between {PAIRS} random pairs, one thread; {command}. Each pair twice, the "
        "second time counts. Collection.morph is what a user calls: with the names and the quality report. "
        f"{DESCRIPTION}",
        table([*header, "Collection.morph p50, ms", "p90, ms", "goal for p50"], morphs),
        *missing,
        f"Loading, files in the page cache. {_RECALL}",
        table(
            [
                "rows",
                "index",
                "graph",
                "memory of the graph: own, mapped",
                "recall of its neighbours",
                "bridges",
            ],
            loads,
        ),
    ]
    return "\n\n".join(told)


_RECALL = (
    f"Recall: share of the {NEIGHBOURS} exact nearest of each of {ASKED} rows that the graph joins it to."
)


@contextmanager
def _indexed(count: int) -> Iterator[Path]:
    """A collection that is indexed, without a graph."""
    with collection_of(count, DIMENSION) as directory:
        run_alone("benchmarks.morph_time:build_index", directory)
        yield directory


@contextmanager
def _with_graph(count: int) -> Iterator[Path | None]:
    """A collection with a graph: made if it is small, else the one that is kept, if it has one."""
    if count not in LARGER:
        with _indexed(count) as directory:
            run_alone("benchmarks.morph_time:build_graph", directory)
            yield directory
        return
    data = os.environ.get("I2V_BENCH_DATA")
    kept = None if data is None else Path(data) / KEPT[count]
    index = Manifest.load(kept).index if kept and (kept / "collection.json").exists() else None
    yield kept if index and "graph" in index.files else None


def build_index(directory: str) -> dict[str, Any]:
    """Index a collection in this process, without a graph."""
    Collection.open(directory).index(options=IndexOptions(graph=False))
    return {}


def build_graph(directory: str) -> dict[str, Any]:
    """Build the graph beside the index of a collection in this process."""
    collection = Collection.open(directory)
    started = time.perf_counter()
    collection.index(options=IndexOptions(graph=True))
    seconds = time.perf_counter() - started
    index = Manifest.load(Path(directory)).index
    assert index is not None
    return {"seconds": seconds, "bytes": (Path(directory) / index.files["graph"].name).stat().st_size}


def load(directory: str) -> dict[str, Any]:
    """Load index and graph in this process."""
    started = time.perf_counter()
    rows = load_rows(Path(directory))
    opened, before = time.perf_counter(), memory()
    network = load_graph(rows)
    loaded, after = time.perf_counter(), memory()
    return {
        "index": opened - started,
        "network": loaded - opened,
        "edges": network.edges.nnz,
        "anonymous": after.get("RssAnon", 0) - before.get("RssAnon", 0),
        "mapped": after.get("RssFile", 0) - before.get("RssFile", 0),
    }


def recall(directory: str) -> dict[str, Any]:
    """Compare the graph of a collection with exact neighbours, by plain NumPy over the rows."""
    rows = load_rows(Path(directory))
    network = load_graph(rows)
    asked = np.sort(np.random.default_rng(4).choice(len(rows), ASKED, replace=False))
    queries = rows.take(asked)
    scores = np.full((ASKED, NEIGHBOURS), -np.inf, np.float32)
    nearest = np.zeros((ASKED, NEIGHBOURS), np.int64)
    for start, block in rows.blocks(4096):
        products = queries @ block.T
        inside = np.flatnonzero((asked >= start) & (asked < start + len(block)))
        products[inside, asked[inside] - start] = -np.inf
        scores = np.hstack([scores, products])
        numbers = np.broadcast_to(np.arange(start, start + len(block)), products.shape)
        nearest = np.hstack([nearest, numbers])
        best = np.argpartition(-scores, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        scores, nearest = np.take_along_axis(scores, best, 1), np.take_along_axis(nearest, best, 1)
    edges = network.edges
    joined = [edges.indices[edges.indptr[row] : edges.indptr[row + 1]] for row in asked]
    found = [np.isin(right, of).mean() for right, of in zip(nearest, joined, strict=True)]
    return {"recall": float(np.mean(found)), "bridges": len(network.bridges)}


def _between(player: Contestant, space: MorphSpace, a: int, b: int) -> tuple[int, ...]:
    return player(space, a, b, STEPS)


def walk(directory: str) -> dict[str, dict[str, float]]:
    """Time every method, in this process, in milliseconds."""
    space, collection = space_of(Path(directory)), Collection.open(directory)
    draw = np.random.default_rng(5)
    pairs = [tuple(draw.choice(len(space.rows), 2, replace=False).tolist()) for _ in range(PAIRS)]
    players, ids = contestants(), collection.ids

    def spent(call: Callable[[int, int], object]) -> tuple[float, float, float]:
        times, works = [], []
        for a, b in pairs:
            started, worked = time.perf_counter(), time.process_time()
            call(a, b)
            times.append((time.perf_counter() - started) * 1e3)
            works.append((time.process_time() - worked) * 1e3)
        p50, p90 = np.quantile(times, [0.5, 0.9]).tolist()
        return p50, p90, float(np.median(works))

    def whole(name: str, a: int, b: int) -> Morph:
        return collection.morph(ids[a], ids[b], method=name, steps=STEPS)  # type: ignore[arg-type]

    answer = {}
    for name in METHODS:
        # The second time: rows not yet read, and parts of the graph not yet touched, do not count.
        again, all_in_all = (
            [spent(call) for _ in range(2)][1]
            for call in (partial(_between, players[name], space), partial(whole, name))
        )
        answer[name] = {
            "p50": again[0],
            "p90": again[1],
            "cpu p50": again[2],
            "whole p50": all_in_all[0],
            "whole p90": all_in_all[1],
        }
    return answer
