"""How soon the page shows something, and how its grid bears many pictures, in a browser on loopback.

``python -m benchmarks.page [first] [grid]``; needs Playwright and Chromium. `I2V_BENCH_TILES`
names how many pictures are scrolled past, by default 5000 and 50000.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import playwright.sync_api as playwright
from PIL import Image

from benchmarks.serve import served
from benchmarks.synthetic import write_collection
from benchmarks.timing import run_parts, table
from i2v_search import Collection, sample_directory
from i2v_search.store.feature_file import ImageRecord

DIMENSION, SEED = 64, 1
WINDOW = {"width": 1280, "height": 800}
#: Pixels of a turn of the wheel, and how many turns are timed.
WHEEL, TURNS = 300, 150

#: Notes when frames begin, until it is asked for them.
WATCH = """() => {
    const times = [];
    let on = true;
    const frame = (now) => { times.push(now); if (on) requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
    window.framesSeen = () => { on = false; return times.slice(1).map((now, at) => now - times[at]); };
}"""
#: Scrolls on until so many pictures are loaded.
FILL = """async (wanted) => {
    const grid = await import(new URL("grid.js", document.querySelector("script[type=module]").src).href);
    for (let tries = 0; grid.keys().length < wanted && tries < 20_000; tries += 1) {
        scrollTo(0, document.documentElement.scrollHeight);
        await new Promise((done) => setTimeout(done, 20));
    }
    return grid.keys().length;
}"""
#: A tile in the middle of what is in sight.
IN_SIGHT = """() => [...document.querySelectorAll("#grid [data-key]")].find((tile) => {
    const box = tile.getBoundingClientRect();
    return box.top > innerHeight / 3 && box.left > innerWidth / 3;
})"""
#: Of the page just opened: until something is painted, and until the first pictures are.
PAINTS = """async () => {
    const grid = document.querySelector("#grid");
    await Promise.all([...grid.querySelectorAll("img")].map((each) => each.decode().catch(() => {})));
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
    return [performance.getEntriesByName("first-contentful-paint")[0].startTime, performance.now()];
}"""
#: Milliseconds from asking to the frame after the first row of answers is there and decoded.
ANSWERED = """async (ask) => {
    const grid = document.querySelector("#grid"), box = document.querySelector("#search");
    const frame = () => new Promise((next) => requestAnimationFrame(next));
    const before = grid.querySelector("img"), begun = performance.now();
    if (ask === "words") {
        box.focus();
        box.value = "a sailing boat";
        box.dispatchEvent(new Event("input", { bubbles: true }));
        box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    } else grid.querySelectorAll("a.picture")[5].click();
    while (before.isConnected || !grid.querySelector("img")) await frame();
    const seen = [...grid.querySelectorAll("img")].slice(0, 6);
    await Promise.all(seen.map((each) => each.decode().catch(() => {})));
    await frame();
    return performance.now() - begun;
}"""
ASKS = ("words", "picture")
_FIRST = (
    *("first contentful paint, new window", "pictures painted, new window"),
    *("first contentful paint, again", "pictures painted, again"),
    *("search by words: answer painted", "search by a picture: answer painted"),
)
ROUNDS = 7
#: Milliseconds from an action to the frame after its end is seen.
TIMED = """async ([action, settled]) => {
    const actions = {
        back: () => history.back(),
    };
    const ends = {
        closed: () => !document.querySelector("#detail").open && document.activeElement.closest("#grid"),
        returned: () => scrollY > 1000 && [...document.querySelectorAll("#grid .tile")].some((tile) => {
            const box = tile.getBoundingClientRect();
            return box.top > 0 && box.top < innerHeight;
        }),
    };
    const begun = performance.now();
    actions[action]();
    const frame = () => new Promise((next) => requestAnimationFrame(next));
    for (let tries = 0; tries < 3000; tries += 1) {
        await frame();
        if (ends[settled]()) break;
    }
    await frame();
    return performance.now() - begun;
}"""


@contextmanager
def many_pictures(count: int) -> Iterator[Path]:
    """A collection of the sample's pictures, over and over, with vectors of their own."""
    pictures = sorted(path for path in sample_directory().rglob("*") if path.suffix == ".webp")
    sizes = [Image.open(path).size for path in pictures]
    shas = [hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures]

    def describe(start: int, rows: int) -> list[ImageRecord]:
        numbers = [(number, number % len(pictures)) for number in range(start, start + rows)]
        return [ImageRecord(_name(number), shas[at], 1, number, *sizes[at]) for number, at in numbers]

    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "collection"
        write_collection(directory, count, DIMENSION, describe=describe)
        for number in range(count):
            path = directory / _name(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pictures[number % len(pictures)], path)
        Collection.open(directory).index()
        yield directory


def _name(number: int) -> str:
    return f"pictures/{number // 1000:03d}/{number % 1000:03d}.webp"


def _grid_at(url: str, count: int, browser: Any) -> list[str]:
    page = browser.new_page(viewport=WINDOW)
    page.set_default_timeout(120_000)
    page.goto(f"{url}/?order=collection&copies=1")
    page.wait_for_selector("#grid .picture")
    tiles = page.evaluate(FILL, count)
    page.wait_for_timeout(1000)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    elements = page.evaluate("document.querySelectorAll('*').length")

    page.mouse.move(640, 400)
    for _ in range(2):  # pictures are decoded at the first time
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        page.wait_for_timeout(1000)
        page.evaluate(WATCH)
        for _ in range(TURNS):
            page.mouse.wheel(0, WHEEL)
        frames = page.evaluate("framesSeen()")

    page.wait_for_timeout(1000)
    page.evaluate(WATCH)
    page.set_viewport_size({**WINDOW, "width": 1100})
    page.wait_for_timeout(2000)
    resize = max(page.evaluate("framesSeen()"))
    page.set_viewport_size(WINDOW)
    page.wait_for_timeout(1000)

    tile = page.evaluate_handle(IN_SIGHT).as_element()
    tile.query_selector("a").focus()
    page.keyboard.press("i")
    page.wait_for_selector("#similar [data-key]")
    page.wait_for_timeout(500)
    closing = page.evaluate(TIMED, ["back", "closed"])
    page.evaluate_handle(IN_SIGHT).as_element().query_selector("a").click()
    page.wait_for_function("() => location.search.includes('like=')")
    page.wait_for_selector("#grid:not([aria-busy])")
    page.wait_for_timeout(1000)
    returning = page.evaluate(TIMED, ["back", "returned"])
    page.close()
    scrolled = f"{np.percentile(frames, 50):.0f} / {np.percentile(frames, 95):.0f}"
    times = [f"{each:.0f}" for each in (closing, returning, resize)]
    return [f"{tiles:,}", f"{elements:,}", f"{heap:.0f}", scrolled, *times]


@contextmanager
def _browser() -> Iterator[Any]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        options = ["--no-sandbox", "--enable-precise-memory-info"]
        yield driver.chromium.launch(executable_path=found, args=options)


def first_part(command: str) -> str:
    """The page of the sample, opened anew and again, and a search by words and by a picture."""
    seen: dict[str, list[float]] = {name: [] for name in _FIRST}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "collection"
        Collection.build(directory, [sample_directory()])
        with served(directory, "--rate", "0") as server, _browser() as browser:
            for _ in range(ROUNDS + 1):
                page = browser.new_page(viewport=WINDOW)
                times = []
                for query in ("", ""):
                    page.goto(f"{server.url}/{query}")
                    page.wait_for_selector("#grid .picture img")
                    times += page.evaluate(PAINTS)
                for ask in ASKS:
                    times.append(page.evaluate(ANSWERED, ask))
                for name, each in zip(_FIRST, times, strict=True):
                    seen[name].append(each)
                page.close()
    rows = [[name, _spread_of(times[1:])] for name, times in seen.items()]
    return (
        f"{command}. The bundled sample; {ROUNDS} windows after one that is not counted, milliseconds: "
        "median (smallest..largest). Browser, server and benchmark share the cores.\n\n"
        + table(["", "ms"], rows)
    )


def _spread_of(times: list[float]) -> str:
    return f"{np.median(times):.0f} ({min(times):.0f}..{max(times):.0f})"


def grid_part(command: str) -> str:
    """The grid after so many tiles."""
    sizes = [int(size) for size in os.environ.get("I2V_BENCH_TILES", "5000 50000").split()]
    with (
        many_pictures(max(sizes) + 1000) as directory,
        served(directory, "--rate", "0") as server,
        _browser() as browser,
    ):
        lines = [_grid_at(server.url, size, browser) for size in sizes]
    header = [
        *("tiles", "elements", "heap, MB", "frames while scrolling, p50 / p95 ms"),
        *("Back from a picture, ms", "Back from a search, ms", "resize, longest frame, ms"),
    ]
    return (
        f"{command}. {max(sizes) + 1000:,} pictures; a window of {WINDOW['width']} x {WINDOW['height']}; "
        f"{TURNS} turns of the wheel of {WHEEL} px in the middle of the list, the second time there. "
        "Browser, server and benchmark share the cores.\n\n" + table(header, lines)
    )


if __name__ == "__main__":
    run_parts("page", ["playwright", "fastapi"], {"first": first_part, "grid": grid_part})
