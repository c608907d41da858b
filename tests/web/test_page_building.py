"""The page without a collection: one chooses a folder, sees it being built, and finds its pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grids import draw, draw_folder
from visiting import Opens, serious_faults, until
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.web.server_settings import ServerSettings

LAUNCH = "launched-by-this-test"
BUILT = "['done', 'failed'].includes(document.querySelector('#building').dataset.status)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """A server without a collection, on a computer with a folder of pictures in the home."""
    settings = ServerSettings(
        launch_token=LAUNCH, known=tmp_path / "known.json", new_collections=tmp_path / "made"
    )
    with running(tmp_path / "none", tmp_path / "cache", settings) as started:
        yield started


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    draw_folder(folder / "art" / "<i>ink", 9)
    (folder / "art" / "<i>ink" / "broken.png").write_bytes(b"no picture")
    (folder / "art" / "empty").mkdir()
    monkeypatch.setattr(Path, "home", lambda: folder)
    return folder


def folders(page: Any) -> list[str]:
    found: list[str] = page.locator("#folder-choice-list button").all_inner_texts()
    return found


def test_a_newcomer_chooses_a_folder_and_finds_its_pictures(
    window: Opens, home: Path, tmp_path: Path, server: Running
) -> None:
    visit = window(viewport={"width": 1000, "height": 700})
    visit.expect_refusal(409)
    page = visit.open()  # not as it was launched: it may not look into this computer
    until(page, "document.querySelector('#message').innerText.includes('No collection yet')")
    assert "i2v-search start" in page.inner_text("#message")
    page.goto("about:blank")
    page = visit.open(f"#launch={LAUNCH}")
    until(page, "document.querySelector('#message button')")
    assert "folder" in page.inner_text("#message")
    assert serious_faults(page) == []

    page.focus("#message button")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#folder-choice-list button')")
    assert folders(page) == ["art"]
    assert page.inner_text("#folder-choice-places [aria-current]") == "Home"
    page.focus("#folder-choice-list button")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#folder-choice-list button').length === 2")
    assert folders(page) == ["<i>ink", "empty"]
    assert serious_faults(page) == []
    page.click("#folder-choice-list button >> nth=1")
    until(page, "document.querySelector('#folder-choice-count').textContent.startsWith('No pictures')")
    assert page.is_disabled("#folder-choice-take")
    page.keyboard.press("Escape")
    assert page.is_hidden("#folder-choice")

    page.click("#message button")
    until(page, "document.querySelector('#folder-choice-count').textContent.startsWith('No pictures')")
    page.click("#folder-choice-up")
    until(page, "document.querySelector('#folder-choice-count').textContent.startsWith('10 pictures')")
    page.click("#folder-choice-take")
    until(page, "!document.querySelector('#building').hidden")
    assert page.inner_text("#building-ways") == "Stop"
    assert serious_faults(page) == []
    until(page, f"{BUILT} && document.querySelectorAll('#grid .picture').length === 9", 120)
    assert page.inner_text("#building-heading") == "9 pictures added"
    page.click("#building-unread summary")
    assert page.inner_text("#building-named").split("\n")[0] == "<i>ink/broken.png"
    assert page.inner_text("#facts") == "9 pictures"
    assert page.inner_text("#collections-name") == "art"

    page.click("#collections-button")
    until(page, "document.querySelectorAll('#collections-list li').length === 1")
    assert "Add a folder" in page.inner_text("#collections-ways")
    assert serious_faults(page) == []
    page.set_viewport_size({"width": 375, "height": 700})
    page.keyboard.press("Escape")
    page.click("#collections-button")
    until(page, "document.querySelector('#collections').getBoundingClientRect().right <= 375")
    page.keyboard.press("Escape")
    page.click("#building-ways button")
    assert page.is_hidden("#building")

    # What the command, or another page, puts in is noticed at the next search.
    folder, built = home / "art" / "<i>ink", Collection.open(server.service.current.directory)
    draw(folder / "new.png", 99)
    built.add([folder / "new.png"])
    until(page, "performance.now() > 1000")
    page.select_option("#order", "random")
    until(page, "document.querySelector('#building-ways').textContent.includes('Show one new picture')")
    assert page.inner_text("#building-heading") == "One picture added"
    page.click("#building-ways button >> nth=0")
    until(page, "document.querySelectorAll('#grid .picture').length === 10")
    assert page.is_hidden("#building")


def test_a_page_that_was_not_launched_here_says_what_to_run(window: Opens) -> None:
    visit = window(viewport={"width": 1000, "height": 700})
    visit.expect_refusal(409)
    page = visit.open()
    until(page, "document.querySelector('#message').textContent.includes('i2v-search build')")
    assert page.is_hidden("#collections-button")
