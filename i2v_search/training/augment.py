"""Random changes of a picture that leave what it shows as it is.

Every change follows from (seed, epoch, row) alone, so that a run can be repeated and resumed whatever the
number of decoding threads.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field, fields
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from i2v_search.errors import TrainingError

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """Frequency and strength of random changes of pictures; chances are in [0, 1].

    Attributes:
        flip: chance of a mirror image.
        crop: chance of a random crop, and `crop_area` and `crop_aspect`, the ranges of its area as a share of
            the picture's and of its aspect ratio as a multiple of the picture's.
        rotate: chance of a rotation by up to `degrees` either way; the corners become white.
        colour: chance of colour jitter: brightness, contrast and saturation by a factor in 1 +- `jitter`, hue
            by up to `hue` of a turn. Large turns of hue would make colour tags wrong.
        jpeg: chance of being saved as a JPEG of a quality in `jpeg_quality`.
        grey: chance of greyscale.
        line_art: chance of being reduced to its lines.

    Example:
        >>> Augmentation(flip=1).crop_area
        (0.6, 1.0)
    """

    flip: float = 0.5
    crop: float = 0.8
    crop_area: Range = field(default=(0.6, 1.0), metadata={"bounds": (0.01, 1)})
    crop_aspect: Range = field(default=(0.8, 1.25), metadata={"bounds": (0.1, 10)})
    rotate: float = 0.3
    degrees: float = field(default=12.0, metadata={"bounds": (0, 180)})
    colour: float = 0.5
    jitter: float = field(default=0.2, metadata={"bounds": (0, 1)})
    hue: float = field(default=0.02, metadata={"bounds": (0, 0.5)})
    jpeg: float = 0.2
    jpeg_quality: tuple[int, int] = field(default=(30, 95), metadata={"bounds": (1, 100)})
    grey: float = 0.05
    line_art: float = 0.03

    def __post_init__(self) -> None:
        for entry in fields(self):
            low, high = entry.metadata.get("bounds", (0, 1))
            value = getattr(self, entry.name)
            ends = value if isinstance(value, tuple) else (value, value)
            if not low <= ends[0] <= ends[1] <= high:
                raise TrainingError(f"augmentation {entry.name} is {value}; it must lie in {low} .. {high}")


#: Pictures as they are.
NO_AUGMENTATION = Augmentation(flip=0, crop=0, rotate=0, colour=0, jpeg=0, grey=0, line_art=0)


def random_of(seed: int, epoch: int, row: int) -> np.random.Generator:
    """The random numbers of one picture in one epoch.

    Example:
        >>> random_of(0, 1, 2).random() == random_of(0, 1, 2).random()
        True
    """
    return np.random.default_rng((seed, epoch, row))


def augment(image: Image.Image, settings: Augmentation, random: np.random.Generator) -> Image.Image:
    """Change a picture at random.

    Args:
        image: RGB, any size.
        settings: how often and how far.
        random: where chance comes from.

    Returns:
        An RGB picture; a crop of it has another size.

    Example:
        >>> picture = Image.new("RGB", (40, 30), "teal")
        >>> augment(picture, NO_AUGMENTATION, random_of(0, 0, 0)) is picture
        True
    """
    # One draw for every change, made or not: what one does never moves another's chance.
    chances = random.random(7)
    if chances[0] < settings.flip:
        image = ImageOps.mirror(image)
    if chances[1] < settings.rotate:
        angle = random.uniform(-settings.degrees, settings.degrees)
        image = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=(255, 255, 255))
    if chances[2] < settings.crop:
        image = image.crop(_crop_box(image.size, settings, random))
    if chances[3] < settings.line_art:
        image = line_art(image)
    elif chances[4] < settings.grey:
        image = ImageOps.grayscale(image).convert("RGB")
    elif chances[5] < settings.colour:
        image = _jitter(image, settings, random)
    if chances[6] < settings.jpeg:
        image = _through_jpeg(image, int(random.integers(*settings.jpeg_quality, endpoint=True)))
    return image


def line_art(image: Image.Image) -> Image.Image:
    """The lines of a picture, dark on white: its brightness over that of its brightest neighbour."""
    grey = ImageOps.grayscale(image)
    around = np.asarray(grey.filter(ImageFilter.MaxFilter(5)), np.float32)
    lines = np.asarray(grey, np.float32) / np.maximum(around, 1)
    return Image.fromarray(np.asarray(lines * 255, np.uint8)).convert("RGB")


def _crop_box(
    size: tuple[int, int], settings: Augmentation, random: np.random.Generator
) -> tuple[int, int, int, int]:
    area = random.uniform(*settings.crop_area)
    aspect = math.exp(random.uniform(*np.log(settings.crop_aspect)))
    shares = math.sqrt(area * aspect), math.sqrt(area / aspect)
    width, height = (max(1, round(side * min(1.0, share))) for side, share in zip(size, shares, strict=True))
    left, top = (
        int(random.integers(0, side - part + 1)) for side, part in zip(size, (width, height), strict=True)
    )
    return left, top, left + width, top + height


def _jitter(image: Image.Image, settings: Augmentation, random: np.random.Generator) -> Image.Image:
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    factors = random.uniform(1 - settings.jitter, 1 + settings.jitter, 3)
    turn = round(random.uniform(-settings.hue, settings.hue) * 256) % 256
    for enhancer, factor in zip(enhancers, factors.tolist(), strict=True):
        image = enhancer(image).enhance(factor)
    if not turn:
        return image
    hue, saturation, value = image.convert("HSV").split()
    hue = hue.point([(place + turn) % 256 for place in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    with Image.open(file, formats=["JPEG"]) as saved:
        return saved.convert("RGB")
