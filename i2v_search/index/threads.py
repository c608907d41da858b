"""Threads of a search: NumPy's and FAISS's pools do not wait for each other's idle threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import faiss
from threadpoolctl import ThreadpoolController

#: Held by the search that limits BLAS: what it sets is the whole process's, and only it may set that back.
_limiting = Lock()


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """Let FAISS use at most a thread a query, and NumPy's BLAS one.

    FAISS divides its work by queries: for one, all threads but the first only wait. Threads that wait spin,
    in FAISS's pool as in that of OpenBLAS, and a pool whose cores are taken by the other one's spinning
    threads is as slow as the scheduler: milliseconds for a product that takes a twentieth of one.

    FAISS's number belongs to the thread that sets it. That of BLAS belongs to the process: of several
    searches at once the first limits it, until it ends. A BLAS that uses OpenMP follows FAISS's number.

    Args:
        queries: number of queries of the search.

    Example:
        >>> import faiss, numpy as np
        >>> index = faiss.IndexFlatIP(2)
        >>> index.add(np.eye(2, dtype=np.float32))
        >>> with threads_for(queries=1):
        ...     faiss.omp_get_max_threads(), index.search(np.eye(2, dtype=np.float32)[:1], 1)[1].tolist()
        (1, [[0]])
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, min(queries, before)))
    try:
        with _one_blas_thread():
            yield
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _blas().limit(limits=1):
            yield
    finally:
        _limiting.release()


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries that have a thread pool of their own."""
    return ThreadpoolController().select(threading_layer="pthreads")
