"""Rows of a feature store as Milvus keeps them.

============  =========================  ==================================================================
field         type                       content
============  =========================  ==================================================================
``id``        INT64, primary key         the image's number in the collection
``vector``    FLOAT_VECTOR               what the server ranks by
``version``   INT64                      changes with whatever is known of the image
``path``      VARCHAR                    relative to the image root; bytes that are not UTF-8 as ``?``
``tags``      ARRAY of VARCHAR           names with a probability of `TAG_THRESHOLD` or more
``ratings``   ARRAY of VARCHAR           the most probable rating; several where they are equally probable
``explicit``  FLOAT                      the rating ``explicit``; 2 without one
============  =========================  ==================================================================
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.index.protocol import Conditions
from i2v_search.store.feature_file import FeatureFile
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import TAG_THRESHOLD, tag_spellings

MAX_TAGS: Final = 4096
MAX_TAG_BYTES: Final = 256
_MAX_PATH_BYTES: Final = 65_535
_NO_RATING: Final = 2.0
#: Milvus compares in other precisions than we: what is near the limit may pass, and is looked at again.
_MARGIN: Final = 1e-3


def content_versions(store: FeatureStore, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each row that is another one, but for one in 2^60, when anything known of its image is.

    Args:
        store: the feature store.
        positions: (n,) int64.

    Returns:
        (n,) int64: the row's CRC-32, and beside it the sum of its tags' names, which the CRC only numbers.
    """
    versions = store.column("crc32", positions).astype(np.int64) << 31
    numbers = np.searchsorted(store.first_positions, positions, "right") - 1
    for number in np.unique(numbers).tolist():
        lines = numbers == number
        sums = _tag_sums(store.parts[number])
        versions[lines] |= sums[positions[lines] - store.first_positions[number]]
    return versions


@cache
def _name_sum(name: str, category: str) -> int:
    return zlib.crc32(f"{category}\0{name}".encode())


def _tag_sums(part: FeatureFile) -> NDArray[np.int64]:
    """(rows,) int64 below 2^31: a sum over the names of each row's tags."""
    names = np.array([_name_sum(tag.name, tag.category) for tag in part.vocabulary], np.float64)
    rows, entries, _ = part.all_tag_entries()
    totals = np.bincount(rows, names[entries] if len(names) else None, minlength=part.rows)
    return np.mod(totals, 2**31 - 1).astype(np.int64)


def entities(
    store: FeatureStore,
    positions: NDArray[np.int64],
    vectors: NDArray[np.float32],
    versions: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """Rows as `pymilvus.MilvusClient.upsert` takes them.

    Args:
        store: the feature store.
        positions: (n,) of the rows.
        vectors: (n, d) float32, what the server ranks by.
        versions: (n,) from `content_versions`.
    """
    return [
        {
            "id": image_id,
            "vector": vector,
            "version": version,
            "path": _cut(store.path(position)),
            **_labels(store, position),
        }
        for image_id, position, vector, version in zip(
            store.ids[positions].tolist(), positions.tolist(), vectors, versions.tolist(), strict=True
        )
    ]


def _labels(store: FeatureStore, position: int) -> dict[str, Any]:
    number, row = store.place(position)
    part = store.parts[number]
    entries, probabilities = part.tag_entries(row)
    named = [
        (part.vocabulary[entry], probability)
        for entry, probability in zip(entries.tolist(), probabilities.tolist(), strict=True)
    ]
    ratings = {tag.name: probability for tag, probability in named if tag.category == "rating"}
    best = max(ratings.values(), default=0.0)
    tags = dict.fromkeys(tag.name for tag, probability in named if probability >= TAG_THRESHOLD)
    return {
        "tags": [name for name in tags if _is_plain(name)][:MAX_TAGS],
        "ratings": [name for name, value in ratings.items() if value == best and _is_plain(name)][:MAX_TAGS],
        "explicit": ratings.get("explicit", _NO_RATING),
    }


def has_every_tag(store: FeatureStore) -> bool:
    """Whether no row has more tags than a field takes, so that a filter by tags may be left to the server."""
    for part in store.parts:
        if len(part.vocabulary) > MAX_TAGS:
            rows, _, probabilities = part.all_tag_entries()
            if np.bincount(rows[probabilities >= TAG_THRESHOLD], minlength=1).max() > MAX_TAGS:
                return False
    return True


def expression(where: Conditions, *, tags: bool) -> str:
    """The conditions as a Milvus expression, as far as it lets every allowed row pass; "" for none.

    Args:
        where: the conditions.
        tags: whether the server has every tag of every row.

    Example:
        >>> expression(Conditions(("smile",), ("glasses",), 0.25), tags=True)
        'array_contains(tags, "smile") and not array_contains(tags, "glasses")'
        >>> expression(Conditions(("smile",), (), 0.1), tags=True)
        ''
    """
    parts = []
    if tags and where.tag_threshold >= TAG_THRESHOLD:
        # A tag that may be stored in two spellings is left to the exact filter here.
        names = (name for name in where.tags if len(tag_spellings(name)) == 1)
        parts += [f'array_contains(tags, "{name}")' for name in names if _is_plain(name)]
    if where.tag_threshold <= TAG_THRESHOLD:
        parts += [f'not array_contains(tags, "{name}")' for name in where.without if _is_plain(name)]
    if where.rating is not None and _is_plain(where.rating):
        parts.append(f'array_contains(ratings, "{where.rating}")')
    if where.max_explicit is not None and where.max_explicit < 1:
        parts.append(f"explicit <= {where.max_explicit + _MARGIN:.6f}")
    return " and ".join(parts)


def _is_plain(name: str) -> bool:
    """Whether a name can stand in an expression as it is, and in a field; servers escape differently."""
    return name.isprintable() and not set(name) & set("\"'\\{}%") and len(name.encode()) <= MAX_TAG_BYTES


def _cut(path: str) -> str:
    return path.encode("utf-8", "replace")[:_MAX_PATH_BYTES].decode("utf-8", "ignore")
