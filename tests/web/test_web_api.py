"""The HTTP API gives what the library gives, in the shapes that its OpenAPI document promises."""

import errno
import io
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from grids import GridEncoder
from PIL import Image
from stores import make_store, random_vectors
from web_server import Running, error_of, post_image, running

from i2v_search.collection.collection import Collection
from i2v_search.encoders.lite_tags import attributes
from i2v_search.errors import MorphError, SearchServerError
from i2v_search.images.sample import sample_directory
from i2v_search.search.examples import Example
from i2v_search.search.tag_query import TagTerm
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Tag
from i2v_search.web.guard.failures import failure_of
from i2v_search.web.jobs import current_collection
from i2v_search.web.jobs.current_collection import CurrentCollection
from i2v_search.web.server_settings import ServerSettings
from i2v_search.web.service import Service


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails")) as started:
        yield started


def search(server: Running, **asked: Any) -> dict[str, Any]:
    response = server.client.post("/api/v1/search", json=asked)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_health_and_facts(server: Running, sample_collection: Collection) -> None:
    assert server.client.get("/api/v1/health").json()["images"] == len(sample_collection)
    facts = server.client.get("/api/v1/collection").json()
    info = sample_collection.info()
    assert (facts["images"], facts["encoder"], facts["dimension"]) == (info.images, "lite", 4096)
    assert (facts["tags"], facts["similarity"]) == (info.tags, info.similarity)
    assert facts["upload_limits"] == {"bytes": 20 * 2**20, "pixels": 50_000_000}


def test_search_by_id_is_the_librarys(server: Running, sample_collection: Collection) -> None:
    number = sample_collection.ids[5]
    expected = sample_collection.search(number, top=7, offset=3)
    hits = search(server, examples=[{"id": number}], top=7, offset=3)["hits"]
    assert [(hit["rank"], hit["id"], hit["path"], hit["tags"]) for hit in hits] == [
        (hit.rank, hit.id, hit.path, list(hit.tags)) for hit in expected.hits
    ]
    assert np.allclose([hit["score"] for hit in hits], [hit.score for hit in expected.hits], atol=1e-6)
    for hit in hits:
        record = sample_collection.store.record(sample_collection.store.position_of_id(hit["id"]) or 0)
        assert (hit["width"], hit["height"], hit["version"]) == (
            record.width,
            record.height,
            record.sha256[:12],
        )


def test_examples_have_weights(server: Running, sample_collection: Collection) -> None:
    a, b = sample_collection.ids[2], sample_collection.ids[40]
    expected = sample_collection.search([Example(a), Example(b, -0.5)], top=5)
    asked = [{"id": a}, {"id": b, "weight": -0.5}]
    assert [hit["id"] for hit in search(server, examples=asked, top=5)["hits"]] == [
        hit.id for hit in expected.hits
    ]


def test_an_answer_says_what_was_asked(
    server: Running, sample_collection: Collection, cat: Image.Image
) -> None:
    a, b = sample_collection.ids[2], sample_collection.ids[40]
    inside, outside = sample_collection.stored_path(a), post_image(server.client, png(cat)).json()["upload"]
    copy = post_image(server.client, sample_collection.image_bytes(b), "image/webp").json()["upload"]
    asked = [
        {"id": a},
        {"upload": outside},
        {"upload": copy, "weight": -0.5},
    ]
    told = search(server, examples=asked, tags=["bird", "-cat"])["query"]
    assert told == f"{inside}, upload {outside[:8]}, not {sample_collection.stored_path(b)}"
    assert search(server, tags=["bird"])["query"] == "bird"
    assert search(server)["query"] == ""


def test_search_by_upload_is_the_librarys(
    server: Running, sample_collection: Collection, cat: Image.Image
) -> None:
    content = png(cat)
    answer = post_image(server.client, content)
    assert answer.status_code == 201
    upload = answer.json()
    assert (upload["width"], upload["height"], upload["id"]) == (451, 300, None)
    expected = sample_collection.search(content, top=10)
    hits = search(server, examples=[{"upload": upload["upload"]}], top=10)["hits"]
    assert [hit["id"] for hit in hits] == [hit.id for hit in expected.hits]
    assert np.allclose([hit["score"] for hit in hits], [hit.score for hit in expected.hits], atol=1e-5)
    # Shared tags come from the tags that the encoder gave the upload.
    assert [hit["tags"] for hit in hits] == [list(hit.tags) for hit in expected.hits]
    assert any(hit["tags"] for hit in hits)


