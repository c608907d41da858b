"""The images of a morph for people: how far along each is, what its tags say, and how good the path is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from i2v_search.morph.judging import GraphFacts
from i2v_search.morph.quality import MorphQuality, measure, progress_along
from i2v_search.morph.stops import Stop
from i2v_search.search.resolved import Resolved
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Tag

#: Tags named of a stop, at most.
TAGS_NAMED = 4


def describe(
    store: FeatureStore,
    places: Sequence[Resolved],
    points: NDArray[np.float32],
    *,
    legs: Sequence[int] = (),
    facts: GraphFacts | None = None,
) -> tuple[tuple[Stop, ...], MorphQuality]:
    """Position and tags of each image of a path, and its quality.

    No picture is read, and no more of the feature store than the rows of these images.

    Args:
        store: the feature store.
        places: the m + 1 images from A to B.
        points: (m + 1, d) float32 unit rows, their vectors in the search space.
        legs: indices of the waypoints among them, ascending.
        facts: what the graph says, if there is one.
    """
    facts = facts or GraphFacts()
    tags = [_tags_of(store, place) for place in places]
    quality = replace(
        measure(points, legs=legs, hubs=facts.hubs, bottleneck=facts.bottleneck, tags=tag_matrix(tags)),
        alone=facts.alone,
    )
    named = telling_tags(tags)
    stops = tuple(
        Stop(
            None if place.position is None else int(store.ids[place.position]),
            place.label,
            hop=hop,
            progress=progress,
            tags=names,
            waypoint=number in legs,
            text="" if place.text is None else place.text.text,
        )
        for number, (place, hop, progress, names) in enumerate(
            zip(places, (0.0, *quality.hops), progress_along(points, legs).tolist(), named, strict=True)
        )
    )
    return stops, quality


def telling_tags(images: Sequence[Sequence[Tag]], *, count: int = TAGS_NAMED) -> list[tuple[str, ...]]:
    """Choose a few tags of each image on a path, so that one sees what stays and what changes.

    Those of the general category first, ratings never; the more probable first, of equally probable ones
    those that more images of the path share, then in the order of the alphabet.

    Args:
        images: the tags of each.
        count: count of one image, at most.

    Returns:
        Names, for each image; only tags at least as probable as `i2v_search.tags.vocabulary.TAG_THRESHOLD`.

    Example:
        >>> telling_tags([[Tag("swan"), Tag("bird"), Tag("safe", 0.9, "rating")], [Tag("bird")]])
        [('bird', 'swan'), ('bird',)]
    """
    plausible = [
        [tag for tag in tags if tag.probability >= TAG_THRESHOLD and tag.category not in {"rating", "meta"}]
        for tags in images
    ]
    shared = Counter(name for tags in plausible for name in {tag.name for tag in tags})
    named = []
    for tags in plausible:
        order = sorted(
            tags,
            key=lambda tag: (
                tag.category != "general",
                -round(tag.probability, 1),
                -shared[tag.name],
                tag.name,
            ),
        )
        named.append(tuple(dict.fromkeys(tag.name for tag in order))[:count])
    return named


def tag_matrix(images: Sequence[Sequence[Tag]]) -> NDArray[np.float32] | None:
    """(images, different names) float32 probabilities, ratings left out; None if there is no tag at all.

    Example:
        >>> tag_matrix([[Tag("bird"), Tag("swan", 0.5)], [Tag("bird")]]).tolist()
        [[1.0, 0.5], [1.0, 0.0]]
    """
    counted = [[tag for tag in tags if tag.category != "rating"] for tags in images]
    columns = {
        name: place for place, name in enumerate(dict.fromkeys(t.name for tags in counted for t in tags))
    }
    if not columns:
        return None
    matrix = np.zeros((len(images), len(columns)), np.float32)
    for row, tags in enumerate(counted):
        for tag in tags:
            matrix[row, columns[tag.name]] = max(matrix[row, columns[tag.name]], tag.probability)
    return matrix


def _tags_of(store: FeatureStore, place: Resolved) -> tuple[Tag, ...]:
    return place.tags if place.position is None else store.record(place.position).tags
