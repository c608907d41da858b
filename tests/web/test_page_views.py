"""A picture large, the map, the help; with keys only, on a phone, in the dark, with assistive technology."""

import re
from typing import Any

import numpy as np
import pytest
from visiting import PAINTED, Opens, Visit, keys, serious_faults, until
from web_server import Running

from i2v_search.collection.collection import Collection

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

#: Whether the map shows pictures: more than a hundred colours.
COLOURFUL = """(() => {
    const small = document.createElement('canvas'), seen = new Set();
    small.width = small.height = 200;
    const pen = small.getContext('2d', { willReadFrequently: true });
    pen.drawImage(document.querySelector('#map'), 0, 0, 200, 200);
    const pixels = pen.getImageData(0, 0, 200, 200).data;
    for (let at = 0; at < pixels.length; at += 4) seen.add(pixels.slice(at, at + 3).join());
    return seen.size > 100;
})()"""
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


# A picture large


@pytest.mark.parametrize("tags", [[], [{"name": "hat", "probability": 0.2, "category": "general"}]])
def test_a_picture_with_no_sure_tag_is_called_untagged(
    visit: Visit, server: Running, tags: list[Any]
) -> None:
    """An unsure one is there for those who ask for all."""
    page = visit.page
    facts = server.client.get("/api/v1/images/3").json()
    page.route("**/api/v1/images/3", lambda route: route.fulfill(json={**facts, "tags": tags}))
    visit.open("?image=3")
    expect(page.locator("#detail-tags .quiet")).to_have_text("Untagged")
    expect(page.locator("#detail-tags .all")).to_have_count(len(tags))


def test_a_picture_large_tells_all_about_it(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3")
    shown = keys(page)
    facts = server.client.get(f"/api/v1/images/{shown[1]}").json()
    page.locator("#grid a").nth(1).focus()
    page.keyboard.press("i")
    expect(page).to_have_url(re.compile(rf"like=3&image={shown[1]}$"))
    expect(page.locator("#detail-path")).to_have_text(facts["path"])
    size = f"{facts['width']} × {facts['height']} px · {-(-facts['bytes'] // 1000)} kB"
    expect(page.locator("#detail-size")).to_have_text(size)
    best = max(facts["tags"], key=lambda tag: tag["probability"])
    expect(page.locator("#detail-tags li").first).to_contain_text(f"{best['probability'] * 100:.0f} %")
    alike = server.client.post("/api/v1/search", json={"examples": [{"id": int(shown[1])}], "top": 8}).json()[
        "hits"
    ]
    expect(page.locator("#similar [data-key]")).to_have_count(8)
    assert keys(page, "#similar [data-key]") == [str(hit["id"]) for hit in alike]
    until(page, "document.querySelector('#large').naturalWidth > 100")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(rf"image={shown[2]}$"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"\?like=3$"))
    expect(page.locator("#detail")).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('[data-key]').dataset.key") == shown[1]


def test_the_path_is_copied(window: Opens, server: Running) -> None:
    visit = window(permissions=["clipboard-read", "clipboard-write"])
    page = visit.open("?image=5")
    path = server.client.get("/api/v1/images/5").json()["path"]
    expect(page.locator("#detail-path")).to_have_text(path)
    page.click("#copy")
    until(page, "document.querySelector('#said').textContent === 'Path copied'")
    assert page.evaluate("navigator.clipboard.readText()") == path


def test_what_is_done_with_a_picture_large(visit: Visit) -> None:
    page = visit.open("?like=3")
    shown = keys(page)
    page.locator("#grid .tile").nth(1).hover()
    page.locator("#grid .tile").nth(1).locator("[data-act=show]").click()
    page.locator("#detail [data-act=a]").click()
    expect(page).to_have_url(re.compile(rf"like=3&a={shown[1]}$"))
    page.locator("#grid a").nth(2).focus()
    page.keyboard.press("Space")
    expect(page.locator("#detail")).to_be_visible()
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile(rf"like=3&like={shown[2]}&a={shown[1]}$"))
    page.locator("#grid a").first.focus()
    page.keyboard.press("i")
    tag = page.locator("#detail-tags a").first
    word = tag.locator(".word").inner_text()
    tag.click()
    expect(page.locator("#examples .wanted")).to_have_text(word)
    expect(page.locator("#detail")).to_be_hidden()


def test_an_image_that_is_not_there_is_said(visit: Visit) -> None:
    visit.expect_refusal(404)
    page = visit.open("?image=999999")
    expect(page.locator("#detail-name")).to_have_text("There is no image 999999 in this collection.")


