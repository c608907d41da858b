"""Drawing on the page: results follow every stroke, and the drawing is an example like other images."""

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageOps
from visiting import Opens, Visit, encoded, keys, until, until_shown, written
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
Point = tuple[float, float]
#: A drawing in the address, and the key of its upload.
DRAWN = r"like=u:([0-9a-f]{64})~sketch"
#: Number of dark pixels on the paper inside a box of shares.
INK = """([left, top, right, bottom]) => {
    const copy = document.createElement('canvas'), pen = copy.getContext('2d', { willReadFrequently: true });
    copy.width = copy.height = 400;
    pen.drawImage(document.querySelector('#paper'), 0, 0, 400, 400);
    const pixels = pen.getImageData(left * 400, top * 400, (right - left) * 400, (bottom - top) * 400).data;
    return pixels.filter((value, at) => at % 4 === 0 && value < 128).length;
}"""
WHOLE = (0, 0, 1, 1)


def hits(server: Running, *examples: Any) -> list[str]:
    body = {"top": 60, "examples": list(examples)}
    return [str(hit["id"]) for hit in server.client.post("/api/v1/search", json=body).json()["hits"]]


def circle(x: float, y: float, radius: float) -> list[Point]:
    turns = [2 * math.pi * at / 16 for at in range(17)]
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def on_paper(page: Any, point: Point) -> Point:
    box = page.locator("#paper").bounding_box()
    return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]


