"""Morphs over unit rows: the k-NN graph, the methods that find a path, and the numbers that judge it."""

from i2v_search.morph.graph import Bridge, KnnGraph, Network, build_graph, connect, symmetric_csr
from i2v_search.morph.neighbours import nearest
from i2v_search.morph.paths import METHODS, Method, geodesic, line
from i2v_search.morph.quality import MorphQuality, measure
from i2v_search.morph.rows import ArrayRows, Rows, Search
from i2v_search.morph.space import End, MorphPath, MorphSpace

__all__ = [
    "METHODS",
    "ArrayRows",
    "Bridge",
    "End",
    "KnnGraph",
    "Method",
    "MorphPath",
    "MorphQuality",
    "MorphSpace",
    "Network",
    "Rows",
    "Search",
    "build_graph",
    "connect",
    "geodesic",
    "line",
    "measure",
    "nearest",
    "symmetric_csr",
]
