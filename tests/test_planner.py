"""The index planner: one table of what is asked for and what is planned."""

import json

import pytest

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.planner import CANDIDATES, EXACT_BYTES, PCA_DIMENSIONS, plan_index

FITS = EXACT_BYTES // (4 * 1280)  # the most rows of 1,280 dimensions that a flat scan takes


@pytest.mark.parametrize(
    ("rows", "dimension", "similarity", "kind", "planned", "dimensions", "scanned_bytes"),
    [
        # auto: whole vectors as long as one scan of them is fast
        (0, 1280, "centred", "auto", "exact", 1280, 0),
        (1, 1280, "centred", "auto", "exact", 1280, 5120),
        (690, 1280, "centred", "auto", "exact", 1280, 690 * 5120),
        (FITS, 1280, "centred", "auto", "exact", 1280, FITS * 5120),
        (FITS + 1, 1280, "centred", "auto", "pca", 256, (FITS + 1) * 1024),
        (FITS + 1, 1280, "cosine", "auto", "pca", 256, (FITS + 1) * 1024),
        (FITS + 1, 1280, "l2", "auto", "pca", 256, (FITS + 1) * 1024),
        (4096, 4096, "centred", "auto", "exact", 4096, EXACT_BYTES),
        (4097, 4096, "centred", "auto", "pca", 256, 4097 * 1024),
        (100_000, 4096, "centred", "auto", "pca", 256, 102_400_000),
        # nothing to gain from principal components
        (1_000_000, 256, "centred", "auto", "exact", 256, 1_024_000_000),
        (1_000_000, 257, "centred", "auto", "pca", 256, 1_024_000_000),
        (1_000_000, 64, "l2", "pca", "exact", 64, 256_000_000),
        # a named kind is followed where it makes sense
        (1_000_000, 4096, "centred", "exact", "exact", 4096, 16_384_000_000),
        (256, 4096, "centred", "pca", "exact", 4096, 4_194_304),
        (257, 4096, "centred", "pca", "pca", 256, 263_168),
        # codes are small: always scanned whole
        (1_000_000, 4096, "hamming", "auto", "exact", 4096, 512_000_000),
        (1_000_000, 4096, "hamming", "pca", "exact", 4096, 512_000_000),
        (1000, 20, "hamming", "auto", "exact", 20, 3000),
    ],
)
def test_plans(
    rows: int,
    dimension: int,
    similarity: SimilarityName,
    kind: IndexKind,
    planned: str,
    dimensions: int,
    scanned_bytes: int,
) -> None:
    plan = plan_index(rows, dimension, similarity, kind=kind)
    assert (plan.kind, plan.dimensions, plan.scanned_bytes) == (planned, dimensions, scanned_bytes)
    assert plan.candidates == (CANDIDATES if planned == "pca" else 0)


@pytest.mark.parametrize(
    ("rows", "dimension", "similarity", "kind", "words"),
    [
        (500, 1280, "centred", "auto", "all vectors fit 64 MiB"),
        (500, 64, "centred", "auto", "500 rows of 64 dimensions: nothing to gain"),
        (500, 1280, "centred", "exact", "asked for"),
        (500, 1280, "centred", "pca", "asked for"),
        (100_000, 4096, "centred", "auto", "all vectors would take 1562 MiB a query"),
        (500, 1280, "hamming", "auto", "1280-bit codes are scanned whole"),
    ],
)
def test_a_plan_says_why(
    rows: int, dimension: int, similarity: SimilarityName, kind: IndexKind, words: str
) -> None:
    assert words in plan_index(rows, dimension, similarity, kind=kind).reason


def test_a_plan_is_json_ready() -> None:
    plan = plan_index(100_000, 4096, "centred").to_dict()
    assert json.loads(json.dumps(plan)) == plan
    assert plan["dimensions"] == PCA_DIMENSIONS