def stroke(page: Any, points: Sequence[Point]) -> None:
    page.mouse.move(*on_paper(page, points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*on_paper(page, point), steps=2)
    page.mouse.up()


def drawn(page: Any, points: Sequence[Point]) -> str:
    """Draw a stroke, wait for what it finds, and return the key of the drawing."""
    before = page.url
    stroke(page, points)
    until(page, f"location.href !== {before!r}")
    return upload(page)


def upload(page: Any) -> str:
    """The key of the drawing in the address, once its results are there."""
    expect(page).to_have_url(re.compile(DRAWN))
    expect(page.locator("#grid")).not_to_have_attribute("aria-busy", "true")
    found = re.search(DRAWN, page.url)
    assert found is not None
    return found[1]


def ink(page: Any, box: Sequence[float] = WHOLE) -> int:
    number: int = page.evaluate(INK, list(box))
    return number


# Strokes


def test_results_follow_every_stroke(visit: Visit, server: Running) -> None:
    page = visit.open()
    page.click("#draw")
    expect(page.locator("#paper-hint")).to_be_visible()
    for points in (circle(0.5, 0.5, 0.3), circle(0.4, 0.45, 0.05)):
        digest = drawn(page, points)
        expected = hits(server, {"upload": digest, "kind": "sketch"})
        until_shown(page, expected)
        expect(page.locator("#examples .example")).to_have_count(1)
    expect(page.locator("#paper-hint")).to_be_hidden()
    expect(page.locator("#paper")).to_be_focused()
    page.go_back()
    expect(page).to_have_url(re.compile(r"/$"))
    expect(page.locator("#sketchpad")).to_be_hidden()
    page.go_forward()
    assert upload(page) == digest
    page.keyboard.press("d")
    assert ink(page) > 1000


def test_strokes_are_undone_made_again_and_cleared(visit: Visit) -> None:
    page = visit.open("?like=t:bird")
    page.keyboard.press("d")
    expect(page.locator("#undo")).to_be_disabled()
    first = drawn(page, circle(0.5, 0.5, 0.3))
    second = drawn(page, circle(0.5, 0.5, 0.1))
    much = ink(page)
    page.keyboard.press("Control+z")
    expect(page).to_have_url(re.compile(first))
    assert 0 < ink(page) < much
    page.keyboard.press("Control+Shift+Z")
    expect(page).to_have_url(re.compile(second))
    page.click("#undo")
    expect(page).to_have_url(re.compile(first))
    page.click("#redo")
    expect(page).to_have_url(re.compile(second))
    assert ink(page) == much
    page.locator("#paper").press("Delete")
    expect(page).to_have_url(re.compile(r"\?like=t:bird$"))
    assert ink(page) == 0
    expect(page.locator("#sketchpad")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page).to_have_url(re.compile(rf"like=t:bird&like=u:{second}~sketch$"))
    drawn(page, [(0.1, 0.1), (0.2, 0.2)])
    expect(page.locator("#redo")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.locator("#sketchpad")).to_be_hidden()
    expect(page.locator("#draw")).to_be_focused()


def test_what_is_typed_is_not_undone_on_the_paper(visit: Visit) -> None:
    page = visit.open()
    page.keyboard.press("d")
    digest = drawn(page, circle(0.5, 0.5, 0.3))
    page.locator("#search").focus()
    page.keyboard.type("red e]")
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    assert upload(page) == digest
    expect(page.locator("#pen")).to_have_attribute("aria-pressed", "true")


def test_pen_and_eraser_have_widths(visit: Visit) -> None:
    page = visit.open()
    page.click("#draw")
    dark = []
    for name in ("Fine", "Medium", "Thick"):
        page.locator("#sizes").get_by_role("button", name=name).click()
        drawn(page, [(0.1, 0.5), (0.9, 0.5)])
        dark.append(ink(page))
        page.click("#undo")
        until(page, f"({INK})({list(WHOLE)}) === 0")
    assert 4 * dark[0] < 2 * dark[1] < dark[2]
    drawn(page, [(0.1, 0.5), (0.9, 0.5)])
    page.keyboard.press("e")
    expect(page.locator("#eraser")).to_have_attribute("aria-pressed", "true")
    drawn(page, [(0.5, 0.2), (0.5, 0.8)])
    assert ink(page, (0.48, 0.4, 0.52, 0.6)) == 0
    assert ink(page, (0.2, 0.4, 0.3, 0.6)) > 0
    page.keyboard.press("[")
    expect(page.locator("#sizes button").nth(1)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("]")
    expect(page.locator("#sizes button").nth(2)).to_have_attribute("aria-pressed", "true")


def test_a_pen_draws_as_it_is_pressed_and_the_hand_beside_it_draws_nothing(window: Opens) -> None:
    page = window(viewport={"width": 1200, "height": 800}, has_touch=True).open()
    page.click("#draw")
    device = page.context.new_cdp_session(page)

    def pen(kind: str, point: Point, force: float) -> None:
        x, y = on_paper(page, point)
        pressed = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen", "force": force}
        device.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **pressed})

    for height, force in ((0.2, 0.1), (0.6, 0.9)):
        before = page.url
        pen("mousePressed", (0.2, height), force)
        for at in range(3, 9):
            pen("mouseMoved", (at / 10, height), force)
        pen("mouseReleased", (0.8, height), force)
        until(page, f"location.href !== {before!r}")
    light, heavy = ink(page, (0, 0.1, 1, 0.3)), ink(page, (0, 0.5, 1, 0.7))
    assert 0 < 2 * light < heavy
    x, y = on_paper(page, (0.5, 0.9))
    device.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    device.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 80, "y": y}]})
    device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert ink(page, (0, 0.8, 1, 1)) == 0


def test_a_finger_draws_on_a_phone(window: Opens) -> None:
    page = window(**PHONE).open()
    page.tap("#draw")
    device = page.context.new_cdp_session(page)
    top = page.locator("#paper").bounding_box()["y"]
    for points in (circle(0.5, 0.5, 0.3), circle(0.5, 0.5, 0.15)):
        before = page.url
        for at, point in enumerate(points):
            x, y = on_paper(page, point)
            kind = "touchMove" if at else "touchStart"
            device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        device.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        until(page, f"location.href !== {before!r}")
        upload(page)
        # Whatever is shown of the query, the paper stays under the hand.
        assert page.locator("#paper").bounding_box()["y"] == top
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth && scrollY === 0")
    tile = page.locator("#grid .picture").first.bounding_box()
    assert tile["y"] + tile["height"] / 2 < 844
    page.locator("#sketchpad-close").press("Enter")
    expect(page.locator("#examples .example")).to_be_visible()


