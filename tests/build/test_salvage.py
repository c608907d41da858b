"""Repair keeps every row whose bytes are as they were written, whatever is wrong around it."""

import itertools
import os
import random
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from collection_rows import Rows, live_rows
from manifests import rewrite
from part_files import DIMENSION, flip, part_path, supersede
from stores import append, make_store, random_vectors, remove
from worn import files_of

from i2v_search import Collection
from i2v_search.build.upkeep.repairing import repair_collection
from i2v_search.errors import CollectionDamagedError
from i2v_search.store.feature_file import ROW_FIELDS, FeatureFile, ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter

pytestmark = pytest.mark.usefixtures("tiny_parts")

ROUNDS = 200


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventeen rows in three files, two removed, one superseded; with tags that every file has."""
    from small_build import make_parts_tiny

    directory = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        make_parts_tiny(patch.setattr)
        make_store(
            directory, random_vectors(16, DIMENSION), tags=[["one", "two"][: i % 3] for i in range(16)]
        )
        supersede(directory, 3)
        remove(directory, [1, 8])
    return directory


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "store")


def refused(directory: Path) -> str:
    with pytest.raises(CollectionDamagedError) as caught:
        FeatureStore(directory)
    return str(caught.value)


# One kind of damage each.


@pytest.mark.parametrize("number", [0, 1, 2])
def test_bytes_behind_a_file_lose_nothing(store: Path, number: int) -> None:
    rows, path = live_rows(store), part_path(store, number)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\r\n")
    assert f"2 bytes too long: {size + 2} bytes, expected {size}" in refused(store)
    done = repair_collection(store)
    assert done.complete
    assert "too long" in done.damages[0].problem
    assert "its rows are intact; rewritten" in done.damages[0].problem
    assert live_rows(store) == rows


@pytest.mark.parametrize("damage", ["flip", "zeros", "page"])
def test_a_damaged_header_loses_nothing(store: Path, damage: str) -> None:
    rows, path = live_rows(store), part_path(store, 1)
    if damage == "flip":
        flip(path, 300, 4)
    else:
        content = path.read_bytes()
        zeros = 30 if damage == "zeros" else 8192
        path.write_bytes(bytes(zeros) + content[zeros:])
    refused(store)
    done = repair_collection(store)
    assert done.complete
    assert live_rows(store) == rows


def test_a_header_and_the_messages_of_the_library_both_gone(store: Path) -> None:
    path = part_path(store, 1)
    content = path.read_bytes()
    path.write_bytes(bytes(13_000) + content[13_000:])
    assert repair_collection(store).lost_rows == 6
    live_rows(store)


def test_a_file_that_was_cut_keeps_the_rows_before_the_cut(store: Path) -> None:
    """The last array of a row is where its tags end: those behind the cut are found by the checksums."""
    rows, path = live_rows(store), part_path(store, 1)
    offsets = FeatureFile(path, DIMENSION).offsets
    assert max(offsets, key=offsets.__getitem__) == "committed"
    with path.open("rb+") as file:
        file.truncate(offsets["tags/end"] + 8)
    assert "truncated" in refused(store)
    done = repair_collection(store)
    assert done.complete
    assert live_rows(store) == rows


def test_a_cut_through_the_rows_loses_what_is_behind(store: Path) -> None:
    rows, path = live_rows(store), part_path(store, 1)
    offsets = FeatureFile(path, DIMENSION).offsets
    with path.open("rb+") as file:
        file.truncate(offsets["tags/number"])
    done = repair_collection(store)
    # Without tags a row needs none of what is gone.
    without = {number for number in range(6, 12) if number % 3 == 0} - {8}
    assert {lost.id for lost in done.lost} == set(range(6, 12)) - without - {8}
    assert live_rows(store) == {n: row for n, row in rows.items() if not 6 <= n < 12 or n in without}


@pytest.mark.parametrize("name", ["features-00001.h5.bak", "copy of it", "features-00009.h5", "FEATURES.H5"])
@pytest.mark.parametrize("behind", [b"", b"\n"])
def test_a_file_under_another_name_is_found(store: Path, name: str, behind: bytes) -> None:
    rows, path = live_rows(store), part_path(store, 1)
    path.rename(store / name)
    (store / name).write_bytes((store / name).read_bytes() + behind)
    assert "is missing" in refused(store)
    done = repair_collection(store)
    assert done.complete
    assert f"renamed to {name}" in done.damages[0].problem
    assert live_rows(store) == rows


def test_a_damaged_file_under_another_name_is_found(store: Path) -> None:
    rows, path = live_rows(store), part_path(store, 1)
    flip(path, FeatureFile(path, DIMENSION).offsets["vectors"])
    path.rename(store / "old.h5")
    done = repair_collection(store)
    assert [lost.id for lost in done.lost] == [6]
    del rows[6]
    assert live_rows(store) == rows


def test_damaged_files_under_other_names_are_put_in_order(store: Path) -> None:
    rows = live_rows(store)
    for number, name in [(0, "z.h5"), (1, "a.h5")]:
        path = part_path(store, number)
        flip(path, FeatureFile(path, DIMENSION).offsets["vectors"])
        path.rename(store / name)
    done = repair_collection(store)
    assert [lost.id for lost in done.lost] == [0, 6]
    assert live_rows(store) == {number: row for number, row in rows.items() if number not in {0, 6}}


def test_two_files_that_may_be_the_missing_one_are_not_guessed(store: Path) -> None:
    path = part_path(store, 1)
    flip(path, FeatureFile(path, DIMENSION).offsets["vectors"])
    shutil.copy(path, store / "one.h5")
    path.rename(store / "other.h5")
    assert repair_collection(store).lost_rows == 6


def test_files_that_have_changed_names_change_back(store: Path) -> None:
    """Positions count over the files in their order: the wrong images would be taken for removed ones."""
    rows = live_rows(store)
    one, other = part_path(store, 0), part_path(store, 1)
    one.rename(store / "aside")
    other.rename(one)
    (store / "aside").rename(other)
    assert FeatureStore(store).verify()
    assert repair_collection(store).complete
    assert live_rows(store) == rows


@pytest.mark.parametrize(("number", "rows"), [(0, 5), (0, 0), (0, 7), (1, 3), (2, 1), (2, 99)])
def test_a_wrong_number_of_rows_in_the_manifest(store: Path, number: int, rows: int) -> None:
    before = live_rows(store)
    rewrite(store, lambda document: document["parts"][number].update(rows=rows))
    damages = (
        [] if rows > FeatureFile(part_path(store, number), DIMENSION).rows else FeatureStore(store).verify()
    )
    if damages:
        assert f"collection.json says {rows}" in damages[0].problem
    else:
        assert f"collection.json says {rows}" in refused(store)
    done = repair_collection(store)
    assert done.complete
    assert live_rows(store) == before


def test_an_older_copy_of_a_file_keeps_what_it_has(store: Path) -> None:
    """As somebody restores one file from a backup: its rows stay, and what is behind keeps its place."""
    older = part_path(store, -1).read_bytes()
    append(store, random_vectors(1, DIMENSION, seed=5))
    remove(store, [FeatureStore(store).rows - 2])
    rows, path = live_rows(store), part_path(store, -1)
    path.write_bytes(older)
    done = repair_collection(store)
    assert done.lost_rows == 1
    del rows[16]
    assert live_rows(store) == rows
    assert append(store, random_vectors(1, DIMENSION)).ids.max() == 17


def test_an_older_manifest_keeps_the_rows_of_newer_files(store: Path) -> None:
    older = (store / "collection.json").read_bytes()
    number = len(Manifest.load(store).parts) - 1
    append(store, random_vectors(1, DIMENSION, seed=5))
    rows = live_rows(store)
    (store / "collection.json").write_bytes(older)
    repair_collection(store)
    assert part_path(store, number).exists()
    assert rows.items() <= live_rows(store).items()
    assert append(store, random_vectors(1, DIMENSION)).ids.max() == 17


@pytest.mark.parametrize("committed", [-5, 0, 2**40])
def test_a_damaged_count_of_a_file_that_is_open_for_writing(store: Path, committed: int) -> None:
    writer = StoreWriter(store, Manifest.load(store))
    records = [ImageRecord(f"new{i}.png", "ab" * 32, i, 0, 1, 1) for i in range(9)]
    writer.append(records, *unit_float16(random_vectors(9, DIMENSION, seed=1)), [None] * 9)
    writer.close()
    rows = live_rows(store)
    path = part_path(store, -1)
    place = FeatureFile(path, DIMENSION).offsets["committed"]
    content = bytearray(path.read_bytes())
    content[place : place + 16] = np.array([committed, committed]).astype("<i8").tobytes()
    path.write_bytes(content)
    repair_collection(store)
    left = live_rows(store)
    # Nothing tells a count of 0 from that of a file that was just begun.
    assert left == rows if committed else left.items() <= rows.items()


def test_a_file_that_cannot_be_read_now_stays(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that fails, or missing permissions, is no damage: repair must not throw the file away."""
    before, path = files_of(store), part_path(store, 1)

    def denied(file: str) -> None:
        raise PermissionError(13, "Permission denied", file)

    opened = os.open
    monkeypatch.setattr(
        os, "open", lambda file, *rest: denied(str(file)) if Path(file) == path else opened(file, *rest)
    )
    with pytest.raises(PermissionError, match=path.name):
        repair_collection(store)
    monkeypatch.undo()
    assert files_of(store) == before


