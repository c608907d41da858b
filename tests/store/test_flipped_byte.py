"""One changed byte in any file of a collection is reported, never believed, and repaired.

What the disk changes is found by checksums: of whole files, which `verify` compares, of derived files, which
are compared before they are read, and of single rows, which are compared before a hit is returned.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from collection_rows import Rows, live_rows
from small_build import make_parts_tiny
from worn import assert_clean, copy_of, files_of

from i2v_search import Collection
from i2v_search.errors import CollectionDamagedError, I2VSearchError
from i2v_search.store.arrays import open_arrays
from i2v_search.store.manifest import Manifest

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tiny_parts")]

ROLES = ["manifest", "part", "last part", "tombstones", "arrays", "faiss", "graph"]
SAMPLE = 40

#: What each image finds: id, path and score of every hit.
Found = dict[int, list[tuple[int, str, float]]]


@pytest.fixture(scope="module")
def truth(kept: Path) -> tuple[Rows, Found]:
    with pytest.MonkeyPatch.context() as patch:
        make_parts_tiny(patch.setattr)
        collection = Collection.open(kept)
        return live_rows(kept), {image: find(collection, image) for image in collection.ids}


def find(collection: Collection, image: int) -> list[tuple[int, str, float]]:
    hits = collection.search(image, top=4).hits
    return [(hit.id, hit.path, round(hit.score, 5)) for hit in hits]


def name_of(directory: Path, role: str) -> str:
    manifest = Manifest.load(directory)
    assert manifest.tombstones is not None
    assert manifest.index is not None
    names = {
        "manifest": "collection.json",
        "part": manifest.parts[1].name,
        "last part": manifest.parts[-1].name,
        "tombstones": manifest.tombstones.name,
    }
    return (names | {str(key): file.name for key, file in manifest.index.files.items()})[role]


def places(path: Path, seed: int) -> list[int]:
    """The first and the last byte of everything that has a place in a file, and some anywhere."""
    size = path.stat().st_size
    chosen = {0, 1, size // 2, size - 1}
    if path.suffix == ".h5":
        chosen |= {11, 15, 19, 40, 1500, 4095, 4096, 4100}  # of the user block, and of HDF5's own
        opened = open_arrays(path)
        for name, offset in opened.offsets.items():
            last = offset + opened.arrays[name].nbytes - 1
            chosen |= {offset, max(offset, last)}
    generator = random.Random(seed)
    chosen |= {generator.randrange(size) for _ in range(SAMPLE)}
    return sorted(place for place in chosen if place < size)


def flips(path: Path, role: str) -> Iterator[int]:
    """Flip one byte after another in a file, and mend it again."""
    content = path.read_bytes()
    generator = random.Random(role)
    for place in places(path, len(role)):
        damaged = bytearray(content)
        damaged[place] ^= generator.choice([1, 0x80, 0xFF, generator.randrange(1, 256)])
        path.write_bytes(damaged)
        yield place
    path.write_bytes(content)


@pytest.mark.parametrize("role", ROLES)
def test_it_is_reported(kept: Path, tmp_path: Path, role: str) -> None:
    worn = copy_of(kept, tmp_path / "worn")
    name = name_of(worn, role)
    for place in flips(worn / name, role):
        try:
            reported = [damage.file for damage in Collection.open(worn).verify()]
        except CollectionDamagedError as error:
            reported = [name] if name in str(error) else [str(error)]
        assert reported == [name], place
    assert Collection.open(worn).verify() == ()


@pytest.mark.parametrize("role", ROLES)
def test_no_hit_is_wrong(kept: Path, truth: tuple[Rows, Found], tmp_path: Path, role: str) -> None:
    """Needs the check of rows before they are used and returned (`FeatureStore.check`)."""
    found = truth[1]
    worn = copy_of(kept, tmp_path / "worn")
    generator, errors = random.Random(role), 0
    for place in flips(worn / name_of(worn, role), role):
        for image in generator.sample(sorted(found), 6):
            try:
                assert find(Collection.open(worn), image) == found[image], place
            except I2VSearchError:
                errors += 1
    assert errors or role in {"graph", "last part"}


@pytest.mark.parametrize("role", ROLES[1:])
def test_it_is_repaired(kept: Path, truth: tuple[Rows, Found], tmp_path: Path, role: str) -> None:
    rows, found = truth
    worn, damaged = copy_of(kept, tmp_path / "worn"), tmp_path / "damaged"
    name = name_of(worn, role)
    for place in places(worn / name, len(role))[::4]:
        copy_of(worn, damaged)
        content = bytearray((damaged / name).read_bytes())
        content[place] ^= 0x55
        (damaged / name).write_bytes(content)
        done = Collection.repair(damaged)
        assert [damage.file for damage in done.damages] == [name], place
        assert_clean(damaged)
        left = live_rows(damaged)
        assert done.images == len(left)
        if role == "tombstones":
            assert rows.items() < left.items()
            continue
        if done.lost_rows:
            # Older rows of its images, in other files, are what is left of them.
            gone = set(Collection.open(worn).store.parts[int(role == "part") or -1]["id"].tolist())
            assert {key: row for key, row in left.items() if key not in gone}.items() <= rows.items()
            continue
        lost = rows.keys() - left.keys()
        assert left.keys() <= rows.keys()
        assert done.complete == (not lost), place
        if "misspelt" not in done.damages[0].problem and "tag names" not in done.damages[0].problem:
            assert left.items() <= rows.items(), place
        if not lost:
            collection = Collection.open(damaged)
            assert {image: find(collection, image) for image in left} == found


def test_a_damaged_manifest_is_not_repaired_by_guessing(kept: Path, tmp_path: Path) -> None:
    worn = copy_of(kept, tmp_path / "worn")
    path = worn / "collection.json"
    path.write_bytes(path.read_bytes().replace(b"centred", b"cosine "))
    before = files_of(worn)
    with pytest.raises(CollectionDamagedError, match="does not match its checksum"):
        Collection.repair(worn)
    assert files_of(worn) == before