def test_an_upload_that_is_in_the_collection_is_that_image(
    server: Running, sample_collection: Collection
) -> None:
    number = sample_collection.ids[3]
    upload = post_image(server.client, sample_collection.image_bytes(number), "image/webp").json()
    assert upload["id"] == number
    expected = sample_collection.search(number, top=5)
    hits = search(server, examples=[{"upload": upload["upload"]}], top=5)["hits"]
    assert [hit["id"] for hit in hits] == [hit.id for hit in expected.hits]


def test_without_a_query_the_whole_collection_comes(server: Running, sample_collection: Collection) -> None:
    pages = [search(server, top=60, offset=start, order="collection") for start in (0, 60)]
    hits = [hit for page in pages for hit in page["hits"]]
    assert [hit["id"] for hit in hits] == sample_collection.ids[:120]
    assert all(hit["score"] is None for hit in hits)
    assert pages[0]["more"]
    last = search(server, top=10, offset=len(sample_collection) - 10)
    assert not last["more"]
    assert len(last["hits"]) == 10


def test_tags_filter_and_excluded_tags_alone_keep_the_order(
    server: Running, sample_collection: Collection
) -> None:
    name = max(sample_collection.store.tag_counts().items(), key=lambda item: item[1])[0]
    with_tag = {hit["id"] for hit in search(server, tags=[name], top=200)["hits"]}
    without = {hit["id"] for hit in search(server, tags=[f"-{name}"], top=200)["hits"]}
    assert with_tag
    assert without
    assert with_tag | without == set(sample_collection.ids)
    assert not with_tag & without


def test_tag_counts_are_those_of_the_images(server: Running, sample_collection: Collection) -> None:
    store = sample_collection.store
    expected = Counter(
        tag.name
        for position in store.live.tolist()
        for tag in store.record(position).tags
        if tag.probability >= np.float32(np.float16(0.25)) and tag.category != "rating"
    )
    listed = server.client.get("/api/v1/tags", params={"limit": 1000}).json()
    assert {tag["name"]: tag["count"] for tag in listed} == dict(expected.most_common(1000))
    counted = server.client.post("/api/v1/tags/counts", json={}).json()
    assert {tag["name"]: tag["count"] for tag in counted} == expected


def test_the_tags_that_say_most_come_first_and_attributes_of_persons_last(
    server: Running, sample_collection: Collection
) -> None:
    """In one order, of the collection and of results: `telling_order`."""
    listed = server.client.get("/api/v1/tags", params={"limit": 1000}).json()
    behind = [tag["name"] in attributes() for tag in listed]
    assert behind == sorted(behind)
    half = len(sample_collection) / 2
    said = [abs(tag["count"] - half) for tag in listed if tag["name"] not in attributes()]
    assert np.mean(said[:10]) < np.mean(said[-10:])
    counted = server.client.post("/api/v1/tags/counts", json={"examples": [{"id": 3}]}).json()
    behind = [tag["name"] in attributes() for tag in counted]
    assert behind == sorted(behind)


def test_similar_tags_are_cosines_of_columns(server: Running, sample_collection: Collection) -> None:
    store = sample_collection.store
    images = [
        {tag.name for tag in store.record(p).tags if tag.probability >= np.float32(np.float16(0.25))}
        for p in store.live.tolist()
    ]
    counts = Counter(name for names in images for name in names)
    name = counts.most_common(3)[2][0]
    together = Counter(other for names in images if name in names for other in names if other != name)
    expected = {other: count / np.sqrt(counts[name] * counts[other]) for other, count in together.items()}
    found = server.client.get(f"/api/v1/tags/{name}/similar", params={"limit": 5}).json()
    assert found[0]["score"] == pytest.approx(max(expected.values()), abs=1e-4)
    assert all(tag["score"] == pytest.approx(expected[tag["name"]], abs=1e-4) for tag in found)
    assert [tag["score"] for tag in found] == sorted((tag["score"] for tag in found), reverse=True)