# The map


def test_the_collection_is_a_map(visit: Visit, server: Running) -> None:
    page = visit.open("?a=2&b=60")
    page.keyboard.press("m")
    expect(page).to_have_url(re.compile("view=map"))
    expect(page.locator("#map-message")).to_be_hidden(timeout=120_000)
    expect(page.locator("#map-method")).not_to_be_empty()
    until(page, COLOURFUL)
    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowDown", "+", "ArrowLeft"):
        page.keyboard.press(key)
    focused = page.locator("#map").get_attribute("data-key")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"image={focused}"))
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    page.keyboard.press("0")
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    expect(page.locator("#detail")).to_be_hidden()
    page.click("#view-grid")
    expect(page.locator("#grid .picture").first).to_be_visible()


def test_filters_leave_pictures_out_of_the_map(visit: Visit, server: Running) -> None:
    birds = server.client.post("/api/v1/map/matches", json={"tags": ["bird"]}).json()["ids"]
    everything = server.client.post("/api/v1/map/matches", json={}).json()["ids"]
    page = visit.open("?view=map&tag=bird")
    shown = page.locator("#map")
    expect(page.locator("#map-message")).to_be_hidden(timeout=120_000)
    expect(shown).to_have_attribute("data-shown", str(len(birds)))
    shown.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
        assert int(shown.get_attribute("data-key") or -1) in birds
    page.locator("#tags .example button, .wanted button").first.click()
    expect(page).not_to_have_url(re.compile("tag=bird"))
    expect(shown).to_have_attribute("data-shown", str(len(everything)))


def test_a_map_is_asked_for_only_while_one_waits_for_it(window: Opens) -> None:
    # A clock is that of all windows with the same options.
    page, asked = window(viewport={"width": 1000, "height": 700}).open(), list[str]()
    page.clock.install()

    def computing(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=202, headers={"Retry-After": "1"}, json={})

    page.route("**/api/v1/map", computing)
    for _ in range(2):
        before = len(asked)
        with page.expect_response("**/api/v1/map"):
            page.click("#view-map")
        with page.expect_response("**/api/v1/map"):
            page.clock.run_for(1000)
        page.click("#view-grid")
        page.clock.run_for(5000)
        page.evaluate("fetch('api/v1/health')")
        assert len(asked) == before + 2


def test_no_picture_of_the_map_hides_another(visit: Visit) -> None:
    page = visit.open()
    places = np.random.default_rng(0).normal(size=(400, 2)) * 0.1 + 0.5
    apart = 0.02
    moved = np.array(
        page.evaluate(
            "([points, apart]) => import(moduleOf('spread')).then(m => m.spread(points, apart))",
            [places.tolist(), apart],
        )
    )
    distances = np.abs(moved[:, None] - moved[None]).max(axis=2) + np.eye(len(moved))
    assert distances.min() > 0.8 * apart
    assert np.linalg.norm(moved - places, axis=1).mean() < 6 * apart


# Keys only


