"""Regions of a map are named by tags that are common there and rare elsewhere, or not at all."""

from pathlib import Path

import numpy as np
from stores import make_store, random_vectors

from i2v_search.search.map_regions import name_regions

HOSTILE = "</script><b onclick=boom()>\u202etag"


def corners(each: int = 60) -> np.ndarray:
    """Four crowds in the corners of the unit square."""
    draw = np.random.default_rng(0)
    middles = np.repeat([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]], each, axis=0)
    return np.clip(middles + draw.normal(0, 0.03, middles.shape), 0, 1).astype(np.float32)


def test_a_region_has_the_tag_that_others_lack(tmp_path: Path) -> None:
    names = ["owl", "boat", HOSTILE, "tree"]
    tags = [["art", names[at // 60]] for at in range(240)]
    store = make_store(tmp_path, random_vectors(240, 8), tags=tags)
    places = corners()
    found = [each for each in name_regions(store, store.live, places) if each.level == 0]
    assert {each.name for each in found} == set(names)
    for each in found:
        middle = places[names.index(each.name) * 60 : names.index(each.name) * 60 + 60].mean(axis=0)
        assert np.abs([each.x - middle[0], each.y - middle[1]]).max() < 0.15


def test_tags_that_say_nothing_name_nothing(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    anywhere = [["art", *(["cat"] if draw.random() < 0.5 else [])] for _ in range(240)]
    store = make_store(tmp_path / "a", random_vectors(240, 8), tags=anywhere)
    assert [each for each in name_regions(store, store.live, corners()) if each.level == 0] == []
    untagged = make_store(tmp_path / "b", random_vectors(240, 8))
    assert name_regions(untagged, untagged.live, corners()) == []


def test_few_images_have_no_regions(tmp_path: Path) -> None:
    store = make_store(tmp_path, random_vectors(10, 8), tags=[["owl"]] * 10)
    assert name_regions(store, store.live, corners()[:10]) == []
