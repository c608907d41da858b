"""A folder such as other people have: mixed art, copies, odd names, broken files, clutter of other software.

``python -m tests.support.mixed_art FOLDER [--count N] [--seed S] [--packages]``

Everything is drawn here, the same for the same seed and Pillow. ``--packages`` adds real art of Debian
packages, which ``apt-get download`` fetches. Tests ask the manifest that `make_mixed_art` returns what each
file is.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

import numpy as np
from documents import flattened, psd, resource, zipped
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from PIL.Image import Image as Picture

Kind = Literal[
    "art",  # a picture like no other here
    "variant",  # differs from the others of its group on purpose: an expression, a language, later frames
    "copy",  # of `original`: the same bytes, re-encoded, resized or retouched
    "broken",  # named like a picture, cannot be read
    "document",  # of a drawing program, with a flattened picture
    "unsupported",  # a picture in a format that is not decoded
    "unnamed",  # a picture whose name does not say so
    "clutter",  # what other software left behind; nobody means it
    "text",  # captions, tags and other files that are no pictures
    "link",  # a symbolic link
]
Random = np.random.Generator
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Made:
    """What a file of the folder is.

    Attributes:
        kind: see `Kind`.
        subject: what it shows: sprite, tiles, portrait, face, and so on.
        original: of a copy, the path it was made from.
        group: of a variant, what all variants share.
    """

    kind: Kind
    subject: str
    original: str = ""
    group: str = ""


EXPRESSIONS: Final = ("normal", "smile", "surprised", "angry", "wink")
STYLES: Final = ("adventurer", "lorelei", "micah", "open-peeps", "pixel-art")
PACKAGES: Final = {
    "wesnoth-1.16-data": (
        "games/wesnoth/*/data/core/images/portraits",
        "games/wesnoth/*/data/core/images/units",
    ),
    "freedroidrpg-data": ("freedroidrpg/data/graphics/items", "freedroidrpg/data/graphics/tux_motion_parts"),
    "tuxpaint-stamps-default": ("tuxpaint/stamps",),
}
"""Debian packages of game art (paintings, sprites, rendered things, stamps), and folders of theirs."""
OF_A_FOLDER: Final = 250

_WORDS = ("moon", "river", "sword", "cat", "garden", "summer", "ghost", "tea", "device", "paper", "storm")


def make_mixed_art(
    folder: Path, *, count: int = 400, seed: int = 0, packages: bool = False
) -> dict[str, Made]:
    """Make the folder.

    Args:
        folder: is made; what is in it already stays.
        count: about how many files, but not below 150: those that are there once.
        seed: decides what is drawn.
        packages: add real art from `PACKAGES`; needs ``apt-get`` and ``dpkg-deb``.

    Returns:
        What each file and link is, by its path in `folder` with ``/``, as `os.fsdecode` gives it.
    """
    writer = _Writer(folder, seed)
    _odd_files(writer)
    _drawn_files(writer, max(1, round((count - len(writer.made)) / _PER_ROUND)))
    _copies(writer)
    _texts(writer)
    if packages:
        _package_art(writer)
    return writer.made


class _Writer:
    """Writes files and remembers what they are; every file has its own random numbers."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.made: dict[str, Made] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def random(self, name: str) -> Random:
        return np.random.default_rng([self.seed, *os.fsencode(name)])

    def bytes(self, name: str, content: bytes, made: Made) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.made[name] = made

    def picture(self, name: str, picture: Picture, made: Made, format_name: str = "", **options: Any) -> None:
        self.bytes(name, encoded(picture, format_name or format_of(name), **options), made)


def encoded(picture: Picture, format_name: str, **options: Any) -> bytes:
    """The picture as a file."""
    if format_name == "JPEG" and picture.mode not in {"RGB", "L", "CMYK"}:
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, format_name, **options)
    return file.getvalue()


def format_of(name: str) -> str:
    """Pillow's name of the format of a file name."""
    return Image.registered_extensions()[PurePosixPath(name).suffix.lower()]


# What is drawn


