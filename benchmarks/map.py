"""The map: how long its places take and how well they keep neighbours, and how the page draws many pictures.

``python -m benchmarks.map [layout] [page]``, over 50,000 made-up rows. The page runs in headless Chromium,
which draws without a GPU.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.serve import served
from benchmarks.synthetic import DESCRIPTION, write_collection
from benchmarks.timing import run_parts, table
from i2v_search import Collection
from i2v_search.index import mapping
from i2v_search.store.feature_file import ImageRecord

ROWS, DIMENSION = 50_000, 256
#: Different pictures; every row has a file of its own, a hard link to one of them.
PICTURES, SIDE = 500, 64
#: What of the page is asked for to draw one view, at most.
MOST_REQUESTS = 40
_FRAMES = """async (what) => {
    const map = document.querySelector("#map"), box = map.getBoundingClientRect(), frames = [];
    const send = (kind, x, y) => map.dispatchEvent(
        new PointerEvent(kind, { clientX: x, clientY: y, pointerId: 1, bubbles: true }));
    map.setPointerCapture = () => {};
    let last = performance.now();
    for (let at = 0; at < 120; at += 1) {
        const x = box.left + box.width / 2 + 200 * Math.cos(at / 5);
        const y = box.top + box.height / 2 + 100 * Math.sin(at / 5);
        if (what === "pan" && !at) send("pointerdown", x, y);
        if (what === "zoom") {
            const deltaY = at < 60 ? -60 : 60;
            map.dispatchEvent(new WheelEvent("wheel", { clientX: x, clientY: y, deltaY, cancelable: true }));
        } else send("pointermove", x, y);
        await new Promise((done) => { requestAnimationFrame(done); });
        frames.push(performance.now() - last);
        last = performance.now();
    }
    if (what === "pan") send("pointercancel", 0, 0);
    return frames;
}"""


def make_collection(folder: Path, rows: int = ROWS) -> Path:
    """A collection of `rows` images with files."""
    art, directory = folder / "collection" / "pictures", folder / "collection"
    draw, shas = np.random.default_rng(0), []
    originals = folder / "originals"
    originals.mkdir()
    for number in range(PICTURES):
        small = draw.integers(0, 256, (4, 4, 3), np.uint8)
        path = originals / f"{number}.png"
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
        shas.append(hashlib.sha256(path.read_bytes()).hexdigest())

    def describe(start: int, count: int) -> list[ImageRecord]:
        return [
            ImageRecord(f"pictures/{number:07d}.png", shas[number % PICTURES], 1, number, SIDE, SIDE)
            for number in range(start, start + count)
        ]

    write_collection(directory, rows, DIMENSION, describe=describe)
    art.mkdir()
    Collection.open(directory).index()
    for number in range(rows):
        os.link(originals / f"{number % PICTURES}.png", art / f"{number:07d}.png")
    return directory


def layout_part(command: str) -> str:
    """Time and kept neighbours of the schedule of large maps, and of the one of small ones."""
    with tempfile.TemporaryDirectory() as name:
        opened = Collection.open(make_collection(Path(name)))
        lines = []
        for label, whole in (("large maps", mapping.WHOLE_SCHEDULE), ("small maps", ROWS)):
            mapping.WHOLE_SCHEDULE = whole
            silences, moment = [0.0], time.perf_counter()

            def note(_: object, silences: list[float] = silences) -> None:
                nonlocal moment
                silences.append(time.perf_counter() - moment)
                moment = time.perf_counter()

            started, cpu = time.perf_counter(), time.process_time()
            drawn = opened.map(images=ROWS, report=note)
            spent = [time.perf_counter() - started, time.process_time() - cpu, max(silences)]
            lines.append([label, *(f"{each:.1f}" for each in spent), f"{drawn.neighbours_kept:.3f}"])
    return f"{ROWS:,} rows of {DIMENSION} dimensions; {command}, one thread. {DESCRIPTION}\n\n" + table(
        ["schedule", "seconds", "CPU seconds", "longest silence, s", "neighbours kept"], lines
    )


def page_part(command: str) -> str:
    """Requests and frames of the page, from far to near, once all sprites are made."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    lines: list[list[str]] = []
    with tempfile.TemporaryDirectory() as name:
        directory = make_collection(Path(name))
        with served(directory) as server, sync_playwright() as driver:
            page = driver.chromium.launch(executable_path=found, args=["--no-sandbox"]).new_page()
            started = time.perf_counter()
            page.goto(f"{server.url}/?view=map")
            page.wait_for_selector("#map[data-shown]", timeout=600_000)
            places = time.perf_counter() - started
            page.wait_for_selector("#map-progress", state="hidden", timeout=1_800_000)
            sprites = time.perf_counter() - started - places
            requests: list[str] = []
            page.on("request", lambda request: requests.append(request.url))
            page.reload()
            page.wait_for_selector("#map[data-shown]", timeout=600_000)
            for view in range(4):
                page.wait_for_load_state("networkidle")
                asked = sum("/api/v1/map" in url or "/thumbnail" in url for url in requests)
                times = [page.evaluate(_FRAMES, what) for what in ("hover", "pan", "zoom")]
                cells = [f"{np.percentile(each, 50):.0f} / {np.percentile(each, 95):.0f}" for each in times]
                lines.append([f"{3.4**view:.0f} x", *cells, str(asked)])
                requests.clear()
                page.click("#fit")
                for _ in range(3 * (view + 1)):
                    page.click("#zoom-in")
    return (
        f"{ROWS:,} pictures; {command}. Places after {places:.0f} s, sprites {sprites:.0f} s later. "
        "Frames in milliseconds, p50 / p95, while the mouse moves over pictures, drags and zooms; requests "
        f"of maps and pictures until the view is complete, goal {MOST_REQUESTS}.\n\n"
        + table(["zoom", "hover", "pan", "zooming", "requests"], lines)
    )


if __name__ == "__main__":
    run_parts("map", ["openTSNE", "faiss-cpu", "playwright"], {"layout": layout_part, "page": page_part})
