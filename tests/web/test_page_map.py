"""The map of the page: few requests, all pictures, a lasso, keys, names of regions."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from grids import GridEncoder
from PIL import Image
from visiting import TWO_FRAMES, Opens, Visit, until
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect

HOSTILE = "<img src=x onerror=boom()>"
READY = "document.querySelector('#map').dataset.shown"
COMPLETE = "document.querySelector('#map').dataset.sprites"
#: Whether the map shows the four colours of the pictures.
COLOURFUL = """(() => {
    const pen = new OffscreenCanvas(1200, 600).getContext('2d', { willReadFrequently: true });
    pen.drawImage(document.querySelector('#map'), 0, 0);
    const pixels = pen.getImageData(0, 0, 1200, 600).data;
    const seen = [0, 0, 0, 0];
    for (let at = 0; at < pixels.length; at += 4) {
        const [r, g, b] = [pixels[at], pixels[at + 1], pixels[at + 2]];
        if (r > 180 && g < 80) seen[0] += 1;
        if (g > 160 && r < 80) seen[1] += 1;
        if (b > 180 && r < 90) seen[2] += 1;
        if (r > 190 && g > 170 && b < 90) seen[3] += 1;
    }
    return Math.min(...seen) > 1000;
})()"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server over 600 small pictures in four colours, which tags name; one tag is hostile."""
    folder = tmp_path_factory.mktemp("colours")
    (folder / "art").mkdir()
    names, lines = ["ruby", "leaf", "sky", HOSTILE], []
    draw = np.random.default_rng(0)
    for number in range(600):
        colour = np.array([(220, 30, 30), (30, 200, 40), (40, 60, 220), (230, 210, 40)][number % 4])
        pixels = np.clip(colour + draw.normal(0, 12, (9, 12, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "art" / f"{number:03d}.png")
        tags = ["art", names[number % 4], *(["rare"] if number % 40 == 0 else [])]
        lines.append(json.dumps({"path": f"{number:03d}.png", "tags": tags}))
    (folder / "art" / "tags.jsonl").write_text("\n".join(lines))
    collection = Collection.build(folder / "index", [folder / "art"], encoder=GridEncoder())
    with running(collection, folder / "cache", ServerSettings(rate=0, picture_rate=0)) as started:
        yield started


def pictures_asked(page: Any) -> list[str]:
    """The requests of maps and pictures that the page makes from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def flush(page: Any) -> None:
    """Wait until the page has drawn, and the server has answered what was asked before."""
    page.evaluate(TWO_FRAMES)
    page.evaluate("fetch('api/v1/health').then(() => null)")
    page.evaluate(TWO_FRAMES)


def test_all_pictures_take_few_requests_and_then_none(visit: Visit) -> None:
    page = visit.open()
    asked = pictures_asked(page)
    page.click("#view-map")
    until(page, COMPLETE)
    until(page, COLOURFUL)
    flush(page)
    sheets = [url for url in asked if re.search(r"/map/atlas/\w+/\d+/\d+", url)]
    assert 1 <= len(sheets) == len(set(sheets)) <= 4
    assert not [url for url in asked if "/thumbnail" in url]
    for _ in range(2):
        asked.clear()
        page.focus("#map")
        for key in ("+", "-", "0"):
            page.keyboard.press(key)
            flush(page)
    assert [url for url in asked if not url.endswith("/health")] == []


def test_all_filters_apply(visit: Visit, server: Running) -> None:
    rare = server.client.post("/api/v1/map/matches", json={"tags": ["rare"]}).json()["ids"]
    shape = server.client.post("/api/v1/map/matches", json={"shape": "tall"}).json()["ids"]
    assert (len(rare), len(shape)) == (15, 0)
    for query, count in (("tag=rare", 15), ("tag=rare&shape=tall", 0), ("shape=wide", 600), ("", 600)):
        visit.page.goto(f"{visit.url}/?view=map&{query}")
        expect(visit.page.locator("#map")).to_have_attribute("data-shown", str(count))


def test_filters_are_changed_on_the_map(visit: Visit, server: Running) -> None:
    page = visit.open("?view=map&different=3")
    page.wait_for_selector("#map[data-shown]", timeout=120_000)
    expect(page.locator("#conditions")).to_be_hidden()
    page.click("#filters-button")
    expect(page.locator("#copies-field")).to_be_hidden()
    page.select_option("#shape", "square")
    square = server.client.post("/api/v1/map/matches", json={"shape": "square"}).json()["ids"]
    every = server.client.get("/api/v1/map").json()["images"]
    passing = f"{len(square)} of {len(every)} pictures pass the filters"
    expect(page.locator("#map-passing")).to_have_text(passing)
    expect(page.locator("#conditions .wanted")).to_have_text(["Square"])
    page.locator("#shape").press("Escape")
    expect(page.locator("#filters-button")).to_be_focused()
    expect(page.locator("#filters")).to_be_hidden()
    page.locator("#conditions .remove").click()
    expect(page.locator("#map-passing")).to_be_empty()
    page.click("#view-grid")
    expect(page.locator("#pictures .strip-tools #filters-button")).to_be_visible()
    expect(page.locator("#pictures #conditions .wanted")).to_have_count(1)


def test_a_lasso_selects_what_is_inside(visit: Visit, server: Running) -> None:
    page = visit.open("?view=map")
    until(page, COMPLETE)
    box = page.locator("#map").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]

    def draw(to: list[tuple[float, float]]) -> None:
        page.mouse.move(*to[0])
        page.mouse.down()
        for point in to[1:]:
            page.mouse.move(*point, steps=4)
        page.mouse.up()

    page.keyboard.down("Shift")
    draw(points)
    page.keyboard.up("Shift")
    expect(page.locator("#selection-count")).to_contain_text("selected")
    assert int(re.sub(r"\D", "", page.locator("#selection-count").inner_text())) > 550  # all but at the edges
    page.click("#selection-clear")
    page.click("#lasso")
    expect(page.locator("#lasso")).to_have_attribute("aria-pressed", "true")
    middle = box["x"] + box["width"] / 2
    draw([points[0], (middle, points[0][1]), (middle, points[2][1]), points[3]])
    chosen = int(re.sub(r"\D", "", page.locator("#selection-count").inner_text()))
    assert 50 < chosen < 550
    expect(page.locator("#detail")).to_be_hidden()
    page.focus("#map")
    page.keyboard.press("Escape")
    expect(page.locator("#lasso")).to_have_attribute("aria-pressed", "false")


def test_only_what_the_filters_let_pass_is_selected(visit: Visit) -> None:
    page = visit.open("?view=map&tag=rare")
    expect(page.locator("#map")).to_have_attribute("data-shown", "15")
    page.focus("#map")
    page.keyboard.press("Control+a")
    expect(page.locator("#selection-count")).to_contain_text("15")


def test_pictures_are_selected_with_keys(visit: Visit) -> None:
    page = visit.open("?view=map")
    until(page, READY)
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(page.locator("#selection-count")).to_contain_text("1")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(page.locator("#selection-count")).to_contain_text("2")
    page.keyboard.press(" ")
    expect(page.locator("#selection-count")).to_contain_text("1")
    page.keyboard.press("l")
    expect(page.locator("#lasso")).to_have_attribute("aria-pressed", "true")


def test_regions_have_names_which_are_only_text(visit: Visit) -> None:
    page = visit.open("?view=map")
    until(page, "document.querySelector('#map').getAttribute('aria-description')")
    described = page.locator("#map").get_attribute("aria-description")
    assert {"ruby", "leaf", "sky"} & set(described.removeprefix("Regions: ").split(", "))
    assert "art" not in described.removeprefix("Regions: ").split(", ")
    assert page.locator("img[src='x']").count() == 0


def test_how_far_a_map_is_is_shown(window: Opens) -> None:
    page = window(viewport={"width": 1000, "height": 700}).open()
    answer = {"status": "computing", "stage": "arranging", "share": 0.42, "seconds_left": 12.2}
    page.route(
        "**/api/v1/map", lambda route: route.fulfill(status=202, headers={"Retry-After": "1"}, json=answer)
    )
    page.click("#view-map")
    expect(page.locator("#map-progress")).to_have_text("Arranging the pictures: 42 %, about 13 s left")
    assert page.locator("#map-progress progress").evaluate("bar => bar.value") == pytest.approx(0.42)
    page.unroute("**/api/v1/map")
    until(page, COMPLETE)


def test_a_server_that_stops_making_sheets_is_not_asked_for_ever(window: Opens, server: Running) -> None:
    visit = window(viewport={"width": 1000, "height": 700})
    page = visit.open()
    asked = pictures_asked(page)
    visit.expect_refusal(404)
    page.route(re.compile(r"/map/atlas/\w+/\d+/\d+$"), lambda route: route.fulfill(status=404, json={}))
    started = time.monotonic()
    page.click("#view-map")
    until(page, COMPLETE)
    page.focus("#map")
    for key in ("0", "+", "-", "0"):
        flush(page)
        page.keyboard.press(key)
    flush(page)
    sheets = [url for url in asked if re.search(r"/map/atlas/\w+/\d+/\d+", url)]
    assert sheets
    assert all(sheets.count(url) <= 2 for url in sheets)
    # While sheets are made it is asked every two seconds how far they are.
    progress = [url for url in asked if re.search(r"/map/atlas/\w+$", url)]
    assert len(progress) <= 2 + len(set(sheets)) + (time.monotonic() - started) / 2


def test_hover_finds_the_nearest_of_many(visit: Visit) -> None:
    page = visit.open()
    points = np.random.default_rng(0).uniform(0, 1, (3000, 2))
    places = np.random.default_rng(1).uniform(0, 1, (50, 2))
    found = page.evaluate(
        """async ([points, places]) => {
            const { nearby } = await import(moduleOf('nearby'));
            const index = nearby(points.map(([x]) => x), points.map(([, y]) => y));
            return places.map(([x, y]) => index.nearest(x, y, 0.2, (at) => at % 3 > 0));
        }""",
        [points.tolist(), places.tolist()],
    )
    squared = ((places[:, None] - points[None]) ** 2).sum(axis=2)
    squared[:, np.arange(3000) % 3 == 0] = np.inf
    assert found == squared.argmin(axis=1).tolist()
