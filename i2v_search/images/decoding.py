"""From any source to an RGB picture: reading, opening, colour and turning in their order."""

import io
import os
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import PIL.Image
from PIL import JpegImagePlugin

from i2v_search.errors import ImageError
from i2v_search.images.documents import PHOTOSHOP, picture_within
from i2v_search.images.extra_formats import HEIF, check_installed, extra_format
from i2v_search.images.floats import is_colour_pfm, open_colour_pfm, open_float_tiff, read_native_floats
from i2v_search.images.formats import KNOWN_STRANGERS, OPENERS, TGA_EXTENSIONS
from i2v_search.images.heif import open_heif
from i2v_search.images.limits import check_icon, check_repeats, check_size
from i2v_search.images.photoshop import open_photoshop
from i2v_search.images.png_chunks import PNG_SIGNATURE, without_ancillary
from i2v_search.images.quiet import quiet_pillow
from i2v_search.images.reading import MAX_BYTES, read_bounded, read_regular_file
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason
from i2v_search.images.rendering import render
from i2v_search.images.rgb import SWAPPING_TURNS, as_rgb, exif_turn

#: Formats whose further frames follow one another in time.
_MOVING = frozenset({"GIF", "PNG", "WEBP", "AVIF"})

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image


@dataclass(frozen=True)
class DecodedImage:
    """An RGB picture, and how large the original is when displayed.

    `pixels` has mode "RGB" and no metadata; it may be smaller than `width` x `height` when `shrink_to` was
    given. `is_animated` says whether the file has more frames than the one that is decoded.
    """

    pixels: PIL.Image.Image
    width: int
    height: int
    is_animated: bool = False


def decode_image(
    source: ImageSource,
    *,
    name: str | None = None,
    shrink_to: int | None = None,
    max_pixels: int | None = None,
    max_bytes: int = MAX_BYTES,
    turn: bool = True,
) -> DecodedImage:
    """Decode a path, bytes, a binary stream or a Pillow image into 8-bit sRGB.

    `name` is what errors call the source (by default its path). With `shrink_to`, a picture whose shorter
    side is at least twice that may come back smaller, by a whole factor, its shorter side in [shrink_to, 2 *
    shrink_to) for most formats and always at least `shrink_to`: decoding a JPEG costs a third then. A stream
    is read from where it stands. `max_pixels` None takes the limit that holds everywhere, 100 million or what
    the environment variable ``I2V_SEARCH_MAX_PIXELS`` says. `turn` False ignores the EXIF orientation, except
    of a TIFF, which Pillow itself turns.

    Raises `ImageError` for whatever is wrong with the picture, and `ValueError` for a `shrink_to` below 1.

    >>> import io, PIL.Image
    >>> file = io.BytesIO()
    >>> PIL.Image.new("RGBA", (400, 300), (255, 0, 0, 0)).save(file, "PNG")
    >>> picture = decode_image(file.getvalue(), shrink_to=100)
    >>> picture.width, picture.height, picture.pixels.size, picture.pixels.getpixel((0, 0))
    (400, 300, (134, 100), (255, 255, 255))
    """
    if shrink_to is not None and shrink_to < 1:
        raise ValueError(f"shrink_to must be at least 1, not {shrink_to}")
    if not isinstance(source, str | os.PathLike | bytes | PIL.Image.Image) and not hasattr(source, "read"):
        raise TypeError(
            f"cannot read an image from {type(source).__name__}: give a path, bytes, stream or Image"
        )
    label = name if name is not None else _label(source)
    with quiet_pillow():
        if isinstance(source, PIL.Image.Image):
            return _finish(source, label, shrink_to, max_pixels, turn)
        with open_image(_read(source, label, max_bytes), label, max_pixels) as image:
            return _finish(image, label, shrink_to, max_pixels, turn)


def load_image(
    source: ImageSource,
    *,
    name: str | None = None,
    shrink_to: int | None = None,
    max_pixels: int | None = None,
    max_bytes: int = MAX_BYTES,
    turn: bool = True,
) -> PIL.Image.Image:
    """Return `decode_image(...).pixels`: the picture alone, mode "RGB".

    >>> import PIL.Image
    >>> load_image(PIL.Image.new("L", (2, 2), 7)).getpixel((1, 1))
    (7, 7, 7)
    """
    return decode_image(
        source, name=name, shrink_to=shrink_to, max_pixels=max_pixels, max_bytes=max_bytes, turn=turn
    ).pixels


