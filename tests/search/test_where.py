"""One filter for searches, morphs and maps, as an object or by its attributes; the answer is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from web_server import running

from i2v_search import Collection, Filter
from i2v_search.errors import QueryError

WHERE: dict[str, Any] = {"tags": "Bird, -cat", "paths": ["birds", "*.webp"], "tag_threshold": 0.3}


def hits(found: Any) -> list[tuple[int, float]]:
    return [(hit.id, hit.score) for hit in found.hits]


ASK: dict[str, Callable[..., Any]] = {
    "search": lambda art, **how: hits(art.search(art.ids[0], top=30, **how)),
    "by tags": lambda art, **how: hits(art.search(top=30, **how)),
    "search_each": lambda art, **how: [hits(one) for one in art.search_each(art.ids[:3], **how)],
    "morph": lambda art, **how: art.morph(art.ids[0], art.ids[50], **how).stops,
    "morph_map": lambda art, **how: art.morph_map(art.morph(art.ids[0], art.ids[50]), **how).to_dict(),
    "map": lambda art, **how: art.map(method="pca", **how).ids,
}


@pytest.mark.parametrize("name", ASK)
def test_as_an_object_and_by_its_attributes(name: str, sample_collection: Collection) -> None:
    ask = ASK[name]
    filtered = ask(sample_collection, where=Filter(**WHERE))
    assert filtered == ask(sample_collection, **WHERE)
    if name != "by tags":
        assert filtered != ask(sample_collection)
    with pytest.raises(
        QueryError, match=r"tags and where say the same: put them into where=Filter\(\.\.\.\)"
    ):
        ask(sample_collection, where=Filter("bird"), tags="bird")
    with pytest.raises(QueryError, match="where must be a Filter, not 'bird'"):
        ask(sample_collection, where="bird")
    with pytest.raises(TypeError, match="flavour"):
        ask(sample_collection, flavour="sweet")


def test_over_http(sample_collection: Collection, tmp_path: Path) -> None:
    query = sample_collection.ids[0]
    with running(sample_collection, tmp_path) as server:
        body = {"examples": [{"id": query}], "tags": ["bird", "-cat"], "top": 30}
        found = server.client.post("/api/v1/search", json=body).json()["hits"]
    expected = sample_collection.search(query, top=30, where=Filter(["bird", "-cat"]))
    assert [hit["id"] for hit in found] == [hit.id for hit in expected.hits]


def test_it_is_a_value() -> None:
    filtered = Filter('smile, "rough, sketch", -Long_Hair', "birds")
    assert filtered == Filter(["smile", "rough, sketch", "-long hair"], ["birds"])
    assert hash(filtered) == hash(Filter(filtered.tags, filtered.paths))
    assert filtered.tags == ("smile", '"rough, sketch"', "-long hair")
    assert filtered.wanted == ("smile", "rough, sketch")
    assert Filter(max_explicit=0.2) != Filter(max_explicit=0.3)
