"""The page searches from what is dropped, pasted, chosen or pressed, and narrows down what it shows; its
address holds all of it, and what goes wrong is said together with what to do."""

import hashlib
import json
import re
import shutil
import struct
import zlib
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from visiting import (
    MAX_UPLOAD,
    NOTHING,
    Opens,
    Visit,
    drawing,
    encoded,
    hits,
    keys,
    transfer,
    until,
    until_loaded,
    until_shown,
    written,
)
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.images.sample import sample_directory

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")


def searched(page: Any, query: str) -> None:
    """Wait until the address says so and the pictures are there."""
    expect(page).to_have_url(re.compile(query))
    expect(page.locator("#grid")).not_to_have_attribute("aria-busy", "true")


# The first sight


def test_the_collection_is_there_at_once(
    visit: Visit, server: Running, sample_collection: Collection
) -> None:
    page = visit.open()
    assert keys(page) == hits(server)
    expect(page.locator("#facts")).to_have_text(f"{len(sample_collection)} pictures")
    until(page, "[...document.querySelectorAll('#grid img')].slice(0, 12).every(i => i.naturalWidth)")


def test_the_grid_fills_its_width_and_crops_nothing(visit: Visit) -> None:
    page = visit.open()
    boxes = page.eval_on_selector_all(
        "#grid .tile",
        "items => items.map(item => { const b = item.getBoundingClientRect();"
        " const i = item.querySelector('img'); return [b.left, b.right, b.top, b.width / b.height]; })",
    )
    inside = page.eval_on_selector(
        "#grid", "grid => [grid.getBoundingClientRect().left, grid.getBoundingClientRect().right]"
    )
    rows = sorted({top for _, _, top, _ in boxes})
    assert len(rows) > 3
    for top in rows[:-1]:
        row = [box for box in boxes if box[2] == top]
        assert row[0][0] == pytest.approx(inside[0])
        assert row[-1][1] == pytest.approx(inside[1])
    answer = visit.page.request.post(visit.url + "/api/v1/search", data={"top": 60}).json()
    true = [hit["width"] / hit["height"] for hit in answer["hits"]]
    shown = [ratio for *_, ratio in boxes]
    assert shown == pytest.approx([min(3.2, max(0.4, ratio)) for ratio in true[: len(shown)]], rel=0.04)


def test_more_pictures_come_as_one_scrolls(visit: Visit, sample_collection: Collection) -> None:
    page = visit.open()
    total = len(sample_collection)
    assert len(keys(page)) == 60 < total
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until_loaded(page, lambda loaded: loaded == total)
    assert len(keys(page)) == len(set(keys(page))) == total
    expect(page.locator("#more")).to_be_hidden()


# Where a search begins


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_an_image_from_outside_starts_a_search(
    way: str, visit: Visit, server: Running, tmp_path: Path
) -> None:
    page, content = visit.open(), encoded(drawing())
    if way == "choose":
        page.set_input_files("#file", written(tmp_path, "ball.png", content))
    else:
        held = transfer(page, [("ball.png", "image/png", content)])
        if way == "drop":
            page.dispatch_event("body", "dragenter", {"dataTransfer": held})
            expect(page.locator("#veil")).to_be_visible()
            page.dispatch_event("body", "drop", {"dataTransfer": held})
            expect(page.locator("#veil")).to_be_hidden()
        else:
            page.evaluate(
                "held => document.body.dispatchEvent("
                "new ClipboardEvent('paste', { clipboardData: held, bubbles: true }))",
                held,
            )
    digest = hashlib.sha256(content).hexdigest()
    searched(page, rf"\?like=u:{digest}$")
    expect(page.locator("#examples .example")).to_have_count(1)
    expect(page.locator("#facts")).to_have_text("Most similar first")
    expected = hits(server, examples=[{"upload": digest, "weight": 1}])
    until_shown(page, expected)


