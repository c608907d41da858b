"""Pictures made square for foreign models, with the arithmetic of the models' own preprocessing.

===========  ==========================================================================================
stretch      resized to the square
pad          centred on a square of the padding colour, then resized: the taggers of SmilingWolf
letterbox    resized to fit, then centred on the padding colour
crop         the shorter side resized, then the centre cut out: ``CLIPImageProcessor`` of transformers,
             which rounds the longer side down, and the corner of the cut too
===========  ==========================================================================================
"""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageOps

from i2v_search.encoders.model_card import OnnxDescription

#: A picture of at least twice so many times the input's side is first reduced, to no less than so many times:
#: the input then differs by less than a third of a grey level on average.
_REDUCED: Final = 4
#: A longer strip is cut to so many times its width, to bound memory.
_LONGEST: Final = 16


def fit_square(image: Image.Image, description: OnnxDescription) -> Image.Image:
    """Make an RGB picture square, as the description says.

    Example:
        >>> description = OnnxDescription(size=8, resize="pad", pad_colour=(0, 0, 0))
        >>> fitted = fit_square(Image.new("RGB", (40, 20), "white"), description)
        >>> fitted.size, fitted.getpixel((4, 0)), fitted.getpixel((4, 4))
        ((8, 8), (0, 0, 0), (255, 255, 255))
    """
    size, colour = (description.size, description.size), description.pad_colour
    resample = Image.Resampling[description.resample.upper()]
    match description.resize:
        case "stretch":
            return image.resize(size, resample)
        case "pad" if description.exact:
            return _pad(image, description.size, colour).resize(size, resample)
        case "pad" | "letterbox":
            return _letterbox(image, description.size, colour, resample)
        case "crop" if description.exact:
            return _crop(image, description.size, resample)
        case "crop":
            return ImageOps.fit(image, size, resample)


def shrink_to(description: OnnxDescription) -> int:
    """The shorter side to which the decoder may reduce a picture; see `Encoder.shrink_to`."""
    return description.size * (_REDUCED if description.exact else 1)


def preprocessing_of(description: OnnxDescription) -> str:
    """Name the way an image becomes the input, for `EncoderInfo.preprocessing`.

    >>> preprocessing_of(OnnxDescription(size=224, resize="crop", scale=255))
    'rgb-224-crop-bicubic-exact-nchw-255,0,0,0,1,1,1'
    """
    numbers = ",".join(f"{value:g}" for value in (description.scale, *description.mean, *description.std))
    parts = [
        description.channels.lower(),
        str(description.size),
        description.resize,
        description.resample,
        "exact" if description.exact else "",
        bytes(description.pad_colour).hex() if description.resize in {"pad", "letterbox"} else "",
        description.layout.lower(),
        numbers,
        "" if description.pooling == "none" else description.pooling,
    ]
    return "-".join(filter(None, parts))


def _pad(image: Image.Image, size: int, colour: tuple[int, int, int]) -> Image.Image:
    if (factor := max(image.size) // (_REDUCED * size)) > 1:
        image = image.reduce(factor)
    side = max(image.size)
    square = Image.new("RGB", (side, side), colour)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _letterbox(
    image: Image.Image, size: int, colour: tuple[int, int, int], resample: Image.Resampling
) -> Image.Image:
    """As `ImageOps.pad` does, which fails at a strip so thin that none of its width is left."""
    longer = max(image.size)
    resized = image.resize([max(1, round(side / longer * size)) for side in image.size], resample)
    square = Image.new("RGB", (size, size), colour)
    square.paste(resized, (round((size - resized.width) / 2), round((size - resized.height) / 2)))
    return square


def _crop(image: Image.Image, size: int, resample: Image.Resampling) -> Image.Image:
    image = _without_ends(image, _LONGEST * min(image.size))
    shorter, longer = sorted(image.size)
    length = size * longer // shorter
    wide = image.width > image.height
    resized = image.resize((length, size) if wide else (size, length), resample)
    left, top = (resized.width - size) // 2, (resized.height - size) // 2
    return resized.crop((left, top, left + size, top + size))


def _without_ends(image: Image.Image, longest: int) -> Image.Image:
    """The middle of a strip, at most so long."""
    width, height = (min(side, longest) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
