"""The streaming fit of principal components against scikit-learn's IncrementalPCA and faiss.PCAMatrix.

``python -m benchmarks.pca [20k] [100k]``; every fit is a process of its own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA

from benchmarks.processes import memory, run_alone
from benchmarks.synthetic import DESCRIPTION, rows
from benchmarks.timing import run_parts, table
from i2v_search.index.pca import fit_pca

DIMENSION, COMPONENTS, HELD_OUT, BLOCK = 4096, 256, 2000, 1024
#: IncrementalPCA takes about a minute for 10,000 rows.
PATIENCE = 40_000

#: (n, d) rows to a mean (d,) and components (256, d).
Fit: TypeAlias = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def part(count: int, command: str) -> str:
    """All fits on one set of rows."""
    with tempfile.TemporaryDirectory() as name:
        path, start = Path(name) / "rows.npy", 0
        stored = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIMENSION))
        for block in rows(count, DIMENSION, seed=1):
            stored[start : start + len(block)] = block
            start += len(block)
        stored.flush()
        jobs = {
            fit: run_alone("benchmarks.pca:measure", path, fit)
            for fit in FITS
            if count <= PATIENCE or fit != SKLEARN
        }
    answers = {fit: job.answer for fit, job in jobs.items()}
    lines = [
        [
            fit,
            f"{answer['seconds']:.1f} s",
            f"{answer['seconds'] / answers[OURS]['seconds']:.2f}",
            f"{answer['explained']:.2%}",
            f"{answer['explained by 64']:.2%}",
            f"{(jobs[fit].anonymous - answer['before']) / 1e6:,.0f} MB",
            command,
        ]
        for fit, answer in answers.items()
    ]
    intro = (
        f"{count:,} x {DIMENSION} to {COMPONENTS} components, all cores. Explained: share of the variance of "
        f"{HELD_OUT:,} other rows that the components hold. Memory: the most beyond what the process held "
        f"before, pages of the file with the rows not counted. {DESCRIPTION}"
    )
    header = ["fit", "time", "over ours", "explained by 256", "by the first 64", "memory", "command"]
    return f"{intro}\n\n" + table(header, lines)


def measure(path: str, fit: str) -> dict[str, Any]:
    """One fit in this process."""
    values = np.load(path, mmap_mode="r")
    before, started = memory()["RssAnon"], time.perf_counter()
    mean, components = FITS[fit](values)
    seconds = time.perf_counter() - started
    held = np.vstack(list(rows(HELD_OUT, DIMENSION, seed=3))) - mean
    total = float(np.einsum("ij,ij->", held, held))
    shares = ((held @ components.T) ** 2).sum(axis=0) / total
    return {
        "before": before,
        "seconds": seconds,
        "explained": float(shares.sum()),
        "explained by 64": float(shares[:64].sum()),
    }


def _blocks(values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(values), BLOCK):
        yield values[start : start + BLOCK]


def _ours(step: int, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fitted = fit_pca(_blocks(values[::step]), COMPONENTS)
    return fitted.mean, fitted.components


def _faiss(step: int, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    matrix: Any = faiss.PCAMatrix(DIMENSION, COMPONENTS)
    matrix.train(np.ascontiguousarray(values[::step]))
    shape = (COMPONENTS, DIMENSION)
    return faiss.vector_to_array(matrix.mean), faiss.vector_to_array(matrix.A).reshape(shape)


def _sklearn(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fitted = IncrementalPCA(COMPONENTS)
    for block in _blocks(values):
        # The last one may be too short for it.
        if len(block) >= COMPONENTS:
            fitted.partial_fit(block)
    return fitted.mean_.astype(np.float32), fitted.components_.astype(np.float32)


OURS, SKLEARN = "i2v_search.index.pca.fit_pca, every row", "sklearn IncrementalPCA, every row"
FITS: dict[str, Fit] = {
    OURS: partial(_ours, 1),
    "i2v_search.index.pca.fit_pca, every eighth row": partial(_ours, 8),
    "faiss.PCAMatrix, every row": partial(_faiss, 1),
    "faiss.PCAMatrix, every eighth row": partial(_faiss, 8),
    SKLEARN: _sklearn,
}


if __name__ == "__main__":
    run_parts(
        "pca",
        ["faiss-cpu", "scikit-learn", "numpy"],
        {"20k": partial(part, 20_000), "100k": partial(part, 100_000)},
    )
