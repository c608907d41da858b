"""The curves of a run as a picture: losses and mean average precision by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from i2v_search.images.signature import signed

Point: TypeAlias = tuple[float, float]

_SIZE = (560, 360)
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 48, 20, 44
_SMOOTH = 2
_INK, _MUTED, _GRID = (24, 28, 38), (104, 112, 128), (226, 229, 235)
_COLOURS = ((79, 70, 229), (225, 82, 40))


def draw_curves(epochs: Sequence[Mapping[str, Any]], best_epoch: int | None = None) -> Image.Image:
    """Draw a run: the losses on the left, the mean average precision on the right.

    Args:
        epochs: of `RunReport.epochs`.
        best_epoch: marked by a line.

    Returns:
        An RGB picture of 1120 x 360 pixels.

    Example:
        >>> epoch = {"number": 1, "training_loss": 0.5, "validation_loss": None, "validation_map": None}
        >>> draw_curves([epoch]).size
        (1120, 360)
    """
    page = Image.new("RGB", (2 * _SIZE[0] * _SMOOTH, _SIZE[1] * _SMOOTH), "white")
    panels = (
        ("loss", {"training": "training_loss", "validation": "validation_loss"}),
        ("mean average precision, validation", {"": "validation_map"}),
    )
    for place, (title, keys) in enumerate(panels):
        curves = {
            name: [(epoch["number"], epoch[key]) for epoch in epochs if epoch[key] is not None]
            for name, key in keys.items()
        }
        panel = _draw_panel(title, curves, max((epoch["number"] for epoch in epochs), default=1), best_epoch)
        page.paste(panel, (place * panel.width, 0))
    return signed(page.resize((2 * _SIZE[0], _SIZE[1]), Image.Resampling.LANCZOS))


def _draw_panel(
    title: str, curves: Mapping[str, Sequence[Point]], last: int, best: int | None
) -> Image.Image:
    width, height = (side * _SMOOTH for side in _SIZE)
    left, top, right, bottom = (side * _SMOOTH for side in (_LEFT, _TOP, _RIGHT, _BOTTOM))
    panel = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(13 * _SMOOTH)
    values = [value for curve in curves.values() for _, value in curve]
    ticks = nice_ticks(min(values, default=0.0), max(values, default=1.0))

    def place(point: Point) -> Point:
        across = (point[0] - 1) / max(last - 1, 1)
        up = (point[1] - ticks[0]) / (ticks[-1] - ticks[0])
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    draw.text((left, 14 * _SMOOTH), title, _INK, font)
    for tick in ticks:
        y = place((1, tick))[1]
        draw.line((left, y, width - right, y), _GRID, _SMOOTH)
        draw.text((left - 8 * _SMOOTH, y), f"{tick:.4g}", _MUTED, font, anchor="rm")
    for number in sorted({1, *(math.ceil(last * part / 4) for part in range(1, 5))}):
        x = place((number, 0))[0]
        draw.text((x, height - bottom + 8 * _SMOOTH), str(number), _MUTED, font, anchor="ma")
    draw.text((width - right, height - 4 * _SMOOTH), "epoch", _MUTED, font, anchor="rd")
    if best is not None and values:
        x = place((best, 0))[0]
        draw.line((x, top, x, height - bottom), _MUTED, _SMOOTH)
    edge = width - right
    for (name, curve), colour in reversed(list(zip(curves.items(), _COLOURS, strict=False))):
        points = [place(point) for point in curve]
        draw.line(points, colour, 2 * _SMOOTH, joint="curve")
        for x, y in points if len(points) < 40 else ():
            reach = 3 * _SMOOTH
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), colour)
        if name and points:
            draw.text((edge, 14 * _SMOOTH), name, colour, font, anchor="ra")
            edge -= round(draw.textlength(name, font)) + 16 * _SMOOTH
    return panel


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers, evenly spaced, that enclose a range.

    Example:
        >>> nice_ticks(0.13, 0.48)
        [0.1, 0.2, 0.3, 0.4, 0.5]
    """
    if high - low < 1e-9 * max(abs(high), 1e-3):
        low, high = low - max(abs(low), 1e-3) / 2, high + max(abs(high), 1e-3) / 2
    rough = (high - low) / (count - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(part * power for part in (1, 2, 2.5, 5, 10) if part * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
