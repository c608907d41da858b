"""The index planner: tables of what is asked for and what is planned."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.index.planner import (
    CANDIDATES,
    CODED_ROWS,
    PCA_DIMENSIONS,
    UNINDEXED_ROWS,
    IndexOptions,
    PlannedKind,
    plan_index,
    plan_upkeep,
)

GB, MB = 10**9, 10**6


@pytest.mark.parametrize(
    ("rows", "dimension", "similarity", "kind", "planned", "dimensions"),
    [
        # auto: whole vectors as long as one scan of them is fast
        (0, 1280, "centred", "auto", "exact", 1280),
        (1, 1280, "centred", "auto", "exact", 1280),
        (690, 1280, "centred", "auto", "exact", 1280),
        (4096, 4096, "centred", "auto", "exact", 4096),
        # then principal components, as long as a scan of those is fast
        (4200, 4096, "centred", "auto", "pca", 256),
        (14_000, 1280, "cosine", "auto", "pca", 256),
        (14_000, 1280, "l2", "auto", "pca", 256),
        (100_000, 4096, "centred", "auto", "pca", 256),
        (250_000, 128, "centred", "auto", "pca", 128),
        # then lists
        (300_000, 4096, "centred", "auto", "pca", 256),
        (700_000, 4096, "centred", "auto", "ivf", 256),
        (1_000_000, 4096, "l2", "auto", "ivf", 256),
        (1_000_000, 64, "centred", "auto", "pca", 64),
        (100_000_000, 4096, "centred", "auto", "ivf", 256),
        # a named kind is followed where it makes sense
        (1_000_000, 4096, "centred", "exact", "exact", 4096),
        (1_000_000, 4096, "centred", "pca", "pca", 256),
        (1_000_000, 4096, "centred", "codes", "codes", 4096),
        (1_000_000, 4096, "centred", "hnsw", "hnsw", 256),
        (300, 4096, "centred", "ivf", "ivf", 256),
        (256, 4096, "centred", "pca", "exact", 4096),
        (100, 4096, "centred", "hnsw", "exact", 4096),
        (100, 4096, "centred", "codes", "codes", 4096),
        (1_000_000, 4096, "l2", "codes", "pca", 256),
        # codes are small: always scanned whole
        (1_000_000, 4096, "hamming", "auto", "exact", 4096),
        (1_000_000, 4096, "hamming", "pca", "exact", 4096),
        (1000, 20, "hamming", "auto", "exact", 20),
    ],
)
def test_plans(
    rows: int, dimension: int, similarity: SimilarityName, kind: IndexKind, planned: str, dimensions: int
) -> None:
    plan = plan_index(rows, dimension, similarity, kind=kind)
    assert (plan.kind, plan.dimensions) == (planned, dimensions)
    assert plan.candidates == (0 if planned == "exact" else CANDIDATES)
    assert plan.lists > 0 if planned == "ivf" else plan.lists == 0
    assert plan.refined == (planned == "ivf" or (planned == "pca" and rows >= CODED_ROWS))


@pytest.mark.parametrize(
    ("options", "planned", "refined", "shortfall"),
    [
        ({}, "ivf", True, ""),
        ({"memory_bytes": 2 * GB}, "ivf", True, ""),
        ({"memory_bytes": 640 * MB, "pca_dimensions": 64}, "pca", True, ""),
        ({"memory_bytes": 700 * MB}, "pca", True, ""),
        ({"memory_bytes": 700 * MB, "kind": "ivf"}, "ivf", False, ""),
        ({"memory_bytes": 600 * MB, "kind": "ivf"}, "ivf", False, "predicted build memory"),
        ({"memory_bytes": 300 * MB}, "pca", True, "exceeds the limit of 300 MB"),
        ({"latency_ms": 100}, "ivf", True, ""),
        ({"latency_ms": 2000}, "exact", False, ""),
        ({"latency_ms": 2000, "memory_bytes": 8 * GB}, "ivf", True, ""),
        ({"latency_ms": 0.1}, "ivf", True, "exceeds the 0.1 ms target"),
        ({"recall_target": 1.0}, "exact", False, "predicted search time 1"),
        ({"kind": "codes"}, "codes", False, "predicted search time 51"),
        ({"kind": "exact", "memory_bytes": GB}, "exact", False, "exceeds the limit of 1,000 MB"),
    ],
)
def test_wishes_for_a_million_rows(
    options: dict[str, Any], planned: str, refined: bool, shortfall: str
) -> None:
    plan = plan_index(1_000_000, 4096, "centred", **options)
    assert (plan.kind, plan.refined) == (planned, refined)
    assert shortfall in plan.shortfall
    assert bool(shortfall) == bool(plan.shortfall)


@pytest.mark.parametrize(
    ("rows", "similarity", "kind", "words"),
    [
        (500, "centred", "auto", "exact comparison takes 0."),
        (200, "centred", "auto", "200 rows: no other index is faster"),
        (500, "centred", "exact", "asked for"),
        (500, "centred", "pca", "asked for"),
        (500, "l2", "codes", "in place of codes: signs say nothing of lengths"),
        (100_000, "centred", "auto", "exact comparison would take 1,562 MiB per query"),
        (500, "hamming", "auto", "4096-bit codes are scanned in full"),
    ],
)
def test_a_plan_says_why(rows: int, similarity: SimilarityName, kind: IndexKind, words: str) -> None:
    assert words in plan_index(rows, 4096, similarity, kind=kind).reason


def test_a_plan_is_json_ready() -> None:
    plan = plan_index(100_000, 4096, "centred").to_dict()
    assert json.loads(json.dumps(plan)) == plan
    assert plan["dimensions"] == PCA_DIMENSIONS
    assert plan["predicted"]["build_seconds"] > 0


def test_bytes_of_a_million_rows_by_hand() -> None:
    components, positions = 4 * 256 * 4096, 8 * 10**6
    per_row = {"exact": 4 * 4096, "pca": 256 + 64 + 8, "codes": 512, "hnsw": 256 + 264}
    for kind, row in per_row.items():
        plan = plan_index(10**6, 4096, "centred", kind=kind)  # type: ignore[arg-type]
        learned = components if kind in {"pca", "hnsw"} else 0
        assert plan.predicted.memory_bytes == row * 10**6 + learned + positions
    ivf = plan_index(10**6, 4096, "centred", kind="ivf")
    centres, tables = 4 * 4096 * 256, 4096 * 128 * 16 * 4
    assert ivf.predicted.memory_bytes == (64 + 8 + 256) * 10**6 + centres + tables + components + positions


@given(
    rows=st.integers(0, 10**8),
    more=st.integers(0, 10**8),
    dimension=st.integers(1, 8192),
    similarity=st.sampled_from(get_args(SimilarityName)),
    kind=st.sampled_from(get_args(IndexKind)),
    memory=st.none() | st.integers(10**8, 10**12),
    latency=st.floats(0.1, 1000),
)
def test_every_plan_makes_sense(
    rows: int,
    more: int,
    dimension: int,
    similarity: SimilarityName,
    kind: IndexKind,
    memory: int | None,
    latency: float,
) -> None:
    options = IndexOptions(kind=kind, memory_bytes=memory, latency_ms=latency)
    plan = options.plan(rows, dimension, similarity)
    assert plan.dimensions <= dimension
    assert plan.kind in get_args(PlannedKind)
    assert plan.predicted.build_memory_bytes > plan.predicted.memory_bytes >= 0
    assert (not plan.shortfall) == (
        (memory is None or plan.predicted.build_memory_bytes <= memory) and plan.predicted.query_ms <= latency
    )
    larger = IndexOptions(kind=kind).plan(rows + more, dimension, similarity)
    if larger.kind == plan.kind and larger.refined == plan.refined:
        assert larger.predicted.memory_bytes >= plan.predicted.memory_bytes


@pytest.mark.parametrize(
    ("built", "trained", "indexed", "unindexed", "expected"),
    [
        ("pca", 100_000, 100_000, 0, "keep"),
        ("pca", 100_000, 100_000, UNINDEXED_ROWS, "keep"),
        ("pca", 100_000, 100_000, UNINDEXED_ROWS + 1, "extend"),
        ("pca", 100_000, 80_000, 10, "keep"),
        ("pca", 100_000, 74_000, 10, "rebuild"),
        ("pca", 100_000, 160_000, 50_000, "rebuild"),
        ("ivf", 100_000, 100_000, 1, "rebuild"),
        ("exact", 3000, 3000, 2000, "rebuild"),
        ("exact", 3000, 2999, 0, "rebuild"),
    ],
)
def test_upkeep(built: PlannedKind, trained: int, indexed: int, unindexed: int, expected: str) -> None:
    plan = plan_index(indexed + unindexed, 4096, "centred")
    assert plan_upkeep(built, trained, indexed, unindexed, plan) == expected
