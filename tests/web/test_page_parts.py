"""A part of a picture as an example, chosen by a box; and the part that a picture was found by."""

import re
import time
from collections.abc import Sequence
from typing import Any

import pytest
from visiting import Opens, Visit, keys, until, until_shown
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SHARES = r"~(\d[\d.]*),(\d[\d.]*),(\d[\d.]*),(\d[\d.]*)"


def hits(server: Running, *examples: Any) -> list[str]:
    body = {"top": 60, "examples": list(examples)}
    return [str(hit["id"]) for hit in server.client.post("/api/v1/search", json=body).json()["hits"]]


def shares(page: Any) -> list[float]:
    """The part in the address."""
    expect(page).to_have_url(re.compile(SHARES))
    found = re.search(SHARES, page.url)
    assert found is not None
    return [float(share) for share in found.groups()]


def box(page: Any) -> list[float]:
    """The box as it is drawn, in shares of the picture as it is seen."""
    found: list[float] = page.evaluate(
        """() => {
            const image = document.querySelector('#large'), place = image.getBoundingClientRect();
            const frame = document.querySelector('#part-box').getBoundingClientRect();
            const scale = Math.min(place.width / image.naturalWidth, place.height / image.naturalHeight);
            const [wide, tall] = [image.naturalWidth * scale, image.naturalHeight * scale];
            const left = place.left + (place.width - wide) / 2, top = place.top + (place.height - tall) / 2;
            return [
                (frame.left - left) / wide, (frame.top - top) / tall, frame.width / wide, frame.height / tall,
            ];
        }"""
    )
    return found


def opened(visit: Visit, query: str) -> Any:
    page = visit.open(query)
    until(page, "document.querySelector('#large').naturalWidth > 1")
    expect(page.locator("#part-sheet")).to_be_visible()
    return page


def drag(page: Any, start: Sequence[float], end: Sequence[float]) -> None:
    """Drag over the picture, from and to places in shares of its sides."""
    sheet = page.locator("#part-sheet").bounding_box()
    page.mouse.move(sheet["x"] + start[0] * sheet["width"], sheet["y"] + start[1] * sheet["height"])
    page.mouse.down()
    page.mouse.move(sheet["x"] + end[0] * sheet["width"], sheet["y"] + end[1] * sheet["height"], steps=4)
    page.mouse.up()


def test_a_part_is_drawn_moved_and_resized_and_then_searched_for(visit: Visit, server: Running) -> None:
    page = opened(visit, "?like=3&image=7")
    expect(page.locator("#search-it")).to_have_text("Search with it")
    drag(page, (0.6, 0.7), (0.2, 0.3))
    assert box(page) == pytest.approx([0.2, 0.3, 0.4, 0.4], abs=0.01)
    drag(page, (0.4, 0.5), (0.5, 0.4))
    assert box(page) == pytest.approx([0.3, 0.2, 0.4, 0.4], abs=0.01)
    drag(page, (0.7, 0.6), (0.9, 0.9))
    assert box(page) == pytest.approx([0.3, 0.2, 0.6, 0.7], abs=0.01)
    drag(page, (0.3, 0.55), (0.5, 0.55))
    assert box(page) == pytest.approx([0.5, 0.2, 0.4, 0.7], abs=0.01)
    drag(page, (0.7, 0.5), (2, 2))
    assert box(page) == pytest.approx([0.6, 0.3, 0.4, 0.7], abs=0.01)
    page.get_by_role("button", name="Search for this part").click()
    assert shares(page) == pytest.approx([0.6, 0.3, 0.4, 0.7], abs=0.01)
    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator("#examples .example")).to_have_count(1)
    expected = hits(server, {"id": 7, "crop": shares(page)})
    until_shown(page, expected)


