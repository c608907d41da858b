"""What training on a million pictures needs: pairs without squares, few booleans, related tags."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.errors import TagError, TrainingError
from i2v_search.images import close_pairs as close_pairs_module
from i2v_search.images.close_pairs import close_pairs
from i2v_search.tags.vocabulary import Tag, Vocabulary
from i2v_search.training.datasets import splitting
from i2v_search.training.datasets.dataset import Dataset, Picture, choose_vocabulary, targets
from i2v_search.training.datasets.sparse_targets import SparseTargets
from i2v_search.training.datasets.splitting import split
from i2v_search.training.datasets.tag_relations import read_pairs, relate_tags
from i2v_search.training.optimizers import schedule
from i2v_search.training.report import count_left_out, warnings_of
from i2v_search.training.settings import TrainingSettings


def picture(path: str, *names: str, unknown: frozenset[str] = frozenset()) -> Picture:
    return Picture(path, tuple(Tag(name) for name in names), unknown, "", path, "", "")


def made(*pictures: Picture) -> Dataset:
    return Dataset(Path("nowhere"), pictures, "set")


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32 - 1),
    flat=st.integers(1, 12),
    least=st.sampled_from([0.7, 0.9, 0.985]),
    block=st.sampled_from([3, 64]),
)
def test_close_pairs_are_those_that_brute_force_finds(seed: int, flat: int, least: float, block: int) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(150, flat)) @ chance.normal(size=(flat, 80))
    rows = np.concatenate([rows, rows[:60] + chance.normal(size=(60, 80)) * chance.uniform(0, 1, (60, 1))])
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    products = unit.astype(np.float64) @ unit.T
    sure = {tuple(pair) for pair in np.argwhere(np.triu(products >= least + 1e-5, 1)).tolist()}
    maybe = {tuple(pair) for pair in np.argwhere(np.triu(products >= least - 1e-5, 1)).tolist()}
    with pytest.MonkeyPatch.context() as patch:
        for few, many in ((0, 10**9), (0, 0), (10**9, 0)):
            patch.setattr(close_pairs_module, "FEW_ROWS", few)
            patch.setattr(close_pairs_module, "_MANY_ROWS", many)
            patch.setattr(close_pairs_module, "_BLOCK", block)
            found = [pair for one, two, _ in close_pairs(unit, least) for pair in zip(one, two, strict=True)]
            assert len(found) == len(set(found))
            assert sure <= set(found) <= maybe


names = st.sampled_from(["hat", "cat", "sun", "sea"])
pictures = st.lists(
    st.builds(
        lambda tags, unknown: picture("p", *sorted(tags), unknown=frozenset(unknown - tags)),
        st.sets(names),
        st.sets(names),
    ),
    max_size=6,
)


@given(st.lists(pictures, max_size=3), st.data())
def test_sparse_targets_say_what_the_tables_say(sets: list[list[Picture]], data: st.DataObject) -> None:
    vocabulary = Vocabulary(("hat", "cat", "sun"), ("general", "general", "character"))
    datasets = [made(*one) for one in sets]
    tables, sparse = targets(datasets, vocabulary), SparseTargets.read(datasets, vocabulary)
    count = sum(map(len, datasets))
    rows = np.array(data.draw(st.lists(st.integers(0, count - 1)) if count else st.just([])), np.int64)
    assert np.array_equal(sparse.of(rows).positive, tables.positive[rows])
    assert np.array_equal(sparse.of(rows).known, tables.known[rows])
    for ours, theirs in zip(sparse.counts(rows), tables.counts(rows), strict=True):
        assert np.array_equal(ours, theirs)
    assert sparse.tags == tables.tags == 3


def test_a_split_without_comparing_opens_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made(*(picture(f"{number}.png") for number in range(40)))
    monkeypatch.setattr(splitting, "fingerprints", lambda *_, **__: pytest.fail("a picture was opened"))
    found = split([dataset], validation=0.25, compare=False)
    assert sorted([*found.training, *found.validation]) == list(range(40))
    assert len(found.validation) == 10


def test_the_most_frequent_tags_are_learned_if_they_are_limited() -> None:
    dataset = made(picture("a", "x", "y", "z"), picture("b", "x", "y"), picture("c", "x", "w"), picture("d"))
    assert choose_vocabulary([dataset], minimum=1, most=2).names == ("x", "y")
    assert count_left_out([dataset], choose_vocabulary([dataset], minimum=2)) == {"rare tags": 2}


@pytest.mark.parametrize(
    "text",
    [
        "kitty,cat\nKitty_Cat,kitty\n",
        "id,antecedent_name,consequent_name,status\n1,kitty,cat,active\n2,kitty_cat,kitty,active\n3,cat,dog,deleted\n",
        "".join(
            json.dumps({"antecedent_name": one, "consequent_name": other, "status": status}) + "\n"
            for one, other, status in (
                ("kitty", "cat", "active"),
                ("kitty_cat", "kitty", "active"),
                ("cat", "dog", "retired"),
            )
        ),
    ],
    ids=["two columns", "Danbooru's CSV", "JSON lines"],
)
def test_aliases_and_implications_are_followed(text: str, tmp_path: Path) -> None:
    (tmp_path / "pairs").write_text(text, "utf-8")
    pairs = read_pairs(tmp_path / "pairs")
    assert pairs == [("kitty", "cat"), ("kitty cat", "kitty")]
    one = picture("a", "kitty cat", "sun", unknown=frozenset({"kitty"}))
    other = Picture("b", (Tag("animal", 1.0, "meta"),), frozenset({"animal", "cat"}), "", "b", "", "")
    related = relate_tags(
        [made(one, other)], aliases=pairs, implications=[("cat", "feline"), ("feline", "animal")]
    )[0]
    assert {(tag.name, tag.category) for tag in related.pictures[0].tags} == {
        ("cat", "general"),
        ("sun", "general"),
        ("feline", "general"),
        ("animal", "meta"),
    }
    assert (related.pictures[0].unknown, related.pictures[1].unknown) == (frozenset(), frozenset({"cat"}))


@pytest.mark.parametrize(
    ("text", "said"), [("alone\n", "1 columns"), ("{}\n", "not an object"), (" ,cat\n", "without letters")]
)
def test_what_is_no_pair_of_tags_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "pairs").write_text(text)
    with pytest.raises(TagError, match=said):
        read_pairs(tmp_path / "pairs")
    with pytest.raises(TagError, match="cannot be read"):
        read_pairs(tmp_path / "none")


def test_aliases_in_a_circle_are_refused() -> None:
    with pytest.raises(TagError, match="lead back"):
        relate_tags([made(picture("a"))], aliases=[("a", "b"), ("b", "a")])


def test_a_resumed_run_may_have_smaller_batches_of_the_same_updates() -> None:
    begun = TrainingSettings(batch_size=32, accumulate=2).to_dict()
    smaller = TrainingSettings(batch_size=16).continuing(begun)
    assert (smaller.batch_size, smaller.accumulate, smaller.differences(begun)) == (16, 4, [])
    same = TrainingSettings(batch_size=64)
    assert same.continuing(begun) is same
    with pytest.raises(TrainingError, match="64 images for each update"):
        TrainingSettings(batch_size=24).continuing(begun)
    assert TrainingSettings(epochs=3).differences(begun) == ["epochs 3 instead of 20"]


def test_a_warm_up_lasts_a_number_of_updates_but_never_more_than_half() -> None:
    assert [schedule(update, 40, 0.05, 10) for update in (0, 4, 9)] == [0.1, 0.5, 1.0]
    assert schedule(4, 10, 0.05, 500) == 1.0
    assert schedule(3, 10, 0.4, 2) == schedule(3, 10, 0.4)


def test_a_report_warns_of_what_is_worth_a_look() -> None:
    fine = {"number": 1, "training_loss": 0.4}
    assert warnings_of([fine], 3) == []
    told = warnings_of([fine, {"number": 2, "training_loss": 2018.4}], 0)
    assert ("no picture is left for validation" in told[0], "epoch 2 is 2,018" in told[1]) == (True, True)
