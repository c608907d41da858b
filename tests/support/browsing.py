"""The page in a real browser, over a real server on loopback and a small real collection of the sample.

`conftest` gives these fixtures to all tests. Whatever the page complains of,
and whatever it loads from elsewhere, fails the test.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from visiting import MAX_UPLOAD, Opens, Visit
from web_server import Running, running

from i2v_search.collection.collection import Collection
from i2v_search.errors import CollectionNotFoundError
from i2v_search.web.server_settings import ServerSettings

#: Programs to look for. The first has no window, no tabs and no menus, which cost more than the page.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def server(sample_collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server over a hundred pictures of the sample."""
    settings = ServerSettings(max_upload_bytes=MAX_UPLOAD)
    with running(sample_collection, tmp_path_factory.mktemp("thumbnails"), settings, warm=True) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed, for example: apt-get install chromium-headless-shell")
    # A busy machine is slow, and slowness is no fault.
    playwright.expect.set_options(timeout=120_000)
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def desktop(browser: Any) -> Iterator[Any]:
    """What windows of a desktop's size share: files of the page and thumbnails that were loaded once."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    yield context
    context.close()


@pytest.fixture
def window(browser: Any, desktop: Any, server: Running) -> Iterator[Opens]:
    """Opens windows onto a collection of which nothing is kept; afterwards none may have complained."""
    forget_kept(server)
    visits: list[Visit] = []

    def opens(**options: Any) -> Visit:
        context = browser.new_context(**options) if options else desktop
        visit = Visit(context.new_page(), server.url)
        visit.page.set_default_timeout(120_000)
        watch(visit)
        visits.append(visit)
        return visit

    yield opens
    complaints = [complaint for visit in visits for complaint in visit.unexpected()]
    for visit in visits:
        visit.page.close()
        if visit.page.context is not desktop:
            visit.page.context.close()
    forget_kept(server)
    assert complaints == []


def forget_kept(server: Running) -> None:
    """Leave no boards, notes and tags: other tests search the same collection."""
    with suppress(CollectionNotFoundError):
        server.service.current.collection().annotations.path.unlink(missing_ok=True)


def watch(visit: Visit) -> None:
    """Note what the page complains of and what it loads from elsewhere."""

    def complained(message: Any) -> None:
        if message.type in {"error", "warning"}:
            visit.troubles.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith((visit.url, "blob:", "data:")):
            visit.troubles.append(request.url)

    visit.page.on("pageerror", lambda error: visit.troubles.append(f"error: {error}"))
    visit.page.on("console", complained)
    visit.page.on("request", asked)


@pytest.fixture
def visit(window: Opens) -> Visit:
    """One window of a desktop's size."""
    return window()
