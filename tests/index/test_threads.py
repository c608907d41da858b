"""The threads of a search: those of FAISS and of NumPy's BLAS are limited while it runs, and given back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import faiss
import numpy as np
import pytest
from stores import clustered_vectors, make_store
from threadpoolctl import ThreadpoolController, threadpool_limits

from i2v_search.index.planner import IndexPlan
from i2v_search.index.threads import threads_for
from i2v_search.index.vector_index import VectorIndex

SEVERAL = 4


@pytest.fixture(autouse=True)
def several_threads() -> Iterator[None]:
    """As on a machine of several cores, whatever this one has."""
    before = faiss.omp_get_max_threads()
    with threadpool_limits(SEVERAL):
        faiss.omp_set_num_threads(SEVERAL)
        yield
    faiss.omp_set_num_threads(before)


def blas_threads() -> set[int]:
    """Of the libraries that have threads of their own."""
    own = ThreadpoolController().select(threading_layer="pthreads")
    return {library["num_threads"] for library in own.info()}


pytestmark = pytest.mark.skipif(not blas_threads(), reason="NumPy's BLAS has no threads of its own here")


@pytest.mark.parametrize(("queries", "threads"), [(0, 1), (1, 1), (3, 3), (SEVERAL, SEVERAL), (100, SEVERAL)])
def test_faiss_has_at_most_a_thread_a_query(queries: int, threads: int) -> None:
    with threads_for(queries):
        assert faiss.omp_get_max_threads() == threads
        assert blas_threads() == {1}
    assert faiss.omp_get_max_threads() == SEVERAL
    assert blas_threads() == {SEVERAL}


def test_a_search_that_fails_gives_its_threads_back() -> None:
    with pytest.raises(ZeroDivisionError), threads_for(1):
        _ = 1 / 0
    assert faiss.omp_get_max_threads() == SEVERAL
    assert blas_threads() == {SEVERAL}


def test_searches_at_once_leave_the_threads_as_they_were() -> None:
    begun, first_over = Event(), Event()

    def longer() -> set[int]:
        with threads_for(1):
            begun.set()
            assert first_over.wait(120)
            return {faiss.omp_get_max_threads()}

    with ThreadPoolExecutor(1) as pool:
        with threads_for(2):
            waiting = pool.submit(longer)
            assert begun.wait(120)
            assert blas_threads() == {1}
            assert faiss.omp_get_max_threads() == 2
        assert blas_threads() == {SEVERAL}
        assert faiss.omp_get_max_threads() == SEVERAL
        first_over.set()
        assert waiting.result(120) == {1}
        assert blas_threads() == {SEVERAL}
        with threads_for(1):
            assert blas_threads() == {1}
    assert blas_threads() == {SEVERAL}


def test_searches_of_many_threads_leave_blas_as_it_was() -> None:
    def search(number: int) -> None:
        for _ in range(50):
            with threads_for(number):
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(search, range(8)))
    assert blas_threads() == {SEVERAL}


def test_an_index_searches_with_few_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path / "store", clustered_vectors(300, 40))
    index = VectorIndex.build(store, "cosine", IndexPlan("pca", 16, 20))
    seen: list[tuple[int, set[int]]] = []
    search = index.scanner.search

    def watched(*arguments: Any) -> Any:
        seen.append((faiss.omp_get_max_threads(), blas_threads()))
        return search(*arguments)

    monkeypatch.setattr(index.scanner, "search", watched)
    queries = index.similarity.embed_rows(store, store.live)
    one, several = index.search(queries[:1], 5), index.search(queries[:50], 5)
    assert seen == [(1, {1}), (SEVERAL, {1})]
    np.testing.assert_array_equal(one[1][0], several[1][0])
