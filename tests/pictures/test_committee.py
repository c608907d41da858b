"""Judges that found no path: what they say of made pictures whose order is known, and of themselves."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import kendalltau

from i2v_search import Collection, judge_morph
from i2v_search.errors import QueryError
from i2v_search.images.structure import structure_distances
from i2v_search.morph.verdict import Verdict, restored
from i2v_search.pictures.committee import colour_distances, encoder_distances


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_restored_order_is_the_shortest_of_all(between: int, seed: int) -> None:
    places = np.random.default_rng(seed).normal(size=(between + 2, 3))
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    order = restored(distances)

    def length(one: tuple[int, ...]) -> float:
        way = [0, *one, between + 1]
        return float(distances[way[:-1], way[1:]].sum())

    assert sorted(order) == list(range(1, between + 1))
    assert length(order) == pytest.approx(min(map(length, permutations(order))))


def test_opinions_are_those_of_scipy() -> None:
    draw = np.random.default_rng(3)
    places = draw.normal(size=(8, 2))
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    verdict = Verdict.of({"one": distances, "other": distances**2})
    opinion = verdict.opinions["one"]
    assert opinion.largest_step == max(opinion.steps)
    assert opinion.mean_step == pytest.approx(np.mean(opinion.steps))
    nearer = (distances[:, 0] - distances[:, -1])[1:-1]
    assert opinion.order == pytest.approx(kendalltau(range(6), nearer)[0])
    inverse = np.argsort(opinion.restored)
    assert opinion.restored_order == pytest.approx(kendalltau(range(6), inverse)[0])
    others = np.argsort(verdict.opinions["other"].restored)
    assert verdict.agreement == pytest.approx(kendalltau(inverse, others)[0])


def test_with_few_or_many_images_there_is_no_order() -> None:
    for count in (2, 3, 12):
        at = np.arange(float(count))
        opinion = Verdict.of({"one": np.abs(at[:, None] - at)}).opinions["one"]
        assert (opinion.restored, opinion.restored_order, opinion.is_restored) == ((), None, False)


def test_each_judge_orders_what_changes_only_for_it() -> None:
    shades = [Image.new("RGB", (48, 48), (255 - 40 * n, 60, 40 * n)) for n in range(6)]
    assert np.argsort(colour_distances(shades)[0])[0] == 0
    turned = []
    for n in range(6):
        picture = Image.new("L", (96, 96), 255)
        picture.paste(0, (8 + 12 * n, 8, 28 + 12 * n, 88))
        turned.append(picture.convert("RGB"))
    assert restored(structure_distances(turned)) == (1, 2, 3, 4)
    assert colour_distances(turned).max() < 0.05
    same = encoder_distances("lite0", [turned[0], turned[0], turned[5]])
    assert same[0, 1] < 0.01 < same[0, 2]


def test_the_command_says_what_the_judges_say(sample_collection: Collection) -> None:
    a, b = sample_collection.ids[0], sample_collection.ids[-1]
    words = (
        "morph",
        str(a),
        str(b),
        "-c",
        sample_collection.directory,
        "--judge",
        "colour",
        "--judge",
        "tags",
    )
    done = run(*words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    heading = next(number for number, line in enumerate(lines) if "largest step" in line)
    assert [line.split()[0] for line in lines[heading + 1 : heading + 3]] == ["colour", "tags"]
    verdict = json.loads(run(*words, "--json").stdout)["verdict"]
    assert list(verdict["opinions"]) == ["colour", "tags"]
    judged = judge_morph(sample_collection, sample_collection.morph(a, b), ["colour", "tags"])
    assert verdict["opinions"]["tags"]["steps"] == pytest.approx(judged.opinions["tags"].steps)
    refused = run(*words, "--judge", "nobody")
    assert refused.returncode == 2
    assert "there is no judge 'nobody'" in refused.stderr
    with pytest.raises(QueryError):
        judge_morph(sample_collection, sample_collection.morph(a, b), ["nobody"])
