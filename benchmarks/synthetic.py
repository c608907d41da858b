"""Synthetic collections: rows like those of illustrations, written as extraction writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.manifest import EncoderRecord, Manifest
from i2v_search.parts import ImageRecord
from i2v_search.store import StoreWriter, WriterLock, unit_float16

LATENT = 48
CLUSTERS = 400
BLOCK_ROWS = 256
DESCRIPTION = (
    f"Rows: {CLUSTERS} clusters with Zipf sizes in a {LATENT}-dimensional latent space whose axes fall as a "
    "power law, mapped to d by a random matrix, plus Student-t noise (3 degrees of freedom), then ReLU: "
    "non-negative, heavy-tailed, few real dimensions, like pooled activations."
)


def rows(count: int, dimension: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of at most `BLOCK_ROWS` rows, (n, dimension) float32; any seed draws from the same clusters."""
    shape = np.random.default_rng(7)
    scale = np.arange(1, LATENT + 1) ** -0.5
    centres = shape.normal(size=(CLUSTERS, LATENT)) * scale
    sizes = 1 / np.arange(1, CLUSTERS + 1)
    mixing = (shape.normal(size=(LATENT, dimension)) / np.sqrt(LATENT)).astype(np.float32)
    bias = shape.normal(-0.2, 0.2, dimension).astype(np.float32)
    draw = np.random.default_rng(seed)
    for start in range(0, count, BLOCK_ROWS):
        size = min(BLOCK_ROWS, count - start)
        cluster = draw.choice(CLUSTERS, size, p=sizes / sizes.sum())
        latent = centres[cluster] + 0.5 * scale * draw.normal(size=(size, LATENT))
        noise = draw.standard_t(3, size=(size, dimension)).astype(np.float32)
        yield np.maximum(2 * latent.astype(np.float32) @ mixing + bias + 0.05 * noise, 0)


def new_collection(directory: Path, dimension: int) -> Manifest:
    """The manifest of a collection without rows, saved in `directory`."""
    directory.mkdir(parents=True)
    encoder = EncoderRecord(
        id="synthetic", weights_sha256="0" * 64, preprocessing="none", dimension=dimension
    )
    manifest = Manifest(encoder=encoder, similarity="centred", image_root=str(directory))
    manifest.save(directory)
    return manifest


def records(start: int, count: int) -> list[ImageRecord]:
    """Records of made-up images."""
    return [
        ImageRecord(f"pictures/{number:07d}.png", f"{number:064x}", 10_000, number, 800, 600)
        for number in range(start, start + count)
    ]


def write_collection(directory: Path, count: int, dimension: int) -> None:
    """Fill a new collection in blocks."""
    manifest, start = new_collection(directory, dimension), 0
    with WriterLock(directory):
        writer = StoreWriter(directory, manifest)
        for block in rows(count, dimension, seed=1):
            writer.append(records(start, len(block)), *unit_float16(block), [None] * len(block))
            start += len(block)
        writer.finish()