def test_an_answer_that_a_stroke_overtook_is_dropped(visit: Visit) -> None:
    page = visit.open()
    page.click("#draw")
    held: list[Any] = []
    page.route("**/api/v1/uploads", lambda route: route.continue_() if held else held.append(route))
    gone: list[str] = []
    page.on("requestfailed", lambda request: gone.append(request.url))
    with page.expect_request("**/api/v1/uploads"):
        stroke(page, circle(0.5, 0.5, 0.3))
    drawn(page, circle(0.5, 0.5, 0.1))
    assert gone == [f"{visit.url}/api/v1/uploads"]
    held[0].abort()
    page.go_back()
    expect(page).to_have_url(re.compile(r"/$"))


def test_strokes_of_one_moment_are_sent_once(window: Opens) -> None:
    # A clock is that of all windows with the same options.
    page = window(viewport={"width": 1000, "height": 800}).open()
    page.click("#draw")
    page.clock.install()
    page.clock.pause_at("2100-01-01")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/uploads") else None)
    for height in (0.3, 0.5, 0.7):
        stroke(page, [(0.2, height), (0.8, height)])
        page.clock.run_for(20)
    page.clock.run_for(1000)
    upload(page)
    assert len(sent) == 1


def test_a_stroke_that_the_browser_takes_away_leaves_those_before(window: Opens) -> None:
    page = window(viewport={"width": 1000, "height": 700}, has_touch=True).open()
    page.click("#draw")
    page.clock.install()
    page.clock.pause_at("2100-01-01")
    device = page.context.new_cdp_session(page)
    stroke(page, [(0.2, 0.3), (0.8, 0.3)])
    x, y = on_paper(page, (0.5, 0.7))
    device.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    device.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 90, "y": y}]})
    assert ink(page, (0, 0.6, 1, 0.8)) > 0
    device.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})
    assert ink(page, (0, 0.6, 1, 0.8)) == 0
    page.clock.run_for(1000)
    upload(page)


def test_of_the_paper_only_what_is_drawn_on_is_sent(visit: Visit, server: Running) -> None:
    page = visit.open()
    page.click("#draw")
    sent = server.service.uploads.get(drawn(page, circle(0.8, 0.3, 0.15)))
    image = Image.open(io.BytesIO(sent.picture)).convert("L")
    side = image.width
    box = ImageOps.invert(image).point(lambda level: 255 if level > 100 else 0).getbbox()
    left, top, right, bottom = box or (0, 0, 0, 0)
    assert 0.8 * side < right - left < 0.95 * side
    assert 0.8 * side < bottom - top < 0.95 * side
    assert left + right == pytest.approx(side, abs=0.05 * side)


# The drawing in the query


def test_a_drawing_is_mixed_turned_and_removed(visit: Visit, server: Running) -> None:
    page = visit.open("?like=3&unlike=t:bird")
    page.keyboard.press("d")
    digest = drawn(page, circle(0.5, 0.5, 0.3))
    mixed = [{"id": 3}, {"upload": digest, "kind": "sketch"}, {"text": "bird", "weight": -0.5}]
    assert keys(page) == hits(server, *mixed)
    page.locator(f"#examples [data-key='u:{digest}~sketch'] .turn").click()
    expect(page).to_have_url(re.compile(rf"\?like=3&unlike=t:bird&unlike=u:{digest}~sketch$"))
    stroke(page, circle(0.5, 0.5, 0.1))
    expect(page).not_to_have_url(re.compile(digest))
    expect(page).to_have_url(re.compile(r"\?like=3&unlike=t:bird&unlike=u:[0-9a-f]+~sketch$"))
    page.locator("#examples .remove").last.click()
    expect(page).to_have_url(re.compile(r"\?like=3&unlike=t:bird$"))
    expect(page.locator("#sketchpad")).to_be_hidden()
    page.click("#draw")
    assert ink(page) == 0