def test_an_image_tells_all_its_tags(server: Running, sample_collection: Collection) -> None:
    number = sample_collection.ids[0]
    told = server.client.get(f"/api/v1/images/{number}").json()
    record = sample_collection.store.record(0)
    assert (told["path"], told["bytes"]) == (record.path, record.size)
    assert {tag["name"] for tag in told["tags"]} == {tag.name for tag in record.tags}
    probabilities = [tag["probability"] for tag in told["tags"]]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_morph_is_the_librarys(server: Running, sample_collection: Collection) -> None:
    a, b = sample_collection.ids[0], sample_collection.ids[80]
    expected = sample_collection.morph(a, b, steps=3)
    told = server.client.post("/api/v1/morph", json={"a": {"id": a}, "b": {"id": b}, "steps": 3}).json()
    assert [stop["id"] for stop in told["stops"]] == [stop.id for stop in expected.stops]
    assert told["quality"]["largest_hop"] == pytest.approx(expected.quality.largest_hop)
    dropped = told["stops"][1]["id"]
    asked = {"a": {"id": a}, "b": {"id": b}, "steps": 3, "exclude": [dropped, 10**9]}
    again = server.client.post("/api/v1/morph", json=asked).json()
    assert dropped not in [stop["id"] for stop in again["stops"]]


def test_a_morph_from_an_upload_over_a_waypoint(
    server: Running, sample_collection: Collection, cat: Image.Image
) -> None:
    key = post_image(server.client, png(cat)).json()["upload"]
    via, b = sample_collection.ids[30], sample_collection.ids[60]
    asked = {"a": {"upload": key}, "b": {"id": b}, "via": [{"id": via}], "steps": 3}
    told = server.client.post("/api/v1/morph", json=asked)
    assert told.status_code == 200, told.text
    stops = told.json()["stops"]
    assert (stops[0]["upload"], stops[0]["id"], stops[-1]["id"]) == (key, None, b)
    assert [stop["id"] for stop in stops if stop["waypoint"]] == [via]
    for kind in ("png", "gif", "webp"):
        answer = server.client.post("/api/v1/morph/picture", params={"format": kind}, json=asked)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="morph.{kind}"'
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.format == kind.upper()
            if kind == "png":
                # The upload itself is drawn, not the grey tile of a missing picture.
                tile = np.asarray(picture.convert("RGB").crop((0, 0, 240, 240))).reshape(-1, 3)
                assert len(np.unique(tile, axis=0)) > 1000


def test_the_map_is_computed_once(server: Running, sample_collection: Collection) -> None:
    first = server.client.get("/api/v1/map")
    assert first.status_code == 202
    assert first.headers["retry-after"] == "1"
    answer, deadline = first, time.monotonic() + 120
    while answer.status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        answer = server.client.get("/api/v1/map")
    drawn = answer.json()
    assert {point["id"] for point in drawn["images"]} == set(sample_collection.ids)
    assert all(0 <= point["x"] <= 1 and 0 <= point["y"] <= 1 for point in drawn["images"])
    assert server.client.get("/api/v1/map").content == answer.content


def test_the_map_says_which_images_meet_conditions(server: Running, sample_collection: Collection) -> None:
    def matches(**conditions: object) -> list[int]:
        answer = server.client.post("/api/v1/map/matches", json=conditions)
        assert answer.status_code == 200
        return [int(number) for number in answer.json()["ids"]]

    assert matches() == matches(tags=[], rating=None) == sample_collection.ids
    birds = sorted(hit.id for hit in sample_collection.search(tags="bird", top=1000).hits)
    assert sorted(matches(tags=["bird"])) == birds
    assert sorted(matches(tags=["-bird"])) == sorted(set(sample_collection.ids) - set(birds))
    for wrong, code in ((["no such tag at all"], "bad_query"), (["x"] * 33, "invalid_request")):
        answer = server.client.post("/api/v1/map/matches", json={"tags": wrong})
        assert answer.json()["error"]["code"] == code


