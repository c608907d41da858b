"""A feature file holds rows until one of its spaces is full, and any HDF5 reader can read it."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.errors import CollectionDamagedError
from i2v_search.store import arrays, feature_file
from i2v_search.store.feature_file import Capacity, FeatureFile, ImageRecord, PartWriter
from i2v_search.store.float16 import unit_float16
from i2v_search.tags.vocabulary import CATEGORIES, Tag

DIMENSION = 3
OPEN_FILES = Path("/proc/self/fd")
SMALL = Capacity(rows=8, path_bytes=64, vocabulary=5, vocabulary_bytes=24, tag_entries=12)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, and fsync is slow."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def record(path: str, *tags: Tag, size: int = 7, mtime_ns: int = -1, width: int = 3) -> ImageRecord:
    return ImageRecord(path, "ab" * 32, size, mtime_ns, width, 1, tags)


def vectors(count: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    return unit_float16(np.random.default_rng(count).normal(size=(count, DIMENSION)).astype(np.float32))


def write(path: Path, records: Sequence[ImageRecord], capacity: Capacity = SMALL) -> FeatureFile:
    PartWriter.create(path, DIMENSION, capacity)
    writer = PartWriter(path, DIMENSION)
    assert writer.fits(records) == len(records)
    writer.append(records, range(10, 10 + len(records)), *vectors(len(records)))
    writer.commit()
    writer.close()
    return FeatureFile(path, DIMENSION)


def test_a_row_comes_back_as_it_was_written(tmp_path: Path) -> None:
    records = [
        record("a.png", Tag("smile", 0.5), Tag("miku", 1.0, "character"), size=2**62, mtime_ns=2**62),
        record(os.fsdecode(b"\xff\xfe/\xe3\x81.png"), width=2**31 - 1),
        record("日本/絵.png", Tag("笑顔", 0.25, "rating"), Tag("smile", 1.0)),
    ]
    part = write(tmp_path / "part.h5", records)
    unit_rows, norms = vectors(3)
    assert [part.record(row) for row in range(3)] == records
    assert list(part.image_paths()) == [part.image_path(row) for row in range(3)] == [r.path for r in records]
    assert part["id"].tolist() == [10, 11, 12]
    np.testing.assert_array_equal(part["vectors"], unit_rows)
    np.testing.assert_array_equal(part["norms"], norms)
    assert part.damaged_rows() == []


def test_the_same_name_in_two_categories_is_two_tags(tmp_path: Path) -> None:
    tags = (Tag("rin", 1.0, "character"), Tag("rin", 0.5, "copyright"))
    part = write(tmp_path / "part.h5", [record("a", *tags), record("b", *tags)])
    assert part.vocabulary_size == 2
    assert part.record(1).tags == tags


def test_any_hdf5_reader_sees_plain_arrays(tmp_path: Path) -> None:
    part = write(tmp_path / "part.h5", [record("a.png", Tag("x", 0.5)), record("b.png", Tag("y"), Tag("x"))])
    with h5py.File(tmp_path / "part.h5") as file:
        assert file["committed"][...].tolist() == [2, 2]
        assert file["vectors"].dtype == np.float16
        ends = file["path/end"][:2]
        assert file["path/bytes"][: ends[-1]].tobytes() == b"a.pngb.png"
        assert file["tags/number"][: file["tags/end"][1]].tolist() == [0, 1, 0]
        for name in ("vectors", "id", "path/bytes", "tags/probability", "committed"):
            assert file[name].chunks is None
            assert file[name].compression is None
        np.testing.assert_array_equal(file["vectors"][:2], vectors(2)[0])
        for name, offset in part.offsets.items():
            assert file[name].id.get_offset() == offset


@pytest.mark.parametrize(
    ("filled", "too_much"),
    [
        ([record(str(i)) for i in range(8)], record("8")),
        ([record("a" * 60)], record("b" * 5)),
        ([record("a", *(Tag("x"),) * 11)], record("b", Tag("x"), Tag("x"))),
        ([record("a", *(Tag(letter) for letter in "abcde"))], record("b", Tag("f"))),
        ([record("a", Tag("a" * 20))], record("b", Tag("b" * 5))),
    ],
    ids=["rows", "path bytes", "tags", "vocabulary", "vocabulary bytes"],
)
def test_a_part_takes_only_what_fits(
    tmp_path: Path, filled: list[ImageRecord], too_much: ImageRecord
) -> None:
    write(tmp_path / "part.h5", filled)
    writer = PartWriter(tmp_path / "part.h5", DIMENSION)
    assert writer.fits([too_much]) == 0
    writer.close()
    PartWriter.create(tmp_path / "other.h5", DIMENSION, SMALL)
    other = PartWriter(tmp_path / "other.h5", DIMENSION)
    assert other.fits([too_much]) == 1
    assert other.fits([*filled, too_much]) == len(filled)
    other.close()


def test_rows_count_only_once_committed(tmp_path: Path) -> None:
    path = tmp_path / "part.h5"
    write(path, [record("a", Tag("x"))])
    writer = PartWriter(path, DIMENSION)
    writer.append([record("lost", Tag("lost"))], [99], *vectors(1))
    writer.close()
    assert FeatureFile(path, DIMENSION).rows == 1
    writer = PartWriter(path, DIMENSION)
    writer.append([record("b", Tag("y"))], [11], *vectors(1))
    writer.commit()
    writer.close()
    part = FeatureFile(path, DIMENSION)
    assert [part.record(row) for row in range(part.rows)] == [record("a", Tag("x")), record("b", Tag("y"))]
    assert [tag.name for tag in part.vocabulary] == ["x", "y"]
    assert part.damaged_rows() == []


def test_an_open_part_keeps_its_rows_while_the_file_grows_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "part.h5"
    reader = write(path, [record("a", Tag("x"))])
    writer = PartWriter(path, DIMENSION)
    writer.append([record("b", Tag("y"))], [11], *vectors(1))
    writer.commit()
    writer.close()
    PartWriter.resize(path, DIMENSION)
    assert reader.rows == 1
    assert reader.record(0) == record("a", Tag("x"))
    assert len(reader["vectors"]) == 1


def test_resizing_keeps_every_row_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "part.h5"
    records = [record("a", Tag("x", 0.5)), record("bc", Tag("y"))]
    write(path, records, Capacity.for_dimension(DIMENSION))
    PartWriter.resize(path, DIMENSION)
    part = FeatureFile(path, DIMENSION)
    assert part.capacity == Capacity(2, 3, 2, 2, 2)
    assert path.stat().st_size < 32_768
    assert [part.record(row) for row in range(2)] == records
    PartWriter.resize(path, DIMENSION, SMALL)
    assert FeatureFile(path, DIMENSION).capacity == SMALL
    writer = PartWriter(path, DIMENSION)
    assert writer.fits([record("d")]) == 1
    writer.close()


def test_an_empty_part_is_a_part(tmp_path: Path) -> None:
    PartWriter.create(tmp_path / "part.h5", DIMENSION, SMALL)
    PartWriter.resize(tmp_path / "part.h5", DIMENSION)
    part = FeatureFile(tmp_path / "part.h5", DIMENSION)
    assert (part.rows, part.vocabulary, list(part.image_paths())) == (0, [], [])
    assert part["vectors"].shape == (0, DIMENSION)


def test_a_new_part_takes_no_space_for_rows_it_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "part.h5"
    PartWriter.create(path, 4096, Capacity.for_dimension(4096))
    status = path.stat()
    assert status.st_size > 64 * 2**20
    assert status.st_blocks * 512 < 2**20


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="counts open files in /proc")
def test_an_open_part_keeps_at_most_one_file_open(tmp_path: Path) -> None:
    write(tmp_path / "part.h5", [record("a")])
    before = len(list(OPEN_FILES.iterdir()))
    parts = [FeatureFile(tmp_path / "part.h5", DIMENSION) for _ in range(10)]
    assert len(list(OPEN_FILES.iterdir())) - before <= len(parts)


def test_a_part_of_another_dimension_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "part.h5", [record("a")])
    with pytest.raises(CollectionDamagedError, match=r"vectors is \(8, 3\) float16, expected \(8, 4\)"):
        FeatureFile(tmp_path / "part.h5", DIMENSION + 1)


def test_a_changed_row_is_named(tmp_path: Path) -> None:
    part = write(tmp_path / "part.h5", [record("a", Tag("x")), record("b", Tag("x"))])
    with (tmp_path / "part.h5").open("rb+") as file:
        file.seek(part.offsets["vectors"] + 2 * DIMENSION)
        file.write(b"\x55")
    assert FeatureFile(tmp_path / "part.h5", DIMENSION).damaged_rows() == [1]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
some_tags = st.builds(Tag, names, st.sampled_from([0.125, 0.5, 1.0]), st.sampled_from(CATEGORIES))
some_paths = st.binary(min_size=1, max_size=9).map(os.fsdecode)
int64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.integration
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(some_paths, st.lists(some_tags, max_size=4), int64, int64), max_size=6), st.data())
def test_whatever_fits_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, list[Tag], int, int]],
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("part") / "part.h5"
    records = [record(name, *tags, size=size, mtime_ns=time) for name, tags, size, time in rows]
    cut = data.draw(st.integers(0, len(records)))
    capacity = Capacity(rows=6, path_bytes=100, vocabulary=30, vocabulary_bytes=600, tag_entries=30)
    PartWriter.create(path, DIMENSION, capacity)
    for half in (records[:cut], records[cut:]):
        writer = PartWriter(path, DIMENSION)
        assert writer.fits(half) == len(half)
        writer.append(half, range(len(half)), *vectors(len(half)))
        writer.commit()
        writer.close()
    part = FeatureFile(path, DIMENSION)
    assert [part.record(row) for row in range(part.rows)] == records
    assert part.damaged_rows() == []


def test_a_reader_at_any_moment_of_a_commit_sees_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows count last: a reader that comes between two writes finds their tags in the vocabulary."""
    path, real, seen = tmp_path / "features-00000.h5", arrays.write_at, []
    PartWriter.create(path, 4, Capacity(8, 400, 8, 64, 32))

    def watched(file: Any, offset: int, values: NDArray[Any]) -> None:
        real(file, offset, values)
        part = FeatureFile(path, 4)
        assert part.damaged_rows() == []
        seen.append((part.rows, {tag.name for row in range(part.rows) for tag in part.record(row).tags}))

    writer = PartWriter(path, 4)
    monkeypatch.setattr(feature_file, "write_at", watched)
    for number in range(3):
        record = ImageRecord(f"{number}.png", "ab" * 32, 1, 2, 3, 4, (Tag(f"tag {number}"),))
        writer.append([record], [number], *unit_float16(np.ones((1, 4), np.float32)))
        writer.commit()
    writer.close()
    assert [rows for rows, _ in seen] == sorted(rows for rows, _ in seen)
    assert seen[-1] == (3, {"tag 0", "tag 1", "tag 2"})


def test_rows_are_on_the_disk_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted before an fsync may be counted, and not be there, after a power cut."""
    path, real, events = tmp_path / "features-00000.h5", arrays.write_at, []
    PartWriter.create(path, 4, Capacity(8, 400, 8, 64, 32))
    counted = FeatureFile(path, 4).offsets["committed"]

    def written(file: Any, offset: int, values: NDArray[Any]) -> None:
        events.append("count" if counted <= offset < counted + 16 else "row")
        real(file, offset, values)

    monkeypatch.setattr(feature_file, "write_at", written)
    monkeypatch.setattr(feature_file, "sync", lambda descriptor: events.append("sync"))
    writer = PartWriter(path, 4)
    record = ImageRecord("a.png", "ab" * 32, 1, 2, 3, 4, (Tag("tag"),))
    writer.append([record], [0], *unit_float16(np.ones((1, 4), np.float32)))
    writer.commit()
    writer.close()
    order = [event for event, _ in itertools.groupby(events)]
    assert order == ["row", "sync", "count", "sync"]
