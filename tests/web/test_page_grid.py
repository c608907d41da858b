"""The grid holds as many pictures as one scrolls past; only those around what is in sight have elements."""

import re
from typing import Any

import pytest
from PIL import Image
from visiting import TWO_FRAMES, Opens, Visit, drawing, encoded, keys, until, until_loaded
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

SIZES = ((300, 200), (200, 300), (250, 250), (400, 130), (120, 300))
TOTAL = 2500
#: Elements of the page, whatever was loaded.
MOST_ELEMENTS = 6000


def serve_many(page: Any, total: int = TOTAL) -> list[int]:
    """Answer searches from a collection of so many pictures; the offsets that were asked for are listed."""
    asked: list[int] = []

    def search(route: Any) -> None:
        wanted = route.request.post_data_json
        first = wanted["offset"]
        asked.append(first)
        numbers = range(first, min(total, first + wanted["top"]))
        found = [hit(number) for number in numbers]
        route.fulfill(json={"hits": found, "more": numbers.stop < total, "seconds": 0, "query": ""})

    page.route("**/api/v1/search", search)
    picture = encoded(drawing())
    page.route("**/thumbnail?*", lambda route: route.fulfill(body=picture, content_type="image/png"))
    return asked


def hit(number: int) -> dict[str, Any]:
    width, height = SIZES[number * 7 % len(SIZES)]
    facts = {"rank": number + 1, "id": number, "path": f"{number}.png", "version": f"{number:012d}"}
    return {**facts, "score": None, "tags": [], "copies": 0, "why": [], "width": width, "height": height}


def load_all(page: Any, total: int = TOTAL) -> None:
    """Scroll on until all pictures are loaded."""
    while (loaded := len(keys(page))) < total:
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        until_loaded(page, loaded.__lt__)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.evaluate(TWO_FRAMES)


def elements(page: Any) -> int:
    found: int = page.evaluate("document.querySelectorAll('*').length")
    return found


def in_sight(page: Any) -> list[str]:
    """Keys of the tiles that are in sight, from top left to bottom right."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("#grid [data-key]")].filter((tile) => {
            const box = tile.getBoundingClientRect();
            return box.bottom > 0 && box.top < innerHeight;
        }).map((tile) => tile.dataset.key)"""
    )
    return found


def focused(page: Any) -> str | None:
    found: str | None = page.evaluate("document.activeElement?.closest('#grid [data-key]')?.dataset.key")
    return found


def test_elements_are_bounded_whatever_was_loaded(visit: Visit) -> None:
    page = visit.page
    asked = serve_many(page)
    visit.open()
    assert elements(page) < MOST_ELEMENTS
    load_all(page)
    assert keys(page) == [str(number) for number in range(TOTAL)]
    assert len(asked) == len(set(asked)) <= 1 + TOTAL / 200 + 1
    for place in ("document.documentElement.scrollHeight", "document.documentElement.scrollHeight / 2", "0"):
        page.evaluate(f"scrollTo(0, {place})")
        page.evaluate(TWO_FRAMES)
        assert elements(page) < MOST_ELEMENTS
        shown = in_sight(page)
        # What is in sight has tiles, without a gap and in order.
        assert len(shown) > 10
        assert shown == [str(number) for number in range(int(shown[0]), int(shown[0]) + len(shown))]
    assert in_sight(page)[0] == "0"


def test_a_tile_is_told_its_place_among_all(visit: Visit) -> None:
    page = visit.page
    serve_many(page)
    visit.open()
    first = page.locator("#grid .tile").first
    expect(first).to_have_attribute("aria-posinset", "1")
    expect(first).to_have_attribute("aria-setsize", "-1")  # nobody knows yet
    load_all(page)
    last = page.locator("#grid .tile").last
    expect(last).to_have_attribute("aria-posinset", str(TOTAL))
    expect(last).to_have_attribute("aria-setsize", str(TOTAL))


