"""Which tags are offered first: those that divide a collection, surely, and no attributes of persons."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from i2v_search.tags.telling import telling_order

IMAGES = 100
TAGS = st.lists(st.tuples(st.integers(0, IMAGES), st.floats(0.25, 1), st.booleans()), min_size=1, max_size=12)


def order(tags: list[tuple[int, float, bool]]) -> list[int]:
    counts, confidence, behind = (np.array(column) for column in zip(*tags, strict=True))
    return [int(n) for n in telling_order(counts, confidence, behind, IMAGES)]


def test_a_tag_on_everything_is_behind_one_on_half_and_one_on_few() -> None:
    assert order([(100, 1.0, False), (3, 0.9, False), (50, 0.9, False)]) == [2, 1, 0]


def test_of_two_on_as_many_images_the_surer_comes_first() -> None:
    assert order([(20, 0.4, False), (20, 0.9, False)]) == [1, 0]


def test_of_a_single_image_all_tags_are_kept() -> None:
    found = telling_order(np.array([1, 1]), np.array([0.5, 0.9]), np.zeros(2, bool), 1)
    assert sorted(found.tolist()) == [0, 1]


@given(TAGS)
def test_every_tag_is_there_once_and_attributes_follow_all_others(
    tags: list[tuple[int, float, bool]],
) -> None:
    found = order(tags)
    assert sorted(found) == list(range(len(tags)))
    assert [tags[n][2] for n in found] == sorted(behind for _, _, behind in tags)


@given(TAGS)
def test_what_a_tag_says_is_its_entropy_times_its_certainty(tags: list[tuple[int, float, bool]]) -> None:
    def said(tag: tuple[int, float, bool]) -> float:
        share = tag[0] / IMAGES
        return tag[1] * -sum(p * float(np.log2(p)) for p in (share, 1 - share) if p > 0)

    found = [said(tags[n]) for n in order(tags) if not tags[n][2]]
    assert all(one >= other - 1e-6 for one, other in pairwise(found))
