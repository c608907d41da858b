"""Timed practice: pictures one after another, each for so long, and what was drawn."""

import datetime
import json
from typing import Any

import pytest
from visiting import Opens, Visit, focus, hits, keys, serious_faults, until
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SHOWN = "!document.querySelector('#timed-stage').classList.contains('loading')"
NOON = datetime.datetime(2030, 5, 1, 12)


def shown(page: Any, at: str) -> str:
    """Wait until a picture is there; its address."""
    expect(page.locator("#timed-at")).to_have_text(at)
    until(page, SHOWN)
    address: str = page.locator("#timed-image").get_attribute("src")
    return address


def passes(page: Any, seconds: float) -> None:
    page.clock.run_for(int(1000 * seconds))


def log(page: Any) -> Any:
    """What the browser keeps: all lists of drawings."""
    held = "Object.entries(localStorage).filter(([key]) => key.includes('.drawn.')).map(([, text]) => text)"
    return [json.loads(text) for text in page.evaluate(held)]


def test_pictures_are_drawn_by_the_clock(window: Opens) -> None:
    visit = window(viewport={"width": 1200, "height": 800})  # a clock is that of all windows of a context
    page = visit.page
    page.clock.install(time=NOON)
    visit.open()
    first, second, third = keys(page)[:3]
    page.clock.pause_at(NOON + datetime.timedelta(hours=1))
    page.keyboard.press("t")
    expect(page.locator("#timed-none")).to_be_visible()
    page.locator("#timed-seconds").select_option("30")
    page.locator("#timed-number").select_option("5")
    page.locator("#timed-start").focus()
    page.keyboard.press("Enter")
    left = page.locator("#timed-left")
    assert f"/images/{first}/large" in shown(page, "1 of 5")
    expect(left).to_have_text("0:30")
    passes(page, 10)
    expect(left).to_have_text("0:20")
    page.keyboard.press("Space")
    passes(page, 60)
    expect(left).to_have_text("0:20")
    expect(page.locator("#timed-pause")).to_have_attribute("aria-label", "Go on (Space)")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    assert f"/images/{second}/large" in shown(page, "2 of 5")
    for key, button in (("f", "flip"), ("g", "grey"), ("o", "grid")):
        page.keyboard.press(key)
        expect(page.locator(f"#timed-{button}")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#timed-lines")).to_be_visible()
    assert (
        page.locator("#timed-picture")
        .evaluate("each => getComputedStyle(each).transform")
        .startswith("matrix(-1")
    )
    page.keyboard.press("ArrowLeft")
    shown(page, "1 of 5")
    expect(left).to_have_text("0:30")
    page.keyboard.press("ArrowRight")
    shown(page, "2 of 5")
    passes(page, 31)
    assert f"/images/{third}/large" in shown(page, "3 of 5")
    expect(page.locator("#timed-lines")).to_be_visible()
    page.keyboard.press("v")
    until(page, "document.fullscreenElement.id === 'timed-stage'")
    page.keyboard.press("v")
    until(page, "document.fullscreenElement === null")
    page.locator("#timed-end").click()
    expect(page.locator("#timed-sum")).to_have_text("2 pictures · 40 s")
    expect(page.locator("#timed-drawn li")).to_have_count(2)
    assert [[each["key"] for each in entry["pictures"]] for entry in log(page)[0]] == [[first, second]]
    page.locator("#timed-again").click()
    page.locator("#timed-log button").click()
    shown(page, "1 of 2")
    passes(page, 31)
    shown(page, "2 of 2")
    passes(page, 31)  # the last, after which it ends by itself
    expect(page.locator("#timed-sum")).to_have_text("2 pictures · 1 min")
    assert len(log(page)[0]) == 2
    page.keyboard.press("Escape")
    expect(page.locator("#timed")).to_be_hidden()


def test_a_selection_or_a_morph_is_drawn_and_a_strange_log_is_passed_over(
    visit: Visit, server: Running
) -> None:
    page = visit.open()
    for key in keys(page)[3:5]:
        focus(page, key)
        page.keyboard.press("s")
    page.evaluate("""() => {
        const name = document.querySelector('#collection').textContent;
        const strange = [7, null, { at: 1, pictures: [{ key: '<b>', seconds: 9 }] }, { at: 'x' }];
        localStorage.setItem(`i2v-search.drawn.${name}`, JSON.stringify(strange));
    }""")
    page.locator("#selection [data-take=clock]").click()
    expect(page.locator("#timed-from label").first).to_have_text("The 2 selected pictures")
    expect(page.locator("#timed-from input").first).to_be_checked()
    expect(page.locator("#timed-none")).to_be_visible()
    assert serious_faults(page) == []
    page.locator("#timed-start").click()
    shown(page, "1 of 2")
    page.keyboard.press("Escape")
    expect(page.locator("#timed-sum")).to_have_text("0 pictures · 0 s")
    assert serious_faults(page) == []
    a, b = hits(server)[:2]
    visit.open(f"?a={a}&b={b}&steps=1")
    until(page, "document.querySelectorAll('#film li[data-key]').length === 3")
    page.locator("#timed-morph").click()
    expect(page.locator("#timed-from input:checked")).to_have_value("morph")
    expect(page.locator("#timed-from")).to_contain_text("The 3 pictures of the morph")


def test_a_phone_has_room_for_the_picture_and_its_tools(window: Opens) -> None:
    visit = window(**PHONE, color_scheme="dark")
    page = visit.open()
    page.locator("#timed-button").click()
    assert serious_faults(page) == []
    page.locator("#timed-start").click()
    shown(page, "1 of 10")
    picture, tools = (page.locator(f"#timed-{part}").bounding_box() for part in ("picture", "tools"))
    assert picture["height"] > 500
    assert tools["y"] + tools["height"] <= 844
    assert page.evaluate("document.querySelector('#timed-tools').scrollWidth <= innerWidth")
    assert serious_faults(page) == []
