"""Taking pictures out of the page: one that is shown large, several that are selected, by drag and by key."""

import io
import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from visiting import MAX_UPLOAD, Opens, Visit, keys, serious_faults, until
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.xdist_group("page")

LAUNCH = "launched-by-this-test"
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
DROP = """() => {
    const zone = document.createElement('div');
    zone.id = 'other-program';
    zone.style.cssText = 'position: fixed; inset: 0 auto auto 0; width: 200px; height: 60px; z-index: 99';
    zone.addEventListener('dragover', (event) => event.preventDefault());
    zone.addEventListener('drop', (event) => {
        event.preventDefault();
        const transfer = event.dataTransfer;
        window.got = Object.fromEntries(transfer.types.map((type) => [type, transfer.getData(type)]));
    }, true);
    document.body.append(zone);
}"""


@pytest.fixture(scope="module")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that this computer's browser was opened by."""
    settings = ServerSettings(max_upload_bytes=MAX_UPLOAD, launch_token=LAUNCH)
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), settings) as started:
        yield started


def dropped(page: Any, key: str) -> dict[str, str]:
    """What another program gets of a picture that is dragged into it."""
    page.evaluate(DROP)
    tile = page.locator(f'#grid [data-key="{key}"] a').bounding_box()
    page.mouse.move(tile["x"] + 20, tile["y"] + 20)
    page.mouse.down()
    page.mouse.move(120, 40, steps=8)
    page.mouse.up()
    until(page, "window.got")
    page.evaluate("document.querySelector('#other-program').remove()")
    got: dict[str, str] = page.evaluate("window.got")
    return got


def test_the_original_of_the_picture_shown_large_is_saved(
    visit: Visit, sample_collection: Collection
) -> None:
    page = visit.open("?image=3")
    with page.expect_download() as saved:
        page.click("#take-one [data-take=download]")
    path = sample_collection.stored_path(3)
    assert saved.value.suggested_filename == Path(path).name
    assert Path(saved.value.path()).read_bytes() == sample_collection.image_bytes(3)
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()