def test_a_file_of_the_collection_is_known(
    visit: Visit, server: Running, sample_collection: Collection
) -> None:
    page = visit.open()
    path = Path(sample_collection.info().image_root) / sample_collection.store.path(7)
    page.set_input_files("#file", path)
    searched(page, rf"\?like={sample_collection.ids[7]}$")


def test_several_dropped_images_are_all_examples(visit: Visit) -> None:
    page = visit.open()
    files = [(f"{c}.png", "image/png", encoded(drawing(c))) for c in ("gold", "teal")]
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, files)})
    expect(page.locator("#examples .example")).to_have_count(2)


def test_pressing_results_searches_on_and_back_returns(visit: Visit, server: Running) -> None:
    page = visit.open()
    first = keys(page)
    page.evaluate("scrollTo(0, 500)")
    page.locator("#grid a").nth(14).click()
    searched(page, rf"\?like={first[14]}$")
    second = keys(page)[:60]
    assert second == hits(server, examples=[{"id": int(first[14]), "weight": 1}])
    page.locator("#grid a").nth(1).click()
    searched(page, rf"\?like={second[1]}$")
    page.go_back()
    searched(page, rf"\?like={first[14]}$")
    until_shown(page, second)
    page.go_back()
    until(page, "scrollY > 400")
    assert keys(page)[: len(first)] == first
    page.go_forward()
    searched(page, rf"\?like={first[14]}$")


def test_back_returns_to_later_pages_too(visit: Visit, sample_collection: Collection) -> None:
    page = visit.open()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until_loaded(page, lambda loaded: loaded == len(sample_collection))
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    pressed = page.locator("#grid .tile").last
    pressed.scroll_into_view_if_needed()
    before, place = keys(page), page.evaluate("scrollY")
    pressed.click()
    searched(page, rf"\?like={before[-1]}$")
    page.go_back()
    until(page, f"Math.abs(scrollY - {place}) < 100")
    assert keys(page) == before


