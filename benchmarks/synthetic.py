"""Synthetic collections: rows like those of illustrations, written as extraction writes them.

``python -m benchmarks.synthetic [compare] [write]``; ``I2V_BENCH_DATA`` names a directory where the
collections of 10k, 100k and 1M rows are kept between runs, ``I2V_BENCH_PICTURES`` a folder of pictures to
compare with.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import run_parts, table
from i2v_search import Collection
from i2v_search.files import file_sha256
from i2v_search.images.sample import sample_directory
from i2v_search.index.similarity import Similarity, unit
from i2v_search.store.feature_file import Capacity, ImageRecord, PartWriter
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest, PartRecord
from i2v_search.store.writer import WriterLock

LATENT, GROUPS, CLUSTERS, LOCAL = 512, 150, 5000, 12
DUPLICATES = 0.03
BLOCK_ROWS = 256
WORKERS = 2
#: Stands in the manifest: a kept collection of another distribution is made again.
VERSION = "synthetic 2"
#: Names of the collections that are kept, by number of rows.
KEPT_DIMENSION = 4096
KEPT = {10_000: "m10k", 100_000: "m100k", 1_000_000: "million"}
DESCRIPTION = (
    f"Rows: {CLUSTERS:,} clusters with Zipf sizes in {GROUPS} groups with Zipf sizes, in a latent space of "
    f"{LATENT} dimensions whose variances fall as a power law; each cluster spreads along {LOCAL} directions "
    "of its own; mapped to d by a random matrix, plus noise whose strength differs from row to row, then a "
    "ReLU and a convex curve: non-negative, heavy-tailed, few real dimensions, like pooled activations. "
    f"{DUPLICATES:.0%} are near copies of another row."
)


class _Shape:
    """What all rows have in common: drawn once, whatever the seed of the rows."""

    def __init__(self, dimension: int) -> None:
        draw = np.random.default_rng(7)
        scale = np.arange(1, LATENT + 1) ** -0.6
        self.scale = (scale / np.linalg.norm(scale)).astype(np.float32)
        group = draw.choice(GROUPS, CLUSTERS, p=_zipf(GROUPS, 1.0))
        centres = 0.8 * draw.normal(size=(GROUPS, LATENT))[group] + 0.9 * draw.normal(size=(CLUSTERS, LATENT))
        self.centres = (centres * self.scale).astype(np.float32)
        self.sizes = np.cumsum(_zipf(CLUSTERS, 0.8))
        # The largest of p / exponential draws are a sample without replacement with probabilities p.
        races = self.scale**2 / draw.exponential(size=(CLUSTERS, LATENT))
        self.directions = np.argpartition(-races, LOCAL, axis=1)[:, :LOCAL]
        self.mixing = draw.normal(size=(LATENT, dimension)).astype(np.float32)
        self.bias = draw.normal(-0.3, 0.3, dimension).astype(np.float32)

    def block(self, number: int, size: int, seed: int) -> NDArray[np.float32]:
        """The first `size` rows of a block: a function of its number and the seed alone."""
        draw = np.random.default_rng((seed, number))
        every = np.arange(BLOCK_ROWS)
        cluster = np.minimum(np.searchsorted(self.sizes, draw.random(BLOCK_ROWS)), CLUSTERS - 1)
        latent = draw.standard_normal((BLOCK_ROWS, LATENT), np.float32) * self.scale
        latent *= 0.35 * draw.gamma(4, 0.25, (BLOCK_ROWS, 1)).astype(np.float32)
        latent += self.centres[cluster]
        along = draw.standard_normal((BLOCK_ROWS, LOCAL), np.float32)
        latent[every[:, None], self.directions[cluster]] += np.float32(0.9 / np.sqrt(LOCAL)) * along
        values = draw.standard_normal((BLOCK_ROWS, self.mixing.shape[1]), np.float32)
        values *= 0.25 * draw.gamma(4, 0.25, (BLOCK_ROWS, 1)).astype(np.float32)
        values += latent @ self.mixing
        values += self.bias
        np.maximum(values, 0, out=values)
        values *= 1 + np.float32(0.2) * values
        # A copy is always of an original in front of it: the first rows of a block do not depend on the rest.
        copies = np.flatnonzero(draw.random(BLOCK_ROWS) < DUPLICATES)
        originals = np.setdiff1d(every, copies)
        for copy, pick in zip(copies, draw.random(len(copies)), strict=True):
            if before := int(np.searchsorted(originals, copy)):
                change = draw.uniform(0.01, 0.15) * draw.standard_normal(values.shape[1], np.float32)
                values[copy] = np.maximum(values[originals[int(pick * before)]] * (1 + change), 0)
        return np.asarray(values[:size], np.float32)


def _zipf(count: int, exponent: float) -> NDArray[np.float64]:
    weights = np.arange(1, count + 1) ** -exponent
    return np.asarray(weights / weights.sum())


_shape = lru_cache(maxsize=2)(_Shape)


def rows(count: int, dimension: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of at most `BLOCK_ROWS` rows, (n, dimension) float32; any seed draws from the same clusters."""
    for number, start in enumerate(range(0, count, BLOCK_ROWS)):
        yield _shape(dimension).block(number, min(BLOCK_ROWS, count - start), seed)