def colour_of(random: Random, saturation: float = 0.6, value: float = 0.8) -> Colour:
    """A colour of any hue."""
    hue = random.uniform(0, 6)
    channels = [1 - saturation * (1 - min(max(abs((hue + shift) % 6 - 3) - 1, 0), 1)) for shift in (0, 4, 2)]
    red, green, blue = (round(255 * value * channel) for channel in channels)
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """The colour darker (below 1) or lighter."""
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def noise(random: Random, size: tuple[int, int], cells: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(height, width) smooth noise in 0..1 that continues over its edges."""
    width, height = size
    grid = random.random((cells, cells))
    rows, columns = np.arange(height) * cells / height, np.arange(width) * cells / width
    top, left = rows.astype(int), columns.astype(int)
    down = ((1 - np.cos(np.pi * (rows - top))) / 2)[:, None]
    along = ((1 - np.cos(np.pi * (columns - left))) / 2)[None]
    below, right = (top + 1) % cells, (left + 1) % cells
    upper = grid[np.ix_(top, left)] * (1 - along) + grid[np.ix_(top, right)] * along
    lower = grid[np.ix_(below, left)] * (1 - along) + grid[np.ix_(below, right)] * along
    return np.asarray(upper * (1 - down) + lower * down)


def sprite(random: Random) -> Picture:
    """A symmetrical creature of few colours on transparency, as a palette PNG keeps it."""
    side = int(random.choice((16, 24, 32, 48, 64)))
    half = side // 2
    rows, columns = np.mgrid[0:side, 0:half]
    wide = (
        half
        * (0.5 + 0.5 * noise(random, (1, side), 5)[:, 0])
        * np.sin(np.pi * (np.arange(side) + 1) / (side + 1))
    )
    body = np.zeros((side, half), np.uint8)
    inside = (half - 1 - columns) < wide[rows]
    body[inside] = 2 + (noise(random, (half, side), 6) * 3.99).astype(np.uint8)[inside]
    eye = side // 3
    body[eye : eye + max(1, side // 12), half - side // 5 : half - side // 5 + max(1, side // 16)] = 6
    whole = np.hstack([body, body[:, ::-1]])
    padded = np.pad(whole > 0, 1)
    beside = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    whole[(whole == 0) & beside] = 1
    picture = Image.fromarray(whole, "L").convert("P")
    main = colour_of(random)
    palette = [
        (255, 0, 255),
        (24, 16, 32),
        main,
        shade(main, 0.7),
        colour_of(random),
        shade(main, 1.25),
        (250, 250, 240),
    ]
    picture.putdata(whole.reshape(-1).tolist())
    picture.putpalette([channel for colour in palette for channel in colour])
    picture.info["transparency"] = 0
    return picture


def tiles(random: Random) -> Picture:
    """A sheet of 8 x 6 tiles of 16 or 32 pixels: grass, sand, water, stone."""
    side = int(random.choice((16, 32)))
    sheet = Image.new("RGB", (8 * side, 6 * side))
    for row in range(6):
        base = colour_of(random, 0.5, 0.7)
        for column in range(8):
            steps = np.round(noise(random, (side, side), 4 + column % 3) * 4) / 4
            tile = np.clip(np.array(base) * (0.7 + 0.5 * steps[..., None]), 0, 255).astype(np.uint8)
            sheet.paste(Image.fromarray(tile), (column * side, row * side))
    return sheet


def portrait(random: Random) -> Picture:
    """A head and shoulders in layers of soft strokes."""
    width, height = 360, 440
    canvas = landscape(random, (width, height)).filter(ImageFilter.GaussianBlur(9))
    skin, hair, cloth = (
        colour_of(random, 0.35, 0.85),
        colour_of(random, 0.6, 0.4),
        colour_of(random, 0.7, 0.5),
    )
    skin = (max(skin), sorted(skin)[1], min(skin))
    x, y = width / 2 + random.uniform(-30, 30), 180 + random.uniform(-20, 20)
    parts = (
        (cloth, 160, (x, height - 30), (150, 110)),
        (hair, 160, (x, y - 10), (105, 130)),
        (skin, 60, (x, y + 110), (38, 60)),
        (skin, 200, (x, y + 10), (72, 95)),
        (shade(skin, 1.15), 60, (x - 20, y - 5), (38, 60)),
        (shade(skin, 0.75), 60, (x + 45, y + 30), (22, 60)),
        (hair, 130, (x, y - 90), (85, 40)),
    )
    for colour, strokes, middle, reach in parts:
        layer = Image.new("RGBA", canvas.size)
        draw = ImageDraw.Draw(layer)
        draw.ellipse(_around(middle[0], middle[1], reach[0], reach[1]), (*colour, 200))
        for _ in range(strokes):
            angle, distance = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform(0, 1))
            at = (
                middle[0] + reach[0] * distance * math.cos(angle),
                middle[1] + reach[1] * distance * math.sin(angle),
            )
            turn, length = random.uniform(0, np.pi), random.uniform(8, 26)
            end = (at[0] + length * math.cos(turn), at[1] + length * math.sin(turn))
            draw.line([at, end], (*shade(colour, random.uniform(0.8, 1.2)), 190), int(random.integers(5, 15)))
        canvas.paste(layer, (0, 0), layer.filter(ImageFilter.GaussianBlur(1.5)))
    draw = ImageDraw.Draw(canvas)
    for side in (-1, 1):
        draw.ellipse(_around(x + side * 28, y, 11, 5), (245, 240, 230))
        draw.ellipse(_around(x + side * 28, y, 5, 5), shade(hair, 0.5))
        draw.line([x + side * 14, y - 18, x + side * 42, y - 20], shade(hair, 0.6), 4)
    draw.line([x - 4, y + 4, x - 8, y + 34, x + 4, y + 36], shade(skin, 0.6), 3)
    draw.arc(_around(x, y + 54, 24, 9), 10, 170, (150, 60, 60), 5)
    return canvas.filter(ImageFilter.GaussianBlur(0.8))


def face(random: Random, expression: str = "normal", size: int = 320) -> Picture:
    """A flat-coloured character with big eyes; the same random numbers give the same character."""
    skin = ((255, 224, 200), (245, 205, 175), (200, 150, 115))[int(random.integers(3))]
    hair, eyes, cloth = colour_of(random, 0.6, 0.85), colour_of(random, 0.8, 0.7), colour_of(random)
    style, fringe, back = int(random.integers(3)), int(random.integers(3, 7)), colour_of(random, 0.15, 0.95)
    line = (50, 30, 40)
    picture = Image.new("RGB", (320, 320), back)
    draw = ImageDraw.Draw(picture)
    if style == 0:
        draw.rounded_rectangle([62, 60, 258, 310], 70, hair, line, 3)
    elif style == 1:
        draw.ellipse([60, 36, 260, 250], hair, line, 3)
        draw.ellipse([20, 120, 80, 280], hair, line, 3)
        draw.ellipse([240, 120, 300, 280], hair, line, 3)
    else:
        draw.ellipse([60, 36, 260, 240], hair, line, 3)
    draw.polygon([(100, 320), (130, 262), (190, 262), (220, 320)], cloth, line, 3)
    draw.ellipse([84, 70, 236, 270], skin, line, 3)
    draw.polygon([(110, 230), (160, 276), (210, 230)], skin)
    step = 160 / fringe
    for strand in range(fringe):
        left = 80 + strand * step
        draw.polygon([(left, 60), (left + step, 60), (left + step / 2, 130 + 12 * (strand % 2))], hair, line)
    draw.pieslice([80, 40, 240, 180], 180, 360, hair)
    for side in (-1, 1):
        x, y = 160 + side * 38, 172
        tall = {"surprised": 34, "angry": 20}.get(expression, 27)
        if expression == "smile" or (expression == "wink" and side == 1):
            draw.arc(_around(x, y + 8, 24, 18), 190, 350, line, 5)
        else:
            draw.ellipse(_around(x, y, 23, tall), "white", line, 3)
            draw.ellipse(_around(x, y + 2, 14, tall - 7), eyes)
            draw.ellipse(_around(x, y + 2, 6, 8), line)
            draw.ellipse(_around(x - 5, y - 8, 4, 5), "white")
        slope = {"angry": side * 9, "surprised": 0}.get(expression, side * -3)
        lift = 14 if expression == "surprised" else 0
        draw.line([x - 18, y - 40 - lift + slope, x + 18, y - 40 - lift - slope], line, 5)
    mouth = _around(160, 234, 16, 9)
    if expression == "surprised":
        draw.ellipse(_around(160, 238, 9, 13), (180, 60, 70), line, 3)
    elif expression == "smile":
        draw.chord(_around(160, 230, 20, 16), 0, 180, (200, 70, 80), line, 3)
    elif expression == "angry":
        draw.arc(mouth, 200, 340, line, 4)
    else:
        draw.arc(mouth, 20, 160, line, 4)
    return picture if size == 320 else picture.resize((size, size), Image.Resampling.LANCZOS)


def line_art(random: Random, ink: tuple[int, ...] = (0,), ground: tuple[int, ...] = (255,)) -> Picture:
    """A plant of a few strokes; two colours of one channel (grey) or four (transparency)."""
    picture = Image.new("L", (300, 400), 0)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(2, 5))):
        x, y, angle = random.uniform(120, 180), 380.0, -math.pi / 2 + random.uniform(-0.5, 0.5)
        for _ in range(int(random.integers(12, 24))):
            angle += random.uniform(-0.25, 0.25)
            end = (x + 16 * math.cos(angle), y + 16 * math.sin(angle))
            draw.line([(x, y), end], 255, 4)
            x, y = end
            if random.random() < 0.5:
                leaf = random.uniform(8, 26)
                draw.ellipse(
                    _around(x + leaf * random.choice((-1, 1)), y, leaf, leaf / 2), outline=255, width=2
                )
        draw.ellipse(_around(x, y, 14, 14), outline=255, width=3)
    drawn = np.asarray(picture)[..., None] / 255
    mixed = np.round(drawn * np.array(ink) + (1 - drawn) * np.array(ground)).astype(np.uint8)
    return Image.fromarray(mixed[..., 0] if len(ink) == 1 else mixed)


def texture(random: Random, size: tuple[int, int] = (256, 256)) -> Picture:
    """Wood, cloth or marble that continues over its edges."""
    cells = int(random.choice((3, 5, 8, 16)))
    value = (
        0.6 * noise(random, size, cells)
        + 0.3 * noise(random, size, 4 * cells)
        + 0.1 * random.random(size[::-1])
    )
    if random.random() < 0.5:
        value = 0.5 + 0.5 * np.sin(2 * np.pi * (6 * np.arange(size[0])[None] / size[0] + 2 * value))
    first, second = np.array(colour_of(random, 0.5, 0.4)), np.array(colour_of(random, 0.4, 0.9))
    return Image.fromarray((first + (second - first) * value[..., None]).astype(np.uint8))


def gradient(random: Random) -> Picture:
    """One colour fading into another, along a line or from a point."""
    rows, columns = np.mgrid[0:300, 0:400] / 400
    along = (
        rows
        if random.random() < 0.3
        else np.clip(np.hypot(rows - random.random(), columns - random.random()), 0, 1)
    )
    first, second = np.array(colour_of(random)), np.array(colour_of(random))
    return Image.fromarray((first + (second - first) * along[..., None]).astype(np.uint8))


def landscape(random: Random, size: tuple[int, int] = (640, 400)) -> Picture:
    """A sky with a sun over ridges of hills."""
    width, height = size
    sky, ground = np.array(colour_of(random, 0.4, 0.95)), colour_of(random, 0.6, 0.6)
    fade = np.linspace(0, 1, height)[:, None, None]
    pixels = np.broadcast_to(sky * (1 - fade) + (255 - 0.2 * (255 - sky)) * fade, (height, width, 3))
    picture = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    sun = height * random.uniform(0.05, 0.12)
    draw.ellipse(
        _around(width * random.uniform(0.1, 0.9), height * random.uniform(0.1, 0.4), sun, sun),
        (255, 244, 214),
    )
    for ridge in range(4):
        outline = noise(random, (width, 1), 4 + 3 * ridge)[0] * height * 0.25 + height * (0.4 + 0.15 * ridge)
        points = [(x, float(outline[x])) for x in range(0, width, 4)]
        draw.polygon(
            [*points, (width, outline[-1]), (width, height), (0, height)], shade(ground, 1.3 - 0.3 * ridge)
        )
    return picture


def wallpaper(random: Random, text: str, size: tuple[int, int]) -> Picture:
    """A landscape with a line of text; the same random numbers give the same one in another size."""
    picture = landscape(random, (640, 360)).resize(size, Image.Resampling.BICUBIC)
    font = ImageFont.load_default(size[1] / 12)
    ImageDraw.Draw(picture).text(
        (size[0] / 2, size[1] / 3), text, "white", font, anchor="mm", stroke_width=2, stroke_fill="black"
    )
    return picture


def screenshot(random: Random) -> Picture:
    """Two windows full of text."""
    picture = gradient(random).resize((800, 500))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for left, top in ((30, 30), (int(random.integers(200, 360)), int(random.integers(100, 200)))):
        draw.rectangle([left, top, left + 400, top + 270], (250, 250, 250), (90, 90, 90))
        draw.rectangle([left, top, left + 400, top + 24], colour_of(random, 0.4, 0.5))
        draw.text((left + 8, top + 4), f"{random.choice(_WORDS)}.txt", "white", font)
        for row in range(13):
            line = " ".join(str(word) for word in random.choice(_WORDS, int(random.integers(3, 9))))
            draw.text((left + 10, top + 34 + 18 * row), line[:56], (20, 20, 20), font)
    return picture


def comic(random: Random) -> Picture:
    """A strip of 300 x 6000: panels of faces that speak."""
    strip, top = Image.new("RGB", (300, 6000), "white"), 10
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    while top < 5700:
        tall = int(random.integers(220, 290))
        strip.paste(face(random, str(random.choice(EXPRESSIONS)), 280).crop((0, 0, 280, tall)), (10, top))
        draw.rectangle([10, top, 290, top + tall], outline="black", width=3)
        draw.ellipse([16, top + 6, 150, top + 56], "white", "black", 2)
        draw.text((83, top + 31), " ".join(map(str, random.choice(_WORDS, 2))), "black", font, anchor="mm")
        top += tall + 14
    return strip


def frames(random: Random, first: Picture, count: int = 6) -> list[Picture]:
    """`first`, then frames in which something moves over it."""
    moving = sprite(random).convert("RGBA").resize((64, 64), Image.Resampling.NEAREST)
    found = [first]
    for step in range(1, count):
        frame = first.copy()
        frame.paste(
            moving, (step * (first.width - 64) // count, int(random.integers(first.height - 64))), moving
        )
        found.append(frame)
    return found


def _around(x: float, y: float, wide: float, tall: float) -> tuple[float, float, float, float]:
    return x - wide, y - tall, x + wide, y + tall


# Which files there are


def _sprites(writer: _Writer, number: int) -> None:
    for part in range(8):
        name = f"game/sprites/unit_{8 * number + part:03d}.png"
        writer.picture(name, sprite(writer.random(name)), Made("art", "sprite"), transparency=0)


def _character(writer: _Writer, number: int) -> None:
    seed = f"character {number}"
    for expression in EXPRESSIONS:
        name = f"anime/chara{number:02d}/{expression}.{'png' if number % 2 else 'webp'}"
        made = Made("variant", "face", group=seed)
        writer.picture(name, face(writer.random(seed), expression), made)


def _avatars(writer: _Writer, number: int) -> None:
    """Faces by DiceBear's artists; none where the packages are not installed."""
    for style, svg in _dicebear(writer.seed, number):
        import resvg_py

        drawn = bytes(
            resvg_py.svg_to_bytes(svg_string=svg, width=256, background="white", skip_system_fonts=True)
        )
        with Image.open(io.BytesIO(drawn)) as opened:
            picture = opened.convert("RGB")
        writer.picture(f"anime/avatars/{style}_{number:02d}.jpg", picture, Made("art", "avatar"))


def _dicebear(seed: int, number: int) -> Iterator[tuple[str, str]]:
    try:
        import resvg_py  # noqa: F401
        from dicebear import Avatar
    except ImportError:
        return
    for name in STYLES:
        yield name, Avatar(_style(name), {"seed": f"{seed} {number}"}).to_json()["svg"]


@lru_cache
def _style(name: str) -> Any:
    """A style of DiceBear, which takes a second to check."""
    from dicebear import Style

    return Style(json.loads(files("dicebear_styles").joinpath(f"{name}.json").read_text("utf-8")))


def _line_arts(writer: _Writer, number: int) -> None:
    inks: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "ink": ((0,), (255,)),
        "white": ((255, 255, 255, 255), (255, 255, 255, 0)),
        "black": ((0, 0, 0, 255), (0, 0, 0, 0)),
    }
    for ink, (drawn, ground) in inks.items():
        name = f"lineart/{ink}_{number:02d}.png"
        writer.picture(name, line_art(writer.random(name), drawn, ground), Made("art", f"{ink} line art"))


