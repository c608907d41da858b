"""A collection in two dimensions: where each image lies, and how far that can be believed.

The rows of the search space are reduced to at most `COMPONENTS` principal components. Their first two are
the map of method ``"pca"``; method ``"tsne"`` starts from those and lets t-SNE pull similar images together
(van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 2008; the start after Kobak & Berens, "The art
of using t-SNE for single-cell transcriptomics", Nature Communications 2019). Nothing here knows of images.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import whole
from i2v_search.choices import MapMethod
from i2v_search.errors import QueryError
from i2v_search.escapes import printable
from i2v_search.index.map_cache import MapCache
from i2v_search.index.pca import fit_pca
from i2v_search.index.similarity import Similarity, position_blocks
from i2v_search.progress import Progress, Report, silent
from i2v_search.store.feature_store import FeatureStore

#: The most images a map shows unless told otherwise; more are drawn from an even sample.
MAP_IMAGES = 20_000
COMPONENTS = 50
NEIGHBOURS = 10
#: Principal components are fitted to an even sample of this many rows.
_FITTED_ROWS = 5000
#: How well neighbours are kept is measured on this many images.
_MEASURED_ROWS = 500
_ROUNDS_AT_ONCE = 25
#: Rows whose neighbours are found at a time, and from how many rows on they are approximate.
_NEIGHBOUR_ROWS = 2048
_APPROXIMATE_FROM = 20_000
_CELLS_LOOKED_AT, _CELL_STEPS, _CELL_ROWS = 8, 5, 64
#: Up to so many images t-SNE takes all its rounds.
WHOLE_SCHEDULE = 10_000
#: t-SNE needs a few images to have neighbours at all.
_FEWEST = 8

METHOD_NAMES = {"tsne": "t-SNE", "pca": "principal components"}
#: Stages of a map, and where in the whole each begins and ends, as measured with 50,000 images.
STAGES = {
    "computing components": (0.0, 0.03),
    "reducing": (0.03, 0.1),
    "finding neighbours": (0.1, 0.22),
    "weighing neighbours": (0.22, 0.28),
    "arranging": (0.28, 0.95),
    "measuring": (0.95, 1.0),
}
INSTALL = "pip install 'i2v-search[map]'"


@dataclass(frozen=True)
class Schedule:
    """How t-SNE arranges images.

    Attributes:
        perplexity: about how many neighbours pull at an image.
        together: rounds in which groups form.
        apart: rounds in which they take their room.
        precision: intervals of the grid of forces per unit of the map.
    """

    perplexity: int
    together: int
    apart: int
    precision: float


def schedule(count: int) -> Schedule:
    """The schedule for so many images: the time grows with the images, so large maps take fewer rounds.

    >>> schedule(700).apart, schedule(50_000).apart
    (500, 200)
    """
    return Schedule(30, 250, 500, 1) if count <= WHOLE_SCHEDULE else Schedule(10, 100, 200, 2)


@dataclass(frozen=True, eq=False)
class CollectionMap:
    """Images of a collection in two dimensions.

    Attributes:
        ids: ids of the n images drawn.
        paths: their stored paths.
        coordinates: (n, 2) float32 in [0, 1], x to the right and y downwards; similar images lie close
            together.
        method: ``"tsne"`` or ``"pca"``.
        total: number of images to draw; more than n if the map shows an even sample.
        neighbours_kept: share of the 10 nearest neighbours that are also among the 10 nearest on the map,
            over a sample of images; None for fewer than three images.
        seconds: computation time.

    Example:
        >>> from i2v_search import Collection
        >>> drawn = Collection.open("index/art").map(method="pca")
        >>> drawn.paths[0], drawn.coordinates.shape
        ('birds/duck.webp', (15, 2))
    """

    ids: tuple[int, ...]
    paths: tuple[str, ...]
    coordinates: NDArray[np.float32]
    method: MapMethod
    total: int
    neighbours_kept: float | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values, the images as a list of id, path, x and y."""
        places = zip(self.ids, self.paths, self.coordinates.tolist(), strict=True)
        return {
            "method": self.method,
            "total": self.total,
            "neighbours_kept": self.neighbours_kept,
            "seconds": self.seconds,
            "images": [
                {"id": number, "path": printable(path), "x": x, "y": y} for number, path, (x, y) in places
            ],
        }


