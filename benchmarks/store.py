"""The feature store against plain files and plain h5py: appending, reading rows, reading all.

``OMP_NUM_THREADS=1 python -m benchmarks.store [write] [take] [scan]``
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import new_collection, records, rows, write_collection
from benchmarks.timing import interleave, run_parts, table
from i2v_search.index.similarity import position_blocks
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.writer import COMMIT_ROWS, StoreWriter, WriterLock

DIMENSION = 4096
WRITTEN, STORED = 16 * COMMIT_ROWS, 20_000
SETTINGS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (1, DIMENSION)},
    "chunked, gzip": {"chunks": (1, DIMENSION), "compression": "gzip"},
}


def write_part(command: str) -> str:
    """Append 4,096 rows in batches, each of them safe on disk before the next."""
    blocks = [unit_float16(block) for block in rows(WRITTEN, DIMENSION, seed=1)]
    whole, size = np.vstack([vectors for vectors, _ in blocks]), COMMIT_ROWS
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "target"

        def append(*, finish: bool) -> None:
            manifest = new_collection(target, DIMENSION)
            with WriterLock(target):
                writer = StoreWriter(target, manifest)
                for number, (vectors, norms) in enumerate(blocks):
                    writer.append(records(number * size, size), vectors, norms, [None] * size)
                if finish:
                    writer.finish()
                writer.close()

        def plain(*, sync: bool) -> None:
            with target.open("wb", buffering=0) as file:
                for vectors, _ in blocks:
                    file.write(vectors.data)
                    if sync:
                        os.fsync(file.fileno())

        def hdf5(settings: dict[str, Any], *, sync: bool) -> None:
            with h5py.File(target, "w") as file, target.open("rb") as same:
                data = file.create_dataset("vectors", whole.shape, np.float16, **settings)
                for number, (vectors, _) in enumerate(blocks):
                    data[number * size : (number + 1) * size] = vectors
                    file.flush()
                    if sync:
                        os.fsync(same.fileno())

        def clean() -> None:
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)

        calls: dict[str, Callable[[], object]] = {
            "StoreWriter.append + commit": partial(append, finish=False),
            "StoreWriter.append + commit + finish": partial(append, finish=True),
            "raw file, write + fsync": partial(plain, sync=True),
            "raw file, write (no fsync: a power cut loses it)": partial(plain, sync=False),
        }
        for kind, settings in SETTINGS.items():
            calls[f"h5py {kind}, write + flush + fsync"] = partial(hdf5, settings, sync=True)
        calls["h5py contiguous, write + flush (no fsync)"] = partial(hdf5, {}, sync=False)
        timings = interleave(calls, 7, between=clean)
    lines = [
        [
            call,
            timings.spread(call).duration,
            timings.rate(call, whole.nbytes / 1e6).show(),
            timings.ratio("StoreWriter.append + commit", call).show(),
            command,
        ]
        for call in calls
    ]
    intro = (
        f"{WRITTEN:,} rows of {DIMENSION} float16, {size} a batch, {whole.nbytes / 1e6:.0f} MB of vectors."
    )
    return f"{intro}\n\n" + table(["what", "time", "MB/s", "append + commit over this", "command"], lines)


def take_part(command: str) -> str:
    """Read random rows, everything in the page cache."""
    draw = np.random.default_rng(3)
    sections = []
    with _stored() as (store, mapped, datasets):
        for amount, rounds in ((1, 15), (64, 15), (1000, 7)):
            chosen = [draw.choice(STORED, amount, replace=False) for _ in range(64)]
            turn = iter(range(10**9))

            def on_next(
                read: Callable[[NDArray[np.int64]], object],
                turn: Iterator[int] = turn,
                chosen: list[NDArray[np.int64]] = chosen,
            ) -> None:
                read(chosen[next(turn) % len(chosen)])

            readers: dict[str, Callable[[NDArray[np.int64]], object]] = {
                "FeatureStore.take (float32)": store.take,
                "np.memmap, fancy index + astype(float32)": lambda at: mapped[at].astype(np.float32),
                "FeatureStore.take_float16": store.take_float16,
                "np.memmap, fancy index": lambda at: np.asarray(mapped[at]),
            }
            for kind, data in datasets.items():
                if amount < 1000 or "gzip" not in kind:
                    readers[f"h5py {kind}"] = partial(_by_h5py, data)
            calls = {name: partial(on_next, reader) for name, reader in readers.items()}
            timings = interleave(calls, rounds, least=0.02)
            for name in calls:
                same_type = (
                    "FeatureStore.take (float32)" if "float32" in name else "FeatureStore.take_float16"
                )
                ratio = timings.ratio(same_type, name).show()
                sections.append([f"{amount:,}", name, timings.spread(name).duration, ratio, command])
    header = ["rows", "what", "time", "the store's (same type) over this", "command"]
    return f"Random rows out of {STORED:,} of {DIMENSION} float16, all in the page cache.\n\n" + table(
        header, sections
    )


def scan_part(command: str) -> str:
    """Read all rows in blocks, everything in the page cache."""
    with _stored() as (store, mapped, datasets):
        size = len(next(position_blocks(store)))
        buffer = np.empty((size, DIMENSION), np.float16)
        starts = range(0, STORED, size)

        def raw(*, convert: bool) -> None:
            with Path(str(mapped.filename)).open("rb", buffering=0) as file:
                file.seek(mapped.offset)
                while file.readinto(buffer.data):
                    if convert:
                        buffer.astype(np.float32)

        data = datasets["contiguous"]
        calls: dict[str, Callable[[], object]] = {
            "FeatureStore.take by blocks (float32)": lambda: [store.take(b) for b in position_blocks(store)],
            "raw file read + astype(float32)": partial(raw, convert=True),
            "np.memmap slice + astype(float32)": lambda: [
                mapped[start : start + size].astype(np.float32) for start in starts
            ],
            "FeatureStore.take_float16 by blocks": lambda: [
                store.take_float16(block) for block in position_blocks(store)
            ],
            "raw file read": partial(raw, convert=False),
            "h5py contiguous slice": lambda: [data[start : start + size] for start in starts],
        }
        timings = interleave(calls, 11)
    half, single = "FeatureStore.take_float16 by blocks", "FeatureStore.take by blocks (float32)"
    lines = [
        [
            name,
            timings.spread(name).duration,
            timings.rate(name, STORED * DIMENSION * 2 / 1e9).show(),
            timings.ratio(single if "float32" in name else half, name).show(),
            command,
        ]
        for name in calls
    ]
    header = ["what", "time", "GB/s of stored bytes", "the store's (same type) over this", "command"]
    return f"All {STORED:,} rows of {DIMENSION} float16, all in the page cache.\n\n" + table(header, lines)


@contextmanager
def _stored() -> Iterator[tuple[FeatureStore, Any, dict[str, Any]]]:
    """The same rows in a feature store, a mapped .npy file and HDF5 datasets of each kind."""
    with tempfile.TemporaryDirectory() as name:
        write_collection(Path(name) / "collection", STORED, DIMENSION)
        store = FeatureStore(Path(name) / "collection")
        vectors = store.take_float16(store.live)
        np.save(Path(name) / "rows.npy", vectors)
        with h5py.File(Path(name) / "rows.h5", "w") as file:
            datasets = {
                kind: file.create_dataset(kind, data=vectors, **settings)
                for kind, settings in SETTINGS.items()
            }
            yield store, np.load(Path(name) / "rows.npy", mmap_mode="r"), datasets


def _by_h5py(data: Any, positions: NDArray[np.int64]) -> NDArray[np.float16]:
    """The faster of h5py's two ways: its own fancy index, which wants rising positions, or row by row."""
    values = np.empty((len(positions), DIMENSION), np.float16)
    if data.chunks is None and len(positions) > 1:
        order = np.argsort(positions)
        values[order] = data[positions[order]]
    else:
        for row, position in enumerate(positions):
            values[row] = data[position]
    return values


if __name__ == "__main__":
    run_parts("store", ["h5py", "numpy"], {"write": write_part, "take": take_part, "scan": scan_part})
