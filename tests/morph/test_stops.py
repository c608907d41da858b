"""What a morph tells of each image: its hop, how far along it is, its tags, and whether it is a waypoint."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from i2v_search import Collection, Tag
from i2v_search.morph.describe import tag_matrix, telling_tags


def test_stops_tell_hop_progress_and_tags(sample_collection: Collection) -> None:
    a, b = sample_collection.ids[0], sample_collection.ids[-1]
    morph = sample_collection.morph(a, b, steps=4)
    assert [stop.hop for stop in morph.stops] == [0, *morph.quality.hops]
    assert (morph.stops[0].progress, morph.stops[-1].progress) == (0, 1)
    rising = sum(x.progress < y.progress for x, y in pairwise(morph.stops))
    assert rising == round(morph.quality.monotonicity * 5)
    assert all(1 <= len(stop.tags) <= 4 for stop in morph.stops)
    assert "bird" in morph.stops[0].tags
    assert not any(stop.waypoint for stop in morph.stops)
    document = json.loads(json.dumps(morph.to_dict()))
    assert document["stops"][0]["tags"] == list(morph.stops[0].tags)
    assert set(document["stops"][1]) == {"id", "path", "hop", "progress", "tags", "waypoint", "text"}
    assert set(document) == {"stops", "method", "quality", "gaps", "seconds"}


def test_the_quality_knows_the_graph_and_the_tags(sample_collection: Collection) -> None:
    quality = sample_collection.morph(sample_collection.ids[0], sample_collection.ids[-1], steps=4).quality
    assert quality.bottleneck is not None
    assert quality.regret is not None
    assert quality.regret >= 1 - 1e-5
    assert quality.hub_share is not None
    assert quality.tag_order is not None
    assert -1 <= quality.tag_order <= 1


def test_an_end_from_outside_has_no_id_but_tags_and_a_bottleneck(sample_collection: Collection) -> None:
    inside = sample_collection[sample_collection.ids[0]]
    with Image.open(os.fsdecode(sample_collection.file_path(inside.id))) as picture:
        outside = picture.convert("RGB").resize((picture.width // 2, picture.height // 2))
    morph = sample_collection.morph(outside, sample_collection.ids[-1], steps=2)
    assert morph.stops[0].id is None
    assert morph.stops[0].tags[0] in {tag.name for tag in inside.tags}
    assert morph.quality.regret is not None


def test_tags_of_the_general_category_come_first_then_those_that_images_share() -> None:
    images = [
        [
            Tag("miku", 1.0, "character"),
            Tag("hat", 0.9),
            Tag("apron", 0.9),
            Tag("smile", 0.5),
            Tag("faint", 0.2),
            Tag("safe", 1.0, "rating"),
        ],
        [Tag("hat", 0.9)],
    ]
    assert telling_tags(images) == [("hat", "apron", "smile", "miku"), ("hat",)]
    assert telling_tags(images, count=1) == [("hat",), ("hat",)]
    assert telling_tags([[]]) == [()]


def test_a_name_in_two_categories_is_one_column() -> None:
    matrix = tag_matrix(
        [[Tag("rain", 0.25), Tag("rain", 0.5, "copyright")], [], [Tag("safe", 1.0, "rating")]]
    )
    assert matrix is not None
    assert matrix.tolist() == [[0.5], [0.0], [0.0]]
    assert matrix.dtype == np.float32
    assert tag_matrix([[Tag("safe", 1.0, "rating")], []]) is None


@pytest.mark.parametrize("steps", [1, 6])
def test_nothing_is_read_of_the_pictures(
    sample_collection: Collection, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("a picture was read")

    monkeypatch.setattr("i2v_search.collection.contents.open_stored", refuse)
    assert (
        len(sample_collection.morph(sample_collection.ids[0], sample_collection.ids[-1], steps=steps).stops)
        == steps + 2
    )
