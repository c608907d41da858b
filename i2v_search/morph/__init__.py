"""Morphs over unit rows: the k-NN graph, the methods that find a path, and the numbers that judge it."""
