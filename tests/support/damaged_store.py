"""A process that opens damaged files, so that a crash of a C library is seen as one.

Reads one JSON object a line from standard input: ``file`` (name), ``at`` and ``byte`` (what to overwrite,
both lists) and ``length`` (where to cut, or null). Damages that file of the collection in the directory
given, opens the collection, reads everything, mends the file again and answers with one line: ``refused``,
``reported``, ``same``, or ``unnoticed``; anything else is an error that must not be.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256
from i2v_search.search.tag_table import TagTable
from i2v_search.store.arrays import read_arrays
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import FileRecord


def read_store(directory: Path) -> Any:
    """Everything a feature store tells, and whether it says that it is damaged."""
    store = FeatureStore(directory)
    everything = np.arange(store.rows)
    rows = [store.record(position) for position in everything.tolist()]
    vectors = store.take_float16(everything).tobytes()
    norms, ids, live = store.norms(everything).tobytes(), store.ids.tolist(), store.live.tolist()
    tags = store.tag_counts(), TagTable(store).probabilities("x").tolist()
    return (rows, vectors, norms, ids, live, list(store.paths()), tags), bool(store.verify())


def read_derived(path: Path) -> Any:
    """The arrays of a derived file whose checksum an attacker has put right."""
    arrays = read_arrays(path.parent, FileRecord(name=path.name, sha256=file_sha256(path)))
    return {name: values.tobytes() for name, values in arrays.items()}, False


def main(directory: Path) -> None:
    """Answer until the input ends."""
    originals: dict[Path, tuple[bytes, Any]] = {}
    for line in sys.stdin:
        order = json.loads(line)
        path = directory / order["file"]

        def read(path: Path = path) -> Any:
            return read_derived(path) if path.name.startswith("search") else read_store(directory)

        if path not in originals:
            originals[path] = path.read_bytes(), read()[0]
        content, told = originals[path]
        damaged = bytearray(content)
        for at, byte in zip(order["at"], order["byte"], strict=True):
            damaged[at] = byte
        path.write_bytes(damaged[: order["length"]])
        try:
            now, reported = read()
            answer = "reported" if reported else "same" if now == told else "unnoticed"
        except CollectionDamagedError as error:
            answer = "refused" if path.name in str(error) else f"unnamed: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, the test names it
            answer = repr(error)
        path.write_bytes(content)
        print(answer.replace("\n", " "), flush=True)


main(Path(sys.argv[1]))
