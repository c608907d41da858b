"""Morphs over unit rows: the k-NN graph, the methods that find a path, and the numbers that judge it."""

from i2v_search.morph.bridging import connect
from i2v_search.morph.gradual import gradual
from i2v_search.morph.graph import Bridge, Network
from i2v_search.morph.growth import follow
from i2v_search.morph.judging import GraphFacts, graph_facts, least_largest_hop
from i2v_search.morph.knn import KnnGraph, build_graph, symmetric_csr
from i2v_search.morph.neighbours import nearest
from i2v_search.morph.paths import METHODS, Method, geodesic, line, minimax
from i2v_search.morph.quality import MorphQuality, measure, order_along, progress_along
from i2v_search.morph.route import route
from i2v_search.morph.rows import ArrayRows, Rows, Search
from i2v_search.morph.space import End, MorphPath, MorphSpace, TaskEnd
from i2v_search.morph.spanning import SpanningTree

__all__ = [
    "METHODS",
    "ArrayRows",
    "Bridge",
    "End",
    "GraphFacts",
    "KnnGraph",
    "Method",
    "MorphPath",
    "MorphQuality",
    "MorphSpace",
    "Network",
    "Rows",
    "Search",
    "SpanningTree",
    "TaskEnd",
    "build_graph",
    "connect",
    "follow",
    "geodesic",
    "gradual",
    "graph_facts",
    "least_largest_hop",
    "line",
    "measure",
    "minimax",
    "nearest",
    "order_along",
    "progress_along",
    "route",
    "symmetric_csr",
]
