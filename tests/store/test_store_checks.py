"""What a checksum vouches for: rows of any part, files that are whole, and never what is damaged."""

from pathlib import Path

import numpy as np
import pytest
from stores import append, make_store, random_vectors, remove

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter


@pytest.mark.usefixtures("tiny_parts")
def test_a_row_of_any_part_is_compared_with_its_own_checksum(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(15, 8))
    part = store.parts[1]
    with part.path.open("rb+") as file:
        file.seek(part.offsets["norms"] + 4 * 2)
        file.write(b"\xff")
    opened = FeatureStore(tmp_path)
    others = np.setdiff1d(np.arange(15), [8])
    opened.check(others)
    with pytest.raises(CollectionDamagedError, match=f"row 2 of {part.path} differs"):
        opened.check(np.array([14, 8, 0]))


def test_a_part_that_a_killed_writer_left_open_is_closed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though that only removes: from then on a checksum vouches for the whole file."""
    monkeypatch.setattr("i2v_search.store.feature_file.PART_BYTES", 2**10)  # it is read whole
    make_store(tmp_path, random_vectors(3, 8))
    killed = StoreWriter(tmp_path, Manifest.load(tmp_path))
    killed.append([ImageRecord("x.png", "ab" * 32, 1, 2, 3, 4)], *unit_float16(random_vectors(1, 8)), [None])
    killed.close()
    assert Manifest.load(tmp_path).parts[-1].sha256 is None
    store = remove(tmp_path, [0])
    (record,) = Manifest.load(tmp_path).parts
    assert record.rows == 4
    assert record.sha256 == file_sha256(store.parts[0].path)
    assert store.ids[store.live].tolist() == [1, 2, 3]


def test_nothing_is_appended_to_a_damaged_file(tmp_path: Path) -> None:
    """The checksum that the file gets then would vouch for the damage."""
    part = make_store(tmp_path, random_vectors(3, 8)).parts[0]
    with part.path.open("rb+") as file:
        file.seek(part.offsets["vectors"])
        file.write(b"\xff")
    with pytest.raises(CollectionDamagedError, match="1 rows are damaged"):
        append(tmp_path, random_vectors(1, 8))
    assert [damage.rows for damage in FeatureStore(tmp_path).verify()] == [(0,)]
