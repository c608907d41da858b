"""Rows whose true order is known: a swiss roll, two moons with a bridge, and chains of rendered shapes.

Everything is a function of a seed. `truth` are coordinates in which the true way between two rows is a
straight line: the unrolled sheet, the place along both moons, the numbers a shape is drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.morph_sets import Pairs

#: A hop leaves the manifold where it passes so far from every point; windings and moons are 5 apart and more.
AWAY = 1.5
SIZE, SCALE = 240, 2


@dataclass(frozen=True, eq=False)
class Manifold:
    """Points with known answers.

    Attributes:
        truth: (n, m) float64, see above.
        places: (n, 2 or 3) float64, where they are in space; None for pictures.
        chain: (n,) int64, the chain a picture is on, -1 for none; None for points.
    """

    truth: NDArray[np.float64]
    places: NDArray[np.float64] | None = None
    chain: NDArray[np.int64] | None = None

    def pairs(self, count: int, seed: int, nearest: float, farthest: float) -> Pairs:
        """Random pairs whose true distance is within two limits; pictures are of one chain."""
        draw = np.random.default_rng(seed)
        found: Pairs = []
        while len(found) < count:
            a, b = (int(row) for row in draw.integers(0, len(self.truth), 2))
            if self.chain is not None and (self.chain[a] < 0 or self.chain[a] != self.chain[b]):
                continue
            if nearest <= float(np.linalg.norm(self.truth[a] - self.truth[b])) <= farthest:
                found.append((a, b))
        return found

    def order(self, path: Sequence[int]) -> float:
        """Kendall's tau of the intermediates' order with that along the true line from A to B."""
        along = (self.truth[list(path)] @ (self.truth[path[-1]] - self.truth[path[0]]))[1:-1]
        signs = np.sign(along[None, :] - along[:, None])[np.triu_indices(len(along), 1)]
        return float(signs.mean())

    def error(self, path: Sequence[int]) -> float:
        """Mean distance of the intermediates from where even steps would put them, over that of the ends."""
        a, b = self.truth[path[0]], self.truth[path[-1]]
        share = np.arange(1, len(path) - 1)[:, None] / (len(path) - 1)
        off = np.linalg.norm(self.truth[list(path[1:-1])] - (a + share * (b - a)), axis=1)
        return float(off.mean() / np.linalg.norm(b - a))

    def astray(self, path: Sequence[int]) -> float:
        """Share of the hops that leave the manifold; for pictures, of the intermediates off the chain."""
        if self.chain is not None:
            return float((self.chain[list(path[1:-1])] != self.chain[path[0]]).mean())
        left, right = self.straight[list(path[:-1])], self.straight[list(path[1:])]
        passed = np.stack([left + share * (right - left) for share in (0.25, 0.5, 0.75)])
        nearest = np.linalg.norm(passed[..., None, :] - self.straight, axis=-1).min(axis=-1)
        return float((nearest.max(axis=0) > AWAY).mean())

    def length(self, path: Sequence[int]) -> float:
        """Sum of the straight hops over the true distance of the ends: below 1 it took a short cut."""
        true = np.linalg.norm(self.truth[path[-1]] - self.truth[path[0]])
        return float(_hops(self.straight, path).sum() / true)

    @property
    def straight(self) -> NDArray[np.float64]:
        """Where the rows are in space; of pictures, in the space of their numbers."""
        return self.truth if self.places is None else self.places


def _hops(coordinates: NDArray[np.float64], path: Sequence[int]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(np.diff(coordinates[list(path)], axis=0), axis=1))


def swiss_roll(count: int = 2000, seed: int = 0) -> Manifold:
    """(t cos t, h, t sin t), t from 1.5 pi to 4.5 pi, h from 0 to 21, even on the sheet.

    The windings are 2 pi apart, the sheet is 90 long; its coordinates are arc length and h.
    """
    draw = np.random.default_rng(seed)
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 10_000)
    arc = (t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2
    along, height = draw.uniform(arc[0], arc[-1], count), draw.uniform(0, 21, count)
    t = np.interp(along, arc, t)
    places = np.stack([t * np.cos(t), height, t * np.sin(t)], axis=1)
    return Manifold(np.stack([along, height], axis=1), places)


def two_moons(count: int = 900, seed: int = 0) -> Manifold:
    """Two half circles of radius 10 whose tips a thin straight bridge joins, noise 0.2.

    Each reaches into the other and comes as close as 5, where the way along is 20 and more. The bridge, a
    seventh of the way, has a thirtieth of the points.
    """
    draw = np.random.default_rng(seed)
    first, last = np.array([10.0, 0.0]), np.array([0.0, 5.0])
    gap = float(np.linalg.norm(last - first))
    few = count // 30
    where = draw.uniform(0, 1, count)
    part = np.repeat([0, 1, 2], [(count - few) // 2, few, count - few - (count - few) // 2])
    angle = np.pi * where
    curves = np.stack(
        [
            np.stack([-10 * np.cos(angle), 10 * np.sin(angle)], axis=1),
            first + where[:, None] * (last - first),
            np.stack([10 - 10 * np.cos(angle), 5 - 10 * np.sin(angle)], axis=1),
        ]
    )
    lengths = np.array([10 * np.pi, gap, 10 * np.pi])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    places = curves[part, np.arange(count)] + draw.normal(0, 0.2, (count, 2))
    return Manifold((starts[part] + where * lengths[part])[:, None], places)


def lift(places: NDArray[np.float64], width: float) -> NDArray[np.float32]:
    """Unit rows (n, d) whose inner products are exp(-|x - y|^2 / (2 width^2)), to float32 precision.

    Rows of the square root of a Gaussian kernel matrix (kernel PCA, Schoelkopf et al. 1998): near points keep
    their distances, far ones are all at right angles, as those of many real dimensions.
    """
    squares = (places**2).sum(axis=1)
    kernel = np.exp(-(squares[:, None] + squares - 2 * places @ places.T) / (2 * width**2))
    values, axes = np.linalg.eigh(kernel)
    kept = values > 1e-7 * values[-1]
    rows = axes[:, kept] * np.sqrt(values[kept])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def shape_chains(
    folder: Path, chains: int = 60, length: int = 26, others: int = 440, seed: int = 0
) -> Manifold:
    """Draw chains of pictures that change evenly from one shape to another, and single pictures beside them.

    Outline, colour and size of a chain go in a straight line from those of its first picture to those of its
    last. Files are named in the order of the rows, so that a collection has them in this order.
    """
    draw = np.random.default_rng(seed)
    outlines = _outlines()
    truth, chain = [], []
    for number in range(chains + others):
        shapes = np.eye(len(outlines))[draw.choice(len(outlines), 2, replace=False)]
        ends = np.concatenate([shapes, draw.uniform(0, 0.8, (2, 3)), draw.uniform(0.4, 1, (2, 1))], axis=1)
        shares = np.linspace(0, 1, length) if number < chains else draw.uniform(0, 1, 1)
        truth.append(ends[0] + shares[:, None] * (ends[1] - ends[0]))
        chain += [number if number < chains else -1] * len(shares)
    numbers = np.concatenate(truth)
    for row, of in enumerate(numbers):
        _draw(of[: len(outlines)] @ outlines, of[-4:-1], float(of[-1])).save(
            folder / f"{row:05d}.png", compress_level=1
        )
    return Manifold(numbers, chain=np.array(chain))


def _outlines(points: int = 240) -> NDArray[np.float64]:
    """(8, points): distance of the outline from the centre, by angle, the largest 1."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)

    def polygon(sides: int) -> NDArray[np.float64]:
        return np.asarray(np.cos(np.pi / sides) / np.cos(angle % (2 * np.pi / sides) - np.pi / sides))

    def star(spikes: int, depth: float) -> NDArray[np.float64]:
        return 1 - depth * np.abs((angle * spikes / np.pi) % 2 - 1)

    flower = 0.7 + 0.3 * np.cos(6 * angle)
    drop = 0.35 + 0.65 * np.cos(angle / 2) ** 8
    shapes = [np.ones(points), polygon(3), polygon(4), polygon(6), star(5, 0.6), star(12, 0.45), flower, drop]
    return np.stack(shapes)


def _draw(outline: NDArray[np.float64], colour: NDArray[np.float64], size: float) -> Image.Image:
    """A filled outline; its grey frame keeps the encoder from cutting the paper off, and so the size."""
    side = SIZE * SCALE
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, side - 1, side - 1), outline="grey", width=4 * SCALE)
    angle = np.linspace(0, 2 * np.pi, len(outline), endpoint=False) - np.pi / 2
    reach = 0.45 * side * size * outline
    corners = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None] + side / 2
    red, green, blue = (int(value) for value in (255 * colour).round())
    pen.polygon(
        [(float(x), float(y)) for x, y in corners], fill=(red, green, blue), outline="black", width=3 * SCALE
    )
    return picture.reduce(SCALE)
