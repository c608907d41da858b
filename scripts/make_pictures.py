"""Make the pictures of the README and the documentation anew, from the bundled sample: ``make pictures``.

    python -m scripts.make_pictures [COLLECTION]

COLLECTION is one built from the sample; without it, one is built in a temporary folder. The pictures of the
page are taken in Chromium.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from i2v_search.cli.demo import MORPH, QUERY
from i2v_search.collection.collection import Collection
from i2v_search.images.sample import sample_directory
from i2v_search.pictures.contact_sheets import search_picture
from i2v_search.pictures.map_drawing import map_picture
from i2v_search.pictures.morph_strips import morph_picture

DOCS = Path(__file__).parent.parent / "docs"
LARGEST = 600_000
TIGER = "wild-cats-and-bears/color-tiger-susan-park-01.webp"
DINOSAUR = "dinosaurs/dino-architetto-francesc-03.webp"
AEROPLANE = "boats-planes-and-bikes/aircraft-jarno-vasamaa1.webp"
SECOND_MORPH = ("painted-planets/i00.webp", "flowers/flower1-juliane-krug-01.webp")
MAP_PIXELS = 1320
BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome")


def main(arguments: list[str]) -> None:
    """Build a collection unless there is one, and make every picture."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(arguments[0]) if arguments else Path(folder) / "sample"
        if not arguments:
            Collection.build(directory, [sample_directory()])
        with Collection.open(directory) as collection:
            ids = _numbers(collection)
            _write("contact-sheet.png", search_picture(collection, collection.search(QUERY, top=9), [QUERY]))
            _write("morph-strip.png", morph_picture(collection, collection.morph(*MORPH)))
            _write("morph-strip-2.png", morph_picture(collection, collection.morph(*SECOND_MORPH)))
            _write("map.png", map_picture(collection, collection.map(), pixels=MAP_PIXELS))
        with _served(directory) as address, sync_playwright() as driver:
            chromium = driver.chromium.launch(
                executable_path=next(filter(None, map(shutil.which, BROWSERS)), None), args=["--no-sandbox"]
            )
            page = chromium.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
            page.goto(f"{address}?like={ids[TIGER]}")
            _take(page, "page.png", lambda: page.hover("#grid .tile:nth-child(2)"))
            page.goto(f"{address}?like={ids[DINOSAUR]}&a={ids[DINOSAUR]}&b={ids[AEROPLANE]}")
            page.wait_for_selector("#film [data-key]")
            _take(page, "page-morph.png", lambda: page.click("#film li:nth-child(4) .picture"))
            chromium.close()


def _numbers(collection: Collection) -> dict[str, int]:
    positions = {number: collection.store.position_of_id(number) for number in collection.ids}
    return {collection.store.path(at): number for number, at in positions.items() if at is not None}


@contextmanager
def _served(directory: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "i2v_search", "serve", "-c", str(directory)]
    with subprocess.Popen(
        [*command, "--port", "0", "--no-open", "--access-log", "/dev/null"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            server.terminate()


def _take(page: Page, name: str, last: Any) -> None:
    page.wait_for_selector("#grid .picture")
    page.wait_for_load_state("networkidle")
    last()
    page.wait_for_timeout(500)
    _write(name, Image.open(io.BytesIO(page.screenshot())))


def _write(name: str, picture: Image.Image) -> None:
    picture = picture.convert("RGB")
    picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2).save(DOCS / name, optimize=True)
    size = (DOCS / name).stat().st_size
    assert size <= LARGEST, f"{name} has {size} bytes"
    print(f"{DOCS / name}: {size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
