"""Metadata of a made set of posts: read, kept as columns, filtered together with a search, exported.

``python -m benchmarks.data [30k] [300k] [1m]``

The posts are JSON lines in Danbooru's form, some 700 bytes each, and no picture exists: vectors are made up.
Each step runs in a process of its own, whose memory is watched.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.processes import run_alone
from benchmarks.synthetic import write_collection
from benchmarks.timing import run_parts, table
from i2v_search.images.metadata.post_index import PostIndex
from i2v_search.store.columns import ColumnsBuilder, update_columns
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore

DIMENSION, TAGS, VOCABULARY, QUERIES = 64, 30, 5000, 30
RATINGS = "gsqe"
DAY = 86_400
START = 1_262_304_000  # 2010
CONDITION = "score > 50 and rating = general and date >= 2023"


def facts(count: int) -> tuple[Any, Any, Any]:
    """Scores, places in `RATINGS` and seconds since 1970, (count,) each."""
    rng = np.random.default_rng(7)
    scores = (rng.gamma(1.2, 20, count) - 3).astype(np.int64)
    ratings = rng.choice(4, count, p=[0.3, 0.4, 0.2, 0.1])
    return scores, ratings, START + np.sort(rng.integers(0, 15 * 365 * DAY, count))


def lines(count: int) -> Iterator[str]:
    """Posts, a line each."""
    rng = np.random.default_rng(8)
    names = [f"tag_number_{number}" for number in range(VOCABULARY)]
    scores, ratings, dates = facts(count)
    for start in range(0, count, 10_000):
        stop = min(count, start + 10_000)
        chosen = (VOCABULARY * rng.random((stop - start, TAGS)) ** 3).astype(int).tolist()
        for number, tags in zip(range(start, stop), chosen, strict=True):
            moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(dates[number])))
            post = {
                "id": number + 1,
                "created_at": moment,
                "score": int(scores[number]),
                "rating": RATINGS[ratings[number]],
                "md5": f"{number:032x}",
                "file_ext": "png",
                "source": f"https://a.example/artworks/{number * 7919 % count}",
                "tag_string_general": " ".join(names[tag] for tag in tags),
                "tag_string_character": f"character_{number % 997}",
            }
            yield json.dumps(post) + "\n"


def described(start: int, count: int) -> list[ImageRecord]:
    """Records of pictures that are called by their MD5."""
    return [
        ImageRecord(f"{n:032x}.png", sha256(b"%d" % n).hexdigest(), 10_000, n, 800, 600)
        for n in range(start, start + count)
    ]


def read(directory: str, posts: str) -> dict[str, Any]:
    """Read a file of posts and give every row of a collection its columns, as a build does."""
    started, worked = time.perf_counter(), time.process_time()
    store, bad, builder = FeatureStore(Path(directory)), list[str](), ColumnsBuilder()
    index = PostIndex(lambda _, message: bad.append(message))
    with open(posts, "rb") as file:  # noqa: PTH123 - as given
        index.add_posts("set", file, posts, None)
    streamed, between = time.perf_counter(), time.process_time()
    for image_id, path in zip(store.ids.tolist(), store.paths(), strict=True):
        known = index.by_name("set", path)
        if known is not None:
            builder.add(image_id, known.facts)
    update_columns(Path(directory), *builder.finish())
    return {
        "stream": streamed - started,
        "stream cpu": between - worked,
        "fill": time.perf_counter() - streamed,
        "fill cpu": time.process_time() - between,
        "bad": len(bad),
    }


def filtered(directory: str) -> dict[str, Any]:
    """Index a collection, and search it with a condition."""
    from i2v_search import Collection, Filter
    from i2v_search.index.planner import IndexOptions

    collection = Collection.open(directory)
    collection.index(options=IndexOptions(graph=False))
    store, where = collection.store, Filter(condition=CONDITION)
    vectors = store.take(store.live)
    scores, ratings, dates = facts(len(store))
    right = (scores > 50) & (ratings == 0) & (dates >= 1_672_531_200)
    started = time.perf_counter()
    allowed = where.allowed(store)
    first = time.perf_counter() - started
    if allowed is None or not np.array_equal(allowed, right):
        raise SystemExit("the condition takes other rows than NumPy")
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    inside = np.flatnonzero(right)
    masks, searches, plain, hits = [], [], [], 0
    for number in np.random.default_rng(9).integers(0, len(store), QUERIES).tolist():
        began = time.perf_counter()
        where.allowed(store)
        masks.append(time.perf_counter() - began)
        began = time.perf_counter()
        found = collection.search(number, where=where, top=10, copies=True)
        searches.append(time.perf_counter() - began)
        began = time.perf_counter()
        collection.search(number, top=10, copies=True)
        plain.append(time.perf_counter() - began)
        likeness = centred[inside] @ centred[number]
        likeness[inside == number] = -2
        best = inside[np.argsort(-likeness)[:10]]
        hits += len({hit.id for hit in found.hits} & set(best.tolist()))
    return {
        "first": first,
        "mask": median(masks),
        "search": median(searches),
        "plain": median(plain),
        "share": float(right.mean()),
        "recall": hits / (10 * QUERIES),
    }


def exported(directory: str, out: str) -> dict[str, Any]:
    """Export a collection to Parquet."""
    from i2v_search import Collection

    started, worked = time.perf_counter(), time.process_time()
    done = Collection.open(directory).export(out)
    took, cpu = time.perf_counter() - started, time.process_time() - worked
    return {"seconds": took, "cpu": cpu, "bytes": done.bytes}


def part(count: int, command: str) -> str:
    """One size."""
    with tempfile.TemporaryDirectory() as name:
        directory, posts = Path(name) / "index", Path(name) / "posts.jsonl"
        write_collection(directory, count, DIMENSION, describe=described)
        with posts.open("w") as file:
            file.writelines(lines(count))
        size = posts.stat().st_size
        jobs = {
            "read": run_alone("benchmarks.data:read", directory, posts),
            "search": run_alone("benchmarks.data:filtered", directory),
            "export": run_alone("benchmarks.data:exported", directory, Path(name) / "set.parquet"),
        }
    got = {name: job.answer for name, job in jobs.items()}
    memory = {name: f"{job.anonymous / 1e6:,.0f}" for name, job in jobs.items()}
    found, reading, out, told = got["search"], got["read"], got["export"], "{:,.1f}".format
    rows = [
        ["read posts", f"{told(reading['stream'])} s", f"{told(reading['stream cpu'])} s", memory["read"]],
        ["fill columns", f"{told(reading['fill'])} s", f"{told(reading['fill cpu'])} s", memory["read"]],
        ["first condition", f"{told(1000 * found['first'])} ms", "", memory["search"]],
        ["condition again", f"{told(1000 * found['mask'])} ms", "", ""],
        ["search with it", f"{told(1000 * found['search'])} ms", "", ""],
        ["search without", f"{told(1000 * found['plain'])} ms", "", ""],
        ["export to Parquet", f"{told(out['seconds'])} s", f"{told(out['cpu'])} s", memory["export"]],
    ]
    note = (
        f"{count:,} posts, {size / 1e6:,.0f} MB of JSON lines, {DIMENSION}-d vectors; {command}. "
        f"The condition is `{CONDITION}`: {found['share']:.1%} of the rows, the same as NumPy takes; "
        f"medians of {QUERIES} searches, recall@10 of those with it {found['recall']:.3f} against all of "
        "their rows. Memory is that of the process without mapped files; the Parquet file has "
        f"{out['bytes'] / 1e6:,.0f} MB."
    )
    return f"{note}\n\n" + table(["", "takes", "of it CPU", "memory, MB"], rows)


if __name__ == "__main__":
    sizes = {"30k": 30_000, "300k": 300_000, "1m": 1_000_000}
    run_parts("data", ["numpy", "pyarrow"], {name: partial(part, count) for name, count in sizes.items()})