@pytest.mark.parametrize("how", ["longer", "renamed"])
def test_the_list_of_removed_images_is_put_back(store: Path, how: str) -> None:
    rows, record = live_rows(store), Manifest.load(store).tombstones
    assert record is not None
    path = store / record.name
    if how == "longer":
        path.write_bytes(path.read_bytes() + b"\r\n")
    else:
        path.rename(store / "removed.npy")
    done = repair_collection(store)
    assert done.complete
    assert "its content is intact; rewritten" in done.damages[0].problem
    assert live_rows(store) == rows


# Any of them, several at once.


class RowBytes(NamedTuple):
    """Where a row's bytes are in its file: the oracle, from offsets of the undamaged file."""

    id: int
    own: tuple[tuple[int, int], ...]

    def untouched(self, before: bytes, after: bytes) -> bool:
        return all(before[a:b] == after[a:b] and b <= len(after) for a, b in self.own)


def row_bytes(part: FeatureFile) -> list[RowBytes]:
    found = []
    for row in range(part.rows):
        places = []
        for name in (*ROW_FIELDS, "crc32"):
            width = part[name][row].nbytes
            places.append((part.offsets[name] + row * width,) * 2)
            places[-1] = (places[-1][0], places[-1][0] + width)
        for ends, heaps in (("path/end", ["path/bytes"]), ("tags/end", ["tags/number", "tags/probability"])):
            start, end = int(part[ends][row - 1]) if row else 0, int(part[ends][row])
            first = part.offsets[ends] + 8 * max(0, row - 1)
            places.append((first, part.offsets[ends] + 8 * row + 8))
            for heap in heaps:
                width = part._maps[heap].itemsize
                places.append((part.offsets[heap] + width * start, part.offsets[heap] + width * end))
        found.append(RowBytes(int(part["id"][row]), tuple(places)))
    return found


