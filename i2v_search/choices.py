"""The words users choose from, in Python, on the command line and in recipes."""

from typing import Literal, TypeAlias

#: How two vectors are compared: `i2v_search.similarity`.
SimilarityName: TypeAlias = Literal["centred", "cosine", "l2", "hamming"]
#: How neighbours are found: `i2v_search.planner`.
IndexKind: TypeAlias = Literal["auto", "exact", "pca"]
#: How a morph is found: `i2v_search.morph`.
MorphMethod: TypeAlias = Literal["geodesic", "line"]
#: Where an encoder runs: `i2v_search.encoders`.
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
