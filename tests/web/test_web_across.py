"""A search in all collections, over HTTP and on the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grids import GridEncoder, draw_folder
from stores import make_store, random_vectors
from visiting import Opens, serious_faults, until
from web_server import Running, error_of, running

from i2v_search.collection.collection import Collection
from i2v_search.collection.known_collections import KnownCollections
from i2v_search.web.server_settings import ServerSettings

LAUNCH = "launched-by-this-test"
TOKEN = {"X-Launch-Token": LAUNCH}


@pytest.fixture
def server(tmp_path: Path, loaded: list[GridEncoder]) -> Iterator[Running]:
    """A server of one of several collections: one is away, one was made by another encoder."""
    known = KnownCollections(tmp_path / "known.json")
    known.note(tmp_path / "unplugged")
    known.note(make_store(tmp_path / "other-encoder", random_vectors(5, 8)).directory)
    Collection.extract(tmp_path / "stale", draw_folder(tmp_path / "art", 2, first=20), encoder="grid")
    known.note(tmp_path / "stale")
    for name, first in (("<b>ink", 0), ("oil", 10)):
        art = draw_folder(tmp_path / f"art {name}", 6, first=first)
        Collection.build(tmp_path / name, art, encoder="grid")
        known.note(tmp_path / name)
    settings = ServerSettings(rate=0, picture_rate=0, launch_token=LAUNCH, known=tmp_path / "known.json")
    with running(Collection.open(tmp_path / "<b>ink"), tmp_path / "cache", settings) as started:
        yield started


def ask(server: Running, *, headers: dict[str, str] = TOKEN, **asked: Any) -> Any:
    return server.client.post("/api/v1/collections/search", json=asked, headers=headers)


def test_all_collections_are_searched_and_those_that_cannot_be_are_told(server: Running) -> None:
    ink, oil = ({one["name"]: one["key"] for one in _known(server)}[name] for name in ("<b>ink", "oil"))
    thumbnail = f"/api/v1/collections/{oil}/images/0/thumbnail"
    assert error_of(server.client.get(thumbnail)) == "not_found"  # nobody searched it yet
    assert error_of(ask(server, headers={}, examples=[{"id": 2}])) == "no_launch_token"
    assert error_of(ask(server, headers={**TOKEN, "Origin": "https://evil.example"})) == "forbidden_origin"
    assert error_of(ask(server)) == "bad_query"
    assert error_of(ask(server, examples=[{"id": 99}])) == "not_found"

    answer = ask(server, examples=[{"id": 2}], top=50).json()
    assert [(one["key"], one["name"], one["images"]) for one in answer["collections"]] == [
        (ink, "<b>ink", 6),
        (oil, "oil", 6),
    ]
    assert [hit["collection"] for hit in answer["hits"]].count(oil) == 6
    assert len(answer["hits"]) == 11
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    left = {one["name"]: one["reason"] for one in answer["left_out"]}
    assert left == {"unplugged": "away", "other-encoder": "encoder", "stale": "damaged"}
    assert server.client.get(thumbnail).headers["content-type"] == "image/webp"
    for key in ("0" * 20, {one["name"]: one["key"] for one in _known(server)}["other-encoder"]):
        assert error_of(server.client.get(f"/api/v1/collections/{key}/images/0/thumbnail")) == "not_found"
    assert error_of(server.client.get(f"/api/v1/collections/{oil}/images/77/thumbnail")) == "not_found"


def _known(server: Running) -> Any:
    return server.client.get("/api/v1/collections", headers=TOKEN).json()


def test_a_person_finds_a_picture_in_another_collection_and_goes_there(
    window: Opens, server: Running
) -> None:
    visit = window(viewport={"width": 1000, "height": 700})
    page = visit.open(f"#launch={LAUNCH}")
    page.click("#collections-button")
    page.click("#collections-ways >> text=Search all collections")
    until(page, "document.querySelector('#across-facts').textContent.startsWith('Type words')")
    page.fill("#across-words", "0012")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#across-list li').length > 0")
    assert page.inner_text("#across-list li >> nth=0") == "oil"
    assert "2 collections" in page.inner_text("#across-facts")
    assert "“unplugged” is not there" in page.inner_text("#across-left")
    assert serious_faults(page) == []
    page.keyboard.press("Escape")

    page = visit.open("?like=2")
    page.set_viewport_size({"width": 375, "height": 700})
    page.click("#collections-button")
    page.click("#collections-ways >> text=Search all collections")
    until(page, "document.querySelectorAll('#across-list li').length === 11")
    until(
        page,
        "[...document.querySelectorAll('#across-list img')].slice(0, 3).every((one) => one.naturalWidth)",
    )
    assert page.locator("#across-list bdi.here").count() == 5
    assert page.evaluate("document.querySelector('#across').scrollWidth <= 375")
    assert serious_faults(page) == []
    page.focus("#across-list li:has(bdi:not(.here)) button")
    with page.expect_navigation(url="**/?image=*"):
        page.keyboard.press("Enter")
    until(page, "document.querySelector('#collections-name').textContent === 'oil'")
    until(page, "document.querySelector('#detail').open")
    page.keyboard.press("Escape")
