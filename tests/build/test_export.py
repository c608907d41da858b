"""Exported files hold what the collection holds, for NumPy, h5py and whoever reads CSV."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from small_build import make_parts_tiny
from stores import append, make_store, random_vectors, remove
from typer.testing import CliRunner

from i2v_search.build.upkeep import hdf5_export
from i2v_search.build.upkeep.exporting import export_store
from i2v_search.cli.main import app
from i2v_search.errors import CollectionDamagedError, QueryError
from i2v_search.index import similarity
from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter
from i2v_search.tags.vocabulary import Tag

DIMENSION = 6
ODD_PATHS = ["a,b.png", 'quo"te.png', "new\nline.png", "=1+1.png", "b\udcff.png", "猫/ねこ.png"]
TAGS = [Tag("re:zero", 0.75, "copyright"), Tag("|_|", 0.1), Tag("safe", 0.9, "rating"), Tag("safe", 0.5)]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """Twenty images over several parts, three of them removed and one superseded."""
    make_parts_tiny(monkeypatch.setattr)
    monkeypatch.setattr(similarity, "BLOCK_BYTES", 4 * DIMENSION * 4)
    directory = tmp_path / "100%b collection"
    vectors = random_vectors(20, DIMENSION)
    paths = [*ODD_PATHS, *(f"{number}.png" for number in range(14))]
    make_store(directory, vectors, paths=paths, tags=[["smile", f"tag {n % 3}"] for n in range(20)])
    remove(directory, [1, 8, 9])
    writer = StoreWriter(directory, Manifest.load(directory))
    record = ImageRecord("newer.png", "ab" * 32, 5, 6, 70, 80, tuple(TAGS))
    writer.append([record], *unit_float16(random_vectors(1, DIMENSION, seed=5)), [3])
    writer.finish()
    return FeatureStore(directory)


def vectors_of(store: FeatureStore, *, unit: bool = False) -> Any:
    rows = store.take(store.live)
    return rows if unit else rows * store.norms(store.live)[:, None]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def test_npy_holds_the_vectors_and_the_file_beside_it_names_them(store: FeatureStore, tmp_path: Path) -> None:
    export = export_store(store, tmp_path / "vectors.npy", raw=True)
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), vectors_of(store))
    names = rows_of(tmp_path / "vectors.ids.csv")
    assert [int(row["id"]) for row in names] == store.ids[store.live].tolist()
    assert [row["path"] for row in names] == [store.path(at) for at in store.live.tolist()]
    assert export.files == (str(tmp_path / "vectors.npy"), str(tmp_path / "vectors.ids.csv"))
    assert (export.images, export.dimension) == (17, DIMENSION)
    assert export.bytes == sum(Path(name).stat().st_size for name in export.files)


def test_unit_rows_and_no_names(store: FeatureStore, tmp_path: Path) -> None:
    export_store(store, tmp_path / "vectors.npy", unit=True, name_rows=False)
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), vectors_of(store, unit=True))
    assert not (tmp_path / "vectors.ids.csv").exists()


def test_chosen_rows_come_in_the_order_asked_for(store: FeatureStore, tmp_path: Path) -> None:
    chosen = store.live[[5, 0, 16]]
    export_store(store, tmp_path / "vectors.npy", chosen)
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), vectors_of(store)[[5, 0, 16]])
    export_store(store, tmp_path / "vectors.h5", chosen, virtual=True)
    with h5py.File(tmp_path / "vectors.h5") as file:
        np.testing.assert_array_equal(file["vectors"][:], store.take_float16(chosen))
        assert file["id"][:].tolist() == store.ids[chosen].tolist()


def assert_holds(file: Any, store: FeatureStore) -> None:
    """Compare an HDF5 file with a store, by h5py alone."""
    live = store.live
    records = [store.record(at) for at in live.tolist()]
    np.testing.assert_array_equal(file["vectors"][:], store.take_float16(live))
    assert file["vectors"].dtype == np.float16
    np.testing.assert_array_equal(file["norms"][:], store.norms(live))
    assert file["id"][:].tolist() == store.ids[live].tolist()
    assert [os.fsdecode(path) for path in file["path"][:]] == [record.path for record in records]
    assert file["path"].asstr(errors="surrogateescape")[:].tolist() == [record.path for record in records]
    assert file["sha256"].asstr()[:].tolist() == [record.sha256 for record in records]
    assert file["width"][:].tolist() == [record.width for record in records]
    assert file["height"][:].tolist() == [record.height for record in records]
    start, names, categories = (
        file["tags/start"][:],
        file["tags/name"].asstr()[:],
        file["tags/category"].asstr()[:],
    )
    for row, record in enumerate(records):
        entries = slice(start[row], start[row + 1])
        numbers, probabilities = file["tags/number"][entries], file["tags/probability"][entries]
        assert [
            Tag(names[number], float(probability), categories[number])
            for number, probability in zip(numbers, probabilities, strict=True)
        ] == list(record.tags)
    assert os.fsdecode(file.attrs["image_root"]) == store.manifest.image_root


@pytest.mark.parametrize("virtual", [False, True])
def test_h5_holds_everything(
    store: FeatureStore, tmp_path: Path, virtual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / "all.h5"
    path.parent.mkdir()
    export_store(store, path, virtual=virtual)
    monkeypatch.chdir("/")
    with h5py.File(path) as file:
        assert file["vectors"].is_virtual is virtual
        assert_holds(file, store)


def test_a_virtual_file_moves_with_the_collection_and_survives_additions(
    store: FeatureStore, tmp_path: Path
) -> None:
    export_store(store, store.directory / "virtual.h5", virtual=True)
    expected = store.take_float16(store.live)
    append(store.directory, random_vectors(9, DIMENSION, seed=9))
    moved = shutil.move(store.directory, tmp_path / "moved")
    with h5py.File(Path(moved) / "virtual.h5") as file:
        np.testing.assert_array_equal(file["vectors"][:], expected)
    shutil.copy(Path(moved) / "virtual.h5", tmp_path / "alone.h5")
    with h5py.File(tmp_path / "alone.h5") as file:
        assert np.isnan(file["vectors"][:]).all()


def test_rows_too_scattered_for_a_virtual_file_are_refused(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_export, "MAX_RUNS", 3)
    with pytest.raises(QueryError, match="i2v-search compact"):
        export_store(store, tmp_path / "all.h5", virtual=True)
    assert not (tmp_path / "all.h5").exists()


@pytest.mark.parametrize("virtual", [False, True])
def test_reduced_vectors_come_with_what_undoes_them(
    store: FeatureStore, tmp_path: Path, virtual: bool
) -> None:
    export = export_store(store, tmp_path / "all.h5", pca=3, virtual=virtual)
    rows = vectors_of(store, unit=True).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    assert export.explained_variance == pytest.approx(variances[:3].sum() / variances.sum(), abs=1e-5)
    with h5py.File(tmp_path / "all.h5") as file:
        components, mean, reduced = file["pca/components"][:], file["pca/mean"][:], file["reduced"][:]
        assert file["pca/explained_variance_ratio"][:].sum() == pytest.approx(export.explained_variance)
    np.testing.assert_allclose(mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(reduced, (rows - mean) @ components.T, atol=1e-6)
    np.testing.assert_allclose((reduced**2).sum(), variances[:3].sum(), rtol=1e-4)
    export_store(store, tmp_path / "reduced.npy", pca=3)
    np.testing.assert_array_equal(np.load(tmp_path / "reduced.npy"), reduced)
    with np.load(tmp_path / "reduced.pca.npz") as kept:
        np.testing.assert_array_equal(kept["components"], components)
        projected = (rows - kept["mean"]) @ kept["components"].T
    np.testing.assert_allclose(projected, reduced, atol=1e-6)


def test_an_export_says_how_many_neighbours_its_components_keep(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", random_vectors(80, 24))
    rows = store.take(store.live).astype(np.float64)

    def nearest(compared: Any) -> list[set[int]]:
        units = compared / np.linalg.norm(compared, axis=1, keepdims=True)
        scores = units @ units.T
        np.fill_diagonal(scores, -np.inf)
        return [set(row[:10].tolist()) for row in np.argsort(-scores, axis=1)]

    exact = nearest(rows - rows.mean(axis=0))
    for count in (2, 24):
        export = export_store(store, tmp_path / "reduced.npy", pca=count)
        kept = nearest(np.load(tmp_path / "reduced.npy"))
        shared = np.mean([len(a & b) / 10 for a, b in zip(exact, kept, strict=True)])
        assert export.neighbours_kept == pytest.approx(shared, abs=0.005)
    assert export.neighbours_kept == pytest.approx(1, abs=0.01)
    assert export_store(store, tmp_path / "all.npy").neighbours_kept is None


def test_csv_is_safe_to_open_in_a_spreadsheet_unless_it_is_raw(store: FeatureStore, tmp_path: Path) -> None:
    tricks = [
        "=HYPERLINK(1)",
        "+cmd",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "＝1",
        "plain-1.png",
        "a=b",
    ]
    safe = ["'=HYPERLINK(1)", "'+cmd", "'-1+1", "'@SUM(A1)", r"\t=1", r"\r=1", "'  =1", "'＝1", *tricks[-2:]]
    make_store(tmp_path / "tricks", random_vectors(len(tricks), DIMENSION), paths=tricks)
    tricky = FeatureStore(tmp_path / "tricks")
    for name, table in (("all.csv", "all.csv"), ("all.npy", "all.ids.csv")):
        for raw, paths in ((False, safe), (True, tricks)):
            export_store(tricky, tmp_path / name, raw=raw)
            assert [row["path"] for row in rows_of(tmp_path / table)] == paths
    export_store(store, tmp_path / "odd.csv")
    assert not re.search(
        r"(?m)(^|,)\"?[\s\x00-\x1f]*[=+@-]", (tmp_path / "odd.csv").read_text(encoding="utf-8")
    )


def test_csv_holds_paths_and_tags(store: FeatureStore, tmp_path: Path) -> None:
    export_store(store, tmp_path / "all.csv", raw=True)
    rows = rows_of(tmp_path / "all.csv")
    records = [store.record(at) for at in store.live.tolist()]
    assert [row["path"] for row in rows] == [record.path for record in records]
    assert [(int(row["width"]), int(row["height"]), row["sha256"]) for row in rows] == [
        (record.width, record.height, record.sha256) for record in records
    ]
    assert [int(row["id"]) for row in rows] == store.ids[store.live].tolist()
    for row, record in zip(rows, records, strict=True):
        found = {
            (category, name, np.float16(probability))
            for category in ("general", "character", "copyright", "rating", "artist", "meta")
            for name, probability in json.loads(row[category] or "{}").items()
        }
        assert found == {(tag.category, tag.name, np.float16(tag.probability)) for tag in record.tags}


@pytest.mark.parametrize("name", ["all.npy", "all.h5", "all.csv"])
def test_an_empty_collection_gives_empty_files(tmp_path: Path, name: str) -> None:
    store = make_store(tmp_path / "empty", np.empty((0, 4), np.float32))
    assert export_store(store, tmp_path / name).images == 0
    if name == "all.npy":
        assert np.load(tmp_path / name).shape == (0, 4)
    elif name == "all.h5":
        with h5py.File(tmp_path / name) as file:
            assert file["vectors"].shape == (0, 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("all.txt", {}, "the file name must end in"),
        ("all.csv", {"pca": 2}, "option pca"),
        ("all.h5", {"raw": True}, "option raw"),
        ("all.npy", {"virtual": True}, "option virtual"),
        ("all.h5", {"unit": True}, "option unit"),
        ("all.npy", {"unit": True, "pca": 2}, "use either pca or unit"),
        ("all.npy", {"pca": DIMENSION + 1}, "cannot reduce"),
        ("all.h5", {"pca": 0}, "cannot reduce"),
    ],
)
def test_what_cannot_be_is_refused(
    store: FeatureStore, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        export_store(store, tmp_path / name, **options)
    assert not (tmp_path / name).exists()


def test_a_collection_does_not_lose_its_own_files(store: FeatureStore) -> None:
    part = store.parts[0].path
    before = part.read_bytes()
    for name in (part.name, "features-00099.h5"):
        with pytest.raises(QueryError, match="reserved file name"):
            export_store(store, store.directory / name)
    assert part.read_bytes() == before


@pytest.mark.parametrize("name", ["all.npy", "all.h5", "all.csv"])
def test_damaged_rows_are_not_passed_on(store: FeatureStore, tmp_path: Path, name: str) -> None:
    part = store.parts[0].path
    row = store.take_float16(store.live[:1]).tobytes()
    content = bytearray(part.read_bytes())
    content[content.index(row)] ^= 1
    part.write_bytes(content)
    (tmp_path / name).write_bytes(b"before")
    with pytest.raises(CollectionDamagedError, match=part.name):
        export_store(FeatureStore(store.directory), tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"before"
    assert not list(tmp_path.glob(".*.tmp"))


STARVED = """
import resource, signal, sys
from pathlib import Path
from i2v_search.index import similarity
from i2v_search.build.upkeep import exporting
from i2v_search.store.feature_store import FeatureStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store, path, limits = FeatureStore(Path(sys.argv[1])), Path(sys.argv[2]), map(int, sys.argv[3:])
similarity.BLOCK_BYTES = 2**12
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        exporting.export_store(store, path)
        print("done", limit)
    except OSError:
        assert not list(path.parent.iterdir())
        print("refused")
