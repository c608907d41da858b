"""Pictures scattered over a page near to where they belong, none on top of another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 400
_GROWTH = 1.08
#: Of the way that parts two boxes, what they go at a time: less trembles less.
_STEP = 0.6
_GOLDEN = math.pi * (3 - math.sqrt(5))
_TRIES = 240


def part_boxes(centres: NDArray[np.float64], size: tuple[float, float]) -> NDArray[np.float64]:
    """Move equal boxes apart until none overlaps another, each as little as seems needed.

    Two boxes that overlap go apart along the side on which they overlap less. Where that does not settle,
    all places are spread out from their middle a little, and it continues.

    Args:
        centres: (n, 2) of the boxes.
        size: width and height of each.

    Returns:
        (n, 2) centres. Boxes that touch do not overlap.

    Example:
        >>> part_boxes(np.array([[0.0, 0], [1, 0], [9, 0]]), (2, 2))[:, 0].round(1).tolist()
        [-0.5, 1.5, 9.0]
    """
    places = centres.astype(np.float64)
    # Equal places would never part: a sunflower's seeds around each break the tie.
    ranks = np.arange(len(places))
    places += 1e-3 * min(size) * np.stack([np.cos(ranks * _GOLDEN), np.sin(ranks * _GOLDEN)], axis=1)
    room = np.array(size)
    while len(places) > 1:
        for _ in range(_ROUNDS):
            apart = places[:, None] - places[None, :]
            overlap = room - np.abs(apart)
            touching: NDArray[np.bool_] = (overlap > 1e-6 * room).all(axis=2) & ~np.eye(
                len(places), dtype=bool
            )
            if not touching.any():
                return places
            axis = (overlap[..., 0] / room[0] > overlap[..., 1] / room[1]).astype(int)
            push = np.take_along_axis(overlap, axis[..., None], 2)[..., 0]
            push *= np.sign(np.take_along_axis(apart, axis[..., None], 2)[..., 0]) * touching
            for side in (0, 1):
                places[:, side] += _STEP / 2 * (push * (axis == side)).sum(axis=1)
            # The last thousandth would take forever.
            places += 1e-3 * _STEP * (places - places.mean(axis=0)) * np.any(touching, axis=1, keepdims=True)
        places = places.mean(axis=0) + _GROWTH * (places - places.mean(axis=0))
    return places


def place_around(
    wanted: NDArray[np.float64], side: float, taken: NDArray[np.float64], page: tuple[float, float]
) -> list[tuple[float, float] | None]:
    """Find each small square a free place near where it wants to be, first come first served.

    Args:
        wanted: (n, 2) centres.
        side: side of each square.
        taken: (m, 4) boxes that are in the way, left, top, right, bottom.
        page: width and height; squares stay within.

    Returns:
        The centre of each; None for one that found no place within a few of its sides.

    Example:
        >>> place_around(np.array([[5.0, 5], [5, 5]]), 2, np.empty((0, 4)), (10, 10))[0]
        (5.0, 5.0)
    """
    boxes = [tuple(box) for box in taken.tolist()]
    places: list[tuple[float, float] | None] = []
    steps = np.arange(_TRIES)
    spiral = (
        0.22
        * side
        * np.sqrt(steps)[:, None]
        * np.stack([np.cos(steps * _GOLDEN), np.sin(steps * _GOLDEN)], axis=1)
    )
    half = side / 2
    for centre in wanted:
        tries = np.clip(centre + spiral, half, np.array(page) - half)
        occupied = np.array(boxes).reshape(-1, 4)
        clash = (
            (tries[:, None, 0] + half > occupied[:, 0])
            & (tries[:, None, 0] - half < occupied[:, 2])
            & (tries[:, None, 1] + half > occupied[:, 1])
            & (tries[:, None, 1] - half < occupied[:, 3])
        ).any(axis=1)
        free = np.flatnonzero(~clash)
        if not len(free):
            places.append(None)
            continue
        x, y = tries[free[0]].tolist()
        boxes.append((x - half, y - half, x + half, y + half))
        places.append((x, y))
    return places
