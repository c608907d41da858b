"""Sprite sheets of a map: many small pictures in a few files, made once in the background and kept on disk.

A sheet shows pictures that follow one another in the order of the map, so that neighbours share sheets. Its
name follows from the files' contents: another state of the collection has other sheets. Pictures are decoded
one at a time by a process of low priority, and only sheets that are not finished are in memory: 10 MB.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.errors import I2VSearchError, ImageError
from i2v_search.web.jobs.current_collection import CurrentCollection
from i2v_search.web.jobs.decoder_pool import Decoder
from i2v_search.web.jobs.thumbnail_cache import SHOWN, STRIP, ThumbnailCache, beginning


@dataclass(frozen=True)
class Level:
    """Sheets of one size of sprites.

    Attributes:
        side: side of a sprite's cell in pixels; the picture lies in its top left corner.
        across: cells in a row of a sheet, and rows in a full sheet.
    """

    side: int
    across: int

    @property
    def each(self) -> int:
        """Pictures in a full sheet."""
        return self.across**2

    def sheets(self, images: int) -> int:
        """Number of sheets for so many images."""
        return -(-images // self.each)


#: 100,000 pictures are 25 sheets of the first level. A sheet of one level is some whole ones of the next.
LEVELS = (Level(16, 64), Level(96, 16))
#: Part of the key: other sheets of the same pictures have another number.
_VERSION = "1"
_QUALITY = 75
_NICENESS = 10
#: Of a picture that cannot be read, or whose file has changed.
_MISSING = (205, 208, 214)
#: Sheets may take this share of the files on disk; of more pictures there are none.
_SHARE = 2
#: Sizes of thumbnails that serve in place of the original.
_KEPT_SIDES = (160, 320, 640)


def sprite_size(ratio: float, side: int) -> tuple[int, int]:
    """Width and height of a sprite, from the picture's width over its height.

    >>> sprite_size(2.0, 16), sprite_size(0.01, 16)
    ((16, 8), (1, 16))
    """
    width, height = min(1.0, ratio) * side, min(1.0, 1 / ratio) * side
    return max(1, int(width + 0.5)), max(1, int(height + 0.5))


def ratio_of(width: int, height: int) -> float:
    """Width over height of what is shown of a picture: of a strip that is its beginning.

    A square, where the size is not known.

    >>> ratio_of(300, 200), ratio_of(300, 6000), ratio_of(0, 0)
    (1.5, 0.5, 1.0)
    """
    if not width or not height:
        return 1.0
    if height > STRIP * width:
        return 1 / SHOWN
    return float(SHOWN) if width > STRIP * height else round(width / height, 4)


def atlas_key(contents: Sequence[str]) -> str:
    """Key of the sheets of pictures, by the SHA-256 (hex) of each file, in the order of the map."""
    levels = " ".join(f"{level.side}x{level.across}" for level in LEVELS)
    return hashlib.sha256("\n".join((_VERSION, levels, *contents)).encode()).hexdigest()


@dataclass(frozen=True)
class AtlasState:
    """How far the sheets of a map are.

    Attributes:
        ready: numbers of the sheets there are, by side.
        done: pictures whose sheets are finished.
        total: pictures of the map.
        making: whether further sheets will come.
        seconds_left: estimate; None while unknown.
    """

    ready: dict[int, list[int]]
    done: int
    total: int
    making: bool
    seconds_left: float | None


class AtlasMaker:
    """Makes the sheets of the current map, when they are first asked for.

    Args:
        current: the current collection.
        thumbnails: whose files are used and kept beside.
        decoder: used by nobody else.
    """

    def __init__(self, current: CurrentCollection, thumbnails: ThumbnailCache, decoder: Decoder) -> None:
        self._current, self._thumbnails, self._decoder = current, thumbnails, decoder
        self._lock = threading.Lock()
        self._key = ""
        self._ids: tuple[int, ...] = ()
        self._ready: dict[int, set[int]] = {}
        self._started, self._begun = 0.0, 0
        self._thread: threading.Thread | None = None
        self._stopped = self._closed = False
        self.decoded = 0

    def state(self, key: str, ids: Sequence[int]) -> AtlasState:
        """How far the sheets are; begins to make what is missing.

        Args:
            key: `atlas_key` of the map.
            ids: its images, in its order.
        """
        with self._lock:
            if key != self._key:
                self._key, self._ids, self._stopped = key, tuple(ids), False
                self._ready = {
                    level.side: {n for n in range(level.sheets(len(ids))) if self._has(key, level, n)}
                    for level in LEVELS
                }
            missing = any(len(self._ready[level.side]) < level.sheets(len(ids)) for level in LEVELS)
            if missing and self._thread is None and not self._stopped and not self._closed:
                self._started, self._begun = time.monotonic(), self._done()
                self._thread = threading.Thread(target=self._run, name="i2v-atlas", daemon=True)
                self._thread.start()
            ready = {side: sorted(numbers) for side, numbers in self._ready.items()}
            done, making = self._done(), self._thread is not None
            return AtlasState(ready, done, len(ids), making, self._left(done) if making else None)

    def sheet(self, key: str, side: int, number: int) -> bytes | None:
        """A sheet as WebP; None if there is none."""
        content = self._thumbnails.files.find(_name_of(key, side, number))
        if content is None:
            with self._lock:  # it was deleted, so that it is made again
                if key == self._key and side in self._ready:
                    self._ready[side].discard(number)
        return content

    def close(self) -> None:
        """Stop making sheets."""
        self._closed = True

    def _has(self, key: str, level: Level, number: int) -> bool:
        return self._thumbnails.files.has(_name_of(key, level.side, number))

    def _done(self) -> int:
        fine = LEVELS[-1]
        return min(len(self._ids), len(self._ready[fine.side]) * fine.each)

    def _left(self, done: int) -> float | None:
        made = done - self._begun
        if made <= 0:
            return None
        return round((time.monotonic() - self._started) / made * (len(self._ids) - done), 1)

    def _run(self) -> None:
        if sys.platform == "linux":  # there, a thread has a priority of its own
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            self._make_all()
        except I2VSearchError:
            with self._lock:  # the collection cannot be opened: requests say so
                self._stopped = True
        finally:
            with self._lock:
                self._thread = None

    def _make_all(self) -> None:
        """Make what is missing, sheet by sheet of the first level; begin again for another map."""
        key, size = "", 0
        while not self._closed:
            with self._lock:
                if key != self._key:
                    key, size = self._key, 0
                ids, coarse = self._ids, LEVELS[0]
                wanted = next((n for n in range(coarse.sheets(len(ids))) if self._lacks(n)), None)
                if wanted is None:
                    return
            size += self._make(key, ids, wanted)
            if size > self._thumbnails.files.most_bytes // _SHARE:
                with self._lock:
                    self._stopped = key == self._key
                return

    def _lacks(self, number: int) -> bool:
        """Whether a sheet of the first level, or one of the others that it covers, is missing."""
        coarse, images = LEVELS[0], len(self._ids)
        first, last = number * coarse.each, min(images, (number + 1) * coarse.each)
        return any(
            not set(range(first // level.each, level.sheets(last))) <= self._ready[level.side]
            for level in LEVELS
        )

    def _make(self, key: str, ids: tuple[int, ...], number: int) -> int:
        """Make a sheet of the first level and those of the others that it covers; returns their bytes."""
        coarse, *others = LEVELS
        first = number * coarse.each
        chosen = ids[first : first + coarse.each]
        collection = self._current.collection()
        sheets = {level: _blank(level, len(chosen)) for level in LEVELS}
        size = 0
        for at, image in enumerate(chosen):
            if self._closed or key != self._key:
                return size
            picture, ratio = self._picture(collection, image)
            for level in LEVELS:
                place = at % level.each
                if place == 0 and level is not coarse:
                    sheets[level] = _blank(level, len(chosen) - at)
                corner = place % level.across * level.side, place // level.across * level.side
                sprite = sprite_size(ratio, level.side)
                small = picture.resize(sprite, Image.Resampling.LANCZOS, reducing_gap=2.0)
                sheets[level].paste(small, corner)
            for level in others:
                if (at + 1) % level.each == 0 or at + 1 == len(chosen):
                    size += self._keep(key, level, (first + at) // level.each, sheets[level])
        return size + self._keep(key, coarse, number, sheets[coarse])

    def _keep(self, key: str, level: Level, number: int, sheet: Image.Image) -> int:
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=_QUALITY, method=2)
        self._thumbnails.files.keep(_name_of(key, level.side, number), file.getvalue())
        kept = self._has(key, level, number)
        with self._lock:
            if key == self._key and kept:
                self._ready[level.side].add(number)
            elif key == self._key:  # a disk that is full: no sheet will be kept
                self._stopped = True
        return len(file.getvalue()) if kept else self._thumbnails.files.most_bytes

    def _picture(self, collection: Collection, image: int) -> tuple[Image.Image, float]:
        """A picture for the last level, grey where there is none, and the ratio that the map tells of it."""
        position = collection.store.position_of_id(image)
        if position is None:  # removed since the map was drawn
            return Image.new("RGB", (1, 1), _MISSING), 1.0
        record = collection.store.record(position)
        ratio = ratio_of(record.width, record.height)
        size = sprite_size(ratio, LEVELS[-1].side)
        try:
            content = self._content(collection, image, record.sha256)
            pixels = beginning(self._decoder.decode(content, shrink_to=LEVELS[-1].side).pixels)
        except ImageError:
            return Image.new("RGB", size, _MISSING), ratio
        self.decoded += 1
        return pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), ratio

    def _content(self, collection: Collection, image: int, sha256: str) -> bytes:
        for side in _KEPT_SIDES:
            if (kept := self._thumbnails.find(sha256, side)) is not None:
                return kept.content
        content = collection.image_bytes(image)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ImageError(f"image {image}", "its file has changed since the collection was built")
        return content


def _name_of(key: str, side: int, number: int) -> str:
    return f"{hashlib.sha256(f'{key} {number}'.encode()).hexdigest()}-{side}.webp"


def _blank(level: Level, images: int) -> Image.Image:
    """An empty sheet for so many images, no higher than they need."""
    rows = min(level.across, -(-images // level.across))
    return Image.new("RGB", (level.across * level.side, rows * level.side), "white")
