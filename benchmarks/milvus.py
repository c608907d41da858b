"""Milvus against FAISS: sending rows, and searching, on servers of this machine.

Run from the root of the repository::

    python -m benchmarks.milvus [search|push]

The servers are Milvus Lite's, written in Python: they show what a call costs, not what a cluster does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.milvus_server import LocalServer
from benchmarks.synthetic import collection_of
from benchmarks.timing import interleave, run_parts, table
from i2v_search.choices import IndexKind
from i2v_search.collection.collection import Collection
from i2v_search.index.measuring import Judge, choose_queries
from i2v_search.index.milvus.push import Push, push_to_milvus
from i2v_search.index.planner import IndexOptions
from i2v_search.index.protocol import SearchIndex
from i2v_search.progress import Progress

ROWS = 10_000
TOP = 10
BATCH = 32
ROUNDS = 5
KINDS: tuple[IndexKind, ...] = ("pca", "ivf", "hnsw")


def search_part(command: str) -> str:
    """Search by one query and by several, FAISS, a server and a file, on three kinds of index."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, collection_of(ROWS) as directory:
        server = LocalServer(Path(folder) / "data")
        server.start()
        for kind in KINDS:
            lines += _search_lines(directory, kind, server.uri, os.fspath(Path(folder) / "file.db"))
        server.kill()
    header = ["index", "device", "recall@10", "one query", "over FAISS", f"{BATCH} queries", "over FAISS"]
    return table(header, lines) + (
        f"\n\n{ROWS:,} synthetic rows of 4,096 dimensions, 256 components sent; recall@{TOP} on 400 rows, as "
        "FAISS's own is measured; times of `index.search`, re-rank included. "
        f"{command}"
    )


def _search_lines(directory: Path, kind: IndexKind, uri: str, file: str) -> list[list[str]]:
    Collection.open(directory).index(options=IndexOptions(kind=kind))
    opened: dict[str, SearchIndex] = {"FAISS": Collection.open(directory)._state.index}
    for name, place in (("Milvus Lite server", uri), ("Milvus Lite file", file)):
        where = f"{place}#{kind}"
        done = push_to_milvus(directory, where)
        milvus = Collection.open(directory, backend="milvus", milvus_uri=where)
        opened[f"{name}, {done.index}"] = milvus._state.index
    faiss = opened["FAISS"]
    asked = choose_queries(faiss.store, 400, seed=1)
    judge = Judge(faiss.store, faiss.similarity, asked)
    queries = judge.queries[:BATCH]
    one: dict[str, Callable[[], object]] = {
        name: partial(_next, index, queries, [0]) for name, index in opened.items()
    }
    several: dict[str, Callable[[], object]] = {
        name: partial(index.search, queries, TOP) for name, index in opened.items()
    }
    single, batch = interleave(one, ROUNDS, least=0.3), interleave(several, ROUNDS)
    return [
        [
            kind,
            name,
            f"{judge.recall(index).mean():.4f}",
            single.spread(name).duration,
            single.ratio(name, "FAISS").show(),
            batch.spread(name).duration,
            batch.ratio(name, "FAISS").show(),
        ]
        for name, index in opened.items()
    ]


def _next(index: SearchIndex, queries: NDArray[np.float32], turn: list[int]) -> None:
    turn[0] = (turn[0] + 1) % len(queries)
    index.search(queries[turn[0]][None], TOP)


def push_part(command: str) -> str:
    """Send a collection, send nothing, and send a little."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, collection_of(ROWS) as directory:
        Collection.open(directory).index(options=IndexOptions(kind="pca"))
        server = LocalServer(Path(folder) / "data")
        server.start()
        for name, uri in (("server", server.uri), ("file", os.fspath(Path(folder) / "file.db"))):
            for what, compare in (("all rows", True), ("nothing new", True), ("nothing new, `sync`", False)):
                done, seconds, rate = _push(directory, f"{uri}#art", compare=compare)
                lines.append([name, what, f"{done.sent:,}", f"{seconds:.2f} s", rate])
        server.kill()
    header = ["Milvus Lite", "push", "rows sent", "whole push", "rows a second while sending"]
    return table(header, lines) + (
        f"\n\n{ROWS:,} synthetic rows, 256 components of 4,096 dimensions sent, no tags, FLAT; one run each. "
        f"The components are those of the collection's own index; the first push measures recall. {command}"
    )


def _push(directory: Path, uri: str, *, compare: bool) -> tuple[Push, float, str]:
    moments: list[tuple[float, int]] = []

    def report(progress: Progress) -> None:
        if progress.stage == "sending rows":
            moments.append((time.perf_counter(), progress.done))

    started = time.perf_counter()
    done = push_to_milvus(directory, uri, compare=compare, report=report)
    seconds = time.perf_counter() - started
    if len(moments) < 2:
        return done, seconds, ""
    (first, before), (last, after) = moments[0], moments[-1]
    return done, seconds, f"{(after - before) / (last - first):,.0f}"


if __name__ == "__main__":
    run_parts(
        "milvus",
        ["milvus-lite", "pymilvus", "faiss-cpu", "numpy"],
        {"search": search_part, "push": push_part},
    )