def test_a_drawing_is_drawn_on_after_the_page_was_loaded_again(visit: Visit) -> None:
    page = visit.open()
    page.click("#draw")
    first = drawn(page, circle(0.5, 0.5, 0.3))
    page.reload()
    expect(page.locator("#grid .picture").first).to_be_visible()
    expect(page.locator("#examples .example img")).to_be_visible()
    page.locator("#examples .example").hover()
    page.locator("#examples").get_by_role("button", name="Draw on it").click()
    until(page, f"({INK})({list(WHOLE)}) > 1000")
    assert drawn(page, circle(0.5, 0.5, 0.1)) != first
    expect(page.locator("#examples .example")).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(page).not_to_have_url(re.compile(first))


def test_a_drawing_is_an_end_of_a_morph(visit: Visit) -> None:
    page = visit.open("?b=60")
    page.click("#draw")
    digest = drawn(page, circle(0.5, 0.5, 0.3))
    page.locator("#examples .turn").drag_to(page.locator("#slot-a"))
    expect(page).to_have_url(re.compile(rf"like=u:{digest}~sketch&a=u:{digest}&b=60$"))
    expect(page.locator("#film [data-key]")).to_have_count(8)
    assert keys(page, "#film [data-key]")[0] == f"u:{digest}"


def test_a_drawing_that_cannot_be_sent_is_said(visit: Visit) -> None:
    visit.expected = ("net::ERR_FAILED",)
    page = visit.open()
    page.click("#draw")
    page.route("**/api/v1/uploads", lambda route: route.abort())
    stroke(page, circle(0.5, 0.5, 0.3))
    expect(page.locator(".notice.error")).to_contain_text("The server does not respond")
    page.unroute("**/api/v1/uploads")
    drawn(page, circle(0.5, 0.5, 0.1))


# Pictures that are drawings


@pytest.mark.parametrize("number", [3, 60])
def test_a_picture_is_taken_for_a_drawing_and_back(number: int, visit: Visit, server: Running) -> None:
    page = visit.open(f"?like={number}&like=t:boat")
    page.locator("#examples .example").first.hover()
    toggle = page.locator("#examples [data-use=pen]")
    toggle.click()
    expect(page).to_have_url(re.compile(rf"\?like={number}~sketch&like=t:boat$"))
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(toggle).to_be_focused()
    expected = hits(server, {"id": number, "kind": "sketch"}, {"text": "boat"})
    until_shown(page, expected)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"\?like={number}&like=t:boat$"))
    expect(toggle).to_have_attribute("aria-pressed", "false")


def lines(offset: int) -> bytes:
    """A drawing of lines, as a file."""
    image = Image.new("L", (300, 300), "white")
    pen = ImageDraw.Draw(image)
    for box in ((60 + offset, 60, 220, 240), (90, 100, 120, 130), (160, 100, 190, 130)):
        pen.ellipse(box, outline="black", width=4)
    pen.line((90, 180, 140, 205, 190, 180), fill="black", width=4)
    return encoded(image.convert("RGB"))


def test_a_picture_that_looks_like_a_drawing_is_offered_to_be_one(visit: Visit, tmp_path: Any) -> None:
    page = visit.open()
    page.set_input_files("#file", [written(tmp_path, f"{at}.png", lines(at)) for at in (0, 9)])
    expect(page.locator("#sketch-offer")).to_contain_text("One of your images looks like a drawing")
    expect(page.locator("#take-for-sketch")).to_be_hidden()
    page.locator("#examples .remove").last.click()
    expect(page.locator("#sketch-offer")).to_contain_text("This looks like a drawing.")
    expect(page).not_to_have_url(re.compile("sketch"))
    page.click("#take-for-sketch")
    upload(page)
    expect(page.locator("#sketch-offer")).to_be_hidden()
    page.go_back()
    expect(page.locator("#sketch-offer")).to_be_visible()


def test_nonsense_about_an_image_is_passed_over(visit: Visit) -> None:
    wrong = ("3~drawing", "3~", "3~0.5,0.5,0.6,0.1", "3~0,0,0,1", "3~1,2", "3~0,0,1,1~sketch", "3~sketch~")
    page = visit.open("?" + "&".join(f"like={key}" for key in wrong) + "&image=3~sketch&a=x~sketch")
    expect(page.locator("#examples")).to_be_hidden()
    expect(page.locator("#detail")).to_be_hidden()
    assert page.locator(".slot.filled").count() == 0
