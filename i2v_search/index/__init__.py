"""Nearest neighbours among the rows of a feature store. FAISS is used in this package and nowhere else."""

from i2v_search.index.files import (
    current_index,
    is_current,
    load_index,
    load_space,
    remap_index,
    save_index,
    save_reduced,
    unindexed,
    verify_index,
)
from i2v_search.index.joining import joinable, neighbours_of_all
from i2v_search.index.measuring import Judge, choose_queries, tune
from i2v_search.index.scanners import Settings
from i2v_search.index.search_index import Conditions, SearchIndex
from i2v_search.index.vector_index import Measured, VectorIndex

__all__ = [
    "Conditions",
    "Judge",
    "Measured",
    "SearchIndex",
    "Settings",
    "VectorIndex",
    "choose_queries",
    "current_index",
    "is_current",
    "joinable",
    "load_index",
    "load_space",
    "neighbours_of_all",
    "remap_index",
    "save_index",
    "save_reduced",
    "tune",
    "unindexed",
    "verify_index",
]
