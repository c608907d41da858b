"""Nearest neighbours among the rows of a feature store. FAISS is used in this package and nowhere else."""

from i2v_search.index.files import (
    current_index,
    is_current,
    load_index,
    remap_index,
    save_index,
    save_reduced,
    unindexed,
    verify_index,
)
from i2v_search.index.joining import joinable, neighbours_of_all
from i2v_search.index.measuring import Judge, choose_queries, tune
from i2v_search.index.scanners import Settings
from i2v_search.index.vector_index import Measured, VectorIndex

__all__ = [
    "Judge",
    "Measured",
    "Settings",
    "VectorIndex",
    "choose_queries",
    "current_index",
    "is_current",
    "joinable",
    "load_index",
    "neighbours_of_all",
    "remap_index",
    "save_index",
    "save_reduced",
    "tune",
    "unindexed",
    "verify_index",
]