def test_unknown_things_are_not_found(server: Running) -> None:
    client, key = server.client, "0" * 64
    assert error_of(client.get("/api/v1/images/999999")) == "not_found"
    assert error_of(client.get("/api/v1/images/999999/thumbnail")) == "not_found"
    assert error_of(client.get(f"/api/v1/uploads/{key}/thumbnail")) == "upload_gone"
    assert error_of(client.get("/api/v1/tags/no such tag/similar")) == "not_found"
    assert error_of(client.post("/api/v1/search", json={"examples": [{"id": 999999}]})) == "not_found"
    assert error_of(client.post("/api/v1/search", json={"examples": [{"upload": key}]})) == "upload_gone"
    morph = {"a": {"id": 0}, "b": {"id": 999999}}
    assert error_of(client.post("/api/v1/morph", json=morph)) == "not_found"
    assert error_of(client.get("/api/v1/nothing")) == "not_found"
    assert error_of(client.get("/static/nothing.js")) == "not_found"


@pytest.mark.parametrize(
    ("path", "asked", "code", "said"),
    [
        ("search", {"examples": [{"id": -1}]}, "invalid_request", "examples"),
        ("search", {"tops": 3}, "invalid_request", "tops"),
        ("search", {"top": 201}, "invalid_request", "200"),
        ("search", {"tags": ["no such tag at all"]}, "bad_query", "no such tag at all"),
        ("search", {"rating": "nonsense"}, "bad_query", "nonsense"),
        ("search", {"examples": [{"id": 0, "weight": 0}]}, "bad_query", "weight"),
        ("search", {"examples": [{"id": 0}], "diverse": 0.5, "offset": 5000}, "bad_query", "diverse"),
        ("search", {"examples": [{"id": 0}], "tag_weight": 0.5}, "bad_query", "tag_weight"),
        ("morph", {"a": {"id": 0}, "b": {"id": 0}}, "no_morph", "same"),
        ("morph", {"a": {"id": 0}, "b": {"id": 1}, "method": "teleport"}, "invalid_request", "method"),
        ("morph", {"a": {"path": "/etc/passwd"}, "b": {"id": 1}}, "invalid_request", "a"),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: Running, path: str, asked: dict[str, Any], code: str, said: str
) -> None:
    answer = server.client.post(f"/api/v1/{path}", json=asked)
    assert answer.status_code == 422
    assert error_of(answer) == code
    assert said in answer.json()["error"]["message"]


def test_broken_json_and_wrong_methods(server: Running) -> None:
    client = server.client
    broken = client.post("/api/v1/search", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, error_of(broken)) == (422, "invalid_request")
    as_text = client.post("/api/v1/search", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (as_text.status_code, error_of(as_text)) == (422, "invalid_request")
    wrong = client.delete("/api/v1/search")
    assert (wrong.status_code, error_of(wrong)) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/nowhere", "./"),
        ("/a/b/c", "../../"),
        ("/a%2Fb", "./"),
        ("/static/js/none.js", "../../"),
        ("/apis", "./"),
    ],
)
def test_an_unknown_address_is_a_page_with_a_way_back_for_people(
    server: Running, path: str, back: str
) -> None:
    page = server.client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert f'<a href="{back}">' in page.text
    way = page.url.join(back)
    assert (way.path, server.client.get(way).status_code) == ("/", 200)
    assert "style=" not in page.text
    assert "script" not in page.text
    assert error_of(server.client.get(path)) == "not_found"


def test_what_an_unknown_address_is_called_never_becomes_markup(server: Running) -> None:
    page = server.client.get("/<b>%E2%80%AE", headers={"Accept": "text/html"})
    assert "<b>" not in page.text
    assert "&lt;b&gt;" in page.text
    assert "\u202e" not in page.text


def test_the_api_answers_in_json_whoever_asks(server: Running) -> None:
    for path in ("/api", "/api/v1/nothing", "/api/v1/images/999999"):
        answer = server.client.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, error_of(answer)) == (404, "not_found")
    assert error_of(server.client.post("/nowhere", headers={"Accept": "text/html"})) in {
        "not_found",
        "method_not_allowed",
    }


