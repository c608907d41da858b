"""Words in the search field: searched for, mixed with images and tags, changed, and ends of a morph."""

import re
from typing import Any

import pytest
from visiting import Opens, Visit, keys, until, until_shown
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

FILM = "#film [data-key]"
UNKNOWN = "%C2%A7%C2%A7"  # "§§": no word at all


def hits(server: Running, *examples: Any, **asked: Any) -> list[str]:
    body = {"top": 60, "examples": list(examples), **asked}
    return [str(hit["id"]) for hit in server.client.post("/api/v1/search", json=body).json()["hits"]]


def stops(server: Running, a: Any, b: Any, **asked: Any) -> list[dict[str, Any]]:
    body = {"a": a, "b": b, "steps": 6, **asked}
    found: list[dict[str, Any]] = server.client.post("/api/v1/morph", json=body).json()["stops"]
    return found


def searched(page: Any, query: str) -> None:
    """Wait until the address says so and the answer is there."""
    expect(page).to_have_url(re.compile(query))
    expect(page.locator("#grid")).not_to_have_attribute("aria-busy", "true")


def write(page: Any, words: str, *pressed: str) -> None:
    """Type into the empty search field, wait for the list, and press keys."""
    page.fill("#search", words)
    row = page.locator("[aria-label=Words] .word", has_text=f"“{words.lstrip('-')}”")
    expect(row.first).to_be_visible()
    for key in pressed:
        page.keyboard.press(key)


def offers(page: Any) -> list[str]:
    found: list[str] = page.locator("#suggestions .word").all_inner_texts()
    return found


def taken(page: Any) -> str:
    """What Enter takes, as the list shows it."""
    word: str = page.locator("#suggestions [aria-selected=true] .word").inner_text()
    return word


# Searching


def test_words_are_searched_for(visit: Visit, server: Running) -> None:
    page = visit.open()
    expect(page.locator("#search")).to_have_attribute(
        "placeholder", "Search words, tags, file names or folders"
    )
    page.keyboard.press("/")
    page.keyboard.type("  a sailing   boat ")
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:a\+sailing\+boat$")
    expect(page.locator("#facts")).to_have_text("Results for “a sailing boat”")
    expect(page.locator("#examples .words")).to_have_text("“a sailing boat”")
    expect(page.locator("#search")).to_have_value("")
    expected = hits(server, {"text": "a sailing boat"})
    until_shown(page, expected)
    page.go_back()
    searched(page, r"/$")
    expect(page.locator("#examples")).to_be_hidden()
    page.go_forward()
    page.reload()
    expect(page.locator("#facts")).to_have_text("Results for “a sailing boat”")
    expect(page.locator("#grid .picture").first).to_be_visible()
    assert keys(page)[:60] == expected


def test_words_come_first_and_tags_below_them(visit: Visit) -> None:
    page = visit.open()
    write(page, "bird")
    assert offers(page)[:2] == ["Search for “bird”", "bird"]
    assert taken(page) == "Search for “bird”"
    expect(page.locator("#search")).not_to_have_attribute("aria-activedescendant", re.compile(""))
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:bird$")
    write(page, "bird", "ArrowDown")
    assert taken(page) == "bird"
    expect(page.locator("#search")).to_have_attribute("aria-activedescendant", "suggestion-1")
    page.keyboard.press("ArrowUp")
    assert taken(page) == "Add “bird” to the search"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:bird&tag=bird$")
    expect(page.locator("#facts")).to_have_text("Results for “bird”")


def test_what_is_typed_last_is_searched_for_and_not_what_was_chosen_before(visit: Visit) -> None:
    page = visit.open()
    write(page, "bird", "ArrowDown")
    page.keyboard.type(" in a tree")
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:bird\+in\+a\+tree$")


