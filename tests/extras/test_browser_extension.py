"""The browser extension in a whole Chromium: connected in its options, it finds pictures and keeps them."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from folders import ROOT
from visiting import drawing, encoded, serious_faults, until
from web_server import Running, running

from i2v_search.choices import Device
from i2v_search.collection.collection import Collection
from i2v_search.images.sample import sample_directory
from i2v_search.web.server_settings import ServerSettings

EXTENSION = ROOT / "extras" / "browser"
LAUNCH = "launched-by-this-test"
APP = "connected-by-this-test-and-no-other"
#: The shell without windows loads no extensions.
BROWSERS = ("chromium", "chromium-browser")
#: Chooses an entry of the menu on the picture of a page, as the browser tells of it.
CHOOSE = """async ([entry, picture]) => {
    const [tab] = await chrome.tabs.query({ url: 'http://127.0.0.1/*' });
    const clicked = { menuItemId: entry, srcUrl: picture, pageUrl: tab.url, frameId: 0 };
    chrome.contextMenus.onClicked.dispatch(clicked, tab);
}"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    art = tmp_path / "art"
    art.mkdir()
    for file in sorted((sample_directory() / "birds").iterdir())[:4]:
        shutil.copy(file, art)
    collection = Collection.build(tmp_path / "index", art, device=Device(name="cpu", threads=1))
    with running(
        collection, tmp_path / "cache", ServerSettings(app_token=APP, launch_token=LAUNCH)
    ) as started:
        yield started


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web page with a picture."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "red ball.png").write_bytes(encoded(drawing()))
    (folder / "index.html").write_text("<!doctype html><title>site</title><img src='red%20ball.png' alt=''>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Any]:
    """A whole Chromium with the extension loaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no whole Chromium is installed, for example: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=found,
            headless=False,
            ignore_default_args=["--disable-extensions"],
            args=[
                *("--headless=new", "--no-sandbox", "--disable-gpu"),
                f"--disable-extensions-except={EXTENSION}",
                f"--load-extension={EXTENSION}",
            ],
        )
        yield context
        context.close()


@pytest.mark.browser
def test_a_person_connects_the_extension_finds_and_keeps(
    chromium: Any, server: Running, site: str, tmp_path: Path
) -> None:
    worker = (
        chromium.service_workers[0] if chromium.service_workers else chromium.wait_for_event("serviceworker")
    )
    page = chromium.new_page()
    page.goto(site)
    picture = f"{site}red%20ball.png"

    # Not connected yet: the options open, and say so.
    with chromium.expect_page() as opened:
        worker.evaluate(CHOOSE, ["find", picture])
    options = opened.value
    until(options, "document.querySelector('#problem').textContent.startsWith('Connect')")
    options.fill("#address", "https://evil.example/#token=abc")
    options.fill("#token", "abc")
    options.click("button[type=submit]")
    until(options, "document.querySelector('#answer').textContent.startsWith('This is no address')")
    options.fill("#address", f"{server.url}/#token={APP[:-1]}")
    options.click("button[type=submit]")
    until(options, "document.querySelector('#answer').textContent.includes('connect the program again')")
    page.goto(f"{server.url}/#launch={LAUNCH}")
    chromium.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    page.click("#collections-button")
    page.click("#collections-ways >> text=Connect a browser")
    until(page, "document.querySelector('#notices').textContent.includes('Copied')")
    options.fill("#address", page.evaluate("navigator.clipboard.readText()"))
    page.goto(site)
    assert options.input_value("#address") == server.url
    options.click("button[type=submit]")
    until(
        options, "document.querySelector('#answer').textContent === 'Connected to “index”, with 4 pictures.'"
    )
    assert serious_faults(options) == []

    with chromium.expect_page() as opened:
        worker.evaluate(CHOOSE, ["find", picture])
    results = opened.value
    until(results, "document.querySelectorAll('#grid .picture').length === 4")
    assert results.url.startswith(f"{server.url}/?like=u:")
    assert len(server.service.uploads) == 1

    # Of another site, which says nothing of who may read it: the page may not, the extension may.
    worker.evaluate(CHOOSE, ["keep", picture.replace("127.0.0.1", "localhost")])
    kept = tmp_path / "art" / "kept" / "red ball.png"
    for _ in range(1200):
        if server.client.get("/api/v1/collection").json()["images"] == 5:
            break
        results.wait_for_timeout(50)
    assert kept.read_bytes() == encoded(drawing())
    collection = Collection.open(tmp_path / "index")
    assert collection.annotations.pictures.of(collection["kept/red ball.png"].sha256).note == site
    assert worker.evaluate("chrome.action.getTitle({})") == "Kept as kept/red ball.png"