"""


@pytest.mark.parametrize("name", ["all.npy", "all.h5", "all.csv"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, name: str) -> None:
    pytest.importorskip("resource")
    paths = [f"{'long' * 20}-{number}.png" for number in range(1500)]
    store = make_store(tmp_path / "store", random_vectors(1500, 16), paths=paths)
    (tmp_path / "out").mkdir()
    (tmp_path / "whole").mkdir()
    export_store(store, tmp_path / "whole" / name)
    size = (tmp_path / "whole" / name).stat().st_size
    limits = [str(int(size * share / 23)) for share in range(1, 23)]
    command = [sys.executable, "-c", STARVED, os.fspath(store.directory), os.fspath(tmp_path / "out" / name)]
    result = subprocess.run([*command, *limits], capture_output=True, text=True, check=False, timeout=240)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "refused\n" * len(limits)


PEAK = """
import sys
from pathlib import Path
from i2v_search.build.upkeep.exporting import export_store
from i2v_search.store.feature_store import FeatureStore
export_store(FeatureStore(Path(sys.argv[1])), Path(sys.argv[2]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of 8 MB, and one of 164 MB in three parts."""
    directories = []
    for rows in (1_000, 20_000):
        directory = tmp_path_factory.mktemp("store")
        directories.append(directory)
        make_store(directory, random_vectors(1_000, 4096))
        writer = StoreWriter(directory, Manifest.load(directory))
        store = FeatureStore(directory)
        records = [store.record(position) for position in range(1_000)]
        vectors, norms = store.take_float16(store.live).copy(), store.norms(store.live).copy()
        for _ in range(1_000, rows, 1_000):
            writer.append(records, vectors, norms, [None] * 1_000)
        writer.finish()
    return directories


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a peak that exec resets")
@pytest.mark.parametrize("name", ["all.npy", "all.h5"])
def test_twenty_times_the_rows_take_no_more_than_one_part_and_one_block(
    stores: list[Path], tmp_path: Path, name: str
) -> None:
    peaks = []
    for directory in stores:
        command = [sys.executable, "-c", PEAK, os.fspath(directory), os.fspath(tmp_path / name)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(result.stdout) / 2**10)
    print(f"{name}: 1,000 rows {peaks[0]:.0f} MiB, 20,000 rows {peaks[1]:.0f} MiB")
    assert peaks[1] - peaks[0] < 130


def test_the_command_exports(store: FeatureStore, tmp_path: Path) -> None:
    path = tmp_path / "new" / "all.h5"
    command = ["export", os.fspath(path), "--collection", os.fspath(store.directory)]
    result = CliRunner().invoke(app, [*command, "--pca", "2"])
    assert result.exit_code == 0, result.output
    assert "17 images of 6 dimensions, 2 components keep" in result.output
    assert "approximates similarity centred" in result.output
    result = CliRunner().invoke(app, [*command, "--virtual", "--json"])
    assert json.loads(result.stdout)["files"] == [str(path)]
