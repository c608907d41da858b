"""A morph drawn as a walk over a plane: its pictures joined by arrows, others small and pale around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from i2v_search.images.signature import signed
from i2v_search.pictures.drawing.cards import (
    ACCENT,
    FIRST,
    LAST,
    MUTED,
    PAGE,
    SMOOTH,
    Colour,
    Layout,
    Tile,
    draw_badge,
    draw_rounded,
    fitted,
    framed,
    rounded_mask,
)
from i2v_search.pictures.drawing.fonts import fit_text
from i2v_search.pictures.drawing.scatter import part_boxes, place_around
from i2v_search.pictures.drawing.strips import marks

# Lengths in sides of a stop's picture.
_BOX = (1.5, 1.42)
_SMALL = 0.46
_FADED = 0.5
#: Of its width, what a page is high before pictures are moved apart.
_TALL = 0.36
_LARGEST, _SMALLEST, _BADGE = 260, 32, 130
_EDGE = (203, 208, 217)


def draw_walk(
    tiles: Sequence[Tile],
    around: Sequence[Image.Image],
    coordinates: NDArray[np.float32],
    *,
    pixels: int = 1600,
    note: str = "",
) -> Image.Image:
    """Draw the pictures of a morph where they belong, moved apart so that none covers another.

    Args:
        tiles: A, the intermediates and B: at least two; highlighted ones are waypoints.
        around: pictures to draw small and pale where there is room for them, the most important first.
        coordinates: (tiles + around, 2) float32, x to the right and y downwards, A and B about 1 apart.
        pixels: the most that the page is wide; less where the pictures would be larger than 260 pixels,
            more where they would be smaller than 32.
        note: a line below everything.

    Returns:
        An RGB image.

    Example:
        >>> pictures = [Tile(Image.new("RGB", (9, 9), colour), colour) for colour in ("red", "blue")]
        >>> draw_walk(pictures, [], np.array([[0, 0], [1, 0]], np.float32), pixels=900).width <= 900
        True
    """
    places, wanted = _arranged(coordinates.astype(np.float64), len(tiles))
    edge = 0.5 + (1.15 * _SMALL if len(around) else 0.25)
    low, high = places.min(axis=0) - edge, places.max(axis=0) + edge
    side = max(_SMALLEST, min(_LARGEST, int(pixels / (high - low)[0])))
    layout, small = Layout(side), round(side * _SMALL)
    centres, room = (places - low) * side, (high - low) * side
    boxes = np.concatenate([centres - side * 0.53, centres + side * 0.53], axis=1)
    free = place_around((wanted - low) * side, small + layout.scaled(6), boxes, (room[0], room[1]))
    # A margin that no picture needed is cut off above and below.
    used = [centre for centre in free if centre is not None]
    top = min([boxes[:, 1].min(), *(y - small / 2 for _, y in used)]) - layout.margin
    bottom = max([boxes[:, 3].max(), *(y + small / 2 for _, y in used)]) + layout.margin
    up = np.array([0.0, top])
    page = Image.new("RGB", (int(room[0]), int(bottom - top) + (layout.text if note else 0)), PAGE)
    for picture, centre in zip(around, free, strict=True):
        if centre is not None:
            _paste_faded(page, picture, np.array(centre) - up, small)
    centres -= up
    _draw_way(page, centres, side)
    badge = Layout(max(_BADGE, round(side * 0.8)))
    for number, (tile, centre, (letter, colour)) in enumerate(zip(tiles, centres, marks(tiles), strict=True)):
        corner = _draw_stop(page, tile, centre, side, colour)
        draw_badge(page, corner, letter or str(number), colour or MUTED, badge)
    if note:
        text, font = fit_text(note, layout.text, page.width - 2 * layout.text)
        place = (layout.text, page.height - round(0.6 * layout.text))
        ImageDraw.Draw(page).text(place, text, fill=MUTED, font=font, anchor="ls")
    return signed(page)


def _arranged(plane: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of the stops and of what is around them, in sides of a stop's picture."""
    spread = _spread(plane[:count], count)
    # Where all are about as far from each other, any order across is as true as another: half of it is the
    # order of the walk, so that arrows seldom turn back.
    walked = plane[:count].copy()
    walked[:, 0] = (walked[:, 0] + np.linspace(plane[0, 0], plane[count - 1, 0], count)) / 2
    places = part_boxes(walked * spread, _BOX)
    stops, around = plane[:count] * spread, plane[count:] * spread
    nearest = np.argmin(((around[:, None] - stops[None]) ** 2).sum(axis=2), axis=1)
    return places, around + (places - stops)[nearest]