def test_score_and_shared_tags_show_on_hover_and_focus(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3")
    hit = server.client.post("/api/v1/search", json={"examples": [{"id": 3}], "top": 1}).json()["hits"][0]
    facts = page.locator("#grid .facts").first
    expect(facts).to_be_hidden()
    page.locator("#grid .tile").first.hover()
    expect(facts).to_be_visible()
    expect(facts.locator(".score")).to_have_text(f"{hit['score']:.2f}")
    expect(facts.locator(".shared")).to_have_text(" · ".join(hit["tags"][:4]))
    page.mouse.move(5, 400)
    expect(facts).to_be_hidden()
    page.locator("#grid a").first.focus()
    expect(facts).to_be_visible()


# Examples and filters


def test_results_become_examples_and_chips_take_them_back(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3")
    more, less = keys(page)[:2]
    page.locator("#grid .tile").nth(0).hover()
    page.locator("#grid .tile").nth(0).locator("[data-act=like]").click()
    searched(page, rf"like=3&like={more}$")
    page.locator(f"#grid [data-key='{less}'] a").focus()
    page.keyboard.press("-")
    searched(page, rf"like=3&like={more}&unlike={less}$")
    asked = [{"id": 3}, {"id": int(more)}, {"id": int(less), "weight": -0.5}]
    assert keys(page) == hits(server, examples=asked)
    expect(page.locator("#examples .unlike")).to_have_count(1)
    page.locator("#examples .unlike .turn").click()
    searched(page, rf"like=3&like={more}&like={less}$")
    page.locator("#examples .remove").first.click()
    searched(page, rf"\?like={more}&like={less}$")
    page.click("#clear")
    searched(page, r"/$")
    expect(page.locator("#examples")).to_be_hidden()


def test_tag_chips_keep_and_leave_out(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3")
    name = page.locator("#chips .keep").first.evaluate("chip => chip.firstChild.textContent")
    page.locator("#chips .keep").first.click()
    expect(page.locator("#examples .wanted")).to_have_text(name)
    expected = hits(server, examples=[{"id": 3}], tags=[name])
    until_loaded(page, lambda loaded: loaded == len(expected))
    assert keys(page) == expected
    until(page, f"![...document.querySelectorAll('#chips .keep')].some(c => c.firstChild.data === '{name}')")
    out = page.locator("#chips .chip").nth(1)
    word = out.locator(".keep").evaluate("chip => chip.firstChild.textContent")
    out.locator(".out").click()
    expect(page.locator("#examples .wanted.unlike")).to_have_text(f"without {word}")
    expected = hits(server, examples=[{"id": 3}], tags=[name, f"-{word}"])
    until_loaded(page, lambda loaded: loaded == len(expected))
    assert keys(page) == expected


def test_what_images_and_tags_are_called_never_becomes_markup(visit: Visit) -> None:
    page, name = visit.page, "<b class=markup>bold</b>"
    hit = {"rank": 1, "id": 3, "path": f"{name}.png", "score": 0.5, "tags": [name], "version": "0" * 12}
    found = {**NOTHING, "hits": [{**hit, "why": [], "width": 40, "height": 30}]}
    tags = [{"name": name, "category": "general", "count": 2}]
    page.route("**/api/v1/search", lambda route: route.fulfill(json=found))
    page.route("**/api/v1/tags?*", lambda route: route.fulfill(json=tags))
    page.route("**/api/v1/tags/counts", lambda route: route.fulfill(json=tags))
    visit.open()
    expect(page.locator("#chips .keep")).to_contain_text(name)
    page.keyboard.press("/")
    page.keyboard.type("b")
    page.locator("#suggestions [role=option]").nth(1).click()
    expect(page.locator("#examples .wanted")).to_contain_text(name)
    page.keyboard.type(f"words {name}")
    expect(page.locator("#suggestions .word").first).to_contain_text(name)
    page.keyboard.press("Enter")
    expect(page.locator("#examples .words")).to_have_text(f"“words {name}”")
    page.keyboard.press("Escape")
    page.locator("#examples .letter.a").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#slot-a .words")).to_contain_text(name)
    page.goto(f"{visit.url}/?like=t:{quote(name)}")
    expect(page.locator("#facts")).to_have_text(f"Results for “{name}”")
    expect(page.locator("#grid .facts")).to_contain_text(name)
    assert page.locator(".markup").count() == 0


def test_a_tag_that_begins_with_a_hyphen_can_be_asked_for_and_left_out(visit: Visit) -> None:
    page = visit.page
    tags = [{"name": name, "category": "general", "count": 2} for name in ("-flag", "-_-", "rough, sketch")]
    page.route("**/api/v1/search", lambda route: route.fulfill(json=NOTHING))
    page.route("**/api/v1/tags?*", lambda route: route.fulfill(json=tags))
    page.route("**/api/v1/tags/*/similar?*", lambda route: route.fulfill(json=[]))
    page.route("**/api/v1/tags/counts", lambda route: route.fulfill(json=tags))
    visit.open()
    for typed, texts, chip in (
        ('"-flag"', ['"-flag"'], "-flag"),
        ("-_-", ['"-flag"', '"-_-"'], "-_-"),
        ('-"-_-"', ['"-flag"', '-"-_-"'], "without -_-"),
        ('"rough, sketch"', ['"-flag"', '-"-_-"', "rough, sketch"], "rough, sketch"),
    ):
        page.fill("#search", typed)
        with page.expect_request("**/api/v1/search") as sent:
            page.keyboard.press("Enter")
        assert sent.value.post_data_json["tags"] == texts
        expect(page.locator("#examples .wanted").last).to_have_text(chip)
    page.reload()
    expect(page.locator("#examples .wanted")).to_have_text(["-flag", "without -_-", "rough, sketch"])


def test_tags_are_suggested_while_one_types(visit: Visit, server: Running) -> None:
    page = visit.open()
    page.keyboard.press("/")
    page.keyboard.type("bi")
    options = page.locator("#suggestions [role=option]")
    expect(options.first).to_contain_text("“bi”")
    known = server.client.get("/api/v1/tags?prefix=bi&limit=8").json()
    names = [option.split("\n")[0] for option in options.all_inner_texts()]
    assert names[: len(known) + 1] == ["Search for “bi”", *[tag["name"] for tag in known]]
    page.keyboard.press("ArrowDown")
    expect(page.locator("#search")).to_have_attribute("aria-activedescendant", "suggestion-1")
    page.keyboard.press("Enter")
    searched(page, f"tag={known[0]['name']}")
    expect(page.locator("#facts")).to_have_text("Best tag match first")
    page.keyboard.type("-animal")
    page.keyboard.press("Enter")
    searched(page, f"tag={known[0]['name']}&tag=-animal$")
    page.keyboard.type('"animal"')
    page.keyboard.press("Enter")
    searched(page, f"tag={known[0]['name']}&tag=animal$")
    page.keyboard.press("Backspace")
    searched(page, f"tag={known[0]['name']}$")


def test_score_and_difference_narrow_down(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3")
    plain = keys(page)
    page.click("#filters-button")
    page.locator("#min").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    searched(page, "min=0.2")
    expected = hits(server, examples=[{"id": 3}], min_score=0.2)
    until_loaded(page, lambda loaded: loaded == len(expected))
    assert keys(page) == expected
    page.keyboard.press("End")
    expect(page.locator("#message h2")).to_have_text("No results")
    page.get_by_role("button", name="Lower the minimum score").click()
    until_loaded(page, lambda loaded: loaded == len(plain))
    page.locator("#different").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    searched(page, "different=3")
    expected = hits(server, examples=[{"id": 3}], diverse=0.7)
    until_shown(page, expected)
    assert expected != plain


def test_a_rating_is_offered_where_there_are_ratings(visit: Visit) -> None:
    page, asked = visit.page, []

    def search(route: Any) -> None:
        asked.append(json.loads(route.request.post_data))
        route.fulfill(json=NOTHING)

    facts = {
        **visit.page.request.get(visit.url + "/api/v1/collection").json(),
        "ratings": ["safe", "explicit"],
    }
    page.route("**/api/v1/collection", lambda route: route.fulfill(json=facts))
    page.route("**/api/v1/tags/counts", lambda route: route.fulfill(json=[]))
    page.route("**/api/v1/search", search)
    visit.open()
    page.click("#filters-button")
    page.select_option("#rating", "safe")
    expect(page).to_have_url(re.compile(r"\?rating=safe$"))
    until(page, "document.querySelector('#message h2').textContent === 'No results'")
    assert asked[-1]["rating"] == "safe"


def test_an_address_can_be_shared(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3&unlike=20&tag=animal&min=0.05")
    expected = hits(server, examples=[{"id": 3}, {"id": 20, "weight": -0.5}], tags=["animal"], min_score=0.05)
    assert keys(page) == expected
    expect(page.locator("#examples li")).to_have_count(3)
    expect(page.locator("#min-value")).to_have_text("0.05")


def test_nonsense_in_the_address_is_passed_over(visit: Visit) -> None:
    page = visit.open(
        "?like=<script>&like=../../etc&min=high&different=99&view=nothing&image=x&a=-1&steps=1e9"
    )
    expect(page.locator("#examples")).to_be_hidden()
    assert len(keys(page)) == 60


# What goes wrong


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"I am a text, renamed.\n" * 20, 415, "not-a-picture.png is not a readable image"),
        (bytes(MAX_UPLOAD + 1), None, "not-a-picture.png is too large: 0.4 MB, the limit is 0.4 MB"),
        (bomb(), 422, "not-a-picture.png cannot be read: it is damaged or has too many pixels"),
    ],
    ids=["text", "oversized", "bomb"],
)
def test_a_file_that_cannot_be_read_is_said(
    content: bytes, status: int | None, said: str, visit: Visit, tmp_path: Path
) -> None:
    if status:
        visit.expect_refusal(status)
    page = visit.open()
    before = keys(page)
    page.set_input_files("#file", written(tmp_path, "not-a-picture.png", content))
    expect(page.locator(".notice.error")).to_contain_text(said)
    assert keys(page) == before
    assert page.url == visit.url + "/"


def test_an_address_dropped_is_not_fetched(visit: Visit) -> None:
    page = visit.open()
    held = page.evaluate_handle(
        "() => { const held = new DataTransfer();"
        " held.setData('text/uri-list', 'https://example.org/a.png'); return held; }"
    )
    page.dispatch_event("body", "drop", {"dataTransfer": held})
    page.evaluate(
        "() => { const held = new DataTransfer(); held.setData('text/plain', 'https://example.org/a.png');"
        " document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: held, bubbles: true })); }"
    )
    expect(page.locator(".notice.error")).to_contain_text("That is an address, not an image")


def test_a_lost_upload_is_offered_again(visit: Visit) -> None:
    visit.expect_refusal(404)
    page = visit.open(f"?like=u:{'0' * 64}&like=3")
    expect(page.locator("#message h2")).to_have_text("An uploaded image has expired")
    page.get_by_role("button", name="Search without it").click()
    searched(page, r"\?like=3$")
    until_loaded(page, lambda loaded: loaded == 60)


def refuse_once(page: Any, **answer: Any) -> list[str]:
    """Answer the next search so, and let the server answer all after it; what was refused is listed."""
    refused: list[str] = []

    def answered(route: Any) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.fulfill(**answer)

    page.route("**/api/v1/search", answered)
    return refused


def test_a_forgotten_upload_is_sent_again(visit: Visit, server: Running, tmp_path: Path) -> None:
    visit.expect_refusal(404)
    page = visit.open()
    content = encoded(drawing("orchid"))
    page.set_input_files("#file", written(tmp_path, "ball.png", content))
    searched(page, "like=u:")
    expect(page.locator("#grid .picture").first).to_be_visible()
    gone = {"error": {"code": "upload_gone", "message": "gone", "request_id": "r"}}
    refuse_once(page, status=404, json=gone)
    page.click("#filters-button")
    page.locator("#min").focus()
    with page.expect_request("**/api/v1/uploads") as sent:
        page.keyboard.press("ArrowRight")
    assert sent.value.method == "POST"
    searched(page, "min=0.05")
    expect(page.locator("#message")).to_be_hidden()


@pytest.mark.parametrize(
    ("code", "sent", "said"),
    [("upload_gone", 1, "An uploaded image has expired"), ("not_found", 0, "Something went wrong")],
)
def test_an_upload_is_not_sent_again_and_again(
    code: str, sent: int, said: str, visit: Visit, tmp_path: Path
) -> None:
    visit.expect_refusal(404)
    page = visit.open()
    page.set_input_files("#file", written(tmp_path, "ball.png", encoded(drawing("navy"))))
    searched(page, "like=u:")
    uploads: list[str] = []
    page.on("request", lambda asked: uploads.append(asked.url) if asked.url.endswith("/uploads") else None)
    gone = {"error": {"code": code, "message": "gone", "request_id": "r"}}
    page.route("**/api/v1/search", lambda route: route.fulfill(status=404, json=gone))
    page.click("#filters-button")
    page.locator("#min").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#message h2")).to_have_text(said)
    assert len(uploads) == sent


def test_nothing_is_asked_twice(visit: Visit) -> None:
    page = visit.page
    asked: list[tuple[str, str, str | None]] = []
    # What one leaves before it has come is asked for again.
    page.on("requestfinished", lambda request: asked.append((request.method, request.url, request.post_data)))
    visit.open()
    page.locator("#grid a").nth(3).click()
    searched(page, "like=")
    expect(page.locator("#chips .chip").first).to_be_visible()
    page.go_back()
    searched(page, r"/$")
    expect(page.locator("#facts-hint")).to_contain_text("Drop an image")
    page.keyboard.press("/")
    page.keyboard.type("bir")
    expect(page.locator("#suggestions [role=option]").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    searched(page, "tag=")
    expect(page.locator("#chips .chip").first).to_be_visible()
    # How far a build is, is asked every five seconds.
    questions = [question for question in asked if "/api/" in question[1] and "/build" not in question[1]]
    assert [question for question in questions if questions.count(question) > 1] == []


def test_a_silent_server_can_be_asked_again(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.open()
    page.route("**/api/v1/search", lambda route: route.abort())
    page.locator("#grid a").nth(2).click()
    expect(page.locator("#message")).to_contain_text("The server does not respond")
    page.unroute("**/api/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#grid .picture").first).to_be_visible()


def test_a_busy_server_is_asked_again_by_itself(visit: Visit) -> None:
    visit.expect_refusal(503)
    page = visit.page
    busy = {"error": {"code": "busy", "message": "busy"}}
    refused = refuse_once(page, status=503, headers={"Retry-After": "1"}, json=busy)
    visit.open()
    expect(page.locator("#grid .picture").first).to_be_visible()
    assert refused


def test_an_empty_collection_says_how_to_fill_it(visit: Visit) -> None:
    page = visit.page
    facts = {**page.request.get(visit.url + "/api/v1/collection").json(), "images": 0}
    page.route("**/api/v1/collection", lambda route: route.fulfill(json=facts))
    page.route("**/api/v1/search", lambda route: route.fulfill(json=NOTHING))
    visit.open()
    expect(page.locator("#message h2")).to_have_text("This collection is empty")
    expect(page.locator("#message code")).to_contain_text("i2v-search build")


def test_pictures_whose_files_are_gone_are_named_with_what_to_do(
    window: Opens, sample_collection: Collection, tmp_path: Path
) -> None:
    folder = tmp_path / "art"
    shutil.copytree(sample_directory() / "birds", folder)
    collection = Collection.build(tmp_path / "birds", [folder])
    gone, damaged = sorted(folder.iterdir())[:2]
    gone.unlink()
    damaged.write_bytes(b"nothing")
    with running(collection, tmp_path / "thumbnails") as server:
        visit = window(viewport={"width": 1200, "height": 800})
        visit.url = server.url
        visit.expect_refusal(404)
        page = visit.open("?image=0")
        expect(page.locator("#large-missing")).to_contain_text("no such file. Restore the files")
        page.keyboard.press("Escape")
        expect(page.locator("#missing")).to_contain_text("2 pictures here cannot be shown: ")
        for name in (gone.name, damaged.name, "i2v-search build", "i2v-search relocate"):
            expect(page.locator("#missing")).to_contain_text(name)
        tile = page.locator("#grid .tile.missing", has_text=gone.name)
        expect(tile.locator(".gone")).to_contain_text(
            f"{gone.name} the image's file cannot be shown: no such file"
        )
        page.locator("#grid .tile:not(.missing) a").first.click()
        searched(page, "like=")
        open_morph = f"?a=0&b={len(collection) - 1}"
        visit.open(open_morph)
        expect(page.locator("#film .frame.missing .gone").first).to_contain_text("no such file")


def test_pictures_that_a_busy_server_refuses_come_later(visit: Visit) -> None:
    visit.expect_refusal(503)
    page, left = visit.page, [3]

    def refuse(route: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": {}})

    page.route("**/thumbnail?*", refuse)
    visit.open()
    until(page, "[...document.querySelectorAll('#grid img')].slice(0, 8).every((each) => each.naturalWidth)")
    expect(page.locator("#grid .missing")).to_have_count(0)
    expect(page.locator("#missing")).to_be_hidden()


def test_a_collection_that_did_not_tell_of_itself_is_asked_again(
    visit: Visit, sample_collection: Collection
) -> None:
    visit.expect_refusal(500)
    page = visit.page
    page.route("**/api/v1/collection", lambda route: route.fulfill(status=500, json={"error": {}}))
    visit.open()
    expect(page.locator("#facts")).to_have_text("Pictures")
    page.unroute("**/api/v1/collection")
    page.locator("#grid a").first.click()
    searched(page, "like=")
    page.locator("#clear").click()
    expect(page.locator("#facts")).to_have_text(f"{len(sample_collection)} pictures")


def test_an_answer_that_breaks_off_is_said(visit: Visit) -> None:
    page = visit.open()
    page.route("**/api/v1/search", lambda route: route.fulfill(body='{"hits": [{"id": 1', status=200))
    page.locator("#grid a").nth(2).click()
    expect(page.locator("#message")).to_contain_text("The response is incomplete")
    page.unroute("**/api/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#grid .picture").first).to_be_visible()


def test_tags_of_other_pictures_are_not_shown_beside_these(visit: Visit) -> None:
    page, waiting = visit.open(), []
    expect(page.locator("#chips .chip").first).to_be_visible()
    page.route("**/api/v1/tags/counts", lambda route: waiting.append(route))
    page.locator("#grid a").nth(2).click()
    searched(page, "like=")
    expect(page.locator("#chips .chip")).to_have_count(0)
    for route in waiting:
        route.continue_()
    expect(page.locator("#chips .chip").first).to_be_visible()


@pytest.mark.parametrize(
    ("query", "way"),
    [("?rating=bogus", "Any rating"), ("?tag=bogus", "Remove the tags"), ("?like=999999", "Start over")],
)
def test_a_search_that_is_refused_can_be_left(visit: Visit, query: str, way: str) -> None:
    page, status = visit.page, 404 if "like" in query else 422
    visit.expect_refusal(status)
    visit.open(query)
    heading = "No results" if status == 422 else "Something went wrong"
    expect(page.locator("#message")).to_contain_text(heading)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("button", name=way).click()
    expect(page.locator("#grid .picture").first).to_be_visible()


def test_more_pictures_that_did_not_come_are_said_and_asked_for_again(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.open()
    page.route("**/api/v1/search", lambda route: route.abort())
    page.keyboard.press("End")
    page.mouse.wheel(0, 100_000)
    expect(page.locator("#more")).to_contain_text("Loading more failed: The server does not respond")
    page.unroute("**/api/v1/search")
    page.locator("#more").click()
    until_loaded(page, lambda loaded: loaded > 60)


def test_a_tag_is_not_called_unknown_because_the_server_is_silent(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.open()
    page.route("**/api/v1/tags?*", lambda route: route.abort())
    page.locator("#search").fill("-bird")
    page.locator("#search").press("Enter")
    expect(page.locator("#notices")).to_contain_text("The server does not respond")


# The files of the page


def test_every_module_is_loaded_with_the_page_and_not_one_after_the_other() -> None:
    folder = Path(str(files("i2v_search"))) / "web" / "static"
    page = (folder / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'(?:href|src)="static/(js/[a-z]+\.js|css/[a-z]+\.css)"', page)
    there = [
        path.relative_to(folder).as_posix() for kind in ("js", "css") for path in folder.glob(f"{kind}/*")
    ]
    assert sorted(loaded) == sorted(there)
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son[a-z]+=|https?://", page)


def test_every_text_is_used_and_every_text_used_is_there() -> None:
    folder = Path(str(files("i2v_search"))) / "web" / "static"
    texts = (folder / "js" / "strings.js").read_text(encoding="utf-8")
    named = set(re.findall(r"^  (\w+):", texts.split("export const TEXT")[1].split("\n};")[0], re.MULTILINE))
    page = (folder / "index.html").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (folder / "js").glob("*.js"))
    used = set(re.findall(r'data-(?:text|label|tip|hint|placeholder)="(\w+)"', page)) | set(
        re.findall(r"\bTEXT\.(\w+)", code)
    )
    assert named == used