def test_a_part_is_chosen_with_keys(visit: Visit) -> None:
    page = opened(visit, "?like=3&image=7")
    page.locator("#part").press("Enter")
    expect(page.locator("#part-box")).to_be_focused()
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert box(page) == pytest.approx([0.24, 0.23, 0.51, 0.49], abs=0.005)
    expect(page.locator("#said")).to_have_text("Left 24 %, top 23 %, width 51 %, height 49 %")
    page.keyboard.press("Escape")
    expect(page.locator("#part-box")).to_be_hidden()
    expect(page.locator("#detail")).to_be_visible()
    page.locator("#part").press("Enter")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?like=7~0.25,0.25,0.5,0.5$"))


def test_a_part_is_a_further_example(visit: Visit) -> None:
    page = visit.open("?like=3")
    page.locator("#grid a").nth(2).focus()
    shown = keys(page)[2]
    page.keyboard.press("i")
    until(page, "document.querySelector('#large').naturalWidth > 1")
    page.locator("#part").click()
    page.locator("#detail [data-act=like]").click()
    expect(page).to_have_url(re.compile(rf"\?like=3&like={shown}~0.25,0.25,0.5,0.5$"))
    expect(page.locator("#examples .cropped")).to_have_count(1)


def test_the_part_of_an_example_is_changed_and_given_up(visit: Visit, server: Running) -> None:
    page = visit.open("?like=7~sketch~0.1,0.1,0.5,0.5&like=t:bird")
    chip = page.locator("#examples .example").first
    # What the chip shows is the part, as large as the chip.
    until(page, "document.querySelector('#examples .cropped img').offsetWidth >= 80")
    chip.hover()
    chip.locator("[data-use=part]").click()
    until(page, "document.querySelector('#large').naturalWidth > 1")
    assert box(page) == pytest.approx([0.1, 0.1, 0.5, 0.5], abs=0.005)
    page.locator("#part-box").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?like=7~sketch~0.11,0.1,0.5,0.5&like=t:bird$"))
    part = {"id": 7, "kind": "sketch", "crop": [0.11, 0.1, 0.5, 0.5]}
    expected = hits(server, part, {"text": "bird"})
    until_shown(page, expected)
    chip.hover()
    chip.get_by_role("button", name="Search for the whole picture").click()
    expect(page).to_have_url(re.compile(r"\?like=7~sketch&like=t:bird$"))
    expect(chip.locator(".cropped")).to_have_count(0)
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile(r"\?like=7~sketch~0.1,0.1,0.5,0.5&like=t:bird$"))


def test_a_finger_scrolls_until_there_is_a_box_and_then_moves_it(window: Opens) -> None:
    page = opened(window(**PHONE), "?image=7")
    device = page.context.new_cdp_session(page)

    def swipe(start: Sequence[float], end: Sequence[float]) -> None:
        sheet = page.locator("#part-sheet").bounding_box()
        now = time.time()
        # It rests where it ends: after a fling, the browser ignores a tap.
        for at, (kind, share) in enumerate([("touchStart", start), *[("touchMove", end)] * 3]):
            place = {
                "x": sheet["x"] + share[0] * sheet["width"],
                "y": sheet["y"] + share[1] * sheet["height"],
            }
            event = {"type": kind, "touchPoints": [place], "timestamp": now + at / 10}
            device.send("Input.dispatchTouchEvent", event)
        end_of_it = {"type": "touchEnd", "touchPoints": [], "timestamp": now + 0.5}
        device.send("Input.dispatchTouchEvent", end_of_it)

    swipe((0.3, 0.3), (0.7, 0.6))
    expect(page.locator("#part-box")).to_be_hidden()
    page.locator("#detail").evaluate("dialog => dialog.scrollTo(0, 0)")
    page.tap("#part")
    swipe((0.5, 0.5), (0.6, 0.4))
    assert box(page) == pytest.approx([0.35, 0.15, 0.5, 0.5], abs=0.02)
    page.get_by_role("button", name="Search for this part").tap()
    assert shares(page) == pytest.approx([0.35, 0.15, 0.5, 0.5], abs=0.02)