def flipped(content: bytearray, generator: random.Random) -> bytearray:
    content = bytearray(content)
    for at in generator.choices(range(len(content)), k=generator.choice([1, 1, 3])):
        content[at] ^= generator.randrange(1, 256)
    return content


def longer(content: bytearray, generator: random.Random) -> bytearray:
    return content + generator.randbytes(generator.randint(1, 5000))


def cut(content: bytearray, generator: random.Random) -> bytearray:
    return content[: generator.randint(len(content) * 3 // 5, len(content))]


def without_header(content: bytearray, generator: random.Random) -> bytearray:
    size = generator.randint(1, 11_000)
    return bytearray(size) + content[size:]


def with_hole(content: bytearray, generator: random.Random) -> bytearray:
    at, size = generator.randrange(len(content)), generator.choice([16, 512])
    return content[:at] + bytes(len(content[at : at + size])) + content[at + size :]


KINDS = [flipped, longer, cut, without_header, with_hole]


def damage_at_random(directory: Path, generator: random.Random) -> None:
    """One or two kinds of damage to one to three of the files, one of which may lose its name."""
    paths = [directory / record.name for record in Manifest.load(directory).parts]
    for path in generator.sample(paths, generator.randint(1, len(paths))):
        content = bytearray(path.read_bytes())
        for kind in generator.sample(KINDS, generator.randint(1, 2)):
            content = kind(content, generator)
        path.write_bytes(content)
    if generator.random() < 0.4:
        path.rename(directory / f"lost{path.name[-4]}.h5")


_MESSAGES = re.compile(rb"\x08\0\x18\0.\0\0\0\x03\x01.{16}", re.DOTALL)


def layout_is_known(before: bytes, after: bytes) -> bool:
    length = int.from_bytes(before[15:19], "little")
    block = before[: 19 + length] == after[: 19 + length] and len(after) >= 4096
    return block or _MESSAGES.findall(before) == _MESSAGES.findall(after)


def without_tags(rows: Rows) -> dict[int, tuple[object, ...]]:
    """Names of tags have no checksum of their own."""
    return {
        number: (record.path, record.sha256, record.mtime_ns, len(record.tags), vector, norm)
        for number, (record, vector, norm) in rows.items()
    }


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_every_row_whose_bytes_are_as_written_is_kept(store: Path, seed: int) -> None:
    rows, generator = live_rows(store), random.Random(seed)
    parts = [FeatureFile(path, DIMENSION) for path in (part_path(store, n) for n in range(3))]
    before = [part.path.read_bytes() for part in parts]
    oracle = [row_bytes(part) for part in parts]
    winners = {row.id: at for at, row in enumerate(itertools.chain(*oracle))}
    damage_at_random(store, generator)
    after = [
        next((p.read_bytes() for p in (part.path, store / f"lost{n}.h5") if p.exists()), b"")
        for n, part in enumerate(parts)
    ]
    good = [
        row.untouched(before[n], after[n]) and layout_is_known(before[n], after[n])
        for n in range(3)
        for row in oracle[n]
    ]
    done = repair_collection(store)
    left = live_rows(store)
    known = without_tags(rows)
    if not good[winners[3]]:
        left.pop(3, None)  # its older row, in another file, is what may be left of it
        known.pop(3)
    assert {number for number in rows if good[winners[number]]} <= left.keys()
    assert without_tags(left).items() <= known.items()
    assert not done.complete or known.keys() <= left.keys()
    assert Collection.repair(store).damages == ()