def test_request_ids_come_back(server: Running) -> None:
    named = server.client.get("/api/v1/health", headers={"X-Request-ID": "abc-1"})
    assert named.headers["x-request-id"] == "abc-1"
    hostile = server.client.get("/api/v1/health", headers={"X-Request-ID": 'a"\tb'})
    assert hostile.headers["x-request-id"].isalnum()


def test_metrics_count_by_route(server: Running) -> None:
    server.client.get("/api/v1/images/0")
    text = server.client.get("/metrics").text
    assert 'i2v_search_requests_total{method="GET",route="/api/v1/images/{number}",status="200"}' in text
    assert "i2v_search_pending" in text


def test_the_documentation_lists_every_address_and_loads_nothing(server: Running) -> None:
    document = server.client.get("/api/v1/openapi.json").json()
    answer = server.client.get("/api/v1/docs")
    for path in document["paths"]:
        assert path in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "<script" not in answer.text


def test_a_collection_changed_by_another_process_is_opened_anew(
    sample_collection: Collection, tmp_path: Path
) -> None:
    shutil.copytree(sample_collection.directory, tmp_path / "copy")
    with running(Collection.open(tmp_path / "copy"), tmp_path / "thumbnails") as server:
        gone = sample_collection.ids[1]
        assert server.client.get(f"/api/v1/images/{gone}").status_code == 200
        hits = search(server, examples=[{"id": gone}], top=1)["hits"]
        Collection.open(tmp_path / "copy").remove([gone])
        deadline = time.monotonic() + 120
        while server.client.get(f"/api/v1/images/{gone}").status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert (
            error_of(server.client.post("/api/v1/search", json={"examples": [{"id": gone}]})) == "not_found"
        )
        found = search(server, examples=[{"id": hits[0]["id"]}], top=200)["hits"]
        assert gone not in [hit["id"] for hit in found]


def test_tags_are_counted_in_the_state_that_a_thread_has_open(
    sample_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current_collection, "_LOOK_EVERY", -1.0)
    shutil.copytree(sample_collection.directory, tmp_path / "copy")
    service = Service(Collection.open(tmp_path / "copy"), ServerSettings(cache=tmp_path))
    before = service.current.collection()
    tag = service.tag_statistics(before).starting("", 1)[0]
    Collection.open(tmp_path / "copy").remove(sample_collection.ids[:50])
    # A request that is under way still has the old state open.
    assert service.tag_statistics(before).starting("", 1)[0] == tag
    after = service.current.collection()
    least = np.float32(np.float16(TAG_THRESHOLD))
    left = [after.store.record(place).tags for place in after.store.live.tolist()]
    count = sum(any(t.name == tag.name and t.probability >= least for t in tags) for tags in left)
    statistics = service.tag_statistics(after)
    found = {other.name: other.count for other in statistics.starting(tag.name, 1000)}
    assert found.get(tag.name, 0) == count < tag.count
    service.close()


