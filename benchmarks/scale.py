"""Build and search at ten thousand, a hundred thousand and a million images of 4,096 dimensions.

``I2V_BENCH_DATA=DIRECTORY python -m benchmarks.scale [10k] [100k] [1m] [growth]``; the collections are made
there, or in a temporary directory (``TMPDIR``; a million rows take 8.2 GB). ``growth`` measures what was not
measured before it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exact import JUDGED, TIMED, TOP, held_back, recall, truth
from benchmarks.processes import Job, forget, memory, run_alone
from benchmarks.synthetic import DESCRIPTION, collection_of
from benchmarks.timing import run_parts, table
from i2v_search.progress import Progress
from i2v_search.store.manifest import Manifest

DIMENSION, BATCH = 4096, 64
LIMIT = 6 * 10**9
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}


@dataclass(frozen=True)
class Measured:
    """One size: the process that built, and the one that searched."""

    built: Job
    searched: Job
    files: dict[str, int]
    recall: float


def part(count: int, command: str) -> str:
    """Everything measured at one size, predicted against actual."""
    measured = _measure(count)
    built, searched = measured.built.answer, measured.searched.answer
    plan: dict[str, Any] = built["plan"]
    predicted: dict[str, float] = plan.get("predicted") or {}
    index_bytes = sum(size for name, size in measured.files.items() if not name.startswith("features"))

    def told(key: str, scale: float, unit: str, form: str = ",.0f") -> str:
        return f"{predicted[key] / scale:{form}} {unit}" if key in predicted else ""

    def of(label: str, key: str) -> list[str]:
        p50, p99, mean = (searched[key][name] for name in ("p50", "p99", "mean"))
        return [label, f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, mean {mean:.2f} ms", ""]

    peak, anonymous = measured.built.peak, measured.built.anonymous
    within = "within" if peak <= LIMIT else "NOT within"
    lines = [
        ["build, all cores", f"{built['seconds']:.1f} s", told("build_seconds", 1, "s", ",.1f")],
        *(
            [f"- {stage}", f"{seconds:.1f} s", ""]
            for stage, seconds in built["stages"].items()
            if seconds >= 0.01 * built["seconds"]
        ),
        [
            "peak resident memory of the build",
            f"{peak / 1e6:,.0f} MB ({within} {LIMIT / 1e9:.0f} GB), without pages of mapped files "
            f"{anonymous / 1e6:,.0f} MB",
            told("build_memory_bytes", 1e6, "MB"),
        ],
        ["files of the index", f"{index_bytes / 1e6:,.1f} MB", told("disk_bytes", 1e6, "MB", ",.1f")],
        ["recall@10 as the build measured it", f"{built['recall']:.3f}", ""],
        [f"recall@10, {JUDGED} held-back queries", f"{measured.recall:.3f}", ""],
        ["open, files not in the page cache", f"{searched['open'] * 1e3:.0f} ms", ""],
        ["first search, which loads the index", f"{searched['first'] * 1e3:.0f} ms", ""],
        of(f"one search, the next {TIMED - 1} queries, cold", "cold"),
        [*of(f"one search, the {TIMED} queries again, twice", "warm")[:2], told("query_ms", 1, "ms", ".2f")],
        [f"Collection.search_each, batches of {BATCH}", f"{searched['batch']:,.0f} queries/s", ""],
        [
            "resident memory after the searches, without pages of mapped files",
            f"{searched['RssAnon'] / 1e6:,.0f} MB, {searched['grown'] / 1e6:,.0f} MB of it by the collection",
            told("memory_bytes", 1e6, "MB"),
        ],
        ["pages of mapped files, which the system may drop", f"{searched['RssFile'] / 1e6:,.0f} MB", ""],
    ]
    intro = (
        f"{count:,} rows of {DIMENSION} dimensions. {DESCRIPTION} Plan: {plan['kind']}, {plan['reason']}. "
        "Searches use one thread."
    )
    header = ["what", "measured", "predicted", "command"]
    return f"{intro}\n\n" + table(header, [[*line, command] for line in lines])


def growth_part(command: str) -> str:
    """How everything grows from size to size."""
    all_sizes = [_measure(count) for count in SIZES.values()]
    shown: dict[str, Callable[[Measured], float]] = {
        "build, s": lambda m: m.built.answer["seconds"],
        "build, ms a thousand rows": lambda m: m.built.answer["seconds"] * 1e6 / m.searched.answer["rows"],
        "peak memory of the build, MB": lambda m: m.built.peak / 1e6,
        "- without pages of mapped files": lambda m: m.built.anonymous / 1e6,
        "recall@10": lambda m: m.recall,
        "one search, warm, p50, ms": lambda m: m.searched.answer["warm"]["p50"],
        "one search, warm, p99, ms": lambda m: m.searched.answer["warm"]["p99"],
        "batch, queries/s": lambda m: m.searched.answer["batch"],
        "memory while searching, MB": lambda m: m.searched.answer["RssAnon"] / 1e6,
    }
    lines = [[name, *(f"{of(one):,.4g}" for one in all_sizes)] for name, of in shown.items()]
    lines.insert(0, ["kind", *(one.built.answer["plan"]["kind"] for one in all_sizes)])

    def exponents(name: str) -> str:
        values = [shown[name](one) for one in all_sizes]
        return ", ".join(f"{np.log10(after / before):.2f}" for before, after in pairwise(values))

    note = (
        f"Tenfold rows multiply build time by ten to the {exponents('build, s')} and the median search by "
        f"ten to the {exponents('one search, warm, p50, ms')}: 1 is linear."
    )
    return f"{note}\n\n" + table(["what", *SIZES, "command"], [[*line, command] for line in lines])


@lru_cache(maxsize=3)
def _measure(count: int) -> Measured:
    with collection_of(count, DIMENSION) as directory, tempfile.TemporaryDirectory() as scratch:
        built = run_alone("benchmarks.scale:build", directory)
        right = truth(directory)
        # Drawing them in the process that searches would blur its memory.
        queries = Path(scratch) / "queries.npy"
        np.save(queries, held_back(DIMENSION))
        forget(directory)
        searched = run_alone("benchmarks.scale:search", directory, queries, threads=1)
        files = {path.name: path.stat().st_size for path in directory.iterdir()}
    found = np.array(searched.answer.pop("found"), np.int64)
    return Measured(built, searched, files, recall(found, right))


def build(directory: str) -> dict[str, Any]:
    """Index a collection in this process, and say what each stage took."""
    from i2v_search import Collection
    from i2v_search.index.planner import IndexOptions

    stages: dict[str, float] = {}
    started = last = time.perf_counter()
    current = "opening"

    def note(progress: Progress) -> None:
        nonlocal last, current
        # What passes between two stages may be the end of one or the first block of the other.
        stage = progress.stage if progress.stage == current else f"{current}, up to {progress.stage}"
        now = time.perf_counter()
        stages[stage] = stages.get(stage, 0.0) + now - last
        last, current = now, progress.stage

    collection = Collection.open(directory)
    plan = collection.index(options=IndexOptions(memory_bytes=LIMIT, graph=False), report=note)
    stages[f"{current}, up to the end"] = time.perf_counter() - last
    record = Manifest.load(Path(directory)).index
    recalled = record.recall_at_10 if record else 0.0
    return {
        "plan": plan.to_dict(),
        "stages": stages,
        "seconds": time.perf_counter() - started,
        "recall": recalled,
    }


def search(directory: str, vectors: str) -> dict[str, Any]:
    """Search a collection in this process: cold, warm and in batches."""
    from i2v_search import Collection

    queries = np.load(vectors)
    started, before = time.perf_counter(), memory()
    collection = Collection.open(directory)
    opened = time.perf_counter()
    found = [[hit.id for hit in collection.search(queries[0], top=TOP).hits]]
    first = time.perf_counter()

    def single(query: Any) -> float:
        began = time.perf_counter()
        hits = collection.search(query, top=TOP).hits
        took = time.perf_counter() - began
        if len(found) < JUDGED:
            found.append([hit.id for hit in hits])
        return took

    cold = [single(query) for query in queries[1:]]
    warm = [single(query) for _ in range(2) for query in queries]
    resident = memory()
    began = time.perf_counter()
    for start in range(0, TIMED, BATCH):
        collection.search_each(queries[start : start + BATCH], top=TOP)
    rate = TIMED / (time.perf_counter() - began)
    return {
        "rows": len(collection),
        "open": opened - started,
        "first": first - opened,
        "cold": _summary(cold),
        "warm": _summary(warm),
        "batch": rate,
        "found": found,
        "grown": resident.get("RssAnon", 0) - before.get("RssAnon", 0),
        **{key: resident.get(key, 0) for key in ("RssAnon", "RssFile")},
    }


def _summary(seconds: list[float]) -> dict[str, float]:
    values = np.array(seconds) * 1e3
    p50, p99 = np.quantile(values, [0.5, 0.99]).tolist()
    return {"p50": p50, "p99": p99, "mean": float(values.mean())}


if __name__ == "__main__":
    parts = {name: partial(part, count) for name, count in SIZES.items()}
    run_parts("scale", ["faiss-cpu", "numpy"], {**parts, "growth": growth_part})