def _spread(path: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Size of a unit of x and of y in picture sides: a page slightly wider than high."""
    across = 2.2 * math.sqrt(count) + 1
    tall = max(float(np.ptp(path[:, 1])), 1e-9)
    return np.array([across / max(float(np.ptp(path[:, 0])), 1e-9), min(across, _TALL * across / tall)])


def _paste_faded(page: Image.Image, picture: Image.Image, place: NDArray[np.float64], side: int) -> None:
    tile = framed(fitted(picture, side), side)
    pale = Image.blend(Image.new("RGB", tile.size, PAGE), tile.convert("RGB"), _FADED)
    corner = (round(place[0] - tile.width / 2), round(place[1] - tile.height / 2))
    page.paste(pale, corner, tile.getchannel("A"))


def _draw_stop(
    page: Image.Image, tile: Tile, centre: NDArray[np.float64], side: int, colour: Colour | None
) -> tuple[int, int]:
    """A square card around its centre; the corner is returned."""
    left, top = (round(place - side / 2) for place in centre.tolist())
    border = max(2, side // 40 if colour else side // 80)
    radius = side // 12
    draw_rounded(page, (left, top, left + side, top + side), radius, colour or _EDGE)
    inner = side - 2 * border
    panel = Image.new("RGB", (inner, inner), PAGE)
    picture = fitted(tile.image, side - side // 7)
    panel.paste(picture, ((inner - picture.width) // 2, (inner - picture.height) // 2))
    page.paste(panel, (left + border, top + border), rounded_mask(panel.size, radius - border))
    return left, top


def _draw_way(page: Image.Image, centres: NDArray[np.float64], side: int) -> None:
    """Arrows from picture to picture, their colour turning from that of A to that of B."""
    arrows = []
    for start, stop in pairwise(centres):
        away = stop - start
        # To the edge of the square card, and a little gap.
        reach = (side / 2) / np.abs(away).max() + 0.05 * side / np.linalg.norm(away)
        arrows.append((start + reach * away, stop - reach * away))
    # First what parts them from the ground, for one must not cut another.
    for start, tip in arrows:
        _draw_arrow(page, start, tip, side, None)
    for number, (start, tip) in enumerate(arrows):
        _draw_arrow(page, start, tip, side, colour_at((number + 0.5) / len(arrows)))


def _draw_arrow(
    page: Image.Image, start: NDArray[np.float64], tip: NDArray[np.float64], side: int, colour: Colour | None
) -> None:
    """An arrow of a colour; for None only a broader one in that of the page."""
    stroke, head = max(2.5, side / 45), max(6.0, side / 14)
    halo = 0.0 if colour else 2.2 * stroke
    low = np.floor(np.minimum(start, tip) - 2 * head).astype(int)
    width, height = (np.ceil(np.maximum(start, tip) + 2 * head).astype(int) - low).tolist()
    first, last = (start - low) * SMOOTH, (tip - low) * SMOOTH
    ahead = (last - first) / np.linalg.norm(last - first)
    base = last - ahead * head * 1.6 * SMOOTH
    wing = np.array([-ahead[1], ahead[0]]) * head * 0.9 * SMOOTH
    corners = [tuple(corner.tolist()) for corner in (last, base + wing, base - wing)]
    mask = Image.new("L", (width * SMOOTH, height * SMOOTH))
    draw = ImageDraw.Draw(mask)
    draw.line([tuple(first.tolist()), tuple(base.tolist())], fill=255, width=round((stroke + halo) * SMOOTH))
    draw.polygon(corners, fill=255)
    if not colour:
        draw.line([*corners, corners[0]], fill=255, width=round(halo * SMOOTH), joint="curve")
    small = mask.resize((width, height), Image.Resampling.BOX)
    page.paste(colour or PAGE, (int(low[0]), int(low[1])), small)


def colour_at(share: float) -> Colour:
    """The colour at a share of the way from A, over that of waypoints, to B."""
    start, stop = (FIRST, ACCENT) if share < 0.5 else (ACCENT, LAST)
    part = share * 2 % 1
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(start, stop, strict=True))
    return red, green, blue
