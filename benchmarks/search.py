"""Search against raw FAISS with a re-rank by hand, and against one pass over the bytes it scans.

``OMP_NUM_THREADS=1 python -m benchmarks.search [20k-4096] [100k-256] [100k-1280]``
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.exact import held_back, recall, unit
from benchmarks.synthetic import DESCRIPTION, collection_of
from benchmarks.timing import Timings, interleave, run_parts, table
from i2v_search import Collection
from i2v_search.choices import IndexKind
from i2v_search.index.planner import IndexOptions
from i2v_search.index.vector_index import VectorIndex
from i2v_search.store.float16 import widen

BATCH, TOP, ROUNDS = 64, 10, 15
BATCH_GOAL, SINGLE_GOAL = 1.10, 1.50
_faiss: Any = faiss

#: float16 rows to float32.
Conversion: TypeAlias = Callable[[NDArray[np.float16]], NDArray[np.float32]]


def part(count: int, dimension: int, command: str) -> str:
    """All measurements on one synthetic collection."""
    queries = held_back(dimension, BATCH)
    kinds: tuple[IndexKind, ...] = ("exact", "pca", "codes", "ivf") if dimension > 256 else ("exact",)
    lines: list[list[str]] = []
    stages: list[list[str]] = []
    explained = ""
    with collection_of(count, dimension) as directory:
        collection = Collection.open(directory)
        rows = collection.store.take_float16(collection.store.live)
        np.save(directory / "rows.npy", rows)
        for kind in kinds:
            collection.index(options=IndexOptions(kind=kind, graph=False))
            contest = _Contest(collection, directory / "rows.npy", queries)
            explained += contest.explained
            lines += [[kind, *line, command] for line in contest.whole()]
            if kind != "ivf":
                stages += [[kind, *line, command] for line in contest.stages()]
    header = ["kind", "what", "time a query", "over raw FAISS", "over raw, our conversion", "recall@10"]
    header.append("command")
    intro = (
        f"{count:,} rows of {dimension} dimensions. {DESCRIPTION}{explained} Raw: the same FAISS object "
        "called directly; the query centred and projected, and the candidates re-ranked from float16 rows in "
        "a memory map, in NumPy, which converts float16 slowly: *our conversion* is the same by hand with "
        "i2v_search.store.float16.widen. It finds row numbers, Collection.search also paths, scores, tags. "
        f"Goals: at most {BATCH_GOAL:.2f} x raw for a batch of {BATCH}, {SINGLE_GOAL:.1f} x for one."
    )
    floor = (
        "Stages of one search that read a known number of bytes, against the floor: one read of as many "
        "bytes of float32 by a dot product, in the same rounds."
    )
    places = ["kind", "stage", "bytes a query", "read at", "floor", "time", "over the floor", "command"]
    return f"{intro}\n\n{table(header, lines)}\n\n{floor}\n\n{table(places, stages)}"


class _Contest:
    """An index, and what a careful user would write by hand around the same FAISS object."""

    def __init__(self, collection: Collection, rows: Path, queries: NDArray[np.float32]) -> None:
        self.collection, self.queries = collection, queries
        index = collection._state.index
        assert isinstance(index, VectorIndex)
        self.index = index
        self.mean = self.index.similarity.mean
        self.rows = np.load(rows, mmap_mode="r")
        #: Not a copy: two copies of the same vectors differ by up to 20 % with where they lie in memory.
        self.scanner: Any = self.index.scanner.index
        self.kind, self.settings = self.index.plan.kind, self.index.settings
        self.components = getattr(self.index.form, "components", None)
        self.centre = getattr(self.index.form, "centre", None)
        self.explained = ""
        if self.kind == "pca":
            share = float(getattr(self.index.form, "explained_variance_ratio", np.zeros(1)).sum())
            self.explained = f" {self.index.plan.dimensions} components explain {share:.0%}."
        if self.settings.candidates:
            self.explained += f" Candidates of {self.kind}: {self.settings.candidates}."
        self.turn = iter(range(10**9))

    def whole(self) -> list[list[str]]:
        """Times of whole searches, one by one and in batches."""
        collection, index, queries = self.collection, self.index, self.queries
        embed = index.similarity.embed
        single = self._timed(
            {
                "Collection.search, one vector": lambda one: collection.search(one[0], top=TOP),
                "VectorIndex.search, one": lambda one: index.search(embed(one), TOP),
                **self._by_hand("one"),
            },
            single=True,
        )
        batch = self._timed(
            {
                f"Collection.search_each, {BATCH}": lambda some: collection.search_each(some, top=TOP),
                f"VectorIndex.search, batch of {BATCH}": lambda some: index.search(embed(some), TOP),
                **self._by_hand(f"batch of {BATCH}"),
            },
            single=False,
        )
        centred = unit(unit(queries) - self.mean)
        values = unit(self.rows.astype(np.float32) - self.mean)
        truth = np.argsort(-(centred @ values.T), axis=1)[:, :TOP]
        del values
        hits = [[hit.id for hit in found.hits] for found in collection.search_each(queries, top=TOP)]
        ours, theirs = recall(np.array(hits), truth), recall(self.search(queries), truth)
        lines = []
        for timings, unit_count, goal in ((single, 1, SINGLE_GOAL), (batch, BATCH, BATCH_GOAL)):
            raw, *converted = (name for name in timings.seconds if name.startswith("raw"))
            for name in timings.seconds:
                spread = timings.ratio(name, raw)
                missed = " (goal missed)" if name.startswith("Collection") and spread.median > goal else ""
                strictly = timings.ratio(name, converted[0]).show() if converted else ""
                time = f"{timings.spread(name).show(1e3 / unit_count)} ms"
                if unit_count > 1:
                    time += f" ({timings.rate(name, unit_count).show()} queries/s)"
                found = f"{theirs if name.startswith('raw') else ours:.3f}"
                lines.append([name, time, spread.show() + missed, strictly, found])
        return lines

    def stages(self) -> list[list[str]]:
        """Times of the stages that read a known number of bytes, against one read of as many."""
        asked = self._scannable(unit(unit(self.queries) - self.mean))
        proposed = self._propose(asked)
        scanned = int(self.scanner.ntotal * getattr(self.scanner, "code_size", 4 * self.scanner.d))
        sizes = {"scan": scanned}
        calls: dict[str, Callable[[int], object]] = {
            "scan": lambda number: self._propose(asked[number : number + 1])
        }
        if self.settings.candidates:
            sizes["re-rank"] = 2 * self.rows.shape[1] * proposed.shape[1]
            centred = unit(unit(self.queries) - self.mean)
            calls["re-rank"] = lambda number: self._rerank(centred[number], proposed[number], widen)
        lines = []
        for name, call in calls.items():
            buffer = np.ones(max(1, sizes[name] // 4), np.float32)
            timings = interleave(
                {name: partial(self._on_next, call), "read": partial(np.dot, buffer, buffer)},
                ROUNDS,
                least=0.1,
            )
            lines.append(
                [
                    name,
                    f"{sizes[name] / 1e6:,.2f} MB",
                    f"{timings.rate('read', sizes[name] / 1e9).show()} GB/s",
                    timings.spread("read").duration,
                    timings.spread(name).duration,
                    timings.ratio(name, "read").show(),
                ]
            )
        return lines

    def _by_hand(self, label: str) -> dict[str, Callable[[NDArray[np.float32]], object]]:
        if not self.settings.candidates:
            return {f"raw, {label}": self.search}
        return {
            f"raw, {label}": self.search,
            f"raw, our conversion, {label}": partial(self.search, convert=widen),
        }

    def search(
        self, queries: NDArray[np.float32], convert: Conversion = lambda values: values.astype(np.float32)
    ) -> NDArray[np.int64]:
        """(m, d) vectors to (m, TOP) row numbers, by hand."""
        centred = unit(unit(queries) - self.mean)
        proposed = self._propose(self._scannable(centred))
        if not self.settings.candidates:
            return proposed
        lines = zip(centred, proposed, strict=True)
        return np.stack([self._rerank(query, line, convert) for query, line in lines])

    def _scannable(self, centred: NDArray[np.float32]) -> NDArray[Any]:
        if self.centre is not None:
            return np.packbits(centred > self.centre, axis=1)
        if self.components is None:
            return centred
        return np.asarray(centred @ self.components.T)

    def _propose(self, asked: NDArray[Any]) -> NDArray[np.int64]:
        wanted, parameters = self.settings.candidates or TOP, None
        if self.kind == "ivf":
            most = faiss.extract_index_ivf(self.scanner).nlist
            parameters = _faiss.IVFSearchParameters(nprobe=min(most, self.settings.effort))
            if isinstance(self.scanner, faiss.IndexRefine):
                factor = max(2.0, self.settings.shortlist / max(1, self.settings.candidates))
                parameters = _faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=parameters)
        return np.asarray(self.scanner.search(asked, wanted, params=parameters)[1], np.int64)

    def _rerank(
        self, query: NDArray[np.float32], line: NDArray[np.int64], convert: Conversion
    ) -> NDArray[np.int64]:
        values = convert(np.asarray(self.rows[line]))
        values -= self.mean
        scores = (values @ query) / np.sqrt(np.vecdot(values, values))
        return np.asarray(line[np.argsort(-scores)[:TOP]])

    def _timed(
        self, searches: dict[str, Callable[[NDArray[np.float32]], object]], *, single: bool
    ) -> Timings:
        def one(search: Callable[[NDArray[np.float32]], object]) -> None:
            self._on_next(lambda number: search(self.queries[number : number + 1]))

        calls: dict[str, Callable[[], object]] = {
            name: partial(one, search) if single else partial(search, self.queries)
            for name, search in searches.items()
        }
        return interleave(calls, ROUNDS, least=0.15)

    def _on_next(self, call: Callable[[int], object]) -> None:
        call(next(self.turn) % BATCH)


if __name__ == "__main__":
    run_parts(
        "search",
        ["faiss-cpu", "numpy"],
        {
            "20k-4096": partial(part, 20_000, 4096),
            "100k-256": partial(part, 100_000, 256),
            "100k-1280": partial(part, 100_000, 1280),
        },
    )
