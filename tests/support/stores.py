"""Feature stores made straight from vectors, for tests that need no images."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import SimilarityName
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag


def make_store(
    directory: Path,
    vectors: NDArray[np.float32],
    *,
    paths: Sequence[str] | None = None,
    tags: Sequence[Sequence[str | Tag]] | None = None,
    similarity: SimilarityName = "cosine",
) -> FeatureStore:
    """Write (n, d) vectors as a new feature store; row i has id i, a path and content of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    encoder = EncoderRecord(
        id="test", weights_sha256="0" * 64, preprocessing="none", dimension=vectors.shape[1]
    )
    manifest = Manifest(encoder=encoder, similarity=similarity, image_root=str(directory))
    manifest.save(directory)
    return append(directory, vectors, paths=paths, tags=tags)


def append(
    directory: Path,
    vectors: NDArray[np.float32],
    *,
    paths: Sequence[str] | None = None,
    tags: Sequence[Sequence[str | Tag]] | None = None,
) -> FeatureStore:
    """Add rows as a new generation."""
    writer = StoreWriter(directory, Manifest.load(directory))
    first = writer.manifest.next_id
    records = [
        ImageRecord(
            path=paths[i] if paths else f"{first + i:04d}.png",
            sha256=hashlib.sha256(b"%d" % (first + i)).hexdigest(),
            size=1,
            mtime_ns=0,
            width=1,
            height=1,
            tags=tuple(tag if isinstance(tag, Tag) else Tag(tag) for tag in tags[i]) if tags else (),
        )
        for i in range(len(vectors))
    ]
    writer.append(records, *unit_float16(vectors), [None] * len(records))
    writer.finish()
    return FeatureStore(directory)


def remove(directory: Path, positions: Sequence[int]) -> FeatureStore:
    """Remove rows as a new generation."""
    writer = StoreWriter(directory, Manifest.load(directory))
    writer.remove(positions)
    writer.finish()
    return FeatureStore(directory)


def random_vectors(n: int, d: int, seed: int = 0, *, spread: float = 1.0) -> NDArray[np.float32]:
    """Vectors around a common direction, of various lengths, as an encoder gives them."""
    generator = np.random.default_rng(seed)
    centre = generator.normal(size=d)
    vectors = centre + spread * generator.normal(size=(n, d))
    return (vectors * generator.uniform(0.5, 20, size=(n, 1))).astype(np.float32)


def clustered_vectors(
    n: int, d: int, *, intrinsic: int = 12, clusters: int = 40, seed: int = 0
) -> NDArray[np.float32]:
    """Clusters on an `intrinsic`-dimensional flat in d dimensions, with a little noise around it.

    The seed chooses the points; the flat and the clusters are always the same.
    """
    world = np.random.default_rng(99)
    centres = world.normal(size=(clusters, intrinsic)) * 2
    flat = world.normal(size=(intrinsic, d))
    generator = np.random.default_rng(seed)
    latent = centres[generator.integers(clusters, size=n)] + generator.normal(size=(n, intrinsic))
    return (latent @ flat + 3 + 0.1 * generator.normal(size=(n, d))).astype(np.float32)
