"""Colour pictures of float32 samples, which Pillow does not read: PFM and TIFF."""

import io
import re
import struct
from typing import Any, Final

import numpy as np
import PIL.Image
from PIL import TiffImagePlugin

from i2v_search.errors import ImageError
from i2v_search.images.limits import check_size
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason
from i2v_search.images.rgb import floats_to_eight_bits

_PFM_HEAD: Final = re.compile(rb"PF\s+(\d{1,9})\s+(\d{1,9})\s+([-+.0-9eE]{1,32})\s")

_WIDTH, _BITS, _PHOTOMETRIC, _SAMPLES, _PREDICTOR = 256, 258, 262, 277, 317
_PLANAR, _TILE_WIDTH, _EXTRA, _FORMAT = 284, 322, 338, 339
_FLOAT, _RGB, _GREY = 3, 2, 1


def is_colour_pfm(data: bytes) -> bool:
    """Whether a file begins as a portable float map of three channels."""
    return _PFM_HEAD.match(data, 0, 256) is not None


def open_colour_pfm(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image:
    """Read a portable float map of three channels (P. Debevec's format: rows from the bottom up).

    Raises:
        ImageError: it is too large, ends early, or its scale is no number.
    """
    head = _PFM_HEAD.match(data, 0, 256)
    assert head is not None  # noqa: S101 - `is_colour_pfm` was asked
    width, height = int(head[1]), int(head[2])
    check_size((width, height), label, max_pixels)
    try:
        kind = "<f4" if float(head[3]) < 0 else ">f4"
    except ValueError as error:
        raise ImageError(label, damage_reason("PFM", error)) from error
    if len(data) - head.end() < 12 * width * height:
        raise ImageError(label, "truncated PFM: it holds fewer samples than its header says")
    samples = np.frombuffer(data, kind, 3 * width * height, head.end())
    return _picture(samples.reshape(height, width, 3)[::-1])


def read_native_floats(image: PIL.Image.Image) -> None:
    """Keep Pillow from turning the bytes of packed float32 samples that libtiff has turned already.

    It does so for a TIFF of the other byte order; 16-bit samples it handles.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode == "F":
        image.tile = [
            tile._replace(args=("F;32NF", *tile.args[1:]))
            if tile.codec_name == "libtiff" and isinstance(tile.args, tuple) and tile.args[0] == "F;32BF"
            else tile
            for tile in image.tile
        ]


def open_float_tiff(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image | None:
    """Read the first page of a TIFF of three or four interleaved float32 samples; None for any other TIFF.

    Pillow reads grey ones. So the page is read as a grey one whose rows are three or four times as long.

    Raises:
        ImageError: it is too large or damaged.
    """
    try:
        tags, places, order = _directory(data)
        samples = tags.get(_SAMPLES, 1)
        if tags.get(_PHOTOMETRIC) != _RGB or samples not in {3, 4}:
            return None
        predictor = tags.get(_PREDICTOR, 1)
        if tags.get(_PLANAR, 1) != 1 or (predictor != 1 and _TILE_WIDTH in tags):
            return None
        width = tags[_WIDTH]
        changed = bytearray(data)
        for tag, value in (
            (_WIDTH, width * samples),
            (_TILE_WIDTH, tags.get(_TILE_WIDTH, 0) * samples),
            *((_BITS, 32), (_FORMAT, _FLOAT), (_SAMPLES, 1), (_PHOTOMETRIC, _GREY), (_PREDICTOR, 1)),
        ):
            if tag in places:
                struct.pack_into(f"{order}HII", changed, places[tag] + 2, 4, 1, value)  # one long
        if _EXTRA in places:  # a private tag in its place: the directory keeps its length
            struct.pack_into(f"{order}H", changed, places[_EXTRA], 65_000)
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(bytes(changed)), "")
        if image.mode != "F":
            return None
        read_native_floats(image)
        check_size((width, image.height), label, max_pixels)
        values = np.array(image, np.float32).reshape(image.height, width, samples)
        # Pillow gave numbers in the order of this machine; the bytes of 3 are wanted as they are stored.
        values = _undo(predictor, values.byteswap() if predictor == 3 and order == ">" else values)
    except DECODE_ERRORS as error:
        raise ImageError(label, damage_reason("TIFF", error)) from error
    return _picture(values)


def _undo(predictor: int, values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Add up what was stored as differences along the rows: of whole numbers (2), or of bytes (3)."""
    height, width, samples = values.shape
    if predictor == 2:
        return np.cumsum(values.view(np.uint32), axis=1, dtype=np.uint32).view(np.float32)
    if predictor == 3:  # the highest bytes of a row come first, then the next lower ones
        rows = np.cumsum(values.view(np.uint8).reshape(height, -1, samples), axis=1, dtype=np.uint8)
        parts = np.ascontiguousarray(rows.reshape(height, 4, -1).transpose(0, 2, 1))
        return parts.view(">f4").astype(np.float32).reshape(height, width, samples)
    return values


def _directory(data: bytes) -> tuple[dict[int, int], dict[int, int], str]:
    """Values of the first page's tags that are one number, where each entry stands, and the byte order."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    tags: dict[int, int] = {}
    places: dict[int, int] = {}
    for number in range(count):
        place = start + 2 + 12 * number
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, place)
        places[tag] = place
        if length == 1 and kind in {3, 4}:
            tags[tag] = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, place + 8)[0]
    return tags, places, order


def _picture(values: "np.ndarray[Any, Any]") -> PIL.Image.Image:
    """(h, w, 3 or 4) floats as a picture; a fourth sample is its alpha."""
    levels = floats_to_eight_bits(values[..., :3])
    if values.shape[-1] == 4:
        alpha = np.round(255 * np.clip(np.nan_to_num(values[..., 3]), 0, 1)).astype(np.uint8)
        levels = np.dstack([levels, alpha])
    return PIL.Image.fromarray(levels)
