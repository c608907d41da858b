"""What FAISS scans: the structure that a plan asks for, in a file that is whole or not there."""

import signal
from pathlib import Path

import faiss
import numpy as np
import pytest
from stores import clustered_vectors

from i2v_search.choices import SimilarityName
from i2v_search.errors import CollectionDamagedError
from i2v_search.index.planner import IndexPlan, PlannedKind
from i2v_search.index.scanners import IvfScanner, Scanner, Settings, make_scanner, read_scanner, write_scanner

resource = pytest.importorskip("resource")

ROWS, DIMENSIONS = 600, 16


def plan_of(*, refined: bool, kind: PlannedKind = "ivf") -> IndexPlan:
    return IndexPlan(kind, DIMENSIONS, 20, lists=16 * (kind == "ivf"), refined=refined)


def filled(plan: IndexPlan, rows: int = ROWS, similarity: SimilarityName = "cosine") -> Scanner:
    vectors = clustered_vectors(rows, DIMENSIONS)
    scanner = make_scanner(plan, similarity)
    scanner.train(vectors)
    scanner.add(vectors)
    return scanner


def test_a_refined_plan_has_a_middle_stage_and_no_other_has() -> None:
    """It costs a byte for each component of each row, and buys a scan of components for sparse filters."""
    lean, refined = filled(plan_of(refined=False)), filled(plan_of(refined=True))
    assert not isinstance(lean.index, faiss.IndexRefine)
    assert isinstance(refined.index, faiss.IndexRefine)
    assert refined.index.refine_index.ntotal == ROWS
    sizes = [faiss.serialize_index(scanner.index).nbytes for scanner in (lean, refined)]
    assert ROWS * DIMENSIONS <= sizes[1] - sizes[0] < 2 * ROWS * DIMENSIONS


@pytest.mark.parametrize("share", [1.0, 0.9, 0.3, 0.02])
def test_product_codes_before_components_find_what_the_components_find(share: float) -> None:
    """Of the rows that are allowed, by whichever way a filter of this share takes."""
    coded, plain = (filled(plan_of(refined=refined, kind="pca"), 4000, "l2") for refined in (True, False))
    assert isinstance(coded.index, faiss.IndexRefine)
    assert not isinstance(plain.index, faiss.IndexRefine)
    allowed = np.random.default_rng(3).random(4000) < share if share < 1 else None
    queries = clustered_vectors(50, DIMENSIONS, seed=5)
    found, best = (
        scanner.search(queries, 10, allowed, Settings(10, 0, 100))[1] for scanner in (coded, plain)
    )
    if allowed is not None:
        assert allowed[found].all()
    assert np.mean([len(set(one) & set(other)) for one, other in zip(found, best, strict=True)]) > 9.5


@pytest.mark.parametrize("refined", [True, False])
def test_a_file_is_read_as_what_was_written_and_as_nothing_else(tmp_path: Path, refined: bool) -> None:
    plan, path = plan_of(refined=refined), tmp_path / "search.faiss"
    write_scanner(filled(plan), path)
    read = read_scanner(path, plan, "cosine", ROWS)
    assert isinstance(read, IvfScanner)
    assert isinstance(read.index, faiss.IndexRefine) == refined
    with pytest.raises(CollectionDamagedError, match="IndexRefine"):
        read_scanner(path, plan_of(refined=not refined), "cosine", ROWS)


@pytest.mark.parametrize("plan", [plan_of(refined=True), IndexPlan("exact", DIMENSIONS, 0)])
@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_is_an_error_and_leaves_the_old_file(
    tmp_path: Path, plan: IndexPlan, there: bool
) -> None:
    """FAISS raises an error of its own, which must not be taken for success: half an index would be kept."""
    path = tmp_path / "search.faiss"
    if there:
        write_scanner(filled(plan), path)
    before = path.read_bytes() if there else b""
    larger = filled(plan, 2000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(OSError, match=r"search\.faiss"):
            write_scanner(larger, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (path.read_bytes() if there else b"") == before
    assert [file.name for file in tmp_path.iterdir()] == ["search.faiss"] * there


def test_rows_come_back_by_number() -> None:
    vectors = clustered_vectors(ROWS, DIMENSIONS)
    found = filled(IndexPlan("exact", DIMENSIONS, 0)).scan(vectors[:20], 1)[1]
    best = np.argmax(vectors[:20] @ vectors.T, axis=1)
    np.testing.assert_array_equal(found[:, 0], best)