def test_a_state_that_could_not_be_opened_is_tried_again(
    sample_collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(current_collection, "time", SimpleNamespace(monotonic=lambda: now))
    shutil.copytree(sample_collection.directory, tmp_path / "copy")
    kept = CurrentCollection(Collection.open(tmp_path / "copy"))
    before = kept.collection()
    Collection.open(tmp_path / "copy").remove(sample_collection.ids[:1])
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> Collection:
            raise OSError(errno.EMFILE, "Too many open files")

        patch.setattr(current_collection, "Collection", refuse)
        now += 2
        assert kept.collection() is before
    assert kept.collection() is before  # not on every request
    now += 6
    assert len(kept.collection()) == len(before) - 1


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"top": 1' + b"0" * 5000 + b"}", b"\xff\xfe", b"null", b"3"]
)
def test_strange_json_is_refused(server: Running, body: bytes) -> None:
    answer = server.client.post("/api/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, error_of(answer)) == (422, "invalid_request")


def test_a_collection_built_anew_with_another_encoder(
    sample_collection: Collection, tmp_path: Path, loaded: list[GridEncoder], cat: Image.Image
) -> None:
    directory = tmp_path / "copy"
    shutil.copytree(sample_collection.directory, directory)
    with running(Collection.open(directory), tmp_path / "thumbnails") as server:
        key = post_image(server.client, png(cat)).json()["upload"]
        asked = {"examples": [{"upload": key}]}
        assert server.client.post("/api/v1/search", json=asked).status_code == 200
        shutil.rmtree(directory)
        Collection.build(directory, [sample_directory() / "birds"], encoder="grid")
        deadline = time.monotonic() + 120
        while (answer := server.client.post("/api/v1/search", json=asked)).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert error_of(answer) == "upload_gone"
        assert post_image(server.client, png(cat)).status_code == 201
        assert server.client.post("/api/v1/search", json=asked).status_code == 200
        assert server.client.get("/api/v1/collection").json()["encoder"] == "grid"


def test_messages_name_no_folder() -> None:
    directory = Path("/home/somebody/art")
    error = MorphError(f"no graph; run: i2v-search index --graph --collection {directory}")
    assert failure_of(error, directory).message == "no graph; run: i2v-search index --graph --collection art"


def test_a_search_server_that_is_away_is_told_without_its_address() -> None:
    failure = failure_of(SearchServerError("http://secret:19530 does not respond"), Path("art"))
    assert (failure.status, failure.code) == (503, "search_server_unavailable")
    assert "secret" not in failure.message


def test_each_thread_searches_with_the_backend_that_was_asked_for(sample_collection: Collection) -> None:
    asked_for = Collection.open(sample_collection.directory, backend="milvus", milvus_uri="art.db")
    opened = CurrentCollection(asked_for).collection()
    assert opened is not asked_for
    assert (opened.backend, opened.milvus_uri) == ("milvus", "art.db")


LONG, TOO_LONG = "long " * 199 + "tail!", "x" * 1001


def test_every_tag_that_is_suggested_can_be_asked_for(tmp_path: Path) -> None:
    tags = [["-flag", "cat"], [LONG], [TOO_LONG], ['"quoted", -"', "cat"]]
    make_store(tmp_path / "c", random_vectors(4, 8), tags=tags)
    with running(Collection.open(tmp_path / "c"), tmp_path / "cache") as started:
        offered = [tag["name"] for tag in started.client.get("/api/v1/tags").json()]
        counted = [tag["name"] for tag in started.client.post("/api/v1/tags/counts", json={}).json()]
        assert set(offered) == set(counted) == {"-flag", "cat", LONG, '"quoted", -"'}
        for number, name in ((0, "-flag"), (1, LONG), (3, '"quoted", -"')):
            written = str(TagTerm(name))
            assert [hit["id"] for hit in search(started, tags=[written])["hits"]] == [number]
            without = search(started, tags=[str(TagTerm(name, excluded=True))])["hits"]
            assert {hit["id"] for hit in without} == {0, 1, 2, 3} - {number}
            similar = started.client.get(f"/api/v1/tags/{quote(name, safe='')}/similar")
            assert similar.status_code == 200
        assert [hit["id"] for hit in search(started, tags=["\\-flag"])["hits"]] == [0]


def test_a_rating_that_no_image_has_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    tags = [[Tag("safe", 0.9, "rating")], [Tag("explicit", 0.8, "rating")]]
    make_store(tmp_path / "c", random_vectors(2, 8), tags=tags)
    with running(Collection.open(tmp_path / "c"), tmp_path / "cache") as started:
        for address in ("search", "tags/counts", "map/matches"):
            refused = started.client.post(f"/api/v1/{address}", json={"rating": "bogus"})
            assert (refused.status_code, error_of(refused)) == (422, "bad_query")
            assert "its ratings are explicit, safe" in refused.json()["error"]["message"]


def test_a_browser_keeps_the_files_of_the_page_until_they_change(server: Running) -> None:
    page = server.client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    (address,) = re.findall(r'src="(static/\w{12}/js/main\.js)"', page.text)
    kept = server.client.get(f"/{address}")
    assert "immutable" in kept.headers["cache-control"]
    assert kept.content == server.client.get("/static/js/main.js").content
    assert "immutable" not in server.client.get("/static/js/main.js").headers["cache-control"]
    assert server.client.get(f"/{address.replace('main', 'none')}").status_code == 404
