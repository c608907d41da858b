"""Files from strangers, and files that the disk has damaged: one named error each, and never a crash."""

import hashlib
import json
import os
import select
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from folders import SUPPORT, UNNAMED
from grids import GridEncoder, draw_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search import Collection
from i2v_search.errors import CollectionDamagedError, CollectionError
from i2v_search.files import file_sha256
from i2v_search.store import arrays
from i2v_search.store.arrays import read_arrays, write_arrays
from i2v_search.store.feature_file import FeatureFile, ImageRecord, PartWriter, part_layout
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import EncoderRecord, FileRecord, Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

DIMENSION = 4
ROWS = 6
PART = "features-00000.h5"


def make_store(directory: Path, *, sealed: bool = True) -> Path:
    """Six rows with tags, one of them removed; unsealed, the part is still open for writing."""
    encoder = EncoderRecord(id="test", weights_sha256="0" * 64, preprocessing="none", dimension=DIMENSION)
    Manifest(encoder=encoder, similarity="cosine", image_root="/images").save(directory)
    writer = StoreWriter(directory, Manifest.load(directory))
    vectors = np.random.default_rng(0).normal(size=(ROWS, DIMENSION)).astype(np.float32)
    records = [
        ImageRecord(f"{row}.png", f"{row}{row}" * 32, row, row, 1, 1, (Tag("x", 0.5), Tag(f"y{row}")))
        for row in range(ROWS)
    ]
    writer.append(records, *unit_float16(vectors), [None] * ROWS)
    writer.remove([2])
    if sealed:
        writer.finish()
    else:
        writer.close()
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return make_store(tmp_path)


def assert_refused(directory: Path, message: str | None = None) -> None:
    with pytest.raises(CollectionDamagedError, match=message) as caught:
        FeatureStore(directory)
    assert PART in str(caught.value)


# What HDF5 can do and a feature file never does: none of it is ever followed.

Forgery = Callable[[h5py.File, Path], object]


def replace_norms(**options: Any) -> Forgery:
    """Make `norms` anew in another way."""

    def forge(file: h5py.File, _: Path) -> None:
        del file["norms"]
        file.create_dataset("norms", **options)

    return forge


def link_norms(link: object) -> Forgery:
    def forge(file: h5py.File, _: Path) -> None:
        del file["norms"]
        file["norms"] = link

    return forge


def virtual_norms(file: h5py.File, directory: Path) -> None:
    layout = h5py.VirtualLayout((ROWS,), "<f4")
    layout[:] = h5py.VirtualSource(directory / "secret.h5", "data", (ROWS,), "<f4")
    del file["norms"]
    file.create_virtual_dataset("norms", layout)


def piped_group(file: h5py.File, directory: Path) -> None:
    """A data set where a group should be, in a pipe: whoever iterates over it waits for ever."""
    os.mkfifo(directory / "pipe")
    del file["path"]
    file.create_dataset("path", (5,), "u1", external=[(os.fspath(directory / "pipe"), 0, 5)])


HDF5_FORGERIES: dict[str, Forgery] = {
    "external storage": replace_norms(shape=(ROWS,), dtype="<f4", external=[("/etc/passwd", 0, 4 * ROWS)]),
    "virtual data set": virtual_norms,
    "soft link": link_norms(h5py.SoftLink("/vectors")),
    "external link": link_norms(h5py.ExternalLink("secret.h5", "data")),
    "chunks": replace_norms(data=np.ones(ROWS, "<f4"), chunks=(2,)),
    "compression": replace_norms(data=np.ones(ROWS, "<f4"), compression="gzip"),
    "other type": replace_norms(data=np.ones(ROWS, "<f8")),
    "other shape": replace_norms(data=np.ones((ROWS, 1), "<f4")),
    "absurd shape": replace_norms(shape=(2**60,), dtype="<f4", chunks=(1,)),
    "text": replace_norms(shape=(ROWS,), dtype=h5py.string_dtype()),
    "group for data": lambda file, _: (file.__delitem__("norms"), file.create_group("norms")),
    "piped data for group": piped_group,
    "a group in itself": lambda file, _: (file.__delitem__("path"), file.__setitem__("path", file["/"])),
    "extra data": lambda file, _: file.create_dataset("extra", data=[1]),
    "missing data": lambda file, _: file.__delitem__("norms"),
    "missing group": lambda file, _: file.__delitem__("tags"),
    "no format": lambda file, _: file.attrs.__delitem__("format"),
}


