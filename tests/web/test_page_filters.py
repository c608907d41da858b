"""Finding on the page: orders and conditions beside examples, words and tags; the address holds them."""

import json
import re
from typing import Any

import pytest
from visiting import NOTHING, Opens, Visit, hits, until, until_shown
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")


def asked_at(visit: Visit, query: str) -> Any:
    """What the page asks of the server where its address says this."""
    visit.page.route("**/api/v1/search", lambda route: route.fulfill(json=NOTHING))
    visit.page.route("**/api/v1/tags/counts", lambda route: route.fulfill(json=[]))
    with visit.page.expect_request("**/api/v1/search") as sent:
        visit.open(query)
    return sent.value.post_data_json


# The address


def test_the_address_holds_every_condition_and_the_order(visit: Visit) -> None:
    body = asked_at(
        visit,
        "?order=random&seed=7&folder=birds/[red]+owls&folder=cats&name=owl&name=-sketch&shape=strip&minside=300"
        "&maxside=6000&animated=0&after=2024-02-29&before=2025-01-31&colour=%23A0b1C2",
    )
    assert body == {
        "examples": [],
        "tags": [],
        "rating": None,
        "paths": ["birds/[red] owls", "cats"],
        "names": ["owl", "-sketch"],
        "shape": "strip",
        "min_side": 300,
        "max_side": 6000,
        "animated": False,
        "after": "2024-02-29",
        "before": "2025-01-31",
        "colour": "#a0b1c2",
        "order": "random",
        "seed": 7,
        "top": 60,
        "offset": 0,
    }


def test_nothing_is_sent_that_the_address_does_not_set_or_that_makes_no_sense(visit: Visit) -> None:
    body = asked_at(
        visit,
        "?order=best&seed=7&folder=+&name=&shape=round&minside=0&maxside=1.5&animated=yes&after=2023-02-29"
        f"&before=soon&colour=red&name={'a' * 101}",
    )
    assert body == {"examples": [], "tags": [], "rating": None, "top": 60, "offset": 0}


# The search field


def test_several_parts_become_chips_at_once(visit: Visit, server: Running) -> None:
    others = server.client.post("/api/v1/search", json={"tags": ["-animal"], "top": 1}).json()["hits"]
    folder = others[0]["path"].rpartition("/")[0]
    page = visit.open()
    page.fill("#search", f"boat, -animal, folder:{folder}, -folder:{folder}/old, -name:zzz")
    page.keyboard.press("Enter")
    expect(page.locator("#examples .words")).to_have_text("“boat”")
    expect(page.locator("#examples .wanted")).to_have_text(
        ["without animal", folder, f"without {folder}/old", "without zzz"]
    )
    expect(page.locator("#search")).to_have_value("")
    conditions = {"tags": ["-animal"], "paths": [folder, f"-{folder}/old"], "names": ["-zzz"]}
    expected = hits(server, examples=[{"text": "boat"}], **conditions)
    until_shown(page, expected)
    page.go_back()
    expect(page.locator("#examples")).to_be_hidden()


def test_commas_of_plain_words_part_nothing(visit: Visit) -> None:
    page = visit.open()
    page.fill("#search", "a red boat, at sea")
    page.keyboard.press("Enter")
    expect(page.locator("#examples .words")).to_have_text("“a red boat, at sea”")


def test_suggestions_say_what_they_are(visit: Visit, server: Running) -> None:
    named = server.client.get("/api/v1/names?prefix=bir&limit=8").json()
    folder = next(each["path"] for each in named if each["kind"] == "folder")
    page = visit.open()
    page.fill("#search", "bir")
    expect(page.locator("#suggestions .section").first).to_have_text("Words")
    sections = page.locator("#suggestions [role=group]")
    expect(sections.filter(has_text="Folders").locator(".word").first).to_have_text(folder)
    labels = sections.evaluate_all("all => all.map((each) => each.getAttribute('aria-label'))")
    assert labels[:3] == ["Words", "Tags", "Folders"]
    sections.filter(has_text="Folders").locator("[role=option]").first.click()
    expect(page.locator("#examples .wanted.folder")).to_have_text(folder)
    page.keyboard.press("Backspace")
    expect(page.locator("#examples")).to_be_hidden()