def map_rows(
    store: FeatureStore,
    similarity: Similarity,
    positions: NDArray[np.int64],
    *,
    method: MapMethod = "auto",
    images: int = MAP_IMAGES,
    seed: int = 0,
    cache: MapCache | None = None,
    report: Report = silent,
) -> CollectionMap:
    """Lay out rows of a feature store in two dimensions, the same for the same rows and seed.

    Args:
        store: the feature store.
        similarity: what "alike" means.
        positions: (m,) int64, of live rows.
        method: ``"auto"`` is t-SNE where it is installed, else principal components.
        images: the most to draw; of more rows an even sample is taken.
        seed: seed of t-SNE.
        cache: where the same map is looked for first, and kept.
        report: called with the progress.

    Raises:
        QueryError: the method is unknown or not installed, or fewer than one image is requested.
        CollectionDamagedError: a row differs from its checksum.
    """
    started = time.perf_counter()
    chosen = choose_method(method)
    images, seed = whole("images", images), whole("seed", seed)
    if images < 1:
        raise QueryError(f"a map needs at least one image, not {images}")
    drawn = evenly(positions, images)
    store.check(drawn)
    key = MapCache.key(
        "coordinates",
        similarity.name,
        b"".join(values.tobytes() for values in similarity.arrays().values()),
        chosen,
        f"{seed}",
        store.column("sha256", drawn).tobytes(),
        store.norms(drawn).tobytes(),
    )
    if cache is not None and (kept := _from_entries(cache.find(key), len(drawn))):
        chosen, coordinates, neighbours = kept
    else:
        chosen, coordinates = _arrange(store, similarity, drawn, chosen, seed=seed, report=report)
        neighbours = _neighbours_kept(store, similarity, drawn, coordinates, report)
        if cache is not None:
            cache.keep(key, _to_entries(chosen, coordinates, neighbours))
    return CollectionMap(
        tuple(store.ids[drawn].tolist()),
        tuple(store.path(position) for position in drawn.tolist()),
        coordinates,
        chosen,
        len(positions),
        neighbours,
        time.perf_counter() - started,
    )


def _to_entries(
    method: MapMethod, coordinates: NDArray[np.float32], neighbours: float | None
) -> dict[str, bytes]:
    facts = json.dumps({"method": method, "neighbours_kept": neighbours})
    return {"facts": facts.encode(), "coordinates": coordinates.astype("<f4").tobytes()}


def _from_entries(
    entries: Mapping[str, bytes], count: int
) -> tuple[MapMethod, NDArray[np.float32], float | None] | None:
    """The content written by `_to_entries`; None if it is missing."""
    if len(entries.get("coordinates", b"")) != 8 * count or "facts" not in entries:
        return None
    facts = json.loads(entries["facts"])
    coordinates = np.frombuffer(entries["coordinates"], "<f4").astype(np.float32).reshape(-1, 2)
    return facts["method"], coordinates, facts["neighbours_kept"]


def _arrange(
    store: FeatureStore,
    similarity: Similarity,
    drawn: NDArray[np.int64],
    method: MapMethod,
    *,
    seed: int,
    report: Report,
) -> tuple[MapMethod, NDArray[np.float32]]:
    """The method that was used, and (n, 2) float32 coordinates in the unit square."""
    reduced = _reduce(store, similarity, drawn, report)
    if method == "tsne" and len(drawn) >= _FEWEST and np.ptp(reduced, axis=0).any():
        return "tsne", _fit_square(_tsne(reduced, seed, report))
    return "pca", _fit_square(reduced[:, :2])


def choose_method(method: MapMethod) -> MapMethod:
    """The method for ``"auto"``.

    Raises:
        QueryError: the method is unknown or not installed.

    >>> choose_method("pca")
    'pca'
    """
    if method not in {"auto", "tsne", "pca"}:
        raise QueryError(f"unknown map method {method!r}; available: auto, tsne, pca")
    installed = find_spec("openTSNE") is not None
    if method == "tsne" and not installed:
        raise QueryError(f"method 'tsne' needs openTSNE; install it: {INSTALL}")
    return "pca" if method == "pca" or not installed else "tsne"


