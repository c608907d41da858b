"""Texts over HTTP: as examples, as ends of morphs, as what tags are suggested for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw_folder
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.search.examples import Example
from i2v_search.search.text import Text
from i2v_search.web.jobs.tag_statistics import TagStatistics


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails")) as started:
        yield started


def post(server: Running, path: str, asked: dict[str, Any], status: int = 200) -> dict[str, Any]:
    response = server.client.post(f"/api/v1/{path}", json=asked)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_text_finds_what_the_library_finds(server: Running, sample_collection: Collection) -> None:
    expected = sample_collection.search([Text("an owl"), Example(Text("night"), -0.5)], top=6)
    asked = {"examples": [{"text": "an owl"}, {"text": "night", "weight": -0.5}], "top": 6}
    answer = post(server, "search", asked)
    assert answer["query"] == '"an owl", not "night"'
    assert [(hit["id"], hit["why"]) for hit in answer["hits"]] == [
        (hit.id, list(hit.why)) for hit in expected.hits
    ]
    assert "name" in answer["hits"][0]["why"]


def test_texts_mix_with_images_which_alone_say_no_why(server: Running, sample_collection: Collection) -> None:
    number = sample_collection.ids[3]
    mixed = post(server, "search", {"examples": [{"id": number}, {"text": "red"}]})
    assert any(hit["why"] for hit in mixed["hits"])
    alone = post(server, "search", {"examples": [{"id": number}]})
    assert not any(hit["why"] for hit in alone["hits"])


def test_a_morph_from_a_text_says_what_it_became(server: Running, sample_collection: Collection) -> None:
    asked = {"a": {"text": "an owl"}, "b": {"id": sample_collection.ids[60]}, "steps": 2}
    stops = post(server, "morph", asked)["stops"]
    expected = sample_collection.morph(Text("an owl"), sample_collection.ids[60], steps=2)
    assert [(stop["id"], stop["text"]) for stop in stops] == [(stop.id, stop.text) for stop in expected.stops]
    assert stops[0]["text"] == "an owl"


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_a_text_that_says_nothing_or_too_much_is_refused(text: str, server: Running) -> None:
    error = post(server, "search", {"examples": [{"text": text}]}, status=422)["error"]
    assert error["code"] == "invalid_request"


def test_unknown_words_are_an_error_in_words(server: Running) -> None:
    error = post(server, "search", {"examples": [{"text": "???"}]}, status=422)["error"]
    assert "finds nothing" in error["message"]


@pytest.mark.parametrize("word", ["птица", "Vogel", "oiseau", "鳥"])
def test_tags_are_suggested_by_meaning_in_many_languages(
    word: str, server: Running, sample_collection: Collection
) -> None:
    names = [tag["name"] for tag in server.client.get("/api/v1/tags", params={"prefix": word}).json()]
    assert "bird" in names
    counts = sample_collection.store.tag_counts()
    assert all(counts[name] for name in names)


def test_hyphens_part_the_words_of_tags(tmp_path: Path) -> None:
    draw_folder(tmp_path / "images", 2)
    line = json.dumps({"path": "0000.png", "tags": ["big-cats", "wild-cats-and-bears", "catalogue"]})
    (tmp_path / "images" / "tags.jsonl").write_text(line)
    collection = Collection.build(tmp_path / "art", [tmp_path / "images"], encoder=GridEncoder())
    statistics = TagStatistics(collection.store)
    for prefix, names in {
        "big c": ["big-cats"],
        "big-c": ["big-cats"],
        "cats": ["big-cats", "wild-cats-and-bears"],
        "cat": ["catalogue", "big-cats", "wild-cats-and-bears"],
        "ats": [],
    }.items():
        assert [tag.name for tag in statistics.starting(prefix, 5)] == names


def test_tags_that_start_so_come_before_those_that_mean_so(server: Running) -> None:
    found = server.client.get("/api/v1/tags", params={"prefix": "bird", "limit": 6}).json()
    assert found[0]["name"].startswith("bird")
    names = [tag["name"] for tag in found]
    assert len(names) == len(set(names)) <= 6
