"""Looking at a picture closely: zoomed to the pixel, moved, mirrored, in grey, under lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grids import GridEncoder
from PIL import Image, ImageDraw
from visiting import Opens, Visit, serious_faults, until
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.encoders import registry

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
FLAT = ("#e01020", "#1040d0", "#f0d020", "#10a040", "#ffffff", "#101010")
VALUES = "all => all.map((each) => each.dataset.colour)"
#: Where the picture lies in the window, and how large a pixel of it is.
PLACE = """() => {
    const pane = document.querySelector('#pane').getBoundingClientRect();
    const port = document.querySelector('#viewport').getBoundingClientRect();
    return [pane.left - port.left, pane.top - port.top, pane.width, pane.height, port.width, port.height];
}"""
#: Colour of the picture at a place of its own pixels, from the sharpest that is shown there.
COLOUR = """([x, y]) => {
    for (const image of [...document.querySelectorAll('.closeup.there')].reverse()) {
        const asked = new URL(image.src).searchParams;
        const sides = ['x', 'y', 'width', 'height'];
        const [left, top, width, height] = sides.map((name) => Number(asked.get(name)));
        if (x < left || y < top || x >= left + width || y >= top + height) continue;
        const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
        canvas.width = canvas.height = 1;
        const scale = image.naturalWidth / width;
        pen.drawImage(image, (x - left) * scale, (y - top) * scale, scale, scale, 0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }
    return null;
}"""

#: Whether all parts that were asked for are there.
SHARP = """(() => {
    const parts = [...document.querySelectorAll('.closeup')];
    return parts.length > 0 && parts.every((part) => part.classList.contains('there'));
})()"""


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """A large picture of noise, a sprite, a tall and a wide strip, flat colours, an animation."""
    folder = tmp_path_factory.mktemp("art")
    noise = np.random.default_rng(1).integers(0, 256, (2600, 3000, 3), np.uint8)
    Image.fromarray(noise).save(folder / "a_large.png")
    sprite = Image.new("RGB", (16, 24), "white")
    ImageDraw.Draw(sprite).rectangle((4, 4, 11, 19), fill="#c02040")
    sprite.save(folder / "b_sprite.png")
    Image.linear_gradient("L").resize((300, 6000)).save(folder / "c_tall.png")
    Image.linear_gradient("L").resize((1600, 40)).save(folder / "d_wide.png")
    flat = Image.new("RGB", (300, 200))
    for at, colour in enumerate(FLAT):
        flat.paste(colour, (50 * at, 0, 50 * at + 50, 200))
    told = Image.Exif()
    told[0x013B] = "<b>Pen</b>"
    flat.save(folder / "e_flat.png", exif=told)
    (folder / "e_flat.txt").write_text("stripes, <i>flat</i>")
    frames = [Image.new("RGB", (120, 80), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(folder / "f_moving.gif", save_all=True, append_images=frames[1:], duration=100)
    return Collection.build(tmp_path_factory.mktemp("collection"), [folder], encoder=GridEncoder())


@pytest.fixture(scope="module")
def server(art: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._FACTORIES, "grid", lambda _: GridEncoder())
        with running(art, tmp_path_factory.mktemp("thumbnails")) as started:
            yield started


def number(art: Collection, name: str) -> int:
    (found,) = (image.id for image in art if Path(image.path).stem == name)
    return found


def opened(visit: Visit, art: Collection, name: str, more: str = "") -> Any:
    page = visit.open(f"?image={number(art, name)}{more}")
    expect(page.locator("#part-sheet")).to_be_attached()
    until(page, "!document.querySelector('#part-sheet').hidden")
    until(page, "document.querySelectorAll('#similar [data-key]').length > 0")
    return page


def scale(page: Any, width: int) -> float:
    return float(page.evaluate(PLACE)[2]) / width


def middle(page: Any) -> tuple[float, float]:
    box = page.locator("#viewport").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_large_picture_is_seen_whole_and_then_to_the_pixel(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "a_large")
    left, top, width, height, across, down = page.evaluate(PLACE)
    assert left >= 0
    assert top >= 0
    assert left + width <= across + 1
    assert top + height <= down + 1
    page.keyboard.press("1")
    assert scale(page, 3000) == pytest.approx(1)
    expect(page.locator("#look-scale")).to_have_text("100 %")
    expect(page.locator("#said")).to_have_text("100 %")
    pixels = np.random.default_rng(1).integers(0, 256, (2600, 3000, 3), np.uint8)
    until(page, SHARP)
    for x, y in ((1500, 1300), (1499, 1301), (1300, 1200)):
        assert page.evaluate(COLOUR, [x, y]) == pixels[y, x].tolist()
    page.keyboard.press("+")
    assert scale(page, 3000) == pytest.approx(2)
    rendering = "getComputedStyle(document.querySelector('#large')).imageRendering"
    assert page.evaluate(rendering) == "pixelated"
    page.keyboard.press("-")
    page.keyboard.press("0")
    assert page.evaluate(rendering) == "auto"
    assert page.evaluate(PLACE)[:4] == [left, top, width, height]


def test_the_wheel_zooms_where_the_pointer_is_and_a_drag_moves(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "a_large")
    x, y = middle(page)
    page.mouse.move(x + 100, y + 60)
    before = page.evaluate(PLACE)
    under = [(x + 100 - page.locator("#pane").bounding_box()["x"]) / before[2]]
    for _ in range(4):
        page.mouse.wheel(0, -120)
    until(page, f"document.querySelector('#pane').getBoundingClientRect().width > {2 * before[2]}")
    pane = page.locator("#pane").bounding_box()
    assert (x + 100 - pane["x"]) / pane["width"] == pytest.approx(under[0], abs=0.002)
    page.mouse.down()
    page.mouse.move(x + 40, y + 10, steps=3)
    page.mouse.up()
    moved = page.locator("#pane").bounding_box()
    assert (moved["x"] - pane["x"], moved["y"] - pane["y"]) == pytest.approx((-60, -50), abs=2)
    expect(page.locator("#part-box")).to_be_hidden()  # a drag draws a box only where all is in sight
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("#pane").bounding_box()["x"] - moved["x"] == pytest.approx(-80, abs=2)
    page.mouse.dblclick(x, y)
    assert page.evaluate(PLACE) == before
    page.mouse.dblclick(x, y)
    assert scale(page, 3000) == pytest.approx(1)


def test_a_sprite_is_shown_at_a_whole_number_and_unblurred(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "b_sprite")
    assert scale(page, 16) == pytest.approx(16)
    assert page.evaluate("getComputedStyle(document.querySelector('#large')).imageRendering") == "pixelated"
    until(page, "document.querySelectorAll('.closeup.there').length === 1")
    assert page.evaluate(COLOUR, [4, 4]) == [0xC0, 0x20, 0x40]
    assert page.evaluate(COLOUR, [3, 4]) == [255, 255, 255]
    scales = []
    for _ in range(6):
        page.keyboard.press("-")
        scales.append(round(scale(page, 16), 3))
    assert scales == [12, 8, 6, 4, 3, 2]


def test_strips_are_read_by_scrolling(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "c_tall")
    _, top, width, height, across, down = page.evaluate(PLACE)
    assert (top, width, width <= across, height > down) == (0, 600, True, True)
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, 300)
    until(page, "document.querySelector('#pane').style.top === '-300px'")
    page.keyboard.press("PageDown")
    assert page.evaluate(PLACE)[1] == pytest.approx(-300 - 0.85 * down, abs=2)
    page.keyboard.press("End")
    assert page.evaluate(PLACE)[1] == pytest.approx(down - height, abs=1)
    page = opened(visit, art, "d_wide")
    left, _, width, height, across, _ = page.evaluate(PLACE)
    assert (left, width, height) == (0, 6400, 160)
    page.mouse.wheel(0, 200)
    until(page, "document.querySelector('#pane').style.left === '-200px'")


def test_flip_grey_and_lines_stay_while_pictures_are_turned(visit: Visit, art: Collection) -> None:
    page = visit.open()
    page.locator("#grid a").first.focus()
    page.keyboard.press("i")
    until(page, "!document.querySelector('#part-sheet').hidden")
    page.keyboard.press("f")
    expect(page.locator("#said")).to_have_text("Flipped")
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.locator("#said")).to_have_text("Thirds")
    page.keyboard.press("ArrowRight")
    until(page, "!document.querySelector('#part-sheet').hidden")
    for tool in ("flip", "grey", "lines"):
        expect(page.locator(f"#look-{tool}")).to_have_attribute("aria-pressed", "true")
    assert "-1" in page.evaluate("getComputedStyle(document.querySelector('#pane')).transform")
    assert page.evaluate("getComputedStyle(document.querySelector('#large')).filter") == "grayscale(1)"
    expect(page.locator("#lines path").first).to_have_attribute("d", re.compile(r"^(M[^M]+){4}$"))
    page.keyboard.press("o")
    expect(page.locator("#said")).to_have_text("Squares")
    page.keyboard.press("Escape")
    page.locator("#grid a").first.focus()
    page.keyboard.press("i")
    for tool in ("flip", "grey", "lines"):
        expect(page.locator(f"#look-{tool}")).to_have_attribute("aria-pressed", "false")


def test_a_part_of_a_flipped_and_zoomed_picture_is_that_part(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "e_flat")
    page.keyboard.press("f")
    sheet = page.locator("#part-sheet").bounding_box()
    page.mouse.move(sheet["x"] + 0.1 * sheet["width"], sheet["y"] + 0.2 * sheet["height"])
    page.mouse.down()
    page.mouse.move(sheet["x"] + 0.3 * sheet["width"], sheet["y"] + 0.6 * sheet["height"], steps=3)
    page.mouse.up()
    frame = page.locator("#part-box").bounding_box()
    assert (frame["x"] - sheet["x"]) / sheet["width"] == pytest.approx(0.1, abs=0.01)
    page.keyboard.press("Enter")
    page.wait_for_url("**like=*")
    left, top, width, height = map(float, page.url.split("~")[1].split(","))
    assert (left, top, width, height) == pytest.approx((0.7, 0.2, 0.2, 0.4), abs=0.01)
    page = opened(visit, art, "a_large")
    page.keyboard.press("1")
    page.locator("#part").click()  # the middle of what is in sight
    frame, port = page.locator("#part-box").bounding_box(), page.locator("#viewport").bounding_box()
    assert frame["width"] == pytest.approx(port["width"] / 2, abs=5)
    assert frame["x"] == pytest.approx(port["x"] + port["width"] / 4, abs=5)


def test_two_fingers_zoom(window: Opens, art: Collection) -> None:
    page = opened(window(**PHONE), art, "a_large")
    device, (x, y) = page.context.new_cdp_session(page), middle(page)
    before = scale(page, 3000)

    def touch(kind: str, *apart: float) -> None:
        points = [
            {"x": x + sign * each, "y": y, "id": at} for each in apart for at, sign in enumerate((-1, 1))
        ]
        device.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 40)
    for apart in (60, 80, 120):
        touch("touchMove", apart)
    touch("touchEnd")
    assert scale(page, 3000) / before > 1.8
    expect(page.locator("#part-box")).to_be_hidden()


# Colours


def test_the_palette_is_the_colours_that_a_picture_is_made_of(window: Opens, art: Collection) -> None:
    visit = window(permissions=["clipboard-read", "clipboard-write"])
    page = opened(visit, art, "e_flat")
    swatches = page.locator("#palette .swatch")
    expect(swatches).to_have_count(6)
    found = [bytes.fromhex(each[1:]) for each in swatches.evaluate_all(VALUES)]
    for colour in FLAT:
        nearest = min(
            np.abs(np.subtract(list(each), list(bytes.fromhex(colour[1:])))).max() for each in found
        )
        assert nearest <= 10  # the thumbnail is lossy
    swatches.first.click()
    colour = swatches.first.get_attribute("data-colour")
    expect(page.locator("#said")).to_have_text(f"{colour} copied")
    assert page.evaluate("navigator.clipboard.readText()") == colour
    none = {"hits": [], "more": False, "seconds": 0, "query": "", "looks_like_sketch": False, "total": 0}
    page.route("**/api/v1/search", lambda route: route.fulfill(json=none))
    page.route("**/api/v1/tags/counts", lambda route: route.fulfill(json=[]))
    with page.expect_request("**/api/v1/search") as asked:
        page.get_by_role("button", name="Pictures with this colour").click()
    assert asked.value.post_data_json["colour"] == colour
    expect(page).to_have_url(re.compile(rf"colour=%23{colour[1:]}"))
    expect(page.locator("#detail")).to_be_hidden()


def test_the_eyedropper_reads_the_pixel_of_the_original(window: Opens, art: Collection) -> None:
    visit = window(permissions=["clipboard-read", "clipboard-write"])
    page = opened(visit, art, "a_large")
    pixels = np.random.default_rng(1).integers(0, 256, (2600, 3000, 3), np.uint8)
    page.keyboard.press("1")
    page.keyboard.press("e")
    expect(page.locator("#look-pick")).to_have_attribute("aria-pressed", "true")
    x, y = middle(page)
    left, top = (page.locator("#pane").bounding_box()[side] for side in ("x", "y"))
    page.mouse.click(x + 33, y + 21)
    column, row = int(x + 33 - left), int(y + 21 - top)
    expected = "#" + bytes(pixels[row, column]).hex()
    expect(page.locator("#colour-value")).to_have_text(expected)
    expect(page.locator("#said")).to_have_text(f"{expected} copied")
    assert page.evaluate("navigator.clipboard.readText()") == expected
    expect(page.locator("#part-box")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#colour-value")).to_have_text("#" + bytes(pixels[row + 1, column + 1]).hex())
    page.keyboard.press("f")  # the same place of the window, of the picture as in a mirror
    page.keyboard.press("Escape")
    expect(page.locator("#picker")).to_be_hidden()
    expect(page.locator("#detail")).to_be_visible()


# Frames, and what files say


def frame_colour(page: Any) -> list[int] | None:
    found: list[int] | None = page.evaluate(
        """() => {
            const image = document.querySelector('#frame img');
            if (!image) return null;
            const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
            canvas.width = canvas.height = 1;
            pen.drawImage(image, 0, 0, 1, 1, 0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }"""
    )
    return found


def test_frames_are_stepped_scrubbed_and_played(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "f_moving")
    expect(page.locator("#frames")).to_be_visible()
    expect(page.locator("#frame-at")).to_have_text("1 of 3")
    assert frame_colour(page) is None
    page.keyboard.press(".")
    until(page, "document.querySelector('#frame img')?.src.includes('/frames/1')")
    assert frame_colour(page) == [0, 255, 0]
    expect(page.locator("#said")).to_have_text("2 of 3")
    page.keyboard.press(",")
    until(page, "!document.querySelector('#frame img')")
    page.locator("#frame-scrub").fill("2")
    until(page, "document.querySelector('#frame img')?.src.includes('/frames/2')")
    assert frame_colour(page) == [0, 0, 255]
    page.keyboard.press("p")
    expect(page.locator("#frame-play")).to_have_accessible_name("Pause (P)")
    for number in (0, 1, 2):  # on and on
        until(page, f"document.querySelector('#frame img')?.src.includes('/frames/{number}')")
    page.locator("#frame-play").click()
    expect(page.locator("#frame-play")).to_have_accessible_name("Play (P)")
    page = opened(visit, art, "e_flat")
    expect(page.locator("#frames")).to_be_hidden()


def test_what_files_say_is_told_as_text(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "e_flat")
    expect(page.locator("#file-facts")).to_contain_text("Format")
    expect(page.locator("#file-facts div", has_text="Artist").locator("dd")).to_have_text("<b>Pen</b>")
    expect(page.locator("#file-facts div", has_text="Modified")).to_have_count(1)
    expect(page.locator("#captions figcaption")).to_have_text("e_flat.txt")
    expect(page.locator("#captions blockquote")).to_have_text("stripes, <i>flat</i>")
    tag = page.locator("#detail-tags .bar", has_text="stripes")
    expect(tag.locator(".origin")).to_have_text("e_flat.txt")
    expect(page.locator("#tagger")).to_contain_text("come from grid")


@pytest.mark.parametrize("scheme", ["light", "dark", "phone"])
def test_axe_finds_no_serious_fault_in_the_large_view(scheme: str, window: Opens, art: Collection) -> None:
    visit = window(**PHONE) if scheme == "phone" else window(color_scheme=scheme, bypass_csp=True)
    page = opened(visit, art, "f_moving")
    expect(page.locator("#frames")).to_be_visible()
    page.locator("#look-compare").click()
    page.locator("#look-pick").click()
    page.locator("#look-lines").click()
    page.locator("#palette .swatch").first.click()
    assert serious_faults(page) == []


def test_forced_colours_leave_the_tools_and_the_swatches(window: Opens, art: Collection) -> None:
    page = opened(window(forced_colors="active"), art, "e_flat")
    expect(page.locator("#palette .swatch")).to_have_count(6)
    colours = "all => new Set(all.map((each) => getComputedStyle(each).backgroundColor)).size"
    assert page.locator("#palette .swatch").evaluate_all(colours) == 6
    page.keyboard.press("g")
    style = "([one, other]) => getComputedStyle(one).borderColor !== getComputedStyle(other).borderColor"
    assert page.evaluate(
        f"({style})([document.querySelector('#look-grey'), document.querySelector('#look-flip')])"
    )


# Two pictures


PANES = """() => ['pane', 'pane-b'].map((name) => {
    const pane = document.querySelector('#' + name), port = pane.parentElement;
    const [a, b] = [pane.getBoundingClientRect(), port.getBoundingClientRect()];
    return [(b.left + b.width / 2 - a.left) / a.width, (b.top + b.height / 2 - a.top) / a.height, a.width];
})"""


def test_two_pictures_are_compared_under_linked_lenses(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "a_large")
    beside = number(art, "e_flat")
    page.locator(f"#similar [data-compare='{beside}']").focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#large-b').naturalWidth > 1")
    expect(page.locator("#beside-name")).to_have_text("e_flat")
    expect(page.locator("#look-compare")).to_have_attribute("aria-pressed", "true")
    box = page.locator("#viewport-b").bounding_box()
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 3
    page.mouse.move(x, y)
    for _ in range(4):
        page.mouse.wheel(0, -120)
    until(page, "document.querySelector('#viewport-b').classList.contains('movable')")
    page.mouse.down()
    page.mouse.move(x + 30, y + 20, steps=2)
    page.mouse.up()
    one, two = page.evaluate(PANES)
    assert one[:2] == pytest.approx(two[:2], abs=0.01)
    page.keyboard.press("Shift+ArrowRight")  # and back, from the first
    one, two = page.evaluate(PANES)
    assert one[:2] == pytest.approx(two[:2], abs=0.01)
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile(rf"image={beside}&beside={number(art, 'a_large')}$"))
    expect(page.locator("#beside-name")).to_have_text("a_large")
    page.reload()
    expect(page.locator("#beside-name")).to_have_text("a_large")
    until(page, "document.querySelector('#large-b').naturalWidth > 1")
    page.keyboard.press("d")
    blend = "getComputedStyle(document.querySelector('#viewport-b')).mixBlendMode"
    assert page.evaluate(blend) == "difference"
    expect(page.locator("#said")).to_have_text("The difference of the two")
    page.keyboard.press("c")
    expect(page.locator("#viewport-b")).to_be_hidden()
    expect(page).to_have_url(re.compile(rf"image={beside}$"))
    assert page.evaluate(blend) == "normal"


def test_a_picture_that_is_not_there_is_compared_with_nothing(visit: Visit, art: Collection) -> None:
    visit.expect_refusal(404)
    page = opened(visit, art, "e_flat", "&beside=99999")
    expect(page).to_have_url(re.compile(r"image=\d+$"))
    expect(page.locator("#viewport-b")).to_be_hidden()
    page.locator("#look-compare").click()
    expect(page.locator("#viewport-b")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    assert "beside" not in page.url


def test_compared_is_the_other_end_of_the_morph_if_there_is_one(visit: Visit, art: Collection) -> None:
    page = opened(visit, art, "e_flat", f"&a={number(art, 'e_flat')}&b={number(art, 'c_tall')}&steps=0")
    page.locator("#look-compare").click()
    expect(page.locator("#beside-name")).to_have_text("c_tall")
