"""Two pictures chosen as A and B become a film of real ones: it can be led, shortened, played and saved."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from visiting import PAINTED, TWO_FRAMES, Visit, drag, drawing, encoded, focus, keys, transfer, until, written
from web_server import Running

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

FILM = "#film [data-key]"
A, B = 2, 60


def way(server: Running, a: Any = A, b: Any = B, **asked: Any) -> list[str]:
    body = {"a": {"id": a}, "b": {"id": b}, "steps": 6, **asked}
    stops = server.client.post("/api/v1/morph", json=body).json()["stops"]
    return [str(stop["id"]) for stop in stops]


def filmed(page: Any, expected: list[str]) -> None:
    """Wait until the film shows these pictures."""
    wanted = ",".join(expected)
    until(page, f"[...document.querySelectorAll('{FILM}')].map(i => i.dataset.key).join() === '{wanted}'")


def picture(page: Any) -> str:
    """What the player shows."""
    shown: str = page.eval_on_selector("#screen", "canvas => canvas.toDataURL()")
    return shown


def test_two_pictures_make_a_film(visit: Visit, server: Running) -> None:
    page = visit.open("?order=collection")
    expect(page.locator("#film-box")).to_be_hidden()
    shown = keys(page)
    first = page.locator("#grid .tile").nth(2)
    first.hover()
    first.locator("[data-act=a]").click()
    expect(page.locator("#slots-hint")).to_have_text("Now choose the other end")
    focus(page, shown[50])
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile(rf"&a={shown[2]}&b={shown[50]}$"))
    expected = way(server, int(shown[2]), int(shown[50]))
    filmed(page, expected)
    assert len(expected) == 8
    body = {"a": {"id": int(shown[2])}, "b": {"id": int(shown[50])}, "steps": 6}
    answer = server.client.post("/api/v1/morph", json=body).json()
    hops = page.locator("#film .hop").all_inner_texts()
    assert hops == [f"{stop['hop'] * 57.29578:.0f}°" for stop in answer["stops"][1:]]
    expect(page.locator("#sentence")).to_contain_text("6 pictures in between. Hops of")
    focus(page, shown[2])
    expect(page.locator(f"#grid [data-key='{shown[2]}'] .use.A")).to_be_visible()
    page.click("#end")
    expect(page.locator("#film-box")).to_be_hidden()
    page.go_back()
    filmed(page, expected)
    page.go_back()
    expect(page).to_have_url(re.compile(rf"[?&]a={shown[2]}$"))


def test_pictures_and_files_are_dropped_on_the_ends(visit: Visit, server: Running) -> None:
    page = visit.open()
    shown = keys(page)
    expect(page.locator("#dock")).to_be_hidden()
    drag(page, page.locator("#grid .tile").nth(5), page.locator("#slot-a"))
    expect(page).to_have_url(re.compile(rf"\?a={shown[5]}$"))
    held = transfer(page, [("ball.png", "image/png", encoded(drawing("gold")))])
    page.dispatch_event("#slot-b", "drop", {"dataTransfer": held})
    expect(page).to_have_url(re.compile(rf"\?a={shown[5]}&b=u:[0-9a-f]{{64}}$"))
    expect(page.locator(FILM)).to_have_count(8)
    assert keys(page, FILM)[-1].startswith("u:")
    until(page, "document.querySelector('#slot-b img').naturalWidth > 0")
    expect(page.locator("#examples")).to_be_hidden()


def test_an_end_can_be_chosen_and_emptied(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("?b=2")
    with page.expect_file_chooser() as chooser:
        page.locator("#slot-a .hold").click()
    chooser.value.set_files(written(tmp_path, "ball.png", encoded(drawing("plum"))))
    expect(page).to_have_url(re.compile(r"\?a=u:.*&b=2"))
    for slot in ("a", "b"):
        page.locator(f"#slot-{slot}").hover()
        page.locator(f"#slot-{slot} .remove").click()
    expect(page).to_have_url(visit.url + "/")
    expect(page.locator("#dock")).to_be_hidden()
    expect(page.locator("#search")).to_be_focused()


def test_the_number_of_pictures_is_a_slider(visit: Visit, server: Running) -> None:
    page = visit.open(f"?a={A}&b={B}")
    filmed(page, way(server))
    page.locator("#steps").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    filmed(page, way(server, steps=4))
    expect(page).to_have_url(re.compile("steps=4$"))
    expect(page.locator("#steps-value")).to_have_text("4")
    page.click("#steps-auto")
    expected = way(server, steps=None)
    filmed(page, expected)
    expect(page.locator("#steps-value")).to_have_text(f"auto {len(expected) - 2}")
    page.click("#swap")
    filmed(page, way(server, B, A, steps=None))


def test_not_this_one(visit: Visit, server: Running) -> None:
    page = visit.open(f"?a={A}&b={B}")
    expected = way(server)
    filmed(page, expected)
    page.locator("#film .frame").nth(3).hover()
    page.locator("#film .frame").nth(3).locator("[data-act=out]").click()
    without = way(server, exclude=[int(expected[3])])
    filmed(page, without)
    assert expected[3] not in without
    page.locator("#film .picture").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    filmed(page, way(server, exclude=[int(expected[3]), int(without[1])]))
    expect(page.locator("#out-text")).to_have_text("2 pictures avoided")
    expect(page).to_have_url(re.compile(f"out={expected[3]}&out={without[1]}"))
    page.click("#bring-back")
    filmed(page, expected)


def test_the_way_leads_through_what_is_dropped_on_the_film(visit: Visit, server: Running) -> None:
    page = visit.open(f"?a={A}&b={B}")
    on_the_way = way(server)
    filmed(page, on_the_way)
    through = next(key for key in keys(page) if key not in on_the_way)
    page.locator(f"#grid [data-key='{through}']").drag_to(page.locator("#film .frame").nth(4))
    expect(page).to_have_url(re.compile(f"via={through}$"))
    filmed(page, way(server, via=[{"id": int(through)}]))
    pinned = page.locator("#film .frame.via")
    expect(pinned).to_have_attribute("data-key", through)
    second = next(key for key in keys(page) if key not in {*way(server), *keys(page, FILM)})
    page.locator(f"#grid [data-key='{second}'] a").focus()
    page.keyboard.press("v")
    expect(page).to_have_url(re.compile(f"via={through}&via={second}$"))
    expect(pinned).to_have_count(2)
    pinned.first.hover()
    pinned.first.locator("[data-act=unpin]").click()
    expect(page).to_have_url(re.compile(rf"b={B}&via={second}$"))


def test_the_player_fades_from_picture_to_picture(visit: Visit, server: Running) -> None:
    page = visit.open(f"?a={A}&b={B}&steps=2")
    filmed(page, way(server, steps=2))
    until(page, "document.querySelectorAll('#film .now').length === 1")
    until(page, PAINTED)
    start = picture(page)
    fade = "s => { s.value = '0.8'; s.dispatchEvent(new Event('input')); }"
    page.evaluate(fade, page.query_selector("#scrub"))
    fading = picture(page)
    page.locator("#scrub").focus()
    page.keyboard.press("ArrowRight")
    second = picture(page)
    assert len({start, fading, second}) == 3
    expect(page.locator("#scrub")).to_have_attribute("aria-valuetext", "picture 2 of 4")
    expect(page.locator("#film .frame").nth(1)).to_have_class(re.compile("now"))
    page.locator("#film .picture").first.click()
    assert picture(page) == start
    page.click("#play")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    expect(page.locator("#film .frame").nth(1)).to_have_class(re.compile("now"))
    page.click("#play")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    still = page.locator("#scrub").input_value()
    page.evaluate(TWO_FRAMES)  # playing, each would have moved on
    assert page.locator("#scrub").input_value() == still


@pytest.mark.parametrize(("button", "kind"), [("#png", "PNG"), ("#gif", "GIF")])
def test_the_film_is_saved(button: str, kind: str, visit: Visit) -> None:
    page = visit.open(f"?a={A}&b={B}&steps=1")
    expect(page.locator(FILM)).to_have_count(3)
    with page.expect_download() as saved:
        page.click(button)
    assert saved.value.suggested_filename == f"morph.{kind.lower()}"
    image = Image.open(io.BytesIO(Path(saved.value.path()).read_bytes()))
    assert image.format == kind
    assert getattr(image, "n_frames", 1) > (3 if kind == "GIF" else 0)


def test_no_way_is_said(visit: Visit) -> None:
    visit.expect_refusal(422)
    page = visit.page
    refusal = {"error": {"code": "no_morph", "message": "no such path", "request_id": "r"}}
    page.route("**/api/v1/morph", lambda route: route.fulfill(status=422, json=refusal))
    visit.open(f"?a={A}&b={B}")
    expect(page.locator("#morph-failure")).to_contain_text("No morph from A to B")
    expect(page.locator("#morph-failure")).to_contain_text("no such path")
    page.unroute("**/api/v1/morph")
    page.click("#fewer")
    expect(page.locator("#morph-failure")).to_be_hidden()
    expect(page.locator("#film .picture").first).to_be_visible()


def test_the_film_folds_away(visit: Visit) -> None:
    page = visit.open(f"?a={A}&b={B}")
    expect(page.locator(FILM)).to_have_count(8)
    page.click("#fold")
    expect(page.locator("#film-box")).to_be_hidden()
    expect(page.locator("#slot-a img")).to_be_visible()
    page.click("#fold")
    expect(page.locator("#film-box")).to_be_visible()


def test_two_equal_ends_ask_for_another_one(visit: Visit) -> None:
    visit.expect_refusal(422)
    page = visit.open("?a=1&b=1")
    expect(page.locator("#morph-failure")).to_contain_text("choose two different ones")
    for useless in ("#again", "#fewer"):
        expect(page.locator(useless)).to_be_hidden()
    page.locator("#other-b").click()
    expect(page).to_have_url(re.compile(r"\?a=1$"))
    expect(page.locator("#morph-failure")).to_be_hidden()