def test_a_file_that_is_suggested_is_shown_large(visit: Visit) -> None:
    page = visit.page
    names = [{"kind": "file", "path": "deep/<b>owl.png", "images": 1, "id": 3}]
    page.route("**/api/v1/names?*", lambda route: route.fulfill(json=names))
    visit.open()
    page.fill("#search", "owl")
    file = page.locator("#suggestions [role=group]", has_text="Files").locator("[role=option]").last
    expect(file.locator(".word")).to_have_text("<b>owl.png")
    file.click()
    expect(page.locator("#detail")).to_be_visible()


def test_a_tag_that_cannot_be_asked_for_is_not_suggested(visit: Visit) -> None:
    page = visit.page
    tags = [{"name": name, "category": "general", "count": 2} for name in ("x" * 1001, "xy")]
    page.route("**/api/v1/tags?*", lambda route: route.fulfill(json=tags))
    page.route("**/api/v1/names?*", lambda route: route.fulfill(json=[]))
    visit.open()
    page.fill("#search", "x")
    expect(page.locator("#suggestions .word")).to_have_text(["Search for “x”", "xy"])


def test_no_tag_is_said_to_be_missing_while_the_server_does_not_answer(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.open()
    page.route("**/api/v1/tags?*", lambda route: route.abort())
    page.fill("#search", "tag:nothing")
    page.keyboard.press("Enter")
    expect(page.locator(".notice.error")).to_contain_text("The server does not respond")
    page.unroute("**/api/v1/tags?*")
    page.fill("#search", "tag:zzzzqq")
    page.keyboard.press("Enter")
    expect(page.locator(".notice.error").last).to_contain_text("No tag begins like this")


# Orders and filters


@pytest.mark.parametrize("order", ["name", "newest", "oldest", "largest", "smallest", "collection"])
def test_pictures_are_sorted(order: str, visit: Visit, server: Running) -> None:
    page = visit.open()
    page.select_option("#order", order)
    expected = hits(server, order=order)
    until_shown(page, expected)
    expect(page.locator("#shuffle")).to_be_hidden()


def test_a_colour_alone_shows_first_what_has_most_of_it(visit: Visit, server: Running) -> None:
    page = visit.open()
    page.click("#filters-button")
    page.click("#swatches [data-colour='#2f6fde']")
    expect(page).to_have_url(re.compile(r"\?colour=%232f6fde$"))
    expect(page.locator("#order")).to_have_value("colour")
    expected = hits(server, colour="#2f6fde", order="colour")
    until_shown(page, expected)
    page.fill("#search", "boat")
    page.keyboard.press("Enter")
    expect(page.locator("#order")).to_have_value("likeness")


def test_a_random_order_is_kept_in_the_address_and_shuffled_again(visit: Visit, server: Running) -> None:
    page = visit.open()
    page.select_option("#order", "random")
    expect(page).to_have_url(re.compile(r"order=random&seed=\d+$"))
    first = page.url
    seed = int(first.rpartition("=")[2])
    expected = hits(server, order="random", seed=seed)
    until_shown(page, expected)
    page.click("#shuffle")
    until(page, f"location.href !== '{first}'")
    page.select_option("#order", "varied")
    expect(page).to_have_url(re.compile("/$"))


def test_a_search_begins_with_what_is_most_like_it(visit: Visit) -> None:
    page = visit.open("?order=newest")
    page.fill("#search", "boat")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?like=t:boat$"))
    expect(page.locator("#order")).to_have_value("likeness")


def test_filters_narrow_down_and_their_chips_take_them_away(visit: Visit, server: Running) -> None:
    page = visit.open()
    page.click("#filters-button")
    page.select_option("#shape", "wide")
    page.fill("#minside", "100")
    page.press("#minside", "Enter")
    page.fill("#after", "2001-02-03")
    page.press("#after", "Tab")
    expect(page).to_have_url(re.compile(r"\?shape=wide&minside=100&after=2001-02-03$"))
    expect(page.locator("#conditions .wanted")).to_have_count(3)
    answer = server.client.post(
        "/api/v1/search", json={"shape": "wide", "min_side": 100, "after": "2001-02-03"}
    ).json()
    expect(page.locator("#facts")).to_have_text(f"{answer['total']} pictures")
    page.locator("#conditions .remove").first.click()
    expect(page.locator("#conditions .wanted")).to_have_count(2)
    expect(page.locator("#shape")).to_have_value("")
    page.get_by_role("button", name="Clear all filters").click()
    expect(page.locator("#conditions")).to_be_hidden()
    expect(page).to_have_url(re.compile("/$"))


def test_filters_that_leave_nothing_can_be_cleared(visit: Visit) -> None:
    page = visit.open("?minside=999999&name=zzzz")
    expect(page.locator("#message h2")).to_have_text("No results")
    page.locator("#message").get_by_role("button", name="Clear all filters").click()
    page.get_by_role("button", name="In all folders").click()
    expect(page.locator("#grid .picture").first).to_be_visible()


# Folders

FOLDERS = [{"path": "a", "images": 3}, {"path": "a/b c", "images": 2}, {"path": "a/[x]", "images": 1}]


def test_folders_are_a_tree_for_keys(visit: Visit, server: Running) -> None:
    page = visit.page
    page.route("**/api/v1/folders", lambda route: route.fulfill(json=[*FOLDERS, {"path": "d", "images": 9}]))
    page.route("**/api/v1/search", lambda route: route.fulfill(json=NOTHING))
    page.route("**/api/v1/tags/counts", lambda route: route.fulfill(json=[]))
    visit.open()
    page.click("#folders-button")
    rows = page.locator("#folder-tree [role=treeitem]")
    expect(rows).to_have_count(2)
    expect(rows.first).to_be_focused()
    expect(rows.first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(rows).to_have_count(4)
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-path='a/b c']")).to_be_focused()
    expect(page.locator("[data-path='a/b c']")).to_have_attribute("aria-level", "2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?folder=a/b\+c$"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(page).to_have_url(re.compile(r"folder=a/b\+c&folder=a/%5Bx%5D$"))
    expect(page.locator("#folder-tree [aria-selected=true]")).to_have_count(2)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(rows).to_have_count(2)
    page.keyboard.press("d")
    expect(page.locator("[data-path=d]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#folders")).to_be_hidden()
    expect(page.locator("#folders-button")).to_be_focused()


def test_of_thousands_of_folders_only_those_in_sight_are_drawn(visit: Visit) -> None:
    page = visit.page
    many = [{"path": f"f{number:04}", "images": 1} for number in range(5000)]
    page.route("**/api/v1/folders", lambda route: route.fulfill(json=many))
    visit.open()
    page.click("#folders-button")
    rows = page.locator("#folder-tree [role=treeitem]")
    expect(rows.first).to_be_focused()
    assert rows.count() < 80
    page.keyboard.press("End")
    expect(page.locator("[data-path=f4999]")).to_be_focused()
    expect(page.locator("[data-path=f4999]")).to_be_in_viewport()
    assert rows.count() < 80


def test_the_first_screen_offers_what_came_last_and_the_largest_folders(
    visit: Visit, server: Running
) -> None:
    page = visit.open()
    largest = max(server.client.get("/api/v1/folders").json(), key=lambda each: each["images"])
    expect(page.locator("#start .begin").nth(1)).to_have_text(largest["path"])
    page.locator("#start").get_by_role("button", name="Newest first").click()
    expect(page).to_have_url(re.compile(r"\?order=newest$"))
    expect(page.locator("#start")).to_be_hidden()


# Recent and saved searches


def test_the_last_searches_are_offered_in_the_empty_field(window: Opens) -> None:
    page = window(viewport={"width": 1200, "height": 800}).open()
    for words in ("boat", "red bird"):
        page.fill("#search", words)
        page.keyboard.press("Enter")
        until(page, f"Object.values(localStorage).join().includes('{words}')")  # it is shown, and noted
    page.click("#clear")
    recent = page.locator("#suggestions [role=group]", has_text="Recent searches").locator(".word")
    expect(recent).to_have_text(["“boat” · “red bird”", "“boat”", "Clear recent searches"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?like=t:boat$"))


def test_searches_are_saved_opened_renamed_and_deleted(window: Opens) -> None:
    page = window(viewport={"width": 1200, "height": 800}).open("?like=t:boat&minside=10")
    page.click("#saved-button")
    page.fill("#saved-name", "<b>boats</b>")
    page.keyboard.press("Enter")
    link = page.locator("#saved-list a")
    expect(link).to_have_text("<b>boats</b>")
    page.click("#clear")
    link.click()
    expect(page).to_have_url(re.compile(r"\?like=t:boat&minside=10$"))
    page.reload()
    page.click("#saved-button")
    page.get_by_role("button", name="Rename <b>boats</b>").click()
    page.keyboard.type("ships")
    page.keyboard.press("Enter")
    expect(link).to_have_text("ships")
    expect(link).to_be_focused()
    page.get_by_role("button", name="Delete ships").click()
    expect(link).to_have_count(0)


HOSTILE = ["{", "null", '"x"', '[1, null, {"query": 7}]', '[{"query": "javascript:alert(1)", "label": "x"}]']


@pytest.mark.parametrize("kept", HOSTILE)
def test_what_else_lies_in_the_storage_is_passed_over(kept: str, window: Opens, server: Running) -> None:
    visit = window(viewport={"width": 1200, "height": 800})
    place = server.client.get("/api/v1/collection").json()["name"]
    script = "for (const list of ['recent', 'saved']) localStorage.setItem(`i2v-search.${list}.%s`, %s)"
    visit.page.add_init_script(script % (place, json.dumps(kept)))
    page = visit.open("?like=t:boat")
    expect(page.locator("#collection")).not_to_have_text("")
    page.click("#saved-button")
    expect(page.locator("#saved-none")).to_be_visible()
    expect(page.locator("#saved-list a")).to_have_count(0)


def test_without_storage_all_works_for_the_visit(window: Opens) -> None:
    visit = window(viewport={"width": 1200, "height": 800})
    visit.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })"
    )
    page = visit.open("?like=t:boat")
    expect(page.locator("#collection")).not_to_have_text("")
    page.click("#saved-button")
    page.fill("#saved-name", "boats")
    page.click("#save")
    expect(page.locator("#saved-list a")).to_have_text("boats")


def test_subject_and_style_are_balanced(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3&like=t%3Adog")
    expect(page.locator("#grid")).not_to_have_attribute("aria-busy", "true")
    page.click("#filters-button")
    expect(page.locator("#balance-value")).to_have_text("both")
    with page.expect_request("**/api/v1/search") as sent:
        page.locator("#balance").press("Home")
    of_picture, of_words = sent.value.post_data_json["examples"]
    assert of_picture == {"id": 3, "weight": 1, "subject": 1, "style": 0}
    assert of_words == {"text": "dog", "weight": 1}
    expect(page).to_have_url(re.compile(r"balance=-10"))
    expect(page.locator("#conditions .wanted")).to_have_text(["subject 100 %"])
    until_shown(page, hits(server, examples=[of_picture, of_words]))
    page.locator("#conditions .remove").click()
    expect(page.locator("#balance")).to_have_value("0")
    visit.open("?like=t%3Adog")  # words have neither
    page.click("#filters-button")
    expect(page.locator("#different-field")).to_be_visible()
    expect(page.locator("#balance-field")).to_be_hidden()
