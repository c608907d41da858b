"""The learned code: what belongs together, the loss as a formula, and planted groups that must be found."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from i2v_search.progress import Progress
from i2v_search.tags.vocabulary import Tag
from i2v_search.training.datasets.dataset import Dataset, Picture
from scripts.lite.code import (
    COMMONEST,
    INITIAL_SPREAD,
    OF_A_GROUP,
    RAREST,
    CodeSettings,
    Related,
    _batch,
    _loss,
    _members,
    belonging,
    learn_code,
    relate,
)

FEW = CodeSettings(units=12, steps=120, batch=64, learning_rate=0.02)


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def related(
    groups: list[int], labels: list[int], tags: list[list[float]], width: int = 3, seed: int = 0
) -> Related:
    random = np.random.default_rng(seed)
    versions = [random.normal(size=(len(groups), width)).astype(np.float32) for _ in range(2)]
    return Related(versions, np.array(groups), np.array(labels), unit(np.array(tags, np.float32)))


# --- who belongs to whom


def test_belonging_by_hand() -> None:
    """Pictures 0 and 1 are of one group, 1 and 2 of one label, 0 and 2 share half of their tags."""
    few = related([0, 0, 1, 2], [0, 1, 1, 2], [[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]])
    worth = CodeSettings(same_picture=1, same_group=0.8, same_label=0.3, shared_tags=0.5)
    found = belonging(few, np.array([0, 1, 2, 3, 0]), worth)
    shared = 0.5 * (1 / math.sqrt(2)) ** 2
    both = 1 + 0.8 + 0.3 + 0.5  # the same picture is of the same group and label, and has the same tags
    degrees = np.array(
        [
            [0, 0.8, shared, 0, both],
            [0.8, 0, 0.3, 0, 0.8],
            [shared, 0.3, 0, 0, shared],
            [0, 0, 0, 0, 0],
            [both, 0.8, shared, 0, 0],
        ]
    )
    sums = degrees.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, degrees / np.where(sums == 0, 1, sums), rtol=1e-6)
    assert found.dtype == np.float32


@settings(max_examples=60)
@given(
    st.integers(0, 2**31),
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.tuples(*[st.floats(0.01, 2) | st.just(0.0)] * 4),
)
def test_rows_sum_to_one_or_nothing_and_degrees_are_symmetric(
    seed: int, rows: list[int], worth: tuple[float, float, float, float]
) -> None:
    random = np.random.default_rng(seed)
    ten = related(
        random.integers(0, 4, 10).tolist(),
        random.integers(-1, 3, 10).tolist(),
        (random.random((10, 5)) * (random.random((10, 5)) < 0.4)).tolist(),
    )
    picture, group, label, tags = worth
    chosen = CodeSettings(same_picture=picture, same_group=group, same_label=label, shared_tags=tags)
    found = belonging(ten, np.array(rows), chosen)
    assert found.shape == (len(rows), len(rows))
    assert (found >= 0).all()
    assert not found.diagonal().any()
    sums = found.sum(axis=1)
    assert all(total == 0 or total == pytest.approx(1, abs=1e-5) for total in sums.tolist())
    # Degrees are symmetric before every row is divided by its sum: what is positive is so both ways, and
    # going round three pictures multiplies to the same in either direction.
    assert ((found > 0) == (found.T > 0)).all()
    for i, j, k in random.integers(0, len(rows), (20, 3)).tolist():
        there, back = found[i, j] * found[j, k] * found[k, i], found[i, k] * found[k, j] * found[j, i]
        assert there == pytest.approx(back, rel=1e-4, abs=1e-12)


def test_a_picture_that_belongs_to_no_other_has_a_row_of_nothing() -> None:
    alone = related([0, 1, 2], [0, 1, 2], [[1, 0], [0, 1], [0, 0]])
    assert not belonging(alone, np.array([0, 1, 2]), CodeSettings()).any()
    assert belonging(alone, np.array([0, 1, 1]), CodeSettings()).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_pictures_without_a_label_have_no_label_in_common() -> None:
    nobody = related([0, 1, 2, 3], [-1, -1, 0, 0], [[0.0]] * 4)
    found = belonging(nobody, np.arange(4), CodeSettings())
    assert found.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]


# --- from a data set


def picture(number: int, tags: tuple[str, ...], label: str, group: str) -> Picture:
    named = tuple(Tag(name) for name in tags)
    return Picture(f"{number}.png", named, frozenset(), label, group, "", "")


def test_pictures_are_related_by_group_label_and_rare_tags() -> None:
    """Tags weigh log(n / pictures that have them); too rare and too common ones nothing."""
    count = 40
    tags = [
        ("all", *(["half"] if n < COMMONEST * count else []), *(["fifth"] if n % 5 == 0 else []))
        for n in range(count)
    ]
    tags = [(*names, *(["rare"] if n < RAREST - 1 else [])) for n, names in enumerate(tags)]
    pictures = [
        picture(n, names, "ab"[n % 2] if n else "", f"group {n // 3}") for n, names in enumerate(tags)
    ]
    dataset = Dataset(Path(), tuple(pictures), "drawings")
    rows = np.arange(count)[::-1].copy()
    versions = [np.zeros((count, 4), np.float32)] * 2
    found = relate(dataset, rows, versions)
    assert found.versions is versions
    assert found.groups.dtype == found.labels.dtype == np.int64
    groups, labels, weights = found.groups[::-1], found.labels[::-1], found.tags[::-1]
    triples = np.arange(count) // 3
    assert ((groups[:, None] == groups) == (triples[:, None] == triples)).all()
    assert labels[0] == -1
    assert len(set(labels[1::2].tolist())) == len(set(labels[2::2].tolist())) == 1
    assert labels[2] != labels[1] >= 0
    assert weights.shape == (count, 2)  # "fifth", "half"
    both = np.array([math.log(count / (count / 5)), math.log(1 / COMMONEST)])
    np.testing.assert_allclose(weights[0], both / np.linalg.norm(both), rtol=1e-6)
    assert weights[1].tolist() == [0, 1]
    assert weights[25].tolist() == [1, 0]
    assert weights[39].tolist() == [0, 0]


def test_only_the_chosen_rows_count() -> None:
    pictures = tuple(picture(n, ("hat",) if n < 8 else (), "", str(n)) for n in range(30))
    dataset = Dataset(Path(), pictures, "drawings")
    found = relate(dataset, np.array([0, 1, 2, 3, 20, 21]), [np.zeros((6, 2), np.float32)] * 2)
    assert len(found.groups) == 6
    assert not found.tags.any()  # of six pictures, four are too few for a tag


@settings(max_examples=60)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 20), st.integers(0, 99))
def test_a_batch_is_of_different_pictures_and_few_of_each_group(
    numbers: list[int], size: int, seed: int
) -> None:
    groups = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    rows = _batch(_members(groups), size, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == len(rows) <= size
    counts = np.bincount(groups[rows])
    assert counts.max() <= OF_A_GROUP
    assert len(rows) == min(size, np.minimum(np.bincount(groups), OF_A_GROUP).sum())


# --- the loss


def numpy_loss(code: NDArray[np.float64], wanted: NDArray[np.float64], temperature: float) -> float:
    """Cross-entropy of the wanted shares and the softmax of the cosines with all other pictures."""
    units = code / np.linalg.norm(code, axis=1, keepdims=True)
    total = 0.0
    for row in range(len(code)):
        others = [other for other in range(len(code)) if other != row]
        exponents = np.array([units[row] @ units[other] / temperature for other in others])
        total -= wanted[row, others] @ (exponents - np.log(np.exp(exponents).sum()))
    return total / len(code)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_the_loss_is_the_cross_entropy_of_the_formula(temperature: float) -> None:
    random = np.random.default_rng(0)
    code = random.normal(size=(9, 5))
    wanted = random.random((9, 9)) * (random.random((9, 9)) < 0.5)
    np.fill_diagonal(wanted, 0)
    wanted[3] = 0
    wanted /= np.maximum(wanted.sum(axis=1, keepdims=True), 1e-12)
    found = float(_loss(torch.from_numpy(code), wanted.astype(np.float32).astype(np.float64), temperature))
    assert found == pytest.approx(numpy_loss(code, wanted, temperature), rel=1e-6)


def test_the_first_loss_that_is_reported_is_that_of_the_first_weights() -> None:
    """With one update, the values of the batch are those of the directions drawn at first."""
    settings = CodeSettings(units=3, steps=1, batch=200, seed=5)
    few = related([0, 0, 1, 1, 2], [0, 0, 0, 1, 1], [[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 2, width=4)
    said: list[Progress] = []
    learn_code([few], settings, said.append)
    # The batch holds every picture in both versions, in an order that the loss does not depend on.
    torch.manual_seed(5)
    torch.nn.Linear(4, 3)
    directions = np.linalg.qr(torch.randn(3, 4).numpy().T.astype(np.float64))[0].T
    directions *= INITIAL_SPREAD / (few.versions[0] @ directions.T).std(ddof=1)
    values = np.concatenate(few.versions).astype(np.float64)
    code = 1 / (1 + np.exp(-values @ directions.T)) - 0.5
    wanted = belonging(few, np.tile(np.arange(5), 2), settings).astype(np.float64)
    expected = numpy_loss(code, wanted, settings.temperature)
    assert (said[0].done, said[0].total) == (1, 1)
    assert f"loss {expected:.3f}" == said[0].note


# --- learning


def planted(seed: int = 0, count: int = 48) -> Related:
    """Groups of four that differ in three of twenty directions only, under louder noise in the others."""
    random = np.random.default_rng(seed)
    groups = np.arange(count) // 4
    signal = random.normal(size=(count // 4, 3))[groups]

    def version() -> NDArray[np.float32]:
        noise = random.normal(0, 2, (count, 20))
        noise[:, :3] = signal + random.normal(0, 0.15, (count, 3))
        return noise.astype(np.float32)

    # A label each, no tags: only pictures and groups relate.
    return Related([version() for _ in range(3)], groups, np.arange(count), np.zeros((count, 1), np.float32))


def margin(weight: NDArray[np.float32], bias: NDArray[np.float32], seen: Related) -> float:
    """Mean cosine within the groups less that between them."""
    code = unit(1 / (1 + np.exp(-seen.versions[0] @ weight.T - bias)) - 0.5)
    same = (seen.groups[:, None] == seen.groups) & ~np.eye(len(code), dtype=bool)
    cosines = code @ code.T
    return float(cosines[same].mean() - cosines[seen.groups[:, None] != seen.groups].mean())


def test_planted_groups_are_found_and_those_never_seen_too() -> None:
    before = learn_code([planted()], CodeSettings(units=12, steps=0))
    said: list[Progress] = []
    after = learn_code([planted()], FEW, said.append)
    assert after[0].shape == (12, 20)
    assert after[1].shape == (12,)
    assert after[0].dtype == after[1].dtype == np.float32
    for seen in (planted(), planted(seed=1)):
        assert margin(*before, seen) < 0.2
        assert margin(*after, seen) > 0.5
    assert [progress.done for progress in said] == list(range(1, 121))


@pytest.mark.parametrize("units", [3, 20, 33])
def test_the_first_directions_spread_the_values_alike(units: int) -> None:
    """At right angles as far as there are as many as dimensions."""
    seen = planted()
    weight, bias = learn_code([seen], CodeSettings(units=units, steps=0))
    assert (seen.versions[0] @ weight.T).std() == pytest.approx(INITIAL_SPREAD, rel=0.01)
    assert not bias.any()
    if units <= 20:
        np.testing.assert_allclose(unit(weight) @ unit(weight).T, np.eye(units), atol=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_others() -> None:
    def learn(seed: int) -> bytes:
        settings = CodeSettings(units=8, steps=6, batch=16, seed=seed)
        weight, bias = learn_code([planted(), planted(1)], settings)
        return weight.tobytes() + bias.tobytes()

    assert learn(0) == learn(0)
    assert learn(0) != learn(1)


def test_every_set_is_learned_from() -> None:
    """Two sets, each in directions of its own, in which the other has nothing."""
    sets = []
    for number in range(2):
        own = planted(number)
        places = [(0, 0), (20 * number, 20 - 20 * number)]
        versions = [np.pad(version, places) for version in own.versions]
        sets.append(Related(versions, own.groups, own.labels, own.tags))
    before, after = learn_code(sets, CodeSettings(units=12, steps=0)), learn_code(sets, FEW)
    for seen in sets:
        assert margin(*after, seen) > margin(*before, seen) + 0.3