def test_keys_reach_pictures_that_have_no_tile(visit: Visit) -> None:
    page = visit.page
    serve_many(page)
    visit.open()
    load_all(page)
    page.locator("#grid a").last.focus()
    page.keyboard.press("Home")
    assert focused(page) == "0"
    assert "0" in in_sight(page)
    page.keyboard.press("End")
    assert focused(page) == str(TOTAL - 1)
    assert str(TOTAL - 1) in in_sight(page)
    page.keyboard.press("PageUp")
    above = int(focused(page) or 0)
    assert TOTAL - 60 < above < TOTAL - 5
    page.keyboard.press("PageDown")
    assert int(focused(page) or 0) > above
    page.keyboard.press("Home")
    for _ in range(40):
        page.keyboard.press("ArrowDown")
    below = focused(page)
    assert below in in_sight(page)
    assert int(below or 0) > 100
    assert page.locator("#grid a[tabindex='0']").count() == 1


def test_the_focus_stays_where_the_picture_goes_out_of_sight(visit: Visit) -> None:
    page = visit.page
    serve_many(page, 1000)
    visit.open()
    load_all(page, 1000)
    page.evaluate("scrollTo(0, 0)")
    page.locator("#grid [data-key='3'] a").focus()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.evaluate(TWO_FRAMES)
    assert focused(page) == "3" not in in_sight(page)
    page.keyboard.press("ArrowRight")
    assert focused(page) == "4"
    assert "4" in in_sight(page)
    # Without the focus, the stop of the Tab key goes along.
    page.evaluate("document.activeElement.blur()")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.evaluate(TWO_FRAMES)
    stop = page.eval_on_selector("#grid a[tabindex='0']", "link => link.parentElement.dataset.key")
    assert stop in in_sight(page)