def test_a_picture_is_copied_pixel_for_pixel(window: Opens, sample_collection: Collection) -> None:
    page = window(**CLIPBOARD).open("?image=3")
    page.click("#take-one [data-take=copy]")
    expect(page.locator(".notice")).to_contain_text("Picture copied")
    copied = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            return [...new Uint8Array(await (await item.getType('image/png')).arrayBuffer())];
        }"""
    )
    expected = np.asarray(Image.open(io.BytesIO(sample_collection.image_bytes(3))).convert("RGBA"))
    picture = np.asarray(Image.open(io.BytesIO(bytes(copied))).convert("RGBA"))
    assert picture.shape == expected.shape
    opaque = expected[..., 3] == 255
    assert np.abs(picture[opaque].astype(int) - expected[opaque]).max() <= 1


def test_the_copied_path_is_that_of_the_file_for_the_page_that_was_launched(
    window: Opens, sample_collection: Collection
) -> None:
    root = Path(sample_collection.store.manifest.image_root)
    stored = sample_collection.stored_path(3)
    for address, expected in ((f"?image=3#launch={LAUNCH}", str(root / stored)), ("?image=3", stored)):
        visit = window(**CLIPBOARD)
        page = visit.open(address)
        assert "launch" not in page.url
        page.click("#copy")
        until(page, "document.querySelector('#said').textContent === 'Path copied'")
        assert page.evaluate("navigator.clipboard.readText()") == expected


def test_only_the_page_that_was_launched_shows_files_in_the_desktop(
    window: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_collection: Collection
) -> None:
    if sys.platform in {"win32", "darwin"}:
        pytest.skip("the programs of this desktop have other names")
    called = tmp_path / "called"
    program = tmp_path / "xdg-open"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {called}.new\n/bin/mv {called}.new {called}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    page = window(viewport={"width": 1200, "height": 800}).open("?image=3")
    expect(page.locator("#take-one [data-take=download]")).to_be_visible()
    expect(page.locator("#take-one [data-take=folder]")).to_have_count(0)
    page = window(viewport={"width": 1200, "height": 800}).open(f"?image=3#launch={LAUNCH}")
    with page.expect_response("**/desktop") as answered:
        page.click("#take-one [data-take=folder]")
    assert answered.value.status == 204
    folder = (Path(sample_collection.store.manifest.image_root) / sample_collection.stored_path(3)).parent
    until(page, "true")
    while not called.exists():
        page.wait_for_timeout(20)
    assert called.read_text().splitlines() == [str(folder)]


def test_a_server_that_was_started_anew_is_told_from_the_one_that_opened_the_page(window: Opens) -> None:
    visit = window(viewport={"width": 1200, "height": 800})
    visit.expect_refusal(403)
    page = visit.open("?image=3#launch=of-the-server-before")
    page.click("#take-one [data-take=folder]")
    expect(page.locator(".notice")).to_contain_text("i2v-search serve")
    expect(page.locator("#take-one [data-take=folder]")).to_have_count(0)
    page.reload()
    expect(page.locator("#take-one [data-take=download]")).to_be_visible()
    expect(page.locator("#take-one [data-take=folder]")).to_have_count(0)


def test_a_picture_dragged_out_is_its_original(visit: Visit, sample_collection: Collection) -> None:
    page = visit.open()
    key = keys(page)[1]
    got = dropped(page, key)
    name = Path(sample_collection.stored_path(int(key))).name
    original = f"{visit.url}/api/v1/images/{key}/original"
    assert got["text/uri-list"] == original
    assert f"/images/{key}/large" in got["text/html"]
    assert page.request.get(original).body() == sample_collection.image_bytes(int(key))
    # For programs outside the browser, and shown to no page that it is dropped on.
    page.evaluate(
        "addEventListener('dragstart', ({ dataTransfer }) => {"
        " window.offered = dataTransfer.getData('DownloadURL'); })"
    )
    dropped(page, key)
    assert page.evaluate("window.offered") == f"application/octet-stream:{name}:{original}"


def selected(page: Any) -> list[str]:
    found: list[str] = page.evaluate("async () => [...(await import(moduleOf('selection'))).selected()]")
    return found


def click(page: Any, key: str, *modifiers: str) -> None:
    page.locator(f'#grid [data-key="{key}"] a').click(modifiers=list(modifiers), position={"x": 20, "y": 60})


def test_pictures_are_selected_by_click_and_range_in_their_order(visit: Visit) -> None:
    page = visit.open()
    shown = keys(page)
    click(page, shown[2], "Control")
    click(page, shown[4], "Shift")
    assert selected(page) == shown[2:5]
    click(page, shown[3], "Control")
    assert selected(page) == [shown[2], shown[4]]
    expect(page.locator("#selection-count")).to_have_text("2 selected")
    expect(page.locator("#grid .tile.selected")).to_have_count(2)
    click(page, shown[6], "Control")
    click(page, shown[0], "Shift")
    assert selected(page)[2:] == [shown[6], shown[5], shown[3], shown[1], shown[0]]  # as one went
    assert "like=" not in page.url


def test_pictures_are_selected_by_keys_alone(visit: Visit) -> None:
    page = visit.open()
    shown = keys(page)
    page.locator("#grid a").first.focus()
    page.keyboard.press("s")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert selected(page) == shown[:3]
    page.keyboard.press("s")
    assert selected(page) == shown[:2]
    page.keyboard.press("Control+a")
    assert len(selected(page)) >= len(shown)
    page.keyboard.press("Escape")
    assert selected(page) == []
    expect(page.locator("#selection")).to_be_hidden()


def test_letters_typed_into_the_search_select_nothing(visit: Visit) -> None:
    page = visit.open()
    page.focus("#search")
    page.keyboard.type("sss")
    page.keyboard.press("Control+a")
    assert selected(page) == []
    page.keyboard.press("Escape")


def test_the_mark_on_a_picture_selects_it(visit: Visit) -> None:
    page = visit.open()
    tile = page.locator("#grid .tile").nth(1)
    tile.hover()
    mark = tile.locator(".select")
    mark.click()
    expect(mark).to_have_attribute("aria-pressed", "true")
    assert selected(page) == [keys(page)[1]]
    mark.click()
    expect(mark).to_have_attribute("aria-pressed", "false")


def test_a_box_selects_what_it_touches(visit: Visit) -> None:
    page = visit.open()
    first, third = (
        page.locator("#grid .tile").nth(0).bounding_box(),
        page.locator("#grid .tile").nth(2).bounding_box(),
    )
    start = (first["x"] - 6, first["y"] + 10)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(third["x"] + 10, third["y"] + 30, steps=6)
    expect(page.locator("#band")).to_be_visible()
    page.mouse.up()
    expect(page.locator("#band")).to_have_count(0)
    assert selected(page) == keys(page)[:3]
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(first["x"] + 10, first["y"] + 30, steps=6)
    assert selected(page) == keys(page)[:1]
    page.keyboard.press("Escape")
    page.mouse.up()
    assert selected(page) == keys(page)[:3]  # as before the box


def test_what_is_selected_stays_while_others_are_shown(visit: Visit) -> None:
    page = visit.open()
    shown = keys(page)
    click(page, shown[1], "Control")
    click(page, shown[5])
    page.wait_for_url("**like=**")
    until(page, "document.querySelector('#grid .score')")
    assert selected(page) == [shown[1]]
    expect(page.locator("#selection-count")).to_have_text("1 selected")


def test_several_are_saved_in_one_archive(visit: Visit, sample_collection: Collection) -> None:
    page = visit.open()
    chosen = keys(page)[1:4]
    for key in chosen:
        click(page, key, "Control")
    with page.expect_download() as saved:
        page.click("#selection [data-take=download]")
    assert saved.value.suggested_filename == "pictures.zip"
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.namelist() == [sample_collection.stored_path(int(key)) for key in chosen]
    for kind, name in (("grid", "pictures.png"), ("table", "pictures.csv")):
        with page.expect_download() as saved:
            page.click(f"#selection [data-take={kind}]")
        assert saved.value.suggested_filename == name


def test_paths_of_several_are_copied(window: Opens, sample_collection: Collection) -> None:
    page = window(**CLIPBOARD).open(f"#launch={LAUNCH}")
    chosen = keys(page)[1:3]
    for key in chosen:
        click(page, key, "Control")
    page.click("#selection [data-take=path]")
    expect(page.locator(".notice")).to_contain_text("Paths copied")
    root = Path(sample_collection.store.manifest.image_root)
    paths = [str(root / sample_collection.stored_path(int(key))) for key in chosen]
    assert page.evaluate("navigator.clipboard.readText()").splitlines() == paths


def test_one_searches_with_several_and_morphs_through_them(visit: Visit) -> None:
    page = visit.open()
    chosen = keys(page)[1:4]
    for key in chosen:
        click(page, key, "Control")
    page.click("#selection [data-take=search]")
    page.wait_for_url(f"**?like={chosen[0]}&like={chosen[1]}&like={chosen[2]}")
    page.click("#selection [data-take=right]")
    page.wait_for_url(f"**a={chosen[0]}&b={chosen[2]}&via={chosen[1]}")
    page.wait_for_selector("#film li")


def test_several_that_are_dragged_out_are_one_archive(visit: Visit) -> None:
    page = visit.open()
    chosen = keys(page)[1:3]
    for key in chosen:
        click(page, key, "Control")
    page.evaluate(
        "addEventListener('dragstart', ({ dataTransfer }) => {"
        " window.offered = dataTransfer.getData('DownloadURL'); })"
    )
    with page.expect_response("**/api/v1/selections"):
        page.locator(f'#grid [data-key="{chosen[0]}"] a').dispatch_event("pointerdown", {"bubbles": True})
    page.wait_for_load_state("networkidle")
    got = dropped(page, chosen[0])
    originals = [f"{visit.url}/api/v1/images/{key}/original" for key in chosen]
    assert got["text/uri-list"].split() == originals
    assert page.evaluate("window.offered").startswith("application/octet-stream:pictures.zip:")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_while_pictures_are_selected(scheme: str, window: Opens) -> None:
    page = window(viewport={"width": 1200, "height": 800}, color_scheme=scheme).open()
    page.keyboard.press("Control+a")
    expect(page.locator("#selection")).to_be_visible()
    assert serious_faults(page) == []


def test_a_finger_selects_by_the_mark(window: Opens) -> None:
    page = window(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).open()
    page.locator("#grid .tile .select").nth(1).tap()
    page.locator("#grid .tile .select").nth(2).tap()
    assert selected(page) == keys(page)[1:3]
    expect(page.locator("#selection [data-take=download]")).to_be_in_viewport()
