"""Rankings by brute force: the best k, two scores mixed, pages, and diversity."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.search.ranking import Layout, Rank, Ranking, best, diversify, lay_out, lower, mix

Scores = list[float]

#: Few different values: ties are what goes wrong.
scores = st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=40)


def in_order(values: NDArray[np.float32]) -> list[int]:
    """Positions by falling score, equal ones by position."""
    return sorted(range(len(values)), key=lambda position: (-values[position], position))


def rank_of(values: Scores, asked: list[int] | None = None) -> Rank:
    """An exact ranking of positions 0, 1, 2...; notes the depths it was asked for."""
    array = np.array(values, np.float32)

    def rank(k: int) -> Ranking:
        if asked is not None:
            asked.append(k)
        positions = np.array(in_order(array)[:k], np.int64)
        return Ranking(array[positions], positions)

    return rank


# --- the best


@given(scores, st.integers(0, 50), st.randoms())
def test_the_best_are_the_highest_and_ties_go_by_position(values: Scores, k: int, random: object) -> None:
    shuffled = np.array(values, np.float32), np.arange(len(values))
    order = np.random.default_rng(0).permutation(len(values))
    found = best(shuffled[0][order], shuffled[1][order], k)
    assert found.positions.tolist() == in_order(np.array(values, np.float32))[:k]
    assert found.scores.tolist() == np.array(values, np.float32)[found.positions].tolist()


# --- two scores mixed


def mixed(first: Scores, second: Scores, weight: float) -> NDArray[np.float32]:
    shares = np.float32(1 - weight), np.float32(weight)
    return shares[0] * np.array(first, np.float32) + shares[1] * np.array(second, np.float32)


def mix_of(first: Scores, second: Scores, weight: float, asked: list[int] | None = None) -> Rank:
    array = np.array(first, np.float32)
    by_second = Ranking(np.array(second, np.float32), np.arange(len(second)))
    return mix(rank_of(first, asked), lambda rows: array[rows], by_second, weight)


@pytest.mark.integration
@pytest.mark.parametrize("depth", [1, 3])
@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])] * 2), min_size=1, max_size=40), st.data()
)
@settings(max_examples=150)
def test_a_mix_is_what_scoring_every_row_by_both_gives(
    depth: int, pairs: list[tuple[float, float]], data: st.DataObject
) -> None:
    first, second = ([pair[number] for pair in pairs] for number in (0, 1))
    weight, k = data.draw(st.sampled_from([0.01, 0.3, 0.5, 1.0])), data.draw(st.integers(1, 45))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2v_search.search.ranking.FIRST_DEPTH", depth)
        found = mix_of(first, second, weight)(k)
    truth = mixed(first, second, weight)
    assert found.positions.tolist() == in_order(truth)[:k]
    np.testing.assert_array_equal(found.scores, truth[found.positions])


def test_a_mix_reads_only_the_front_of_both_rankings() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.random((2, 20_000)).tolist()
    asked: list[int] = []
    mix_of(first, second, 0.5, asked)(10)
    assert max(asked) < 2_000


def test_a_mix_of_nothing_is_empty() -> None:
    nothing = Ranking(np.empty(0, np.float32), np.empty(0, np.int64))
    found = mix(lambda _: nothing, lambda rows: np.zeros(len(rows), np.float32), nothing, 0.5)(10)
    assert found.positions.tolist() == []


def test_a_mix_reads_on_where_a_row_not_met_may_share_the_score_and_come_first() -> None:
    # To depth 64 neither ranking meets row 128, which scores as much as row 129 and has the lower position.
    first = [0.5] * 64 + [0.0] * 64 + [0.5, 1.0]
    second = [0.0] * 64 + [0.5] * 64 + [0.5, 0.0]
    assert mix_of(first, second, 0.5)(1).positions.tolist() == [128]


# --- scores lowered by penalties


def lowered(first: Scores, paid: Scores, asked: list[int] | None = None) -> Rank:
    array = np.array(paid, np.float32)
    return lower(rank_of(first, asked), lambda rows: array[rows], len(first), least=np.float32(-1))


@pytest.mark.integration
@pytest.mark.parametrize("depth", [1, 3])
@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.4, 1.0, 50.0])),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 45),
)
@settings(max_examples=150)
def test_lowered_scores_rank_as_if_every_penalty_were_taken(
    depth: int, pairs: list[tuple[float, float]], k: int
) -> None:
    first, paid = ([pair[number] for pair in pairs] for number in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2v_search.search.ranking.FIRST_DEPTH", depth)
        found = lowered(first, paid)(k)
    truth = np.maximum(np.array(first, np.float32) - np.array(paid, np.float32), np.float32(-1))
    assert found.positions.tolist() == in_order(truth)[:k]
    np.testing.assert_array_equal(found.scores, truth[found.positions])


def test_penalties_are_taken_of_the_front_only_and_further_where_it_pays_them() -> None:
    first = np.random.default_rng(1).random(20_000).tolist()
    asked: list[int] = []
    lowered(first, [0.0] * 20_000, asked)(10)
    assert asked == [64]
    best_first = in_order(np.array(first, np.float32))
    paid = [0.0] * 20_000
    for row in best_first[:300]:
        paid[row] = 1.0
    assert lowered(first, paid, asked)(10).positions.tolist() == best_first[300:310]
    assert asked[-1] == 512


def test_to_lower_reads_on_where_a_row_not_met_may_share_the_score_and_come_first() -> None:
    first, paid = [0.5] * 65 + [1.0], [0.1] * 64 + [0.0, 0.5]
    # To depth 64 only rows 65 and 0 to 62 are met; row 64 scores as much as row 65.
    assert lowered(first, paid)(1).positions.tolist() == [64]


def test_lowered_scores_of_nothing_are_nothing() -> None:
    nothing = Ranking(np.empty(0, np.float32), np.empty(0, np.int64))
    rank = lower(lambda _: nothing, lambda rows: np.zeros(len(rows), np.float32), 0, least=np.float32(-1))
    assert rank(10).positions.tolist() == []


# --- pages


def pages(rank: Rank, total: int, size: int, min_score: float = -np.inf) -> list[list[int]]:
    """Every page, each asked for by itself, until there is no more."""
    found: list[list[int]] = []
    while True:
        first, last = len(found) * size, (len(found) + 1) * size
        layout = lay_out(rank, total, size=size, count=last, min_score=min_score)
        found.append(layout.positions[first:last].tolist())
        if layout.complete and len(layout.positions) <= last:
            return found


@given(scores, st.integers(1, 15))
def test_the_pages_of_an_exact_ranking_are_the_plain_order(values: Scores, size: int) -> None:
    order = in_order(np.array(values, np.float32))
    assert pages(rank_of(values), len(values), size) == [
        order[start : start + size] for start in range(0, len(order), size)
    ]


@given(scores, st.integers(1, 15), st.sampled_from([-0.5, 0.1, 0.5, 1.0, 2.0]))
def test_pages_end_where_the_scores_fall_below_the_least(values: Scores, size: int, least: float) -> None:
    order = [place for place in in_order(np.array(values, np.float32)) if values[place] >= least]
    found = pages(rank_of(values), len(values), size, least)
    assert [row for page in found for row in page] == order
    assert all(page for page in found[1:]), "a page that was announced is not empty"


@given(scores, st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_no_page_of_an_approximate_ranking_repeats_or_skips(values: Scores, size: int, seed: int) -> None:
    """It misses other rows at every depth, but always the same at the same."""
    array = np.array(values, np.float32)

    def rank(k: int) -> Ranking:
        chosen = np.arange(len(array))
        if k < len(array):
            chosen = np.random.default_rng([seed, k]).permutation(len(array))[:k]
        return best(array[chosen], chosen, k)

    found = pages(rank, len(values), size)
    assert sorted(row for page in found for row in page) == list(range(len(values)))
    assert all(len(page) == size for page in found[:-1])


def test_the_first_page_costs_one_search_of_its_size() -> None:
    asked: list[int] = []
    lay_out(rank_of([0.5] * 100, asked), 100, size=10, count=10)
    assert asked == [10]


# --- diversity


def layout_of(values: NDArray[np.float32]) -> Layout:
    order = np.array(in_order(values), np.int64)
    return Layout(values[order], order, complete=True)


def comparing(vectors: NDArray[np.float32]) -> Callable[[NDArray[np.int64], int], NDArray[np.float32]]:
    return lambda places, count: vectors[places] @ vectors[:count].T


@given(st.integers(1, 12), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_each_is_the_best_trade_off_by_brute_force(count: int, seed: int, trade_off: float) -> None:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(count, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    layout = layout_of(generator.random(count).astype(np.float32))
    found = diversify(layout, comparing(vectors), trade_off, size=count, pool=count, count=count)
    places = {position: place for place, position in enumerate(layout.positions.tolist())}
    chosen = [places[position] for position in found.positions.tolist()]
    assert chosen[0] == 0, "the first is the most relevant one"
    assert sorted(chosen) == list(range(count))
    for number in range(1, count):
        left = [place for place in range(count) if place not in chosen[:number]]
        value = {
            place: trade_off * layout.scores[place]
            - (1 - trade_off) * max(float(vectors[place] @ vectors[other]) for other in chosen[:number])
            for place in left
        }
        assert value[chosen[number]] == pytest.approx(max(value.values()), abs=1e-5)


def test_a_copy_comes_after_what_is_new() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    layout = layout_of(np.array([0.9, 0.89, 0.5], np.float32))
    found = diversify(layout, comparing(vectors), 0.5, size=3, pool=3, count=3)
    assert found.positions.tolist() == [0, 2, 1]
    assert found.scores.tolist() == layout.scores[[0, 2, 1]].tolist()


@given(st.integers(0, 1000), st.sampled_from([0.3, 0.7, 1.0]))
@settings(max_examples=30)
def test_what_a_page_shows_does_not_depend_on_the_pages_behind_it(seed: int, trade_off: float) -> None:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(60, 3)).astype(np.float32)
    whole = layout_of(generator.random(60).astype(np.float32))

    def chosen(count: int, known: int) -> list[int]:
        front = Layout(whole.scores[:known], whole.positions[:known], complete=known == 60)
        found = diversify(front, comparing(vectors), trade_off, size=5, pool=20, count=count)
        return [int(position) for position in found.positions]

    assert chosen(10, 40) == chosen(15, 60)[:10]
    assert chosen(5, 20) == chosen(10, 40)[:5]