@pytest.mark.parametrize("forge", HDF5_FORGERIES.values(), ids=HDF5_FORGERIES)
def test_the_hdf5_structure_leads_nowhere(directory: Path, forge: Forgery) -> None:
    everything = np.arange(ROWS)
    before, size = FeatureStore(directory).norms(everything), (directory / PART).stat().st_size
    with h5py.File(directory / "secret.h5", "w") as secret:
        secret["data"] = np.ones(ROWS, "<f4")
    with h5py.File(directory / PART, "r+") as file:
        forge(file, directory)
    if (directory / PART).stat().st_size != size:
        assert_refused(directory, "bytes too long|truncated")
        return
    store = FeatureStore(directory)
    (damage,) = store.verify()
    assert damage.file == PART
    # HDF5 may have put something else where the norms were; then the rows say so.
    intact = [row for row in range(ROWS) if row not in damage.rows]
    np.testing.assert_array_equal(store.norms(everything)[intact], before[intact])


# What the user block may say.


def forge_block(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what the user block says of the arrays, and put its checksum right."""
    content = path.read_bytes()
    _, _, length = arrays._PREFIX.unpack_from(content)
    document = json.loads(content[arrays._PREFIX.size :][:length])
    change(document)
    overwrite_block(path, json.dumps(document).encode())


def overwrite_block(path: Path, text: bytes, magic: bytes = b"i2v-search\n") -> None:
    with path.open("rb+") as file:
        file.write(arrays._PREFIX.pack(magic, zlib.crc32(text), len(text)) + text)


def place(name: str, dtype: object, shape: object, offset: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["arrays"].__setitem__(name, [dtype, shape, offset])


BLOCK_FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "other type": place("norms", "<f8", [ROWS], 4096),
    "other byte order": place("norms", ">f4", [ROWS], 4096),
    "objects": place("norms", "|O", [ROWS], 4096),
    "unhashable type": place("norms", ["<f4"], [ROWS], 4096),
    "a record": place("norms", "<f4,<f4", [ROWS], 4096),
    "scalar": place("norms", "<f4", [], 4096),
    "two dimensions": place("norms", "<f4", [ROWS, 1], 4096),
    "many dimensions": place("norms", "<f4", [1] * 65, 4096),
    "fewer": place("norms", "<f4", [ROWS - 1], 4096),
    "fewer ids": place("id", "<i8", [ROWS - 1], 4096),
    "negative": place("norms", "<f4", [-ROWS], 4096),
    "absurd": place("norms", "<f4", [2**62], 4096),
    "beyond 64 bits": place("norms", "<f4", [2**100], 4096),
    "nothing, absurdly wide": place("vectors", "<f2", [0, 2**63], 4096),
    "a float": place("norms", "<f4", [float(ROWS)], 4096),
    "a boolean": place("norms", "<f4", [True], 4096),
    "text for shape": place("norms", "<f4", "6", 4096),
    "shape is null": place("norms", "<f4", None, 4096),
    "before the file": place("norms", "<f4", [ROWS], -24),
    "in the user block": place("norms", "<f4", [ROWS], 0),
    "after the file": place("norms", "<f4", [ROWS], 2**40),
    "past the end": place("norms", "<f4", [ROWS], 19_990),
    "offset is text": place("norms", "<f4", [ROWS], "4096"),
    "extra": place("extra", "<f4", [1], 4096),
    "missing": lambda document: document["arrays"].pop("crc32"),
    "none": lambda document: document.update(arrays={}),
    "a list": lambda document: document.update(arrays=[]),
    "too few fields": lambda document: document["arrays"].update(norms=["<f4"]),
    "other kind": lambda document: document.update(kind="i2v-search features 2"),
    "kind is a list": lambda document: document.update(kind=[]),
    "other size": lambda document: document.update(size=1),
    "no size": lambda document: document.pop("size"),
    "no kind": lambda document: document.pop("kind"),
}


@pytest.mark.parametrize("change", BLOCK_FORGERIES.values(), ids=BLOCK_FORGERIES)
def test_a_forged_user_block_is_refused(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    forge_block(directory / PART, change)
    assert_refused(directory)


@pytest.mark.parametrize("text", [b"", b"{", b"5", b"null", b"\xff", b"[" * 4000, b"9" * 4070, b" " * 5000])
def test_a_user_block_that_is_no_object_is_refused(directory: Path, text: bytes) -> None:
    overwrite_block(directory / PART, text)
    assert_refused(directory)


def test_a_block_with_a_wrong_checksum_is_refused(directory: Path) -> None:
    with (directory / PART).open("rb+") as file:
        file.seek(60)
        file.write(b"#")
    assert_refused(directory, "its user block is damaged")


def test_arrays_may_overlap_and_are_only_read(directory: Path) -> None:
    """The most a forged place gives is other bytes of the same file."""
    part = FeatureFile(directory / PART, DIMENSION)
    forge_block(directory / PART, place("mtime_ns", "<i8", [ROWS], part.offsets["size"]))
    assert FeatureStore(directory).record(1).mtime_ns == 1
    assert FeatureStore(directory).verify()


# Values that no writer writes.


def overwrite(directory: Path, name: str, values: list[int], start: int = 0) -> None:
    part = FeatureFile(directory / PART, DIMENSION)
    content = np.array(values, dict(part_layout(part.capacity, DIMENSION))[name][0])
    with (directory / PART).open("rb+") as file:
        file.seek(part.offsets[name] + start * content.itemsize)
        file.write(content.tobytes())


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("committed", [-1, 0], "claims -1 rows"),
        ("committed", [0, -1], "claims 0 rows and -1 tags"),
        ("committed", [7, 7], "claims 7 rows"),
        ("committed", [6, 8], "8 tags"),
        ("committed", [2**62, 7], "rows"),
        ("committed", [5, 7], r"holds 5 rows, collection\.json says 6"),
        ("path/end", [5, 4, 15, 20, 25, 30], "not an ascending list"),
        ("path/end", [-1, 4], "not an ascending list"),
        ("path/end", [5, -(2**63), -1, 10, 20, 30], "not an ascending list"),
        ("path/end", [5, 10, 15, 20, 25, 31], "not an ascending list"),
        ("tags/end", [2, 4, 6, 8, 10, 13], "not an ascending list"),
        ("tags/end", [2**62, 2, 3, 4, 5, 6], "not an ascending list"),
        ("tags/end", [1, -(2**63), -1, 10, 11, 12], "not an ascending list"),
        ("vocabulary/end", [2**40], "not an ascending list"),
        ("tags/number", [7], "outside the vocabulary"),
        ("tags/number", [-1], "outside the vocabulary"),
        ("tags/number", [2**31 - 1], "outside the vocabulary"),
    ],
)
def test_values_that_lead_astray_are_refused(
    directory: Path, name: str, values: list[int], message: str
) -> None:
    overwrite(directory, name, values)
    assert_refused(directory, message)


def test_odd_values_that_lead_nowhere_are_read(directory: Path) -> None:
    """A category or a text that no writer writes harms nobody; `verify` tells."""
    overwrite(directory, "vocabulary/category", [255])
    overwrite(directory, "vocabulary/bytes", [255])
    store = FeatureStore(directory)
    assert store.record(0).tags[0].name == "�"
    assert [damage.file for damage in store.verify()] == [PART]


def test_data_sets_that_overlap_the_structure_are_only_read(directory: Path) -> None:
    """The most a forged offset gives is bytes of the same file."""
    with h5py.File(directory / PART, "r+") as file:
        ids = file["size"]
        del file["mtime_ns"]
        file["mtime_ns"] = ids
    assert FeatureStore(directory).record(1).mtime_ns == 1


# Files that are no files, or not whole.


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"not HDF5", b"i2v-search\n" + b"\xff" * 4096])
def test_other_content_is_refused(directory: Path, content: bytes) -> None:
    (directory / PART).write_bytes(content)
    assert_refused(directory)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_truncated_part_is_refused(directory: Path, share: float) -> None:
    size = (directory / PART).stat().st_size
    os.truncate(directory / PART, int(size * share))
    assert_refused(directory)


def test_a_missing_part_is_refused(directory: Path) -> None:
    (directory / PART).unlink()
    assert_refused(directory, "is missing; restore it from a backup")


def test_a_directory_is_refused(directory: Path) -> None:
    (directory / PART).unlink()
    (directory / PART).mkdir()
    assert_refused(directory)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_does_not_block(directory: Path) -> None:
    (directory / PART).unlink()
    os.mkfifo(directory / PART)
    assert_refused(directory, "a named pipe, not a file")


@pytest.mark.parametrize(
    "damage", ["flip", "cut", "longer", "missing", "text", "pickle", "out of range", "zip"]
)
def test_damaged_tombstones_are_refused(directory: Path, damage: str) -> None:
    manifest = Manifest.load(directory)
    assert manifest.tombstones is not None
    path = directory / manifest.tombstones.name
    content = bytearray(path.read_bytes())
    match damage:
        case "missing":
            path.unlink()
        case "flip":
            content[-8] ^= 1
            path.write_bytes(content)
        case _:
            forged = bytes(
                {
                    "cut": content[:-1],
                    "longer": content + b"\0" * 8,
                    "text": b"{}",
                    "pickle": content.replace(b"<i8", b"|O8"),
                    "out of range": content[:-8] + (ROWS).to_bytes(8, "little"),
                    "zip": b"PK\x03\x04" + bytes(100),
                }[damage]
            )
            path.write_bytes(forged)
            record = FileRecord(name=path.name, sha256=hashlib.sha256(forged).hexdigest())
            manifest.updated(tombstones=record).save(directory)
    with pytest.raises(CollectionDamagedError, match=r"tombstones-\d+\.npy"):
        FeatureStore(directory)


# Any byte.


class Opener:
    """Sends damage to `damaged_store.py`, and says so when that process dies of it."""

    def __init__(self, directory: Path) -> None:
        script = SUPPORT / "damaged_store.py"
        command = [sys.executable, os.fspath(script), os.fspath(directory)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, file: str, at: list[int], byte: list[int], length: int | None = None) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"file": file, "at": at, "byte": byte, "length": length}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], 20)[0]:
            self.process.kill()
            pytest.fail(f"{order} took too long")
        answer = self.process.stdout.readline().strip()
        assert answer, f"{order} killed the process: {self.process.wait()}"
        return answer

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Opener, bytes]]:
    directory = make_store(tmp_path_factory.mktemp("sealed"))
    opener = Opener(directory)
    yield opener, (directory / PART).read_bytes()
    opener.close()


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Opener, bytes]]:
    directory = tmp_path_factory.mktemp("unsealed")
    make_store(directory, sealed=False)
    # As a process leaves it that is killed at once: small, but not sealed.
    PartWriter.resize(directory / PART, DIMENSION)
    opener = Opener(directory)
    yield opener, (directory / PART).read_bytes()
    opener.close()


@settings(max_examples=250)
@given(st.data())
def test_any_flipped_byte_of_a_part_is_noticed(sealed: tuple[Opener, bytes], data: st.DataObject) -> None:
    opener, content = sealed
    at = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3, unique=True))
    flips = [data.draw(st.integers(1, 255)) for _ in at]
    answer = opener(PART, at, [content[i] ^ flip for i, flip in zip(at, flips, strict=True)])
    assert answer in {"refused", "reported"}


@settings(max_examples=100)
@given(st.data())
def test_no_flipped_byte_of_an_open_part_is_more_than_damage(
    unsealed: tuple[Opener, bytes], data: st.DataObject
) -> None:
    """A part that is being written has no checksum of its own: its rows have, its tag names have not."""
    opener, content = unsealed
    at = data.draw(st.integers(0, len(content) - 1))
    answer = opener(PART, [at], [data.draw(st.integers(0, 255))])
    assert answer in {"refused", "reported", "same", "unnoticed"}


def test_a_cut_at_any_length_is_refused(sealed: tuple[Opener, bytes]) -> None:
    opener, content = sealed
    for length in range(0, len(content), 211):
        assert opener(PART, [], [], length) == "refused"


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Opener, bytes]]:
    directory = make_store(tmp_path_factory.mktemp("derived"))
    write_arrays(directory / "search-00009.h5", {"mean": np.arange(5.0), "components": np.eye(4)})
    opener = Opener(directory)
    yield opener, (directory / "search-00009.h5").read_bytes()
    opener.close()


@settings(max_examples=150)
@given(st.data())
def test_no_byte_of_a_derived_file_is_more_than_damage(
    derived: tuple[Opener, bytes], data: st.DataObject
) -> None:
    """Even where the checksum was put right after the change."""
    opener, content = derived
    at = data.draw(st.integers(0, len(content) - 1))
    answer = opener("search-00009.h5", [at], [data.draw(st.integers(0, 255))])
    assert answer in {"refused", "same", "unnoticed"}


def test_a_derived_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search-00001.h5"
    write_arrays(path, {"mean": np.ones(4, np.float32)})
    forge_block(path, lambda document: document.update(kind="other"))
    with pytest.raises(CollectionDamagedError, match=r"search-00001\.h5 is 'other'"):
        read_arrays(tmp_path, FileRecord(name=path.name, sha256=file_sha256(path)))


@pytest.mark.parametrize("dtype", ["O", "U3", "c8", "M8[s]", "?"])
def test_only_plain_numbers_are_written(tmp_path: Path, dtype: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        write_arrays(tmp_path / "search-00001.h5", {"mean": np.zeros(2, dtype)})
    assert list(tmp_path.iterdir()) == []


# A whole collection.


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collection")
    Collection.build(folder / "c", [draw_folder(folder / "images", 20)], encoder=GridEncoder())
    return folder / "c"


@pytest.mark.parametrize("pattern", ["search-*.h5", "search-*.faiss", "graph-*.h5"])
@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_a_damaged_derived_file_is_named_and_not_used(built: Path, pattern: str, damage: str) -> None:
    (path,) = built.glob(pattern)
    original = path.read_bytes()
    content = bytearray(original)
    content[len(content) // 2] ^= 4
    try:
        path.unlink()
        if damage != "missing":
            path.write_bytes(content if damage == "flip" else original[:-1])
        collection = Collection.open(built)
        assert [item.file for item in collection.verify()] == [path.name]
        use = collection.search if pattern.startswith("search") else partial(collection.morph, 1)
        with pytest.raises(CollectionDamagedError, match=f"{path.name}.*rebuild it: i2v-search index"):
            use(0)
    finally:
        path.write_bytes(original)
    assert Collection.open(built).verify() == ()
    assert Collection.open(built).search(0).hits


def test_a_damaged_part_is_named_with_its_rows(built: Path) -> None:
    (path,) = built.glob("features-*.h5")
    part, original = FeatureFile(path, GridEncoder.info.dimension), path.read_bytes()
    content = bytearray(original)
    content[part.offsets["norms"] + 4 * 7] ^= 1
    try:
        path.write_bytes(content)
        (damage,) = Collection.open(built).verify()
        assert (damage.file, damage.rows) == (path.name, (7,))
    finally:
        path.write_bytes(original)


def test_a_collection_of_files_that_vanish_is_an_error_of_ours(built: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(built.glob("*.*"))):
        copy = tmp_path / str(number)
        copy.mkdir()
        for other in built.iterdir():
            if other != path and other.suffix != ".lock":
                (copy / other.name).write_bytes(other.read_bytes())
        if path.name not in UNNAMED - {"collection.json"}:
            with pytest.raises(CollectionError):
                Collection.open(copy).morph(0, 1)
