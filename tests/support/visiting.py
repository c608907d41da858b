"""What one does and looks at on the page, in a window of the browser that `browsing` opens."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

#: Uploads are refused above.
MAX_UPLOAD = 400_000


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

    def open(self, query: str = "") -> Any:
        """Load the page in a state, and wait until its pictures are there."""
        self.page.goto(self.url + "/" + query)
        self.page.wait_for_selector(
            "#pictures:not([hidden]) .picture, #message:not([hidden]), #map-view:not([hidden])"
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


def keys(page: Any, selector: str = "#grid [data-key]") -> list[str]:
    """References of the pictures shown, in order."""
    found: list[str] = page.eval_on_selector_all(selector, "items => items.map(item => item.dataset.key)")
    return found


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


def until(page: Any, condition: str, seconds: float = 30.0) -> None:
    """Wait for an expression to be true. Playwright's own way runs `eval`, which the page refuses.

    What it speaks of may not be there yet.
    """
    attempt = f"() => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }}"
    for _ in range(int(seconds * 40)):
        if page.evaluate(attempt):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never true: {condition}")