def _scenes(writer: _Writer, number: int) -> None:
    drawn: tuple[tuple[str, Callable[[Random], Picture]], ...] = (
        ("game/tiles/sheet_{}.png", tiles),
        ("portraits/portrait_{}.jpg", portrait),
        ("portraits/portrait_{}b.png", portrait),
        ("textures/texture_{}.jpg", texture),
        ("textures/gradient_{}.png", gradient),
        ("landscapes/view_{}.webp", landscape),
        ("landscapes/view_{}b.jpg", landscape),
        ("screenshots/Screenshot {}.png", screenshot),
    )
    for pattern, draw in drawn:
        name = pattern.format(f"{number:02d}")
        writer.picture(name, draw(writer.random(name)), Made("art", draw.__name__))


_ROUND: Final = (_sprites, _character, _avatars, _line_arts, _scenes)
_PER_ROUND: Final = 8 + len(EXPRESSIONS) + len(STYLES) + 3 + 8


def _drawn_files(writer: _Writer, rounds: int) -> None:
    for number in range(rounds):
        for draw in _ROUND:
            draw(writer, number)


def _odd_files(writer: _Writer) -> None:
    _large(writer)
    _moving(writer)
    _photos(writer)
    _broken(writer)
    _documents(writer)
    _unsupported(writer)
    _named(writer)
    _clutter(writer)
    _links(writer)


