"""Approximate search against FAISS HNSW, hnswlib, usearch (f16) and autofaiss, at the same recall@10.

``I2V_BENCH_DATA=DIRECTORY python -m benchmarks.peers [10k] [10k-4096] [100k] [1m]``. Peers that are not
installed are named as such: none is a dependency of i2v-search (``pip install hnswlib usearch autofaiss``).
Every index is built and searched in a process of its own: built with all cores, searched with one.

Peers hold the same 256 principal components that the collection's own index learned, scaled to unit length
(with that, 34 candidates hold 99 % of the ten nearest of 10,000; without it 45 by inner product and 104 by
Euclidean distance). The re-rank behind them is the same for all: rows of float16 out of the feature store,
centred and compared in NumPy.
``10k-4096`` gives them the whole rows instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.exact import JUDGED, TIMED, TOP, held_back, recall, truth, unit
from benchmarks.processes import memory, run_alone
from benchmarks.synthetic import DESCRIPTION, collection_of
from benchmarks.timing import run_parts, table
from i2v_search import Collection
from i2v_search.choices import IndexKind
from i2v_search.index.index_files import load_index
from i2v_search.index.pca import fit_pca
from i2v_search.index.planner import IndexOptions
from i2v_search.index.similarity import position_blocks
from i2v_search.store.feature_store import FeatureStore

TARGET, DIMENSION, COMPONENTS = 0.99, 4096, 256
CANDIDATES = (10, 20, 40, 80, 160)
EFFORTS = (16, 32, 64, 128, 256, 512, 1024, 2048)
OURS = "i2v-search"
PEERS = {
    "FAISS IndexFlat, float32": "faiss",
    "FAISS IndexHNSWFlat (M 32, efConstruction 100)": "faiss",
    "hnswlib (M 16, ef_construction 200)": "hnswlib",
    "usearch, f16 (connectivity 16, expansion_add 128)": "usearch",
    "autofaiss's choice": "autofaiss",
}


@dataclass
class Contestant:
    """An index that was built, and how it is asked.

    Attributes:
        name: what it is.
        search: queries (m, D) float32, k and effort to row numbers (m, k).
        efforts: that are worth trying; none where there is nothing to choose.
        graph: whether the effort is a number of rows kept in mind, never fewer than are asked for.
    """

    name: str
    search: Callable[[NDArray[np.float32], int, int], NDArray[np.int64]]
    efforts: tuple[int, ...] = (0,)
    graph: bool = False


def part(count: int, whole: bool, command: str) -> str:
    """Every peer on one collection."""
    with collection_of(count, DIMENSION) as directory:
        right = directory / "right.npy"
        np.save(right, truth(directory))
        np.save(directory / "queries.npy", held_back(DIMENSION))
        lines: list[list[str]] = []
        for kind in ("ivf", "auto"):
            ours = run_alone("benchmarks.peers:build_ours", directory, kind)
            searched = run_alone("benchmarks.peers:search_ours", directory, threads=1)
            name = f"{OURS}, {ours.answer['kind']}" + ", its own choice" * (kind == "auto")
            lines.insert(0, _line(name, ours.answer["seconds"], searched.answer))
        projected = run_alone("benchmarks.peers:project", directory, whole)
        memory_bytes, limit = searched.answer["memory"], 120 + 0.003 * count
        for name, module in PEERS.items():
            if find_spec(module) is None:
                lines.append([f"{name}: not installed", *[""] * 7])
                continue
            try:
                answer = run_alone(
                    "benchmarks.peers:contest", directory, name, memory_bytes, limit=limit
                ).answer
            except RuntimeError as error:
                lines.append([f"{name}: {error}", *[""] * 7])
                continue
            lines.append(_line(answer["name"], answer["seconds"], answer))
    header = ["index", "recall@10", "p50", "p99", "over ours", "memory", "build", "fastest setting"]
    base = float(searched.answer["p50"])
    for line in lines:
        line.insert(4, f"{float(line[2].split()[0]) / base:.2f}" if line[2] else "")
    form = "Whole rows" if whole else f"{COMPONENTS} principal components, scaled to unit length,"
    intro = (
        f"{count:,} rows of {DIMENSION} dimensions. {form} are indexed; recall@10 against exact search over "
        f"whole rows, {JUDGED} held-back queries, goal {TARGET}. Time of a single search, re-rank included, "
        f"in one thread over {TIMED} queries; memory of the index without the vectors it was built from; "
        f"build with all cores, without the projection ({projected.seconds:.0f} s), which ours contains, as "
        f"it does learning it and tuning. {DESCRIPTION}"
    )
    return f"{intro}\n\n" + table([*header, "command"], [[*line, command] for line in lines])


def _line(name: str, seconds: float, answer: dict[str, Any]) -> list[str]:
    reached = "" if answer["recall"] >= TARGET else " (NOT reached)"
    return [
        name,
        f"{answer['recall']:.3f}{reached}",
        f"{answer['p50']:.3g} ms",
        f"{answer['p99']:.3g} ms",
        f"{answer['memory'] / 1e6:,.0f} MB",
        f"{seconds:,.1f} s",
        answer["setting"],
    ]


def build_ours(directory: str, kind: IndexKind) -> dict[str, Any]:
    """Index the collection as the plan says, or as one kind."""
    started = time.perf_counter()
    options = IndexOptions(kind=kind, recall_target=TARGET, graph=False)
    plan = Collection.open(directory).index(options=options)
    return {"seconds": time.perf_counter() - started, "kind": plan.kind}


def search_ours(directory: str) -> dict[str, Any]:
    """Time `Collection.search`, which resolves the query and makes hits besides searching."""
    queries, right = np.load(Path(directory) / "queries.npy"), np.load(Path(directory) / "right.npy")
    before = memory()["RssAnon"]
    collection = Collection.open(directory)
    found = [[hit.id for hit in collection.search(query, top=TOP).hits] for query in queries[:JUDGED]]
    held = memory()["RssAnon"] - before
    times = _times(lambda number: collection.search(queries[number], top=TOP))
    settings = load_index(collection.store).settings
    return {
        "recall": recall(np.array(found), right),
        "memory": held,
        "setting": f"Collection.search; {settings}",
        **times,
    }


def project(directory: str, whole: bool) -> dict[str, Any]:
    """Write what the peers index to plain files."""
    path = Path(directory)
    collection = Collection.open(path)
    store, index = collection.store, load_index(collection.store)
    similarity = index.similarity
    np.save(path / "mean.npy", similarity.mean)
    components: NDArray[np.float32] = getattr(index.form, "components", np.empty((0, 0), np.float32))
    if not len(components):
        sample = store.live[:: max(1, len(store) // 10_000)]
        components = fit_pca([similarity.embed_rows(store, sample)], COMPONENTS, centre=False).components
    if not whole:
        np.save(path / "components.npy", components)
    width = DIMENSION if whole else len(components)
    vectors = np.lib.format.open_memmap(path / "vectors.npy", "w+", np.float32, (len(store), width))
    done = 0
    for block in position_blocks(store):
        embedded = similarity.embed_rows(store, block)
        vectors[done : done + len(block)] = embedded if whole else unit(embedded @ components.T)
        done += len(block)
    vectors.flush()
    return {}


def contest(directory: str, name: str, memory_bytes: int) -> dict[str, Any]:
    """Build one peer, then find the fastest setting that reaches the goal."""
    path = Path(directory)
    vectors = np.load(path / "vectors.npy", mmap_mode="r")
    store, mean = FeatureStore(path), np.load(path / "mean.npy")
    right = np.load(path / "right.npy")
    queries = unit(unit(np.load(path / "queries.npy")) - mean)
    whole = vectors.shape[1] == DIMENSION
    components = None if whole else np.load(path / "components.npy")
    before, started = memory()["RssAnon"], time.perf_counter()
    contestant = _BUILDERS[name](vectors, memory_bytes)
    seconds, held = time.perf_counter() - started, memory()["RssAnon"] - before
    import_module("threadpoolctl").threadpool_limits(1)
    faiss.omp_set_num_threads(1)

    def search(query: NDArray[np.float32], candidates: int, effort: int) -> NDArray[np.int64]:
        asked = query[None] if components is None else unit(query[None] @ components.T)
        proposed = contestant.search(asked, candidates, effort)[0]
        if components is None:
            return np.asarray(proposed[:TOP])
        # In the order of the file, as a reader of a disk would.
        proposed = np.sort(proposed)
        found = store.take(proposed) - mean
        scores = (found @ query) / np.sqrt(np.einsum("ij,ij->i", found, found))
        best: NDArray[np.int64] = proposed[np.argsort(-scores)[:TOP]]
        return best

    tried: list[tuple[bool, float, float, int, int]] = []
    for candidates, effort in _settings(contestant, whole, tried):
        began = time.perf_counter()
        found = np.stack([search(query, candidates, effort) for query in queries[:JUDGED]])
        took = (time.perf_counter() - began) / JUDGED
        reached = recall(found, right)
        tried.append((reached >= TARGET, reached, took, candidates, effort))
    good = [line for line in tried if line[0]]
    best = min(good, key=lambda line: line[2]) if good else max(tried, key=lambda line: line[1])
    _, reached, _, candidates, effort = best
    return {
        "name": contestant.name,
        "seconds": seconds,
        "memory": held,
        "recall": reached,
        "setting": f"effort {effort}" + ("" if whole else f", {candidates} candidates re-ranked"),
        **_times(lambda number: search(queries[number], candidates, effort)),
    }


def _settings(
    contestant: Contestant, whole: bool, tried: list[tuple[bool, float, float, int, int]]
) -> Iterator[tuple[int, int]]:
    """Numbers of candidates and efforts, rising, each effort no further than the goal or the last gain."""
    for candidates in (TOP,) if whole else CANDIDATES:
        before = 0.0
        for effort in contestant.efforts:
            if contestant.graph and effort < candidates:
                continue
            yield candidates, effort
            reached = tried[-1][1]
            if reached >= TARGET or (reached - before < 5e-4 and effort > 2 * candidates):
                break
            before = reached


def _times(search: Callable[[int], object]) -> dict[str, float]:
    seconds = []
    for number in [*range(20), *range(TIMED)]:
        began = time.perf_counter()
        search(number)
        seconds.append(time.perf_counter() - began)
    p50, p99 = np.quantile(np.array(seconds[20:]) * 1e3, [0.5, 0.99]).tolist()
    return {"p50": p50, "p99": p99}


def _flat(vectors: NDArray[np.float32], _: int) -> Contestant:
    index: Any = faiss.IndexFlatIP(vectors.shape[1])
    for block in _blocks(vectors):
        index.add(block)
    return Contestant("FAISS IndexFlat, float32", lambda asked, k, _: index.search(asked, k)[1])


def _faiss_hnsw(vectors: NDArray[np.float32], _: int) -> Contestant:
    index: Any = faiss.IndexHNSWFlat(vectors.shape[1], 32)
    index.hnsw.efConstruction = 100
    for block in _blocks(vectors, 100_000):
        index.add(block)
    faiss.omp_set_num_threads(1)

    def search(asked: NDArray[np.float32], k: int, effort: int) -> NDArray[np.int64]:
        index.hnsw.efSearch = max(effort, k)
        found: NDArray[np.int64] = index.search(asked, k)[1]
        return found

    return Contestant("FAISS IndexHNSWFlat (M 32, efConstruction 100)", search, EFFORTS, graph=True)


def _hnswlib(vectors: NDArray[np.float32], _: int) -> Contestant:
    index: Any = import_module("hnswlib").Index(space="l2", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
    for start, block in enumerate(_blocks(vectors, 100_000)):
        index.add_items(block, np.arange(len(block)) + 100_000 * start, num_threads=os.cpu_count() or 1)

    def search(asked: NDArray[np.float32], k: int, effort: int) -> NDArray[np.int64]:
        index.set_ef(max(effort, k))
        return np.asarray(index.knn_query(asked, k, num_threads=1)[0], np.int64)

    return Contestant("hnswlib (M 16, ef_construction 200)", search, EFFORTS, graph=True)


def _usearch(vectors: NDArray[np.float32], _: int) -> Contestant:
    index: Any = import_module("usearch.index").Index(
        ndim=vectors.shape[1], metric="l2sq", dtype="f16", connectivity=16, expansion_add=128
    )
    for start, block in enumerate(_blocks(vectors, 100_000)):
        index.add(np.arange(len(block)) + 100_000 * start, block, threads=os.cpu_count() or 1)

    def search(asked: NDArray[np.float32], k: int, effort: int) -> NDArray[np.int64]:
        index.expansion_search = max(effort, k)
        return np.asarray(index.search(asked[0], k, threads=1).keys, np.int64)[None]

    return Contestant("usearch, f16 (connectivity 16, expansion_add 128)", search, EFFORTS, graph=True)


def _autofaiss(vectors: NDArray[np.float32], memory_bytes: int) -> Contestant:
    index, facts = import_module("autofaiss").build_index(
        np.ascontiguousarray(vectors),
        save_on_disk=False,
        metric_type="l2",
        max_index_memory_usage=f"{max(memory_bytes, 1) / 1e6:.0f}MB",
        current_memory_available="6GB",
        nb_cores=os.cpu_count() or 1,
        verbose=40,
    )
    key, tuned, space = facts["index_key"], facts["index_param"], faiss.ParameterSpace()
    name = "efSearch" if "HNSW" in key else "nprobe" if "IVF" in key else ""

    def search(asked: NDArray[np.float32], k: int, effort: int) -> NDArray[np.int64]:
        if name:
            space.set_index_parameter(index, name, max(effort, k if name == "efSearch" else 1))
        found: NDArray[np.int64] = index.search(asked, k)[1]
        return np.asarray(found[:, (found >= 0).all(axis=0)])

    label = f"autofaiss's choice: {key} (it tuned {tuned})"
    return Contestant(label, search, EFFORTS if name else (0,), graph=name == "efSearch")


def _blocks(vectors: NDArray[np.float32], size: int = 8192) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(vectors), size):
        yield np.ascontiguousarray(vectors[start : start + size])


_BUILDERS: dict[str, Callable[[NDArray[np.float32], int], Contestant]] = dict(
    zip(PEERS, (_flat, _faiss_hnsw, _hnswlib, _usearch, _autofaiss), strict=True)
)


if __name__ == "__main__":
    run_parts(
        "peers",
        ["faiss-cpu", "numpy"],
        {
            "10k": partial(part, 10_000, False),
            "10k-4096": partial(part, 10_000, True),
            "100k": partial(part, 100_000, False),
            "1m": partial(part, 1_000_000, False),
        },
    )