def new_collection(directory: Path, dimension: int) -> Manifest:
    """The manifest of a collection without rows, saved in `directory`."""
    directory.mkdir(parents=True)
    encoder = EncoderRecord(
        id="synthetic", weights_sha256="0" * 64, preprocessing=VERSION, dimension=dimension
    )
    manifest = Manifest(encoder=encoder, similarity="centred", image_root=str(directory))
    manifest.save(directory)
    return manifest


def records(start: int, count: int) -> list[ImageRecord]:
    """Records of made-up images."""
    return [
        ImageRecord(
            f"pictures/{number:07d}.png", sha256(b"%d" % number).hexdigest(), 10_000, number, 800, 600
        )
        for number in range(start, start + count)
    ]


def write_collection(
    directory: Path,
    count: int,
    dimension: int,
    *,
    seed: int = 1,
    describe: Callable[[int, int], list[ImageRecord]] = records,
) -> None:
    """Fill a new collection: closed parts, `WORKERS` at a time, each committed to disk once.

    `describe` gives the records of some images, by the first number and how many.

    `StoreWriter.append` makes every 256 rows safe and writes every part twice, which takes longer.
    """
    manifest = new_collection(directory, dimension)
    size = Capacity.for_dimension(dimension).rows // BLOCK_ROWS * BLOCK_ROWS
    starts = range(0, count, size)
    shape = _shape(dimension)

    def write(number: int) -> PartRecord:
        start = starts[number]
        known = describe(start, min(size, count - start))
        path = directory / f"features-{number:05d}.h5"
        letters = sum(len(record.path) for record in known)
        PartWriter.create(path, dimension, Capacity(len(known), letters, 0, 0, 0))
        writer = PartWriter(path, dimension)
        for at in range(0, len(known), BLOCK_ROWS):
            some = known[at : at + BLOCK_ROWS]
            block = shape.block((start + at) // BLOCK_ROWS, len(some), seed)
            writer.append(some, range(start + at, start + at + len(some)), *unit_float16(block))
        writer.commit()
        writer.close()
        return PartRecord(name=path.name, rows=len(known), sha256=file_sha256(path))

    with WriterLock(directory), ThreadPoolExecutor(WORKERS) as pool:
        parts = tuple(pool.map(write, range(len(starts))))
        manifest.updated(parts=parts, next_file=len(parts), next_id=count, generation=1).save(directory)


@contextmanager
def collection_of(count: int, dimension: int = 4096) -> Iterator[Path]:
    """A collection that the caller may index and change; its rows are kept where ``I2V_BENCH_DATA`` says.

    The feature files are hard links to the kept ones: nothing rewrites a closed one in place.
    """
    kept = os.environ.get("I2V_BENCH_DATA")
    if not kept or count not in KEPT or dimension != KEPT_DIMENSION:
        with tempfile.TemporaryDirectory() as name:
            write_collection(Path(name) / "collection", count, dimension)
            yield Path(name) / "collection"
        return
    source = keep(Path(kept), count)
    with tempfile.TemporaryDirectory(dir=kept, prefix="bench-") as name:
        target = Path(name) / "collection"
        target.mkdir()
        manifest = Manifest.load(source)
        for part in manifest.parts:
            (target / part.name).hardlink_to(source / part.name)
        manifest.updated(index=None, next_file=len(manifest.parts)).save(target)
        yield target


def keep(directory: Path, count: int, *, anew: bool = False) -> Path:
    """The collection of `count` rows kept in a directory, made where it is missing or of another version."""
    target = directory / KEPT[count]
    if (target / "collection.json").exists():
        manifest = Manifest.load(target)
        made = manifest.encoder.preprocessing, manifest.encoder.dimension, sum(p.rows for p in manifest.parts)
        if made == (VERSION, KEPT_DIMENSION, count) and not anew:
            return target
        if manifest.encoder.id != "synthetic":
            raise SystemExit(f"{target} is somebody's collection: name another directory in I2V_BENCH_DATA")
        shutil.rmtree(target)
    write_collection(target, count, KEPT_DIMENSION)
    return target


def write_part(command: str) -> str:
    """How long making the collections takes; they stay where ``I2V_BENCH_DATA`` says."""
    lines = []
    for count in KEPT:
        with tempfile.TemporaryDirectory() as scratch:
            started = time.perf_counter()
            directory = keep(Path(os.environ.get("I2V_BENCH_DATA", scratch)), count, anew=True)
            took = time.perf_counter() - started
            size = sum(file.stat().st_size for file in directory.iterdir())
        lines.append([f"{count:,}", f"{took:.1f} s", f"{count / took:,.0f}", f"{size / 1e9:.2f} GB", command])
    return f"{DESCRIPTION}\n\n" + table(["rows", "time", "rows/s", "on disk", "command"], lines)


def compare_part(command: str) -> str:
    """How concentrated the distances are, and what that costs an index, against vectors of real pictures."""
    lines = []
    pictures = os.environ.get("I2V_BENCH_PICTURES")
    for name, folder in (("sample", sample_directory()), ("pictures", Path(pictures) if pictures else None)):
        if folder is None:
            continue
        with tempfile.TemporaryDirectory() as directory:
            real = _centred(Collection.extract(directory, [folder]).store)
        lines.append([f"{name}, lite", *_structure(real), command])
        with tempfile.TemporaryDirectory() as directory:
            write_collection(Path(directory) / "collection", *real.shape)
            made = _centred(FeatureStore(Path(directory) / "collection"))
        lines.append(["synthetic", *_structure(made), command])
    header = ["vectors", "rows", "cosine of neighbour 1", "10", "100", "explained by 64", "by 256"]
    header += ["effective dimension", "local dimension", "PCA-256 candidates", "sign-code candidates"]
    intro = (
        "Cosines are of centred vectors, median (10 %..90 % of the rows). Effective dimension: squared sum "
        "of the variances over the sum of their squares; local dimension: Levina and Bickel's estimate from "
        "100 neighbours. The last columns say what the structure costs an index: how many candidates by 256 "
        "principal components, or by 4,096 signs, hold 99 % of the ten nearest, and which share of the lists "
        "of a k-means with sqrt(n) centres. More is harder."
    )
    return f"{intro} {DESCRIPTION}\n\n" + table([*header, "share of lists", "command"], lines)


def _centred(store: FeatureStore) -> NDArray[np.float32]:
    return Similarity.fit("centred", store).embed_rows(store, store.live)


def _structure(found: NDArray[np.float32]) -> list[str]:
    count, some = len(found), np.arange(len(found))
    chosen = np.sort(np.random.default_rng(0).choice(count, min(500, count), replace=False))

    def cosines(values: NDArray[np.float32]) -> NDArray[np.float32]:
        products = values[chosen] @ values.T
        products[np.arange(len(chosen)), chosen] = -np.inf
        return np.asarray(products)

    def needed(values: NDArray[np.float32]) -> str:
        places = np.argsort(np.argsort(-values, axis=1), axis=1)
        return f"{np.quantile(np.take_along_axis(places, nearest[:, :10], 1), 0.99) + 1:.0f}"

    exact = cosines(found)
    nearest = np.argsort(-exact, axis=1)[:, :100]
    ranked = np.take_along_axis(exact, nearest, 1)
    distances = np.sqrt(np.maximum(2 - 2 * ranked, 1e-12))
    local = 1 / np.mean(np.log(distances[:, -1:] / distances[:, :-1]), axis=1)
    off = found - found.mean(axis=0)
    variances, axes = np.linalg.eigh(off @ off.T if count < off.shape[1] else off.T @ off)
    components = axes[:, -256:] if count >= off.shape[1] else unit((off.T @ axes[:, -256:]).T).T
    share = variances[::-1] / variances.sum()
    lists = int(np.sqrt(count))
    centres = found[np.random.default_rng(1).choice(count, lists, replace=False)]
    for _ in range(8):
        nearest_centre = np.argmax(found @ centres.T, axis=1)
        centres = unit(np.stack([found[nearest_centre == n].sum(axis=0) for n in range(lists)]))
    places = np.argsort(np.argsort(-(found[chosen] @ centres.T), axis=1), axis=1)
    visited = np.take_along_axis(places, np.argmax(found @ centres.T, axis=1)[some][nearest[:, :10]], 1)
    spread = [np.quantile(ranked[:, at], [0.5, 0.1, 0.9]) for at in (0, 9, 99)]
    return [
        f"{count:,}",
        *(f"{middle:.2f} ({low:.2f}..{high:.2f})" for middle, low, high in spread),
        *(f"{share[:top].sum():.0%}" for top in (64, 256)),
        f"{1 / (share**2).sum():.0f}",
        f"{np.median(local):.0f}",
        needed(cosines(found @ components)),
        needed(cosines(np.where(found > 0, np.float32(1), np.float32(-1)))),
        f"{(np.quantile(visited, 0.99) + 1) / lists:.0%}",
    ]


if __name__ == "__main__":
    run_parts("synthetic", ["numpy"], {"compare": compare_part, "write": write_part})