def test_everything_is_done_with_keys(visit: Visit) -> None:
    page = visit.open()
    shown = keys(page)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    def here() -> Any:
        return page.evaluate("document.activeElement.closest('[data-key]')?.dataset.key")

    assert here() == shown[0]
    page.keyboard.press("ArrowRight")
    assert here() == shown[1]
    page.keyboard.press("ArrowDown")
    below = here()
    assert below not in shown[:2]
    page.keyboard.press("ArrowUp")
    assert here() in shown[:3]
    page.keyboard.press("End")
    assert here() in keys(page)[59:]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"\?like={shown[0]}$"))
    until(page, f"document.querySelector('#grid [data-key]').dataset.key !== '{shown[0]}'")
    expect(page.locator("#grid a").first).to_be_focused()
    found = keys(page)
    page.keyboard.press("a")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile(rf"a={found[0]}&b={found[1]}$"))
    expect(page.locator("#film .picture").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.press("Escape")  # closes what was searched for before
    page.keyboard.press("Escape")
    expect(page.locator("#search")).not_to_be_focused()


# Phone, dark, calm


def test_a_phone_shows_all_of_it(window: Opens) -> None:
    visit = window(**PHONE)
    page = visit.open("?like=3&a=2&b=60")
    expect(page.locator("#film .picture").first).to_be_visible()
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.tap("#fold")
    page.tap("#filters-button")
    expect(page.locator("#min")).to_be_visible()
    small = page.eval_on_selector_all(
        "button",
        "all => all.filter(b => b.checkVisibility() && (b.offsetWidth < 24 || b.offsetHeight < 24))"
        ".map(b => b.outerHTML.slice(0, 80))",
    )
    assert small == []
    page.locator("#grid [data-act=show]").first.tap()
    expect(page.locator("#detail")).to_be_visible()
    assert page.evaluate(fits)
    page.locator("#detail [data-act=b]").tap()
    expect(page.locator("#detail")).to_be_hidden()
    shown = keys(page)
    page.locator("#grid a").nth(3).tap()
    expect(page).to_have_url(re.compile(rf"\?like={shown[3]}&"))


def test_light_and_dark_follow_the_system_or_the_user(window: Opens) -> None:
    visit = window(color_scheme="dark")
    page = visit.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: light")
    assert page.evaluate(ground) != dark
    visit.open()
    expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: light")
    page.click("#theme")
    assert page.evaluate(ground) == dark


def test_who_wants_no_motion_gets_none(window: Opens) -> None:
    page = window(reduced_motion="reduce").open("?a=2&b=60&steps=1")
    expect(page.locator("#film .picture")).to_have_count(3)
    until(page, PAINTED)
    draws = """s => { const shown = []; for (const place of ['0', '0.9']) {
        s.value = place; s.dispatchEvent(new Event('input'));
        shown.push(document.querySelector('#screen').toDataURL()); } return shown; }"""
    still, late = page.evaluate(draws, page.query_selector("#scrub"))
    assert still == late
    assert page.evaluate("document.getAnimations().length") == 0


# Assistive technology

#: With few results, which all look alike to it.
VIEWS = {
    "grid": "",
    "search": "?like=3&unlike=20&tag=animal&tag=-penguin&min=0.05",
    "words": "?like=t:bird&unlike=t:at+night&tag=animal&a=t:bird&min=0.05",
    "parts": "?like=7~sketch~0.1,0.1,0.5,0.5&unlike=20~sketch&min=0.05",
    "drawing": "?like=3&min=0.2",
    "box": "?like=3&image=20&min=0.2",
    "morph": "?like=3&a=2&b=60&via=30&min=0.2",
    "detail": "?like=3&image=20&min=0.2",
    "map": "?view=map",
    "none": "?like=3&min=0.95",
    "filters": "?like=3&min=0.2&shape=wide&maxside=9000&folder=birds",
    "folders": "?like=3&min=0.2",
    "saved": "?like=3&min=0.2",
    "boards": "?board=Mood",
    "board-pick": "?like=3&min=0.2",
    "suggestions": "?like=3&min=0.2",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(scheme: str, window: Opens, sample_collection: Collection) -> None:
    options = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    faults: dict[str, Any] = {}
    visit = window(color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1200, "height": 800})

    kept = sample_collection.annotations
    mood = kept.boards.make("Mood", "dusk").id
    kept.boards.put(mood, [sample_collection[image] for image in sample_collection.ids[:3]])
    kept.pictures.star([sample_collection[sample_collection.ids[0]]])

    def judge(name: str) -> None:
        if found := serious_faults(visit.page, **options):
            faults[name] = found

    for name, query in VIEWS.items():
        page = visit.open(query)
        if name == "morph":
            expect(page.locator("#film .frame.via")).to_have_count(1)
        if name == "drawing":
            page.keyboard.press("d")
        if name == "box":
            page.click("#part")
        if name in {"filters", "folders", "saved", "boards"}:
            page.click(f"#{name}-button")
        if name == "boards":
            expect(page.locator("#board-list [aria-current]")).to_have_text("Mood3 pictures")
            expect(page.locator("#grid .star-mark")).to_have_count(1)
            page.click("#board-suggest")
            expect(page.locator("#board-suggestions img").first).to_be_visible()
        if name == "board-pick":
            page.locator("#grid .picture").first.focus()
            page.keyboard.press("k")
            expect(page.locator("#pick-list button")).to_be_focused()
        if name == "folders":
            expect(page.locator("#folder-tree [role=treeitem]").first).to_be_focused()
        if name == "saved":
            page.fill("#saved-name", "mine")
            page.keyboard.press("Enter")
        if name == "suggestions":
            page.fill("#search", "bir")
            expect(page.locator("#suggestions [role=option]").nth(2)).to_be_visible()
        if name in {"detail", "box"}:
            expect(page.locator("#similar [data-key]")).to_have_count(8)
        judge(name)
    visit.page.set_viewport_size(PHONE["viewport"])
    visit.open("?like=3&min=0.2")
    judge("phone")
    visit.page.keyboard.press("?")
    judge("help")
    assert faults == {}
