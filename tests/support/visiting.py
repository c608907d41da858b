"""What one does and looks at on the page, in a window of the browser that `browsing` opens."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from web_server import Running

#: Uploads are refused above.
MAX_UPLOAD = 400_000


#: The address of a module of the page, which names the version of its files.
MODULE_OF = """
window.moduleOf = (name) => new URL(`${name}.js`, document.querySelector('script[type=module]').src).href;
"""


@dataclass
class Visit:
    """One window of the browser.

    Attributes:
        page: Playwright's page.
        url: of the server.
        troubles: what the page complained of.
        expected: parts of complaints that are no fault here: the browser reports every refusal of the server.
    """

    page: Any
    url: str
    troubles: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.add_init_script(MODULE_OF)

    def open(self, query: str = "") -> Any:
        """Load the page in a state, and wait until its pictures are there."""
        self.page.goto(self.url + "/" + query)
        self.page.wait_for_selector(
            "#pictures:not([hidden]) .picture, "
            ":is(#message, #map-view, #canvas-view, #copies-view):not([hidden])"
        )
        return self.page

    def expect_refusal(self, status: int) -> None:
        """The server will answer with this status, and the browser will say so on its console."""
        self.expected += (f"status of {status}",)

    def unexpected(self) -> list[str]:
        return [trouble for trouble in self.troubles if not any(part in trouble for part in self.expected)]


#: Opens a window; takes options of a browser context.
Opens = Callable[..., Visit]


def drawing(colour: str = "tomato") -> Image.Image:
    """A picture that is in no collection."""
    image = Image.new("RGB", (240, 160), "white")
    ImageDraw.Draw(image).ellipse((60, 20, 180, 140), fill=colour, outline="black", width=6)
    return image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


#: Keys of the pictures loaded into the grid; not all of them have tiles.
LOADED = "() => import(moduleOf('grid')).then(grid => [...grid.keys()])"


def keys(page: Any, selector: str | None = None) -> list[str]:
    """References of the pictures of the grid, or of those that match a selector, in order."""
    shown = "items => items.map(item => item.dataset.key)"
    found: list[str] = page.eval_on_selector_all(selector, shown) if selector else page.evaluate(LOADED)
    return found


def until_shown(page: Any, expected: list[str], seconds: float = 120.0) -> None:
    """Wait until the pictures of the grid begin with those expected, in their order.

    The first picture alone would not do: a search often leaves it where it was.
    """
    for _ in range(int(seconds * 40)):
        if keys(page)[: len(expected)] == expected:
            return
        page.wait_for_timeout(25)
    assert keys(page)[: len(expected)] == expected


def focus(page: Any, key: str) -> None:
    """Give the focus to a picture of the grid, which may lie out of sight and have no tile yet."""
    page.evaluate("key => import(moduleOf('grid')).then(grid => grid.focusKey(key))", key)


def drag(page: Any, source: Any, target: Any) -> None:
    """Drag an element onto another, which may be there only while something is dragged."""
    source.hover()
    page.mouse.down()
    page.mouse.move(20, 300, steps=4)
    target.hover()
    box = target.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=2)
    page.mouse.up()


def until_loaded(page: Any, condition: Callable[[int], bool], seconds: float = 120.0) -> None:
    """Wait until so many pictures have been loaded into the grid."""
    for _ in range(int(seconds * 40)):
        if condition(len(keys(page))):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{len(keys(page))} pictures are loaded")


def transfer(page: Any, files: list[tuple[str, str, bytes]]) -> Any:
    """What the hand holds that drops or pastes files: (name, type, content)."""
    return page.evaluate_handle(
        """files => {
            const held = new DataTransfer();
            for (const [name, type, bytes] of files) {
                held.items.add(new File([new Uint8Array(bytes)], name, { type }));
            }
            return held;
        }""",
        [[name, kind, list(content)] for name, kind, content in files],
    )


#: Whether the player shows a picture: something on its white sheet.
PAINTED = """(() => {
    const screen = document.querySelector('#screen');
    const pixels = screen.getContext('2d').getImageData(0, 0, screen.width, screen.height).data;
    return pixels.some((value) => value < 200);
})()"""
#: Waits until the browser has drawn twice more.
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def until(page: Any, condition: str, seconds: float = 120.0) -> None:
    """Wait for an expression to be true. Playwright's own way runs `eval`, which the page refuses.

    What it speaks of may not be there yet.
    """
    attempt = f"() => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }}"
    for _ in range(int(seconds * 40)):
        if page.evaluate(attempt):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never true: {condition}")


#: Until nothing changes its colour or place any more; what turns for ever is left to turn.
AT_REST = """() => Promise.all(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().endTime !== Infinity)
    .map((each) => each.finished.catch(() => null))).then(() => null)"""


def serious_faults(page: Any, **options: Any) -> list[tuple[str, str]]:
    """What axe finds on the page that keeps people out: rule, and the first element that breaks it."""
    page.evaluate(AT_REST)  # a button that just became usable is paler on its way there
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        (fault["id"], fault["nodes"][0]["html"][:160])
        for fault in found
        if fault["impact"] in {"serious", "critical"}
    ]


#: What the server answers when nothing is found.
NOTHING = {"hits": [], "more": False, "seconds": 0, "query": ""}


def hits(server: Running, **asked: Any) -> list[str]:
    """Keys of what the server finds first."""
    answer = server.client.post("/api/v1/search", json={"top": 60, **asked}).json()
    return [str(hit["id"]) for hit in answer["hits"]]
