"""Boards, stars, own notes and tags on the page, by mouse and by keys; searches move to the server."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from visiting import Visit, drag, focus, hits, keys, until
from web_server import Running

from i2v_search.collection.collection import Collection

expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect

ROWS = "#board-list [data-board]"


def shows(page: Any, wanted: list[str]) -> None:
    """Wait until the grid shows these pictures, in this order."""
    until(page, f"document.querySelectorAll('#grid [data-key]').length === {len(wanted)}")
    shown = "[...document.querySelectorAll('#grid [data-key]')].map(each => each.dataset.key).join()"
    until(page, f"{shown} === {','.join(wanted)!r}")


def test_a_board_is_made_filled_moved_and_deleted(
    visit: Visit, server: Running, sample_collection: Collection
) -> None:
    page = visit.open()
    one, two, three, four = keys(page)[:4]
    page.click("#boards-button")
    expect(page.locator("#boards-none")).to_be_visible()
    page.fill("#board-name", "<i>Mood</i>")
    page.keyboard.press("Enter")
    expect(page.locator(f"{ROWS} .name")).to_have_text("<i>Mood</i>")

    # A tile is dropped on it, one is put there by a key, and several that are selected.
    drag(page, page.locator(f'#grid [data-key="{one}"]'), page.locator(ROWS))
    expect(page.locator(f"{ROWS} .count")).to_have_text("one picture")
    focus(page, two)
    page.keyboard.press("k")
    expect(page.locator("#pick-list button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f"{ROWS} .count")).to_have_text("2 pictures")
    for key in (three, four):
        focus(page, key)
        page.keyboard.press("s")
    page.locator("#selection [data-take=board]").click()
    expect(page.locator("#pick-list button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f"{ROWS} .count")).to_have_text("4 pictures")
    page.keyboard.press("Escape")

    # It is shown in its order, which keys and the hand change.
    page.click(f"{ROWS} a")
    expect(page).to_have_url(re.compile(r"\?board=%3Ci%3EMood%3C/i%3E$"))
    expect(page.locator("#facts")).to_have_text("<i>Mood</i>")
    shows(page, [one, two, three, four])
    focus(page, one)
    page.keyboard.press(">")
    shows(page, [two, one, three, four])
    until(page, f"document.activeElement.closest('[data-key]')?.dataset.key === '{one}'")
    target = page.locator(f'#grid [data-key="{two}"]')
    page.locator(f'#grid [data-key="{four}"]').hover()
    page.mouse.down()
    box = target.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60, steps=3)
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2, steps=2)
    expect(page.locator(".drop-before")).to_have_count(1)
    page.mouse.up()
    shows(page, [four, two, one, three])

    # Another page has put something on it meanwhile: both changes stay.
    board = server.client.get("/api/v1/boards").json()[0]["id"]
    other = hits(server, order="name")[0]
    server.client.post(f"/api/v1/boards/{board}/pictures", json={"ids": [int(other)]})
    focus(page, two)
    page.keyboard.press("Delete")
    shows(page, [four, one, three, other])
    page.get_by_role("button", name="Undo").click()
    shows(page, [four, two, one, three, other])

    page.fill("#board-note", "for the forest")
    page.locator("#board-name").focus()
    page.reload()  # at once: the note is still on its way
    expect(page.locator("#board-note")).to_have_value("for the forest")
    with page.expect_download() as saved:
        page.click("#board-json")
    record = json.loads(Path(saved.value.path()).read_text("utf-8"))
    assert (record["note"], len(record["pictures"])) == ("for the forest", 5)
    page.click("#board-gradual")
    order = sample_collection.gradual_order([int(key) for key in (four, two, one, three, other)])
    shows(page, [str(image) for image in order])

    # What is learned from it is offered, and put on it by a press.
    suggested = server.client.get(f"/api/v1/boards/{board}/suggestions").json()[0]["id"]
    page.click("#board-suggest")
    page.locator(f'#board-suggestions [data-key="{suggested}"]').press("Enter")
    shows(page, [*(str(image) for image in order), str(suggested)])
    expect(page.locator(f'#board-suggestions [data-key="{suggested}"]')).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#suggested")).to_be_hidden()

    # It is renamed where it stands, whenever the list that was asked for arrives; deleted, and brought back.
    late: list[Any] = []
    page.route("**/api/v1/boards", lambda route: late.append(route), times=1)
    page.click("#boards-button")
    page.get_by_role("button", name="Rename board").click()
    field = page.get_by_role("textbox", name="Rename board")
    field.fill("Dusk")
    page.evaluate("document.querySelector('#board-list input').parentElement.dataset.old = ''")
    late[0].continue_()
    expect(page.locator("[data-old]")).to_have_count(0)  # all rows are new
    expect(field).to_have_value("Dusk")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?board=Dusk$"))
    page.get_by_role("button", name="Delete board Dusk").click()
    expect(page.locator(ROWS)).to_have_count(0)
    expect(page).not_to_have_url(re.compile("board"))
    page.get_by_role("button", name="Undo").last.click()
    expect(page.locator(f"{ROWS} .count")).to_have_text("6 pictures")


def test_stars_notes_and_own_tags(visit: Visit, server: Running) -> None:
    page = visit.open()
    one, two = keys(page)[:2]
    focus(page, one)
    page.keyboard.press("*")
    expect(page.locator(f'#grid [data-key="{one}"] .star-mark')).to_be_visible()
    page.click("#boards-button")
    page.click("#board-list .starred a")
    expect(page).to_have_url(re.compile(r"\?starred=1$"))
    shows(page, [one])

    page = visit.open(f"?image={two}")
    page.click("#detail-star")
    expect(page.locator("#detail-star")).to_have_attribute("aria-pressed", "true")
    page.fill("#own-tag", "Lantern_Light, <u>mine</u>")
    page.keyboard.press("Enter")
    expect(page.locator("#own-tags li a")).to_have_text(["<u>mine</u>", "lantern light"])
    page.fill("#own-note", "for the cover")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.click("#detail-close")
    visit.open(f"?image={two}")
    expect(page.locator("#own-note")).to_have_value("for the cover")
    page.get_by_role("button", name="Remove own tag <u>mine</u>").click()
    expect(page.locator("#own-tags li a")).to_have_text(["lantern light"])
    visit.open("?tag=lantern+light")
    shows(page, [two])


def test_searches_that_the_browser_has_move_to_the_server(visit: Visit, server: Running) -> None:
    server.client.post("/api/v1/saved-searches", json={"name": "owls", "query": "?tag=owl"})
    place = server.client.get("/api/v1/collection").json()["name"]
    old = [("?tag=cat", "cats"), ("?tag=other", "owls"), ("? x", "no search")]
    kept = json.dumps([{"query": query, "label": label} for query, label in old])
    visit.page.goto(server.url)
    visit.page.evaluate("([at, text]) => localStorage.setItem(at, text)", [f"i2v-search.saved.{place}", kept])
    visit.expect_refusal(422)
    page = visit.open("?like=t:boat")
    page.click("#saved-button")
    expect(page.locator("#saved-list a")).to_have_text(["cats", "owls"])
    until(page, f"localStorage.getItem('i2v-search.saved.{place}') === '[]'")
    assert {"name": "owls", "query": "?tag=owl"} in server.client.get("/api/v1/saved-searches").json()
