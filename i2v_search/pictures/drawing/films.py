"""Pictures that fade into one another: the frames of a film that goes there and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw

from i2v_search.pictures.drawing.cards import ARROW, CARD, FIRST, LAST, PAGE, SMOOTH, fitted, rounded_mask
from i2v_search.pictures.drawing.fonts import built_in
from i2v_search.pictures.drawing.walks import colour_at

#: What fills whole areas of every frame.
FILM_COLOURS = (PAGE, CARD, ARROW, FIRST, LAST, (0, 0, 0))

#: Milliseconds that a picture stays, an end longer, and that one takes to become the next.
PAUSE, END_PAUSE, FADE = 1000, 1600, 700
_MOST_FADED, _FEWEST_FADED = 12, 4
#: There and back, about.
_FRAMES = 240
_BAR, _BORDER, _PADDING = 0.085, 0.03, 0.02


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a film.

    Attributes:
        image: RGB, of the same size in all frames.
        milliseconds: how long it stays, a multiple of 10.
    """

    image: Image.Image
    milliseconds: int


def faded_frames(stops: int) -> int:
    """Number of frames between two pictures: fewer in a long animation.

    >>> faded_frames(6), faded_frames(22), faded_frames(200)
    (12, 4, 4)
    """
    return max(_FEWEST_FADED, min(_MOST_FADED, _FRAMES // max(1, 2 * (stops - 1)) - 1))


def film(pictures: Sequence[Image.Image], side: int) -> list[Frame]:
    """Fade from the first picture to the last and back, to be shown in a loop.

    Every picture stays for a while; below it a dot moves from A to B. There are 2 (n - 1) (1 + f) frames for
    n pictures and `faded_frames` f; the last of them fades into the first. On the way back the frames are the
    same objects as on the way there.

    Args:
        pictures: two or more, of any mode and shape; each is fitted into a white square.
        side: width of the frames in pixels; they are a little higher.

    Example:
        >>> frames = film([Image.new("RGB", (9, 9), name) for name in ("red", "blue")], 64)
        >>> len(frames), {frame.image.size for frame in frames}
        (26, {(64, 70)})
    """
    squares = [_letterboxed(picture, side) for picture in pictures]
    last, count = len(squares) - 1, faded_frames(len(squares))
    # Multiples of 10 ms: GIF knows no others.
    short = round(FADE / count / 10) * 10
    there: list[Frame] = []
    for number, (here, next_) in enumerate(pairwise(squares)):
        there.append(Frame(_framed(here, number / last, side), PAUSE if number else END_PAUSE))
        for step in range(1, count + 1):
            share = step / (count + 1)
            # Slow at both ends: the cubic 3 s^2 - 2 s^3.
            eased = share * share * (3 - 2 * share)
            there.append(
                Frame(_framed(Image.blend(here, next_, eased), (number + eased) / last, side), short)
            )
    return [*there, Frame(_framed(squares[-1], 1, side), END_PAUSE), *there[:0:-1]]


def _letterboxed(picture: Image.Image, side: int) -> Image.Image:
    """A white square with round corners and the whole picture in it, on light grey."""
    border, padding = round(side * _BORDER), round(side * _PADDING)
    square = Image.new("RGB", (side, side), CARD)
    panel = Image.new("RGB", (side - 2 * border, side - 2 * border), PAGE)
    small = fitted(picture, panel.width - 2 * padding)
    panel.paste(small, ((panel.width - small.width) // 2, (panel.height - small.height) // 2))
    square.paste(panel, (border, border), rounded_mask(panel.size, round(side * 0.04)))
    return square


def _framed(square: Image.Image, share: float, side: int) -> Image.Image:
    """The picture above a line from A to B on which a dot stands at a share of the way."""
    # Even numbers suit every encoder of moving pictures.
    bar = 2 * round(side * (1 + _BAR) / 2) - side
    frame = Image.new("RGB", (side, side + bar), CARD)
    frame.paste(square)
    large = Image.new("RGB", (side * SMOOTH, bar * SMOOTH), CARD)
    draw, middle = ImageDraw.Draw(large), bar * SMOOTH / 2
    left, right, radius = 0.09 * large.width, 0.91 * large.width, 0.2 * large.height
    draw.line([(left, middle), (right, middle)], fill=ARROW, width=max(1, round(0.05 * large.height)))
    x = left + (right - left) * share
    draw.ellipse([x - radius, middle - radius, x + radius, middle + radius], fill=colour_at(share))
    frame.paste(large.resize((side, bar), Image.Resampling.BOX), (0, side))
    font = built_in(max(8, round(bar * 0.5)))
    for letter, place, ink in (("A", 0.045, FIRST), ("B", 0.955, LAST)):
        where = (place * side, side + bar / 2 + font.size * 0.36)
        ImageDraw.Draw(frame).text(where, letter, fill=ink, font=font, anchor="ms")
    return frame
