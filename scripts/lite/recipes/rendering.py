"""SVG drawings to pictures on white, in processes that may take only so long.

Drawings come from strangers: they are rendered by resvg, which runs no scripts and opens no network, after
references to other files are taken out, in a process that is ended when it takes too long. Text is left out,
because fonts differ from one machine to the next.
"""

from __future__ import annotations

import io
import multiprocessing
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Final, TypeAlias

from PIL import Image, ImageChops

from i2v_search.errors import RecipeError

LONGEST_SIDE: Final = 320
MARGIN: Final = 6
SECONDS: Final = 20.0
START_SECONDS: Final = 120.0
PROCESSES: Final = 2
MAX_SVG_BYTES: Final = 4_000_000
_DRAFT_SIDE: Final = 160
_MAX_SIDE: Final = 2400
_OVERSAMPLING: Final = 1.3
_FAINT = 8
_OUTSIDE = re.compile(r"""(\b(?:xlink:)?href\s*=\s*)(["'])(?!#|data:image/(?:png|jpe?g|gif|webp))[^"']*\2""")
_URL_OUTSIDE = re.compile(r"""url\((?!\s*["']?\s*#)[^)]*\)""")
_DTD_OUTSIDE = re.compile(r"""<!ENTITY\s+[^>"']*\b(?:SYSTEM|PUBLIC)\b[^>]*>""")

Job: TypeAlias = tuple[str, bool]
Context: TypeAlias = "multiprocessing.context.SpawnContext"


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: int | None = None
    deadline: float = 0.0
    is_ready: bool = False


def without_references(svg: str) -> str:
    """Take out what leads to another file; references within the drawing and embedded pictures stay.

    Example:
        >>> without_references('<image href="file:///a.png"/><use href="#b"/>')
        '<image href="#"/><use href="#b"/>'
    """
    inner = _OUTSIDE.sub(r"\1\2#\2", _DTD_OUTSIDE.sub("", svg))
    return _URL_OUTSIDE.sub("none", inner)


def draw(svg: str, *, trim: bool = False) -> bytes | None:
    """Render a drawing on white as PNG, longest side `LONGEST_SIDE`; None if it cannot be, or is empty.

    Args:
        svg: the file's text.
        trim: leave out the empty space around the drawing but for a small margin.

    Raises:
        RecipeError: resvg_py is not installed.
    """
    clean = without_references(svg)
    if not trim:
        page = _page(clean, LONGEST_SIDE)
        return _png(_fit(page, LONGEST_SIDE, 0)) if page is not None and _ink(page) else None
    draft = _page(clean, _DRAFT_SIDE)
    box = _ink(draft) if draft is not None else None
    share = (
        max(box[2] - box[0], box[3] - box[1]) / _DRAFT_SIDE if box else 0.5
    )  # it may be too thin for a draft
    page = _page(clean, min(_MAX_SIDE, round(_OVERSAMPLING * LONGEST_SIDE / share)))
    box = _ink(page) if page is not None else None
    return _png(_fit(page.crop(box), LONGEST_SIDE - 2 * MARGIN, MARGIN)) if page is not None and box else None


def encode(png: bytes, *, quality: int = 90) -> bytes:
    """A rendering as WebP, the way data sets store it."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()


def draw_all(
    drawings: Iterable[str], *, trim: bool = False, seconds: float = SECONDS
) -> Iterator[bytes | None]:
    """Draw many in `PROCESSES` processes, each as WebP in its order.

    Args:
        drawings: texts of SVG files; taken from their iterator a few ahead.
        trim: as for `draw`.
        seconds: after which a drawing is given up.

    Yields:
        A WebP file, or None for what cannot be drawn in time.

    Raises:
        RecipeError: resvg_py is not installed.
    """
    _renderer()
    context = multiprocessing.get_context("spawn")
    workers = [_start(context) for _ in range(PROCESSES)]
    waiting = enumerate(drawings)
    results: dict[int, bytes | None] = {}
    following = 0
    try:
        while True:
            for worker in workers:
                if worker.job is None and len(results) < 8 * PROCESSES:
                    number, svg = next(waiting, (None, ""))
                    if number is not None:
                        _hand_over(worker, number, (svg, trim), seconds)
            busy = [worker for worker in workers if worker.job is not None]
            if busy:
                _collect(context, workers, busy, results)
            while following in results:
                yield results.pop(following)
                following += 1
            if not busy:
                return
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()


def _page(svg: str, side: int) -> Image.Image | None:
    """The whole page on white, longest side `side`; None for what resvg does not take."""
    try:
        drawn = _renderer().svg_to_bytes(
            svg_string=svg,
            width=side,
            height=side,
            dpi=96,  # its default of 0 makes points and millimetres nothing
            background="white",
            skip_system_fonts=True,
        )
    except ValueError:
        return None
    with Image.open(io.BytesIO(drawn)) as opened:
        return opened.convert("RGB")


def _ink(page: Image.Image) -> tuple[int, int, int, int] | None:
    """The box of what is not white."""
    ink = ImageChops.difference(page, Image.new("RGB", page.size, "white")).convert("L")
    return ink.point(lambda level: 255 * (level > _FAINT)).getbbox()


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _renderer() -> ModuleType:
    try:
        import resvg_py
    except ImportError as error:
        raise RecipeError("drawings are rendered by resvg_py: pip install 'i2v-search[lite]'") from error
    return resvg_py


def _fit(page: Image.Image, room: int, margin: int) -> Image.Image:
    scale = room / max(page.size)
    size = (max(1, round(page.width * scale)), max(1, round(page.height * scale)))
    picture = Image.new("RGB", (size[0] + 2 * margin, size[1] + 2 * margin), "white")
    picture.paste(page.resize(size, Image.Resampling.LANCZOS), (margin, margin))
    return picture


def _start(context: Context) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(pipe: Connection) -> None:
    with suppress(EOFError, KeyboardInterrupt, OSError):
        _renderer()
        pipe.send_bytes(b"ready")
        while True:
            svg, trim = pipe.recv()
            png = draw(svg, trim=trim)
            pipe.send_bytes(encode(png) if png is not None else b"")


def _hand_over(worker: _Worker, number: int, job: Job, seconds: float) -> None:
    if not worker.is_ready:
        if not worker.pipe.poll(START_SECONDS):
            raise RecipeError(f"the process that renders drawings did not start in {START_SECONDS:g} s")
        worker.pipe.recv_bytes()
        worker.is_ready = True
    worker.pipe.send(job)
    worker.job = number
    worker.deadline = time.monotonic() + seconds


def _collect(
    context: Context, workers: list[_Worker], busy: list[_Worker], results: dict[int, bytes | None]
) -> None:
    """Take what is finished; end what is late or dead, and start another in its place."""
    left = min(worker.deadline for worker in busy) - time.monotonic()
    ready = wait([worker.pipe for worker in busy], timeout=max(0.0, left))
    for place, worker in enumerate(workers):
        if worker.job is None:
            continue
        finished: bytes | None = None
        if worker.pipe in ready:
            with suppress(EOFError, OSError):
                finished = worker.pipe.recv_bytes()
        elif time.monotonic() < worker.deadline:
            continue
        results[worker.job] = finished or None
        worker.job = None
        if finished is None:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
            workers[place] = _start(context)