def evenly(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the positions, evenly spread, so that every folder keeps its share.

    >>> evenly(np.arange(10), 4).tolist()
    [0, 2, 5, 7]
    """
    if len(positions) <= most:
        return positions
    return positions[np.arange(most) * len(positions) // most]


def _blocks(
    store: FeatureStore, similarity: Similarity, positions: NDArray[np.int64], stage: str, report: Report
) -> Iterator[NDArray[np.float32]]:
    done = 0
    for block in position_blocks(store, positions):
        yield similarity.embed_rows(store, block)
        done += len(block)
        report(Progress(stage, done, len(positions)))


def _reduce(
    store: FeatureStore, similarity: Similarity, positions: NDArray[np.int64], report: Report
) -> NDArray[np.float32]:
    """(n, 2 or more) float32: the strongest principal components."""
    if not len(positions):
        return np.zeros((0, 2), np.float32)
    fitted = evenly(positions, _FITTED_ROWS)
    pca = fit_pca(
        _blocks(store, similarity, fitted, "computing components", report), min(COMPONENTS, store.dimension)
    )
    parts = [pca.transform(block) for block in _blocks(store, similarity, positions, "reducing", report)]
    reduced = np.concatenate(parts)
    return np.pad(reduced, ((0, 0), (0, max(0, 2 - reduced.shape[1]))))


def _tsne(rows: NDArray[np.float32], seed: int, report: Report) -> NDArray[np.float32]:
    """(n, 2) float32. One thread: sums in another order would give another map."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    count, done, plan = len(rows), 0, schedule(len(rows))
    start = rows[:, :2] / max(float(rows[:, 0].std()), float(np.finfo(np.float32).tiny)) * 1e-4
    # Copies of one image have the same components: side by side they can be told apart.
    start = start + np.random.default_rng(seed).normal(size=start.shape) * 1e-6
    perplexity = min(plan.perplexity, (count - 1) / 3)
    found = _nearest(rows, int(3 * perplexity), report)
    report(Progress("weighing neighbours", 0, 1))
    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(*found), perplexity=perplexity, n_jobs=1, random_state=seed
    )
    embedding = TSNEEmbedding(start, affinities, n_jobs=1, random_state=seed, ints_in_interval=plan.precision)
    total = plan.together + plan.apart
    phases = ((plan.together, {"exaggeration": 12, "momentum": 0.5}), (plan.apart, {"momentum": 0.8}))
    for rounds, settings in phases:
        for _ in range(0, rounds, _ROUNDS_AT_ONCE):
            embedding = embedding.optimize(_ROUNDS_AT_ONCE, **settings)
            done += _ROUNDS_AT_ONCE
            report(Progress("arranging", done, total))
    return np.asarray(embedding, np.float32)


def _nearest(
    rows: NDArray[np.float32], k: int, report: Report
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(n, k) the nearest other rows of each, and their distances; of many rows, nearly all of the nearest."""
    # The stubs of faiss describe its C++ functions, not the Python ones that take arrays.
    import faiss

    library: Any = faiss
    rows = np.ascontiguousarray(rows)
    index: Any = library.IndexFlatL2(rows.shape[1])
    if len(rows) > _APPROXIMATE_FROM:
        cells = math.isqrt(len(rows))
        index = library.IndexIVFFlat(index, rows.shape[1], cells)
        index.cp.niter, index.nprobe = _CELL_STEPS, _CELLS_LOOKED_AT
        index.train(rows[:: max(1, len(rows) // (_CELL_ROWS * cells))])
    index.add(rows)
    numbers = np.empty((len(rows), k), np.int64)
    distances = np.empty((len(rows), k), np.float64)
    for first in range(0, len(rows), _NEIGHBOUR_ROWS):
        block = slice(first, min(len(rows), first + _NEIGHBOUR_ROWS))
        squared, near = index.search(rows[block], k + 1)
        own = np.arange(block.start, block.stop)[:, None]
        # A row is its own nearest, but not always the first among copies; a cell may hold too few rows.
        squared[near == own] = -1
        squared[near < 0], near[near < 0] = squared.max(), 0
        order = np.argsort(squared, axis=1, kind="stable")[:, 1:]
        numbers[block] = np.take_along_axis(near, order, 1)
        distances[block] = np.sqrt(np.maximum(np.take_along_axis(squared, order, 1), 0))
        report(Progress("finding neighbours", block.stop, len(rows)))
    return numbers, distances


def _fit_square(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shift and scale into the middle of the unit square, proportions kept."""
    if not len(flat):
        return np.zeros((0, 2), np.float32)
    low, high = flat.min(axis=0), flat.max(axis=0)
    side = float((high - low).max())
    return np.asarray(np.clip(0.5 + (flat - (low + high) / 2) / (side or 1.0), 0, 1), np.float32)


def _neighbours_kept(
    store: FeatureStore,
    similarity: Similarity,
    positions: NDArray[np.int64],
    coordinates: NDArray[np.float32],
    report: Report,
) -> float | None:
    count = len(positions)
    k = min(NEIGHBOURS, (count - 1) // 2)
    if k < 1:
        return None
    asked = evenly(np.arange(count), _MEASURED_ROWS)
    queries = similarity.embed_rows(store, positions[asked])
    scores = np.hstack(
        [
            similarity.scores(queries, block)
            for block in _blocks(store, similarity, positions, "measuring", report)
        ]
    )
    squared = ((coordinates[asked, None] - coordinates[None]) ** 2).sum(axis=2)
    own = np.arange(len(asked)), asked
    scores[own], squared[own] = -np.inf, np.inf
    alike = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    near = np.argpartition(squared, k - 1, axis=1)[:, :k]
    shared = (alike[:, :, None] == near[:, None]).sum()
    return float(shared / alike.size)