def test_the_part_that_a_picture_was_found_by_is_framed(visit: Visit) -> None:
    page = visit.page
    hit = {"tags": [], "why": [], "copies": 0, "version": "0" * 12, "score": 0.5}
    parts = [
        {
            **hit,
            "rank": 1,
            "id": 3,
            "path": "a.png",
            "width": 400,
            "height": 300,
            "box": [0.25, 0.1, 0.5, 0.4],
        },
        {**hit, "rank": 5, "id": 5, "path": "c.png", "width": 300, "height": 300, "box": None},
        # So wide that it does not fill its tile.
        {
            **hit,
            "rank": 2,
            "id": 4,
            "path": "b.png",
            "width": 4000,
            "height": 1000,
            "box": [0.4, 0, 0.6, 0.5],
        },
        # A strip: what lies beyond its beginning is cut off, and part of the frame with it.
        {**hit, "rank": 3, "id": 6, "path": "d.png", "width": 400, "height": 8000, "box": [0, 0.05, 1, 0.5]},
        {**hit, "rank": 4, "id": 7, "path": "e.png", "width": 400, "height": 8000, "box": [0, 0.5, 1, 0.5]},
    ]
    found = {"hits": parts, "more": False, "seconds": 0, "query": "", "looks_like_sketch": False}
    page.route("**/api/v1/search", lambda route: route.fulfill(json=found))
    visit.open("?like=3")
    expect(page.locator("#grid .found")).to_have_count(4)
    expect(page.locator("#grid [data-key='7'] .found")).to_be_hidden()
    places = page.eval_on_selector_all(
        "#grid .found",
        """frames => frames.map(frame => {
            const a = frame.getBoundingClientRect(), b = frame.closest('.tile').getBoundingClientRect();
            const [left, top] = [(a.left - b.left) / b.width, (a.top - b.top) / b.height];
            return [left, top, a.width / b.width, a.height / b.height];
        })""",
    )
    assert places[0] == pytest.approx([0.25, 0.1, 0.5, 0.4], abs=0.02)
    assert places[1] == pytest.approx([0.4, 0.1, 0.6, 0.4], abs=0.02)  # 0.8 of its tile is filled
    assert places[2] == pytest.approx([0, 0.5, 1, 0.5], abs=0.02)  # a tenth of it is in sight
    described = page.locator("#grid a").first
    expect(described).to_have_accessible_description(re.compile("Found by a part of it, which is framed"))
    expect(page.locator("#grid a").nth(1)).not_to_have_accessible_description(re.compile("Found by a part"))
    described.focus()
    page.keyboard.press("i")
    until(page, "document.querySelector('#large').naturalWidth > 1")
    expect(page.locator("#part-found")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#part-found")).to_be_hidden()


def test_several_parts_are_examples_of_their_own(visit: Visit, server: Running) -> None:
    page = opened(visit, "?image=7")
    drag(page, (0.1, 0.1), (0.4, 0.4))
    page.keyboard.down("Shift")
    drag(page, (0.6, 0.6), (0.9, 0.9))
    page.keyboard.up("Shift")
    expect(page.locator("#part-sheet .kept")).to_have_count(1)
    expect(page.locator("#search-it")).to_have_text("Search for 2 parts")
    page.get_by_role("button", name="Part 1. Press to change it").click()
    assert box(page) == pytest.approx([0.1, 0.1, 0.3, 0.3], abs=0.01)
    page.keyboard.press("n")
    expect(page.locator("#part-sheet .kept")).to_have_count(2)
    page.keyboard.press("Delete")
    expect(page.locator("#part-sheet .kept")).to_have_count(1)
    page.get_by_role("button", name="Search for 2 parts").click()
    expect(page).to_have_url(re.compile(rf"like=7{SHARES}&like=7{SHARES}"))
    found = [[float(each) for each in part] for part in re.findall(SHARES, page.url)]
    assert sorted(found)[0] == pytest.approx([0.1, 0.1, 0.3, 0.3], abs=0.01)
    assert sorted(found)[1] == pytest.approx([0.6, 0.6, 0.3, 0.3], abs=0.01)
    expected = hits(server, *({"id": 7, "crop": part} for part in found))
    until_shown(page, expected)