def _large(writer: _Writer) -> None:
    for number in range(2):
        name = f"comics/strip_{number}.png"
        writer.picture(name, comic(writer.random(name)), Made("art", "comic"))
        name = f"textures/edge_{number}.png"
        writer.picture(name, texture(writer.random(name), (1600, 40)), Made("art", "edge"))
    writer.picture("textures/dot.png", Image.new("RGB", (1, 1), (200, 40, 60)), Made("art", "dot"))
    for number in range(2):
        for language, text in (("en", "Good morning, world"), ("de", "Guten Morgen, Welt")):
            group = f"wallpaper {number}"
            name = f"wallpapers/morning{number}_{language}_2560x1440.jpg"
            picture = wallpaper(writer.random(group), text, (2560, 1440))
            writer.picture(name, picture, Made("variant", "wallpaper", group=group), quality=88)
            small = f"wallpapers/morning{number}_{language}_1280x720.jpg"
            writer.picture(
                small, picture.resize((1280, 720)), Made("copy", "wallpaper", original=name, group=group)
            )


def _moving(writer: _Writer) -> None:
    """Animations and many-paged files in pairs that share their first frame only."""
    kinds: tuple[tuple[str, str, str, int, dict[str, Any]], ...] = (
        ("animation", "gif", "GIF", 6, {"duration": 80, "loop": 0}),
        ("animation", "apng", "PNG", 6, {"duration": 80}),
        ("animation", "webp", "WEBP", 6, {"duration": 80, "quality": 90}),
        ("pages", "tif", "TIFF", 4, {"compression": "tiff_deflate"}),
        ("pages", "mpo", "MPO", 2, {}),  # Pillow 13 writes wrong offsets from the fourth picture on
    )
    for number, (subject, ending, format_name, count, options) in enumerate(kinds):
        made = Made("variant", subject, group=f"{subject} {ending}")
        first = face(writer.random(made.group), EXPRESSIONS[number], 240)
        for take in range(2):
            name = f"{'animations' if subject == 'animation' else 'scans'}/{ending}_take{take}.{ending}"
            _, *rest = frames(writer.random(name), first, count)
            writer.picture(name, first, made, format_name, save_all=True, append_images=rest, **options)