def test_a_minus_excludes_a_tag_or_else_is_less_like_the_words(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3")
    write(page, "-bird")
    assert offers(page)[0] == taken(page) == "without bird"
    assert "Less like “bird”" in offers(page)
    page.keyboard.press("Enter")
    searched(page, r"\?like=3&tag=-bird$")
    write(page, "-flying at night")
    assert taken(page) == "Less like “flying at night”"
    page.keyboard.press("Enter")
    searched(page, r"\?like=3&unlike=t:flying\+at\+night&tag=-bird$")
    expected = hits(server, {"id": 3}, {"text": "flying at night", "weight": -0.5}, tags=["-bird"])
    assert keys(page) == expected
    expect(page.locator("#facts")).to_have_text("Most similar to the examples first")


def test_tags_of_the_same_meaning_come_last_and_are_marked(visit: Visit) -> None:
    page = visit.open()
    tags = [{"name": n, "category": "general", "count": 2} for n in ("dog", "puppy love", "puppy")]
    page.route("**/api/v1/tags?*", lambda route: route.fulfill(json=tags))
    write(page, "puppy")
    assert offers(page) == ["Search for “puppy”", "puppy", "puppy love", "dog"]
    assert page.locator("#suggestions .kind").all_inner_texts() == ["", "", "", "similar"]
    write(page, "a puppy")
    assert offers(page) == ["Search for “a puppy”", "dog", "puppy love", "puppy"]
    assert page.locator("#suggestions .kind").all_inner_texts() == ["", "similar", "similar", ""]
    write(page, "-pup")
    assert offers(page) == ["without puppy love", "without puppy", "Less like “pup”", "without dog"]


def test_words_are_searched_for_while_no_tags_can_be_suggested(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.open()
    page.route("**/api/v1/tags?*", lambda route: route.abort())
    write(page, "bird")
    assert offers(page) == ["Search for “bird”"]
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:bird$")


def test_a_long_text_is_no_tag_and_is_searched_for(visit: Visit) -> None:
    page = visit.open()
    words = "a small bird upon a long branch " * 20
    write(page, words[:120], "Enter")
    searched(page, "like=t:a")
    page.locator("#examples .remove").click()
    page.fill("#search", "")
    page.keyboard.type(words)
    assert page.locator("#search").input_value() == words[:500]
    page.keyboard.press("Enter")
    expect(page.locator("#grid .picture").first).to_be_visible()


def test_the_enter_of_an_input_method_searches_for_nothing_yet(visit: Visit) -> None:
    page = visit.open()
    write(page, "ねこ")
    enter = (
        "(box, isComposing) => box.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing}))"
    )
    page.locator("#search").evaluate(enter, True)
    expect(page.locator("#search")).to_have_value("ねこ")
    with page.expect_request("**/api/v1/search") as sent:
        page.locator("#search").evaluate(enter, False)
    assert sent.value.post_data_json["examples"] == [{"text": "ねこ", "weight": 1}]


def test_nonsense_in_the_address_is_no_text(visit: Visit) -> None:
    page = visit.open(f"?like=t:&like=t:+&unlike=t:{'a' * 501}&image=t:bird&a=t:")
    expect(page.locator("#examples")).to_be_hidden()
    expect(page.locator("#detail")).to_be_hidden()
    assert page.locator("#slot-a.filled").count() == 0


# Texts as examples


def test_a_text_is_turned_removed_and_mixed_with_images(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3&like=t:boat")
    assert keys(page) == hits(server, {"id": 3}, {"text": "boat"})
    chip = page.locator("#examples [data-key='t:boat']")
    expect(chip.locator(".turn")).to_have_attribute(
        "aria-label", "Positive example “boat”. Press to make it negative"
    )
    chip.locator(".turn").click()
    searched(page, r"\?like=3&unlike=t:boat$")
    expected = hits(server, {"id": 3}, {"text": "boat", "weight": -0.5})
    until_shown(page, expected)
    expect(chip.locator(".turn")).to_be_focused()
    page.keyboard.press("+")
    searched(page, r"\?like=3&like=t:boat$")
    page.keyboard.press("Escape")
    chip.locator(".remove").click()
    searched(page, r"\?like=3$")
    page.locator("#grid a").nth(4).focus()
    write(page, "boat", "Enter")
    searched(page, r"\?like=3&like=t:boat$")


def test_the_words_of_a_text_are_changed_in_its_place(visit: Visit) -> None:
    page = visit.open("?like=t:boat&like=3&tag=boat")
    page.locator("#examples .words").click()
    expect(page.locator("#search")).to_be_focused()
    expect(page.locator("#search")).to_have_value("boat")
    expect(page.locator("#examples .example:visible")).to_have_count(1)
    page.keyboard.type(" at sea")
    expect(page.locator("#suggestions .word").first).to_have_text("Search for “boat at sea” instead")
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:boat\+at\+sea&like=3&tag=boat$")
    page.locator("#examples .words").click()
    page.keyboard.type(", red")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_have_value("")
    expect(page.locator("#examples .words")).to_have_text("“boat at sea”")
    page.locator("#examples .words").click()
    page.fill("#search", "")
    page.keyboard.press("Enter")
    searched(page, r"\?like=3&tag=boat$")


def test_a_negative_text_comes_back_with_its_minus(visit: Visit) -> None:
    page = visit.open("?like=3&unlike=t:bird")
    page.locator("#examples .words").click()
    expect(page.locator("#search")).to_have_value("-bird")
    page.keyboard.press("Enter")
    expect(page.locator("#search")).to_have_value("")
    searched(page, r"\?like=3&unlike=t:bird$")
    page.locator("#examples .words").click()
    page.fill("#search", "a bird")
    page.keyboard.press("Enter")
    searched(page, r"\?like=3&like=t:a\+bird$")


def test_backspace_brings_the_words_back(visit: Visit) -> None:
    page = visit.open("?like=t:red+boat&tag=boat")
    page.keyboard.press("/")
    page.keyboard.press("Backspace")
    searched(page, r"\?like=t:red\+boat$")
    page.keyboard.press("Backspace")
    expect(page.locator("#search")).to_have_value("red boat")
    page.keyboard.press("Backspace")
    expect(page.locator("#search")).to_have_value("red boa")
    page.fill("#search", "")
    page.keyboard.press("Backspace")
    searched(page, r"/$")


def test_why_a_picture_was_found_is_told_on_hover_and_to_readers(visit: Visit, server: Running) -> None:
    page = visit.open("?like=t:butterfly")
    found = server.client.post("/api/v1/search", json={"examples": [{"text": "butterfly"}], "top": 60})
    reasons = [hit["why"] for hit in found.json()["hits"]]
    help_text = page.locator("#tile-help").inner_text()
    texts = {"name": "Found by its name.", "tag": "Found by a tag."}
    for wanted in (["name"], ["tag"], ["meaning"]):
        at = next(at for at, why in enumerate(reasons) if set(wanted) <= set(why) and len(why) < 3)
        told = [reason for reason in reasons[at] if reason != "meaning"]
        tile = page.locator("#grid .tile").nth(at)
        tile.scroll_into_view_if_needed()
        tile.locator("a").focus()
        expect(tile.locator(".facts")).to_be_visible()
        assert tile.locator(".why").all_inner_texts() == ([" · ".join(told)] if told else [])
        expect(tile.locator("a")).to_have_accessible_description(
            " ".join([*[texts[reason] for reason in told], help_text])
        )


def test_words_that_find_nothing_are_said_and_can_be_changed(visit: Visit) -> None:
    visit.expect_refusal(422)
    page = visit.open(f"?like=t:{UNKNOWN}")
    expect(page.locator("#message h2")).to_have_text("No results")
    expect(page.locator("#message p")).to_contain_text("finds nothing: no name or tag has these words")
    page.get_by_role("button", name="Change the words").click()
    expect(page.locator("#search")).to_be_focused()
    expect(page.locator("#search")).to_have_value("§§")
    page.fill("#search", "bird")
    page.keyboard.press("Enter")
    searched(page, r"\?like=t:bird$")
    expect(page.locator("#grid .picture").first).to_be_visible()


def test_conditions_that_no_picture_meets_can_be_left_or_the_words_changed(visit: Visit) -> None:
    page = visit.open("?like=t:bird&min=0.95")
    expect(page.locator("#message h2")).to_have_text("No results")
    assert page.locator("#message .ways button").all_inner_texts() == [
        "Lower the minimum score",
        "Change the words",
        "Start over",
    ]


# Texts as ends of a morph


def test_a_text_becomes_an_end_of_a_morph(visit: Visit, server: Running) -> None:
    page = visit.open("?like=t:boat")
    chip = page.locator("#examples .example")
    chip.hover()
    chip.locator(".letter.a").click()
    expect(page).to_have_url(re.compile(r"\?like=t:boat&a=t:boat$"))
    expect(page.locator("#slot-a .hold")).to_have_attribute("aria-label", "A: “boat”. Press to search for it")
    write(page, "butterfly", "Enter")
    page.locator("#examples .words").nth(1).focus()
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile(r"&a=t:boat&b=t:butterfly$"))
    found = stops(server, {"text": "boat"}, {"text": "butterfly"})
    expected = [str(stop["id"]) for stop in found]
    expect(page.locator(FILM)).to_have_count(8)
    assert keys(page, FILM) == expected
    assert found[0]["text"] == "boat"
    expect(page.locator("#film .words").first).to_have_text("“boat”")
    expect(page.locator("#film .words").last).to_have_text("“butterfly”")
    expect(page.locator("#film img").first).to_have_attribute("alt", re.compile("^1 of 8: “boat”: "))
    page.locator("#film .frame").first.hover()
    page.locator("#film .frame").first.locator("[data-act=out]").click()
    without = stops(server, {"text": "boat"}, {"text": "butterfly"}, exclude=[found[0]["id"]])
    until(page, f"document.querySelector('{FILM}').dataset.key === '{without[0]['id']}'")
    page.locator("#slot-b .hold").click()
    searched(page, r"\?like=t:butterfly&a=")


def test_a_text_is_dropped_on_an_end_and_on_the_film(visit: Visit, server: Running) -> None:
    page = visit.open("?like=t:boat&a=3")
    page.locator("#examples .words").drag_to(page.locator("#slot-b"))
    expect(page).to_have_url(re.compile(r"\?like=t:boat&a=3&b=t:boat$"))
    expect(page.locator(FILM)).to_have_count(8)
    page.goto(visit.url + "/?like=t:butterfly&a=3&b=t:boat")
    expect(page.locator(FILM)).to_have_count(8)
    page.locator("#examples .words").drag_to(page.locator("#film .frame").nth(4))
    expect(page).to_have_url(re.compile(r"&via=t:butterfly$"))
    pinned = page.locator("#film .frame.via")
    expect(pinned.locator(".words")).to_have_text("“butterfly”")
    through = stops(server, {"id": 3}, {"text": "boat"}, via=[{"text": "butterfly"}])
    assert keys(page, FILM) == [str(stop["id"]) for stop in through]
    pinned.hover()
    pinned.locator("[data-act=unpin]").click()
    expect(page).to_have_url(re.compile(r"&b=t:boat$"))


@pytest.mark.parametrize(
    ("query", "way", "left"),
    [
        (f"?a=t:{UNKNOWN}&b=3", "Choose another A", r"\?b=3$"),
        (f"?a=3&b=t:{UNKNOWN}", "Choose another B", r"\?a=3$"),
        (f"?a=3&b=60&via=t:{UNKNOWN}", "Remove the waypoints", r"\?a=3&b=60$"),
    ],
)
def test_words_that_are_no_end_of_a_morph_are_said(visit: Visit, query: str, way: str, left: str) -> None:
    visit.expect_refusal(422)
    page = visit.open(query)
    expect(page.locator("#morph-failure")).to_contain_text("finds nothing")
    page.get_by_role("button", name=way).click()
    expect(page).to_have_url(re.compile(left))
    expect(page.locator("#morph-failure")).to_be_hidden()


def test_words_on_a_phone(window: Opens) -> None:
    visit = window(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = visit.open("?like=t:a+sailing+boat+at+sea+in+the+evening&like=3&unlike=t:bird&tag=boat")
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.locator("#examples .letter.a").first.tap()
    expect(page).to_have_url(re.compile(r"a=t:a\+sailing"))
    page.locator("#search").tap()
    write(page, "bird")
    assert page.evaluate(fits)
    box = page.locator("#suggestions-box").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.locator("#suggestions [role=option]").first.tap()
    searched(page, r"like=t:bird")
    small = page.eval_on_selector_all(
        "button",
        "all => all.filter(b => b.checkVisibility() && (b.offsetWidth < 24 || b.offsetHeight < 24))"
        ".map(b => b.outerHTML.slice(0, 80))",
    )
    assert small == []