def test_back_and_another_width_find_the_pictures_that_were_in_sight(window: Opens) -> None:
    visit = window(viewport={"width": 1200, "height": 800})
    page = visit.page
    visit.expect_refusal(404)  # the tags of a picture that is made up
    serve_many(page)
    visit.open()
    load_all(page)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    page.evaluate(TWO_FRAMES)
    before, place = in_sight(page), page.evaluate("scrollY")
    page.locator(f"#grid [data-key='{before[12]}'] a").evaluate("link => link.click()")
    until(page, "location.search.includes('like=') && scrollY === 0")
    page.go_back()
    until(page, f"Math.abs(scrollY - {place}) < 2")
    assert in_sight(page) == before
    for width in (1000, 700, 1000, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        until(page, f"document.documentElement.clientWidth <= {width}")
        page.evaluate(TWO_FRAMES)
        assert before[0] in in_sight(page)
    page.keyboard.press("m")
    expect(page.locator("#map-view")).to_be_visible()
    page.keyboard.press("m")
    page.evaluate(TWO_FRAMES)
    assert before[0] in in_sight(page)


def test_a_picture_left_in_the_large_view_has_the_focus_again(visit: Visit) -> None:
    page = visit.page
    serve_many(page, 1000)
    visit.open()
    load_all(page, 1000)
    middle = in_sight(page)[8]
    page.locator(f"#grid [data-key='{middle}'] a").focus()
    page.route("**/api/v1/images/*", lambda route: route.fulfill(status=404, json={"error": {}}))
    visit.expect_refusal(404)
    page.keyboard.press("i")
    expect(page.locator("#detail")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    assert focused(page) == middle
    assert middle in in_sight(page)


def test_marks_follow_pictures_and_not_tiles(visit: Visit) -> None:
    page = visit.page
    serve_many(page, 1000)
    visit.open("?a=2")
    expect(page.locator("#grid [data-key='2'] .use.A")).to_be_visible()
    load_all(page, 1000)
    assert page.locator("#grid .uses").count() == 0
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(TWO_FRAMES)
    expect(page.locator("#grid .uses")).to_have_count(1)
    expect(page.locator("#grid [data-key='2'] .use.A")).to_be_visible()


@pytest.mark.parametrize(
    ("size", "times"), [((30, 30), 4), ((90, 60), 3), ((1, 1), 4), ((150, 150), 1), ((1600, 40), 4)]
)
def test_small_pictures_are_shown_in_whole_numbers_and_never_large(
    visit: Visit, size: tuple[int, int], times: int
) -> None:
    page, shown = visit.page, (min(size[0], 2 * size[1]), size[1])
    found = [{**hit(number), "width": size[0], "height": size[1]} for number in range(12)]
    answer = {"hits": found, "more": False, "seconds": 0, "query": ""}
    page.route("**/api/v1/search", lambda route: route.fulfill(json=answer))
    picture = encoded(Image.new("RGB", shown, "teal"))
    page.route("**/thumbnail?*", lambda route: route.fulfill(body=picture, content_type="image/png"))
    visit.open()
    first = page.locator("#grid img").first
    box, tile = first.bounding_box(), page.locator("#grid .tile").first.bounding_box()
    assert (box["width"], box["height"]) == (shown[0] * times, shown[1] * times)
    assert box["x"] + box["width"] / 2 == pytest.approx(tile["x"] + tile["width"] / 2, abs=1)
    expect(first).to_have_css("image-rendering", "pixelated" if times > 1 else "auto")
    strip = size[0] > 4 * size[1]
    expect(page.locator("#grid .cut")).to_have_count(12 if strip else 0)
    if strip:
        expect(page.locator("#grid .cut").first).to_have_text("part of a 1,600 × 40 strip")
        expect(page.get_by_role("link", name="part of a 1,600 × 40 strip").first).to_be_visible()


def test_thumbnails_beside_the_grid_are_not_blown_up_either(visit: Visit, server: Running) -> None:
    """Alike pictures of the large view."""
    page = visit.page
    picture = encoded(Image.new("RGB", (20, 10), "teal"))
    page.route("**/thumbnail?*", lambda route: route.fulfill(body=picture, content_type="image/png"))
    visit.open("?image=3")
    alike = page.locator("#similar img").first
    expect(alike).to_have_css("image-rendering", "pixelated")
    box = alike.bounding_box()
    assert box["width"] == 2 * box["height"]
    assert box["width"] in {20 * times for times in (2, 3, 4)}


def test_the_place_of_every_picture_is_known(visit: Visit) -> None:
    """For whoever draws a box around pictures."""
    page = visit.page
    serve_many(page, 1000)
    visit.open()
    load_all(page, 1000)
    boxes = page.evaluate(
        "() => import(moduleOf('grid')).then(grid => grid.keys().map(key => grid.boxOf(key)))"
    )
    found = page.evaluate(
        "(box) => import(moduleOf('grid')).then(grid => grid.within(box))",
        area := {"left": 300, "top": 1500, "width": 400, "height": 900},
    )
    right, bottom = area["left"] + area["width"], area["top"] + area["height"]
    expected = [
        str(number)
        for number, box in enumerate(boxes)
        if box["left"] < right
        and box["left"] + box["width"] > area["left"]
        and box["top"] < bottom
        and box["top"] + box["height"] > area["top"]
    ]
    assert found == expected
    assert 5 < len(found) < 40
    shown = in_sight(page)[5]
    tile = page.locator(f"#grid [data-key='{shown}']").bounding_box()
    told = boxes[int(shown)]
    assert (told["left"], told["top"] - page.evaluate("scrollY")) == pytest.approx((tile["x"], tile["y"]))


def test_rows_that_grow_are_those_laid_out_at_once(visit: Visit) -> None:
    page = visit.open()
    at_once, in_steps = page.evaluate(
        """async () => {
            const { justified } = await import(moduleOf('justify'));
            const ratios = Array.from({ length: 3000 }, (_, at) => 0.3 + ((at * 7919) % 40) / 10);
            const layouts = [3000, 37].map((step) => {
                const rows = justified({ width: 1111, aim: 200, gap: 8 });
                for (let at = 0; at < ratios.length; at += step) rows.add(ratios.slice(at, at + step));
                return [rows.height, rows.rows, ...ratios.map((_, at) => Object.values(rows.box(at)))];
            });
            return layouts;
        }"""
    )
    assert at_once == in_steps
    rows: dict[float, list[list[float]]] = {}
    for left, top, width, height in at_once[2:]:
        rows.setdefault(top, []).append([left, width, height])
    full = list(rows.values())[:-1]
    assert all(row[-1][0] + row[-1][1] == 1111 for row in full)
    tops = sorted(rows)
    assert [top + rows[top][0][2] + 8 for top in tops[:-1]] == tops[1:]


def test_pictures_that_did_not_come_are_loaded_when_the_server_is_back(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.page
    serve_many(page, 60)
    away = ("**/thumbnail?*", "**/api/v1/health")
    for address in away:
        page.route(address, lambda route: route.abort())
    visit.open()
    expect(page.locator("#grid .tile.missing .gone").first).to_contain_text("The server does not respond")
    for address in away:
        page.unroute(address)
    expect(page.locator("#grid .gone")).to_have_count(0)
    expect(page.locator("#grid .missing")).to_have_count(0)
    until(page, "[...document.querySelectorAll('#grid img')].slice(0, 8).every((each) => each.naturalWidth)")


def test_a_server_that_takes_long_is_said(window: Opens) -> None:
    # A clock is that of all windows with the same options.
    page, held = window(viewport={"width": 1010, "height": 700}).open(), list[Any]()
    page.clock.install()
    page.route("**/api/v1/search", lambda route: held.append(route))
    page.locator("#grid a").nth(2).click()
    until(page, "document.querySelector('#grid').getAttribute('aria-busy') === 'true'")
    page.clock.run_for(5000)
    expect(page.locator("#facts-hint")).to_contain_text("The server has not answered yet")
    held[0].continue_()
    page.clock.run_for(1000)
    expect(page.locator("#facts-hint")).not_to_contain_text("not answered")


def test_an_answer_without_pictures_in_it_is_said(visit: Visit) -> None:
    page = visit.open()
    page.route("**/api/v1/search", lambda route: route.fulfill(json={}))
    page.locator("#grid a").nth(2).click()
    expect(page.locator("#message")).to_contain_text("The response is incomplete")
    expect(page.locator("#grid .tile")).to_have_count(0)


def test_what_narrows_down_explains_itself(visit: Visit) -> None:
    page = visit.open("?like=3")
    page.click("#filters-button")
    expect(page.get_by_role("slider", name="Minimum score")).to_have_accessible_description(
        "Only pictures at least this similar: 1 is the same picture, 0 is unrelated"
    )
    expect(page.get_by_role("slider", name="Diversity")).to_have_attribute(
        "title", re.compile("differ from one another")
    )


def test_the_size_of_pictures_and_their_names_are_chosen_and_remembered(window: Opens) -> None:
    visit = window(viewport={"width": 1220, "height": 800})
    page = visit.page
    serve_many(page, 200)
    visit.open()
    before = page.locator("#grid .tile").first.bounding_box()
    expect(page.locator("#grid .name").first).to_be_hidden()
    slider = page.get_by_role("slider", name="Size of the pictures")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "150 %")
    after = page.locator("#grid .tile").first.bounding_box()
    assert after["height"] > 1.25 * before["height"]
    page.get_by_role("checkbox", name="Names").check()
    visit.open()
    name = page.locator("#grid .name").first
    expect(name).to_have_text("0.png")
    expect(name).to_be_visible()
    assert page.locator("#grid .tile").first.bounding_box()["height"] == pytest.approx(
        after["height"], rel=0.1
    )
    # A name covers no picture of the row below.
    tops = page.eval_on_selector_all(
        "#grid .tile",
        "tiles => [...new Set(tiles.map(tile => tile.getBoundingClientRect().top))].sort((a, b) => a - b)",
    )
    under = name.bounding_box()
    assert under["y"] + under["height"] <= tops[1]
    page.evaluate("localStorage.setItem('i2v-search.tiles', '{\"size\": \"<b>\"}')")
    visit.open()
    expect(slider).to_have_value("100")