def _photos(writer: _Writer) -> None:
    for orientation in range(1, 9):
        name = f"photos/IMG_{2000 + orientation}.JPG"
        block = Image.Exif()
        block[0x0112] = orientation
        picture = landscape(writer.random(name), (600, 400))
        undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
        if orientation in undo:
            picture = picture.transpose(undo[orientation])
        writer.picture(name, picture, Made("art", "turned photo"), exif=block.tobytes(), quality=90)
    name = "photos/print_cmyk.jpg"
    writer.picture(name, portrait(writer.random(name)).convert("CMYK"), Made("art", "CMYK"))
    name = "photos/scan_16bit.png"
    deep = (noise(writer.random(name), (300, 200), 6) * 65535).astype(np.uint16)
    writer.picture(name, Image.fromarray(deep), Made("art", "16-bit"))


def _broken(writer: _Writer) -> None:
    whole = landscape(writer.random("broken"), (300, 200))
    for ending in ("png", "jpg", "webp", "gif"):
        content = encoded(whole, format_of(f"x.{ending}"))
        writer.bytes(
            f"broken/cut_in_half.{ending}", content[: len(content) // 2], Made("broken", "truncated")
        )
        writer.bytes(f"broken/header_only.{ending}", content[:20], Made("broken", "truncated"))
        writer.bytes(f"broken/empty.{ending}", b"", Made("broken", "empty"))
    damaged = bytearray(encoded(whole, "PNG"))
    damaged[len(damaged) // 2 : len(damaged) // 2 + 64] = bytes(64)
    writer.bytes("broken/flipped.png", bytes(damaged), Made("broken", "damaged"))
    writer.bytes("broken/readme.png", b"this is a text, whatever its name says\n", Made("broken", "text"))
    writer.bytes("broken/404.jpg", b"<!DOCTYPE html><title>404 Not Found</title>", Made("broken", "web page"))
    writer.bytes("broken/zeros.png", bytes(5000), Made("broken", "zeros"))


def _documents(writer: _Writer) -> None:
    for draw, ending in (
        *((portrait, ".psd"), (landscape, ".psb"), (screenshot, ".kra"), (texture, ".ora"), (comic, ".clip")),
    ):
        name = f"documents/{draw.__name__}{ending}"
        writer.bytes(name, flattened(draw(writer.random(name)), ending), Made("document", draw.__name__))
    badge = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 48"><rect width="64" height="48" '
        'fill="#2d6a4f"/><circle cx="32" cy="24" r="18" fill="#ffd166"/></svg>'
    )
    writer.bytes("documents/badge.svg", badge.encode(), Made("document", "badge"))
    page = io.BytesIO()
    comic(writer.random("documents/page.pdf")).save(page, "PDF", title="", creationDate=None, modDate=None)
    writer.bytes("documents/page.pdf", page.getvalue(), Made("document", "comic"))
    writer.bytes("broken/cut.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Made("broken", "truncated"))
    writer.bytes("broken/cut.jxl", b"\xff\x0a" + bytes(16), Made("broken", "truncated"))
    layers = psd([[b"\xff" * 8] * 8] * 3, 3, size=(8, 8), resources=resource(1057, bytes(5)))
    writer.bytes("broken/layers_only.psd", layers, Made("broken", "no flattened picture"))
    writer.bytes("broken/cut.clip", b"CSFCHUNK" + bytes(16), Made("broken", "truncated"))
    writer.bytes("broken/empty.kra", zipped("application/x-krita"), Made("broken", "no flattened picture"))


def _unsupported(writer: _Writer) -> None:
    head = {
        "drawing.xcf": b"gimp xcf v011\0" + bytes(16),
        "vector.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "camera.cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(16),
        "clip.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    }
    for name, content in head.items():
        writer.bytes(f"other/{name}", content, Made("unsupported", PurePosixPath(name).suffix))
    for name, ending in (
        ("20190304_DqWx.jpg_large", "JPEG"),
        ("saved-picture", "PNG"),
        ("photo.jpg!d", "JPEG"),
    ):
        picture = portrait(writer.random(name))
        writer.picture(f"other/{name}", picture, Made("unnamed", "portrait"), ending)


def _named(writer: _Writer) -> None:
    """Names that trip terminals, shells, globs and tables up."""
    names = (
        "two\nlines.png",
        "zz\n/inside.png",
        "escape\x1b[31mred.png",
        "clip\x1b]52;c;aGk=\x07board.png",
        "turned\u202egpj.png",
        "cafe\u0301.png",  # NFD
        "caf\u00e9 (1).png",
        "\u5149\u306e\u6d77.png",
        "\U0001f431 cat.png",
        "\U0001f469\u200d\U0001f3a8.png",
        f"{'long' * 49}.png",
        "-rf.png",
        "--help.png",
        "[Artist] Set/[01].png",
        "[Artist] Set/[02].png",
        "a, b.png",
        'say "hi".png',
        "it's.png",
        "tab\there.png",
        " leading and trailing .png",
        "100%.png",
        "$HOME `id`.png",
        "a&b;c|d.png",
        "back\\slash.png",
        "colon:here.png",
        "star*and?.png",
        "UPPER.PNG",
        "no.dots.in.the.middle.png",
        "+cmd.png",
        "=HYPERLINK(1).png",
        "#hash.png",
        "~tilde.png",
        "<b>bold.png",
    )
    for number, name in enumerate(names):
        picture = face(writer.random(f"named {number}"), EXPRESSIONS[number % len(EXPRESSIONS)], 160)
        writer.picture(f"names/{name}", picture, Made("art", "odd name"), "PNG")
    undecodable = os.fsdecode(b"names/latin1-\xe9.png")
    try:
        writer.picture(
            undecodable, face(writer.random("latin1"), "normal", 160), Made("art", "odd name"), "PNG"
        )
    except OSError:  # macOS and Windows have no such names
        writer.made.pop(undecodable, None)


def _clutter(writer: _Writer) -> None:
    places = (
        "@eaDir/view.jpg/SYNOPHOTO_THUMB_M.jpg",
        ".thumbnails/normal/0af3.png",
        "#recycle/gone.png",
        "__MACOSX/._view.png",
        "$RECYCLE.BIN/S-1-5/$R1.png",
        ".Trash-1000/files/old.png",
        ".cache/x.png",
    )
    for name in places:
        writer.picture(name, landscape(writer.random(name), (128, 96)), Made("clutter", "clutter"))
    writer.bytes("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), Made("clutter", "clutter"))
    writer.bytes("landscapes/.DS_Store", b"\0\0\0\1Bud1" + bytes(100), Made("clutter", "clutter"))
    writer.bytes("landscapes/._view_00.webp", b"\0\5\x16\7\0\2\0\0Mac OS X", Made("clutter", "clutter"))
    writer.bytes("desktop.ini", b"[.ShellClassInfo]\r\n", Made("clutter", "clutter"))


def _links(writer: _Writer) -> None:
    for name, target in (
        ("links/to folder", "../landscapes"),
        ("links/to file.webp", "../landscapes/view_00.webp"),
        ("links/dangling.png", "nowhere.png"),
        ("links/loop", "."),
    ):
        path = writer.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        writer.made[name] = Made("link", "dangling" if "dangling" in name else target)


def _copies(writer: _Writer) -> None:
    """Of some pictures: the same bytes, another format, quality, size, and a touch of paint."""
    chosen = [name for name, made in writer.made.items() if made.subject in {"portrait", "face", "landscape"}]
    for number, name in enumerate(sorted(chosen)[::4]):
        content = (writer.folder / name).read_bytes()
        path = PurePosixPath(name)
        subject = writer.made[name].subject
        made = Made("copy", subject, original=name)
        with Image.open(io.BytesIO(content)) as opened:
            picture = opened.convert("RGB")
        stem = f"copies/{number:02d}"
        if number % 5 == 0:
            writer.bytes(f"{stem} {path.stem} - Copy{path.suffix}", content, made)
        elif number % 5 == 1:
            writer.picture(f"{stem} {path.stem}_q70.jpg", picture, made, quality=70)
        elif number % 5 == 2:
            half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
            writer.picture(f"{stem} {path.stem}_small.png", half, made)
        elif number % 5 == 3:
            writer.picture(f"{stem} {path.stem}.webp", picture, made, quality=80)
        else:
            brighter = picture.point([min(255, round(1.06 * value)) for value in range(256)] * 3)
            writer.picture(f"{stem} {path.stem}_retouched.jpg", brighter, made, quality=92)


def _texts(writer: _Writer) -> None:
    """Captions in the forms of kohya and hydrus, a table of tags with lines that fit nothing, a README."""
    faces = sorted(
        name for name, made in writer.made.items() if made.subject == "face" and made.kind == "variant"
    )
    for name in faces[: 2 * len(EXPRESSIONS)]:
        expression = PurePosixPath(name).stem
        writer.bytes(
            f"{name.rpartition('.')[0]}.txt",
            f"1girl, {expression}, simple background".encode(),
            Made("text", "caption"),
        )
    portraits = sorted(
        name for name, made in writer.made.items() if made.subject == "portrait" and "/" in name
    )
    for name in [name for name in portraits if name.startswith("portraits/")][:4]:
        writer.bytes(f"{name}.txt", b"1boy\ncharacter:somebody\npainting\n", Made("text", "caption"))
    lines = [
        {"path": name, "tags": ["landscape", "sky"]}
        for name in writer.made
        if name.startswith("landscapes/view")
    ]
    lines += [
        {"path": "./photos/IMG_2001.JPG", "tags": ["photo"]},
        {"path": "photos\\IMG_2002.JPG", "tags": ["photo"]},
    ]
    lines += [
        {"path": "names/caf\u00e9.png", "tags": ["nfc"]},
        {"path": "nothing/here.png", "tags": ["lost"]},
    ]
    table = "".join(json.dumps(line) + "\n" for line in lines)
    writer.bytes("tags.jsonl", table.encode(), Made("text", "tags"))
    writer.bytes("README.txt", b"downloaded from somewhere\n", Made("text", "text"))


def _package_art(writer: _Writer) -> None:
    """Of every folder of every package, pictures spread evenly over its names."""
    for package, folders in PACKAGES.items():
        with tempfile.TemporaryDirectory() as place:
            subprocess.run(["apt-get", "download", package], cwd=place, check=True, capture_output=True)
            (archive,) = Path(place).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", archive, "unpacked"], cwd=place, check=True)
            for folder in folders:
                (root,) = Path(place, "unpacked/usr/share").glob(folder)
                found = [
                    path for path in sorted(root.rglob("*.png")) if path.is_file() and not path.is_symlink()
                ]
                for path in found[:: math.ceil(len(found) / OF_A_FOLDER)]:
                    name = f"packages/{package}/{root.name}/{path.relative_to(root).as_posix()}"
                    writer.bytes(name, path.read_bytes(), Made("art", package))


def main() -> None:
    """Make the folder and say what is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", action="store_true", help="add real art of Debian packages")
    given = parser.parse_args()
    made = make_mixed_art(given.folder, count=given.count, seed=given.seed, packages=given.packages)
    kinds = Counter(entry.kind for entry in made.values())
    print(
        f"{len(made)} files in {given.folder}: " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    )


if __name__ == "__main__":
    main()
