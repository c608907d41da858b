"""The free canvas of a board on the page: by mouse, by keys, by fingers; kept, undone and merged."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from visiting import Opens, Visit, hits, serious_faults, until
from web_server import Running

expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed").expect

LAYOUT = "() => import(moduleOf('canvaslayout')).then(layout => layout.all().map(each => ({ ...each })))"
#: Whether the server has every change, and every picture in sight has come.
SETTLED = "import(moduleOf('canvaslayout')).then(layout => layout.isSent() && canvas.dataset.waiting === '0')"


@pytest.fixture
def board(server: Running) -> tuple[int, list[str]]:
    """A board with four pictures, by its number and their keys."""
    chosen = hits(server, order="name")[:4]
    number = server.client.post("/api/v1/boards", json={"name": "Mood"}).json()["id"]
    server.client.post(f"/api/v1/boards/{number}/pictures", json={"ids": list(map(int, chosen))})
    return number, chosen


def laid(page: Any) -> dict[str, dict[str, Any]]:
    """The pictures of the canvas as the page has them, by key."""
    return {each["key"]: each for each in page.evaluate(LAYOUT)}


def kept(server: Running, board: int) -> dict[str, dict[str, Any]]:
    """The same as the server has it."""
    return {str(each["id"]): each for each in server.client.get(f"/api/v1/boards/{board}/layout").json()}


def wait_for(page: Any, condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        page.wait_for_timeout(25)
    raise AssertionError("never true")


def settled(page: Any) -> None:
    wait_for(page, lambda: bool(page.evaluate(f"() => {SETTLED}")))


def middle(page: Any, key: str) -> tuple[float, float]:
    """Where the middle of a picture is on the screen."""
    at = page.evaluate("key => import(moduleOf('canvas')).then(({ onScreen }) => onScreen(key))", key)
    box = page.locator("#canvas").bounding_box()
    return box["x"] + at[0], box["y"] + at[1]


def pull(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=2)
    page.mouse.move(*end, steps=2)
    page.mouse.up()


def test_pictures_lie_where_one_puts_them(
    visit: Visit, server: Running, board: tuple[int, list[str]]
) -> None:
    number, (one, two, three, four) = board
    page = visit.open("?board=Mood")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(r"[?&]view=canvas"))
    until(page, "document.querySelector('#canvas').dataset.waiting === '0'")
    expect(page.locator("#canvas")).to_be_focused()
    first = laid(page)
    assert len(first) == 4

    # A picture is moved by the mouse, without snapping; only it changes, but all are kept from then on.
    start = middle(page, one)
    page.keyboard.down("Alt")
    pull(page, start, (start[0] + 37, start[1] + 23))
    page.keyboard.up("Alt")
    settled(page)
    now = kept(server, number)
    zoom = 37 / (now[one]["x"] - first[one]["x"])
    assert (now[one]["y"] - first[one]["y"]) * zoom == pytest.approx(23, abs=0.5)
    assert [now[key]["x"] for key in (two, three, four)] == [first[key]["x"] for key in (two, three, four)]

    # By keys: undo and redo, move, scale, rotate, in front of all.
    page.keyboard.press("Control+z")
    assert laid(page)[one]["x"] == first[one]["x"]
    page.keyboard.press("Control+y")
    assert laid(page)[one]["x"] == now[one]["x"]
    for key in ("ArrowRight", "]", "r", "Home"):
        page.keyboard.press(key)
    changed = laid(page)[one]
    assert changed["x"] > now[one]["x"]
    assert changed["scale"] == pytest.approx(1.1 * now[one]["scale"])
    assert changed["rotation"] == 15
    assert changed["depth"] == max(each["depth"] for each in laid(page).values())

    # Two are grouped, and move together; snapped to the edge of another where they come near.
    page.mouse.click(*middle(page, three))
    page.keyboard.down("Shift")
    page.mouse.click(*middle(page, four))
    page.keyboard.up("Shift")
    page.keyboard.press("g")
    page.keyboard.press("Escape")
    before, start = laid(page), middle(page, four)
    pull(page, start, (start[0] + 60, start[1] + 3))
    after = laid(page)
    assert after[three]["x"] - before[three]["x"] == pytest.approx(after[four]["x"] - before[four]["x"])
    # 3 pixels from where it lay in its row, whose edges it snaps to.
    assert after[four]["y"] == pytest.approx(before[four]["y"])
    assert after[three]["group"] == after[four]["group"] is not None

    # A box around pictures selects them, whole groups; a corner scales about the one across.
    box = page.locator("#canvas").bounding_box()
    pull(page, (box["x"] + 6, box["y"] + box["height"] - 6), (box["x"] + box["width"] - 6, box["y"] + 6))
    expect(page.locator("#selection-count")).to_have_text("4 selected")
    page.mouse.click(*middle(page, two))
    start, lay = middle(page, two), laid(page)[two]
    half = [zoom * lay["scale"] * lay[side] / 2 for side in ("width", "height")]
    corner = (start[0] + half[0], start[1] + half[1])
    pull(page, corner, (corner[0] - half[0], corner[1] - half[1]))
    grown = laid(page)[two]
    assert grown["scale"] == pytest.approx(lay["scale"] / 2, rel=0.02)
    assert grown["x"] - grown["width"] * grown["scale"] / 2 == pytest.approx(
        lay["x"] - lay["width"] * lay["scale"] / 2
    )
    page.keyboard.press("Control+z")
    page.mouse.click(*middle(page, four))

    # Meanwhile another page moves another picture: both changes stay.
    settled(page)
    place = {name: now[two][name] for name in ("id", "x", "y", "scale", "rotation", "depth")}
    moved = {"places": [{**place, "y": place["y"] + 500}]}
    server.client.post(f"/api/v1/boards/{number}/layout", json=moved)
    page.keyboard.press("ArrowUp")
    settled(page)
    assert kept(server, number)[two]["y"] == place["y"] + 500
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_for(page, lambda: bool(laid(page)[two]["y"] == place["y"] + 500))

    assert serious_faults(page) == []
    # Delete asks nothing, and can be undone; the picture lies where it lay.
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator("#selection-count")).to_have_text("1 selected")
    (gone,) = page.evaluate("import(moduleOf('selection')).then(({ selected }) => [...selected()])")
    lay = laid(page)[gone]
    page.keyboard.press("Delete")
    until(page, "document.querySelector('#canvas').ariaLabel.includes('3 pictures')")
    page.keyboard.press("Control+z")
    until(page, "document.querySelector('#canvas').ariaLabel.includes('4 pictures')")
    assert laid(page)[gone]["x"] == lay["x"]

    # What is changed while the server does not answer is kept once it does.
    page.context.set_offline(True)
    visit.expected += ("ERR_INTERNET_DISCONNECTED",)
    page.keyboard.press("n")
    page.keyboard.press("r")
    expect(page.locator("#notices .error")).to_be_visible()
    page.context.set_offline(False)
    settled(page)
    turned = {key: each["rotation"] for key, each in laid(page).items()}
    assert {key: each["rotation"] for key, each in kept(server, number).items()} == turned

    # In rows again; then the picture of it all is saved.
    page.keyboard.press("l")
    wait_for(page, lambda: all(each["rotation"] == 0 for each in laid(page).values()))
    with page.expect_download() as saved:
        page.click("#canvas-png")
    assert saved.value.suggested_filename == "Mood.png"
    page.keyboard.press("c")
    expect(page.locator("#pictures")).to_be_visible()


def test_fingers_move_pictures_and_the_view(
    window: Opens, server: Running, board: tuple[int, list[str]]
) -> None:
    number, (one, two, *_) = board
    visit = window(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    page = visit.open("?board=Mood&view=canvas")
    until(page, "document.querySelector('#canvas').dataset.waiting === '0'")
    first, (x, y) = laid(page), middle(page, one)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]}
        )

    fingers("touchStart", (x, y))
    for step in (10, 30, 60):
        fingers("touchMove", (x, y + step))
    fingers("touchEnd")
    settled(page)
    assert kept(server, number)[one]["y"] > first[one]["y"]

    # Another one is selected besides it.
    page.locator("#canvas-several").press("Enter")  # a tap may only end the flick before it
    page.touchscreen.tap(*middle(page, two))
    expect(page.locator("#selection-count")).to_have_text("2 selected")

    # Two fingers zoom; nothing is moved by them.
    before, zoom = laid(page), "import(moduleOf('canvas')).then(({ zoom }) => zoom())"
    was = page.evaluate(zoom)
    fingers("touchStart", (x, y + 60))
    fingers("touchStart", (x, y + 60), (x + 40, y + 60))
    for step in (60, 90, 120):
        fingers("touchMove", (x, y + 60), (x + step, y + 60))
    fingers("touchEnd")
    assert page.evaluate(zoom) > 1.5 * was
    assert laid(page) == before
    assert serious_faults(page) == []

    # A picture comes earlier by a button where it is shown large.
    order = server.client.get(f"/api/v1/boards/{number}").json()["ids"]
    visit.open(f"?board=Mood&image={order[1]}")
    page.click("#board-earlier")
    wanted, at = [order[1], order[0], *order[2:]], f"/api/v1/boards/{number}"
    wait_for(page, lambda: bool(server.client.get(at).json()["ids"] == wanted))