def _label(source: ImageSource) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, PIL.Image.Image):
        return "<image>"
    stream_name = getattr(source, "name", None)
    return stream_name if isinstance(stream_name, str) else "<stream>"


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, label: str, max_bytes: int) -> bytes:
    if isinstance(source, str | os.PathLike):
        data = read_regular_file(source, label, max_bytes)
    elif isinstance(source, bytes):
        if len(source) > max_bytes:
            raise ImageError(label, f"{len(source)} bytes is over the limit of {max_bytes} bytes")
        data = source
    else:
        data = read_bounded(source, label, max_bytes)
    if not data:
        raise ImageError(label, "empty file")
    return data


def _finish(
    image: PIL.Image.Image, label: str, shrink_to: int | None, max_pixels: int | None, turn: bool
) -> DecodedImage:
    check_size(image.size, label, max_pixels)
    try:
        return _decode(image, shrink_to, turn)
    except DECODE_ERRORS as error:
        raise ImageError(label, damage_reason(image.format or "image", error)) from error


def _decode(image: PIL.Image.Image, shrink_to: int | None, turn: bool) -> DecodedImage:
    full_size = None
    if isinstance(image, JpegImagePlugin.JpegImageFile) and image.tile and shrink_to is not None:
        full_size = image.size
        image.draft(None, (shrink_to, shrink_to))
    image.load()
    width, height = full_size or image.size  # an oriented TIFF swaps its sides as it loads
    pixels = as_rgb(image, shrink_to)
    transposition = exif_turn(image) if turn else None
    if transposition is not None:
        pixels = pixels.transpose(transposition)
        if transposition in SWAPPING_TURNS:
            width, height = height, width
    if pixels is image:
        pixels = image.copy()
    pixels.info.clear()  # its orientation and profile have been applied and must not be applied again
    return DecodedImage(pixels, width, height, _is_animated(image))


def _is_animated(image: PIL.Image.Image) -> bool:
    """Whether there is a second frame; the pages of a document and the sizes of an icon are none."""
    try:
        return image.format in _MOVING and bool(getattr(image, "is_animated", False))
    except DECODE_ERRORS:  # damaged behind the first frame
        return False


def open_image(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image:
    """Parse the header only. Pillow gets the bytes, never the file: a mapped file that shrinks would kill the
    process.
    """
    if is_colour_pfm(data):
        return open_colour_pfm(data, label, max_pixels)
    if data.startswith(PHOTOSHOP):
        return open_photoshop(data, label, max_pixels)
    if (flattened := picture_within(data, label)) is not None:
        return _open_listed(flattened, label, max_pixels)
    if (extra := extra_format(data)) is not None:
        check_installed(extra, label)
        if extra is HEIF:
            return open_heif(data, label, max_pixels)
        drawn = render(extra, data, label, max_pixels)
        return _open_listed(drawn, label, max_pixels) if isinstance(drawn, bytes) else drawn
    return _open_listed(data, label, max_pixels)


def _open_listed(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image:
    """Parse the header of a file in one of `FORMATS`."""
    if data.startswith(PNG_SIGNATURE):
        data = without_ancillary(data)
    prefix = data[:16].ljust(16, b"\0")  # some of Pillow's tests read all 16 bytes
    damage: tuple[str, Exception] | None = None
    for format_name, opener in OPENERS.items():
        if not _accepts(format_name, prefix, label):
            continue
        if format_name == "ICO":
            check_icon(data, label, max_pixels)
        if format_name == "JPEG":
            check_repeats(data, label)
        try:
            # Not Image.open: it tries formats by its own list and warns, or stops, at its own pixel limit.
            image = opener(io.BytesIO(data), "")
        except SyntaxError as error:
            if format_name == "TIFF" and (floats := open_float_tiff(data, label, max_pixels)) is not None:
                return floats
            damage = damage or (format_name, error)
            continue
        except DECODE_ERRORS as error:
            raise ImageError(label, damage_reason(format_name, error)) from error
        check_size(image.size, label, max_pixels)
        read_native_floats(image)
        return image
    if damage is not None:
        raise ImageError(label, damage_reason(*damage)) from damage[1]
    known = next((kind for pattern, kind in KNOWN_STRANGERS if pattern.match(data, 0, 4096)), None)
    raise ImageError(
        label, f"not an image Pillow can identify{f': it looks like {known}' if known is not None else ''}"
    )


def _accepts(format_name: str, prefix: bytes, label: str) -> bool:
    if format_name == "TGA":
        # TGA has no signature: nearly anything could be one, so the name must say so.
        return os.path.splitext(label)[1].lower() in TGA_EXTENSIONS  # noqa: PTH122 - not a path
    accept = PIL.Image.OPEN[format_name][1]
    return accept is not None and accept(prefix) is True
