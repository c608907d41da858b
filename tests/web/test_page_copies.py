"""Copies on the page: looked for, compared, kept apart, moved to the trash and brought back, also by keys."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawings import drawing, save
from grids import GridEncoder
from PIL import ImageOps
from trash_bin import needs_bin
from visiting import Opens, keys, serious_faults, until
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect
pytestmark = [needs_bin, pytest.mark.usefixtures("bin_of_its_own")]

LAUNCH = "launched-by-this-test"
NAME = "#copy-cards .copy-name bdi"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    folder = (tmp_path / "art").resolve()
    for seed in range(4):
        save(drawing(seed), folder / f"{seed}.png")
    shutil.copy(folder / "0.png", folder / "<i>0.png")
    save(drawing(1).resize((300, 200)), folder / "1-small.png")
    save(ImageOps.mirror(drawing(2)), folder / "2-mirrored.png")
    save(drawing(3).resize((360, 240)), folder / "3-small.jpg", quality=90)
    art = Collection.build(tmp_path / "index", [folder], encoder=GridEncoder())
    with running(art, tmp_path / "cache", ServerSettings(launch_token=LAUNCH)) as started:
        yield started


def names(page: Any) -> list[str]:
    found: list[str] = page.locator(NAME).all_inner_texts()
    return found


def test_copies_are_found_compared_kept_apart_and_thrown_away(
    window: Opens, server: Running, tmp_path: Path
) -> None:
    visit = window(viewport={"width": 1200, "height": 800})
    page, art = visit.open(f"#launch={LAUNCH}"), tmp_path / "art"
    shown = len(keys(page))
    page.keyboard.press("y")
    expect(page).to_have_url(re.compile(r"\?view=copies&group=\d+$"))
    expect(page.locator("#copies-facts")).to_have_text("One picture with copies")
    assert sorted(names(page)) == ["0.png", "<i>0.png"]
    assert "only equal files" in page.inner_text("#copies-hint")

    # Nothing is looked for before one asks.
    assert server.client.get("/api/v1/copies/search").json()["status"] == "idle"
    page.click("#copies-look")
    expect(page.locator("#copies-facts")).to_have_text(re.compile("^3 pictures"), timeout=120_000)
    expect(page.locator("#copy-groups li")).to_have_count(3)
    assert serious_faults(page) == []

    # Keys go from group to group; the address names each.
    expect(page.locator("#copies-at")).to_have_text("Group 1 of 3")
    address = page.url
    page.locator("#copy-groups [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#copies-at")).to_have_text("Group 2 of 3")
    expect(page.locator("#copy-groups [aria-current]")).to_be_focused()
    assert page.url != address
    of = {image.path: image.id for image in server.service.current.collection()}
    page.goto(f"{server.url}/?view=copies&group={of['1-small.png']}")
    expect(page.locator(NAME).first).to_have_text("1.png")
    assert names(page) == ["1.png", "1-small.png"]

    # Two are shown in turn, or what differs.
    page.keyboard.press("f")
    until(page, "document.querySelector('#copy-run').getAttribute('aria-pressed') === 'true'")
    until(page, "document.querySelector('#copy-frame').matches('.second')")
    page.keyboard.press(" ")
    expect(page.locator("#copy-run")).to_have_attribute("aria-pressed", "false")
    assert serious_faults(page) == []
    page.keyboard.press("d")
    expect(page.locator("#copy-told")).to_have_text(
        re.compile(r"% of the pixels differ, by at most \d+ of 255")
    )
    bright = """document.querySelector('#copy-difference').getContext('2d')
        .getImageData(0, 0, 480, 320).data.filter((value, at) => at % 4 < 3 && value > 40).length"""
    before = page.evaluate(bright)
    page.locator("#copy-gain").press("End")
    assert page.evaluate(bright) > before
    assert serious_faults(page) == []
    page.click("#copies-side")
    expect(page.locator("#copy-stage")).to_be_hidden()

    # What is not a copy is a picture of its own from now on, until that is taken back.
    page.get_by_role("button", name="Not a copy: 1-small.png").click()
    expect(page.locator("#copies-facts")).to_have_text(re.compile("^2 pictures"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#copies-facts")).to_have_text(re.compile("^3 pictures"))

    # The others are marked, named, and moved; and they come back.
    page.goto(f"{server.url}/?view=copies&group={of['1.png']}")
    expect(page.locator(NAME).first).to_have_text("1.png")
    page.keyboard.press("1")
    expect(page.locator("#copies-marked")).to_have_text(re.compile("^One file marked"))
    page.keyboard.press("Delete")
    expect(page.locator("#trash-files bdi")).to_have_text("1-small.png")
    assert serious_faults(page) == []
    page.keyboard.press("Escape")
    assert (art / "1-small.png").exists()
    page.keyboard.press("Delete")
    page.click("#trash-yes")
    expect(page.locator("#copies-facts")).to_have_text(re.compile("^2 pictures"))
    assert not (art / "1-small.png").exists()
    page.keyboard.press("Control+z")
    expect(page.locator("#copies-facts")).to_have_text(re.compile("^3 pictures"))
    assert (art / "1-small.png").exists()

    # The last one goes only if one says so twice; names are only ever text.
    page.goto(f"{server.url}/?view=copies&group={of['0.png']}")
    expect(page.locator(NAME)).to_have_count(2)
    for box in page.locator("#copy-cards .copy-mark").all():
        box.check()
    page.click("#copies-trash")
    assert sorted(page.locator("#trash-files bdi").all_inner_texts()) == ["0.png", "<i>0.png"]
    page.click("#trash-yes")
    expect(page.locator("#trash-title")).to_have_text("No copy will be left: move all 2?")
    page.click("#trash-no")
    assert (art / "0.png").exists()
    assert (art / "<i>0.png").exists()

    # In the grid a picture that stands for others leads to them, or is told apart from them.
    page.click("#view-grid")
    page.wait_for_selector("#grid .with-copies")
    assert "group" not in page.url
    assert shown - 2 == len(keys(page))
    tile = page.locator("#grid .tile.with-copies", has=page.locator("img[alt^='3']"))
    tile.hover()
    tile.get_by_role("button", name="Not a copy").click()
    expect(page.locator("#grid .with-copies")).to_have_count(2)
    page.locator("#grid .with-copies").first.hover()
    page.locator("#grid .with-copies .copy-tools button").first.click()
    expect(page).to_have_url(re.compile(r"view=copies&group=\d+"))


def test_a_page_that_was_not_launched_looks_and_changes_nothing(window: Opens, server: Running) -> None:
    visit = window(viewport={"width": 390, "height": 800}, color_scheme="dark")
    visit.expect_refusal(404)  # there is no picture 99
    page = visit.open("?view=copies&group=99")
    expect(page.locator(NAME).first).to_be_visible()
    assert "only from the page that" in page.inner_text("#copies-trash-hint")
    expect(page.locator("#copies-trash")).to_be_disabled()
    expect(page.locator("#copies-look")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious_faults(page) == []
