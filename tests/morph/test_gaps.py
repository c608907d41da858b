"""The gaps of a graph, by trying each, and those of a collection as a user meets them."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy
from commands import run
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from i2v_search import Collection, gaps_picture
from i2v_search.errors import QueryError
from i2v_search.morph.graph.gaps import tree_gaps
from i2v_search.morph.graph.spanning import SpanningTree


def tree_of(squared: np.ndarray) -> SpanningTree:
    return SpanningTree.of(scipy.sparse.csr_array(np.asarray(squared, np.float32)))


def largest_hops(tree: SpanningTree, halved: int | None = None) -> dict[tuple[int, int], float]:
    """Of every pair that has a path, in radians; with a row halfway along the edge above the one given."""

    def way(row: int) -> dict[int, float]:
        """The rows above a row, and the largest hop on the way to each."""
        found, largest = {row: 0.0}, 0.0
        while tree.parent[row] >= 0:
            hop = 2 * math.asin(math.sqrt(float(tree.squared[row])) / 2)
            largest = max(largest, hop / 2 if row == halved else hop)
            row = int(tree.parent[row])
            found[row] = largest
        return found

    ways = [way(row) for row in range(len(tree.parent))]
    return {
        (a, b): min(max(ways[a][row], ways[b][row]) for row in ways[a].keys() & ways[b].keys())
        for a, b in combinations(range(len(ways)), 2)
        if ways[a].keys() & ways[b].keys()
    }


@settings(max_examples=60)
@given(st.data())
def test_each_gap_gains_what_a_row_halfway_gains(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    hop = st.sampled_from([0.0, 0.1, 0.11, 0.4, 0.4, 1.0, 2.5, 4.0])  # 0: no edge
    squared = np.zeros((count, count))
    for a, b in combinations(range(count), 2):
        squared[a, b] = squared[b, a] = data.draw(hop)
    tree = tree_of(squared)
    before = largest_hops(tree)
    gains = {}
    for row in np.flatnonzero(tree.parent >= 0).tolist():
        after = largest_hops(tree, row)
        gains[frozenset((row, int(tree.parent[row])))] = sum(before[pair] - after[pair] for pair in before)
    found = tree_gaps(tree, count)
    assert [gap.gain for gap in found] == sorted((gap.gain for gap in found), reverse=True)
    for gap in found:
        assert gap.sizes[0] <= gap.sizes[1]
        assert [near[0] for near in gap.near] == list(gap.ends)
        assert [len(set(near)) for near in gap.near] == list(gap.sizes)
        if len(set(tree.squared[tree.parent >= 0])) == np.count_nonzero(tree.parent >= 0):  # no two the same
            assert gap.gain == pytest.approx(gains[frozenset(gap.ends)])
    fewer = tree_gaps(tree, 2, smallest=2)
    assert fewer == [gap for gap in found if gap.sizes[0] >= 2][:2]


def test_what_was_taken_from_between_is_named_first() -> None:
    generator = np.random.default_rng(3)
    # Groups along an arc, 20 degrees apart, each of 12 rows a few degrees wide.
    turns = np.repeat(np.radians(np.arange(7) * 20.0), 12) + generator.normal(0, 0.03, 84)
    for hidden in range(1, 6):
        kept = np.repeat(np.arange(7), 12) != hidden
        rows = np.stack([np.cos(turns[kept]), np.sin(turns[kept])], axis=1)
        squared = np.maximum(2 - 2 * rows @ rows.T, 1e-9)
        np.fill_diagonal(squared, 0)
        groups = np.repeat(np.arange(7), 12)[kept]
        gap = tree_gaps(tree_of(squared), 1)[0]
        assert sorted(groups[list(gap.ends)]) == [hidden - 1, hidden + 1]


def test_a_tall_tree_needs_no_recursion() -> None:
    squared = np.linspace(0.1, 0.2, 3000, dtype=np.float32)
    row = scipy.sparse.diags_array([squared, squared], offsets=[-1, 1], shape=(3001, 3001)).tocsr()
    gap = tree_gaps(SpanningTree.of(row.astype(np.float32)), 1)[0]
    assert sum(gap.sizes) == max(gap.ends) + 1


def test_a_collection_says_what_it_lacks(sample_collection: Collection, tmp_path: Path) -> None:
    found = sample_collection.gaps(4)
    assert len(found) == 4
    for gap in found:
        assert sum(side.images for side in gap.sides) <= len(sample_collection)
        assert gap.share == pytest.approx(
            gap.sides[0].images * gap.sides[1].images / math.comb(len(sample_collection), 2)
        )
        assert [sample_collection.stored_path(side.ids[0]) for side in gap.sides] == [
            side.paths[0] for side in gap.sides
        ]
        # No walk over the graph between its two sides has a smaller hop.
        walk = sample_collection.morph(gap.sides[0].ids[0], gap.sides[1].ids[0], steps=3, method="minimax")
        assert walk.quality.bottleneck == pytest.approx(gap.hop, abs=1e-3)
    assert all(min(side.images for side in gap.sides) >= 3 for gap in sample_collection.gaps(5, smallest=3))
    done = run("gaps", "--top", "4", "--sheet", tmp_path / "gaps.png", "-c", sample_collection.directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("° between ") == 4
    with Image.open(tmp_path / "gaps.png") as picture:
        assert picture.height > 4 * 160
    as_json = json.loads(run("gaps", "--top", "4", "--json", "-c", sample_collection.directory).stdout)
    assert [gap["hop"] for gap in as_json] == [gap.hop for gap in found]


def test_nothing_and_nonsense(sample_collection: Collection) -> None:
    assert sample_collection.gaps(3, smallest=10_000) == ()
    assert tree_gaps(tree_of(np.zeros((1, 1))), 3) == tree_gaps(tree_of(np.zeros((4, 4))), 3) == []
    for options in ({"count": 0}, {"smallest": 0}):
        with pytest.raises(QueryError, match="at least 1"):
            sample_collection.gaps(**options)
    none = run("gaps", "--smallest", "9999", "-c", sample_collection.directory)
    assert (none.returncode, "smaller --smallest" in none.stdout) == (0, True)
    with pytest.raises(QueryError, match="no gap"):
        gaps_picture(sample_collection, ())
