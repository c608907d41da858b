"""A morph as an animation: every image fades into the next, there and back."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from PIL import Image

from i2v_search.choices import AnimationFormat
from i2v_search.collection.collection import Collection
from i2v_search.errors import QueryError
from i2v_search.files import write_atomically
from i2v_search.images.signature import signing
from i2v_search.morph.stops import Morph
from i2v_search.pictures.drawing.cards import Colour
from i2v_search.pictures.drawing.films import FILM_COLOURS, faded_frames, film
from i2v_search.pictures.thumbnails import OnMissing, stop_pictures, unmentioned

#: Side of the square that pictures are fitted into, and what a file takes at most, unless told otherwise.
SIDE = 480
MOST_BYTES = 8 * 2**20
_SMALLEST_SIDE = 64
_SHRINK = 0.95
#: Of all frames that are held at once: some 300 MB.
_MOST_PIXELS = 100_000_000
#: What a pixel of a frame takes at least, about: smaller files are seldom made.
_LEAST_BYTES: dict[AnimationFormat, float] = {"webp": 0.03, "gif": 0.1}
_QUALITY = 80
#: Frames from which the colours of a GIF are taken.
_SAMPLED = 24
_CLOSE = 10


@dataclass(frozen=True, eq=False)
class MorphAnimation:
    """An animation as the content of a file.

    Attributes:
        content: content of the file.
        format: ``"webp"`` or ``"gif"``; both loop forever.
        size: width and height of every frame in pixels.
        frames: number of frames.
        seconds: duration of one loop, there and back.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> morph = art.morph("birds/owl.webp", "fruit/apple.webp", steps=1)
        >>> made = morph_animation(art, morph, format="gif", side=64)
        >>> made.format, made.size
        ('gif', (64, 70))
    """

    content: bytes
    format: AnimationFormat
    size: tuple[int, int]
    frames: int
    seconds: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, replacing an existing one; its folder is created if missing.

        Raises:
            OSError: it cannot be written.
        """
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, self.content)


def morph_animation(
    collection: Collection,
    morph: Morph,
    *,
    format: AnimationFormat = "webp",  # noqa: A002 - as Pillow calls it
    side: int = SIDE,
    most_bytes: int = MOST_BYTES,
    outside: Mapping[str, Image.Image] | None = None,
    on_missing: OnMissing = unmentioned,
) -> MorphAnimation:
    """Create an animation of a morph: each image is shown for a second and fades into the next, there and
    back.

    Args:
        collection: collection of the morph.
        morph: result of `Collection.morph`.
        format: WebP is smaller and has all colours; GIF plays everywhere, in 256 colours.
        side: width of the frames, which are slightly higher; at least 64, and reduced for a long morph so
            that its frames fit into about 300 MB. Every picture is fitted into a white square without
            stretching.
        most_bytes: maximum size of the file; frames are reduced until it fits, down to 64 pixels.
        outside: pictures of ends and waypoints that are not files, by the path of their stop.
        on_missing: called with each image that is no longer readable, and the reason.

    Returns:
        The file. An image that is no longer readable is a grey tile.

    Raises:
        QueryError: the format is unknown, the side below 64, or the file too large even so.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> morph = art.morph("birds/owl.webp", "fruit/apple.webp", steps=1)
        >>> morph_animation(art, morph, side=64).save("art.webp")
    """
    if format not in get_args(AnimationFormat):
        raise QueryError(
            f"unknown animation format {format!r}; available: {', '.join(get_args(AnimationFormat))}"
        )
    if side < _SMALLEST_SIDE:
        raise QueryError(f"an animation needs a side of at least {_SMALLEST_SIDE} pixels, got {side}")
    side = min(side, roomy_side(len(morph.stops), format, most_bytes))
    pictures = stop_pictures(collection, morph.stops, side, outside, on_missing)
    while True:
        made = _encode(pictures, side, format)
        if len(made.content) <= most_bytes:
            return made
        if side == _SMALLEST_SIDE:
            raise QueryError(
                f"{len(morph.stops)} images need an animation of at least {len(made.content):,} bytes, "
                f"over the limit of {most_bytes:,}; use fewer steps"
            )
        # Bytes grow somewhat slower than the number of pixels.
        side = max(_SMALLEST_SIDE, int(_SHRINK * side * (most_bytes / len(made.content)) ** 0.5))


def roomy_side(stops: int, format: AnimationFormat, most_bytes: int) -> int:  # noqa: A002
    """The widest frames that may fit into a file, and that are held in memory until it is written.

    >>> roomy_side(6, "webp", 8 * 2**20), roomy_side(102, "webp", 8 * 2**20), roomy_side(1002, "gif", 2**20)
    (1230, 444, 64)
    """
    there = (stops - 1) * (1 + faded_frames(stops)) + 1
    pixels = min(_MOST_PIXELS / there, most_bytes / (2 * there * _LEAST_BYTES[format]))
    return max(_SMALLEST_SIDE, math.isqrt(int(pixels)))


def _encode(pictures: list[Image.Image], side: int, format: AnimationFormat) -> MorphAnimation:  # noqa: A002
    frames = film(pictures, side)
    images = [frame.image for frame in frames]
    if format == "gif":
        images = _reduced(images)
    file = io.BytesIO()
    images[0].save(
        file,
        format.upper(),
        save_all=True,
        append_images=images[1:],
        duration=[frame.milliseconds for frame in frames],
        loop=0,
        **signing(format),
        **({"quality": _QUALITY, "method": 2} if format == "webp" else {"optimize": False}),
    )
    content = file.getvalue()
    # Encoders join frames that are alike.
    with Image.open(io.BytesIO(content)) as written:
        count = getattr(written, "n_frames", 1)
    seconds = sum(frame.milliseconds for frame in frames) / 1000
    return MorphAnimation(content, format, frames[0].image.size, count, seconds)


def _reduced(images: list[Image.Image]) -> list[Image.Image]:
    """The frames in 256 colours, the same in all: palettes that change from frame to frame flicker."""
    width, height = (length // 2 for length in images[0].size)
    sampled = images[:: max(1, len(images) // _SAMPLED)]
    sample = Image.new("RGB", (width, height * len(sampled)))
    for number, image in enumerate(sampled):
        sample.paste(image.resize((width, height), Image.Resampling.NEAREST), (0, number * height))
    averaged = sample.quantize(256 - len(FILM_COLOURS), method=Image.Quantize.MEDIANCUT).getpalette() or []
    # Averages miss the colours that fill whole areas by a little; Pillow takes any that is about as near.
    colours = [
        _exact((averaged[n], averaged[n + 1], averaged[n + 2])) for n in range(0, len(averaged) - 2, 3)
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        [part for colour in (*FILM_COLOURS, *colours[: 256 - len(FILM_COLOURS)]) for part in colour]
    )
    made: dict[int, Image.Image] = {}
    for image in images:
        # On the way back the frames are those of the way there.
        if id(image) not in made:
            made[id(image)] = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    return [made[id(image)] for image in images]


def _exact(colour: Colour) -> Colour:
    """The colour of the frames' own that another is meant to be, or itself."""
    for own in FILM_COLOURS:
        if max(abs(a - b) for a, b in zip(colour, own, strict=True)) <= _CLOSE:
            return own
    return colour
